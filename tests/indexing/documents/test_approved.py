"""What runs and decisions make of each other: whatever the order, what is not approved is not in the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.config import Settings
from pipeline.indexing.documents.approved import (
    LIBRARY_SOURCE,
    accept_approved,
    approved_records,
    decide,
    still_approved,
    tidy,
)
from pipeline.indexing.documents.intake import Intake
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.library.catalogue import LibraryCatalogue
from pipeline.library.library import Library
from pipeline.library.originals import OriginalFolder
from pipeline.library.readings import Readings
from pipeline.library.states import Decision
from pipeline.library.versions import LibraryDomain
from pipeline.records import Rejection, SourceRecord, library_id
from pipeline.storage.sqlite import Database
from pipeline.wiring import open_corpus
from tests.indexing.documents.test_intake import TextReader, written

Act = Callable[[], object]


@dataclass(frozen=True)
class Desk:
    """A library, the store that is searched, and what is done to both."""

    intake: Intake
    indexing: Indexing
    folder: Path

    @property
    def library(self) -> Library:
        return self.intake.library

    def take(self, text: str, supersedes: str = "") -> str:
        path = written(self.folder, "a.txt", text)
        added = self.intake.take(path, "a.txt", "pain", "librarian", supersedes=supersedes)
        return added.version.version_id

    def decide(self, decision: Decision, *version_ids: str) -> None:
        remove = self.indexing.committer.remove
        decide(self.library.catalogue, remove, version_ids, decision, "reviewer", "")

    def run(self, after_each: Act = lambda: None) -> RunCounts:
        """`after_each`: what others do once the run has read a record, and has not staged it."""

        def records() -> Iterator[SourceRecord | Rejection]:
            for record in list(approved_records(self.intake)):
                yield record
                after_each()

        return self.indexing.run(records(), sources=[LIBRARY_SOURCE], prune=True)

    def searched(self) -> set[str]:
        return {key.removeprefix(LIBRARY_SOURCE) for key, _ in self.indexing.store.chunk_ids()}

    def approved(self) -> set[str]:
        return {each.version_id for each in self.library.catalogue.approved()}


class Clock:
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    settings = Settings(data_dir=tmp_path / "data")
    folder = tmp_path / "library"
    with closing(Database(folder / "library.sqlite")) as database, open_corpus(settings) as corpus:
        catalogue = LibraryCatalogue(database, clock=clock)
        library = Library(catalogue, OriginalFolder(folder / "originals"), Readings(folder / "readings"))
        library.catalogue.put_domain(LibraryDomain("pain", retention_days=30))
        indexing = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            RejectionLog(None),
            SilentObserver(),
            vector_cache=corpus.vector_cache,
            accept=accept_approved,
            still_held=still_approved(library.catalogue),
        )
        indexing.material.prepare()
        indexing.ledger.prepare()
        yield Desk(Intake(library, TextReader()), indexing, tmp_path)


def test_what_is_withdrawn_while_a_run_reads_the_library_is_not_brought_back(desk: Desk) -> None:
    gone, stays = desk.take("Give ketamine slowly."), desk.take("Watch the breathing.")
    desk.decide("approve", gone, stays)
    desk.run(after_each=lambda: desk.decide("withdraw", gone))
    assert desk.searched() == desk.approved() == {stays}


def test_what_is_superseded_while_a_run_reads_the_library_is_not_brought_back(desk: Desk) -> None:
    old = desk.take("Give ketamine slowly.")
    desk.decide("approve", old)
    new = desk.take("Give ketamine very slowly.", supersedes=old)
    desk.run(after_each=lambda: desk.decide("approve", new))
    assert desk.approved() == {new}
    assert desk.searched() <= {new}
    desk.run()
    assert desk.searched() == {new}


def test_what_a_run_staged_before_a_withdrawal_was_recorded_leaves_with_it(desk: Desk) -> None:
    gone = desk.take("Give ketamine slowly.")
    desk.decide("approve", gone)
    remove, runs = desk.indexing.committer.remove, []

    def remove_and_run(ids: Sequence[str]) -> int:
        removed = remove(ids)
        if not runs:  # a run comes between the removal and its record
            runs.append(desk.run())
        return removed

    decide(desk.library.catalogue, remove_and_run, [gone], "withdraw", "reviewer", "")
    assert runs[0].embedded == 1
    assert desk.searched() == desk.approved() == set()


def test_what_another_run_brought_meanwhile_is_not_taken_for_missing(desk: Desk) -> None:
    first, second = desk.take("Give ketamine slowly."), desk.take("Watch the breathing.")
    desk.decide("approve", first)

    def another_run() -> None:
        desk.decide("approve", second)
        other = replace(desk, indexing=replace(desk.indexing))
        other.run()

    desk.run(after_each=another_run)
    assert desk.searched() == desk.approved() == {first, second}


def test_what_its_domain_keeps_no_longer_leaves_the_store_for_good(desk: Desk, clock: Clock) -> None:
    old = desk.take("Give ketamine slowly.")
    desk.decide("approve", old)
    desk.run()
    clock.now += dt.timedelta(days=31)
    brought_back: list[str] = []

    def remove(ids: Sequence[str]) -> int:
        removed = desk.indexing.committer.remove(ids)
        if not brought_back:
            brought_back.append(old)
            desk.run()
            assert desk.searched() == {old}
        return removed

    tidy(desk.library, remove, 0.0)
    assert desk.library.catalogue.version(old) is None
    assert desk.searched() == set()
    assert desk.indexing.ledger.known([library_id(old)]) == {}
