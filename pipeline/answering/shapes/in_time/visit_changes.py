"""What is new, gone or changed from one visit to another in the lists of a patient's notes.

Decides by the first words of an item that it is the same thing: a drug by its name, a problem by its words; then a
dose that differs is a change. A list that one of the visits does not have is not compared: that it is not written
down does not mean that it ended. Refuses to know why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.answering.questions.plan import AskedTime, ThingKind
from pipeline.answering.shapes.lists.section_list import SECTIONS, items_in
from pipeline.answering.shapes.patient_notes import PatientNote, patient_notes
from pipeline.answering.shapes.reply import Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.wording import canonical

LINES_MAX = 40
_WORD = re.compile(r"[^\W\d_][\w'-]+")
_NAMES_NOTHING = frozenset(
    "the and with for patient reports taking takes take continue tablet tablets capsule capsules oral solution no known"
    " history chronic acute mild moderate severe stable type status".split()
)
_SENTENCE = re.compile(r"(?:she|he|they|we|i|it|the|patient|pt|plan|will|continue)\b")
"""How what is no item of a list begins."""
_NONE = re.compile(r"\W*(?:no\b|none\b|nkd?a\b|denies\b|negative\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a list, and what it is of."""

    quotation: Quotation
    key: tuple[str, ...]
    text: str


def changes_of_lists(
    asked: PlannedQuestion, kinds: Sequence[ThingKind], before: str, after: str, *, alike: bool = True
) -> Reply | None:
    """What differs between the lists of two days, and with `alike` what does not; None where none stands on either."""
    read = patient_notes(replace(asked, plan=replace(asked.plan, time=AskedTime())))
    older = [note for note in read.notes if note.day and note.day.startswith(before)]
    newer = [note for note in read.notes if note.day and note.day.startswith(after)]
    lines: list[ReplyLine] = []
    for kind in kinds:
        one, other = list(_items(older, kind)), list(_items(newer, kind))
        if one and other:
            lines += _changes(one, other, kind, before, after, alike=alike)
        elif one or other:
            lines += _of_one(one or other, kind, before if one else after, after if one else before)
    return Reply(tuple(lines)) if any(isinstance(line, Quotation) for line in lines) else None


def _items(notes: Sequence[PatientNote], kind: ThingKind) -> Iterator[_Item]:
    told: set[str] = set()
    for note in notes:
        for passage, section in note.of_kinds(SECTIONS[kind]):
            for item in items_in(passage, section, kind):
                start, end = with_line_above(passage.hit.text, *item)
                text = " ".join(passage.hit.text[start:end].lower().split()).strip(" .;,")
                if text and text not in told and not _SENTENCE.match(text):
                    told.add(text)
                    yield _Item(Quotation(passage.hit, start, end, dated=note.day), _key(text, kind), text)


def _key(text: str, kind: ThingKind) -> tuple[str, ...]:
    if _NONE.match(text):
        return ("none",)
    words = [word for word in _WORD.findall(text) if word not in _NAMES_NOTHING]
    if kind is ThingKind.MEDICATION:
        return tuple(words[:1])
    return tuple(sorted({key for word in words for key in canonical(word)}))


def _changes(
    one: Sequence[_Item], other: Sequence[_Item], kind: ThingKind, before: str, after: str, *, alike: bool
) -> Iterator[ReplyLine]:
    old = {item.key: item for item in one if item.key != ("none",)}
    new = {item.key: item for item in other if item.key != ("none",)}
    added = [item for key, item in new.items() if key not in old]
    gone = [item for key, item in old.items() if key not in new]
    changed = [(old[key], item) for key, item in new.items() if key in old and old[key].text != item.text]
    same = [item for key, item in new.items() if key in old and old[key].text == item.text]
    name = kind.value.capitalize()
    yield from _group(f"{name}, listed on {after} and not on {before}:", added)
    yield from _group(f"{name}, listed on {before} and not on {after}:", gone)
    yield from _group(
        f"{name}, listed differently on {before} and on {after}:",
        [each for pair in changed for each in pair],
    )
    yield from _group(f"{name}, listed alike on {before} and on {after}:", same if alike else ())
    none = [item for item in (*one, *other) if item.key == ("none",)]
    yield from _group(f"{name}, said to be none:", none)


def _of_one(items: Sequence[_Item], kind: ThingKind, day: str, without: str) -> Iterator[ReplyLine]:
    yield from _group(
        f"{kind.value.capitalize()}, listed on {day}; the notes of {without} have no list:", items
    )


def _group(head: str, items: Sequence[_Item]) -> Iterator[ReplyLine]:
    if items:
        yield Lead(head)
        yield from (item.quotation for item in items[:LINES_MAX])
