"""One SQLite file: transactions, snapshots, connections, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import (
    StoreAccessDenied,
    StoreDamaged,
    StoreError,
    StoreLimitReached,
    StoreRejectedRow,
    StoreUnavailable,
)
from pipeline.storage.sqlite import Database, storage_errors


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "deep" / "folder" / "store.sqlite")
    with database.transaction() as connection:
        connection.execute("CREATE TABLE t (n INTEGER UNIQUE)")
    yield database
    database.close()


def rows(database: Database) -> list[int]:
    with database.snapshot() as connection:
        return [number for (number,) in connection.execute("SELECT n FROM t ORDER BY n")]


def test_a_failure_in_an_inner_transaction_undoes_the_outer(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as outer:
            outer.execute("INSERT INTO t VALUES (1)")
            with database.transaction() as inner:
                inner.execute("INSERT INTO t VALUES (2)")
                raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert rows(database) == []
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (3)")
    assert rows(database) == [3]


def test_a_snapshot_does_not_move(database: Database) -> None:
    with database.snapshot() as connection:
        before = connection.execute("SELECT COUNT(*) FROM t").fetchone()
        write = threading.Thread(target=lambda: _insert(database, 1))
        write.start()
        write.join()
        assert connection.execute("SELECT COUNT(*) FROM t").fetchone() == before
    assert rows(database) == [1]


def test_a_snapshot_inside_a_transaction_sees_what_it_wrote(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        assert rows(database) == [1]
    assert rows(database) == [1]


def _insert(database: Database, number: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (?)", (number,))


def test_connections_of_dead_threads_are_closed(database: Database) -> None:
    for number in range(20):
        thread = threading.Thread(target=_insert, args=(database, number))
        thread.start()
        thread.join()
    assert len(database._open) <= 2
    assert rows(database) == list(range(20))


def test_files_and_folder_are_the_owners_alone(database: Database) -> None:
    assert database.path.parent.stat().st_mode & 0o077 == 0
    for file in database.path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_use_after_a_fork_is_refused(database: Database) -> None:
    database._process = os.getpid() + 1
    with pytest.raises(StoreError, match="fork"):
        rows(database)
    database._process = os.getpid()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnavailable, match=r"store\.sqlite"):
        rows(Database(tmp_path / "file" / "store.sqlite"))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EROFS, StoreAccessDenied),
        (errno.EACCES, StoreAccessDenied),
        (errno.ENOSPC, StoreLimitReached),
        (errno.EIO, StoreUnavailable),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else None,
)
def test_what_needs_a_person_is_told_from_what_may_be_better_later(
    tmp_path: Path, number: int, expected: type[StoreError]
) -> None:
    with pytest.raises(StoreError) as caught, storage_errors(tmp_path / ".writing"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is expected
    assert caught.value.transient is (number == errno.EIO)


def test_a_broken_constraint_is_a_rejected_row(database: Database) -> None:
    _insert(database, 1)
    with pytest.raises(StoreRejectedRow), storage_errors(database.path):
        _insert(database, 1)
    assert rows(database) == [1]


def test_a_full_disk_is_a_limit(database: Database) -> None:
    connection = database.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with (
        pytest.raises(StoreLimitReached, match="full"),
        storage_errors(database.path),
        database.transaction() as connection,
    ):
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(50_000)])
    assert rows(database) == []


def test_garbage_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"no database at all, yet long enough " * 1_000)
    with pytest.raises(StoreDamaged):
        rows(Database(path))


@pytest.mark.parametrize(("content", "log"), [(b"S", None), (b"", b"written")])
def test_what_was_cut_is_damage_and_stays_as_it_is(tmp_path: Path, content: bytes, log: bytes | None) -> None:
    """SQLite would take both as new, and remove the log."""
    path, beside = tmp_path / "store.sqlite", tmp_path / "store.sqlite-wal"
    path.write_bytes(content)
    if log is not None:
        beside.write_bytes(log)
    with pytest.raises(StoreDamaged):
        rows(Database(path))
    assert path.read_bytes() == content
    assert log is None or beside.read_bytes() == log


@pytest.mark.parametrize("log", [None, b""])
def test_what_a_crash_leaves_before_the_first_write_is_new(tmp_path: Path, log: bytes | None) -> None:
    path = tmp_path / "store.sqlite"
    path.touch()
    if log is not None:
        (tmp_path / "store.sqlite-wal").write_bytes(log)
    with Database(path).transaction() as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")


def test_no_sqlite_error_escapes(tmp_path: Path) -> None:
    kinds = [
        kind for kind in vars(sqlite3).values() if isinstance(kind, type) and issubclass(kind, sqlite3.Error)
    ]
    assert len(kinds) > 8
    for kind in kinds:
        with pytest.raises(StoreError), storage_errors(tmp_path / "store.sqlite"):
            raise kind("boom")
