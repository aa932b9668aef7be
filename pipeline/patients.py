"""The nouns of the register of patients: what one note says of whose it is, and what notes together say of a patient.

Decides which of several names, sexes and birth dates is shown first, and that where they differ none is left out: a
patient who married, was misspelt or was merged has several, and whether they are one person is for people to say. The
id alone says who is who: one name of two ids is two patients. Knows no text and no store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

FactKind: TypeAlias = Literal["name", "sex", "birth_date", "age"]
FactSource: TypeAlias = Literal["fhir", "hl7v2", "cda", "record", "header", "opening", "title"]
"""Where a note says it, the surest first: the Patient resource, PID, recordTarget, a field of the record (a column of
a table), a header line of its text ("DOB: ..."), the words that introduce the patient ("Anna Mitchell is a
54-year-old"), a surname after a title ("Ms. Nguyen reports")."""
NamePart: TypeAlias = Literal["given", "family"]
SOURCES: tuple[FactSource, ...] = ("fhir", "hl7v2", "cda", "record", "header", "opening", "title")
FEMALE, MALE, OTHER = "female", "male", "other"


@dataclass(frozen=True, slots=True)
class PersonName:
    """A person's name, as it is written; a surname alone ("Ms. Nguyen") and a first name alone are names, too."""

    given: tuple[str, ...] = ()
    """First names and initials, in their order."""
    family: tuple[str, ...] = ()
    """Words of the surname, particles among them: ("van", "der", "Berg"), ("Smith-Jones",)."""
    generation: str = ""
    """"Jr", "Sr", "II", "III" or "IV"; "" where there is none."""

    @property
    def text(self) -> str:
        """First names first: "Eva Nowak Jr"."""
        return " ".join((*self.given, *self.family, *filter(None, (self.generation,))))


@dataclass(frozen=True, slots=True)
class SourcePatient:
    """What a source says of a note's patient besides the note: a FHIR Patient, a PID segment, the header of a CDA."""

    source: FactSource
    names: tuple[PersonName, ...] = ()
    """All that the source lists: of a marriage, both."""
    sex: str | None = None
    """FEMALE, MALE or OTHER; None where the source does not say."""
    birth_date: str | None = None
    """ISO 8601, a year or a month where no more is known."""

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "names": [[list(name.given), list(name.family), name.generation] for name in self.names],
            "sex": self.sex,
            "birth_date": self.birth_date,
        }

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> SourcePatient:
        """From what `as_json` gave."""
        names = tuple(PersonName(tuple(given), tuple(family), end) for given, family, end in value["names"])
        return cls(value["source"], names, value["sex"], value["birth_date"])


@dataclass(frozen=True, slots=True)
class PatientFact:
    """One thing that a note says of its patient."""

    kind: FactKind
    value: str
    """`PersonName.text`; FEMALE, MALE or OTHER; a birth date in ISO 8601; an age as "54 years" or "0 days"."""
    source: FactSource
    start: int | None = None
    """Where it stands, half-open in characters of the note's original text; None for what stands outside the text."""
    end: int | None = None
    name: PersonName | None = None
    """Of a name."""


@dataclass(frozen=True, slots=True)
class RegisteredFact:
    """What the notes that one may see say of a patient in the same words, from one kind of place."""

    kind: FactKind
    value: str
    """As `PatientFact.value`."""
    source: FactSource
    notes: int
    """How many of these notes say it."""
    last_date: str | None
    """Of the newest of them that has a date: an age is one of that day."""
    resource_id: str
    """One of these notes, and where it stands there as in `PatientFact`."""
    start: int | None
    end: int | None
    name: PersonName | None = None


@dataclass(frozen=True, slots=True)
class RegisteredPatient:
    """A patient as the notes say that one may see, and no other notes."""

    patient_id: str
    notes: int
    first_date: str | None
    """Of the oldest and the newest note, as their sources write dates; None where no note has one."""
    last_date: str | None
    facts: tuple[RegisteredFact, ...]
    """As `in_order` has them: what to show first comes first."""

    def of_kind(self, kind: FactKind) -> tuple[RegisteredFact, ...]:
        return tuple(fact for fact in self.facts if fact.kind == kind)

    @property
    def names(self) -> tuple[PersonName, ...]:
        """Every name, each once, the one to show first; empty where no note gives one."""
        return tuple(dict.fromkeys(fact.name for fact in self.facts if fact.name is not None))

    @property
    def name(self) -> str | None:
        """The name to show."""
        return self.names[0].text if self.names else None

    @property
    def sex(self) -> str | None:
        """None where notes say nothing, or not all the same."""
        return _agreed(fact.value for fact in self.of_kind("sex"))

    @property
    def birth_date(self) -> str | None:
        """The most precise one; None where notes say nothing, or dates that cannot be one day."""
        dates = sorted({fact.value for fact in self.of_kind("birth_date")}, key=len)
        return dates[-1] if dates and all(dates[-1].startswith(date) for date in dates) else None

    @property
    def age(self) -> RegisteredFact | None:
        """The age of the newest note that gives one, with that note's date."""
        ages = self.of_kind("age")
        return max(ages, key=lambda fact: fact.last_date or "", default=None)


def in_order(facts: Iterable[RegisteredFact]) -> tuple[RegisteredFact, ...]:
    """Facts as `RegisteredPatient.facts` has them: a full name before a part of one, then by source."""
    return tuple(sorted(facts, key=_rank))


def _rank(fact: RegisteredFact) -> tuple[object, ...]:
    part_of_a_name = fact.name is not None and not (fact.name.given and fact.name.family)
    return fact.kind, part_of_a_name, SOURCES.index(fact.source), -fact.notes


def _agreed(values: Iterable[str]) -> str | None:
    different = set(values)
    return different.pop() if len(different) == 1 else None
