"""Which decisions a version of a document can be given, by the state that it is in.

The table is the whole rule; whoever decides anything about a document asks here. Knows no person, no database and no
text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pipeline.library.records import DocumentState

Decision: TypeAlias = Literal["approve", "reject", "withdraw", "wait"]

_OUTCOMES: Mapping[Decision, tuple[DocumentState, frozenset[DocumentState]]] = {
    "approve": ("approved", frozenset({"waiting", "read", "rejected", "superseded", "withdrawn"})),
    "reject": ("rejected", frozenset({"waiting", "read"})),
    "withdraw": ("withdrawn", frozenset({"approved"})),
    "wait": ("waiting", frozenset({"read", "rejected", "superseded", "withdrawn"})),
}

_IN_WORDS: Mapping[DocumentState, str] = {
    "uploaded": "is still being read",
    "unreadable": "could not be read",
    "read": "is kept without being asked about",
    "waiting": "waits for approval",
    "approved": "is approved",
    "rejected": "is rejected",
    "superseded": "is superseded by another version",
    "withdrawn": "is withdrawn",
}


def outcome(decision: Decision, state: DocumentState) -> DocumentState | None:
    """The state that a decision leads to; None where a version in that state cannot be given it."""
    reached, possible = _OUTCOMES[decision]
    return reached if state in possible else None


def possible_decisions(state: DocumentState) -> tuple[Decision, ...]:
    """What may be decided about a version in that state."""
    return tuple(decision for decision in _OUTCOMES if outcome(decision, state) is not None)


def in_words(state: DocumentState) -> str:
    """As the end of a sentence about a document: "waits for approval"."""
    return _IN_WORDS[state]


def refusal(decision: Decision, state: DocumentState) -> str:
    """Why a version in that state cannot be given the decision, and what can be done with it, for people."""
    possible = possible_decisions(state)
    instead = (
        f"It can be given: {', '.join(possible)}." if possible else "Nothing can be decided about it yet."
    )
    return f"The document {in_words(state)}. {instead}"
