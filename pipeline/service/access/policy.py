"""The one place that decides who may do what. Whatever is not granted here is refused.

A role grants actions. An API key grants those of its owner's role that it was made for, never more. Which notes
a user may see is another question: that is `Principal.scope`, and the stores enforce it. Knows no database, no
request and no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias, get_args

from pipeline.config import Role
from pipeline.records import EVERYTHING, AccessScope
from pipeline.service.errors import Forbidden

__all__ = [
    "ROLES",
    "Action",
    "Principal",
    "PrincipalKind",
    "Role",
    "actions_of",
    "allowed",
    "require",
]

ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most."""

PrincipalKind: TypeAlias = Literal["user", "key", "demo"]


class Action(StrEnum):
    """What can be asked of the service. The values are also the scopes of API keys."""

    ASK = "ask"
    SEARCH = "search"
    READ_NOTE = "read-note"
    READ_OWN_CONVERSATIONS = "read-own-conversations"
    GIVE_FEEDBACK = "give-feedback"
    READ_STATUS = "read-status"
    UPLOAD_DOCUMENTS = "upload-documents"
    START_JOBS = "start-jobs"
    READ_JOBS = "read-jobs"
    CANCEL_JOBS = "cancel-jobs"
    REVIEW = "review"
    READ_AUDIT = "read-audit"
    MANAGE_DOMAINS = "manage-domains"
    MANAGE_PEOPLE = "manage-people"
    MANAGE_KEYS = "manage-keys"
    READ_METRICS = "read-metrics"


_READER = frozenset(
    {
        Action.ASK,
        Action.SEARCH,
        Action.READ_NOTE,
        Action.READ_OWN_CONVERSATIONS,
        Action.GIVE_FEEDBACK,
        Action.READ_STATUS,
    }
)
_CONTRIBUTOR = _READER | {
    Action.UPLOAD_DOCUMENTS,
    Action.START_JOBS,
    Action.READ_JOBS,
    Action.CANCEL_JOBS,
}
_REVIEWER = _READER | {Action.REVIEW, Action.READ_AUDIT}
_ADMINISTRATOR = (
    _CONTRIBUTOR
    | _REVIEWER
    | {Action.MANAGE_DOMAINS, Action.MANAGE_PEOPLE, Action.MANAGE_KEYS, Action.READ_METRICS}
)

_GRANTED: Mapping[Role, frozenset[Action]] = {
    "reader": _READER,
    "contributor": _CONTRIBUTOR,
    "reviewer": _REVIEWER,
    "administrator": _ADMINISTRATOR,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person who signed in, a program with a key, or anybody in demo mode."""

    id: str
    """The user's id, also for a key: what a key does, its owner answers for."""
    name: str
    role: Role
    kind: PrincipalKind
    scope: AccessScope
    """The notes that exist for them."""
    actions: frozenset[Action]
    key_id: str | None = None
    """Which key, where kind is "key"."""


def actions_of(role: Role, key_scopes: Iterable[str] | None = None) -> frozenset[Action]:
    """What a role may do; with `key_scopes`, what a key of such a person may do. Unknown words grant nothing."""
    granted = _GRANTED.get(role, frozenset())
    if key_scopes is None:
        return granted
    asked = set(key_scopes)
    return frozenset(action for action in granted if action.value in asked)


def allowed(principal: Principal | None, action: Action) -> bool:
    """Whether this principal may do this. No principal may do nothing.

    Both must hold: it is among the principal's own actions, and the role grants it. So neither a principal put
    together wrongly nor a stale one is worth more than its role.
    """
    return principal is not None and action in principal.actions and action in actions_of(principal.role)


def require(principal: Principal | None, action: Action) -> None:
    """Raises Forbidden where `allowed` says no."""
    if not allowed(principal, action):
        raise Forbidden(
            f"This needs the right {action.value!r}.",
            remedy="Ask an administrator for a role that has it, or use an API key with that scope.",
            action=action.value,
        )


DEMO = Principal("demo", "demo", "administrator", "demo", EVERYTHING, actions_of("administrator"))
"""Anybody, in demo mode on a loopback address: everything is allowed, and everything is visible."""
