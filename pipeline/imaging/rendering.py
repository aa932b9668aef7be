"""Values of an image to the 8 bits that people and models are shown.

Decides what a window does (PS3.3 C.11.2.1.2 and .3), which window stands in where none is given, and how pixels that
are not square become so. Knows no file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UnreadableImage
from pipeline.imaging.records import Rendering

WindowFunction: TypeAlias = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

TAIL_SHARE = 0.005
"""Of the pixels, darker and brighter than the window that stands in: a marker of lead must not darken the lungs."""

ASPECT_MAX = 20.0
"""A pixel that is more than so much longer than wide is a wrong header, not a scanner."""

_ROWS_SKIPPED = 32
_ROWS_AT_ONCE = 64

_ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """One frame of a file, rendered, and what the file says of its place."""

    rendering: Rendering
    rows: int
    """As stored, before any scaling; `columns` as well."""
    columns: int
    number: int = 1
    """Of the frame, counted from 1."""
    count: int = 1
    remarks: Mapping[str, str] = field(default_factory=dict)
    """What was decided, in fixed words: which plane of a volume, which window stood in."""


def apply_window(
    values: NDArray[Any], window: tuple[float, float], function: WindowFunction = "LINEAR"
) -> NDArray[np.uint8]:
    """Values of any shape through a window (centre, width), to 0..255. A width of 1 or less, which LINEAR does not
    have, is taken as LINEAR_EXACT has it."""
    centre, width = window
    shown = np.asarray(values, dtype=np.float64)
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return _eight_bits(1.0 / (1.0 + np.exp(-4.0 * (shown - centre) / width)))
    if function == "LINEAR" and width > 1:
        return _eight_bits((shown - (centre - 0.5)) / (width - 1.0) + 0.5)
    return _eight_bits((shown - centre) / width + 0.5)


def _eight_bits(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    levels = np.nan_to_num(shares, nan=0.0, posinf=1.0, neginf=0.0)
    return (np.clip(levels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def stand_in_window(values: NDArray[Any], counts: NDArray[Any] | None = None) -> tuple[float, float]:
    """The window where none is given: all but the darkest and the brightest half per cent of the pixels.

    `counts` says how many pixels have each of `values`, which are sorted then. Raises UnreadableImage where all are
    one: there is nothing to see.
    """
    if counts is None:
        finite = values[np.isfinite(values)]
        require_contrast(finite)
        low, high = (float(each) for each in np.quantile(finite, (TAIL_SHARE, 1 - TAIL_SHARE)))
        least, most = float(finite.min()), float(finite.max())
    else:
        present = values[counts > 0]
        require_contrast(present)
        reached = np.cumsum(counts) / max(int(counts.sum()), 1)
        low = float(values[np.searchsorted(reached, TAIL_SHARE, side="right")])
        high = float(values[np.searchsorted(reached, 1 - TAIL_SHARE)])
        least, most = float(present.min()), float(present.max())
    if not high > low:  # nearly all of one value: what differs is what there is to see
        low, high = least, most
    return (low + high) / 2, high - low


def count_levels(places: NDArray[Any], size: int) -> NDArray[Any]:
    """How often each of 0..size-1 stands in `places`: numpy's bincount, which copies eight bytes a pixel of all
    that it is given, block by block."""
    counts = np.zeros(size, dtype=np.int64)
    for block in np.array_split(places.ravel(), 1 + places.size // 2**20):
        counts += np.bincount(block, minlength=size)
    return counts


def look_up(table: NDArray[np.uint8], places: NDArray[Any]) -> NDArray[np.uint8]:
    """What `table` has at each of `places`, which all lie in it: numpy's own look-up, some rows at a time. At once it
    makes eight bytes of every place first, which takes twice as long."""
    found = np.empty(places.shape, dtype=np.uint8)
    for start in range(0, len(places), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        np.take(
            table, places[rows], out=found[rows], mode="clip"
        )  # "raise" makes a copy of what it writes into
    return found


def require_contrast(values: NDArray[Any]) -> None:
    """Raises UnreadableImage where all values are one, or there is none."""
    if values.size == 0 or values.min() == values.max():
        raise UnreadableImage(
            "All pixels of the image have one value.",
            remedy="Leave it out: it would be found beside every other empty image.",
            kind="blank",
        )


def require_shades(values: NDArray[Any], shades_min: int = 9) -> None:
    """Raises UnreadableImage where an image that says nothing of its kind has so few values that it is a mask. Of a
    film every thirty-second row has enough of them."""
    if _shades(values[::_ROWS_SKIPPED]) < shades_min and _shades(values) < shades_min:
        raise UnreadableImage(
            f"The image has fewer than {shades_min} different values: it is a mask or a drawing.",
            remedy="Leave it out; index the image that it was drawn on.",
            kind="mask",
        )


def _shades(values: NDArray[Any]) -> int:
    eight_bits = values.dtype == np.uint8
    return int(np.count_nonzero(np.bincount(values.ravel()))) if eight_bits else np.unique(values).size


def square_pixels(pixels: NDArray[np.uint8], aspect: float) -> NDArray[np.uint8]:
    """Rows or columns added where pixels are not square; `aspect` is a pixel's height by its width.

    Raises UnreadableImage where no scanner has such pixels.
    """
    if not 1 / ASPECT_MAX <= aspect <= ASPECT_MAX:
        raise UnreadableImage(
            f"By its header a pixel is more than {ASPECT_MAX:g} times as long as wide.",
            remedy="Correct the spacing or the aspect ratio in the header.",
            kind="header",
        )
    if abs(aspect - 1) <= _ASPECT_TOLERANCE:
        return pixels
    rows, columns = pixels.shape[:2]
    if aspect > 1:
        rows = max(1, round(rows * aspect))
    else:
        columns = max(1, round(columns / aspect))
    from PIL import Image

    scaled = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(scaled, dtype=np.uint8)


def grey_where_equal(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel where three say the same: most colour exports of films are grey."""
    if (
        pixels.ndim == 3
        and (pixels[..., 0] == pixels[..., 1]).all()
        and (pixels[..., 0] == pixels[..., 2]).all()
    ):
        return np.ascontiguousarray(pixels[..., 0])
    return pixels
