"""What every ledger promises, as tests. Knows `ports.Ledger` and records only, no database.

An implementation's test file subclasses `LedgerContract` and supplies `open_ledger`: a callable that opens one more
worker on this test's own, initially empty ledger.

    class TestSqliteLedger(LedgerContract):
        @pytest.fixture
        def open_ledger(self, tmp_path): ...
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest

from pipeline.ports import Ledger
from pipeline.records import Claim, Document, NoteVersion, StagedNote, Withdrawal

LEASE_SECONDS = 60.0
AWAY = "another-host:1:1"
"""A worker of which no one here can know whether it is alive."""


class Clock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class OpenLedger(Protocol):
    def __call__(self, owner: str, clock: Clock | None, lease_seconds: float = LEASE_SECONDS) -> Ledger:
        """One more worker. `clock` None: the real time."""


def note(resource_id: str, text: str = "Fever.", patient: str = "p1") -> Document:
    return Document(resource_id, patient, "note", text, metadata={"ward": "3"})


def staging(resource_id: str, fingerprint: str = "f1", source: str = "a.jsonl") -> StagedNote:
    return StagedNote(note(resource_id), source, fingerprint)


def ids(claims: Sequence[Claim]) -> list[str]:
    return [claim.document.resource_id for claim in claims]


class LedgerContract:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def open_ledger(self) -> OpenLedger:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, open_ledger: OpenLedger, clock: Clock) -> Ledger:
        ledger = open_ledger("w1", clock)
        ledger.prepare()
        return ledger

    @pytest.fixture
    def other(self, open_ledger: OpenLedger, ledger: Ledger, clock: Clock) -> Ledger:
        return open_ledger("w2", clock)

    # --- work

    def test_a_note_goes_from_pending_to_completed(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1"), staging("n2")])
        assert ledger.counts() == {"pending": 2, "processing": 0, "completed": 0, "failed": 0}
        first, second = ledger.claim(10)
        assert (first.document, first.attempt) == (note("n1"), 1)
        assert ledger.counts()["processing"] == 2
        assert ledger.complete([(first, 3), (second, 1)]) == []
        assert list(ledger.completed()) == [("n1", 3), ("n2", 1)]
        assert ledger.claim(10) == []

    def test_what_was_read_first_is_claimed_first(self, ledger: Ledger) -> None:
        ledger.stage([staging("z")])
        ledger.stage([staging("a"), staging("m")])
        assert ids(ledger.claim(2)) == ["z", "a"]
        assert ids(ledger.claim(2)) == ["m"]

    def test_two_workers_never_hold_the_same_note(self, ledger: Ledger, other: Ledger) -> None:
        ledger.stage([staging(f"n{i}") for i in range(5)])
        mine, theirs = set(ids(ledger.claim(3))), set(ids(other.claim(3)))
        assert mine | theirs == {f"n{i}" for i in range(5)}
        assert not mine & theirs

    def test_threads_that_claim_at_the_same_time_share_the_notes(
        self, open_ledger: OpenLedger, ledger: Ledger, clock: Clock
    ) -> None:
        ledger.stage([staging(f"n{i}") for i in range(60)])
        workers = [open_ledger(f"host:{i}:1", clock) for i in range(4)]
        with ThreadPoolExecutor(len(workers)) as threads:
            claimed = list(threads.map(lambda each: [*ids(each.claim(7)), *ids(each.claim(8))], workers))
        assert sorted(key for keys in claimed for key in keys) == sorted(f"n{i}" for i in range(60))

    def test_another_worker_sees_what_is_staged_and_done(self, ledger: Ledger, other: Ledger) -> None:
        ledger.stage([staging("n1")])
        assert other.claimable()
        (claim,) = ledger.claim(1)
        assert not other.claimable()
        ledger.complete([(claim, 2)])
        assert list(other.completed()) == [("n1", 2)]

    def test_a_silent_workers_notes_go_to_another_and_its_late_result_is_refused(
        self, ledger: Ledger, other: Ledger, clock: Clock
    ) -> None:
        ledger.stage([staging("n1")])
        (late,) = ledger.claim(1)
        assert other.claim(1) == []
        clock.now += LEASE_SECONDS + 1
        (taken,) = other.claim(1)
        assert taken.attempt == 2
        assert ledger.complete([(late, 1)]) == [late]
        assert other.complete([(taken, 1)]) == []

    def test_a_slow_batch_keeps_its_notes(self, open_ledger: OpenLedger, ledger: Ledger) -> None:
        slow, other = open_ledger("w1", None, 0.2), open_ledger("w2", None, 0.2)
        slow.stage([staging("n1")])
        slow.claim(1)
        with slow.heartbeat():
            time.sleep(0.5)
            assert other.claim(1) == []
        time.sleep(0.3)
        assert ids(other.claim(1)) == ["n1"]

    def test_a_note_that_changes_while_it_is_worked_on_is_done_again(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1", "old")])
        (claim,) = ledger.claim(1)
        ledger.stage([staging("n1", "new")])
        assert ledger.complete([(claim, 1)]) == [claim]
        (again,) = ledger.claim(1)
        assert (again.fingerprint, again.attempt) == ("new", 1)

    def test_a_failed_note_keeps_its_reason_and_can_be_retried(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1")])
        (claim,) = ledger.claim(1)
        ledger.fail(claim, "too long")
        assert ledger.claim(1) == []
        (failure,) = ledger.failures()
        assert (failure.resource_id, failure.attempts, failure.error) == ("n1", 1, "too long")
        ledger.retry(["n1", "unknown"])
        (again,) = ledger.claim(1)
        assert again.attempt == 2

    def test_a_claim_that_no_longer_holds_cannot_fail_a_note(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1", "old")])
        (claim,) = ledger.claim(1)
        ledger.stage([staging("n1", "new")])
        ledger.fail(claim, "too long")
        assert ledger.counts()["failed"] == 0

    def test_a_worker_does_not_claim_its_own_notes_twice(
        self, ledger: Ledger, other: Ledger, clock: Clock
    ) -> None:
        ledger.stage([staging("n1")])
        assert len(ledger.claim(10)) == 1
        clock.now += 1000
        assert ledger.claim(10) == []
        assert len(other.claim(10)) == 1

    def test_held_tells_which_claims_still_hold(self, ledger: Ledger, other: Ledger, clock: Clock) -> None:
        ledger.stage([staging("taken")])
        taken = ledger.claim(1)
        clock.now += LEASE_SECONDS + 1
        other.claim(1)
        ledger.stage([staging("same"), staging("changed"), staging("gone")])
        claims = [*taken, *ledger.claim(10)]
        ledger.stage([staging("changed", "f2")])
        ledger.forget(["gone"])
        holding = dict(zip(ids(claims), ledger.held(claims), strict=True))
        assert holding == {"taken": False, "same": True, "changed": False, "gone": False}

    def test_what_was_overtaken_is_done_again_and_what_is_gone_is_named(
        self, ledger: Ledger, other: Ledger
    ) -> None:
        """A note changed and was stored by another worker, while this one was about to store the older version."""
        ledger.stage([staging("n1"), staging("n2"), staging("n3")])
        claims = ledger.claim(10)
        ledger.stage([staging("n1", "f2")])
        other.complete([(claim, 1) for claim in other.claim(1)])
        ledger.forget(["n2"])
        lost = ledger.complete([(claim, 1) for claim in claims])
        assert ids(lost) == ["n1", "n2"]
        assert ledger.overtaken(lost) == ["n2"]
        assert ledger.counts() == {"pending": 1, "processing": 0, "completed": 1, "failed": 0}

    def test_a_note_that_is_given_back_waits_and_has_lost_no_attempt(
        self, ledger: Ledger, other: Ledger
    ) -> None:
        ledger.stage([staging("n1")])
        claims = ledger.claim(1)
        other.give_back(claims)
        assert not ledger.claimable()
        ledger.give_back(claims)
        assert ledger.claimable()
        assert ledger.claim(1)[0].attempt == 1
        assert not ledger.claimable()

    def test_release_gives_back_what_this_worker_holds(self, ledger: Ledger, other: Ledger) -> None:
        ledger.stage([staging("n1"), staging("n2")])
        ledger.claim(1)
        other.claim(1)
        ledger.release()
        assert ids(ledger.claim(10)) == ["n1"]
        assert ledger.elsewhere() is not None

    @pytest.mark.parametrize("ahead", [7200.0, 400 * 86400.0, 20 * 365 * 86400.0])
    def test_a_lease_of_a_clock_that_ran_ahead_counts_as_over(
        self, open_ledger: OpenLedger, ledger: Ledger, clock: Clock, ahead: float
    ) -> None:
        ledger.stage([staging("n1")])
        open_ledger(AWAY, Clock(clock.now + ahead)).claim(1)
        assert ids(ledger.claim(10)) == ["n1"]

    def test_a_clock_that_is_a_little_ahead_keeps_its_lease(
        self, open_ledger: OpenLedger, ledger: Ledger, clock: Clock
    ) -> None:
        ledger.stage([staging("n1")])
        fast = Clock(clock.now + 30)
        open_ledger(AWAY, fast).claim(1)
        assert ledger.claim(10) == []
        elsewhere = ledger.elsewhere()
        assert elsewhere is not None
        assert (elsewhere.notes, elsewhere.owner, elsewhere.until) == (1, AWAY, fast.now + LEASE_SECONDS)

    # --- notes

    def test_what_is_known_of_a_note(self, ledger: Ledger) -> None:
        version = NoteVersion("2024-01-01T00:00:00Z", 3)
        ledger.stage([StagedNote(note("n1", patient="p7"), "/in", "f1", "/in/a.jsonl", version)])
        known = ledger.known(["n1", "unknown"])
        assert list(known) == ["n1"]
        found = known["n1"]
        assert (found.fingerprint, found.state, found.attempts) == ("f1", "pending", 0)
        assert (found.source, found.file, found.patient_id) == ("/in", "/in/a.jsonl", "p7")
        assert found.version == version
        ledger.place("n1", "/later", "/later/b.jsonl", None)
        moved = ledger.known(["n1"])["n1"]
        assert (moved.source, moved.file, moved.version) == ("/later", "/later/b.jsonl", None)
        assert (moved.fingerprint, moved.state) == ("f1", "pending")

    def test_a_note_that_waits_is_staged_as_it_was_read(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1")])
        assert ledger.staged("n1") == note("n1")
        assert ledger.staged("n2") is None
        ledger.stage([StagedNote(note("n1", "Cough."), "a.jsonl", "f2")])
        assert ledger.staged("n1") == note("n1", "Cough.")
        ledger.forget(["n1"])
        assert (ledger.staged("n1"), dict(ledger.known(["n1"])), ledger.claim(1)) == (None, {}, [])

    def test_what_a_note_replaces_is_told_with_its_claim(self, ledger: Ledger) -> None:
        ledger.stage([StagedNote(note("n1"), "a", "f1", replaces="old")])
        ledger.stage([staging("n1", "f2")])
        (claim,) = ledger.claim(1)
        assert claim.replaces == "old"
        ledger.complete([(claim, 1)])
        ledger.stage([staging("n1", "f3")])
        assert ledger.claim(1)[0].replaces is None

    def test_the_texts_of_a_resource(self, ledger: Ledger) -> None:
        ledger.stage([staging(key) for key in ("D/1", "D/1#1", "D/1#2", "D/1#x", "D/11#1", "D/2#1")])
        first, *rest = ledger.parts("D/1")
        assert (first, sorted(rest)) == ("D/1", ["D/1#1", "D/1#2"])
        assert ledger.parts("unknown") == ["unknown"]

    def test_a_removal_takes_notes_out(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1"), staging("n2")])
        with ledger.removing(["n1"]):
            pass
        assert list(ledger.known(["n1", "n2"])) == ["n2"]
        assert ledger.condemned() == []

    def test_a_removal_that_is_cut_short_is_undone_or_remembered(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1")])
        (claim,) = ledger.claim(1)
        with pytest.raises(RuntimeError), ledger.removing(["n1"]):
            raise RuntimeError
        condemned = ledger.condemned() == ["n1"]
        assert ledger.held([claim]) == [not condemned]
        assert ledger.counts()["failed"] == condemned
        ledger.stage([staging("n1")])
        assert ledger.condemned() == []

    def test_withdrawals_are_remembered_until_restored(self, ledger: Ledger, other: Ledger) -> None:
        assert not ledger.has_withdrawals()
        first = Withdrawal("p1", "/in/a.ndjson", NoteVersion("2024-01-01T00:00:00Z", None))
        ledger.withdraw({"D/1": first, "D/2": Withdrawal(None, "/in/b.ndjson", None)})
        assert other.has_withdrawals()
        assert other.withdrawals(["D/1", "D/3"]) == {"D/1": first}
        later = Withdrawal("p1", "/in/c.ndjson", NoteVersion(None, 4))
        ledger.withdraw({"D/1": later})
        ledger.restore(["D/2"])
        assert ledger.all_withdrawals() == {"D/1": later}

    def test_who_gave_the_patients_ids(self, ledger: Ledger) -> None:
        ledger.remember_authorities({("7", "hl7"): "GEN", ("8", "hl7"): "GEN"})
        ledger.remember_authorities({("7", "hl7"): "CITY", ("7", "fhir"): "urn:1"})
        assert ledger.authorities(["7"]) == {("7", "hl7"): "CITY", ("7", "fhir"): "urn:1"}
        assert len(ledger.all_authorities()) == 3
        ledger.stage([StagedNote(note("n1", patient="7"), "a", "f")])
        assert ledger.patients_held(["7", "8"]) == {"7"}
        ledger.stage(
            [StagedNote(note("n2", patient="8"), "a", "f", "/a/2"), StagedNote(note("n3"), "a", "f")]
        )
        found = ledger.of_patients(["7", "8", "9"])
        assert {key: (each.patient_id, each.file) for key, each in found.items()} == {
            "n1": ("7", ""),
            "n2": ("8", "/a/2"),
        }

    # --- sightings

    def test_missing_looks_only_at_the_sources_that_were_read(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1", source="a"), staging("n2", source="a"), staging("n3", source="b")])
        ledger.begin_sighting()
        ledger.saw(["n1"])
        assert ledger.missing(["a"]) == ["n2"]
        ledger.forget(["n2"])
        assert ledger.missing(["a"]) == []

    def test_missing_is_what_lay_below_a_folder_that_was_read(self, ledger: Ledger) -> None:
        files = {
            "n1": ("/in", "/in/a/1"),
            "n2": ("/in/a", "/in/a/2"),
            "n3": ("/in/ab", "/in/ab/3"),
            "n4": ("/in/a/.b", "/in/a/.b/4"),
        }
        ledger.stage([StagedNote(note(key), source, "f", file=file) for key, (source, file) in files.items()])
        ledger.begin_sighting()
        assert ledger.missing(["/in/a"]) == ["n1", "n2"]
        assert ledger.missing(["/in/a/2", "/in/ab/"]) == ["n2", "n3"]
        assert ledger.missing(["/"]) == ["n1", "n2", "n3"]
        assert ledger.missing(["/in/a/.b"]) == ["n4"]

    def test_outdated_is_what_a_file_held_before(self, ledger: Ledger) -> None:
        files = {"n1": "/in/1", "n2": "/in/1", "n3": "/in/2", "n4": ""}
        ledger.stage([StagedNote(note(key), "/in", "f", file=file) for key, file in files.items()])
        ledger.begin_sighting()
        assert ledger.outdated() == {}
        ledger.saw(["n2"])
        assert ledger.outdated() == {"n1": "n2"}
        ledger.saw(["n1"])
        assert ledger.outdated() == {}

    def test_sightings_begin_empty_and_are_this_workers(self, ledger: Ledger, other: Ledger) -> None:
        ledger.stage([staging("n1"), staging("D/1#1"), staging("D/1#2")])
        ledger.begin_sighting()
        other.begin_sighting()
        ledger.saw(["n1", "D/1#1", "D/9#1"])
        ledger.saw(["n1"])
        assert ledger.seen(["n1", "D/1#2"]) == {"n1"}
        assert sorted(ledger.seen_parts()) == ["D/1#1", "D/9#1"]
        assert ledger.unseen_parts() == ["D/1#2"]
        assert other.seen(["n1"]) == set()
        ledger.begin_sighting()
        assert (ledger.seen(["n1"]), ledger.seen_parts()) == (set(), [])

    # --- progress

    def test_failures_are_listed_and_counted(self, ledger: Ledger) -> None:
        ledger.stage([staging(f"n{i}") for i in range(4)])
        for claim, error in zip(ledger.claim(4), ("b", "a", "a", "c"), strict=True):
            ledger.fail(claim, error)
        assert [failure.resource_id for failure in ledger.failures(2)] == ["n0", "n1"]
        assert len(ledger.failures(-1)) == 4
        assert list(ledger.failure_reasons(2).items()) == [("a", 2), ("b", 1)]

    def test_done_notes_are_listed_by_id(self, ledger: Ledger) -> None:
        ledger.stage([staging("b"), staging("a"), staging("c")])
        ledger.complete([(claim, 2) for claim in ledger.claim(2)])
        assert list(ledger.completed()) == [("a", 2), ("b", 2)]

    def test_pace_is_notes_by_the_time_between_the_first_and_the_last(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        assert ledger.pace() is None
        ledger.stage([staging(f"n{i}") for i in range(3)])
        for claim in ledger.claim(3):
            ledger.complete([(claim, 1)])
            clock.now += 30
        pace = ledger.pace()
        assert pace is not None
        assert (pace.notes_per_minute, pace.last_at) == (3.0, 1060.0)

    # --- all of it

    def test_a_transaction_that_fails_leaves_nothing(self, ledger: Ledger, other: Ledger) -> None:
        def stage_and_fail() -> None:
            with ledger.transaction():
                ledger.stage([staging("n1")])
                with ledger.transaction():
                    ledger.withdraw({"n2": Withdrawal(None, "a", None)})
                raise RuntimeError

        with pytest.raises(RuntimeError):
            stage_and_fail()
        assert other.counts()["pending"] == 0
        assert not other.has_withdrawals()

    def test_storing_ends_with_the_notes_done(self, ledger: Ledger, other: Ledger) -> None:
        ledger.stage([staging("n1")])
        claims = ledger.claim(1)
        with ledger.storing():
            assert ledger.held(claims) == [True]
            assert ledger.complete([(claim, 1) for claim in claims]) == []
        assert other.counts()["completed"] == 1

    def test_prepare_keeps_what_is_there(self, ledger: Ledger, other: Ledger) -> None:
        ledger.stage([staging("n1")])
        ledger.claim(1)
        ledger.prepare()
        assert ledger.counts()["processing"] == 1

    def test_a_fresh_start_forgets_notes_withdrawals_and_authorities(self, ledger: Ledger) -> None:
        ledger.stage([staging("n1")])
        ledger.withdraw({"DocumentReference/1": Withdrawal("p1", "/in/a.ndjson", None)})
        ledger.remember_authorities({("7", "hl7"): "GEN"})
        assert (ledger.has_withdrawals(), ledger.all_authorities()) == (True, {("7", "hl7"): "GEN"})
        ledger.forget_all()
        assert (ledger.has_withdrawals(), ledger.all_authorities()) == (False, {})
        assert (sum(ledger.counts().values()), ledger.staged("n1")) == (0, None)
