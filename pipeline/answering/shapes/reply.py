"""What an answer of a shape is made of, before its quotations are checked, and who makes one.

Decides that our own words and a note's never mix: a line is either a lead, which says how lines below are meant, or a
quotation of one passage. Refuses to know how it is found and how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

from pipeline.answering.questions.plan import QuestionPlan
from pipeline.ports import Store
from pipeline.records import Hit, Question, Vector


@dataclass(frozen=True, slots=True)
class Lead:
    """A line of ours over quotations: a heading, a number of patients. No words of a note but a section's title."""

    text: str
    alone: bool = False
    """Whether it is shown although no quotation stands under it: "Not stated."."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A lead that says how many things the quotations under it are of. Those that do not pass verification are taken
    off, also where not all of them are listed."""

    number: int
    say: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Quotation:
    """A line that is a note's."""

    hit: Hit
    start: int
    end: int
    """Half-open, of the passage's text."""
    names_patient: bool = False
    """Whether the line begins with whose it is and when it was written."""
    dated: str = ""
    """When it was, in our words, where the line begins with it."""
    under: str = ""
    """The title that it stands under, where it says little without."""
    beside: tuple[Quotation, ...] = ()
    """Other places of the same patient that the line stands on: without one of them it is none."""

    @property
    def places(self) -> tuple[Quotation, ...]:
        return (self, *self.beside)


ReplyLine: TypeAlias = Lead | Counted | Quotation


@dataclass(frozen=True, slots=True)
class Reply:
    """Lines in order; without a quotation the notes have nothing."""

    lines: tuple[ReplyLine, ...]
    missing: Literal["not_stated"] | None = None
    """Quotations under it come near, and are no answer."""
    selected: bool = False
    """Whether sentences were selected, as from any passages, and not read from the structure of the notes."""

    @property
    def quotations(self) -> tuple[Quotation, ...]:
        return tuple(line for line in self.lines if isinstance(line, Quotation))

    @property
    def passages(self) -> tuple[Hit, ...]:
        """What is quoted, each once."""
        places = (place for line in self.quotations for place in line.places)
        return tuple({place.hit.chunk_id: place.hit for place in places}.values())


NOT_STATED = Reply((), "not_stated")


@dataclass(frozen=True)
class PlannedQuestion:
    """A question with its plan, and what answers are found with."""

    question: Question
    """Limited to the patients that are meant."""
    plan: QuestionPlan
    embed: Callable[[], Vector]
    store: Store
    likeness: Callable[[Sequence[str]], Sequence[float]] = lambda texts: [0.0] * len(texts)
    """The cosine of each text to the question."""

    @cached_property
    def vector(self) -> Vector:
        """The embedded question, shape (dimension,): embedded when it is first asked for."""
        return self.embed()


class ShapeAnswerer(Protocol):
    """Answers questions of one shape."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        """Whether it answers such a question. `patients`: those that the question is limited to. Looks nothing up."""

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        """The answer; None where notes are not written so that it can be found: then it is asked as any question."""
