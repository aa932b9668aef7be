"""One SQLite file, opened the way Chartwell needs it: WAL, full durability, one connection a thread.

Decides how a transaction begins, nests and fails. Knows no table. The embedded store and the ledger may share one
`Database`, and then one transaction covers both.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import (
    StoreAccessDenied,
    StoreDamaged,
    StoreError,
    StoreLimitReached,
    StoreUnavailable,
)

BUSY_TIMEOUT_SECONDS = 60.0
PAGE_SIZE_BYTES = 4096
"""A 1024-d float32 row costs 4,610 bytes at this page size and 8,203 at 8192 (measured); fixed at creation."""


class Database:
    """A SQLite file. Safe to share between threads: each gets a connection of its own. Not to be used across a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._process = os.getpid()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection, opened on first use."""
        if self._process != os.getpid():
            raise StoreError(
                f"{self.path.name} was opened before a fork and is used after it.",
                remedy="Open the store in the process that uses it (start workers with spawn).",
            )
        existing: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if existing is None:
            existing = self._connect()
            self._local.connection = existing
            with self._lock:
                self._open.append(existing)
        return existing

    def _connect(self) -> sqlite3.Connection:
        with translated(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            if new:
                # Records are PHI: the file is the owner's alone from its first byte.
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cache_size = -65536")
            return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction. An inner one joins the outer; a failure anywhere undoes the whole."""
        connection = self.connection
        joins_outer = connection.in_transaction
        if joins_outer:
            yield connection
            return
        with translated(self.path):
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        with translated(self.path):
            try:
                connection.execute("COMMIT")
            except sqlite3.Error:
                connection.rollback()  # a failed COMMIT may leave the transaction open; without one this is a no-op
                raise

    def data_version(self) -> int:
        """A number that changes whenever another connection commits (36 microseconds a call)."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._local = threading.local()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, each with what to do. `sqlite3.Error` ends here."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _operational(path, error) from error
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name in {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CORRUPT_VTAB"} or "malformed" in str(error):
            raise StoreDamaged(
                f"{path.name} is not a sound SQLite file ({error}).",
                remedy="Move it away and index again, or restore it from a snapshot.",
            ) from error
        raise StoreError(f"{path.name}: {error}.", remedy="Run the command again with --verbose.") from error
    except OSError as error:
        raise StoreUnavailable(
            f"{path.name} cannot be opened ({error.strerror}).",
            remedy="Check that the data folder exists on a local disk and that this user may write to it.",
        ) from error


def _operational(path: Path, error: sqlite3.OperationalError) -> StoreError:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or "disk is full" in str(error):
        return StoreLimitReached(
            f"The disk that holds {path.name} is full.",
            remedy="Free some space and run the same command again: finished work is kept.",
        )
    if name.startswith("SQLITE_READONLY"):
        return StoreAccessDenied(
            f"{path.name} is read-only for this user.",
            remedy="Mount the disk writable or give this user write permission, then run the same command again.",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreUnavailable(
            f"{path.name} is locked by another process for more than {BUSY_TIMEOUT_SECONDS:.0f} s.",
            remedy="Let the other run end, then run the same command again.",
        )
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PROTOCOL")):
        return StoreUnavailable(
            f"{path.name} cannot be read or written ({error}).",
            remedy="Check the disk; the file must be on a local file system, not NFS or SMB.",
        )
    return StoreError(f"{path.name}: {error}.", remedy="Run the command again with --verbose.")
