"""How the register of patients lies in a store, whatever its dialect: what is written for a note, asked for a name, and
read back.

Decides that the rows of a note follow from the note alone, so that they can be made again from what is stored; which
words find a name (every word asked for, in any order, an initial standing for what begins with it); and which names are
near one that no one has. Runs no SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pipeline.patients import (
    FactKind,
    FactSource,
    NamePart,
    PatientFact,
    PersonName,
    RegisteredFact,
    RegisteredPatient,
    SourcePatient,
    in_order,
)
from pipeline.records import NO_PATIENT, Document
from pipeline.text.patients.note_patient import facts_of_note
from pipeline.text.patients.person_name import forms, name_words, sound
from pipeline.text.person_names.names import GENERATIONS, PARTICLES, TITLES, keys

FACTS_READ_MAX = 2_000
"""Different facts that are read for the patients of one call, those that most notes say."""
NEAR_READ_MAX = 50
"""Patients whose names are compared with one that no one has."""
SIMILARITY_MIN = 0.6
WORD_SIMILARITY_MIN = 0.7
"""Shares of letters in common, in their order: of the whole name, and of each word where the surname is another."""
WORDS_ASKED_MAX = 8
FOLDED_CHARACTERS_MAX = 400


@dataclass(frozen=True, slots=True)
class NameEntry:
    """A word by which a note's patient is found."""

    word: str
    sound: str
    folded: str
    """All words of that name, each between blanks, so that a second word is looked for in the row of the first."""
    is_family: bool


@dataclass(frozen=True, slots=True)
class NoteEntries:
    """What the register holds of one note."""

    facts: tuple[PatientFact, ...]
    words: tuple[NameEntry, ...]

    @classmethod
    def of(cls, document: Document) -> NoteEntries:
        facts = () if document.patient_id == NO_PATIENT else facts_of_note(document)
        names = dict.fromkeys(fact.name for fact in facts if fact.name is not None)
        entries = dict.fromkeys(entry for name in names for entry in _entries(name))
        return cls(facts, tuple(entries))


def _entries(name: PersonName) -> Iterable[NameEntry]:
    words = list(name_words(name))
    folded = folded_words(each.word for each in words)
    return [NameEntry(each.word, each.sound, folded, each.is_family) for each in words if len(each.word) > 1]


def folded_words(words: Iterable[str]) -> str:
    return f" {' '.join(sorted(set(words)))} "[:FOLDED_CHARACTERS_MAX]


# --- columns


def name_column(name: PersonName | None) -> str | None:
    """A name's parts as one column."""
    if name is None:
        return None
    return json.dumps([name.given, name.family, name.generation], ensure_ascii=False)


def source_column(patient: SourcePatient | None) -> str | None:
    return None if patient is None else json.dumps(patient.as_json(), ensure_ascii=False, sort_keys=True)


def source_of(column: str | None) -> SourcePatient | None:
    return SourcePatient.of_json(json.loads(column)) if column else None


@dataclass(frozen=True, slots=True)
class FactRow:
    """What some notes of a patient say in the same words, as a store counts it."""

    patient_id: str
    kind: FactKind
    value: str
    source: FactSource
    parts: str | None
    notes: int
    last_date: str | None
    resource_id: str
    start: int | None
    end: int | None

    def fact(self) -> RegisteredFact:
        name = None
        if self.parts:
            given, family, generation = json.loads(self.parts)
            name = PersonName(tuple(given), tuple(family), generation)
        return RegisteredFact(
            self.kind,
            self.value,
            self.source,
            self.notes,
            self.last_date,
            self.resource_id,
            self.start,
            self.end,
            name,
        )


@dataclass(frozen=True, slots=True)
class NotesRow:
    """The notes of a patient, counted."""

    patient_id: str
    notes: int
    first_date: str | None
    last_date: str | None


def registered(notes: Iterable[NotesRow], facts: Iterable[FactRow]) -> list[RegisteredPatient]:
    """Patients in the order of their ids."""
    said: dict[str, list[RegisteredFact]] = {}
    for row in facts:
        said.setdefault(row.patient_id, []).append(row.fact())
    return [
        RegisteredPatient(
            row.patient_id, row.notes, row.first_date, row.last_date, in_order(said.get(row.patient_id, ()))
        )
        for row in sorted(notes, key=lambda row: row.patient_id)
    ]


# --- asking for a name


def parts_of(part: NamePart | None) -> tuple[int, ...]:
    """The values of `NameEntry.is_family` that are looked up."""
    return (0, 1) if part is None else (int(part == "family"),)


@dataclass(frozen=True, slots=True)
class AskedName:
    """A name as it is looked up."""

    first: tuple[str, ...]
    """Forms of the word that is looked up by the index: the longest, which most likely is the rarest."""
    others: tuple[tuple[str, ...], ...]
    """For each other word what must stand in `NameEntry.folded`: one of these."""
    words: tuple[tuple[str, ...], ...]
    """Every full word, in its forms."""
    generation: str = ""

    @classmethod
    def of(cls, words: Sequence[str]) -> AskedName | None:
        """None where no full word is left without titles and particles."""
        plain = [half for word in words for half in word.replace("-", " ").replace(".", " ").split()]
        generation = next((word.lower() for word in plain if word.lower() in GENERATIONS), "")
        left = [
            word
            for word in plain[:WORDS_ASKED_MAX]
            if word.lower() not in GENERATIONS and word.lower() not in TITLES and word not in PARTICLES
        ]
        asked = [tuple(sorted(key for key in keys(word) if key)) for word in left]
        full = [each for each in asked if each and len(each[0]) > 1]
        if not full:
            return None
        first = max(full, key=lambda each: len(each[0]))
        rest = list(asked)
        rest.remove(first)
        return cls(first, tuple(_stands_for(each) for each in rest if each), tuple(full), generation)

    @property
    def sounds(self) -> tuple[str, ...]:
        return tuple(sorted({sound(form) for each in self.words for form in each}))

    def is_had_by(self, patient: RegisteredPatient) -> bool:
        """Whether one of the patient's names is this one; "Jr." and "Sr." are two."""
        return any(self._is(name) for name in patient.names)

    def _is(self, name: PersonName) -> bool:
        if self.generation and name.generation and name.generation.lower() != self.generation:
            return False
        folded = folded_words(each.word for each in name_words(name))
        return any(f" {form} " in folded for form in self.first) and all(
            any(form in folded for form in others) for others in self.others
        )

    def similarity(self, patient: RegisteredPatient) -> float:
        """How near the nearest of the patient's names is, 0 to 1."""
        return max((self._nearness(name) for name in patient.names), default=0.0)

    def _nearness(self, name: PersonName) -> float:
        """Each word must have one that is like it, or the surname be the same."""
        family = {form for word in name.family for form in forms(word)}
        theirs = family | {form for word in name.given for form in forms(word)}
        if not theirs:
            return 0.0
        best = [max(_ratio(form, other) for form in each for other in theirs) for each in self.words]
        same_surname = not family.isdisjoint(self.words[-1])
        return sum(best) / len(best) if same_surname or min(best) >= WORD_SIMILARITY_MIN else 0.0


@dataclass(frozen=True, slots=True)
class TypedName:
    """A name while it is being typed: of each word there may be no more than a beginning."""

    first: tuple[str, ...]
    """Forms of the beginning that is looked up by the index: the longest one."""
    others: tuple[tuple[str, ...], ...]
    """For each other word what must stand in `NameEntry.folded`: one of these, a blank before it."""

    @classmethod
    def of(cls, typed: str) -> TypedName | None:
        """None where no word is left without titles."""
        plain = re.sub(r"[-.,]", " ", typed.replace("\0", " ")).split()[:WORDS_ASKED_MAX]
        named = [word for word in plain if word.lower() not in TITLES] or plain
        words = [forms_ for word in named if (forms_ := tuple(sorted(filter(str.isalnum, keys(word)))))]
        if not words:
            return None
        first = max(reversed(words), key=lambda each: len(each[0]))
        rest = list(words)
        rest.remove(first)
        return cls(first, tuple(_begins_or_initial(each) for each in rest))


def _begins_or_initial(word: tuple[str, ...]) -> tuple[str, ...]:
    """A beginning, or the initial that stands for it where a note has only that."""
    initials = [f" {form[0]} " for form in word] if len(word[0]) > 1 else []
    return tuple(dict.fromkeys([*(f" {form}" for form in word), *initials]))


def words_by_form(words: Sequence[str]) -> dict[str, set[str]]:
    """The forms by which words are looked up, each with the words that have it."""
    found: dict[str, set[str]] = {}
    for word in words:
        for half in word.replace("-", " ").replace(".", " ").split():
            for form in filter(None, keys(half)):
                found.setdefault(form, set()).add(word)
    return found


def _stands_for(word: tuple[str, ...]) -> tuple[str, ...]:
    """A full word itself, or its initial where a note has only that; an initial any word that begins with it."""
    if len(word[0]) == 1:
        return tuple(f" {form}" for form in word)
    return tuple(dict.fromkeys([*(f" {form} " for form in word), *(f" {form[0]} " for form in word)]))


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def nearest_of(
    asked: AskedName, patients: Iterable[RegisteredPatient], limit: int
) -> list[RegisteredPatient]:
    """Those whose names are near enough, the nearest first; no one who is called that."""
    near = [(asked.similarity(patient), patient) for patient in patients if not asked.is_had_by(patient)]
    kept = [(score, patient) for score, patient in near if score >= SIMILARITY_MIN]
    kept.sort(key=lambda each: (-each[0], each[1].patient_id))
    return [patient for _, patient in kept[:limit]]
