"""Holds people, their rights, keys, patient groups and feedback against the rows of the audit log that made them so.

Every right comes to be by a row: who was created with which role, what was changed since. Decides what each row says a
person, key, group or opinion must be now, and that what the log does not tell was done behind its back. Of passwords,
keys, identities, members and comments the rows hold fingerprints, of which rows from before this had none: those are
passed over. What cannot be found stands in docs/security.md. Knows no policy: what a role may do is not asked here.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.service.audit.chain import ChainFault, canonical, sha256
from pipeline.service.audit.verification import moment_of, object_of
from pipeline.service.database.tables import (
    ApiKey,
    Audit,
    Conversation,
    Feedback,
    PatientGroup,
    PatientGroupMember,
    Receipt,
    User,
    UserScope,
)

LATE = dt.timedelta(minutes=10)
"""A row is written a moment after what it tells of: it may have waited for other writers."""
_ROWS_AT_ONCE = 500


def fingerprint(*parts: object) -> str:
    """Of what must not stand in the log itself. The parts hold something that cannot be guessed."""
    return sha256(canonical(list(parts)))


@dataclass(slots=True)
class _Recorded:
    """What the log says of one person, key, group or opinion. None: it does not say."""

    number: int
    """The last row about it."""
    values: dict[str, Any] = field(default_factory=dict)
    gone: bool = False


@dataclass(frozen=True, slots=True)
class _Log:
    """What the log says of everything that gives rights, by kind and id."""

    people: dict[str, _Recorded]
    keys: dict[str, _Recorded]
    groups: dict[str, _Recorded]
    feedback: dict[str, _Recorded]


def unproven_rights(session: Session) -> Iterator[ChainFault]:
    """Rights that the log does not explain, and those of the log that are gone."""
    log = _read(session)
    yield from _people(session, log)
    yield from _keys(session, log)
    yield from _groups(session, log)
    yield from _feedback(session, log)


# --- what the log says


def _read(session: Session) -> _Log:
    log = _Log({}, {}, {}, {})
    found = session.execute(
        select(Audit.number, Audit.at, Audit.actor, Audit.action, Audit.subject, Audit.details)
        .where(Audit.action.in_(_APPLY), Audit.outcome == "done")
        .order_by(Audit.number)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for number, at, actor, action, subject, text in found:
        details = {**object_of(text), "at": at, "actor": actor}
        _APPLY[action](log, number, subject.partition(":")[2], details)
    return log


Details = Mapping[str, Any]


def _person_created(log: _Log, number: int, user_id: str, details: Details) -> None:
    every: Mapping[str, Any] = {"domains": None, "groups": None}
    nothing: Mapping[str, Any] = {"domains": [], "groups": []}
    sees: Mapping[str, Any] = {name: details.get(name) for name in ("domains", "groups")}
    if details.get("first"):
        sees = every
    elif details.get("provider"):
        sees = every if details.get("sees") == "everything" else nothing
    recorded = {
        "role": "administrator" if details.get("first") else details.get("role"),
        "active": True,
        "password": "",
        "identity": details.get("identity_sha256") if details.get("provider") else "",
        **sees,
    }
    if "name" in details:
        recorded["name"] = details["name"]
    log.people[user_id] = _Recorded(number, recorded)


def _person_changed(log: _Log, number: int, user_id: str, **values: Any) -> None:
    if recorded := log.people.get(user_id):
        recorded.number = number
        recorded.values.update(values)


def _role_changed(log: _Log, number: int, user_id: str, details: Details) -> None:
    _person_changed(log, number, user_id, role=details.get("after"))


def _scope_changed(log: _Log, number: int, user_id: str, details: Details) -> None:
    after = details.get("after")
    if isinstance(after, dict):
        _person_changed(log, number, user_id, domains=after.get("domains"), groups=after.get("groups"))


def _activated(log: _Log, number: int, user_id: str, details: Details) -> None:
    _person_changed(log, number, user_id, active=True)


def _deactivated(log: _Log, number: int, user_id: str, details: Details) -> None:
    _person_changed(log, number, user_id, active=False)
    for key in log.keys.values():
        if key.values.get("owner") == user_id:
            key.values["revoked"] = True


def _password_changed(log: _Log, number: int, user_id: str, details: Details) -> None:
    _person_changed(log, number, user_id, password=details.get("password_sha256"))


def _key_created(log: _Log, number: int, key_id: str, details: Details) -> None:
    log.keys[key_id] = _Recorded(number, {**details, "revoked": False})


def _key_revoked(log: _Log, number: int, key_id: str, details: Details) -> None:
    if recorded := log.keys.get(key_id):
        recorded.number = number
        recorded.values["revoked"] = True


def _group_created(log: _Log, number: int, group_id: str, details: Details) -> None:
    log.groups[group_id] = _Recorded(number, {"members": 0, "members_sha256": ""})


def _group_changed(log: _Log, number: int, group_id: str, details: Details) -> None:
    if recorded := log.groups.get(group_id):
        recorded.number = number
        recorded.values = {"members": details.get("members"), "members_sha256": details.get("members_sha256")}


def _group_deleted(log: _Log, number: int, group_id: str, details: Details) -> None:
    if recorded := log.groups.get(group_id):
        recorded.number, recorded.gone = number, True


def _feedback_given(log: _Log, number: int, receipt_id: str, details: Details) -> None:
    log.feedback[f"{receipt_id} {details['actor']}"] = _Recorded(number, dict(details))


_APPLY: Mapping[str, Callable[[_Log, int, str, Details], None]] = {
    "person-created": _person_created,
    "role-changed": _role_changed,
    "scope-changed": _scope_changed,
    "person-activated": _activated,
    "person-deactivated": _deactivated,
    "password-changed": _password_changed,
    "password-rehashed": _password_changed,
    "key-created": _key_created,
    "key-revoked": _key_revoked,
    "group-created": _group_created,
    "group-changed": _group_changed,
    "group-deleted": _group_deleted,
    "feedback-given": _feedback_given,
}


# --- what there is


def _people(session: Session, log: _Log) -> Iterator[ChainFault]:
    domains: dict[str, list[str]] = defaultdict(list)
    groups: dict[str, list[str]] = defaultdict(list)
    for user_id, domain, group in session.execute(
        select(UserScope.user_id, UserScope.domain, UserScope.group_id)
    ):
        (domains if group is None else groups)[user_id].append(domain or group or "")
    left = dict(log.people)
    for user in session.scalars(select(User).order_by(User.id)):
        recorded = left.pop(user.id, None)
        if recorded is None:
            yield ChainFault(0, f"person {user.id}: the log does not know them")
            continue
        gone = {group for group, each in log.groups.items() if each.gone}
        there = {
            "name": user.name,
            "role": user.role,
            "active": user.active,
            "domains": None if user.all_domains else sorted(domains[user.id]),
            "groups": None if user.all_patients else sorted(groups[user.id]),
            "password": fingerprint(user.password_hash) if user.password_hash else "",
            "identity": _identity(user),
        }
        expected = dict(recorded.values)
        if isinstance(expected.get("groups"), list):
            expected["groups"] = sorted(set(expected["groups"]) - gone)
        for what, value in there.items():
            if not _agrees(what, expected, value):
                yield ChainFault(
                    recorded.number, f"person {user.id}: their {_WORDS[what]} is not what the log says"
                )
    for user_id, recorded in left.items():
        yield ChainFault(recorded.number, f"person {user_id}: they are gone")


_WORDS = {
    "name": "name",
    "role": "role",
    "active": "being let in",
    "domains": "choice of domains",
    "groups": "choice of patient groups",
    "password": "password",
    "identity": "identity at the provider",
}
_PRINTS = frozenset({"password", "identity", "name"})
"""Rows from before they were written hold none."""


def _agrees(what: str, recorded: Mapping[str, Any], there: object) -> bool:
    said = recorded.get(what)
    if said is None and what in _PRINTS:
        return True
    return bool(said == there)


def _identity(user: User) -> str:
    return fingerprint(user.oidc_issuer, user.oidc_subject) if user.oidc_subject is not None else ""


def _keys(session: Session, log: _Log) -> Iterator[ChainFault]:
    left = dict(log.keys)
    for key in session.scalars(select(ApiKey).order_by(ApiKey.id)):
        recorded = left.pop(key.id, None)
        if recorded is None:
            yield ChainFault(0, f"key {key.id}: the log does not know it")
            continue
        said = recorded.values
        days = said.get("days")
        until = moment_of(said["at"]) + dt.timedelta(days=days if isinstance(days, int) else 0)
        wrong = {
            "owner": key.user_id != said.get("owner"),
            "rights": sorted(key.actions) != said.get("actions"),
            "prefix": key.prefix != said.get("prefix"),
            "secret": said.get("key_sha256", fingerprint(key.key_hash)) != fingerprint(key.key_hash),
            "last day": abs(key.expires_at - until) > LATE,
            "revocation": (key.revoked_at is not None) != said["revoked"],
        }
        for what, differs in wrong.items():
            if differs:
                yield ChainFault(recorded.number, f"key {key.id}: its {what} is not what the log says")
    for key_id, recorded in left.items():
        yield ChainFault(recorded.number, f"key {key_id}: it is gone")


def _groups(session: Session, log: _Log) -> Iterator[ChainFault]:
    members: dict[str, list[str]] = defaultdict(list)
    for group_id, patient_id in session.execute(
        select(PatientGroupMember.group_id, PatientGroupMember.patient_id)
    ):
        members[group_id].append(patient_id)
    left = {group_id: recorded for group_id, recorded in log.groups.items() if not recorded.gone}
    for group in session.scalars(select(PatientGroup).order_by(PatientGroup.id)):
        recorded = left.pop(group.id, None)
        if recorded is None:
            yield ChainFault(0, f"group {group.id}: the log does not know it, or says that it was deleted")
            continue
        there = members[group.id]
        said = recorded.values["members_sha256"]
        if recorded.values["members"] != len(there) or said not in (None, members_print(group, there)):
            yield ChainFault(
                recorded.number, f"group {group.id}: its patients are not those that the log says"
            )
    for group_id, recorded in left.items():
        yield ChainFault(recorded.number, f"group {group_id}: it is gone")


def members_print(group: PatientGroup, patient_ids: list[str]) -> str:
    """Of a group's patients, with the group's salt: an id alone could be guessed. Empty for none."""
    return fingerprint(group.salt, sorted(patient_ids)) if patient_ids else ""


def _feedback(session: Session, log: _Log) -> Iterator[ChainFault]:
    left = dict(log.feedback)
    for row in session.scalars(select(Feedback).order_by(Feedback.id)):
        recorded = left.pop(f"{row.receipt_id} {row.user_id}", None)
        if recorded is None:
            yield ChainFault(0, f"feedback {row.id}: the log does not know it")
            continue
        said = recorded.values
        comment = sha256(row.comment) if row.comment is not None else None
        same = row.verdict == said.get("verdict") and sorted(row.reasons) == said.get("reasons")
        written = said.get("comment_sha256", comment)
        # A comment goes with its conversation, and with nothing else.
        if not same or (
            comment != written and (comment is not None or _still_there(session, row.receipt_id))
        ):
            yield ChainFault(recorded.number, f"feedback {row.id}: it is not what was given")
    for recorded in left.values():
        yield ChainFault(recorded.number, "feedback: it is gone")


def _still_there(session: Session, receipt_id: str) -> bool:
    """Whether the conversation of an answer has not been deleted."""
    of_answer = select(Receipt.conversation_id).where(Receipt.id == receipt_id)
    return session.scalar(select(Conversation.id).where(Conversation.id.in_(of_answer))) is not None
