"""The audit log: rows that each hold the hash of the one before, written with the change they tell of.

    hash(n) = SHA-256( hash(n-1) "\\n" canonical JSON of [n, at, actor, actor_kind, action, subject, outcome, details] )

`append` hangs an entry on a session; it is written when that session commits, so a change and its row come to be
together or not at all. The committing process holds the row `audit_head` for that moment: appends of all processes
queue there, numbers have no gaps. Details hold ids, counts and hashes, never a question, an answer or a note.

What `verify` finds: a changed, removed, added or reordered row, and an end that was cut off while `audit_head` was
left. What it cannot find from the database alone: a person with write access to it who computes the whole chain again
from some row on, or cuts off the end and sets `audit_head` back. Against those there are anchors: number and hash of
the last row, kept where that person cannot write. Knows no person's rights.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, TypeAlias

from sqlalchemy import Row, Select, bindparam, event, insert, select, update

from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import Audit, AuditHead, table_of
from pipeline.service.errors import AuditBroken

GENESIS = "0" * 64
PROBLEMS_MAX = 100
"""After so many, `verify` says no more: the chain is not what it was."""
TEXT_CHARACTERS_MAX = 500
"""Longest text in `details`: ids and names fit, a question or a note does not."""
SELDOM_SECONDS = 60.0
SELDOM_MAX = 10_000
"""Things remembered that were recorded a while ago; the oldest is forgotten first."""
_WORD = re.compile(r"^[a-z][a-z0-9-]{0,59}$")
_PENDING = "audit"
_ROWS_AT_ONCE = 2000

AuditOutcome: TypeAlias = Literal["done", "refused", "failed"]


class Actor(Protocol):
    """Who did it."""

    @property
    def id(self) -> str: ...

    @property
    def kind(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SystemActor:
    """An actor that is no person who signed in."""

    id: str
    kind: str


SYSTEM = SystemActor("chartwell", "system")
STRANGER = SystemActor("nobody", "stranger")
"""A client that has not signed in."""


def on_host(user: str) -> SystemActor:
    """A user at a command line of the host."""
    return SystemActor(user, "host")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row before it has its place in the chain."""

    actor: str
    actor_kind: str
    action: str
    subject: str
    outcome: str
    details: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the chain, as it is exported."""

    number: int
    at: str
    actor: str
    actor_kind: str
    action: str
    subject: str
    outcome: str
    details: str
    previous: str
    hash: str

    def computed(self) -> str:
        """The hash that this row must have."""
        content = [
            self.number,
            self.at,
            self.actor,
            self.actor_kind,
            self.action,
            self.subject,
            self.outcome,
            self.details,
        ]
        return sha256(f"{self.previous}\n{canonical(content)}")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of the chain at some moment, to be kept elsewhere."""

    number: int
    hash: str
    at: str


@dataclass(frozen=True, slots=True)
class ChainFault:
    """Where the log does not verify. `number` is the row, or 0 where it is no single row."""

    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    rows: int
    head: Anchor
    problems: tuple[ChainFault, ...]
    anchors: int = 0
    """How many anchors were held against the chain."""

    @property
    def sound(self) -> bool:
        return not self.problems


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted names, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(text: str) -> str:
    """Of the UTF-8 text; a lone surrogate counts as what the database would store for it."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


class AuditLog:
    """The log of one state."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.clock: Callable[[], float] = time.monotonic
        self._recorded: OrderedDict[str, float] = OrderedDict()
        self._recording = threading.Lock()

    def append(
        self,
        session: StateSession,
        actor: Actor,
        action: str,
        subject: str = "",
        *,
        outcome: AuditOutcome = "done",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a row when `session` commits, or not at all when it does not.

        `action` is a word such as "role-changed", `subject` what it was done to, such as "person:3f…". Texts in
        `details` are cut short of 500 characters by refusing longer ones: they belong elsewhere.
        """
        key_id = getattr(actor, "key_id", None)
        more = {**(details or {}), **({"key": key_id} if key_id else {})}
        session.info.setdefault(_PENDING, []).append(
            Entry(
                actor.id[:100], actor.kind, _word(action), subject[:500], outcome, canonical(_checked(more))
            )
        )

    def has_subject(self, session: StateSession, subject: str) -> bool:
        """Whether a committed row is about exactly this: for what must be recorded once, also after a crash."""
        return session.scalar(select(Audit.number).where(Audit.subject == subject).limit(1)) is not None

    def record(
        self,
        actor: Actor,
        action: str,
        subject: str = "",
        *,
        outcome: AuditOutcome = "done",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """As `append`, in a transaction of its own: for an access or a refusal that changes nothing."""
        with self._state.session() as session:
            self.append(session, actor, action, subject, outcome=outcome, details=details)

    def record_seldom(
        self,
        about: str,
        actor: Actor,
        action: str,
        subject: str = "",
        *,
        outcome: AuditOutcome = "done",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """As `record`, at most once a minute for the same action and `about` in this process.

        For what a client without rights can repeat as often as they like: it must not fill the log.
        """
        if self._due(f"{action} {about}"):
            self.record(actor, action, subject, outcome=outcome, details=details)

    def _due(self, what: str) -> bool:
        with self._recording:
            at = self.clock()
            last = self._recorded.get(what)
            if last is not None and at - last < SELDOM_SECONDS:
                return False
            self._recorded[what] = at
            self._recorded.move_to_end(what)
            if len(self._recorded) > SELDOM_MAX:
                self._recorded.popitem(last=False)
            return True

    def rows(
        self, *, after: int = 0, since: str | None = None, until: str | None = None
    ) -> Iterator[AuditRow]:
        """The rows in order, some at a time: a slow reader holds no transaction open, for no row ever changes.

        `since` and `until` compare with `at`, ISO 8601, UTC; a bare day includes that day.
        """
        statement = select(table_of(Audit)).order_by(Audit.number).limit(_ROWS_AT_ONCE)
        if since:
            statement = statement.where(Audit.at >= since)
        if until:
            statement = statement.where(Audit.at <= _end_of(until))
        while True:
            with self._state.reading() as session:
                rows = list(_stream(session, statement.where(Audit.number > after)))
            yield from rows
            if len(rows) < _ROWS_AT_ONCE:
                return
            after = rows[-1].number

    def page(
        self,
        *,
        before: int | None = None,
        limit: int = 50,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
    ) -> list[AuditRow]:
        """The newest rows, or those before number `before`, newest first; for looking."""
        statement = select(table_of(Audit)).order_by(Audit.number.desc()).limit(min(limit, 500))
        for column, value in ((Audit.actor, actor), (Audit.action, action), (Audit.subject, subject)):
            if value is not None:
                statement = statement.where(column == value)
        if before is not None:
            statement = statement.where(Audit.number < before)
        with self._state.reading() as session:
            return list(_stream(session, statement))

    def anchor(self) -> Anchor:
        """The end of the chain now. It holds no text and no id: it may go into a log or a bucket."""
        with self._state.reading() as session:
            return _head(session)

    def verify(self, anchors: Iterable[Anchor] = ()) -> Verification:
        """Hold every row against its hash, its predecessor, the head and the anchors. Changes nothing."""
        known = list(anchors)
        with self._state.reading() as session:
            head = _head(session)
            rows = _stream(session, select(table_of(Audit)).order_by(Audit.number))
            return verify_rows(rows, head=head, anchors=known)


def verify_rows(
    rows: Iterable[AuditRow], *, head: Anchor | None, anchors: Sequence[Anchor] = ()
) -> Verification:
    """The check itself, over the database or an export of it (which has no head of its own)."""
    held = _by_number(anchors)
    problems = list(_contradictions(held))
    number, previous, at = 0, GENESIS, ""
    for row in rows:
        if len(problems) < PROBLEMS_MAX:
            problems += _problems_of(row, number, previous)
            problems += [
                ChainFault(row.number, f"is not the row that was anchored at {anchor.at}")
                for anchor in held.pop(row.number, ())
                if anchor.hash != row.hash
            ]
        number, previous, at = row.number, row.hash, row.at
    problems += [
        ChainFault(missing.number, f"was anchored at {missing.at} and is not there")
        for anchored in held.values()
        for missing in anchored
        if missing.number > 0
    ]
    last = Anchor(number, previous, at)
    if head is not None and (head.number, head.hash) != (number, previous):
        problems.append(
            ChainFault(number, f"is the last row, but the log had been written up to number {head.number}")
        )
    return Verification(number, last, tuple(problems[:PROBLEMS_MAX]), len(anchors))


def _by_number(anchors: Iterable[Anchor]) -> dict[int, list[Anchor]]:
    """The anchors of each row, the first one of each hash: a later one that is another must not replace it."""
    held: dict[int, dict[str, Anchor]] = {}
    for anchor in anchors:
        held.setdefault(anchor.number, {}).setdefault(anchor.hash, anchor)
    return {number: list(anchored.values()) for number, anchored in held.items()}


def _contradictions(held: Mapping[int, Sequence[Anchor]]) -> Iterator[ChainFault]:
    for number, anchored in held.items():
        if len(anchored) > 1:
            yield ChainFault(
                number, f"has {len(anchored)} anchors that differ: one of them was not written here"
            )


def _problems_of(row: AuditRow, number: int, previous: str) -> Iterator[ChainFault]:
    if row.number != number + 1:
        yield ChainFault(row.number, f"follows number {number}: what was between is gone")
    if row.previous != previous:
        yield ChainFault(row.number, f"does not continue number {number}")
    if row.hash != row.computed():
        yield ChainFault(row.number, "has been changed: its hash is another")


def read_anchors(lines: Iterable[str]) -> list[Anchor]:
    """Anchors from lines of JSON. Raises AuditBroken for a line that is none."""
    anchors = []
    for position, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            anchors.append(Anchor(int(fields["number"]), str(fields["hash"]), str(fields["at"])))
        except (ValueError, KeyError, TypeError):
            raise AuditBroken(
                f"Line {position} of the anchors is no anchor.",
                remedy="Compare the file with an older copy of it.",
            ) from None
    return anchors


def read_export(lines: Iterable[str]) -> Iterator[AuditRow]:
    """Rows from an exported file. Raises AuditBroken for a line that is none."""
    for position, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield AuditRow(**json.loads(line))
            except (ValueError, TypeError):
                raise AuditBroken(
                    f"Line {position} of the export is no row of an audit log.",
                    remedy="Export again: python -m pipeline.audit export.",
                ) from None


def as_line(record: AuditRow | Anchor) -> str:
    """One line of JSON, as `read_export` and `read_anchors` take it."""
    return canonical(asdict(record))


# --- writing

# Made once, and by the tables themselves: every question has two of these rows, and putting a statement together, or
# running it by way of the mapped classes, costs more processor time than the statement.
_HEAD = table_of(AuditHead)
_HEAD_LOCKED = select(_HEAD.c.number, _HEAD.c.hash).where(_HEAD.c.id == 1).with_for_update()
_APPEND = insert(table_of(Audit))
_MOVE_HEAD = (
    update(_HEAD).where(_HEAD.c.id == 1).values(number=bindparam("to_number"), hash=bindparam("to_hash"))
)


@event.listens_for(StateSession, "before_commit")
def _write(session: StateSession) -> None:
    """Give the session's entries their places in the chain, as the last thing before it commits."""
    if session.in_nested_transaction():
        return
    entries: list[Entry] = session.info.pop(_PENDING, [])
    if not entries:
        return
    session.flush()  # whatever may still fail fails before the head is held
    connection = session.transaction
    number, previous = connection.execute(_HEAD_LOCKED).one()
    at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    rows: list[dict[str, Any]] = []
    for entry in entries:
        number += 1
        row = AuditRow(number, at, *_fields(entry), previous=previous, hash="")
        previous = row.computed()
        rows.append({**{name: getattr(row, name) for name in AuditRow.__match_args__}, "hash": previous})
    connection.execute(_APPEND, rows)
    connection.execute(_MOVE_HEAD, {"to_number": number, "to_hash": previous})


def _fields(entry: Entry) -> tuple[str, str, str, str, str, str]:
    return (entry.actor, entry.actor_kind, entry.action, entry.subject, entry.outcome, entry.details)


def _word(action: str) -> str:
    if not _WORD.match(action):
        raise ValueError(f"an audit action is a word such as role-changed, not {action!r}")
    return action


def _checked(value: Any) -> Any:
    """The same value. Raises ValueError where it holds a text that is too long to be an id or a name."""
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"a text of {len(value)} characters does not belong into the audit log")
    if isinstance(value, Mapping):
        return {str(name): _checked(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        inner = [_checked(one) for one in value]
        return sorted(inner) if isinstance(value, (set, frozenset)) else inner
    return value


# --- reading


def _stream(session: StateSession, statement: Select[Any]) -> Iterator[AuditRow]:
    found = session.execute(statement.execution_options(yield_per=_ROWS_AT_ONCE))
    return (_row(row) for row in found)


def _row(row: Row[Any]) -> AuditRow:
    return AuditRow(**row._mapping)


def _head(session: StateSession) -> Anchor:
    found = session.execute(select(AuditHead.number, AuditHead.hash).where(AuditHead.id == 1)).one_or_none()
    if found is None:
        raise AuditBroken(
            "The end of the audit log is not recorded any more: its row in audit_head is gone.",
            remedy="Keep a copy of the database as it is and compare it with the last snapshot.",
        )
    return Anchor(found.number, found.hash, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))


def _end_of(until: str) -> str:
    """A bare day includes that day."""
    return f"{until}T23:59:59.999999+00:00" if len(until) == len("2026-01-01") else until
