"""The passages of one patient, by note, the newest first, and the sections in them.

Decides how many are read and what is newest. Nothing is found by likeness here: all passages are read, so that what
none of them says is not stated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from pipeline.answering.shapes.kind_of_mention import title_of
from pipeline.answering.shapes.reply import PlannedQuestion
from pipeline.records import Hit, Match
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.periods import Period
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, sections_of

STAY_DAYS_MAX = 60
"""A longer time between two notes is not of one stay."""
_OF_A_STAY = re.compile(
    r"\b(?:discharge|admission|inpatient|hospital (?:course|stay)|hospitali[sz]ation)\b", re.IGNORECASE
)
_ADMITTED = re.compile(r"\badmission\b", re.IGNORECASE)
OPENING_CHARACTERS = 160
_SAYS_WHAT = frozenset(
    [
        *(SectionKind.PROCEDURES, SectionKind.DIAGNOSES, SectionKind.PHYSICAL_EXAM, SectionKind.IMAGING),
        SectionKind.INDICATION,
    ]
)
_OF_A_VISIT = frozenset(
    [
        *(SectionKind.PRESENT_ILLNESS, SectionKind.SUBJECTIVE, SectionKind.REVIEW_OF_SYSTEMS),
        *(SectionKind.SOCIAL_HISTORY, SectionKind.HOSPITAL_COURSE),
    ]
)
PASSAGES_MAX = 800
"""Passages of one patient that are read."""


@dataclass(frozen=True)
class ReadPassage:
    """A passage with its sections, found once."""

    hit: Hit

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        return sections_of(self.hit.text, within=title_of(self.hit))


@dataclass(frozen=True)
class PatientNote:
    """The passages of one note in their order."""

    passages: tuple[ReadPassage, ...]

    @property
    def first(self) -> Hit:
        return self.passages[0].hit

    @property
    def day(self) -> str:
        """ISO 8601 day; "" where the note has no date."""
        return (self.first.date or "")[:10]

    @property
    def called(self) -> str:
        """How a line of ours names the note: "Visit note of 2020-01-05"."""
        return f"{self.first.document_type}, {f'{self.day}' if self.day else 'undated'}"

    @property
    def is_of_a_stay(self) -> bool:
        """Whether it tells of days in a hospital."""
        typed = _OF_A_STAY.search(self.first.document_type) is not None
        return typed or any(True for _ in self.of_kinds([SectionKind.HOSPITAL_COURSE]))

    @property
    def is_report(self) -> bool:
        """Whether it tells of one examination or operation, and not of a visit."""
        return not any(True for _ in self.of_kinds(_OF_A_VISIT))

    def is_about(self, about: AskedWords) -> bool:
        """Whether it says of itself, in its type, its first words or the sections that say of which operation or
        examination it is, all that is asked about."""
        wanted = {term.key for term in about.terms}
        if not wanted:
            return True
        told = [self.first.document_type, self._opening]
        told += [passage.hit.text[each.start : each.end] for passage, each in self.of_kinds(_SAYS_WHAT)]
        return wanted <= set(about.held("\n".join(told)))

    @property
    def _opening(self) -> str:
        """What stands before the first title."""
        first = self.passages[0].sections[:1]
        end = first[0].end if first and first[0].title is None else 0
        return self.first.text[: min(end, OPENING_CHARACTERS)]

    def of_kinds(self, kinds: Collection[SectionKind]) -> Iterator[tuple[ReadPassage, Section]]:
        """The sections of these kinds."""
        for passage in self.passages:
            for section in passage.sections:
                if not set(section.kinds).isdisjoint(kinds):
                    yield passage, section


@dataclass(frozen=True, slots=True)
class PatientNotes:
    """What was read of one patient."""

    notes: tuple[PatientNote, ...]
    """The newest first, those without a date last."""
    complete: bool
    """Whether all passages were read."""

    def of(self, about: AskedWords) -> tuple[PatientNote, ...]:
        """The notes that are about what is asked."""
        return tuple(note for note in self.notes if note.is_about(about))

    @property
    def newest(self) -> tuple[PatientNote, ...]:
        """The notes of the newest day; all of them where none has a date."""
        return tuple(note for note in self.notes if note.day == self.notes[0].day)


def patient_notes(asked: PlannedQuestion) -> PatientNotes:
    """All passages that the question's filters admit, within the days that it names."""
    return _read(asked, asked.store.search_vector(asked.vector, PASSAGES_MAX, asked.question.filters))


def notes_with(words: str, asked: PlannedQuestion) -> PatientNotes:
    """The same of the passages that have any of the words: where a patient has more than can be read."""
    return _read(asked, asked.store.search_words(words, PASSAGES_MAX, asked.question.filters))


def _read(asked: PlannedQuestion, found: Sequence[Match]) -> PatientNotes:
    filters = asked.question.filters
    patients = filters.admitted_patients
    hits = [
        hit
        for hit in asked.store.hits([match.chunk_id for match in found], asked.vector)
        if filters.scope.admits(hit.domain, hit.patient_id)
        and (patients is None or hit.patient_id in patients)
        and _in_time(hit, asked)
    ]
    return PatientNotes(_by_note(hits), len(found) < PASSAGES_MAX)


def stay_of(notes: PatientNotes) -> Period | None:
    """The days of the last stay in hospital that notes tell of: from the note of the admission to that of the
    discharge. None where no note is of one."""
    days = [note for note in notes.notes if note.day and _OF_A_STAY.search(note.first.document_type)]
    if not days:
        return None
    last = days[0]
    admitted = [note.day for note in days if _ADMITTED.search(note.first.document_type)]
    near = [day for day in admitted if 0 <= _days_between(day, last.day) <= STAY_DAYS_MAX]
    return Period.of(max(near, default=last.day), last.day)


def _days_between(one: str, other: str) -> int:
    return (date.fromisoformat(other) - date.fromisoformat(one)).days if len(one) == len(other) == 10 else 0


def _in_time(hit: Hit, asked: PlannedQuestion) -> bool:
    time = asked.plan.time
    return time.period.admits(hit.date)


def _by_note(hits: Sequence[Hit]) -> tuple[PatientNote, ...]:
    notes: dict[str, list[Hit]] = {}
    for hit in hits:
        notes.setdefault(hit.resource_id, []).append(hit)
    read = [
        PatientNote(tuple(ReadPassage(hit) for hit in sorted(passages, key=lambda each: each.start)))
        for _, passages in sorted(notes.items())
    ]
    return tuple(sorted(read, key=lambda note: note.first.date or "", reverse=True))
