"""The values of a file plane by plane, in the image's own units, with how each is shown by itself.

Decides what a viewer windows: values after modality table or rescale; of MONOCHROME1 with the other sign, so that a
higher value is brighter in every image. Cleans nothing: what it gives stays in the reading.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UnreadableImage
from pipeline.imaging.limits import ImageLimits, too_large
from pipeline.imaging.records import ImageFormat, Rendering
from pipeline.imaging.rendering import apply_window

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from pipeline.imaging.dicom import DicomFile

PLANES_MAX: Final = 1024
"""Of one volume."""
VALUES_MAX: Final = 96_000_000
"""Of one volume: 192 MB of 16 bits, what a browser holds."""
_INT16: Final = (-(2**15), 2**15 - 1)


@dataclass(frozen=True, slots=True)
class PlanePlace:
    """Where a plane lies in the patient, as DICOM has it: millimetres towards the left, the back, the head."""

    along_columns: NDArray[np.float64]
    """Shape (3,): the direction in which the column number rises."""
    along_rows: NDArray[np.float64]
    position: NDArray[np.float64] | None
    """Of the first pixel."""

    @property
    def normal(self) -> NDArray[np.float64]:
        return np.cross(self.along_columns, self.along_rows)


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane. Shapes are (rows, columns), of colour (rows, columns, 3)."""

    values: NDArray[Any]
    shown: tuple[NDArray[np.uint8], ...]
    """The plane in 8 bits, each way in which text in it may come out: by itself, and from its least value to its
    greatest. Pixels are not made square."""
    window: tuple[float, float] | None
    """Centre and width by which it is shown by itself, in the units of `values`."""
    spacing: tuple[float, float, float]
    """Millimetres from row to row, from column to column, from plane to plane; 1 where nothing is said."""
    place: PlanePlace | None = None
    number: int = 0
    """In its series, as the header counts."""


def dicom_planes(stream: BinaryIO, limits: ImageLimits) -> tuple[Dataset, Iterator[Plane]]:
    """Every frame of a DICOM file, in order, with its header. Raises UnreadableImage."""
    from pipeline.imaging.dicom import frame_count, open_dicom

    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    opened = open_dicom(stream, size, limits)
    count = frame_count(opened.dataset)
    require_room(count, count * int(opened.dataset.Rows) * int(opened.dataset.Columns))
    return opened.dataset, (_dicom_plane(opened, number, count) for number in range(1, count + 1))


def require_room(planes: int, values: int) -> None:
    """Raises UnreadableImage for more than a viewer is given at once."""
    if planes > PLANES_MAX or values > VALUES_MAX:
        raise too_large(
            f"The volume has more than {PLANES_MAX:,} planes or {VALUES_MAX:,} values: too many for one download."
        )


def _dicom_plane(opened: DicomFile, number: int, count: int) -> Plane:
    from pipeline.imaging.dicom import render_stored, stored_frame
    from pipeline.imaging.dicom_grey import frame_header, numbers, real_values

    header = frame_header(opened.dataset, number - 1)
    stored = stored_frame(opened, number, count)
    rendering = render_stored(stored, opened.dataset, header, empty_too=True)
    spacing = _spacing(header, opened.dataset)
    place = _place(opened.dataset) if count == 1 else None
    instance = int((*numbers(opened.dataset, "InstanceNumber"), 0)[0])
    if rendering.pixels.ndim == 3 or stored.ndim == 3:
        return Plane(rendering.pixels, (rendering.pixels,), None, spacing, place, instance)
    values, window = real_values(stored, header), rendering.window
    if str(header.get("PhotometricInterpretation", "")).strip().upper() == "MONOCHROME1":
        values, window = -values, None if window is None else (-window[0], window[1])
    shown = (rendering.pixels, *whole_range(values))
    return Plane(compact(values), shown, window, spacing, place, instance)


def _spacing(header: Dataset, dataset: Dataset) -> tuple[float, float, float]:
    from pipeline.imaging.dicom_grey import numbers, pixel_aspect

    across = next(
        (
            found
            for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
            if len(found := numbers(header, name)) == 2 and min(found) > 0
        ),
        (pixel_aspect(header), 1.0),
    )
    deep = next(
        (
            found[0]
            for name in ("SpacingBetweenSlices", "SliceThickness")
            if (found := numbers(dataset, name)) and found[0] > 0
        ),
        1.0,
    )
    return across[0], across[1], deep


def _place(dataset: Dataset) -> PlanePlace | None:
    from pipeline.imaging.dicom_grey import numbers

    directions = numbers(dataset, "ImageOrientationPatient")
    position = numbers(dataset, "ImagePositionPatient")
    if len(directions) != 6:
        return None
    columns, rows = np.array(directions[:3]), np.array(directions[3:])
    if not (np.allclose([columns @ columns, rows @ rows], 1, atol=0.01) and abs(columns @ rows) < 0.01):
        return None
    return PlanePlace(columns, rows, np.array(position) if len(position) == 3 else None)


def picture_plane(stream: BinaryIO, source_format: ImageFormat, limits: ImageLimits) -> Plane:
    """A PNG or a JPEG. Raises UnreadableImage."""
    from PIL import Image

    from pipeline.imaging.raster import read_jpeg, read_png, sixteen_bits

    frame = read_png(stream, limits) if source_format == "png" else read_jpeg(stream, limits)
    shown, flat = frame.rendering.pixels, (1.0, 1.0, 1.0)
    if frame.rendering.window is not None:
        stream.seek(0)
        with Image.open(stream, formats=["PNG"]) as image:
            stored = sixteen_bits(image)
        assert stored is not None
        return Plane(compact(stored), (shown, *whole_range(stored)), frame.rendering.window, flat)
    return Plane(shown, (shown,), None, flat)


@dataclass(frozen=True, slots=True)
class NiftiVolume:
    """The first volume of a NIfTI file as it lies in it, and the slice of it that the index looks at."""

    values: NDArray[Any]
    """Shape of the file's three axes."""
    affine: NDArray[np.float64]
    """Shape (4, 4): to millimetres towards the right, the front, the head."""
    middle: Rendering
    window: tuple[float, float] | None


def nifti_volume(stream: BinaryIO, limits: ImageLimits) -> NiftiVolume:
    """Raises UnreadableImage."""
    from pipeline.imaging.nifti import open_volume, read_slice

    middle = read_slice(stream, limits).rendering
    stream.seek(0)
    values, affine = open_volume(stream, limits)
    require_room(max(values.shape), values.size)
    return NiftiVolume(values, affine, middle, middle.window)


def whole_range(values: NDArray[Any]) -> tuple[NDArray[np.uint8], ...]:
    """All that is there, in 8 bits; nothing where all is one value."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    if not high > low:
        return ()
    return (apply_window(values, ((low + high) / 2, high - low), "LINEAR_EXACT"),)


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """The same in the fewest bytes that lose nothing: 8 or 16 bits where all values are whole, else floats of 32."""
    if values.dtype == np.uint8:
        return values
    plain = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) if values.dtype.kind == "f" else values
    kind: type[Any] = np.float32
    if plain.dtype.kind in "iu" or bool((plain == np.rint(plain)).all()):
        kind = _whole_kind(float(plain.min()), float(plain.max()))
    made: NDArray[Any] = plain.astype(kind)
    return made


def _whole_kind(low: float, high: float) -> type[Any]:
    if _INT16[0] <= low and high <= _INT16[1]:
        return np.int16
    return np.uint16 if low >= 0 and high < 2**16 else np.float32


def unequal(what: str) -> UnreadableImage:
    """A series that is no volume."""
    return UnreadableImage(
        what,
        remedy="Look at its images one after another: each is a volume of its own.",
        kind="uneven-series",
    )
