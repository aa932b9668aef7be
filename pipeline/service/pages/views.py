"""What templates show of a question and its answer, from events as they come or from what was kept of them.

Decides how a statement is cut into text and numbered citations, and which words say why there is no answer. The numbers
are those of the passages, as in the interface, in receipts and on the command line. Knows no request and no template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from pipeline.service.schemas import AnswerOut, CitationOut

_MARKER = re.compile(r"\s*\[(\d+)\]")

REASONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no_documents": (
            "There are no notes yet",
            "Nothing has been indexed that you may see. An administrator can start indexing or widen your access.",
        ),
        "below_floor": (
            "No note is close enough to this question",
            "Ask with the words that the notes would use, name the patient, or take filters away.",
        ),
        "generator_abstained": (
            "The notes found do not answer this question",
            "They are about something near it. Ask more narrowly, or look at the passages below yourself.",
        ),
        "nothing_verified": (
            "No answer could be checked against the notes",
            "What the model wrote is not shown, because its citations did not hold. Ask in other words.",
        ),
    }
)
UNKNOWN_REASON = ("No relevant information found", "Ask in other words, or take filters away.")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or a citation where `citation` is given."""

    text: str = ""
    citation: CitationOut | None = None


@dataclass(frozen=True, slots=True)
class StatementView:
    number: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what became of it."""

    id: str
    conversation_id: str
    question: str
    filters: tuple[str, ...] = ()
    asked_at: Any = None
    answer: AnswerOut | None = None
    statements: tuple[StatementView, ...] = ()
    problem: Any = None
    feedback: str | None = None
    failed: bool = False

    @property
    def key(self) -> str:
        """Part of ids in the page."""
        return f"turn-{self.id}"


def statement_view(number: int, text: str, citations: Sequence[CitationOut]) -> StatementView:
    """The statement with its markers as links. A citation without a marker comes last; a marker without one is text."""
    by_number: dict[int, list[CitationOut]] = {}
    for citation in citations:
        by_number.setdefault(citation.number, []).append(citation)
    pieces: list[Piece] = []
    at = 0
    for marker in _MARKER.finditer(text):
        cited = by_number.pop(int(marker[1]), None)
        if cited is None:
            continue
        pieces.append(Piece(text[at : marker.start()]))
        pieces += [Piece(citation=citation) for citation in cited]
        at = marker.end()
    pieces.append(Piece(text[at:]))
    pieces += [Piece(citation=citation) for rest in by_number.values() for citation in rest]
    return StatementView(number, tuple(piece for piece in pieces if piece.text or piece.citation))


def statements_of(answer: AnswerOut) -> tuple[StatementView, ...]:
    return tuple(
        statement_view(number, statement.text, statement.citations)
        for number, statement in enumerate(answer.statements, start=1)
    )


def note_address(resource_id: str, spans: Iterable[tuple[int, int]] = ()) -> str:
    """Where a note is shown, with ranges pointed out. Can be handed to somebody else: their rights decide."""
    query = urlencode([("span", f"{start}-{end}") for start, end in spans])
    return f"/notes/{quote(resource_id, safe='')}" + (f"?{query}" if query else "")


def beside_address(conversation_id: str, citation: CitationOut) -> str:
    """A conversation with the cited note open beside it."""
    query = urlencode({"note": citation.resource_id, "span": f"{citation.start}-{citation.end}"})
    return f"/conversations/{quote(conversation_id, safe='')}?{query}"


def filter_words(filters: Mapping[str, Any]) -> tuple[str, ...]:
    """Filters as a person reads them."""
    words = [f"patient {each}" for each in filters.get("patient_ids") or ()]
    words += list(filters.get("document_types") or ())
    words += [f"domain {each}" for each in filters.get("domains") or ()]
    if filters.get("since"):
        words.append(f"from {filters['since']}")
    if filters.get("until"):
        words.append(f"until {filters['until']}")
    return tuple(words)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of a note's text, pointed out or not."""

    text: str
    marked: bool = False


def stretches(text: str, spans: Iterable[tuple[int, int]]) -> list[Stretch]:
    """The text cut at the ranges; overlapping ranges are joined."""
    found: list[Stretch] = []
    at = 0
    for first, end in sorted(spans):
        if end <= at:
            continue
        start = max(first, at)
        if start > at:
            found.append(Stretch(text[at:start]))
        if found and found[-1].marked and start == at:
            found[-1] = Stretch(found[-1].text + text[start:end], marked=True)
        else:
            found.append(Stretch(text[start:end], marked=True))
        at = end
    if at < len(text):
        found.append(Stretch(text[at:]))
    return found


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters offer: only what occurs in notes that the person may see."""

    document_types: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterValues:
    """What the filters are set to."""

    patient_id: str = ""
    document_type: str = ""
    domain: str = ""
    since: str = ""
    until: str = ""
    words: tuple[str, ...] = field(default=())
