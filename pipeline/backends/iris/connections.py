"""Connections to InterSystems IRIS: how many, how long, and what ends them.

Knows the driver. Knows no table. A Community licence has 8 connections in all (portal and
terminal included), so at most `connections_max` are ever open, each used by one thread at a time
(the driver's threadsafety is 1), and a further thread waits for one up to a deadline.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline.backends.iris.errors import STATEMENT_REFUSED, IrisRefusal, meaning_of, translate
from pipeline.config import IrisSettings
from pipeline.errors import StoreError, StoreUnavailable

Connect: TypeAlias = Callable[..., Any]
"""`iris.dbapi.connect`, or something that takes the same named arguments."""
SqlValue: TypeAlias = str | int | float | None
SqlRow: TypeAlias = tuple[Any, ...]

IDLE_SECONDS = 30.0
"""A connection that rested longer is asked `SELECT 1` before it is used: IRIS may have restarted meanwhile."""
AGE_SECONDS_MAX = 1800.0
"""Connections are renewed after this long; drivers were seen to crash on one that was used for very many loads."""
PARAMETERS_MAX = 500
"""Ids in one IN list. IRIS refuses about 1,000 parameters a statement with -1."""
ROWS_MAX = 500
"""Rows of one `executemany`. Hangs were reported at 10,000 wide rows."""
CHARACTERS_MAX = 4_000_000
"""Text of one `executemany`, so that 1024-wide vectors go in groups of about 300."""


@dataclass
class Session:
    """One connection in the hands of one thread."""

    raw: Any
    statements: Mapping[str, str]
    failures: tuple[type[Exception], ...]
    opened_at: float
    used_at: float
    broken: bool = False
    wrote: bool = False
    in_transaction: bool = False
    _isolation: str = "read_uncommitted"
    _one_by_one: set[str] = field(default_factory=set)

    def rows(self, name: str, values: Sequence[SqlValue] = (), **parts: str) -> list[SqlRow]:
        """All rows of a query, copied: the driver's rows die with their cursor. `parts` fill the statement's braces."""
        with self._cursor(name) as cursor:
            _run(cursor, self._rendered(name, parts), values)
            return [tuple(row) for row in cursor.fetchall()]

    def rows_in(self, name: str, ids: Sequence[str], before: Sequence[SqlValue] = ()) -> list[SqlRow]:
        """All rows of a query with a list of ids of any length; `before` are the values that come before the ids."""
        found: list[SqlRow] = []
        for some in lists_of(ids, PARAMETERS_MAX - len(before)):
            found += self.rows(name, (*before, *some), marks=marks_of(some))
        return found

    def count(self, name: str) -> int:
        return int(self.rows(name)[0][0])

    def execute(self, name: str, values: Sequence[SqlValue] = (), **parts: str) -> int:
        """Run a statement that changes something; rows affected."""
        self.wrote = True
        with self._cursor(name) as cursor:
            _run(cursor, self._rendered(name, parts), values)
            return int(cursor.rowcount)

    def execute_in(self, name: str, ids: Sequence[str]) -> int:
        """The same with a list of ids of any length."""
        return sum(self.execute(name, some, marks=marks_of(some)) for some in lists_of(ids, PARAMETERS_MAX))

    def insert_many(self, name: str, rows: Sequence[Sequence[SqlValue]]) -> list[tuple[int, IrisRefusal]]:
        """Insert rows in groups; the position and refusal of each row that IRIS did not take."""
        self.wrote = True
        refused: list[tuple[int, IrisRefusal]] = []
        for start, group in groups(rows):
            refused += [(start + at, refusal) for at, refusal in self._insert_group(name, group)]
        return refused

    def _rendered(self, name: str, parts: Mapping[str, str]) -> str:
        statement = self.statements[name]
        return statement.format(**parts) if parts else statement

    def _insert_group(
        self, name: str, rows: Sequence[Sequence[SqlValue]]
    ) -> Iterator[tuple[int, IrisRefusal]]:
        if name not in self._one_by_one:
            try:
                yield from self._insert_together(name, rows)
            except IrisRefusal as refusal:
                # A build whose batch path does not take this statement takes it row by row, or says why not.
                if refusal.code not in STATEMENT_REFUSED:
                    raise
                self._one_by_one.add(name)
            else:
                return
        for at, row in enumerate(rows):
            try:
                self.execute(name, row)
            except IrisRefusal as refusal:
                if refusal.code in STATEMENT_REFUSED:
                    raise
                yield at, refusal

    def _insert_together(
        self, name: str, rows: Sequence[Sequence[SqlValue]]
    ) -> list[tuple[int, IrisRefusal]]:
        """The driver answers a 1 for each good row and a text for each bad one, and raises nothing."""
        with self._cursor(name) as cursor:
            answers = cursor.executemany(self.statements[name], [list(row) for row in rows])
            if not isinstance(answers, (tuple, list)) or len(answers) != len(rows):
                if cursor.rowcount == len(rows):
                    return []
                raise IrisRefusal(
                    f"{cursor.rowcount} of {len(rows)} rows, and no word about the others", name
                )
        refused = [
            (at, IrisRefusal(answer, name)) for at, answer in enumerate(answers) if isinstance(answer, str)
        ]
        for _, refusal in refused:
            if refusal.lost or refusal.locked or refusal.code in STATEMENT_REFUSED:
                self.broken = self.broken or refusal.lost
                raise refusal
        return refused

    def isolate(self, level: str) -> None:
        """Read committed rows only, or whatever is there. One statement, and only where the level changes."""
        if self._isolation != level and not self.in_transaction:
            with self._cursor(level) as cursor:
                cursor.execute(self.statements[level])
            self._isolation = level

    def commit(self) -> None:
        self._end("commit")

    def rollback(self) -> None:
        self._end("rollback")

    def _end(self, how: str) -> None:
        try:
            getattr(self.raw, how)()
        except self.failures as error:
            self.broken = True
            raise IrisRefusal(str(error), how) from None
        self.wrote = False

    @contextmanager
    def _cursor(self, name: str) -> Iterator[Any]:
        try:
            cursor = self.raw.cursor()
            try:
                yield cursor
            finally:
                with contextlib.suppress(*self.failures):
                    cursor.close()
        except self.failures as error:
            # `from None`: IRIS's own message may quote the row.
            refusal = IrisRefusal(str(error), name)
            self.broken = self.broken or refusal.lost
            raise refusal from None


def _run(cursor: Any, sql: str, values: Sequence[SqlValue]) -> None:
    if values:
        cursor.execute(sql, list(values))
    else:
        cursor.execute(sql)


def marks_of(ids: Sequence[str]) -> str:
    """A question mark for each."""
    return ", ".join("?" * len(ids))


def lists_of(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    """Consecutive parts of at most `size`."""
    iterator = iter(ids)
    while some := list(itertools.islice(iterator, size)):
        yield some


def groups(rows: Sequence[Sequence[SqlValue]]) -> Iterator[tuple[int, Sequence[Sequence[SqlValue]]]]:
    """(position of the first, rows) of consecutive groups within ROWS_MAX and CHARACTERS_MAX."""
    start, characters = 0, 0
    for at, row in enumerate(rows):
        size = sum(len(value) for value in row if isinstance(value, str))
        if at > start and (at - start >= ROWS_MAX or characters + size > CHARACTERS_MAX):
            yield start, rows[start:at]
            start, characters = at, 0
        characters += size
    if start < len(rows):
        yield start, rows[start:]


class Connections:
    """The few connections of one process, handed to one thread at a time. Not to be used across a fork."""

    def __init__(
        self, settings: IrisSettings, statements: Mapping[str, str], connect: Connect | None = None
    ) -> None:
        """`statements` by name; `ping` must be among them."""
        driver = _driver()
        self._connect = connect or driver.connect
        # The driver raises its own classes; its native layer has raised RuntimeError for the same causes.
        self._failures: tuple[type[Exception], ...] = (driver.Error, RuntimeError)
        self._settings = settings
        self._statements = statements
        self._slots = threading.BoundedSemaphore(settings.connections_max)
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        self._local = threading.local()
        self._process = os.getpid()
        self._closed = False

    @property
    def current(self) -> Session | None:
        """The session that this thread is using, if any."""
        session: Session | None = getattr(self._local, "session", None)
        return session

    @contextmanager
    def use(self) -> Iterator[Session]:
        """This thread's session; an inner use joins the outer one.

        Raises StoreUnavailable where none comes free within `timeout_seconds`.
        """
        if self.current is not None:
            yield self.current
            return
        session = self._borrow()
        self._local.session = session
        try:
            yield session
        finally:
            self._local.session = None
            self._give_back(session)

    def forget_idle(self) -> None:
        """Close the connections at rest: after a restart of IRIS all of them are dead."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            self._close(session)

    def close(self) -> None:
        """Close what is at rest now, and the rest when its thread gives it back."""
        self._closed = True
        self.forget_idle()

    def _borrow(self) -> Session:
        if self._process != os.getpid():
            raise StoreError(
                "The connection to IRIS was opened before a fork and is used after it.",
                remedy="Open the store in the process that uses it (start workers with spawn).",
            )
        if not self._slots.acquire(timeout=self._settings.timeout_seconds):
            raise StoreUnavailable(
                f"All {self._settings.connections_max} connections to IRIS were in use for "
                f"{self._settings.timeout_seconds:g} s.",
                remedy="Ask fewer questions at a time, or raise CHARTWELL_IRIS__CONNECTIONS_MAX within the licence.",
            )
        try:
            return self._rested() or self._open()
        except BaseException:
            self._slots.release()
            raise

    def _rested(self) -> Session | None:
        """An idle connection that still works, if there is one."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                session = self._idle.pop()
            now = time.monotonic()
            if now - session.opened_at > AGE_SECONDS_MAX:
                self._close(session)
                continue
            if now - session.used_at <= IDLE_SECONDS:
                return session
            try:
                session.rows("ping")
            except IrisRefusal:
                self._close(session)
                continue
            return session

    def _open(self) -> Session:
        settings = self._settings
        options: dict[str, Any] = {
            "hostname": settings.host,
            "port": settings.port,
            "namespace": settings.namespace,
            "username": settings.username,
            "password": settings.password.get_secret_value(),
            # The driver takes whole seconds only, and an empty TLS name is an error: leave it out.
            "timeout": max(1, math.ceil(settings.timeout_seconds)),
            # On localhost the driver would try shared memory first, which a published container port has not.
            "sharedmemory": False,
            # Its default differs between what is written and what is used: always said.
            "autoCommit": False,
        }
        if settings.tls_name:
            options["sslconfig"] = settings.tls_name
        try:
            raw = self._connect(**options)
        except self._failures as error:
            raise self._unreachable(str(error)) from None
        now = time.monotonic()
        return Session(raw, self._statements, self._failures, opened_at=now, used_at=now)

    def _unreachable(self, message: str) -> StoreError:
        where = f"{self._settings.host}:{self._settings.port}, namespace {self._settings.namespace}"
        if meaning_of(message).lost:
            return StoreUnavailable(
                f"IRIS at {where} does not answer.",
                remedy="Check CHARTWELL_IRIS__HOST and CHARTWELL_IRIS__PORT, and that IRIS runs: a first start takes "
                "30 to 90 s until its log says 'Enabling logons'.",
            )
        return translate(message, "connect", where)

    def _give_back(self, session: Session) -> None:
        try:
            if session.wrote and not session.broken:
                with contextlib.suppress(IrisRefusal):  # marks the session broken, and it is closed below
                    session.rollback()
            session.in_transaction = False
            if session.broken or self._closed:
                self._close(session)
            else:
                session.used_at = time.monotonic()
                with self._lock:
                    self._idle.append(session)
        finally:
            self._slots.release()

    def _close(self, session: Session) -> None:
        with contextlib.suppress(*self._failures):  # it is being thrown away because it does not work
            session.raw.close()


def _driver() -> Any:
    """The vendor's DB-API module, imported only where IRIS is in use."""
    try:
        from iris import dbapi  # an optional package
    except ImportError as error:
        raise StoreError(
            "The driver of InterSystems IRIS is not installed.",
            remedy="Install it: pip install 'chartwell[iris]' (intersystems-irispython 5.4.1 or newer).",
        ) from error
    return dbapi
