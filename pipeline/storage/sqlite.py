"""One SQLite file, opened the way Chartwell needs it: WAL, full durability, one connection a thread.

Decides how a transaction begins, nests and fails, and what a reader sees while others write. Knows no table. The
embedded store and the ledger may share one `Database`, and then one transaction covers both.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import (
    StoreAccessDenied,
    StoreDamaged,
    StoreError,
    StoreLimitReached,
    StoreRejectedRow,
    StoreUnavailable,
)

BUSY_TIMEOUT_SECONDS = 60.0
PAGE_SIZE_BYTES = 4096
"""A 1024-d float32 row costs 4,610 bytes at this page size and 8,203 at 8192 (measured); fixed at creation."""
CACHE_KIBIBYTES = 16_384
"""Of SQLite's own page cache, for each thread. The operating system caches the file for all of them."""
PRIMARY_CODE = 0xFF
"""The low byte of SQLite's result says what went wrong; the rest (SQLITE_BUSY_RECOVERY) says where."""


class Database:
    """A SQLite file. Safe to share between threads: each gets a connection of its own. Not to be used across a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._process = os.getpid()
        self._open: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._writer = threading.RLock()
        """Threads of this process queue here: SQLite itself lets them sleep and look again, up to 0.1 s each time."""

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
                for thread in [thread for thread in self._open if not thread.is_alive()]:
                    self._open.pop(thread).close()
                self._open[threading.current_thread()] = existing
        return existing

    def _connect(self) -> sqlite3.Connection:
        with storage_errors(self.path):
            make_private(self.path)
            connection = sqlite3.connect(
                self.path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute(f"PRAGMA page_size = {PAGE_SIZE_BYTES}")
                write_ahead(connection, self.path)
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA temp_store = MEMORY")
                connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            except BaseException:
                connection.close()
                raise
            return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction. An inner one joins the outer; a failure anywhere undoes the whole."""
        connection = self.connection
        joins_outer = connection.in_transaction
        if joins_outer:
            yield connection
            return
        with self._writer:
            with storage_errors(self.path):
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            with storage_errors(self.path):
                try:
                    connection.execute("COMMIT")
                except sqlite3.Error:
                    connection.rollback()  # a failed COMMIT may leave the transaction open; without one this is a no-op
                    raise

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Reads inside see one committed state, whatever others write meanwhile. Never waits for a writer.

        Inside a transaction it joins that, and sees what it has written so far.
        """
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        with storage_errors(self.path):
            connection.execute("BEGIN DEFERRED")
        try:
            yield connection
        finally:
            connection.rollback()

    def close(self) -> None:
        """Close every thread's connection. The file may be used again afterwards; connections open again."""
        with self._lock:
            for connection in self._open.values():
                connection.close()
            self._open.clear()
        self._local = threading.local()


def make_private(path: Path) -> None:
    """Make the file where there is none, the owner's alone from its first byte: records are PHI.

    An empty one is what a crash leaves that came before the first write: as good as none. Raises sqlite3.DatabaseError
    for what SQLite would take as new as well, and is damage: a single byte, or nothing where a write-ahead log is.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = _size(path)
    if size is None:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    elif size == 1 or (size == 0 and not was_never_written(path)):
        raise sqlite3.DatabaseError(f"malformed: it was cut to {size} bytes")


def was_never_written(path: Path) -> bool:
    """Whether a file is as empty as it was made, and no write-ahead log says otherwise."""
    return _size(path) == 0 and not _size(path.with_name(f"{path.name}-wal"))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def write_ahead(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to WAL. Raises StoreUnavailable where the file system has none.

    While another process makes the same switch, or repairs a log after a crash, SQLite may answer "locked" immediately
    whatever the connection's own patience, so wait here.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        if mode != "wal":
            raise StoreUnavailable(
                f"{path.name} cannot use a write-ahead log here (SQLite offers {mode!r}).",
                remedy="Put the data folder on a local disk that this user may write to, not NFS or SMB.",
            )
        return


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, each with what to do. `sqlite3.Error` ends here."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _operational(path, error) from error
    except (sqlite3.IntegrityError, sqlite3.DataError) as error:
        raise StoreRejectedRow(
            f"{path.name} refused a row ({error}).",
            remedy="Nothing of this batch was written. Correct the record that broke the constraint.",
        ) from error
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in str(error):
            raise StoreDamaged(
                f"{path.name} is not a sound SQLite file ({error}).",
                remedy="Move it away and index again, or restore it from a snapshot.",
            ) from error
        raise StoreError(
            f"{path.name}: {error}.",
            remedy="Run the command again with CHARTWELL_LOG_LEVEL=debug and keep the output.",
        ) from error
    except OSError as error:
        raise _file_error(path, error) from error


def _file_error(path: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return _read_only(path)
    return StoreUnavailable(
        f"{path.name} cannot be opened ({error.strerror}).",
        remedy="Check that the data folder exists on a local disk and that this user may write to it.",
    )


def _disk_full(path: Path) -> StoreError:
    return StoreLimitReached(
        f"The disk that holds {path.name} is full.",
        remedy="Free some space and run the same command again: finished work is kept.",
    )


def _read_only(path: Path) -> StoreError:
    return StoreAccessDenied(
        f"{path.name} is read-only for this user.",
        remedy="Mount the disk writable or give this user write permission, then run the same command again.",
    )


def _operational(path: Path, error: sqlite3.OperationalError) -> StoreError:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or "disk is full" in str(error):
        return _disk_full(path)
    # A file with a write-ahead log cannot even be opened on a disk that turned read-only.
    if name.startswith("SQLITE_READONLY") or (
        name.startswith("SQLITE_CANTOPEN") and path.parent.is_dir() and not os.access(path.parent, os.W_OK)
    ):
        return _read_only(path)
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
    return StoreError(
        f"{path.name}: {error}.",
        remedy="Run the command again with CHARTWELL_LOG_LEVEL=debug and keep the output.",
    )
