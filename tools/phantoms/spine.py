"""A film of the neck from the side, its discs worn as a note says."""

from __future__ import annotations

from tools.phantoms.projection import Film, Point, curve

DISCS = {"C2-3": 6.0, "C3-4": 4.0, "C4-5": 3.4, "C5-6": 1.0, "C6-7": 5.5, "C7-T1": 5.5}
"""Height of each disc in millimetres: C5-6 is much narrower than it should be, C4-5 and C3-4 are a little."""
BODY_HEIGHT = 15.0


def neck_from_side() -> Film:
    """The face is on the left; the shoulders cover what lies below C6."""
    film = Film(width=190, height=230, spacing=0.42)
    film.patch([(-52, -30), (-40, 60), (-60, 115), (95, 115), (62, 50), (58, -60), (30, -30)], 0.42, blur=5)
    film.round_body((-12, -130), (108, 84), 0.5, flatness=0.3)
    film.bone(curve((-110, -62), (-60, -42), (-34, -62), (-26, -104)), [9.0] * 24, density=0.45, cortex=0.4)
    film.bone(curve((20, -92), (52, -72), (88, -92)), [4.0] * 24, density=0.6, cortex=0.4)
    film.bone([(-14, -84), (10, -80), (30, -76)], [5, 4, 5], density=0.5)
    film.bone([(-33, -66), (-25, 40), (-30, 116)], [9, 8, 8], density=-0.28, cortex=0.0)
    _spine(film)
    film.round_body((25, 128), (140, 74), 1.0, flatness=0.35)
    return film


def _spine(film: Film) -> None:
    film.bone([(-6, -86), (-5, -66)], [4, 6], density=0.5)
    top = -68.0
    for number, disc in enumerate(DISCS.values()):
        lean = 0.05 * (number - 2) ** 2
        _vertebra(film, (-8 + 1.5 * number + 2 * lean, top), narrow=disc < 3, spur=disc < 5)
        top += BODY_HEIGHT + disc
    _vertebra(film, (6, top), narrow=False, spur=False)


def _vertebra(film: Film, at: Point, *, narrow: bool, spur: bool) -> None:
    across, top = at
    bottom = top + BODY_HEIGHT
    body = [(-8.5, top), (8.5, top + 1), (8, bottom - 1), (9, bottom), (-9, bottom + 1), (-8, top + 6)]
    film.patch([(across + x, y) for x, y in body], 0.62, blur=0.9)
    for level in (top + 0.8, bottom - 0.4):
        film.patch(
            [
                (across - 8.6, level - 1),
                (across + 8.6, level - 0.6),
                (across + 8.6, level + 0.6),
                (across - 8.6, level + 1),
            ],
            0.25,
            blur=0.6,
        )
    film.patch(
        [(across + 8, top + 2), (across + 22, top + 8), (across + 20, bottom + 5), (across + 9, bottom - 2)],
        0.36,
        blur=1.2,
    )
    film.bone(
        [(across + 20, top + 9), (across + 34, top + 13), (across + 42, top + 18)],
        [4, 3.2, 4],
        density=0.5,
        cortex=0.4,
    )
    if spur:
        size = 7 if narrow else 3.5
        film.patch(
            [(across - 8, bottom - 4), (across - 8 - size, bottom + 1), (across - 8, bottom + 2)],
            0.6,
            blur=0.6,
        )
    if narrow:
        film.patch(
            [(across - 9, bottom - 4), (across + 9, bottom - 4), (across + 9, bottom), (across - 9, bottom)],
            0.3,
            blur=1.2,
        )
        film.round_body((across + 14, bottom), (7, 6), 0.4)
