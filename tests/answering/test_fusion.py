"""Fusion and ties."""

from __future__ import annotations

import pytest

from pipeline.answering.fusion import fuse, newest_first_within, weight_of_words
from pipeline.ports import SimilarityScale
from pipeline.records import Hit, Match


def hit(
    chunk_id: str, *, score: float = 0.0, date: str | None = None, text: str = "", patient: str = "p"
) -> Hit:
    return Hit(chunk_id, "n", patient, "note", date, None, None, text, 0, len(text), 0.5, score)


def test_weight_decides_between_the_legs() -> None:
    vectors = [Match("a", 0.8), Match("b", 0.4)]
    words = [Match("b", 12.0), Match("c", 6.0)]
    assert list(fuse(vectors, words, word_weight=0.0)) == ["a", "b", "c"]
    assert next(iter(fuse(vectors, words, word_weight=1.0))) == "b"
    assert fuse(vectors, words, word_weight=0.5)["b"] == pytest.approx(0.5 * 0.5 + 0.5 * 1.0)


def test_cosines_that_lie_close_together_are_weighed_on_their_scale() -> None:
    """0.80 and 0.66 of one model are as far apart as 0.70 and 0.44 of another: more than the words say."""
    vectors, words = [Match("a", 0.80), Match("b", 0.66)], [Match("b", 9.0), Match("a", 4.5)]
    assert list(fuse(vectors, words, word_weight=0.4)) == ["b", "a"]
    scaled = fuse(vectors, words, word_weight=0.4, scale=SimilarityScale(factor=1.88, shift=-0.806))
    assert list(scaled) == ["a", "b"]
    assert scaled["a"] == pytest.approx(0.6 + 0.4 * 0.5)


def test_words_weigh_less_where_a_question_tells_a_story() -> None:
    assert [weight_of_words("word " * number, 0.25) for number in (0, 1, 20)] == [0.25] * 3
    assert weight_of_words("word " * 80, 0.25) == 0.0625
    vectors, words = [Match("a", 0.8), Match("b", 0.7)], [Match("b", 9.0), Match("a", 4.5)]
    for number, first in ((20, "b"), (80, "a")):
        assert next(iter(fuse(vectors, words, word_weight=weight_of_words("word " * number, 0.25)))) == first


def test_one_empty_leg_leaves_the_order_of_the_other() -> None:
    assert list(fuse([], [Match("x", 2), Match("y", 1)], word_weight=0.3)) == ["x", "y"]
    assert fuse([], [], word_weight=0.3) == {}


def test_equal_scores_have_a_stable_order() -> None:
    assert list(fuse([Match("b", 1), Match("a", 1)], [], word_weight=0)) == ["a", "b"]


def test_among_equals_the_newer_note_comes_first() -> None:
    hits = [
        hit("old", score=0.900, date="2001-01-01"),
        hit("new", score=0.895, date="2020-01-01"),
        hit("undated", score=0.899),
        hit("far", score=0.5, date="2024-01-01"),
    ]
    assert [h.chunk_id for h in newest_first_within(hits, 0.01)] == ["new", "old", "undated", "far"]
    assert [h.chunk_id for h in newest_first_within(hits, 0.0)] == ["old", "new", "undated", "far"]
