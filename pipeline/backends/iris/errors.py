"""What InterSystems IRIS and its driver complain about, as errors of ours, each with its cure.

Knows messages and SQLCODEs; the driver gives no attribute for them, so they are read from its text. What IRIS says
about a row may quote the row: nothing of that reaches a message of ours, which holds the SQLCODE, the column and the
ids that the caller knows itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import (
    SchemaMismatch,
    SpaceMismatch,
    StoreAccessDenied,
    StoreError,
    StoreLimitReached,
    StoreRejectedRow,
    StoreUnavailable,
)

UNIQUE = -119
LOCKED = (-110, -114)
TABLE_EXISTS, INDEX_EXISTS, INDEX_MISSING = (-201,), (-324,), (-333, -151)
TABLE_MISSING, COLUMN_EXISTS, CONSTRAINT_MISSING = (-30,), (-306,), (-315,)
STATEMENT_REFUSED = frozenset({-1, -12, -25, -51})
FUNCTION_MISSING = frozenset({-359, -149})
PLAN_REFUSED = STATEMENT_REFUSED | {-99, -400}
"""A build that does not explain a statement with a bound vector, or an account that may not ask."""
QUOTING = frozenset({-104, -107, -108, -119, -121, -124})
"""Refusals of one row, whose message may hold its values."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one of IRIS's complaints is to us, and what to do about it."""

    error: type[StoreError]
    what: str
    remedy: str
    lost: bool = False
    """The connection broke: another one may work immediately, and what was not committed is gone."""
    locked: bool = False
    """Another process holds the rows: the same statement may work later."""


_AGAIN = "Run the same command again: finished work is kept."
_MIGRATE = "Embed into the new space with `python -m pipeline.vectorize migrate --to SPACE`."
_GRANT = (
    "Give the application account %SQL, the role of the namespace's database, and for the first run the privileges "
    "%DB_OBJECT_DEFINITION and %BUILD_INDEX in the namespace (docs/iris.md)."
)
_OLD = "Use IRIS 2025.1 or newer, and run `make test-live-iris` against it to see which statement it refuses."

PHRASES: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), meaning)
    for pattern, meaning in (
        (
            r"LICENSE LIMIT EXCEEDED",
            Meaning(
                StoreLimitReached,
                "IRIS has no free connection: the licence's are all in use",
                "Close terminals and portal windows, or lower CHARTWELL_IRIS__CONNECTIONS_MAX in the processes "
                "that share it (a Community licence has 8 in all).",
            ),
        ),
        (
            r"Invalid Community Edition license|license (has )?expired",
            Meaning(
                StoreLimitReached,
                "IRIS refuses to work: its built-in Community licence has expired (a year after the version's "
                "release) or the machine has more than 20 cores",
                "Run a newer image on the same data directory; on a large machine limit the container to 20 cores.",
            ),
        ),
        (
            r"FILEFULL|DISKHARD|<STORE>|database .{0,40}(is )?full",
            Meaning(
                StoreLimitReached,
                "IRIS cannot write: its database, memory or disk is full",
                "Free disk space or delete notes; a Community licence ends at 10 GB of data. " + _AGAIN,
            ),
        ),
        (
            r"Password change required|password (has )?expired",
            Meaning(
                StoreAccessDenied,
                "IRIS wants this account's password changed before it may log in",
                "Set it once in the Management Portal, or create the account with ChangePassword=0 "
                "(docs/iris.md), then set CHARTWELL_IRIS__PASSWORD.",
            ),
        ),
        (
            r"Access Denied|Invalid (username|password|login)|authentication failed",
            Meaning(
                StoreAccessDenied,
                "IRIS refuses this user, password or namespace",
                "Check CHARTWELL_IRIS__USERNAME, CHARTWELL_IRIS__PASSWORD and CHARTWELL_IRIS__NAMESPACE, and that "
                "the account holds %SQL and the role of the namespace's database.",
            ),
        ),
        (
            r"unsupported HNSW storage version",
            Meaning(
                SchemaMismatch,
                "The vector index was built by another version of IRIS",
                "Build it again: DROP INDEX EmbeddingNearest ON DEMO.ClinicalNoteVectors, then run the same "
                "command again.",
            ),
        ),
        (
            r"COMMUNICATION LINK ERROR|COMMUNICATION ERROR|Connection is closed|connection (was )?(closed|lost|reset)",
            Meaning(
                StoreUnavailable,
                "The connection to IRIS is broken",
                "Wait until IRIS runs again (its log says 'Enabling logons'). " + _AGAIN,
                lost=True,
            ),
        ),
    )
)
"""Complaints that are known by their words, asked first."""

_UNSPEAKABLE = Meaning(StoreError, "IRIS does not understand a statement", _OLD)
_LOCKED = Meaning(
    StoreUnavailable, "IRIS waited in vain for rows that another process is writing", _AGAIN, locked=True
)
_OTHER_SCHEMA = Meaning(
    SchemaMismatch,
    "The tables in IRIS are missing or not those of this version",
    "Run `python -m pipeline.vectorize notes` once, which creates them; IRIS says the same where the account may "
    "not SELECT. " + _GRANT,
)
_FIT = (
    "The note is not stored; the reason is in the data or its length, not in IRIS. Correct it and run again."
)

SQLCODES: Mapping[int, Meaning] = {
    **dict.fromkeys((-1, -12, -25, -51, -359, -149), _UNSPEAKABLE),
    **dict.fromkeys((-29, -30, -151), _OTHER_SCHEMA),
    **dict.fromkeys(LOCKED, _LOCKED),
    -99: Meaning(StoreAccessDenied, "IRIS refuses: the account lacks a privilege", _GRANT),
    -104: Meaning(StoreRejectedRow, "IRIS refuses a value: too long for its column, or a vector too wide", _FIT),
    -107: Meaning(StoreRejectedRow, "IRIS refuses to change the identity of a row", _AGAIN),
    -108: Meaning(StoreRejectedRow, "IRIS refuses a row: a required value is missing or empty", _FIT),
    -119: Meaning(
        StoreRejectedRow,
        "IRIS refuses a row: its id is already taken",
        "Two notes claim one chunk id, or two processes write one note. Give each its own resource_id; else run again.",
    ),
    -121: Meaning(StoreRejectedRow, "IRIS refuses a row: the note it belongs to is not stored", _AGAIN),
    -124: Meaning(StoreRejectedRow, "IRIS refuses to remove a note that other rows still refer to", _AGAIN),
    -150: Meaning(StoreUnavailable, "IRIS found the row changed by another process", _AGAIN, locked=True),
    -257: Meaning(SpaceMismatch, "IRIS compared vectors of different widths", _MIGRATE),
    -258: Meaning(SpaceMismatch, "IRIS compared a vector with something that is none", _OLD),
    -259: Meaning(SpaceMismatch, "IRIS compared vectors of different element types", _MIGRATE),
    -260: Meaning(SpaceMismatch, "A vector column in IRIS has no declared width", _MIGRATE),
    -262: Meaning(StoreError, "IRIS does not take this way of binding a vector", _OLD),
    -400: Meaning(
        StoreError,
        "IRIS failed inside",
        "Look into its messages.log for this time, then run the same command again.",
    ),
}  # fmt: skip

_SQLCODE = re.compile(r"SQLCODE:?\s*<?\s*(-?\d+)")
_COLUMN = re.compile(r"\bDEMO(?:_S[0-9A-F]{12})?[.][A-Za-z]+(?:[.][A-Za-z]+)?")
_TOKEN = re.compile(r"<[A-Z][A-Z ]{2,30}>|ERROR #\d+")


def sqlcode(message: str) -> int | None:
    """The SQLCODE in a driver's message or an `executemany` row; the driver has no attribute for it."""
    found = _SQLCODE.search(message)
    return int(found.group(1)) if found else None


class IrisRefusal(Exception):
    """IRIS refused one statement or row. Never leaves the back-end: `error` does."""

    def __init__(self, message: str, statement: str) -> None:
        super().__init__(statement)
        self.code = sqlcode(message)
        meaning = meaning_of(message)
        self.lost, self.locked = meaning.lost, meaning.locked
        self.error = translate(message, statement)


def meaning_of(message: str) -> Meaning:
    """What IRIS or its driver means. A refused row may be quoted, and a note may speak of an expired license: there
    only the code counts."""
    code = sqlcode(message)
    if code not in QUOTING:
        for pattern, meaning in PHRASES:
            if pattern.search(message):
                return meaning
    return SQLCODES.get(code or 0, SQLCODES[-400])


def translate(message: str, statement: str, about: str = "") -> StoreError:
    """IRIS's message as one of our errors, without any value that IRIS quotes."""
    code, meaning = sqlcode(message), meaning_of(message)
    details = [f"SQLCODE {code}"] if code is not None else []
    if column := _COLUMN.search(message):
        details.append(column.group())
    if code not in QUOTING:
        details += _TOKEN.findall(message)[:2]
    details.append(f"statement {statement}")
    subject = f" ({about})" if about else ""
    return meaning.error(f"{meaning.what}{subject} [{', '.join(details)}].", remedy=meaning.remedy)
