"""People: who there is, their role, and what they may see. Only administrators change that, and every change is told.

Each change and its row in the audit log are one transaction. People are deactivated, never deleted: the audit log
names them. Deactivating ends their sign-ins and keys immediately. The last active administrator cannot be taken away.
Knows no page and no request.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from pipeline.config import ServiceSettings
from pipeline.errors import BadRequest
from pipeline.service.access.policy import ROLES, Action, Principal, Role, actions_of, require
from pipeline.service.access.tokens import hash_of, new_token
from pipeline.service.access.visibility import NOTHING, Scopes, Visibility, set_visibility, visibility_of
from pipeline.service.audit.chain import SYSTEM, AuditLog
from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import ApiKey, OneTimeLink, SignIn, User, now
from pipeline.service.errors import Conflict, NotKnown

_NAME = re.compile(r"^[^\s\x00-\x1f]{1,200}$")


@dataclass(frozen=True, slots=True)
class Person:
    """A user as an administrator sees them."""

    id: str
    name: str
    display_name: str
    role: Role
    active: bool
    sees: Visibility
    has_password: bool
    from_provider: bool
    """Signs in with the identity provider."""
    created_at: dt.datetime
    signed_in_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link as it is handed over, once. `path` goes behind the service's public URL."""

    token: str
    expires_at: dt.datetime

    @property
    def path(self) -> str:
        """The token is in the fragment: browsers send it to no server, so no proxy and no log ever has it."""
        return f"/welcome#{self.token}"


class Users:
    """The people of one state."""

    def __init__(
        self, state: State, audit: AuditLog, settings: ServiceSettings, scopes: Scopes | None = None
    ):
        self._state = state
        self._audit = audit
        self._settings = settings
        self.scopes = scopes or Scopes()

    # --- looking

    def everybody(self, actor: Principal) -> list[Person]:
        """All people by name. Needs MANAGE_PEOPLE, as everything here."""
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.reading() as session:
            return [_person(session, user) for user in session.scalars(select(User).order_by(User.name))]

    def person(self, actor: Principal, user_id: str) -> Person:
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.reading() as session:
            return _person(session, _user(session, user_id))

    def names(self, user_ids: set[str]) -> dict[str, str]:
        """Display names by id, for lists that were already allowed."""
        with self._state.reading() as session:
            found = session.execute(select(User.id, User.display_name).where(User.id.in_(sorted(user_ids))))
            return {row.id: row.display_name for row in found}

    def principal(self, session: Session, user: User) -> Principal:
        """What an active person may do and see at this moment."""
        role = _role(user.role)
        return Principal(
            id=user.id,
            name=user.display_name,
            role=role,
            kind="user",
            scope=self.scopes.of(session, user),
            actions=actions_of(role),
        )

    # --- changing

    def create(
        self,
        actor: Principal,
        name: str,
        *,
        role: Role = "reader",
        display_name: str = "",
        sees: Visibility = NOTHING,
    ) -> tuple[Person, Invitation]:
        """A new person and the link with which they choose their password. Raises Conflict where the name is taken."""
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.session() as session:
            user = add_user(session, name, role=role, display_name=display_name, sees=sees)
            details = {"name": user.name, "role": user.role, **_visibility_details(sees)}
            self._audit.append(session, actor, "person-created", f"person:{user.id}", details=details)
            invitation = self._invite(session, user, "invitation")
            return _person(session, user), invitation

    def invite(self, actor: Principal, user_id: str) -> Invitation:
        """A new link with which this person chooses a password. Links made before stop working."""
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.session() as session:
            user = _user(session, user_id)
            if not user.active:
                raise Conflict("This person is deactivated.", remedy="Activate them first.")
            self._audit.append(session, actor, "link-created", f"person:{user.id}")
            return self._invite(session, user, "invitation")

    def change(
        self,
        actor: Principal,
        user_id: str,
        *,
        display_name: str | None = None,
        role: Role | None = None,
        sees: Visibility | None = None,
        active: bool | None = None,
    ) -> Person:
        """What is given: all of it, or nothing where a part is refused. Each part is a row of the audit log.

        Raises Conflict where no one would be left who may manage people.
        """
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.session() as session:
            user = _user(session, user_id)
            for action, details in _changes(session, user, display_name, role, sees, active):
                self._audit.append(session, actor, action, f"person:{user.id}", details=details)
            return _person(session, user)

    def deactivate(self, actor: Principal, user_id: str) -> Person:
        """End this person's sign-ins, keys and links now, and let them in no more."""
        return self.change(actor, user_id, active=False)

    def activate(self, actor: Principal, user_id: str) -> Person:
        """Let a deactivated person in again. Their keys stay revoked."""
        return self.change(actor, user_id, active=True)

    # --- the first start

    def first_administrator(self) -> Invitation | None:
        """A one-time link for the first administrator; None where there is an active one already.

        Call it at the start, show it to the operator who started the service and to no log. Each call replaces the link
        of the one before.
        """
        with self._state.session() as session:
            if administrators(session):
                return None
            self._audit.append(session, SYSTEM, "first-link-created")
            return self._invite(session, None, "first-administrator")

    def _invite(self, session: StateSession, user: User | None, purpose: str) -> Invitation:
        of_user = OneTimeLink.user_id == user.id if user else OneTimeLink.purpose == purpose
        session.execute(delete(OneTimeLink).where(of_user))
        token, expires_at = new_token(), now() + dt.timedelta(hours=self._settings.link_hours)
        session.add(
            OneTimeLink(
                token_hash=hash_of(token),
                purpose=purpose,
                user_id=user.id if user else None,
                expires_at=expires_at,
            )
        )
        return Invitation(token, expires_at)


def add_user(
    session: Session,
    name: str,
    *,
    role: Role,
    display_name: str = "",
    sees: Visibility = NOTHING,
    password_hash: str | None = None,
    oidc: tuple[str, str] | None = None,
) -> User:
    """A new row; the caller has checked the right and tells the audit log. Raises BadRequest or Conflict."""
    login = login_name(name)
    if session.scalar(select(User.id).where(User.name == login)) is not None:
        raise Conflict("Someone has that name already.", remedy="Choose another name.")
    user = User(
        name=login,
        display_name=_display_name(display_name, name.strip()),
        role=_role(role),
        password_hash=password_hash,
        oidc_issuer=oidc[0] if oidc else None,
        oidc_subject=oidc[1] if oidc else None,
        active=True,
    )
    session.add(user)
    session.flush()
    set_visibility(session, user, sees)
    return user


def login_name(name: str) -> str:
    """The name as it is kept and looked up. Raises BadRequest where it cannot be one."""
    login = name.strip().casefold()
    if not _NAME.match(login):
        raise BadRequest(
            "A name has 1 to 200 characters and no spaces.", remedy="An e-mail address is a good name."
        )
    return login


def _display_name(wanted: str, fallback: str) -> str:
    shown = " ".join(wanted.split()) or fallback
    if len(shown) > 200 or not shown.isprintable():
        raise BadRequest("A display name has at most 200 characters.", remedy="Shorten it.")
    return shown


def _role(role: str) -> Role:
    for known in ROLES:
        if known == role:
            return known
    raise BadRequest("There is no such role.", remedy=f"Choose one of {', '.join(ROLES)}.")


def _user(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise NotKnown("There is no such person.", remedy="Choose one from the list of people.")
    return user


def _changes(
    session: Session,
    user: User,
    display_name: str | None,
    role: Role | None,
    wanted: Visibility | None,
    active: bool | None,
) -> Iterator[tuple[str, dict[str, object]]]:
    """Make each change that is wanted, and give the action and the details of its audit row."""
    if display_name is not None:
        user.display_name = _display_name(display_name, user.name)
        yield "person-renamed", {"display_name": user.display_name}
    if role is not None:
        before = user.role
        _set_role(session, user, role)
        yield "role-changed", {"before": before, "after": role}
    if wanted is not None:
        seen = _visibility_details(visibility_of(session, user))
        set_visibility(session, user, wanted)
        yield "scope-changed", {"before": seen, "after": _visibility_details(wanted)}
    if active is not None and active != user.active:
        if active:
            user.active = True
        else:
            _deactivate(session, user)
        yield "person-activated" if active else "person-deactivated", {}


def _set_role(session: Session, user: User, role: Role) -> None:
    if user.role == "administrator" and role != "administrator":
        _keep_an_administrator(session, user)
    user.role = _role(role)
    session.flush()


def _deactivate(session: Session, user: User) -> None:
    if user.role == "administrator":
        _keep_an_administrator(session, user)
    user.active = False
    session.flush()
    session.execute(delete(SignIn).where(SignIn.user_id == user.id))
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user.id))
    session.execute(
        update(ApiKey).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None)).values(revoked_at=now())
    )


def administrators(session: Session) -> int:
    """How many active administrators there are."""
    return (
        session.scalar(
            select(func.count()).select_from(User).where(User.role == "administrator", User.active)
        )
        or 0
    )


def _keep_an_administrator(session: Session, leaving: User) -> None:
    """Raises Conflict where no one else may manage people. Of two who leave at the same time the second waits here and
    sees."""
    left = session.scalars(
        select(User)
        .where(User.role == "administrator", User.active)
        .order_by(User.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if [user.id for user in left] == [leaving.id]:
        raise Conflict(
            "This is the only active administrator.", remedy="Make someone else an administrator first."
        )


def _person(session: Session, user: User) -> Person:
    return Person(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        role=_role(user.role),
        active=user.active,
        sees=visibility_of(session, user),
        has_password=user.password_hash is not None,
        from_provider=user.oidc_subject is not None,
        created_at=user.created_at,
        signed_in_at=user.signed_in_at,
    )


def _visibility_details(seen: Visibility) -> dict[str, object]:
    """For the audit log: who may see what is what an officer asks first."""
    return {
        "domains": None if seen.domains is None else sorted(seen.domains),
        "groups": None if seen.group_ids is None else sorted(seen.group_ids),
    }
