"""Numbered upgrades: in order, once, refused where a newer release was at work, whole where they are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SchemaMismatch
from pipeline.storage.schema_upgrades import SqliteVersions, Upgrades
from pipeline.storage.sqlite import Database

ROOT = Path(__file__).parents[2]


def m0001_visits(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE Visits (Id INTEGER PRIMARY KEY)")


def m0002_ward(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE Visits ADD COLUMN Ward TEXT")


def m0003_beds(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE Beds (Id INTEGER PRIMARY KEY)")
    connection.execute("UPDATE Visits SET Ward = 'unknown'")


def m0004_killed(connection: sqlite3.Connection) -> None:
    """A step that dies when half of it is done."""
    connection.execute("ALTER TABLE Visits ADD COLUMN Bed TEXT")
    connection.execute("DELETE FROM Beds")
    os.kill(os.getpid(), signal.SIGKILL)


def m0004_bed(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE Visits ADD COLUMN Bed TEXT")


def upgraded(path: Path, *steps: object) -> Database:
    database = Database(path)
    upgrades = Upgrades(*steps, first=0)  # type: ignore[arg-type]  # the steps above
    SqliteVersions("visits", upgrades).upgrade(database.transaction, "The book of visits")
    return database


def columns(database: Database) -> list[str]:
    return [name for (name,) in database.connection.execute("SELECT name FROM pragma_table_info('Visits')")]


def version(database: Database) -> object:
    return database.connection.execute("SELECT Component, Version FROM ComponentVersions").fetchall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "visits.sqlite"


def test_a_step_is_added_and_taken_once(path: Path) -> None:
    first = upgraded(path, m0001_visits)
    first.connection.execute("INSERT INTO Visits VALUES (7)")
    assert version(first) == [("visits", 1)]
    for _ in range(2):
        later = upgraded(path, m0001_visits, m0002_ward, m0003_beds)
        assert version(later) == [("visits", 3)]
    assert columns(later) == ["Id", "Ward"]
    assert later.connection.execute("SELECT * FROM Visits").fetchall() == [(7, "unknown")]


def test_another_process_may_have_taken_the_step(path: Path) -> None:
    """Between the look at the version and the transaction of the step."""
    upgraded(path, m0001_visits)
    database = Database(path)
    held = iter([1, 3])
    recorded: list[int] = []
    taken = Upgrades(m0002_ward, m0003_beds).take(
        lambda _: next(held), lambda _, number: recorded.append(number), database.transaction
    )
    assert (taken, recorded) == (["m0002_ward"], [2])  # the third had come before its transaction began


def test_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    upgraded(path, m0001_visits, m0002_ward)
    with pytest.raises(SchemaMismatch, match=r"The book of visits has schema version 2; .* versions 0 to 1"):
        upgraded(path, m0001_visits)
    assert columns(Database(path)) == ["Id", "Ward"]


def test_a_step_that_fails_leaves_the_version_before(path: Path) -> None:
    def m0002_wrong(connection: sqlite3.Connection) -> None:
        m0002_ward(connection)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        upgraded(path, m0001_visits, m0002_wrong)
    assert version(Database(path)) == [("visits", 1)]
    assert columns(upgraded(path, m0001_visits, m0002_ward)) == ["Id", "Ward"]


@pytest.mark.parametrize("steps", [(m0002_ward,), (m0001_visits, m0003_beds), (m0001_visits, print)])
def test_a_number_that_is_missing_is_a_fault_of_the_program(steps: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="stands where the step to version"):
        Upgrades(*steps, first=0)  # type: ignore[arg-type]  # on purpose


def test_a_kill_within_a_step_leaves_a_file_that_opens(path: Path) -> None:
    upgraded(path, m0001_visits).connection.execute("INSERT INTO Visits VALUES (7)")
    program = (
        "import sys; from pathlib import Path; from tests.storage import test_schema_upgrades as steps; "
        "steps.upgraded(Path(sys.argv[1]), steps.m0001_visits, steps.m0002_ward, steps.m0003_beds, steps.m0004_killed)"
    )
    killed = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert version(Database(path)) == [("visits", 3)]
    assert columns(Database(path)) == ["Id", "Ward"]
    again = upgraded(path, m0001_visits, m0002_ward, m0003_beds, m0004_bed)
    assert columns(again) == ["Id", "Ward", "Bed"]
    assert again.connection.execute("SELECT * FROM Visits").fetchall() == [(7, "unknown", None)]
