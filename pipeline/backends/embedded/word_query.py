"""From what a person typed to an FTS5 expression whose work is bounded.

Decides which words of a question take part in the search. Knows FTS5's expression syntax and tokenizer; knows no
table. User text is never syntax: every word is cut out by its letters and digits and handed over in quotes.

FTS5 scores every match, about 0.65 microseconds each, while walking past a match costs 0.02. So where the words of a
question occur more often than the budget allows, the rarest words select the candidates, and the more frequent ones
only add to a candidate's score. The expression for rare words r and frequent words f is

    (r1 OR r2) AND (r1 OR r2 OR f1 OR f1 OR f2 OR f2)

in which every word stands exactly twice, so that the ranking is that of `r1 OR r2 OR f1 OR f2` with doubled scores.
docs/decisions/0004-word-search.md has what this saves and what it costs.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOKENIZER = "porter unicode61 remove_diacritics 2"
WORDS_MAX = 256
"""Distinct words of a question that are looked up."""
SELECTING_WORDS_MAX = 64
"""Words that take part in a search; the rarest of them."""
WALKED_PER_SCORED = 10
"""Frequent words join while their postings stay below this many budgets: walking is so much cheaper than scoring."""

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question with the terms that the tokenizer makes of it (one, but for rare scripts)."""

    text: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """An FTS5 expression, how often each word counts in its scores, and whether it selects by all words there are."""

    text: str
    weight: int
    complete: bool


class QuestionReader:
    """Cuts questions into words by FTS5's own tokenizer, so that they meet the index's terms. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scratch = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._scratch.execute(f"CREATE VIRTUAL TABLE Words USING fts5(Word, tokenize = '{TOKENIZER}')")
        self._scratch.execute("CREATE VIRTUAL TABLE Terms USING fts5vocab(Words, 'instance')")

    def words(self, text: str) -> list[Word]:
        """The distinct words of `text`, in the order of first use; two words of one stem are one."""
        found = _WORD.findall(unicodedata.normalize("NFC", text).lower())
        words = list(dict.fromkeys(word for word in found if word.isprintable()))[:WORDS_MAX]
        if not words:
            return []
        with self._lock:
            self._scratch.execute("DELETE FROM Words")
            self._scratch.executemany("INSERT INTO Words(rowid, Word) VALUES (?, ?)", enumerate(words))
            rows = self._scratch.execute("SELECT doc, term FROM Terms ORDER BY doc, offset").fetchall()
        terms: dict[int, list[str]] = {}
        for number, term in rows:
            terms.setdefault(number, []).append(term)
        distinct: dict[tuple[str, ...], str] = {}
        for number, made in terms.items():
            distinct.setdefault(tuple(made), words[number])
        return [Word(word, made) for made, word in distinct.items()]

    def close(self) -> None:
        with self._lock:
            self._scratch.close()


def expression(frequencies: Iterable[tuple[Word, int]], budget: int, chunks: int) -> Expression | None:
    """The expression for words with the number of chunks that hold each; None where no word occurs.

    At most about `budget` chunks are scored, but always those with the rarest word. `chunks` is their number in all.
    """
    present = sorted(((number, word) for word, number in frequencies if number), key=lambda pair: pair[0])
    present = present[:SELECTING_WORDS_MAX]
    selecting = _within(present, budget) or present[:1]
    if not selecting:
        return None
    # BM25 gives a word that stands in more than half of all chunks no weight, so leaving it out costs nothing.
    frequent = [pair for pair in present[len(selecting) :] if pair[0] <= chunks / 2]
    adding = _within(frequent, budget * WALKED_PER_SCORED)
    if not adding:
        return Expression(_any(selecting), weight=1, complete=len(selecting) == len(present))
    text = f"({_any(selecting)}) AND ({_any([*selecting, *adding, *adding])})"
    return Expression(text, weight=2, complete=False)


def all_of(terms: Iterable[Iterable[str]]) -> str | None:
    """The expression for chunks that have each of the terms, in one of its spellings; None where a term has no word."""
    groups = [[words for spelling in term if (words := _cut(spelling))] for term in terms]
    if not groups or not all(groups):
        return None
    return " AND ".join(f"({' OR '.join(dict.fromkeys(group))})" for group in groups)


def _cut(spelling: str) -> str:
    """One spelling as a phrase: its letters and digits in quotes."""
    found = _WORD.findall(unicodedata.normalize("NFC", spelling).lower())
    return f'"{" ".join(found)}"' if found and all(map(str.isprintable, found)) else ""


def _within(words: Sequence[tuple[int, Word]], budget: int) -> list[tuple[int, Word]]:
    taken, total = list[tuple[int, Word]](), 0
    for number, word in words:
        total += number
        if total > budget:
            break
        taken.append((number, word))
    return taken


def _any(words: Iterable[tuple[int, Word]]) -> str:
    return " OR ".join(f'"{word.text}"' for _, word in words)
