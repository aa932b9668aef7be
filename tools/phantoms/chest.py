"""Chest films from the front: as it should be, of an overblown lung, and with fluid in the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.phantoms.projection import Film, Point, Values, blurred, curve, round_shadow


@dataclass(frozen=True, slots=True)
class Chest:
    dome: float = 34.0
    """How high the diaphragm rises above its edge; flat where the lung is overblown."""
    bottom: float = 118.0
    """Where the diaphragm meets the ribs, below the middle of the film."""
    heart: float = 1.0
    """Width of the heart."""
    fluid: float = 0.0
    """How much of the lungs' lower halves is hazy."""


def chest(kind: Chest, seed: int) -> Film:
    """The patient's right is on the left of the film."""
    film = Film(width=358, height=420, spacing=0.7)
    _trunk(film)
    _lungs(film, kind)
    _middle(film, kind)
    _vessels(film, kind, seed)
    _bones(film)
    return film


def _trunk(film: Film) -> None:
    film.round_body((0, 60), (182, 300), 0.62, flatness=0.22)
    film.round_body((0, -190), (52, 60), 0.2)
    for side in (-1, 1):
        film.round_body((158 * side, -120), (60, 70), 0.16)


def _lungs(film: Film, kind: Chest) -> None:
    across, down = film.grid()
    for side in (-1, 1):
        film.met -= 0.47 * _lung(film, kind, side)
    across, down = film.grid()
    belly = np.clip((down - kind.bottom + 10) / 60, 0, 1) * np.clip(1 - (across / 175) ** 4, 0, None)
    film.met += 0.16 * belly


def _lung(film: Film, kind: Chest, side: int) -> Values:
    """1 where a lung is thick, 0 outside it; `side` -1 is the patient's right, whose diaphragm stands higher."""
    across, down = film.grid()
    middle, outside = 70 * side, 66
    wide = np.clip(1 - (np.abs(across - middle) / outside) ** 3.2, 0, None) ** 0.5
    top = np.clip((down + 168 - 0.0045 * (across - 60 * side) ** 2) / 60, 0, 1) ** 0.7
    dome = np.sqrt(np.clip(1 - ((across - middle) / (outside + 6)) ** 2, 0, 1))
    edge = kind.bottom - kind.dome * dome - (7 if side < 0 else 0)
    return blurred(wide * top * np.clip((edge - down) / 3.5, 0, 1), 2.0)


def _middle(film: Film, kind: Chest) -> None:
    """Spine, great vessels, heart, air pipe."""
    film.patch([(-20, -210), (20, -210), (24, 210), (-24, 210)], 0.16, blur=6)
    for number in range(15):
        middle = -190 + 26 * number
        film.patch(
            [(-17, middle - 10), (17, middle - 10), (18, middle + 10), (-18, middle + 10)], 0.13, blur=1.5
        )
        film.round_body((0, middle + 3), (4, 8), 0.1)
    film.round_body((16, -72), (22, 24), 0.2)
    film.round_body((-12, -60), (20, 60), 0.14)
    grid = film.grid()
    left = round_shadow(grid, (26 * kind.heart, 44), (66 * kind.heart, 50), 30) ** 0.6
    right = round_shadow(grid, (-20, 40), (30 * kind.heart, 44)) ** 0.6
    film.met += 0.4 * blurred(np.maximum(left, right), 3.0)
    film.bone([(0, -210), (0, -95), (-4, -62)], [8, 8, 7], density=-0.2, cortex=0.0)
    for end in ((-30, -34), (34, -30)):
        film.bone([(-3, -62), end], [6, 4.5], density=-0.1, cortex=0.0)


def _vessels(film: Film, kind: Chest, seed: int) -> None:
    """Branches from the roots of the lungs, thinner at each fork; fuller where the heart holds up the blood."""
    draw = np.random.default_rng(seed)
    fuller = 1 + 0.6 * kind.fluid
    for side in (-1, 1):
        root = (30.0 * side, -22.0)
        film.round_body(root, (13 * fuller, 22), 0.13)
        for direction in np.linspace(-75, 80, 7):
            _branch(film, root, np.radians(direction), side, 42, 3.0 * fuller, 3, draw)
    if kind.fluid:
        _haze(film, kind, draw)


def _branch(
    film: Film,
    start: Point,
    direction: float,
    side: int,
    length: float,
    radius: float,
    forks: int,
    draw: np.random.Generator,
) -> None:
    end = (start[0] + side * length * np.cos(direction), start[1] + length * np.sin(direction))
    if abs(end[0]) > 122 or end[1] > 72 or end[1] < -140:
        return
    film.bone([start, end], [radius, 0.7 * radius], density=0.1 * min(1.0, radius / 2), cortex=0.0)
    if forks:
        for turn in (-0.35, 0.3):
            _branch(
                film,
                end,
                direction + turn + draw.normal(0, 0.1),
                side,
                0.72 * length,
                0.68 * radius,
                forks - 1,
                draw,
            )


def _haze(film: Film, kind: Chest, draw: np.random.Generator) -> None:
    down = film.grid()[1]
    for side in (-1, 1):
        lower = np.clip((down + 50) / 150, 0, 1)
        film.met += 0.3 * kind.fluid * lower * _lung(film, kind, side)
        film.met += 0.13 * kind.fluid * blurred(round_shadow(film.grid(), (44.0 * side, -8), (40, 56)), 14)
        for number in range(7):
            level = 40 + 6 * number + draw.normal(0, 1)
            film.bone([(127 * side, level), (114 * side, level + 1)], [0.8, 0.6], density=0.14, cortex=0.0)


def _bones(film: Film) -> None:
    for number in range(10):
        level = -150 + 25 * number
        wide = (78, 101, 114, 123, 128, 131, 133, 134, 134, 133)[number]
        for side in (-1, 1):
            behind = curve(
                (15 * side, level), (0.55 * wide * side, level - 12), (wide * side, level + 22), count=18
            )
            film.bone(behind, [3.6] * 18, density=0.1, cortex=0.35)
            if 1 <= number <= 7:
                ahead = curve(
                    (wide * side, level + 22),
                    (0.86 * wide * side, level + 48),
                    (0.5 * wide * side, level + 62),
                    count=14,
                )
                film.bone(ahead, [4.0] * 14, density=0.06, cortex=0.3)
    for side in (-1, 1):
        collar = curve((12 * side, -128), (58 * side, -140), (96 * side, -136), (142 * side, -152), count=18)
        film.bone(collar, [5.2] * 18, density=0.2)
        blade = [
            (112 * side, -118),
            (160 * side, -130),
            (150 * side, -60),
            (128 * side, -10),
            (120 * side, -40),
        ]
        film.patch(blade, 0.09, blur=2.5)
        film.bone([(172 * side, -128), (180 * side, 20)], [17, 12], density=0.28, cortex=0.25)
        film.round_body((164 * side, -136), (19, 19), 0.2)
