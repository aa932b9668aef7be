"""A question of one patient in the words of that patient's notes, where those write a word of it otherwise.

Decides only which words of the question are read as which of the notes', and says so where one was cut short or
mistyped. It is asked where the question as it was typed has no answer. Refuses to know how words are alike
(`text.terms.written_otherwise`), and never touches a name or an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.answering.shapes.patient_notes import patient_notes
from pipeline.answering.shapes.reply import Lead, PlannedQuestion
from pipeline.text.terms.written_otherwise import as_written, is_variant, may_be_otherwise

_WORD = re.compile(r"(?<![\w'’-])[^\W\d_]{4,}(?![\w’-])")


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word of a question, half-open, and the notes' word that it is read as."""

    start: int
    end: int
    typed: str
    meant: str


def words_of_notes(asked: PlannedQuestion) -> tuple[ReadWord, ...]:
    """The words of the question that the patient's notes write otherwise, in order."""
    places = [place for place in _places(asked) if may_be_otherwise(asked.question.text[slice(*place)])]
    if not places:
        return ()
    written = {
        word.lower()
        for note in patient_notes(asked).notes
        for passage in note.passages
        for word in _WORD.findall(passage.hit.text)
    }
    typed = ((place, asked.question.text[slice(*place)]) for place in places)
    found = ((place, word, as_written(word, written)) for place, word in typed)
    return tuple(ReadWord(*place, word, meant) for place, word, meant in found if meant is not None)


def respelled(question: str, words: Sequence[ReadWord]) -> str:
    """The question with the notes' words."""
    for word in reversed(words):
        question = f"{question[: word.start]}{word.meant}{question[word.end :]}"
    return question


def read_as(words: Sequence[ReadWord]) -> Iterator[Lead]:
    """What is said of the words that are no other spelling of the notes'."""
    for word in words:
        if not is_variant(word.typed, word.meant):
            yield Lead(f'"{word.typed}" stands in no note and is read as "{word.meant}".')


def _places(asked: PlannedQuestion) -> Iterator[tuple[int, int]]:
    """Where the question has a word, of no one's name: of no words that may be one, where none surely is."""
    written = asked.plan.patients.written
    sure = [each for each in written if each.sure or each.is_id]
    named = [(each.start, each.end) for each in sure or written]
    for match in _WORD.finditer(asked.question.text):
        if not any(start < match.end() and match.start() < end for start, end in named):
            yield match.span()
