"""The ledger: leases, takeover, staging, and what happens to a claim whose note changed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.indexing.ledger import SqliteLedger, has_died, this_process
from pipeline.records import Document, StagedNote, Withdrawal
from pipeline.storage.sqlite import Database


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def note(resource_id: str, text: str = "Fever.") -> Document:
    return Document(resource_id, "p1", "note", text, metadata={"ward": "3"})


def staging(resource_id: str, fingerprint: str = "f1", source: str = "a.jsonl") -> StagedNote:
    return StagedNote(note(resource_id), source, fingerprint)


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


def test_a_note_goes_from_pending_to_completed(ledger: SqliteLedger) -> None:
    ledger.stage([staging("n1"), staging("n2")])
    assert ledger.counts() == {"pending": 2, "processing": 0, "completed": 0, "failed": 0}
    first, second = ledger.claim(10)
    assert (first.document, first.attempt) == (note("n1"), 1)
    assert ledger.counts()["processing"] == 2
    assert ledger.complete([(first, 3), (second, 1)]) == []
    assert list(ledger.completed()) == [("n1", 3), ("n2", 1)]
    assert ledger.claim(10) == []


def test_two_workers_never_hold_the_same_note(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging(f"n{i}") for i in range(5)])
    other = worker(ledger, "w2", clock)
    mine = {claim.document.resource_id for claim in ledger.claim(3)}
    theirs = {claim.document.resource_id for claim in other.claim(3)}
    assert mine | theirs == {f"n{i}" for i in range(5)}
    assert not mine & theirs


def test_a_silent_workers_notes_go_to_another_and_its_late_result_is_refused(
    ledger: SqliteLedger, clock: Clock
) -> None:
    ledger.stage([staging("n1")])
    (late,) = ledger.claim(1)
    other = worker(ledger, "w2", clock)
    assert other.claim(1) == []
    clock.now += 61
    (taken,) = other.claim(1)
    assert taken.attempt == 2
    assert ledger.complete([(late, 1)]) == [late]
    assert other.complete([(taken, 1)]) == []


def test_extending_a_lease_keeps_the_note(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging("n1")])
    ledger.claim(1)
    clock.now += 50
    ledger.extend()
    clock.now += 50
    assert worker(ledger, "w2", clock).claim(1) == []


def test_a_note_that_changes_while_it_is_worked_on_is_done_again(ledger: SqliteLedger) -> None:
    ledger.stage([staging("n1", "old")])
    (claim,) = ledger.claim(1)
    ledger.stage([staging("n1", "new")])
    assert ledger.complete([(claim, 1)]) == [claim]
    (again,) = ledger.claim(1)
    assert again.fingerprint == "new"


def test_a_failed_note_keeps_its_reason_and_can_be_retried(ledger: SqliteLedger) -> None:
    ledger.stage([staging("n1")])
    (claim,) = ledger.claim(1)
    ledger.fail(claim, "too long")
    assert ledger.claim(1) == []
    (failure,) = ledger.failures()
    assert (failure.resource_id, failure.attempts, failure.error) == ("n1", 1, "too long")
    ledger.retry(["n1"])
    (again,) = ledger.claim(1)
    assert again.attempt == 2


def test_missing_looks_only_at_the_sources_that_were_read(ledger: SqliteLedger) -> None:
    ledger.stage([staging("n1", source="a"), staging("n2", source="a"), staging("n3", source="b")])
    ledger.begin_sighting()
    ledger.saw(["n1"])
    assert ledger.missing(["a"]) == ["n2"]
    ledger.forget(["n2"])
    assert ledger.missing(["a"]) == []


def test_a_transaction_that_fails_leaves_nothing(ledger: SqliteLedger) -> None:
    def stage_and_fail() -> None:
        with ledger.transaction():
            ledger.stage([staging("n1")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stage_and_fail()
    assert ledger.counts()["pending"] == 0


def test_notes_of_a_process_that_died_are_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    script = (
        "import sys, os, pathlib\n"
        "from pipeline.storage.sqlite import Database\n"
        "from pipeline.indexing.ledger import SqliteLedger\n"
        "from pipeline.records import StagedNote\n"
        "from pipeline.records import Document\n"
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


def test_a_worker_does_not_claim_its_own_notes_twice(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging("n1")])
    assert len(ledger.claim(10)) == 1
    clock.now += 1000
    assert ledger.claim(10) == []
    assert len(worker(ledger, "w2", clock).claim(10)) == 1


def test_held_tells_which_claims_still_hold(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging("same"), staging("changed"), staging("gone"), staging("taken")])
    claims = ledger.claim(10)
    ledger.stage([staging("changed", "f2")])
    ledger.forget(["gone"])
    with ledger.transaction() as connection:
        connection.execute("UPDATE VectorizationState SET Owner = 'w2' WHERE ResourceID = 'taken'")
    holding = {
        claim.document.resource_id: holds for claim, holds in zip(claims, ledger.held(claims), strict=True)
    }
    assert holding == {"same": True, "changed": False, "gone": False, "taken": False}


def test_what_was_overtaken_is_done_again_and_what_is_gone_is_named(
    ledger: SqliteLedger, clock: Clock
) -> None:
    """A note changed and was stored by another worker, while this one was about to store the older version."""
    ledger.stage([staging("n1"), staging("n2"), staging("n3")])
    claims = ledger.claim(10)
    ledger.stage([staging("n1", "f2")])
    other = worker(ledger, "w2", clock)
    other.complete([(claim, 1) for claim in other.claim(1)])
    ledger.forget(["n2"])
    lost = ledger.complete([(claim, 1) for claim in claims])
    assert [claim.document.resource_id for claim in lost] == ["n1", "n2"]
    assert ledger.overtaken(lost) == ["n2"]
    assert ledger.counts() == {"pending": 1, "processing": 0, "completed": 1, "failed": 0}


def test_a_note_that_is_given_back_waits_and_has_lost_no_attempt(ledger: SqliteLedger) -> None:
    ledger.stage([staging("n1")])
    ledger.give_back(ledger.claim(1))
    assert ledger.claimable()
    assert ledger.claim(1)[0].attempt == 1
    assert not ledger.claimable()


@pytest.mark.parametrize("ahead", [7200.0, 400 * 86400.0, 20 * 365 * 86400.0])
def test_a_lease_of_a_clock_that_ran_ahead_counts_as_over(
    ledger: SqliteLedger, clock: Clock, ahead: float
) -> None:
    ledger.stage([staging("n1")])
    fast = Clock()
    fast.now = clock.now + ahead
    worker(ledger, "another-host:1:1", fast).claim(1)
    assert [claim.document.resource_id for claim in ledger.claim(10)] == ["n1"]


def test_a_clock_that_is_a_little_ahead_keeps_its_lease(ledger: SqliteLedger, clock: Clock) -> None:
    ledger.stage([staging("n1")])
    fast = Clock()
    fast.now = clock.now + 30
    worker(ledger, "another-host:1:1", fast).claim(1)
    assert ledger.claim(10) == []
    elsewhere = ledger.elsewhere()
    assert elsewhere is not None
    assert (elsewhere.notes, elsewhere.owner, elsewhere.until) == (1, "another-host:1:1", fast.now + 60)


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
    assert ledger.counts()["pending"] == 1  # whoever only looks needs no upgrade
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


def test_a_fresh_start_forgets_withdrawals_and_authorities(ledger: SqliteLedger) -> None:
    ledger.withdraw({"DocumentReference/1": Withdrawal("p1", "/in/a.ndjson", None)})
    ledger.remember_authorities({("7", "hl7"): "GEN"})
    assert (ledger.has_withdrawals(), ledger.all_authorities()) == (True, {("7", "hl7"): "GEN"})
    ledger.forget_all()
    assert (ledger.has_withdrawals(), ledger.all_authorities()) == (False, {})
