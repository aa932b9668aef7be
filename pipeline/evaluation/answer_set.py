"""Reads a set of questions with the answers that notes hold.

A set is a folder with two splits, `development` and `held`, each of them with the files `notes.jsonl`, as
`pipeline.vectorize` reads them, and `questions.jsonl`: no patient is in both. A third one, `people.jsonl`, may say what
patients are called whose notes have no record of it. Decides that a question's truth is words that stand in a note:
each is found there when the set is read, and a set that quotes what no note says is refused. Refuses to know how an
answer is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pipeline.errors import InputMissing, InputUnusable

Shape: TypeAlias = Literal[
    "fact", "yes_no", "list", "count", "who", "latest", "first", "trend", "compare", "summarise"
]
Expected: TypeAlias = Literal["answer", "not_stated", "which_patient"]
"""not_stated: no note has it. which_patient: the question must be asked back, as nothing says whom it means."""
Split: TypeAlias = Literal["development", "held"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
NOTES_FILE, QUESTIONS_FILE, PEOPLE_FILE = "notes.jsonl", "questions.jsonl", "people.jsonl"
UNIQUE_BELOW = 20
"""Characters. A longer quotation that stands in a note several times means each of them."""

People: TypeAlias = Mapping[str, Sequence[str]]
"""Patient id to what a statement may call the patient: the id, and full names that are known."""
Wordings: TypeAlias = tuple[tuple[str, ...], ...]
"""All of these groups, of each one wording at least."""


@dataclass(frozen=True, slots=True)
class TruthSpan:
    """Characters `[start, end)` of a note that carry the truth."""

    resource_id: str
    patient_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TruthItem:
    """One thing that a whole answer says; of a who-question, one patient."""

    spans: tuple[TruthSpan, ...]
    """Any one of them proves it."""
    say: Wordings = ()
    """What a statement must say beside citing it; nothing: the citation is enough."""
    about: Wordings = ()
    """With these words next to what must be said, any place of the patient's notes proves it."""

    @property
    def patients(self) -> frozenset[str]:
        return frozenset(span.patient_id for span in self.spans)


@dataclass(frozen=True, slots=True)
class PosedQuestion:
    """A question as it is asked, and what is true of it."""

    id: str
    shape: Shape
    text: str
    expected: Expected
    items: tuple[TruthItem, ...]
    earlier: tuple[str, ...] = ()
    """Questions of the same conversation that are asked before, in order."""
    limited_to: tuple[str, ...] = ()
    """Patient ids that the question is asked of by a filter, as on the page."""
    patients: frozenset[str] = frozenset()
    """Whose notes may be cited; empty: anybody's."""
    verdict: Literal["yes", "no"] | None = None
    count: int | None = None
    wrong: tuple[str, ...] = ()
    """Wordings of what would be a wrong answer: the other side, an older value, a thing denied."""
    asides: tuple[TruthSpan, ...] = ()
    """Passages that do not answer and may stand in a list: a mention denied, or a relative's."""
    kind: str = ""
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSet:
    name: str
    split: Split
    notes_file: Path
    notes: Mapping[str, Mapping[str, Any]]
    """Note id to its record."""
    questions: tuple[PosedQuestion, ...]
    people: People


def read_answer_set(folder: Path, split: Split) -> AnswerSet:
    """One split of the set in `folder`. Raises InputMissing or InputUnusable with the file, line and what is wrong."""
    for name in (NOTES_FILE, QUESTIONS_FILE):
        if not (folder / split / name).is_file():
            raise InputMissing(
                f"{folder / split / name} does not exist.",
                remedy=f"A set of answers holds {NOTES_FILE} and {QUESTIONS_FILE} for each split (docs/evaluation.md).",
            )
    notes_file, questions_file = folder / split / NOTES_FILE, folder / split / QUESTIONS_FILE
    notes = {row["resource_id"]: row for _, row in _rows(notes_file, "resource_id", "text_content")}
    questions = tuple(
        _question(row, notes, f"Line {number} of {questions_file}")
        for number, row in _rows(questions_file, "id", "shape", "question", "expect")
    )
    people = _people(folder / split / PEOPLE_FILE, notes)
    return AnswerSet(folder.name, split, notes_file, notes, questions, people)


def _people(path: Path, notes: Mapping[str, Mapping[str, Any]]) -> People:
    """Everyone in the notes, with the names that records have and that the file, if there is one, adds."""
    found: dict[str, dict[str, None]] = {}
    for note in notes.values():
        names = (note["patient_id"], note.get("patient_name"))
        found.setdefault(str(note["patient_id"]), {}).update(dict.fromkeys(filter(None, names)))
    if path.is_file():
        for number, row in _rows(path, "patient_id", "names"):
            if row["patient_id"] not in found:
                raise _unusable(f"Line {number} of {path}", "names a patient who has no note")
            found[row["patient_id"]].update(dict.fromkeys(row["names"]))
    return {patient: tuple(names) for patient, names in found.items()}


def _rows(path: Path, *needed: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                for name in needed:
                    row[name]
            except (ValueError, KeyError, TypeError):
                raise InputUnusable(
                    f"Line {number} of {path} is not a JSON object with {', '.join(needed)}.",
                    remedy="Correct that line; one object a line.",
                ) from None
            yield number, row


def _question(row: Mapping[str, Any], notes: Mapping[str, Mapping[str, Any]], place: str) -> PosedQuestion:
    items = tuple(_item(item, notes, place) for item in row.get("items", ()))
    if row["shape"] not in SHAPES or row["expect"] not in get_args(Expected):
        raise _unusable(place, f"has shape {row['shape']} and expects {row['expect']}, and one is not known")
    if bool(items) != (row["expect"] == "answer"):
        raise _unusable(place, "expects an answer and has no item, or expects none and has one")
    return PosedQuestion(
        id=row["id"],
        shape=row["shape"],
        text=row["question"],
        expected=row["expect"],
        items=items,
        earlier=tuple(row.get("earlier", ())),
        limited_to=tuple(row.get("limited_to", ())),
        patients=frozenset(row.get("patients", ())),
        verdict=row.get("verdict"),
        count=row.get("count"),
        wrong=tuple(row.get("wrong", ())),
        asides=_spans(row.get("asides", ()), notes, place),
        kind=row.get("kind", ""),
        traps=tuple(row.get("traps", ())),
    )


def _item(item: Mapping[str, Any], notes: Mapping[str, Mapping[str, Any]], place: str) -> TruthItem:
    return TruthItem(
        _spans(item["spans"], notes, place), _wordings(item.get("say", ())), _wordings(item.get("about", ()))
    )


def _wordings(groups: Sequence[str | Sequence[str]]) -> Wordings:
    return tuple((group,) if isinstance(group, str) else tuple(group) for group in groups)


def _spans(
    quoted: Sequence[tuple[str, str]], notes: Mapping[str, Mapping[str, Any]], place: str
) -> tuple[TruthSpan, ...]:
    return tuple(chain.from_iterable(_places(note, quote, notes, place) for note, quote in quoted))


def _places(
    note_id: str, quote: str, notes: Mapping[str, Mapping[str, Any]], place: str
) -> Iterator[TruthSpan]:
    note = notes.get(note_id)
    text = str(note["text_content"]) if note else ""
    times = text.count(quote) if quote else 0
    if note is None or not times:
        raise _unusable(place, f"quotes what note {note_id} does not say")
    if times > 1 and len(quote) < UNIQUE_BELOW:
        raise _unusable(place, f"quotes of note {note_id} what stands there {times} times")
    start = -1
    for _ in range(times):
        start = text.index(quote, start + 1)
        yield TruthSpan(note_id, str(note["patient_id"]), start, start + len(quote))


def _unusable(place: str, fault: str) -> InputUnusable:
    return InputUnusable(f"{place} {fault}.", remedy="Correct that line (docs/evaluation.md has its form).")
