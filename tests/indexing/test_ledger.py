"""The ledger in SQLite keeps the contract, with the store in one database and apart; what is its own follows."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import SchemaMismatch
from pipeline.indexing.ledger import SqliteLedger, has_died, this_process
from pipeline.ports import Ledger
from pipeline.storage.sqlite import Database
from tests.contracts.ledger import LEASE_SECONDS, Clock, LedgerContract, OpenLedger, staging


@pytest.mark.parametrize("keep_notes", [False, True], ids=["one database", "two"])
class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def open_ledger(self, tmp_path: Path, keep_notes: bool) -> OpenLedger:
        def opened(owner: str, clock: Clock | None, lease_seconds: float = LEASE_SECONDS) -> Ledger:
            return SqliteLedger(
                Database(tmp_path / "ledger.sqlite"),
                lease_seconds=lease_seconds,
                owner=owner,
                keep_notes=keep_notes,
                clock=clock or time.time,
            )

        return opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> SqliteLedger:
    ledger = SqliteLedger(Database(tmp_path / "ledger.sqlite"), lease_seconds=60, owner="w1", clock=clock)
    ledger.prepare()
    return ledger


def worker(ledger: SqliteLedger, owner: str, clock: Clock) -> SqliteLedger:
    return SqliteLedger(ledger._database, lease_seconds=60, owner=owner, clock=clock)


def test_extending_a_lease_keeps_the_note(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging("n1")])
    ledger.claim(1)
    clock.now += 50
    ledger.extend()
    clock.now += 50
    assert worker(ledger, "w2", clock).claim(1) == []


def test_a_beat_that_fails_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = SqliteLedger(Database(tmp_path / "ledger.sqlite"), lease_seconds=0.03, owner="w1")
    beats, again = iter([True]), threading.Event()

    def extend() -> None:
        if next(beats, False):
            raise ZeroDivisionError("words of a note")
        again.set()

    monkeypatch.setattr(ledger, "extend", extend)
    with ledger.heartbeat():
        assert again.wait(20)
    (line,) = [each for each in caplog.records if each.getMessage() == "a lease was not renewed"]
    assert vars(line)["error"] == "ZeroDivisionError"
    assert vars(line)["place"].startswith("test_ledger.py:")


def test_notes_of_a_process_that_died_are_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    script = (
        "import sys, os, pathlib\n"
        "from pipeline.storage.sqlite import Database\n"
        "from pipeline.indexing.ledger import SqliteLedger\n"
        "from pipeline.records import Document, StagedNote\n"
        "ledger = SqliteLedger(Database(pathlib.Path(sys.argv[1])), lease_seconds=3600)\n"
        "ledger.prepare()\n"
        "ledger.stage([StagedNote(Document('n1', 'p', 't', 'x'), 's', 'f')])\n"
        "assert ledger.claim(1)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=False, timeout=60)
    survivor = SqliteLedger(Database(path), lease_seconds=3600)
    assert survivor.counts()["processing"] == 1
    survivor.prepare()
    assert len(survivor.claim(1)) == 1


def test_only_processes_of_this_machine_that_are_gone_count_as_dead() -> None:
    assert not has_died(this_process())
    assert not has_died("another-host:1:123")
    host = this_process().rsplit(":", 2)[0]
    assert has_died(f"{host}:{os.getpid()}:1")


def test_dead_workers_notes_are_claimed_in_the_middle_of_a_run(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging("n1")])
    host, number, _ = this_process().rsplit(":", 2)
    worker(ledger, f"{host}:{number}:1", clock).claim(1)
    elsewhere = ledger.elsewhere()
    assert elsewhere is not None
    assert elsewhere.notes == 1
    assert [claim.document.resource_id for claim in ledger.claim(10)] == ["n1"]
    assert ledger.elsewhere() is None


OLD_STATE = """CREATE TABLE VectorizationState (
    Sequence INTEGER PRIMARY KEY AUTOINCREMENT, ResourceID TEXT NOT NULL UNIQUE, Source TEXT NOT NULL,
    Fingerprint TEXT NOT NULL, Status TEXT NOT NULL, Attempts INTEGER NOT NULL DEFAULT 0, LastError TEXT,
    Chunks INTEGER, Owner TEXT, LeaseUntil REAL, CreatedAt REAL NOT NULL, UpdatedAt REAL NOT NULL, CompletedAt REAL
)"""
OLD_INSERT = (
    "INSERT INTO VectorizationState (ResourceID, Source, Fingerprint, Status, CreatedAt, UpdatedAt) "
    "VALUES (?, 'a.jsonl', 'f', 'pending', 1, 1)"
)


def test_a_ledger_of_the_first_release_is_brought_up_where_it_stands(tmp_path: Path) -> None:
    database = Database(tmp_path / "ledger.sqlite")
    database.connection.execute(OLD_STATE)
    database.connection.execute(OLD_INSERT, ("n1",))
    ledger = SqliteLedger(database, lease_seconds=60)
    assert ledger.counts()["pending"] == 1  # reading alone needs no upgrade
    for _ in range(2):
        ledger.prepare()
    database.connection.execute(OLD_INSERT, ("n2",))  # a process of that release that still runs
    assert ledger.unidentified(10) == ["n1", "n2"]
    assert {key: known.patient_id for key, known in ledger.known(["n1", "n2"]).items()} == {
        "n1": None,
        "n2": None,
    }
    ledger.identify([("n1", "p1", "DocumentReference"), ("n2", "p2", None)])
    assert ledger.unidentified(10) == []
    assert ledger.bare(["n1", "n2"]) == {"n1": ("DocumentReference", "p1")}


def test_a_ledger_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "ledger.sqlite")
    SqliteLedger(database, lease_seconds=60).prepare()
    held = database.connection.execute("SELECT Component, Version FROM ComponentVersions").fetchall()
    assert held == [("ledger", 2)]
    database.connection.execute("UPDATE ComponentVersions SET Version = 3")
    with pytest.raises(SchemaMismatch, match=r"The ledger in .*ledger\.sqlite has schema version 3"):
        SqliteLedger(database, lease_seconds=60).prepare()
