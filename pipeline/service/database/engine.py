"""Opens the service's database: one SQLite file, or PostgreSQL by URL, and one way to hold a transaction.

Decides how a transaction begins, waits and fails. `session()` writes, `reading()` reads; neither nests. On SQLite
writers of this process queue in memory and those of other processes at the file; on PostgreSQL they do not queue,
except for the audit log's end (see `audit/chain.py`). SQLAlchemy's exceptions end here. Knows no table.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from pipeline.config import Settings
from pipeline.service.database import migrate
from pipeline.service.database.tables import Base
from pipeline.service.errors import Conflict, StateError, StateUnavailable
from pipeline.storage.sqlite import make_private, write_ahead

FILE = "service.sqlite"
BUSY_TIMEOUT_SECONDS = 60.0
CONNECTIONS_MAX = 32
"""Per process. More threads than that wait for one another, not for the database."""
_POSTGRESQL_READ_ONLY = {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
"""Without the level each statement would see what was committed before it."""


class StateSession(Session):
    """A session of this state, for one transaction. The audit log hangs its entries on it and writes them when it
    commits."""

    @cached_property
    def transaction(self) -> Connection:
        """For statements without mapped classes. Asking `connection()` each time costs as much as a small one."""
        return self.connection()


class State:
    """The service's database. Safe to share between threads; not across a fork."""

    def __init__(self, url: str) -> None:
        """`url`: `sqlite:///PATH` or `postgresql://...`. Opens nothing yet. Raises StateError for any other."""
        self.url = _checked(url)
        if self.sqlite:
            self.engine = _sqlite_engine(self.url)
            self._reader = _sqlite_engine(self.url, read_only=True)
        else:
            self.engine = _postgresql_engine(self.url)
            self._reader = self.engine.execution_options(**_POSTGRESQL_READ_ONLY)
        self._writer = threading.Lock()
        """Threads of this process queue here: SQLite itself lets them sleep and look again, up to 0.1 s each time."""
        self._here = threading.local()

    @property
    def sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file."""
        return Path(self.url.database or "") if self.sqlite else None

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision` ("base" removes them). Safe when several processes do it at the same time."""
        with self._writing(), _translated(self), self.engine.begin() as connection:
            migrate.run(connection, revision)

    def revision(self) -> str | None:
        """The version of the tables; None where there are none."""
        with _translated(self), self._reader.connect() as connection:
            return migrate.current(connection)

    @contextmanager
    def session(self) -> Iterator[StateSession]:
        """A write transaction: commits at its end, undoes everything on an exception.

        Keep it short and do nothing slow inside: on SQLite every other writer waits. Raises Conflict where a
        constraint is broken, StateUnavailable where the database is away.
        """
        with (
            self._writing(),
            _translated(self),
            StateSession(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[StateSession]:
        """A read transaction: one committed state, whatever others write meanwhile. Never waits for a writer."""
        with (
            _translated(self),
            StateSession(self._reader, expire_on_commit=False, autoflush=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if getattr(self._here, "writes", False):
            raise StateError(
                "A write transaction was begun inside another one.",
                remedy="Hand the session that is open to whatever needs one.",
            )
        if self.sqlite:
            self._writer.acquire()
        self._here.writes = True
        try:
            yield
        finally:
            self._here.writes = False
            if self.sqlite:
                self._writer.release()

    def check(self) -> None:
        """A real query. Raises StateUnavailable or StateError; for readiness."""
        with self.reading() as session:
            found = migrate.current(session.connection())
        if found != migrate.head():
            raise StateError(
                f"The service's tables are of version {found or 'none'}, this program needs {migrate.head()}.",
                remedy="Start the service once with this version: it migrates; or use the version that wrote them.",
            )

    def scrub(self) -> None:
        """After texts were deleted: move the SQLite log into the file, where freed space is overwritten.

        A reader that is busy makes it wait for the next time. PostgreSQL reuses space in its own time (VACUUM).
        """
        if self.sqlite:
            with _translated(self), self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self.engine.dispose()
        self._reader.dispose()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_state(settings: Settings) -> State:
    """The state that the settings name. Its tables are not touched: `migrate()` does that."""
    return State(settings.service.state_url.get_secret_value() or f"sqlite:///{settings.data_dir / FILE}")


def _checked(given: str) -> URL:
    try:
        url = make_url(given)
    except ArgumentError:
        raise StateError(
            "CHARTWELL_SERVICE__STATE_URL is no URL.",
            remedy="Write postgresql://user:password@host/database.",
        ) from None
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
        local = not url.host or url.host in ("localhost", "127.0.0.1", "::1") or url.host.startswith("/")
        if not local and "sslmode" not in url.query:
            url = url.update_query_dict(
                {"sslmode": "require"}
            )  # the driver's own default falls back to clear text
        return url
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite+pysqlite")
    raise StateError(
        "CHARTWELL_SERVICE__STATE_URL names a database that the service does not use.",
        remedy="Write postgresql://user:password@host/database, or leave it empty for a SQLite file.",
    )


def _sqlite_engine(url: URL, *, read_only: bool = False) -> Engine:
    path = Path(url.database or "")
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_SECONDS,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "do_connect")
    def _private(*_: Any) -> None:
        make_private(path)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        write_ahead(connection, path)
        connection.execute(
            "PRAGMA synchronous = FULL"
        )  # an audit row that was reported must survive a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # deleted text leaves no copy in free pages
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")

    def begin(connection: PoolProxiedConnection) -> None:
        connection.cursor().execute("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")

    # No listener to the event "begin": with one, each statement looks for listeners to every other event as well.
    engine.dialect.do_begin = begin  # type: ignore[method-assign,assignment]
    return engine


def _postgresql_engine(url: URL) -> Engine:
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_size=CONNECTIONS_MAX,
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "chartwell"},
        )
    except ModuleNotFoundError:
        raise StateError(
            "The PostgreSQL driver is not installed.", remedy="Install chartwell[postgresql]."
        ) from None


def insert_missing(session: Session, table: type[Base], **values: object) -> None:
    """Insert a row unless one with its key is there, also when another process does the same at this moment."""
    dialect = session.get_bind().dialect.name
    statement = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(table).values(**values)
    session.execute(statement.on_conflict_do_nothing())


@contextmanager
def _translated(state: State) -> Iterator[None]:
    """The database's errors as ours. None of them carries a value: parameters are hidden."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            "Something else with that name or number exists already, or what it belongs to is gone.",
            remedy="Look again, and choose another name where one was given.",
        ) from error
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        _unavailable(state, error)
    except DBAPIError as error:
        raise StateError(
            f"{_place(state)} refused a statement ({type(error.orig).__name__}).",
            remedy="Restart the service; if it stays, restore the last snapshot and keep this file.",
        ) from error


def _unavailable(state: State, error: Exception) -> NoReturn:
    """Errors that may pass, and those of the same class that will not."""
    said = str(getattr(error, "orig", error) or error)
    name = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such table" in said:
        raise StateError(
            f"{_place(state)} cannot be used ({name or 'a table is missing'}).",
            remedy="Check that this user may write there and that it is the service's own database.",
        ) from error
    if "password" in said or "does not exist" in said:
        raise StateError(
            f"{_place(state)} does not let the service in, or has no such table.",
            remedy="Check user, password and database in CHARTWELL_SERVICE__STATE_URL.",
        ) from error
    raise StateUnavailable(
        f"{_place(state)} cannot be reached ({name or type(error).__name__}).",
        remedy="Check that it is up and its disk not full, then try again. Nothing was half written.",
    ) from error


def _place(state: State) -> str:
    return state.path.name if state.path is not None else "PostgreSQL"
