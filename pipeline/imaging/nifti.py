"""One slice of a NIfTI volume: opened, judged by its header, oriented and rendered.

Decides which slice is taken (the middle one, of the first volume, in the plane in which it was acquired), how it lies
(as radiologists look: the patient's right on the left, front or head up), and that a map of labels is no image. Text of
the header and its extensions is never read.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import nibabel
import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from pipeline.errors import UnreadableImage
from pipeline.imaging.limits import ImageLimits, too_large
from pipeline.imaging.records import Rendering
from pipeline.imaging.rendering import (
    RenderedFrame,
    apply_window,
    require_shades,
    square_pixels,
    stand_in_window,
)

_PLANES: Final = ("sagittal", "coronal", "axial")
"""By the axis that runs through the slices: towards the right, the front, the head."""

_COARSER: Final = 1.1
"""How much thicker than its pixels a slice is where the plane of acquisition shows; else axial."""

_LABELS: Final = 1002
"""The header's intent code for a map of labels."""


def read_slice(
    stream: BinaryIO,
    limits: ImageLimits,
    number: int | None = None,
    window: tuple[float, float] | None = None,
) -> RenderedFrame:
    """The slice `number`, counted from 1 from the patient's left, back or feet; without one that in the middle.
    `window`: another than that of the header.

    Raises UnreadableImage where the file is damaged, too large, or no volume of an image.
    """
    header, content = _opened(stream, limits)
    orientation = _orientation(header.get_best_affine())
    if np.isnan(orientation).any():
        raise _unusable("The header does not say which way the volume lies.")
    shape, sizes = _shape(header), [float(abs(size)) for size in header.get_zooms()[:3]]
    plane = _plane(sizes, orientation)
    count = shape[_axis(orientation, plane)]
    if number is not None and not 1 <= number <= count:
        raise _unusable(f"There is no slice {number}: the volume has {count}.")
    taken = count // 2 + 1 if number is None else number
    volume = np.frombuffer(content, dtype=header.get_data_dtype(), count=int(np.prod(shape)))
    values = _slice(volume.reshape(shape, order="F"), orientation, plane, taken - 1)
    limits.require_shape(*values.shape)
    rendering = _rendered(_scaled(values, header), header, window, chosen=number is None and window is None)
    pixels = square_pixels(rendering.pixels, _aspect(sizes, orientation, plane))
    rows, columns = values.shape
    remarks = {"plane": _PLANES[plane], "volume": f"1 of {_volumes(header)}"}
    return RenderedFrame(Rendering(pixels, rendering.window), rows, columns, taken, count, remarks)


def open_volume(stream: BinaryIO, limits: ImageLimits) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The first volume's values, scaled as the header says, along the axes of the file, and its affine: shape (4, 4),
    to millimetres towards the right, the front, the head. Raises UnreadableImage."""
    header, content = _opened(stream, limits)
    shape = _shape(header)
    values = np.frombuffer(content, dtype=header.get_data_dtype(), count=int(np.prod(shape)))
    slope, intercept = header.get_slope_inter()
    stored = values.reshape(shape, order="F")
    plain = (slope, intercept) in ((None, None), (1.0, 0.0))
    return (stored if plain else _scaled(stored, header).astype(np.float32)), header.get_best_affine()


def each_slice(stream: BinaryIO, limits: ImageLimits) -> Iterator[tuple[NDArray[np.float64], float]]:
    """The values of every slice of the first volume as radiologists look at it, shape (rows, columns), and a pixel's
    height by its width. Raises UnreadableImage."""
    header, content = _opened(stream, limits)
    orientation = _orientation(header.get_best_affine())
    shape, sizes = _shape(header), [float(abs(size)) for size in header.get_zooms()[:3]]
    plane = _plane(sizes, orientation)
    stored = np.frombuffer(content, dtype=header.get_data_dtype(), count=int(np.prod(shape)))
    volume = stored.reshape(shape, order="F")
    for index in range(shape[_axis(orientation, plane)]):
        values = _scaled(_slice(volume, orientation, plane, index), header)
        yield values, _aspect(sizes, orientation, plane)


def _orientation(affine: NDArray[Any]) -> NDArray[Any]:
    """Of each axis of the file: which axis of the body it runs along, and 1 or -1 for its direction."""
    found: NDArray[Any] = np.asarray(io_orientation(affine))  # type: ignore[no-untyped-call]
    return found


def _opened(stream: BinaryIO, limits: ImageLimits) -> tuple[Any, bytes]:
    """The header, and the first volume's bytes: what is compressed is unpacked no further than that."""
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    source: Any = gzip.GzipFile(fileobj=stream) if packed else stream
    size = source.read(4)
    second = 540 in (int.from_bytes(size, "little"), int.from_bytes(size, "big"))
    source.seek(0)
    kind: Any = nibabel.Nifti2Header if second else nibabel.Nifti1Header
    header = kind.from_fileobj(source, check=False)
    offset, needed = _require_volume(header, limits)
    source.seek(offset)
    content = source.read(needed)
    if len(content) < needed:
        raise UnreadableImage(
            "The file is cut off: it ends before its image does.",
            remedy="Copy it again from where it came from.",
            kind="truncated",
        )
    return header, content


def _require_volume(header: Any, limits: ImageLimits) -> tuple[int, int]:
    """Where the first volume begins, and its bytes. Raises UnreadableImage where it is not decoded."""
    if int(header["intent_code"]) == _LABELS:
        raise UnreadableImage(
            "The volume is a map of labels.",
            remedy="Index the volume that it was drawn on; masks are not searched.",
            kind="mask",
        )
    try:
        kind, shape = header.get_data_dtype(), _shape(header)
    except (nibabel.spatialimages.HeaderDataError, ValueError) as error:
        raise _unusable("The header says nothing usable of the volume's size or values.") from error
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise _unusable("The volume holds colours or complex numbers.")
    if min(shape) < 1:
        raise _unusable("The header says nothing usable of the volume's size or values.")
    offset, needed = int(header.get_data_offset()), int(np.prod(shape, dtype=object)) * kind.itemsize
    if needed > limits.inflated_bytes_max or not 0 <= offset <= limits.inflated_bytes_max:
        raise too_large(f"A volume has more than {limits.inflated_bytes_max:,} bytes by its header.")
    return offset, needed


def _unusable(what: str) -> UnreadableImage:
    return UnreadableImage(
        what, remedy="Convert it again, as a volume of plain numbers with its orientation.", kind="header"
    )


def _shape(header: Any) -> tuple[int, int, int]:
    first, second, third = (*(int(length) for length in header.get_data_shape()[:3]), 1, 1, 1)[:3]
    return first, second, third


def _volumes(header: Any) -> int:
    return int(np.prod(header.get_data_shape()[3:], dtype=object))


def _plane(sizes: list[float], orientation: NDArray[Any]) -> int:
    """0 sagittal, 1 coronal, 2 axial: across the coarsest axis, where one is."""
    body = {int(orientation[axis, 0]): sizes[axis] for axis in range(3)}
    coarsest = max(body, key=lambda axis: body[axis])
    others = [size for axis, size in body.items() if axis != coarsest]
    return coarsest if body[coarsest] > _COARSER * max(others) else 2


def _axis(orientation: NDArray[Any], plane: int) -> int:
    """Which axis of the file runs along this one of the body."""
    return int(np.flatnonzero(orientation[:, 0] == plane)[0])


def _slice(volume: NDArray[Any], orientation: NDArray[Any], plane: int, index: int) -> NDArray[Any]:
    """Rows from head (or front) down, columns from the patient's right (or front) on."""
    flips = tuple(slice(None, None, int(direction)) for direction in orientation[:, 1])
    body = volume[flips].transpose([_axis(orientation, axis) for axis in range(3)])
    flat: NDArray[Any] = np.take(body, index, axis=plane)[::-1, ::-1]
    return flat.T


def _aspect(sizes: list[float], orientation: NDArray[Any], plane: int) -> float:
    across, down = (sizes[_axis(orientation, axis)] for axis in range(3) if axis != plane)
    return down / across if down > 0 and across > 0 else 1.0


def _scaled(values: NDArray[Any], header: Any) -> NDArray[np.float64]:
    slope, intercept = header.get_slope_inter()
    return values.astype(np.float64) * (1.0 if slope is None else slope) + (intercept or 0.0)


def _rendered(
    values: NDArray[np.float64], header: Any, asked: tuple[float, float] | None, *, chosen: bool
) -> Rendering:
    if chosen:
        require_shades(values[np.isfinite(values)])
    window = asked or _header_window(header) or stand_in_window(values)
    return Rendering(apply_window(values, window, "LINEAR_EXACT"), window)


def _header_window(header: Any) -> tuple[float, float] | None:
    low, high = float(header["cal_min"]), float(header["cal_max"])
    return ((low + high) / 2, high - low) if high > low else None
