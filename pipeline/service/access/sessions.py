"""Ways in for a browser: a password, a one-time link; and what a cookie is worth afterwards.

A sign-in is a random token in a cookie, of which the hash is kept. It ends when it was not used for a while, at the
latest after some hours, when its person is deactivated, or when it is ended. Every sign-in makes a new token and
ends the one it replaces. A refused user learns nothing: unknown name, wrong password and deactivated person give
the same words after the same work. Knows no cookie and no page: those are the API's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from pipeline.config import ServiceSettings
from pipeline.errors import BadRequest
from pipeline.service.access import throttle
from pipeline.service.access.passwords import Passwords
from pipeline.service.access.policy import Action, Principal, require
from pipeline.service.access.tokens import csrf_token, hash_of, new_token
from pipeline.service.access.users import Users, add_user, administrators
from pipeline.service.access.visibility import ALL_NOTES
from pipeline.service.audit.chain import STRANGER, AuditLog, SystemActor
from pipeline.service.audit.rights import fingerprint
from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import KnownDevice, OidcRequest, OneTimeLink, SignIn, User, now
from pipeline.service.errors import SignInDelayed, SignInFailed

SEEN_EVERY_SECONDS = 60.0
"""How exact idle time is: a request within it writes nothing."""
DEVICES_MAX = 20
"""Of one person; the one unused longest is forgotten."""

Method: TypeAlias = Literal["password", "link", "provider"]


@dataclass(frozen=True, slots=True)
class Current:
    """A cookie that is worth something."""

    principal: Principal
    csrf: str
    """What the forms of this sign-in must carry."""
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in as it begins. `token` and `device` go into cookies and nowhere else."""

    token: str
    device: str
    """Proves later that this browser has been here before; keep it for a year."""
    current: Current


@dataclass(frozen=True, slots=True)
class LinkFor:
    """The user a one-time link is for."""

    purpose: str
    """"first-administrator" or "invitation"."""
    name: str | None
    display_name: str | None


class SignIns:
    """The sign-ins of one state."""

    def __init__(
        self,
        state: State,
        audit: AuditLog,
        people: Users,
        settings: ServiceSettings,
        passwords: Passwords | None = None,
        clock: Callable[[], dt.datetime] = now,
    ) -> None:
        self._state = state
        self._audit = audit
        self._people = people
        self._settings = settings
        self._passwords = passwords or Passwords(settings)
        self.clock = clock

    # --- ways in

    def with_password(
        self,
        name: str,
        password: str,
        *,
        address: str,
        device: str | None = None,
        replaces: str | None = None,
    ) -> SignedIn:
        """Sign in. `device` and `replaces` are the cookies the browser sent, if any.

        Raises SignInFailed, always with the same words; SignInDelayed where too many attempts failed before.
        """
        login = _login(name)
        try:
            with self._state.session() as session:
                user = session.scalar(select(User).where(User.name == login))
                kept, found = (user.password_hash, user.id) if user else (None, None)
                known = _known_device(session, user, device)
                counted = throttle.subjects(login, address, known)
                throttle.count_attempt(session, counted, self.clock())
        except SignInDelayed as delay:
            self._audit.record_seldom(
                delay.delayed,
                STRANGER,
                "sign-in",
                _person(found),
                outcome="refused",
                details={"why": "delayed", "address": address[:100]},
            )
            raise
        if not self._passwords.verify(kept, password):
            why = "unknown" if found is None else "wrong password" if kept else "no password"
            raise self._refused(found, why, address)
        new_hash = self._passwords.again(password) if kept and self._passwords.outdated(kept) else None
        with self._state.session() as session:
            user = session.get_one(User, found)
            active = user.active and user.password_hash == kept
            if active:
                throttle.take_back(session, counted)
                if new_hash is not None:
                    user.password_hash = new_hash
                    details = {"password_sha256": fingerprint(new_hash)}
                    self._audit.append(
                        session, _who(user), "password-rehashed", _person(found), details=details
                    )
                return self.open(session, user, "password", address=address, device=device, replaces=replaces)
        raise self._refused(found, "deactivated", address)

    def knows(self, name: str, device: str) -> bool:
        """Whether a browser with this cookie has signed in to that account before."""
        with self._state.reading() as session:
            user = session.scalar(select(User).where(User.name == _login(name)))
            return _known_device(session, user, device) is not None

    def link(self, token: str) -> LinkFor | None:
        """The user this link is for; None where it is unknown, used or expired."""
        with self._state.reading() as session:
            link = _valid_link(session, token)
            if link is None:
                return None
            user = session.get(User, link.user_id) if link.user_id else None
            return LinkFor(link.purpose, user.name if user else None, user.display_name if user else None)

    def require_link(self, token: str, *, address: str) -> LinkFor:
        """As `link`; raises SignInFailed where it does not work. The audit log is told of one that once did, once a
        minute each: an invented one tells nothing, and anybody can invent as many as they like."""
        found = self.link(token)
        if found is None:
            with self._state.reading() as session:
                spent = session.get(OneTimeLink, hash_of(token))
                subject = _person(spent.user_id) if spent else ""
            if spent is not None:
                details = {"address": address[:100]}
                self._audit.record_seldom(
                    hash_of(token), STRANGER, "link-used", subject, outcome="refused", details=details
                )
            raise _no_link()
        return found

    def with_link(
        self,
        token: str,
        password: str,
        *,
        address: str,
        name: str = "",
        display_name: str = "",
        replaces: str | None = None,
    ) -> SignedIn:
        """Choose a password with a one-time link and sign in. The first administrator also chooses a `name`.

        The link is used up by that and all other sign-ins of the person end. Raises SignInFailed where the link is
        not valid, BadRequest where name or password cannot be accepted; the link then still works.
        """
        for_whom = self.require_link(token, address=address)
        password_hash = self._passwords.hash(password, name=for_whom.name or name)
        with self._state.session() as session:
            link = _valid_link(session, token, lock=True)
            if link is None:
                raise _no_link()
            link.used_at = now()
            if link.user_id is None:
                user = add_user(
                    session, name, role="administrator", display_name=display_name, sees=ALL_NOTES
                )
                self._audit.append(
                    session, _who(user), "person-created", f"person:{user.id}", details={"first": True}
                )
            else:
                user = session.get_one(User, link.user_id)
            user.password_hash = password_hash
            session.execute(delete(SignIn).where(SignIn.user_id == user.id))
            session.execute(delete(KnownDevice).where(KnownDevice.user_id == user.id))
            details = {"password_sha256": fingerprint(password_hash)}
            self._audit.append(session, _who(user), "password-changed", f"person:{user.id}", details=details)
            return self.open(session, user, "link", address=address, replaces=replaces)

    def open(
        self,
        session: StateSession,
        user: User,
        method: Method,
        *,
        address: str,
        device: str | None = None,
        replaces: str | None = None,
    ) -> SignedIn:
        """A sign-in for a user whose identity is proven; within the caller's transaction."""
        at = self.clock()
        expires_at = at + dt.timedelta(hours=self._settings.sign_in_hours)
        token = new_token()
        self._forget(session, at)
        if replaces:
            session.execute(delete(SignIn).where(SignIn.token_hash == hash_of(replaces)))
        session.add(
            SignIn(
                token_hash=hash_of(token),
                user_id=user.id,
                method=method,
                address=address[:100],
                created_at=at,
                seen_at=at,
                expires_at=expires_at,
            )
        )
        user.signed_in_at = at
        device = _remember_device(session, user, device, at)
        self._audit.append(
            session,
            _who(user),
            "sign-in",
            f"person:{user.id}",
            details={"method": method, "address": address[:100]},
        )
        session.flush()
        principal = self._people.principal(session, user)
        return SignedIn(token, device, Current(principal, csrf_token(token), expires_at))

    # --- afterwards

    def current(self, token: str | None) -> Current | None:
        """What a cookie is worth now; None where it is worth nothing. Counts as use."""
        if not token:
            return None
        at = self.clock()
        with self._state.reading() as session:
            row = session.get(SignIn, hash_of(token))
            if row is None or at >= row.expires_at or at - row.seen_at >= self._idle:
                return None
            user = session.get(User, row.user_id)
            if user is None or not user.active:
                return None
            found = Current(self._people.principal(session, user), csrf_token(token), row.expires_at)
            seen_at = row.seen_at
        if (at - seen_at).total_seconds() >= SEEN_EVERY_SECONDS:
            with self._state.session() as session:
                session.execute(update(SignIn).where(SignIn.token_hash == hash_of(token)).values(seen_at=at))
        return found

    def require_current(self, token: str | None) -> Current:
        """As `current`; raises SignInFailed where the cookie is worth nothing."""
        found = self.current(token)
        if found is None:
            raise SignInFailed("No one is signed in, or the sign-in has ended.", remedy="Sign in.")
        return found

    def sign_out(self, token: str | None) -> None:
        """End this sign-in. Says nothing where there is none."""
        if not token:
            return
        with self._state.session() as session:
            row = session.get(SignIn, hash_of(token))
            if row is not None:
                session.delete(row)
                self._audit.append(
                    session, SystemActor(row.user_id, "user"), "sign-out", f"person:{row.user_id}"
                )

    def sign_out_everywhere(self, actor: Principal, user_id: str) -> int:
        """End all sign-ins of a person: one's own, or, with MANAGE_PEOPLE, anybody's. How many there were."""
        if actor.kind != "user" or actor.id != user_id:
            require(actor, Action.MANAGE_PEOPLE)
        with self._state.session() as session:
            ended = session.scalar(select(func.count()).select_from(SignIn).where(SignIn.user_id == user_id))
            session.execute(delete(SignIn).where(SignIn.user_id == user_id))
            session.execute(delete(KnownDevice).where(KnownDevice.user_id == user_id))
            self._audit.append(
                session, actor, "sign-out-everywhere", f"person:{user_id}", details={"ended": ended}
            )
            return ended or 0

    def change_password(
        self, principal: Principal, old: str, new: str, *, address: str, token: str
    ) -> SignedIn:
        """One's own password, with the old one as proof. All sign-ins end; the one that comes back is new."""
        subject = f"person:{principal.id}"
        try:
            with self._state.session() as session:
                user = session.get_one(User, principal.id)
                counted = (throttle.Subject("device", f"{user.name}:own"),)
                throttle.count_attempt(session, counted, self.clock())
                kept, name = user.password_hash, user.name
        except SignInDelayed as delay:
            details = {"why": "delayed", "address": address[:100]}
            self._audit.record_seldom(
                delay.delayed, principal, "password-changed", subject, outcome="refused", details=details
            )
            raise
        if principal.kind != "user" or not self._passwords.verify(kept, old):
            details = {"why": "wrong password", "address": address[:100]}
            self._audit.record(principal, "password-changed", subject, outcome="refused", details=details)
            raise BadRequest("The old password is not right.", remedy="Type it again.")
        new_hash = self._passwords.hash(new, name=name)
        with self._state.session() as session:
            user = session.get_one(User, principal.id)
            if user.password_hash != kept or not user.active:
                raise SignInFailed("The password has been changed meanwhile.", remedy="Sign in again.")
            throttle.take_back(session, counted)
            user.password_hash = new_hash
            session.execute(delete(SignIn).where(SignIn.user_id == user.id))
            session.execute(delete(KnownDevice).where(KnownDevice.user_id == user.id))
            details = {"password_sha256": fingerprint(new_hash)}
            self._audit.append(session, principal, "password-changed", subject, details=details)
            return self.open(session, user, "password", address=address, replaces=token)

    @property
    def _idle(self) -> dt.timedelta:
        return dt.timedelta(minutes=self._settings.idle_minutes)

    def _forget(self, session: Session, at: dt.datetime) -> None:
        """What has expired is of no use to anybody."""
        session.execute(delete(SignIn).where((SignIn.expires_at < at) | (SignIn.seen_at < at - self._idle)))
        session.execute(delete(OidcRequest).where(OidcRequest.expires_at < at))
        throttle.forget_old(session, at)

    def _refused(self, user_id: str | None, why: str, address: str) -> SignInFailed:
        """The audit log is told in full, the client not at all. A mistyped name may be a password."""
        self._audit.record(
            STRANGER,
            "sign-in",
            _person(user_id),
            outcome="refused",
            details={"why": why, "address": address[:100]},
        )
        return SignInFailed("Name or password is not right.", remedy="Type both again.")


def _login(name: str) -> str:
    """What was typed, as names are kept."""
    return name.strip().casefold()[:200]


def _person(user_id: str | None) -> str:
    return f"person:{user_id}" if user_id else "person:unknown"


def _who(user: User) -> SystemActor:
    return SystemActor(user.id, "user")


def _no_link() -> SignInFailed:
    return SignInFailed(
        "This link does not work any more: it was used, replaced, or has expired.",
        remedy="Ask an administrator for a new one.",
    )


def _valid_link(session: Session, token: str, *, lock: bool = False) -> OneTimeLink | None:
    link = session.get(OneTimeLink, hash_of(token), with_for_update=True if lock else None)
    if link is None or link.used_at is not None or link.expires_at <= now():
        return None
    if link.user_id is None and administrators(session):
        return None  # the first administrator came another way meanwhile
    return link


def _known_device(session: Session, user: User | None, device: str | None) -> str | None:
    if user is None or not device:
        return None
    found = session.get(KnownDevice, (user.id, hash_of(device)))
    return found.device_hash if found else None


def _remember_device(session: Session, user: User, device: str | None, at: dt.datetime) -> str:
    """The device's token: the one it has, where it is this person's, else a new one."""
    if device and _known_device(session, user, device) is not None:
        session.get_one(KnownDevice, (user.id, hash_of(device))).seen_at = at
        return device
    fresh = new_token()
    session.add(KnownDevice(user_id=user.id, device_hash=hash_of(fresh), seen_at=at))
    session.flush()
    old = session.scalars(
        select(KnownDevice)
        .where(KnownDevice.user_id == user.id)
        .order_by(KnownDevice.seen_at.desc())
        .offset(DEVICES_MAX)
    )
    for one in old:
        session.delete(one)
    return fresh
