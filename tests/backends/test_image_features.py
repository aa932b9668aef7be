"""How an image looks as numbers: what must not count does not, and what differs differs. HOG beside its definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipeline.backends.local.image_features import (
    BINS,
    DIMENSION,
    EDGES_SIDE,
    VERSION,
    look,
    oriented_gradients,
    resize,
)
from tests.images import Film, rings

FILM = rings(300, 260, seed=1)
OTHERS = np.array([look(rings(300, 260, seed)) for seed in range(2, 30)])
NEAREST_OTHER = float((OTHERS @ look(FILM)).max())


def noisy(film: Film) -> Film:
    noise = np.random.default_rng(7).normal(0, 4, film.shape)
    return np.clip(film + noise, 0, 255).astype(np.uint8)


def gamma(film: Film, power: float) -> Film:
    return (255 * (film / 255) ** power).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda film: np.pad(film, ((60, 20), (30, 90))), 0.98),
        (lambda film: np.pad(film, 40, constant_values=0), 0.95),
        (lambda film: film[::2, ::2], 0.97),
        (lambda film: np.repeat(np.repeat(film, 3, axis=0), 3, axis=1), 0.97),
        (lambda film: film // 2, 0.95),
        (lambda film: film // 2 + 90, 0.9),
        (lambda film: gamma(film, 0.7), 0.9),
        (lambda film: gamma(film, 1.4), 0.9),
        (noisy, 0.8),
        (lambda film: film[12:-12, 12:-12], 0.9),
    ],
    ids=[
        "wide border",
        "even border",
        "half",
        "triple",
        "darker",
        "flat",
        "0.7",
        "1.4",
        "noise",
        "frame cut",
    ],
)
def test_what_does_not_count(change: Callable[[Film], Film], least: float) -> None:
    likeness = float(look(change(FILM)) @ look(FILM))
    assert likeness > least
    assert likeness > NEAREST_OTHER


def test_another_vector_is_another_version() -> None:
    """Where this fails, stored vectors no longer mean what new ones do: raise VERSION, then write the numbers down."""
    down, across = np.linspace(0, 1, 150)[:, None], np.linspace(0, 1, 130)
    film = 100 + 60 * np.sin(9 * down * across) + 40 * (across > down)
    vector = look(np.pad(film, ((7, 3), (0, 11))))
    seen = np.cos(np.arange(1, 5)[:, None] * np.arange(DIMENSION)) @ vector
    assert VERSION == 1
    np.testing.assert_allclose(seen, [0.2182, -0.2016, 0.1600, 0.0820], atol=5e-4)


def test_one_look_one_vector() -> None:
    assert look(FILM).shape == (DIMENSION,)
    assert look(FILM).dtype == np.float32
    np.testing.assert_array_equal(look(FILM), look(FILM.astype(np.float64)))
    assert NEAREST_OTHER < 0.9


@pytest.mark.parametrize(
    "film",
    [
        np.zeros((50, 40)),
        np.full((112, 112), 255.0),
        np.ones((1, 1)),
        np.arange(300.0).reshape(1, 300),
        np.full((64, 64), 73.3),
    ],
    ids=["black", "white", "one pixel", "one row", "grey"],
)
def test_an_image_with_nothing_on_it_has_a_vector_all_the_same(film: Film) -> None:
    vector = look(film)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_speck_in_an_empty_image_is_not_taken_for_the_film() -> None:
    film = np.zeros((200, 200), dtype=np.uint8)
    film[90:96, 90:96] = 255
    whole = look(film)
    film[90:96, 90:96] = 0
    film[20:26, 150:156] = 255
    assert look(film) @ whole < 0.9


def test_an_edge_falls_into_the_bin_of_its_direction() -> None:
    """Dark left, bright right: the gradient runs across, direction 0, which lies between the last bin and the first."""
    film = np.zeros((EDGES_SIDE, EDGES_SIDE), dtype=np.float32)
    film[:, EDGES_SIDE // 2 :] = 200
    values = oriented_gradients(film).reshape(-1, BINS)
    assert values[:, [0, BINS - 1]].sum() == pytest.approx(values.sum())
    assert values[:, 0].sum() == pytest.approx(values[:, BINS - 1].sum())
    turned = oriented_gradients(np.ascontiguousarray(film.T)).reshape(-1, BINS)
    assert turned[:, BINS // 2].sum() == pytest.approx(turned.sum())


def test_no_edge_is_all_that_a_block_says() -> None:
    """A strong edge in one direction over weak texture in all: the texture keeps its say."""
    film = np.random.default_rng(3).normal(100, 4, (EDGES_SIDE, EDGES_SIDE)).astype(np.float32)
    film[:, 8:] += 100
    block = oriented_gradients(film).reshape(-1, 4 * BINS)[0]
    assert np.linalg.norm(block) == pytest.approx(1, abs=1e-2)
    strongest = np.sort(block)
    assert strongest[-1] / strongest[-8] < 4


@pytest.mark.parametrize(("given", "wanted"), [(7, 3), (3, 7), (112, 112), (1, 5), (513, 32)])
def test_scaling_keeps_a_grey_a_grey_and_the_mean_where_it_shrinks(given: int, wanted: int) -> None:
    np.testing.assert_allclose(
        resize(np.full((given, given), 77.0, dtype=np.float32), wanted, wanted), 77, atol=1e-3
    )
    values = np.random.default_rng(0).uniform(0, 255, (given, given)).astype(np.float32)
    if wanted <= given:
        assert resize(values, wanted, wanted).mean() == pytest.approx(values.mean(), rel=1e-4)
