"""API keys: made by administrators for a person, shown once, kept as a hash.

    cw_<10 characters>_<43 characters>

The first part is kept in clear, to find the row and to name the key in lists; the whole is hashed. A key does what
its owner's role allows and it was made for, sees what its owner sees, expires, and can be revoked immediately. Knows no
header.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from pipeline.config import ServiceSettings
from pipeline.errors import BadRequest
from pipeline.service.access.policy import Action, Principal, actions_of, require
from pipeline.service.access.tokens import hash_of, new_token, same
from pipeline.service.access.users import Users
from pipeline.service.audit.chain import STRANGER, AuditLog
from pipeline.service.audit.rights import fingerprint
from pipeline.service.database.engine import State
from pipeline.service.database.tables import ApiKey, User, now
from pipeline.service.errors import Conflict, Forbidden, NotKnown, SignInFailed

USED_EVERY_SECONDS = 60.0
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


_KNOWN = (  # made once: every request with a key runs it
    select(ApiKey, User).join(User, User.id == ApiKey.user_id).where(ApiKey.prefix == bindparam("prefix"))
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as lists show it."""

    id: str
    user_id: str
    owner: str
    """Display name."""
    name: str
    prefix: str
    actions: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None
    used_at: dt.datetime | None

    @property
    def works(self) -> bool:
        return self.revoked_at is None and self.expires_at > now()


class Keys:
    """The API keys of one state."""

    def __init__(self, state: State, audit: AuditLog, people: Users, settings: ServiceSettings) -> None:
        self._state = state
        self._audit = audit
        self._people = people
        self._settings = settings

    def create(
        self, actor: Principal, user_id: str, name: str, actions: Iterable[str], *, days: int = 90
    ) -> tuple[Key, str]:
        """A new key of this person, and its text, which is shown now and never again. Needs MANAGE_KEYS.

        Raises BadRequest where `actions` holds a word that is none or that the person's role does not grant, or
        where `days` is too long.
        """
        require(actor, Action.MANAGE_KEYS)
        if actor.kind == "key":
            raise Forbidden("A key cannot make keys.", remedy="Sign in.", action=Action.MANAGE_KEYS.value)
        wanted = sorted(set(actions))
        name = " ".join(name.split())
        if not 1 <= len(name) <= 200 or not name.isprintable():
            raise BadRequest("A key's name has 1 to 200 characters.", remedy="Name what uses it.")
        if not 1 <= days <= self._settings.key_days_max:
            raise BadRequest(
                f"A key lives 1 to {self._settings.key_days_max} days.", remedy="Choose fewer days."
            )
        text = f"cw_{''.join(secrets.choice(_ALPHABET) for _ in range(10))}_{new_token()}"
        with self._state.session() as session:
            user = session.get(User, user_id)
            if user is None or not user.active:
                raise NotKnown(
                    "There is no such active person.", remedy="Choose one from the list of people."
                )
            _grantable(wanted, actions_of(self._people.principal(session, user).role))
            row = ApiKey(
                user_id=user.id,
                name=name,
                prefix=prefix_of(text),
                key_hash=hash_of(text),
                actions=wanted,
                expires_at=now() + dt.timedelta(days=days),
            )
            session.add(row)
            session.flush()
            details = {
                "owner": user.id,
                "prefix": row.prefix,
                "actions": wanted,
                "days": days,
                "key_sha256": fingerprint(row.key_hash),
            }
            self._audit.append(session, actor, "key-created", f"key:{row.id}", details=details)
            return _key(row, user), text

    def all(self, actor: Principal, user_id: str | None = None) -> list[Key]:
        """Every key, or one person's, newest first. Needs MANAGE_KEYS."""
        require(actor, Action.MANAGE_KEYS)
        statement = select(ApiKey, User).join(User, User.id == ApiKey.user_id)
        if user_id is not None:
            statement = statement.where(ApiKey.user_id == user_id)
        with self._state.reading() as session:
            return [
                _key(row, user) for row, user in session.execute(statement.order_by(ApiKey.created_at.desc()))
            ]

    def revoke(self, actor: Principal, key_id: str) -> None:
        """End a key now. Needs MANAGE_KEYS. Raises NotKnown, or Conflict where it was revoked before."""
        require(actor, Action.MANAGE_KEYS)
        with self._state.session() as session:
            row = session.get(ApiKey, key_id)
            if row is None:
                raise NotKnown("There is no such key.", remedy="Choose one from the list of keys.")
            if row.revoked_at is not None:
                raise Conflict("This key was revoked before.", remedy="Nothing more needs to be done.")
            row.revoked_at = now()
            self._audit.append(session, actor, "key-revoked", f"key:{row.id}")

    def check(self, text: str) -> Principal:
        """The principal this key stands for. Raises SignInFailed, always with the same words; the audit log is told
        why."""
        at = now()
        with self._state.reading() as session:
            found = session.execute(_KNOWN, {"prefix": prefix_of(text)}).one_or_none()
            row, user = (found[0], found[1]) if found is not None else (None, None)
            right = same(row.key_hash if row else hash_of(""), hash_of(text))
            if row is None or user is None:
                raise _not_valid()  # nothing is known that could be told
            used_at, why = row.used_at, _why_refused(row, user, right, at)
            principal = None if why else self._principal(session, row, user)
        if principal is None:
            self._audit.record_seldom(
                row.id, STRANGER, "key-refused", f"key:{row.id}", outcome="refused", details={"why": why}
            )
            raise _not_valid()
        if used_at is None or (at - used_at).total_seconds() >= USED_EVERY_SECONDS:
            with self._state.session() as session:
                session.execute(update(ApiKey).where(ApiKey.id == principal.key_id).values(used_at=at))
        return principal

    def _principal(self, session: Session, row: ApiKey, user: User) -> Principal:
        owner = self._people.principal(session, user)
        return Principal(
            id=owner.id,
            name=owner.name,
            role=owner.role,
            kind="key",
            scope=owner.scope,
            actions=actions_of(owner.role, row.actions),
            key_id=row.id,
        )


def prefix_of(text: str) -> str:
    """What finds a key's row: its first 13 characters."""
    return text[:13]


def _why_refused(row: ApiKey, user: User, right: bool, at: dt.datetime) -> str | None:
    """None: it is good."""
    if not right:
        return "wrong secret"
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at <= at:
        return "expired"
    return None if user.active else "owner deactivated"


def _not_valid() -> SignInFailed:
    return SignInFailed(
        "This API key is not valid.", remedy="Check it, or ask an administrator for a new one."
    )


def _grantable(wanted: list[str], grantable: frozenset[Action]) -> None:
    if not wanted:
        raise BadRequest("A key without any right is of no use.", remedy="Choose at least one.")
    known = {action.value for action in grantable}
    if missing := [action for action in wanted if action not in known]:
        unknown = [action for action in missing if action not in set(Action)]
        what = "There is no such right" if unknown else "The person's role does not have the right"
        raise BadRequest(
            f"{what} as one of those asked for.", remedy=f"Choose from {', '.join(sorted(known))}."
        )


def _key(row: ApiKey, user: User) -> Key:
    return Key(
        id=row.id,
        user_id=row.user_id,
        owner=user.display_name,
        name=row.name,
        prefix=row.prefix,
        actions=tuple(row.actions),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
