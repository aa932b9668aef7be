"""From a question to an expression: never syntax, and never more work than allowed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.embedded.word_query import TOKENIZER, WORDS_MAX, QuestionReader, Word, expression


@pytest.fixture(scope="module")
def reader() -> Iterator[QuestionReader]:
    reader = QuestionReader()
    yield reader
    reader.close()


def test_words_are_what_the_index_holds(reader: QuestionReader) -> None:
    words = reader.words("Torácica fractures, the FRACTURE of 2 β-blockers?")
    assert [word.text for word in words] == ["torácica", "fractures", "the", "of", "2", "β", "blockers"]
    assert [word.terms for word in words[:2]] == [("toracica",), ("fractur",)]


def test_composed_and_decomposed_letters_are_one(reader: QuestionReader) -> None:
    assert reader.words("tora\u0301cica") == reader.words("torácica")


def test_a_question_of_many_words_is_cut(reader: QuestionReader) -> None:
    assert len(reader.words(" ".join(f"word{number}" for number in range(5_000)))) == WORDS_MAX


@given(text=st.text(max_size=60))
def test_any_text_makes_an_expression_that_fts5_accepts(reader: QuestionReader, text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE t USING fts5(a, tokenize = '{TOKENIZER}')")
    words = reader.words(text)
    connection.execute("INSERT INTO t VALUES (?)", (" ".join(word.text for word in words),))
    asked = expression([(word, 1 + place % 3) for place, word in enumerate(words)], 2, 4)
    if asked is not None:
        assert connection.execute("SELECT COUNT(*) FROM t WHERE t MATCH ?", (asked.text,)).fetchone() == (1,)
    connection.close()


def ranked(*counts: int) -> list[tuple[Word, int]]:
    return [(Word(f"w{count}", (f"w{count}",)), count) for count in counts]


@pytest.mark.parametrize(
    ("counts", "budget", "text"),
    [
        ((5, 3), 10, '"w3" OR "w5"'),
        ((5, 0, 3), 10, '"w3" OR "w5"'),
        ((50, 3, 4), 10, '("w3" OR "w4") AND ("w3" OR "w4" OR "w50" OR "w50")'),
        ((90, 3), 10, '"w3"'),  # in most chunks: no weight in BM25
        ((40, 49), 10, '("w40") AND ("w40" OR "w49" OR "w49")'),
        ((90,), 10, '"w90"'),
        ((45, 47, 49, 3), 10, '("w3") AND ("w3" OR "w45" OR "w47" OR "w45" OR "w47")'),
    ],
)
def test_rare_words_select_and_frequent_ones_add(counts: tuple[int, ...], budget: int, text: str) -> None:
    asked = expression(ranked(*counts), budget, 100)
    assert asked is not None
    assert asked.text == text
    assert asked.weight == (2 if " AND " in text else 1)
    assert asked.complete == (text.count('"') == 2 * len([count for count in counts if count]))


def test_no_word_that_occurs_makes_no_expression() -> None:
    assert expression(ranked(0, 0), 10, 100) is None
    assert expression([], 10, 100) is None


def test_the_doubled_expression_ranks_as_the_plain_one() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE t USING fts5(a, tokenize = '{TOKENIZER}')")
    texts = [f"{'rare ' * (n % 4)}{'common ' * (n % 7)}filler {'other ' * (n % 5)}" for n in range(200)]
    connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
    ask = "SELECT rowid, bm25(t) FROM t WHERE t MATCH ? ORDER BY 2, 1"
    plain = dict(connection.execute(ask, ('"rare" OR "common"',)).fetchall())
    doubled = dict(connection.execute(ask, ('("rare") AND ("rare" OR "common" OR "common")',)).fetchall())
    assert set(doubled) == {row for row in plain if "rare" in texts[row - 1]}
    assert doubled == pytest.approx({row: 2 * plain[row] for row in doubled})
    connection.close()
