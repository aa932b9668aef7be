"""Slices through a body: the abdomen by CT in Hounsfield units, the head by MR in arbitrary ones.

Decides what lies where in a slice and how bright it is. A slice is painted, not projected: what comes later lies on
top. Lengths are millimetres from the middle of the slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tools.phantoms.projection import Film, Point, Values, blurred, curve, round_shadow, tube_shadow

STONE_MILLIMETRES = 5.0
STONE_SLICE = 4
"""Which slice of the abdomen the stone lies in, counted from 1 at the upper end."""
PIXEL_OF_ABDOMEN, PIXEL_OF_HEAD = 1.2, 0.94
"""Millimetres from pixel to pixel."""
SLICE_COUNT = 6
SLICE_SPACING = 6.0
"""From one slice of the abdomen to the next, in millimetres."""


@dataclass
class Slice:
    frame: Film
    values: Values = field(init=False)

    def fill(self, value: float) -> None:
        self.values = np.full_like(self.frame.met, value)

    def oval(self, centre: Point, radii: Point, value: float, tilt: float = 0.0) -> None:
        self.values[round_shadow(self.frame.grid(), centre, radii, tilt) > 0] = value

    def area(self, outline: Sequence[Point], value: float) -> None:
        self.values[self.frame.filled(outline) > 0] = value

    def line(self, points: Sequence[Point], radius: float, value: float) -> None:
        self.values[tube_shadow(self.frame.grid(), points, [radius] * len(points)) > 0] = value

    def read(self, blur: float, noise: float, seed: int) -> NDArray[np.int16]:
        """As the scanner gives it."""
        soft = blurred(self.values, blur) + np.random.default_rng(seed).normal(0, noise, self.values.shape)
        return np.rint(soft).astype(np.int16)


def abdomen(number: int) -> NDArray[np.int16]:
    """Slice `number` of the abdomen, counted from 1, in Hounsfield units; the patient's right is on the left."""
    below = (number - 1) * SLICE_SPACING
    slice_ = Slice(Film(width=384, height=300, spacing=PIXEL_OF_ABDOMEN))
    slice_.fill(-1000)
    _wall(slice_)
    _organs(slice_, below)
    _spine(slice_)
    _kidneys(slice_, below)
    if number == STONE_SLICE:
        slice_.oval((-46, 22), (STONE_MILLIMETRES / 2, STONE_MILLIMETRES / 2), 1100)
    return slice_.read(blur=0.7, noise=9, seed=number)


def _wall(slice_: Slice) -> None:
    slice_.oval((0, 0), (172, 122), -95)
    slice_.oval((0, 0), (156, 106), 55)
    slice_.oval((0, -3), (147, 94), -100)
    slice_.area([(-60, 60), (60, 60), (70, 112), (0, 118), (-70, 112)], 55)


def _organs(slice_: Slice, below: float) -> None:
    """Liver, spleen, bowel, great vessels; the liver ends towards the lower slices."""
    liver = 1 - below / 60
    slice_.oval((-92, -18), (54 * liver, 66 * liver), 62, tilt=-8)
    slice_.oval((112, 24), (24 * liver, 36 * liver), 52)
    for number, centre in enumerate(
        ((-18, -58), (24, -62), (62, -44), (86, -16), (20, -30), (54, -12), (-34, -26))
    ):
        slice_.oval(centre, (19, 14), 38, tilt=25.0 * number)
        slice_.oval((centre[0], centre[1] - 5), (9, 5), -850 if number % 2 else 20)
    slice_.oval((100, 44 + below / 6), (12, 12), 40)
    slice_.oval((100, 42 + below / 6), (7, 6), -850)
    slice_.oval((6, 26), (11, 11), 45)
    slice_.oval((-17, 27), (12, 10), 42)


def _spine(slice_: Slice) -> None:
    slice_.oval((0, 56), (23, 18), 260)
    slice_.oval((0, 56), (20, 15), 170)
    slice_.oval((0, 80), (10, 8), 20)
    slice_.line([(-24, 78), (-10, 76)], 4, 400)
    slice_.line([(10, 76), (24, 78)], 4, 400)
    slice_.line([(0, 90), (0, 108)], 3.4, 400)
    for side in (-1, 1):
        slice_.oval((38 * side, 54), (15, 19), 58)
        slice_.line(curve((118 * side, 60), (142 * side, 26), (146 * side, -10)), 3.2, 330)


def _kidneys(slice_: Slice, below: float) -> None:
    """Both with their hollow; the ureters leave below. Nothing is swollen."""
    for side, start in ((-1, 0.0), (1, 6.0)):
        size = max(0.0, 1 - max(0.0, below - 6 - start) / 26) ** 0.5
        if size > 0:
            slice_.oval((72 * side, 42), (25 * size, 31 * size), 36, tilt=-18 * side)
            slice_.oval((60 * side, 38), (12 * size, 9 * size), -70)
            slice_.oval((58 * side, 37), (5 * size, 4 * size), 8)
        if below > 6:
            slice_.oval((46 * side, 22), (2.4, 2.4), 12)


def head() -> NDArray[np.int16]:
    """The middle slice of a head from the side, T1-weighted; the face is on the left. A lump in the seat of the
    pituitary gland lifts the crossing of the optic nerves; the ventricles are of ordinary size."""
    slice_ = Slice(Film(width=240, height=250, spacing=PIXEL_OF_HEAD))
    slice_.fill(8)
    _skull(slice_)
    _brain(slice_)
    _sella(slice_)
    return np.clip(slice_.read(blur=0.8, noise=6, seed=74), 0, None).astype(np.int16)


def _skull(slice_: Slice) -> None:
    face = [
        (-78, -10),
        (-98, 18),
        (-90, 24),
        (-96, 44),
        (-90, 52),
        (-92, 66),
        (-78, 84),
        (-40, 80),
        (-30, 130),
        (70, 130),
    ]
    slice_.area([*face, (64, 60), (60, 0), (-60, -40)], 330)
    slice_.oval((4, -22), (102, 90), 620)
    slice_.oval((4, -22), (97, 85), 60)
    slice_.oval((4, -22), (94, 82), 380)
    slice_.oval((4, -22), (90, 78), 55)
    slice_.area(
        [(-62, 30), (-90, 34), (-88, 40), (-50, 46), (-24, 58), (-14, 120), (-24, 124), (-34, 66), (-60, 50)],
        15,
    )
    slice_.line([(-60, 8), (-70, 24)], 9, 15)
    slice_.line(curve((-84, 54), (-60, 52), (-40, 68)), 9, 300)
    for number in range(4):
        slice_.area(
            [(4, 64 + 17 * number), (22, 64 + 17 * number), (23, 78 + 17 * number), (5, 78 + 17 * number)],
            420,
        )
    slice_.line([(34, 40), (36, 130)], 6, 250)
    slice_.line([(44, 62), (50, 130)], 6, 400)


def _brain(slice_: Slice) -> None:
    slice_.oval((2, -28), (85, 70), 300)
    for angle in np.linspace(170, 385, 19):
        at = (2 + 85 * np.cos(np.radians(angle)), -28 + 70 * np.sin(np.radians(angle)))
        inwards = (2 + 68 * np.cos(np.radians(angle + 6)), -28 + 54 * np.sin(np.radians(angle + 6)))
        slice_.line([at, inwards], 1.3, 90)
    slice_.line(curve((-42, -14), (-36, -40), (0, -50), (34, -44), (44, -20), count=40), 5, 430)
    slice_.line(curve((-30, -18), (-14, -34), (14, -34), count=24), 4.5, 60)
    slice_.oval((2, -16), (17, 11), 330)
    slice_.oval((54, 22), (30, 25), 300, tilt=-20)
    for turn in (-40, -10, 20, 50):
        far = (54 + 27 * np.cos(np.radians(turn)), 22 + 22 * np.sin(np.radians(turn)))
        slice_.line([(36, 18), far], 1.2, 110)
    slice_.line([(8, -2), (14, 22), (24, 44), (32, 62)], 9, 370)
    slice_.oval((10, 20), (13, 17), 380, tilt=10)
    slice_.oval((29, 24), (5, 9), 60, tilt=-25)


def _sella(slice_: Slice) -> None:
    """Bone of the skull's base with its seat, the lump that fills it, the nerves' crossing lifted over it."""
    slice_.line(curve((-62, 14), (-34, 16), (-24, 30), (-4, 34), (6, 52), count=30), 5, 400)
    slice_.oval((-24, 34), (13, 9), 15)
    slice_.oval((-15, 8), (15, 18), 55)
    slice_.oval((-15, 14), (12, 15), 250)
    slice_.oval((-15, 3), (9, 9), 250)
    slice_.line(curve((-38, 6), (-15, -9), (2, -4)), 2, 350)
