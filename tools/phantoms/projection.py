"""A film as what X-rays meet: shapes of the body are added up along the beam, and the sum is exposed.

Decides how a round body, a hollow bone and a flat patch of tissue throw their shadows, and what a detector makes of
the sum. Knows no part of the body. Lengths are millimetres, (across, down) from the middle of the film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Values: TypeAlias = NDArray[np.float64]
Grid: TypeAlias = tuple[Values, Values]
Point: TypeAlias = tuple[float, float]

BITS = 10
NOISE = 2.5
"""Standard deviation of the detector's noise, of the 1,024 values."""
SHARPNESS = 0.7
"""Standard deviation of the blur by the focal spot, in pixels."""


@dataclass
class Film:
    """What the beam has met so far, one value a pixel; 1 is a thigh's bone, 0 is air."""

    width: float
    height: float
    spacing: float
    met: Values = field(init=False)
    _grid: Grid = field(init=False)

    def __post_init__(self) -> None:
        across, down = np.meshgrid(*self._axes())
        self._grid = across, down
        self.met = np.zeros_like(across)

    def _axes(self) -> tuple[Values, Values]:
        def axis(length: float) -> Values:
            count = round(length / self.spacing)
            return np.asarray((np.arange(count) - (count - 1) / 2) * self.spacing, dtype=np.float64)

        return axis(self.width), axis(self.height)

    def grid(self) -> Grid:
        """Of each pixel how far across and how far down it lies, both of the film's shape."""
        return self._grid

    def round_body(
        self, centre: Point, radii: Point, density: float, tilt: float = 0.0, flatness: float = 0.5
    ) -> None:
        """An ellipsoid; negative where it is air in tissue. `flatness` 0.5 is a ball, less has steeper sides."""
        around = self._window([centre], max(radii))
        grid = self._grid[0][around], self._grid[1][around]
        self.met[around] += density * round_shadow(grid, centre, radii, tilt) ** (2 * flatness)

    def bone(
        self, points: Sequence[Point], radii: Sequence[float], density: float = 1.0, cortex: float = 0.3
    ) -> None:
        """A tube along a line, with a radius at each of its points: `cortex` of the radius is hard, the rest marrow."""
        around = self._window(points, max(radii))
        grid = self._grid[0][around], self._grid[1][around]
        outer = tube_shadow(grid, points, radii)
        inner = tube_shadow(grid, points, [(1 - cortex) * radius for radius in radii])
        self.met[around] += density * (outer - 0.72 * inner)

    def _window(self, points: Sequence[Point], reach: float) -> tuple[slice, slice]:
        """The rows and columns that can lie within `reach` of the points."""
        rows, columns = self.met.shape

        def cut(values: Sequence[float], count: int) -> slice:
            low, high = (at / self.spacing + count / 2 for at in (min(values) - reach, max(values) + reach))
            return slice(min(max(int(low) - 1, 0), count), min(max(int(high) + 2, 0), count))

        across, down = zip(*points, strict=True)
        return cut(down, rows), cut(across, columns)

    def patch(self, outline: Sequence[Point], density: float, blur: float = 1.0) -> None:
        """A flat piece of tissue with soft edges; `blur` in millimetres."""
        self.met += density * blurred(self.filled(outline), blur / self.spacing)

    def filled(self, outline: Sequence[Point]) -> Values:
        """1 inside a polygon, 0 outside."""
        rows, columns = self.met.shape
        image = Image.new("L", (columns, rows))
        at = [
            (across / self.spacing + (columns - 1) / 2, down / self.spacing + (rows - 1) / 2)
            for across, down in outline
        ]
        ImageDraw.Draw(image).polygon(at, fill=1)
        return np.asarray(image, dtype=np.float64)

    def exposed(self, seed: int) -> NDArray[np.uint16]:
        """The film as a detector reads it, bone bright."""
        shadow = blurred(1 - np.exp(-np.clip(self.met, 0, None)), SHARPNESS)
        noise = np.random.default_rng(seed).normal(0, NOISE, shadow.shape)
        top = 2**BITS - 1
        read = np.rint(20 + 0.96 * top * shadow + noise)
        return np.asarray(np.clip(read, 0, top), dtype=np.uint16)


def round_shadow(grid: Grid, centre: Point, radii: Point, tilt: float = 0.0) -> Values:
    """How much of an ellipsoid lies behind each pixel, 1 in its middle; `tilt` in degrees, clockwise."""
    turned = np.radians(tilt)
    across, down = grid[0] - centre[0], grid[1] - centre[1]
    along = across * np.cos(turned) + down * np.sin(turned)
    beside = down * np.cos(turned) - across * np.sin(turned)
    inside = np.clip(1 - (along / radii[0]) ** 2 - (beside / radii[1]) ** 2, 0, None)
    return np.asarray(np.sqrt(inside), dtype=np.float64)


def tube_shadow(grid: Grid, points: Sequence[Point], radii: Sequence[float]) -> Values:
    """How much of a tube lies behind each pixel, in units of the largest radius."""
    deepest = np.zeros_like(grid[0])
    ends = list(zip(points, radii, strict=True))
    for (start, first), (end, last) in pairwise(ends):
        step = np.subtract(end, start)
        share = ((grid[0] - start[0]) * step[0] + (grid[1] - start[1]) * step[1]) / max(step @ step, 1e-9)
        share = np.clip(share, 0, 1)
        off = (grid[0] - start[0] - share * step[0]) ** 2 + (grid[1] - start[1] - share * step[1]) ** 2
        radius = first + share * (last - first)
        deepest = np.maximum(deepest, np.sqrt(np.clip(radius**2 - off, 0, None)))
    return deepest / max(radii)


def blurred(values: Values, sigma: float) -> Values:
    """Gaussian; `sigma` in pixels. Beyond the edge it goes on as at the edge."""
    reach = max(1, round(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        widths = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(values, widths, mode="edge")
        length = values.shape[axis]
        values = sum(
            weight * np.take(padded, range(start, start + length), axis)
            for start, weight in enumerate(weights)
        )
    return values


def curve(*points: Point, count: int = 24) -> list[Point]:
    """A smooth line through points, evenly spread in parameter."""
    at = np.linspace(0, len(points) - 1, count)
    knots = np.arange(len(points))
    degree = min(3, len(points) - 1)
    if len(points) <= 4:
        lines = [np.polynomial.Polynomial.fit(knots, axis, degree)(at) for axis in zip(*points, strict=True)]
    else:
        lines = [np.interp(at, knots, axis) for axis in zip(*points, strict=True)]
    return [(float(across), float(down)) for across, down in zip(*lines, strict=True)]
