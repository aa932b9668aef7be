"""Stored values of a DICOM frame through modality and window to 8 bits, and where in a header these stand.

Decides the order of PS3.3 C.11: modality table or rescale, then the table or window of interest, then the inversion of
MONOCHROME1; and which of several windows counts, the first. Looks in the functional groups of enhanced objects before
it looks at the top. Knows no transfer syntax.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from pipeline.errors import UnreadableImage
from pipeline.imaging.records import Rendering
from pipeline.imaging.rendering import (
    WindowFunction,
    apply_window,
    count_levels,
    look_up,
    require_contrast,
    stand_in_window,
)

CT_WINDOW: Final = (40.0, 400.0)
"""Of soft tissue, in Hounsfield units: what a CT is shown with where its header has no window."""

_TABLE_SPAN_MAX = 2**17
"""Values of up to 16 bits are rendered through a table, which costs no second image of floats."""

_FUNCTIONAL_GROUPS: Final = (
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PixelMeasuresSequence",
)


def frame_header(dataset: Dataset, index: int) -> Dataset:
    """What is said of the frame at `index`, counted from 0: its own functional groups, those of all frames, the top."""
    header = Dataset()
    for source in (dataset, *_functional_groups(dataset, index)):
        for name in _ATTRIBUTES:
            if name in source:
                header[name] = _element(source, name)
    return header


def _element(source: Dataset, name: str) -> DataElement:
    try:
        return source[name]
    except (ValueError, TypeError, ArithmeticError, NotImplementedError, struct.error) as error:
        raise malformed(name) from error


_ATTRIBUTES: Final = (
    "Modality",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "PixelAspectRatio",
)


def _functional_groups(dataset: Dataset, index: int) -> Iterator[Dataset]:
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for groups in (shared[:1], per_frame[index : index + 1]):
        for group in groups:
            for name in _FUNCTIONAL_GROUPS:
                yield from (group.get(name) or [])[:1]


def numbers(header: Dataset, name: str) -> tuple[float, ...]:
    """The values of an attribute, none where it is absent or empty. Raises UnreadableImage where one is no number."""
    try:
        value = header.get(name)
        if value is None or value == "":
            return ()
        found = tuple(float(each) for each in (value if isinstance(value, MultiValue | list) else [value]))
    except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise malformed(name) from error
    if not all(np.isfinite(found)):
        raise malformed(name)
    return found


def whole_number(header: Dataset, name: str, default: int) -> int:
    """The first value of an attribute, `default` where it is absent. Raises UnreadableImage where it is no number."""
    return int((*numbers(header, name), default)[0])


def malformed(name: str) -> UnreadableImage:
    """A header whose attribute `name` cannot be used."""
    return UnreadableImage(
        f"The header's {name} is no usable value.",
        remedy="Export the image again from where it came from, or correct the attribute.",
        kind="header",
    )


def pixel_aspect(header: Dataset) -> float:
    """A pixel's height by its width; 1 where the header says nothing."""
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        found = numbers(header, name)
        if len(found) == 2 and min(found) > 0:
            return found[0] / found[1]
    return 1.0


def render_grey(
    stored: NDArray[Any],
    header: Dataset,
    window: tuple[float, float] | None = None,
    *,
    empty_too: bool = False,
) -> Rendering:
    """Stored values, shape (rows, columns), as `header` wants them shown, or through another `window`. Raises
    UnreadableImage for an empty frame, unless `empty_too`: one of many may well be."""
    _require_low_bits(header)
    least, most = stored.min(), stored.max()
    if least == most and empty_too:
        return Rendering(np.zeros(stored.shape, dtype=np.uint8), window)
    if least == most:
        require_contrast(stored)
    low, high = int(least), int(most)
    if high - low >= _TABLE_SPAN_MAX:
        levels, places, counts = np.unique(stored, return_inverse=True, return_counts=True)
        shown, window = _levels(levels, lambda: counts, header, window)
    else:
        places = _less(stored, low)
        levels = np.arange(low, high + 1, dtype=np.int64)
        shown, window = _levels(levels, lambda: count_levels(places, levels.size), header, window)
    pixels = look_up(shown, places)
    if not empty_too:
        require_contrast(pixels)
    return Rendering(pixels, window)


def _less(stored: NDArray[Any], low: int) -> NDArray[Any]:
    if low == 0:
        return stored
    return stored.astype(np.int32 if stored.dtype.itemsize < 4 else np.int64) - low


def _require_low_bits(header: Dataset) -> None:
    """Of pixels that stand in the upper bits, as very old objects have them, only a viewer may guess what is meant."""
    stored = whole_number(header, "BitsStored", 0)
    if whole_number(header, "HighBit", stored - 1) != stored - 1:
        raise malformed("HighBit")


def _levels(
    levels: NDArray[Any],
    counts: Callable[[], NDArray[Any]],
    header: Dataset,
    asked: tuple[float, float] | None,
) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    """What each stored value is shown as, and the window that did it. `counts` says how many pixels have each."""
    values, padding = real_values(levels, header), _padding(levels, header)
    window, function = _window(header)
    if asked is not None:
        window = asked
        shown = apply_window(values, asked, function)
    elif header.get("VOILUTSequence"):
        shown, window = _through_table(values, header), None
    elif window is not None:
        shown = apply_window(values, window, function)
    elif _fills_eight_bits(header) and levels[0] >= 0:
        shown = levels.astype(np.uint8)
    else:
        order = np.argsort(values)
        window = stand_in_window(values[order], np.where(padding, 0, counts())[order])
        shown = apply_window(values, window, "LINEAR_EXACT")
    if str(header.get("PhotometricInterpretation", "")).strip().upper() == "MONOCHROME1":
        shown = 255 - shown
    shown[padding] = 0
    return shown, window


def _window(header: Dataset) -> tuple[tuple[float, float] | None, WindowFunction]:
    """The first window of the header; of CT the one that stands in."""
    centre, width = numbers(header, "WindowCenter"), numbers(header, "WindowWidth")
    if centre and width and width[0] > 0:
        return (centre[0], width[0]), _function(header)
    return (CT_WINDOW if _is_hounsfield(header) else None), "LINEAR"


def real_values(levels: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Stored values through the modality table or the rescale. Raises UnreadableImage where these are no numbers."""
    slope, intercept = numbers(header, "RescaleSlope"), numbers(header, "RescaleIntercept")
    if slope[:1] == (0.0,):
        raise malformed("RescaleSlope")
    if header.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(levels, header))
    return levels * (*slope, 1.0)[0] + (*intercept, 0.0)[0]


def _through_table(values: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    table = np.asarray(apply_voi(np.rint(values).astype(np.int64), header), dtype=np.float64)
    entries = header["VOILUTSequence"].value[0]
    bits = int(entries.LUTDescriptor[2])
    most = float(2**bits - 1) if 8 <= bits <= 16 else float(table.max())
    return apply_window(table, (most / 2, max(most, 1.0)), "LINEAR_EXACT")


def _function(header: Dataset) -> WindowFunction:
    match str(header.get("VOILUTFunction", "LINEAR")).strip().upper():
        case "SIGMOID":
            return "SIGMOID"
        case "LINEAR_EXACT":
            return "LINEAR_EXACT"
        case _:
            return "LINEAR"


def _is_hounsfield(header: Dataset) -> bool:
    kind = str(header.get("RescaleType") or "HU").strip().upper()
    return (
        str(header.get("Modality", "")).strip().upper() == "CT" and kind == "HU" and "RescaleSlope" in header
    )


def _fills_eight_bits(header: Dataset) -> bool:
    return whole_number(header, "BitsStored", 0) == 8 and not (
        numbers(header, "RescaleSlope")[:1] not in ((), (1.0,))
        or any(numbers(header, "RescaleIntercept")[:1])
    )


def _padding(levels: NDArray[Any], header: Dataset) -> NDArray[np.bool_]:
    """Which stored values are no part of the picture."""
    value = numbers(header, "PixelPaddingValue")
    if not value:
        return np.zeros(levels.shape, dtype=bool)
    limit = (*numbers(header, "PixelPaddingRangeLimit"), value[0])[0]
    return (levels >= min(value[0], limit)) & (levels <= max(value[0], limit))
