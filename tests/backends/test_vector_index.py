"""The index in memory, against the plain arithmetic that it shortens."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.backends.embedded.vector_index import (
    BLOCK_ROWS,
    ExactRows,
    SignRows,
    VectorIndex,
    Watermark,
    best_exact,
    nearest_codes,
    sign_codes,
    top,
)
from pipeline.records import Vector, unit_length

ROWS = BLOCK_ROWS + 300
DIMENSIONS = (1, 8, 63, 64, 65, 200)


def unit(rows: int, dimension: int, seed: int = 0) -> Vector:
    return unit_length(np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32))


def numbers(first: int, last: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.arange(first, last + 1, dtype=np.int64)


def filled(vectors: Vector, *, exact: bool, batches: int = 3) -> VectorIndex:
    dimension = vectors.shape[1]
    index = VectorIndex("space", Watermark(), ExactRows(dimension) if exact else SignRows(dimension))
    for places in np.array_split(np.arange(len(vectors)), batches):
        payload = vectors[places] if exact else sign_codes(vectors[places], np.zeros(dimension, np.float32))
        index = index.extended(places.astype(np.int64) + 1, places.astype(np.int64) // 2, payload)
    return index


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_exact_scores_are_dot_products(dimension: int) -> None:
    vectors, question = unit(ROWS, dimension), unit(1, dimension, seed=1)[0]
    index = filled(vectors, exact=True)
    assert isinstance(index.vectors, ExactRows)
    np.testing.assert_allclose(index.vectors.scores(question, ROWS), vectors @ question, atol=1e-5)
    some = np.array([0, 5, BLOCK_ROWS - 1, BLOCK_ROWS, ROWS - 1])
    np.testing.assert_allclose(index.vectors.scores_at(question, some), vectors[some] @ question, atol=1e-5)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_distances_weigh_each_dimension_by_the_questions_magnitude(dimension: int) -> None:
    vectors, question = unit(ROWS, dimension), unit(1, dimension, seed=1)[0]
    index = filled(vectors, exact=False)
    assert isinstance(index.vectors, SignRows)
    levels = np.minimum(np.rint(np.abs(question) * 7 / (4 * np.sqrt(np.mean(question**2)))), 7)
    expected = ((vectors > 0) != (question > 0)) @ levels
    assert index.vectors.distances(question, ROWS).tolist() == expected.astype(int).tolist()


def test_a_question_at_the_centre_has_no_direction_and_no_error() -> None:
    index = filled(unit(50, 16), exact=False)
    assert len(nearest_codes(index, np.zeros(16, np.float32), 10, None)) >= 10


@pytest.mark.parametrize("k", [1, 7, 49, 50, 51])
def test_top_is_a_stable_sort(k: int) -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=50).astype(np.float32)
    positions, values = top(scores, k)
    expected = np.argsort(-scores, kind="stable")[:k]
    assert positions.tolist() == expected.tolist()
    assert values.tolist() == scores[expected].tolist()


def test_equal_codes_do_not_widen_the_candidates_without_limit() -> None:
    index = filled(np.tile(unit(1, 64), (5_000, 1)), exact=False)
    chosen = nearest_codes(index, unit(1, 64, seed=1)[0], 100, None)
    assert 100 <= len(chosen) <= 200
    assert len(set(chosen.tolist())) == len(chosen)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.9])
def test_a_mask_leaves_the_best_of_those_admitted(share: float) -> None:
    vectors, question = unit(4_000, 32), unit(1, 32, seed=1)[0]
    admitted = np.random.default_rng(2).random(4_000) < share
    admitted[7] = True
    expected = np.flatnonzero(admitted)[np.argsort(-(vectors @ question)[admitted])][:5]
    positions, _ = best_exact(filled(vectors, exact=True), question, 5, admitted)
    assert positions.tolist() == expected.tolist()
    nearest = nearest_codes(filled(vectors, exact=False), question, 400, admitted)
    assert set(nearest.tolist()) <= set(np.flatnonzero(admitted).tolist())
    assert len(nearest) >= min(400, admitted.sum())


@pytest.mark.parametrize("exact", [True, False])
def test_an_index_does_not_change_when_others_grow_out_of_it(exact: bool) -> None:
    dimension, centre = 16, np.zeros(16, np.float32)
    first, second, third = (unit(100, dimension, seed) for seed in range(3))

    def payload(vectors: Vector) -> Vector | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return vectors if exact else sign_codes(vectors, centre)

    def scores(index: VectorIndex) -> list[float]:
        rows, count = index.vectors, len(index.rows)
        question = unit(1, dimension, seed=9)[0]
        found = (
            rows.scores(question, count) if isinstance(rows, ExactRows) else rows.distances(question, count)
        )
        return [float(score) for score in found]

    base = filled(first, exact=exact)
    before = scores(base)
    private = base.extended(numbers(101, 200), numbers(101, 200), payload(second), shared=False)
    of_private = scores(private)
    shared = base.extended(numbers(101, 200), numbers(101, 200), payload(third))
    assert scores(base) == before
    assert scores(private) == of_private
    assert scores(shared)[:100] == before
    assert scores(shared)[100:] != of_private[100:]


def test_rows_that_are_gone_are_not_admitted() -> None:
    index = filled(unit(10, 8), exact=True)
    fewer = index.without(np.array([3, 10, 99], dtype=np.int64), Watermark(10, 3))
    mask = fewer.admitted(None)
    assert mask is not None
    assert fewer.rows[mask].tolist() == [1, 2, 4, 5, 6, 7, 8, 9]
    assert index.admitted(None) is None
    of_notes = fewer.admitted(np.array([1, 2]))
    assert of_notes is not None
    assert fewer.rows[of_notes].tolist() == [4, 5, 6]
