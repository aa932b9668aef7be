"""Films of a knee, a finger and a wrist, with and without what a note finds on them."""

from __future__ import annotations

from dataclasses import dataclass

from tools.phantoms.projection import Film, Point, curve


@dataclass(frozen=True, slots=True)
class Knee:
    arthritis: bool = False
    """Narrow and hardened on the inner side, with spurs."""
    effusion: bool = False


def knee_from_front(kind: Knee) -> Film:
    """A right knee: its outer side, with the fibula, is on the left of the film."""
    film = Film(width=150, height=190, spacing=0.35)
    gap = 1.8 if kind.arthritis else 5.0
    film.bone([(0, -110), (2, -30), (4, 15), (6, 110)], [62, 58, 56, 50], density=0.55, cortex=0.0)
    film.bone([(-1, -110), (-1, -55), (0, -38)], [15, 16, 24], density=0.85, cortex=0.32)
    film.round_body((0, -26), (38, 24), 0.55, flatness=0.3)
    for side, drop in ((-1, 0.0), (1, 5.0 - gap)):
        film.round_body((19.0 * side, -16 + drop), (20, 16), 0.42, flatness=0.3)
    top = 6.0
    plateau = [
        (-40.0, top),
        (-4, top - 1),
        (0, top - 4),
        (4, top - 1),
        (40, top),
        (34, top + 20),
        (18, top + 38),
    ]
    film.patch([*plateau, (-18, top + 38), (-34, top + 20)], 0.62, blur=1.0)
    film.patch([(-39, top), (39, top), (38, top + 3), (-38, top + 3)], 0.3, blur=0.7)
    film.bone([(0, top + 32), (3, top + 60), (5, 110)], [19, 14, 13], density=0.85, cortex=0.34)
    film.bone([(-34, 26), (-33, 45), (-30, 110)], [9, 6, 6], density=0.55, cortex=0.34)
    film.round_body((1, -34), (21, 24), 0.3, flatness=0.3)
    if kind.arthritis:
        _arthritis(film, top)
    return film


def _arthritis(film: Film, top: float) -> None:
    """On the inner side: dense edges, spurs of both bones, a pointed middle."""
    film.patch([(6, top), (39, top), (38, top + 6), (8, top + 6)], 0.42, blur=1.2)
    film.patch([(6, -4), (34, -6), (32, 2), (8, 3)], 0.3, blur=1.2)
    film.patch([(37, top - 1), (48, top + 2), (38, top + 9)], 0.75, blur=0.6)
    film.patch([(36, -14), (46, -2), (35, -1)], 0.7, blur=0.6)
    film.patch([(-38, top), (-46, top + 3), (-38, top + 8)], 0.65, blur=0.6)
    for peak in (-5.0, 5.0):
        film.patch([(peak - 3, top), (peak, top - 7), (peak + 3, top)], 0.5, blur=0.5)


def knee_from_side(kind: Knee) -> Film:
    """The kneecap is on the left of the film."""
    film = Film(width=150, height=190, spacing=0.35)
    film.bone(
        [(14, -115), (10, -40), (6, 5), (14, 60), (18, 115)], [56, 50, 44, 42, 42], density=0.5, cortex=0.0
    )
    film.bone([(12, -115), (8, -55), (6, -42)], [15, 16, 20], density=0.85, cortex=0.32)
    film.round_body((6, -22), (26, 23), 0.55, flatness=0.3)
    film.round_body((16, -16), (24, 21), 0.35, flatness=0.3)
    film.patch([(-20, 9), (34, 6), (36, 20), (22, 44), (-10, 46), (-21, 26)], 0.65, blur=1.0)
    film.bone([(7, 40), (10, 70), (16, 115)], [15, 13, 13], density=0.85, cortex=0.34)
    film.bone([(30, 28), (32, 50), (30, 115)], [8, 6, 6], density=0.45, cortex=0.34)
    film.patch([(-36, -34), (-30, -40), (-24, -30), (-26, -6), (-32, -2), (-37, -16)], 0.75, blur=1.0)
    film.bone(curve((-32, -2), (-30, 12), (-18, 28)), [2.6] * 24, density=0.14, cortex=0.0)
    film.bone([(-14, -110), (-26, -60), (-31, -38)], [5, 4, 3.5], density=0.16, cortex=0.0)
    if kind.arthritis:
        film.patch([(-21, 7), (-29, 11), (-20, 16)], 0.7, blur=0.6)
        film.patch([(-31, -40), (-25, -46), (-23, -34)], 0.7, blur=0.6)
        film.patch([(-18, 7), (30, 5), (30, 11), (-18, 13)], 0.35, blur=1.0)
    if kind.effusion:
        film.round_body((-19, -56), (12, 30), 0.5, tilt=-14, flatness=0.3)
        film.round_body((-20, -20), (8, 24), 0.3, tilt=-6, flatness=0.3)
    return film


def broken_finger_from_front() -> Film:
    """A middle finger between its neighbours; its end bone is in pieces."""
    film = Film(width=90, height=150, spacing=0.25)
    for across, shift, broken in ((-27.0, 12.0, False), (0.0, 0.0, True), (27.0, 9.0, False)):
        film.bone([(across, -58 + shift), (across, 90)], [9, 11], density=0.34, cortex=0.0)
        _finger(film, across, shift, broken=broken)
    return film


def _finger(film: Film, across: float, shift: float, *, broken: bool) -> None:
    def shaft(top: float, bottom: float, radii: tuple[float, float, float]) -> None:
        middle = (top + bottom) / 2
        line = [(across, top + shift), (across, middle + shift), (across, bottom + shift)]
        film.bone(line, radii, density=0.8, cortex=0.38)

    shaft(-24, -3, (4.6, 3.6, 5.6))
    shaft(6, 38, (5.4, 4.6, 7.0))
    shaft(49, 96, (7.4, 5.2, 6.4))
    if broken:
        for piece in _PIECES:
            film.patch([(across + x, y + shift) for x, y in piece], 0.75, blur=0.35)
    else:
        shaft(-52, -34, (3.4, 2.4, 5.0))


_PIECES: tuple[tuple[Point, ...], ...] = (
    ((-5.4, -30), (5.2, -30), (4.6, -35), (1.0, -37.5), (-4.8, -34.5)),
    ((-4.6, -36.4), (-0.4, -39.2), (-0.8, -45), (-4.8, -43)),
    ((1.4, -38.8), (4.8, -36.2), (5.4, -42), (2.0, -45.4)),
    ((-4.4, -45.4), (-0.6, -47.2), (-0.2, -52), (-3.8, -53.6), (-5.4, -50)),
    ((1.6, -47.4), (5.2, -44.6), (5.0, -51), (2.2, -54)),
)


def broken_finger_from_side() -> Film:
    film = Film(width=90, height=150, spacing=0.25)
    film.bone(curve((2, 85), (0, 20), (-3, -60)), [10.0] * 24, density=0.34, cortex=0.0)
    film.bone([(3, 96), (2, 72), (1, 48)], [6, 4.6, 6], density=0.8, cortex=0.38)
    film.bone([(1, 38), (0, 22), (-1, 5)], [5.6, 4.0, 5], density=0.8, cortex=0.38)
    film.bone([(-1, -4), (-2, -14), (-2, -24)], [4.8, 3.2, 4], density=0.8, cortex=0.38)
    film.patch([(-6, -31), (2.4, -31), (1.4, -37), (-5, -38.4)], 0.75, blur=0.35)
    film.patch([(-5.4, -40), (-2.2, -39.4), (-3, -46), (-6.4, -45)], 0.7, blur=0.35)
    film.patch([(-0.6, -39.6), (2.2, -38.8), (3.4, -45), (0.4, -47)], 0.7, blur=0.35)
    film.patch([(-5, -48), (-1.2, -48.4), (-2, -54), (-4.4, -54)], 0.65, blur=0.35)
    return film


def broken_wrist_from_side() -> Film:
    """The back of the hand is on the left; the end of the radius is tilted towards it, like a dinner fork."""
    film = Film(width=130, height=190, spacing=0.35)
    film.bone(curve((6, 110), (5, 40), (-4, 2), (2, -40), (0, -110)), [23.0] * 24, density=0.4, cortex=0.0)
    film.bone([(7, 110), (6, 70), (5, 36)], [8, 8, 10], density=0.8, cortex=0.36)
    film.patch([(-20, 25), (-6, 33), (3, 26), (-2, 6), (-12, 1), (-21, 8)], 0.75, blur=0.6)
    film.patch([(-4, 35), (15, 38), (12, 32), (-2, 30)], 0.35, blur=0.8)
    film.bone([(14, 110), (13, 60), (11, 20)], [6, 6, 7], density=0.55, cortex=0.36)
    film.patch([(9, 12), (14, 11), (12, 4), (9, 5)], 0.6, blur=0.4)
    for centre, radii in (
        ((-11, -8), (11, 9)),
        ((-8, -24), (9, 10)),
        ((2, -16), (9, 9)),
        ((-2, -36), (11, 8)),
    ):
        film.round_body(centre, radii, 0.42, flatness=0.3)
    for shift in (-6.0, -1.0, 4.0):
        film.bone(
            [(shift, -44), (shift * 1.2, -75), (shift * 1.4, -112)], [6, 4, 6], density=0.4, cortex=0.36
        )
    film.bone([(12, -34), (24, -62), (30, -96)], [6, 5, 6], density=0.55, cortex=0.36)
    return film
