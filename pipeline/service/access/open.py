"""Puts the parts of access together over one state, for the service and its command lines. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.config import Settings
from pipeline.service.access.groups import Groups
from pipeline.service.access.keys import Keys
from pipeline.service.access.passwords import Passwords
from pipeline.service.access.people import People
from pipeline.service.access.signin import SignIns
from pipeline.service.audit.chain import AuditLog
from pipeline.service.state.database import State


@dataclass(frozen=True, slots=True)
class Access:
    """Who somebody is, and what they may do. Safe to share between threads."""

    audit: AuditLog
    people: People
    groups: Groups
    sign_ins: SignIns
    keys: Keys


def open_access(state: State, settings: Settings) -> Access:
    """The parts, sharing one audit log. Opens nothing."""
    service = settings.service
    audit = AuditLog(state)
    people = People(state, audit, service)
    return Access(
        audit=audit,
        people=people,
        groups=Groups(state, audit),
        sign_ins=SignIns(state, audit, people, service, Passwords(service)),
        keys=Keys(state, audit, people, service),
    )
