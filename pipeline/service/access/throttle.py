"""Slows down guessing of passwords, without letting strangers shut a user out.

Failures are counted for three kinds of subject and fade with time:

- a **device** that has signed in to this account before (a cookie proves it): only its own failures delay it, so
  whatever strangers do, the owner at their own computer is let in;
- the **account**, for all devices it has never been used on together: a distributed attack on one account is slow;
- the **address**, over all accounts: one machine that tries one password on every account is slow. A hospital's
  browsers may all have one address, so this begins late.

Beyond a free number of failures the delay doubles with each one. An attempt is counted before its password is looked
at and taken back when it was right, so that a hundred attempts at the same time count as a hundred. Success never wipes
an address: else a guesser with one good account could go on for ever. Knows no password.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import delete
from sqlalchemy.orm import Session

from pipeline.service.access.tokens import hash_of
from pipeline.service.database.engine import insert_missing
from pipeline.service.database.tables import LoginThrottle
from pipeline.service.errors import SignInDelayed

HALF_LIFE_SECONDS = 3600.0
IPV6_PREFIX = 64
"""What a provider gives one customer at the least (RFC 6177)."""
FADED = 0.05
"""Fewer failures than that are none; the row goes."""


@dataclass(frozen=True, slots=True)
class Limit:
    free: int
    """Failures without delay."""
    delay_seconds_max: float


LIMITS = {
    "device": Limit(free=5, delay_seconds_max=300),
    "account": Limit(free=5, delay_seconds_max=300),
    "address": Limit(free=50, delay_seconds_max=900),
}


@dataclass(frozen=True, slots=True)
class Subject:
    kind: str
    """A key of LIMITS."""
    value: str

    @property
    def hash(self) -> str:
        """Names that were mistyped are often passwords: none is kept in clear."""
        return hash_of(f"{self.kind}:{self.value}")


def subjects(name: str, address: str, known_device: str | None) -> tuple[Subject, ...]:
    """What an attempt counts for. `known_device`: the hash of a device that has signed in to this account before."""
    if known_device is not None:
        return (Subject("device", f"{name}:{known_device}"),)
    return (Subject("account", name), Subject("address", network_of(address)))


def network_of(address: str) -> str:
    """Whose requests count together: an IPv4 address, and of IPv6 the network of a customer, who has 2^64 addresses."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, IPV6_PREFIX), strict=False))


def count_attempt(session: Session, counted: Sequence[Subject], at: dt.datetime) -> None:
    """Count a failure for each subject. Raises SignInDelayed, counting nothing, where one of them must still wait."""
    rows = [_row(session, subject) for subject in sorted(counted, key=lambda subject: subject.hash)]
    waits = [
        ((row.blocked_until - at).total_seconds(), row.subject_hash)
        for row in rows
        if row.blocked_until is not None
    ]
    longest, delayed = max(waits, default=(0.0, ""))
    if longest > 0:
        raise SignInDelayed(
            "There were too many failed sign-ins.",
            remedy=f"Wait {longest:.0f} seconds and try again.",
            retry_after_seconds=longest,
            delayed=delayed,
        )
    kinds = {subject.hash: subject.kind for subject in counted}
    for row in rows:
        row.failures = _faded(row, at) + 1
        row.failed_at = at
        delay = delay_seconds(LIMITS[kinds[row.subject_hash]], row.failures)
        row.blocked_until = at + dt.timedelta(seconds=delay) if delay else None


def take_back(session: Session, counted: Sequence[Subject]) -> None:
    """The attempt was right: it was none. The account and the device are wiped, the address loses this one."""
    for subject in counted:
        row = _row(session, subject)
        row.failures = max(0.0, row.failures - 1) if subject.kind == "address" else 0.0
        row.blocked_until = None


def delay_seconds(limit: Limit, failures: float) -> float:
    """How long the next attempt waits: 1 s after the first failure beyond the free ones, then twice that each time."""
    beyond = round(failures - limit.free)  # a little has faded since the last one
    return min(limit.delay_seconds_max, 2.0 ** min(beyond - 1, 30)) if beyond > 0 else 0.0


def forget_old(session: Session, at: dt.datetime) -> None:
    """Rows that have faded to nothing."""
    session.execute(
        delete(LoginThrottle).where(
            LoginThrottle.failed_at < at - dt.timedelta(seconds=HALF_LIFE_SECONDS * 12)
        )
    )


def _row(session: Session, subject: Subject) -> LoginThrottle:
    insert_missing(
        session,
        LoginThrottle,
        subject_hash=subject.hash,
        failures=0.0,
        failed_at=dt.datetime.now(dt.UTC),
    )
    return session.get_one(LoginThrottle, subject.hash, with_for_update=True)


def _faded(row: LoginThrottle, at: dt.datetime) -> float:
    seconds = max(0.0, (at - row.failed_at).total_seconds())
    left = row.failures * 0.5 ** (seconds / HALF_LIFE_SECONDS)
    return left if left >= FADED else 0.0
