"""How an image looks, as numbers, without any learned weight: coarse grey values and where which edges run.

Decides what two looks have in common: the field inside a margin of one grey, as a square; its 32 x 32 grey values
without their mean; and a histogram of oriented gradients (Dalal and Triggs 2005) at 112 pixels. So a border, the size,
brightness and contrast change little. Knows no file format and nothing of medicine: a healthy lung and a diseased one
look alike to it. docs/decisions/local-image-embedder.md has the figures behind every constant; whoever changes one
raises VERSION, since vectors of two versions must not meet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Vector

VERSION = 1
PIXELS_SIDE = 32
EDGES_SIDE = 112
CELL_SIDE = 16
BINS = 9
BLOCK_CELLS = 2
BLOCK_VALUE_MAX = 0.2
"""One strong edge, such as that of a marker of lead, must not be all that a block says."""
PIXELS_SHARE = 0.2
"""Of a cosine; the rest is the edges'."""

LOOK_SIDE = 128
"""The margin is looked for at this size, where noise has averaged out."""
MARGIN_SHARE_MAX = 1 / 10
"""Of the image's own range of greys, within which a margin is of one grey: JPEG's ripples around a film are."""
FIELD_SHARE_MIN = 1 / 8
"""Of a side: less is no field but a speck in an empty image."""

_CELLS = EDGES_SIDE // CELL_SIDE
_BLOCKS = _CELLS - BLOCK_CELLS + 1
DIMENSION = PIXELS_SIDE**2 + _BLOCKS**2 * BLOCK_CELLS**2 * BINS

Grey = NDArray[np.float32]


def look(grey: NDArray[np.generic]) -> Vector:
    """The vector of one image, shape (DIMENSION,), unit length; `grey` has shape (rows, columns), 0 to 255.

    Images of one grey all have the same vector, which resembles no other image.
    """
    field = _square(_without_margin(np.asarray(grey, dtype=np.float32)))
    pixels = _unit(_centred(resize(field, PIXELS_SIDE, PIXELS_SIDE).ravel()))
    edges = _unit(oriented_gradients(resize(field, EDGES_SIDE, EDGES_SIDE)))
    together = np.concatenate([np.sqrt(PIXELS_SHARE) * pixels, np.sqrt(1 - PIXELS_SHARE) * edges])
    if not together.any():
        together[0] = 1.0
    return _unit(together.astype(np.float32))


def resize(grey: Grey, rows: int, columns: int) -> Grey:
    """Each value the mean over what it covers; between the nearest ones where the image is enlarged.

    By sums and without matrix products, whose last digits and threads differ between machines.
    """
    scaled = _scaled_rows(_scaled_rows(grey.astype(np.float64), rows).T, columns).T
    return scaled.astype(np.float32)


def _scaled_rows(grey: NDArray[np.float64], wanted: int) -> NDArray[np.float64]:
    given = grey.shape[0]
    if given == wanted:
        return grey
    if given > wanted:
        sums = np.concatenate([np.zeros((1, grey.shape[1])), np.cumsum(grey, axis=0)])
        up_to = _between(sums, np.arange(wanted + 1) * given / wanted)
        return np.asarray(np.diff(up_to, axis=0) * (wanted / given))
    centres = (np.arange(wanted) + 0.5) * given / wanted - 0.5
    return _between(grey, np.clip(centres, 0, given - 1))


def _between(values: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of `values` at places between them."""
    lower = np.floor(places).astype(np.intp)
    upper = np.minimum(lower + 1, values.shape[0] - 1)
    share = (places - lower)[:, None]
    return np.asarray(values[lower] * (1 - share) + values[upper] * share)


def _without_margin(grey: Grey) -> Grey:
    """What is left inside a margin of one grey, the image as it is where there is none."""
    rows, columns = grey.shape
    scale = max(1.0, max(rows, columns) / LOOK_SIDE)
    small = resize(grey, max(1, round(rows / scale)), max(1, round(columns / scale)))
    shown = np.abs(small - np.median(_frame(small))) > MARGIN_SHARE_MAX * np.ptp(small)
    top, bottom = _extent(shown.any(axis=1), rows)
    left, right = _extent(shown.any(axis=0), columns)
    if bottom - top < rows * FIELD_SHARE_MIN or right - left < columns * FIELD_SHARE_MIN:
        return grey
    return grey[top:bottom, left:right]


def _extent(shown: NDArray[np.bool_], side: int) -> tuple[int, int]:
    """From the first to behind the last that is shown, in pixels of a side of `side`; nothing where none is."""
    places = np.flatnonzero(shown)
    if not places.size:
        return 0, 0
    first, behind = int(places[0]), int(places[-1]) + 1
    return first * side // shown.size, -(-behind * side // shown.size)


def _frame(grey: Grey) -> Grey:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _square(grey: Grey) -> Grey:
    """In the middle of a square of what its frame mostly is."""
    rows, columns = grey.shape
    if rows == columns:
        return grey
    side = max(rows, columns)
    square = np.full((side, side), np.median(_frame(grey)), dtype=np.float32)
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = grey
    return square


def oriented_gradients(grey: Grey) -> NDArray[np.float64]:
    """Histograms of the directions of edges, without their sign, shape (blocks x cells x bins,); blocks overlap by a
    cell and are each brought to one length, so that contrast does not count. `grey` is a square whose side is a
    multiple of CELL_SIDE."""
    strength, direction = _gradients(grey)
    position = direction / np.pi * BINS - 0.5
    lower = np.floor(position)
    share = position - lower
    cell = np.arange(grey.shape[0]) // CELL_SIDE
    cells = int(cell[-1]) + 1
    place = (cell[:, None] * cells + cell) * BINS
    bins = lower.astype(np.int64)
    sums = np.bincount(
        np.concatenate([(place + bins % BINS).ravel(), (place + (bins + 1) % BINS).ravel()]),
        np.concatenate([(strength * (1 - share)).ravel(), (strength * share).ravel()]),
        minlength=cells**2 * BINS,
    )
    return _blocks(np.asarray(sums, dtype=np.float64).reshape(cells, cells, BINS)).ravel()


def _gradients(grey: Grey) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strength and direction (0 to pi) of the central differences; none at the frame, where a cut is no edge."""
    down = np.zeros(grey.shape)
    across = np.zeros(grey.shape)
    down[1:-1] = grey[2:] - grey[:-2]
    across[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    return np.hypot(across, down), np.arctan2(down, across) % np.pi


def _blocks(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlapping squares of cells at length 1, with no value above BLOCK_VALUE_MAX before the second scaling."""
    count = cells.shape[0] - BLOCK_CELLS + 1
    steps = range(BLOCK_CELLS)
    blocks = np.stack([cells[i : i + count, j : j + count] for i in steps for j in steps], axis=2)
    flat = blocks.reshape(count, count, -1)
    return _scaled(np.minimum(_scaled(flat), BLOCK_VALUE_MAX))


def _scaled(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + 1e-4))


def _centred(values: Grey) -> Grey:
    return np.asarray(values - values.mean(), dtype=np.float32)


def _unit(values: NDArray[np.floating]) -> Vector:
    """At length 1; what is zero, or nearly so by rounding alone, stays zero."""
    length = float(np.linalg.norm(values))
    return np.asarray(values / length if length > 1e-3 else values * 0, dtype=np.float32)
