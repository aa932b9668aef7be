"""Puts the parts of access together over one state, for the service and its command lines. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Settings
from pipeline.errors import SettingsInvalid
from pipeline.service.access.groups import Groups
from pipeline.service.access.keys import Keys
from pipeline.service.access.oidc import IdentityProvider
from pipeline.service.access.passwords import Passwords
from pipeline.service.access.sessions import SignIns
from pipeline.service.access.users import Users
from pipeline.service.audit.chain import AuditLog
from pipeline.service.database.engine import State


@dataclass(frozen=True, slots=True)
class Access:
    """Who a user is, and what they may do. Safe to share between threads."""

    audit: AuditLog
    people: Users
    groups: Groups
    sign_ins: SignIns
    keys: Keys
    provider: IdentityProvider | None
    """None: people sign in with passwords alone."""


def open_access(state: State, settings: Settings, *, public_url: str = "") -> Access:
    """The parts, sharing one audit log. Opens nothing.

    `public_url`: where browsers reach the service, where the settings do not say; the identity provider sends them back
    there.
    """
    service = settings.service
    audit = AuditLog(state)
    people = Users(state, audit, service)
    sign_ins = SignIns(state, audit, people, service, Passwords(service))
    return Access(
        audit=audit,
        people=people,
        groups=Groups(state, audit),
        sign_ins=sign_ins,
        keys=Keys(state, audit, people, service),
        provider=_provider(state, audit, sign_ins, settings, service.public_url or public_url),
    )


def _provider(
    state: State, audit: AuditLog, sign_ins: SignIns, settings: Settings, public_url: str
) -> IdentityProvider | None:
    """Raises SettingsInvalid where an issuer is named and not all that belongs to it."""
    oidc = settings.oidc
    if not oidc.issuer:
        return None
    wanted = {"CLIENT_ID": oidc.client_id, "ROLES": oidc.roles}
    if missing := [f"CHARTWELL_OIDC__{name}" for name, value in wanted.items() if not value]:
        raise SettingsInvalid(
            f"CHARTWELL_OIDC__ISSUER is set, and {' and '.join(missing)} is not.",
            remedy="Without them no one could sign in with it. .env.example explains every variable.",
        )
    return IdentityProvider(state, audit, sign_ins, oidc, public_url=public_url)
