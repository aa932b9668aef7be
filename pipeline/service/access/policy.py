"""Who may do what. Deny by default."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pipeline.errors import Forbidden
from pipeline.records import EVERYTHING, AccessScope


class Action(StrEnum):
    ASK = "ask"
    SEARCH = "search"
    READ_NOTE = "read_note"
    READ_OWN_CONVERSATIONS = "read_own_conversations"
    GIVE_FEEDBACK = "give_feedback"
    READ_STATUS = "read_status"
    START_JOBS = "start_jobs"
    READ_JOBS = "read_jobs"
    CANCEL_JOBS = "cancel_jobs"
    REVIEW = "review"
    READ_AUDIT = "read_audit"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_KEYS = "manage_keys"
    READ_METRICS = "read_metrics"


@dataclass(frozen=True, slots=True)
class Principal:
    id: str
    name: str
    role: str
    kind: Literal["user", "key", "demo"]
    scope: AccessScope
    actions: frozenset[Action]


DEMO = Principal("demo", "demo", "administrator", "demo", EVERYTHING, frozenset(Action))


def allowed(principal: Principal, action: Action) -> bool:
    return action in principal.actions


def require(principal: Principal, action: Action) -> None:
    if not allowed(principal, action):
        raise Forbidden(f"You may not {action}.", remedy="Ask an administrator.")
