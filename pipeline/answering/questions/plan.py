"""What a question asks for, as a record.

Decides which questions are told apart. None and an empty tuple mean: not known, and then a question is answered as one
whose meaning nobody looked at. Refuses to know words (`interpretation`) and who there is (`patient_meant`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from pipeline.text.periods import Period, beside
from pipeline.text.person_names.question_names import QuestionNames


class AnswerShape(StrEnum):
    """What an answer looks like. Values are stored and shown: they do not change."""

    FACT = "fact"
    YES_NO = "yes/no"
    LIST = "list"
    COUNT = "count"
    WHO = "who"
    COMPARE = "compare"
    TREND = "trend"
    SUMMARY = "summary"


class ThingKind(StrEnum):
    """What kind of thing is asked about. Values are stored and shown: they do not change."""

    MEDICATION = "medication"
    ALLERGY = "allergy"
    PROBLEM = "problem"
    PROCEDURE = "procedure"
    IMMUNIZATION = "immunization"
    VITAL = "vital sign"
    LABORATORY = "laboratory"
    IMAGING = "imaging"
    EXAMINATION = "examination"
    PLAN = "plan"
    INSTRUCTIONS = "instructions"
    HISTORY = "history"
    SOCIAL = "social history"
    FAMILY = "family history"
    REASON_FOR_VISIT = "reason for visit"
    WHOLE_VISIT = "whole visit"


LISTED_KINDS = (ThingKind.MEDICATION, ThingKind.PROBLEM, ThingKind.ALLERGY)
"""Kinds that notes list, in the order in which changes of them are told."""
Whom: TypeAlias = Literal["open", "id", "name", "pronoun", "everyone"]
"""How a question says whose notes it means. open: it does not. pronoun: "she", "the patient". everyone: it asks which
patients, who, or how many."""


@dataclass(frozen=True, slots=True)
class WrittenPatient:
    """A patient as the question writes one."""

    words: tuple[str, ...]
    """Of a name, without title; the id alone where it is one."""
    start: int
    end: int
    """Half-open, of the question, with title and "patient", without "'s"."""
    is_id: bool = False
    said: str = ""
    """What a title says of its bearer, as `text.names.TITLES` has it: "he" or "she"."""
    sure: bool = True
    """False where the words may be no person's."""

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class AskedPatients:
    """Whose notes are meant."""

    whom: Whom = "open"
    written: tuple[WrittenPatient, ...] = ()
    """Those whom ids or names stand for, in order; of "open" too, where no name is sure."""
    names: QuestionNames | None = field(default=None, compare=False, repr=False)
    """What else may be a name by its shape: for whoever holds the question against passages."""


Order: TypeAlias = Literal["latest", "first"]
VisitPair: TypeAlias = Literal["last-two-visits", "first-and-last-visit"]


@dataclass(frozen=True, slots=True)
class AskedTime:
    """When, as far as the question says it in a way that needs no calendar of today."""

    order: Order | None = None
    since: str | None = None
    """First day included, ISO 8601, to the year or month where no more is said; as `until`."""
    until: str | None = None
    days: tuple[str, ...] = ()
    """All dates that are written, in order."""
    stay: bool = False
    """Of the last admission."""
    relative: bool = False
    """Counted from today or from an event ("last week", "before the accident"): not resolved here."""
    visits: VisitPair | None = None
    """Two visits that are put side by side: "since the last visit" means it and the one before."""
    open_ends: frozenset[Literal["since", "until"]] = field(default=frozenset(), compare=False)
    """Ends that are not of the time themselves: "after May", "before 2020"."""
    either: tuple[str, ...] = field(default=(), compare=False)
    """The days that a date may be which is written for two: 03/04/2021. Not among `days`."""

    @property
    def unlimited(self) -> bool:
        return self == AskedTime()

    @property
    def period(self) -> Period:
        """Its first and last day, both included."""
        since, until = self.since, self.until
        return Period.of(
            beside(since, 1) if since and "since" in self.open_ends else since,
            beside(until, -1) if until and "until" in self.open_ends else until,
        )


Change: TypeAlias = Literal["start", "stop"]
"""Of a drug or an illness: that it began, that it ended."""


@dataclass(frozen=True, slots=True)
class AskedThing:
    """What a question about values or events in time is of."""

    words: str
    """In the question's words, or the name of a personal fact ("insurance"); "" where it asks for a visit alone."""
    when: bool = False
    """The date is what is asked for."""
    change: Change | None = None
    """Asked for what began, or ended."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Whole years, both included; None: no limit."""

    least: int | None = None
    most: int | None = None


ANY_AGE = Ages()


@dataclass(frozen=True, slots=True)
class AskedCondition:
    """What else is asked of the same patients, as `QuestionPlan` has the first of it."""

    finding: str
    kind: ThingKind | None = None
    negated: bool = False
    is_attribute: bool = False


@dataclass(frozen=True, slots=True)
class AskedGroup:
    """Of which patients it is asked, by what the register of patients says of them."""

    sex: Literal["female", "male"] | None = None
    ages: Ages = ANY_AGE


EVERYONE = AskedGroup()


ListChange: TypeAlias = Literal["started", "stopped", "changed"]
ListTopic: TypeAlias = Literal[
    "labs ordered",
    "imaging ordered",
    "referrals",
    "specialists",
    "advice",
    "denied symptoms",
    "reported symptoms",
    "drugs given",
    "treatments tried",
    "medication changes",
]
"""What sentences of any section say. Values are shown and carried: they do not change."""


@dataclass(frozen=True, slots=True)
class ListPart:
    """Which part of a list is asked for."""

    change: ListChange | None = None
    purpose: str | None = None
    """The illness that drugs are for, in the question's words."""
    tests: bool = False
    """Of a plan what is to be measured or looked at."""
    topic: ListTopic | None = None


@dataclass(frozen=True, slots=True)
class QuestionPlan:
    """What one question asks for."""

    text: str
    patients: AskedPatients = AskedPatients()
    shape: AnswerShape | None = None
    kinds: tuple[ThingKind, ...] = ()
    """In the order in which the question names them; empty where it names none that is known."""
    finding: str | None = None
    """The finding, drug or act asked about, in the question's words: "heart attack". None where none stands out."""
    rest: tuple[str, ...] = ()
    """Words that mean something and are of no part above: where there are any, the plan is not all that is asked."""
    time: AskedTime = AskedTime()
    negated: bool = False
    """Asked for those who do not: "Which patients do not take aspirin?"."""
    is_attribute: bool = False
    """Whether a patient is the finding and does not have it: "Which patients are married?"."""
    thing: AskedThing | None = None
    """Of a trend, a comparison, or a fact with a time, when it can be told; None for all other questions."""
    part: ListPart | None = None
    """None: all of the list."""
    also: tuple[AskedCondition, ...] = ()
    """Of a question about several patients what they must have besides the finding."""
    any_of: bool = False
    """Whether one of these conditions is enough."""
    group: AskedGroup = EVERYONE

    @property
    def kind(self) -> ThingKind | None:
        return self.kinds[0] if self.kinds else None
