"""An image, or the images of a series, as one NIfTI volume of cleaned values for a viewer.

Decides what is put into one volume: planes of one size, direction and distance. Masks every plane as the pictures of
the index are masked. The file that comes out is made here: sizes, affine, window and values, and not a word of what the
originals say of themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UnreadableImage
from pipeline.imaging.decoding import nothing_quoted, require_content
from pipeline.imaging.files import ImageFile, open_image
from pipeline.imaging.libraries import load_libraries
from pipeline.imaging.limits import ImageLimits
from pipeline.imaging.reading import PixelRules, ReadingOptions, pixel_rules
from pipeline.imaging.records import ImageFormat, Rendering
from pipeline.imaging.rendering import apply_window, square_pixels
from pipeline.imaging.sniffing import HEAD_BYTES, image_format
from pipeline.imaging.viewing.planes import (
    Plane,
    PlanePlace,
    compact,
    dicom_planes,
    nifti_volume,
    picture_plane,
    require_room,
    unequal,
    whole_range,
)

if TYPE_CHECKING:
    from pipeline.imaging.viewing.planes import NiftiVolume

_UNEVEN: Final = 0.1
"""By how much of their distance planes of a series may lie elsewhere: more is a plane that is missing."""


@dataclass(frozen=True, slots=True)
class VolumeView:
    """What is to be shown: the file of the image that was chosen first, then others of its series."""

    files: tuple[tuple[ImageFile, str], ...]
    """Each with the SHA-256 of the bytes that were indexed."""


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A NIfTI-1 file, not compressed. Axes run along columns, rows and planes; of a NIfTI original along its own."""

    content: bytes
    planes: int
    left_out: int
    """Images of the series that have another size or direction than the one that was chosen."""
    chosen: int = 1
    """Which plane the image that was chosen begins with, counted from 1."""


def view_volume(view: VolumeView, reading: ReadingOptions) -> VolumeFile:
    """Raises UnreadableImage where one of the files is not read, or they make no volume; the kind is "changed" where a
    file is another one than was indexed."""
    load_libraries()
    (chosen, content_hash), *others = view.files
    with open_image(chosen, reading.decoding.limits) as stream:
        found = _recognised(stream, content_hash)
        if found == "nifti":
            with nothing_quoted():
                return _nifti_file(stream, chosen, content_hash, reading)
    planes = list(_planes(chosen, content_hash, reading))
    if not others:
        return _written(planes, left_out=0)
    first, series = planes[0], list(planes)
    for file, digest in others:
        series += (plane for plane in _planes(file, digest, reading) if _belongs(plane, first))
        require_room(len(series), len(series) * first.values.size)
    ordered = _in_order(series)
    at = next(number for number, plane in enumerate(ordered, start=1) if plane.values is first.values)
    return replace(_written(ordered, left_out=len(view.files) - len(series)), chosen=at)


def _recognised(stream: BinaryIO, content_hash: str) -> ImageFormat:
    require_content(stream, content_hash)
    stream.seek(0)
    found = image_format(stream.read(HEAD_BYTES))
    stream.seek(0)
    return found


def _planes(file: ImageFile, content_hash: str, reading: ReadingOptions) -> Iterator[Plane]:
    """The planes of one file, cleaned."""
    limits, deidentifier = reading.decoding.limits, reading.deidentifier
    with open_image(file, limits) as stream, nothing_quoted():
        found = _recognised(stream, content_hash)
        if found == "dicom":
            dataset, planes = dicom_planes(stream, limits)
            rules = pixel_rules(dataset, "dicom", content_hash, file.metadata, deidentifier)
        else:
            planes = iter([picture_plane(stream, found, limits)])
            rules = pixel_rules(None, found, content_hash, file.metadata, deidentifier)
        for plane in planes:
            yield _cleaned(plane, rules, reading)


def _cleaned(plane: Plane, rules: PixelRules, reading: ReadingOptions) -> Plane:
    """Black where text is masked, however the plane is shown. Raises UnreadableImage where it is refused."""
    hidden = np.zeros(plane.values.shape[:2], dtype=bool)
    for shown in plane.shown:
        hidden |= _hidden(shown, plane.spacing[0] / plane.spacing[1], rules, reading)
    if not hidden.any():
        return replace(plane, shown=())
    values = np.array(plane.values)
    values[hidden] = 0 if values.ndim == 3 else values.min()
    return replace(plane, values=values, shown=())


def _hidden(
    shown: NDArray[np.uint8], aspect: float, rules: PixelRules, reading: ReadingOptions
) -> NDArray[np.bool_]:
    """Which pixels are masked. None is 0 before the check, so that whatever is 0 after it was masked."""
    from PIL import Image

    square = square_pixels(np.maximum(shown, 1), aspect)
    cleaned, _ = rules.clean(Rendering(square), reading.deidentifier)
    black = cleaned.pixels == 0
    masked: NDArray[np.bool_] = np.atleast_2d(black.all(axis=-1) if black.ndim == 3 else black)
    rows, columns = shown.shape[:2]
    if masked.shape == (rows, columns):
        return masked
    scaled = Image.fromarray(masked.astype(np.uint8) * 255).resize((columns, rows), Image.Resampling.BOX)
    return np.asarray(scaled) > 0


def _belongs(plane: Plane, first: Plane) -> bool:
    if plane.values.shape != first.values.shape or (plane.place is None) != (first.place is None):
        return False
    if plane.place is None or first.place is None:
        return True
    return all(
        np.allclose(each, other, atol=1e-3)
        for each, other in (
            (plane.place.along_columns, first.place.along_columns),
            (plane.place.along_rows, first.place.along_rows),
            (plane.spacing[:2], first.spacing[:2]),
        )
    )


def _in_order(planes: Sequence[Plane]) -> list[Plane]:
    """By where they lie; where nothing says, as they are numbered. Raises UnreadableImage where a plane is missing, or
    two lie in one place: distances would be false."""
    if len(planes) == 1:
        return list(planes)
    if any(plane.place is None or plane.place.position is None for plane in planes):
        numbers = [plane.number for plane in planes]
        if len(set(numbers)) < len(numbers):
            raise unequal("The images of the series are not numbered one after another.")
        return sorted(planes, key=lambda plane: plane.number)
    ordered = sorted(planes, key=_depth)
    depths = np.array([_depth(plane) for plane in ordered])
    steps = np.diff(depths)
    step = float(np.median(steps))
    if step <= 0 or np.abs(steps - step).max() > _UNEVEN * step:
        raise unequal("The images of the series do not lie at even distances: one may be missing.")
    return [_with_depth(plane, step) for plane in ordered]


def _depth(plane: Plane) -> float:
    assert plane.place is not None
    assert plane.place.position is not None
    return float(plane.place.position @ plane.place.normal)


def _with_depth(plane: Plane, step: float) -> Plane:
    return replace(plane, spacing=(*plane.spacing[:2], step))


def _written(planes: Sequence[Plane], left_out: int) -> VolumeFile:
    first = planes[0]
    values = np.stack([plane.values for plane in planes])  # planes, rows, columns
    turned = np.moveaxis(values, (0, 1, 2), (2, 1, 0))
    affine = _affine(first.spacing, first.place)
    return VolumeFile(_nifti(turned, affine, first.window), len(planes), left_out)


def _affine(spacing: tuple[float, float, float], place: PlanePlace | None) -> NDArray[np.float64]:
    """To millimetres towards the right, the front, the head, from the first pixel. Where nothing says how a picture
    lies, its columns run towards the right and its rows towards the back: as it is stored, for a viewer that has the
    patient's left on its left."""
    down, across, deep = spacing
    made = np.diag([across, -down, deep, 1.0])
    if place is not None:
        to_ras = np.array([-1.0, -1.0, 1.0])
        directions = (place.along_columns * across, place.along_rows * down, place.normal * deep)
        made[:3, :3] = np.stack([each * to_ras for each in directions], axis=1)
    return made


def _nifti(values: NDArray[Any], affine: NDArray[np.float64], window: tuple[float, float] | None) -> bytes:
    import nibabel

    made: Any = nibabel.Nifti1Image(_stored(values), affine)  # type: ignore[no-untyped-call]
    made.header.set_xyzt_units("mm")
    if window is not None:
        made.header["cal_min"], made.header["cal_max"] = (
            window[0] - window[1] / 2,
            window[0] + window[1] / 2,
        )
    content: bytes = made.to_bytes()
    return content


def _stored(values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim < 4:
        return compact(values)
    colours = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    return np.ascontiguousarray(values).view(colours)[..., 0]


def _nifti_file(stream: BinaryIO, file: ImageFile, content_hash: str, reading: ReadingOptions) -> VolumeFile:
    """A NIfTI original, its text and extensions left behind. Looked at for text is the slice that the index took; every
    one where the image is of a kind that often shows names."""
    limits, deidentifier = reading.decoding.limits, reading.deidentifier
    volume: NiftiVolume = nifti_volume(stream, limits)
    rules = pixel_rules(None, "nifti", content_hash, file.metadata, deidentifier)
    pictures: Iterable[Rendering] = [volume.middle]
    if rules.must_be_read(deidentifier):
        stream.seek(0)
        pictures = chain(pictures, _slices(stream, limits, volume.window))
    for picture in pictures:
        _, check = rules.clean(picture, deidentifier)
        if check == "masked":
            raise UnreadableImage(
                "The volume shows text that may name someone.",
                remedy="Look at it slice by slice: each is masked by itself.",
                kind="text-in-pixels",
            )
    content = _nifti(volume.values, volume.affine, volume.window)
    return VolumeFile(content, volume.values.shape[2], 0)


def _slices(stream: BinaryIO, limits: ImageLimits, window: tuple[float, float] | None) -> Iterator[Rendering]:
    """Every slice of a NIfTI volume by the window of its middle one, and over its own whole range."""
    from pipeline.imaging.nifti import each_slice

    for values, aspect in each_slice(stream, limits):
        own = () if window is None else (apply_window(values, window, "LINEAR_EXACT"),)
        for shown in (*own, *whole_range(values)):
            yield Rendering(square_pixels(shown, aspect))
