"""Indexing while servers, store or disk fail, through the real back-ends: each run ends complete, or stops clearly and
is completed by the next. `python -m tests.fault_runs` does the same at full length, with processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.http.concurrency import SYSTEM_CLOCK, Clock
from pipeline.backends.iris.store import IrisStore
from pipeline.backends.nim import NimEmbedder
from pipeline.call_context.cancellation import Cancellation
from pipeline.config import EmbedderSettings, IndexingSettings, IrisSettings, TransportSettings
from pipeline.errors import ConnectionBroken, ResponseInvalid, StoreLimitReached, StoreUnavailable
from pipeline.indexing import embedding
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.ledger import SqliteLedger
from pipeline.indexing.reconciliation import Reconciliation, reconcile
from pipeline.indexing.rejections import RejectionLog
from pipeline.indexing.vector_cache import SqliteVectorCache
from pipeline.records import SourceRecord
from pipeline.storage.sqlite import Database
from tests.backends.iris_driver import Server
from tests.servers.faults import Faults
from tests.servers.nim import NimServer
from tests.servers.nim_models import EMBEDDER_SMALL
from tests.servers.queueing import ServiceTime

NOTES = 120
SPEED = 60
"""How much faster time passes for the patience of the worker."""


class FastClock:
    """Time that passes `speed` times as fast, so that a minute's wait takes a second."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed = speed

    def now(self) -> float:
        return time.monotonic() * self._speed

    def sleep(self, seconds: float, scope: Cancellation) -> None:
        scope.wait(seconds / self._speed)


class SmallDisk(Database):
    """A database on a disk with room for so many pages; SQLite itself says that it is full."""

    pages_max = 1 << 30

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute(f"PRAGMA max_page_count = {self.pages_max}")
        return connection


def records(count: int = NOTES) -> Iterator[SourceRecord]:
    for number in range(count):
        yield SourceRecord(
            "a.jsonl",
            f"line {number}",
            {
                "resource_id": f"n{number}",
                "patient_id": f"p{number % 7}",
                "document_type": "note",
                "text_content": f"HISTORY\n\nVisit {number} for asthma with a dry cough.\n\nPLAN\n\nInhaler {number}.",
            },
        )


class Corpus:
    """The parts of a run: simulator, scripted IRIS, ledger and spool on files."""

    def __init__(self, folder: Path, server: NimServer, iris: Server) -> None:
        self.folder = folder
        self.server = server
        self.iris = iris
        self.observer = SilentObserver()
        self.clock: Clock = FastClock()
        self.transport = TransportSettings()
        self.lease_seconds = 300.0
        self.pages_max = 1 << 30

    def embedder(self) -> NimEmbedder:
        settings = EmbedderSettings(
            provider="nim",
            url=self.server.url,
            model=EMBEDDER_SMALL,
            dimension=64,
            tokens_max=512,
            batch_size=8,
        )
        return NimEmbedder(settings, self.transport, clock=self.clock)

    def store(self) -> IrisStore:
        return IrisStore(
            IrisSettings(password=SecretStr(self.iris.password), timeout_seconds=5), self.iris.connect
        )

    def ledger(self, owner: str | None = None) -> SqliteLedger:
        database = Database(self.folder / "ledger.sqlite")
        return SqliteLedger(database, lease_seconds=self.lease_seconds, owner=owner, keep_notes=True)

    def indexing(self, stop: Callable[[], bool] = lambda: False, **settings: object) -> Indexing:
        embedder = self.embedder()
        disk = SmallDisk(self.folder / "spool.sqlite")
        disk.pages_max = self.pages_max
        given = {"batch_size": 8, "chunk_tokens_max": 24, "store_patience_seconds": 20.0, **settings}
        return Indexing(
            embedder=embedder,
            store=self.store(),
            ledger=self.ledger(),
            settings=IndexingSettings(**given),  # type: ignore[arg-type]
            rejections=RejectionLog(None),
            observer=self.observer,
            stop=stop,
            vector_cache=SqliteVectorCache(disk, embedder.space),
        )

    def run(self, **options: object) -> RunCounts:
        return self.indexing(**options).run(records(), sources=["a.jsonl"])  # type: ignore[arg-type]

    def verified(self) -> Reconciliation:
        parts = self.indexing()
        parts.store.prepare(parts.embedder.space)
        return reconcile(
            ledger=parts.ledger,
            store=parts.store,
            vector_cache=parts.vector_cache,
            split=parts.chunker.split,
            sample=None,
        )

    def insist_on_all(self) -> None:
        found = self.verified()
        assert (found.notes, found.compared) == (NOTES, NOTES)
        assert found.sound, found
        assert found.stale == ()


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    iris = Server(lock_seconds=5.0)
    with NimServer(embedding=ServiceTime(0.01, 0.0, 4)) as server:
        yield Corpus(tmp_path, server, iris)
    iris.close()


@contextmanager
def later(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_a_fifth_of_all_requests_fails(corpus: Corpus) -> None:
    corpus.server.faults = Faults(failure_share=0.2)
    assert corpus.run().embedded == NOTES
    assert corpus.server.calls["/v1/embeddings 200"] < corpus.server.calls.total()
    assert corpus.server.repeated() == {}
    corpus.insist_on_all()


def test_a_limit_per_minute(corpus: Corpus) -> None:
    corpus.server.faults = Faults(requests_per_minute=12, minute_seconds=60 / SPEED)
    assert corpus.run().embedded == NOTES
    assert corpus.server.calls["/v1/embeddings 429"] > 0
    corpus.insist_on_all()


@pytest.mark.long
def test_an_endpoint_that_is_gone_for_a_minute(corpus: Corpus) -> None:
    speed = (
        SPEED / 4
    )  # what the machine is slow at must stay short compared with the waits, whatever else runs on it
    corpus.clock = FastClock(speed)
    with later(0.1, lambda: corpus.server.vanish(60 / speed)):
        assert corpus.run().embedded == NOTES
    corpus.insist_on_all()


def test_an_endpoint_that_stays_away_ends_the_run_clearly(corpus: Corpus) -> None:
    corpus.server.faults = Faults(status=503)
    corpus.transport = TransportSettings(attempts_max=2)
    with pytest.raises(Exception, match="Given up after 2 attempts") as raised:
        corpus.run()
    assert getattr(raised.value, "transient", False)
    counts = corpus.ledger().counts()
    assert (counts["pending"], counts["processing"], counts["failed"]) == (NOTES, 0, 0)
    corpus.server.faults = Faults()
    assert corpus.run().embedded == NOTES
    corpus.insist_on_all()


def test_one_unlucky_request_does_not_end_the_run(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    embed_batch = NimEmbedder.embed
    unlucky = iter([True])

    def once_unlucky(self: NimEmbedder, *arguments: object) -> object:
        if next(unlucky, False):
            raise ConnectionBroken("The connection broke six times.", remedy="Try again.")
        return embed_batch(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(NimEmbedder, "embed", once_unlucky)
    assert corpus.run().embedded == NOTES
    corpus.insist_on_all()


@pytest.mark.parametrize("culprits", [(7,), (3, 40, 41, 77, 118)], ids=["one", "five"])
def test_a_text_that_the_server_always_fails_on_is_parked_and_the_others_go_in(
    corpus: Corpus, culprits: tuple[int, ...]
) -> None:
    corpus.server.faults = Faults(failing_on=tuple(f"Inhaler {number}." for number in culprits))
    began = corpus.clock.now()
    tally = corpus.run()
    assert corpus.clock.now() - began < 60 * SPEED
    assert (tally.embedded, tally.failed) == (NOTES - len(culprits), len(culprits))
    parked = {failure.resource_id: failure.error for failure in corpus.ledger().failures()}
    assert sorted(parked) == sorted(f"n{number}" for number in culprits)
    assert all("answered 500" in error for error in parked.values())
    assert len(corpus.server.repeated()) <= 1  # the neutral text
    corpus.server.faults = Faults()
    assert corpus.run().embedded == len(culprits)
    corpus.insist_on_all()


@pytest.mark.long
def test_many_texts_that_the_server_fails_on_do_not_each_cost_the_whole_patience(corpus: Corpus) -> None:
    corpus.server.faults = Faults(failing_on=tuple(f"Inhaler {number}." for number in range(0, NOTES, 8)))
    corpus.transport = TransportSettings(in_flight_max=1)
    tally = corpus.run()
    assert (tally.embedded, tally.failed) == (NOTES - 15, 15)
    # Six attempts and four tries for the first, then two and four.
    assert corpus.server.calls["/v1/embeddings 500"] <= 10 + 15 * 6


def test_a_server_that_goes_while_a_note_is_suspected_ends_the_run_clearly(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.server.faults = Faults(failing_on=("Inhaler 7.",))
    corpus.transport = TransportSettings(attempts_max=2)
    answers = iter([True, False])
    check = NimEmbedder.check

    def going(self: NimEmbedder) -> None:
        if not next(answers, False):
            corpus.server.faults = Faults(status=503)
        check(self)

    monkeypatch.setattr(NimEmbedder, "check", going)
    with pytest.raises(Exception, match="answered 50"):
        corpus.run()
    assert corpus.ledger().counts()["failed"] == corpus.ledger().counts()["processing"] == 0


def test_a_server_that_answers_nonsense_parks_no_note(corpus: Corpus) -> None:
    corpus.server.faults = Faults(wrong_width=7)
    with pytest.raises(ResponseInvalid):
        corpus.run()
    assert corpus.ledger().counts()["failed"] == 0
    corpus.server.faults = Faults()
    assert corpus.run().embedded == NOTES
    corpus.insist_on_all()


def test_a_store_that_restarts_five_times_is_waited_for(corpus: Corpus) -> None:
    restarts = []

    class Restarting(SilentObserver):
        def batch(self, tally: RunCounts) -> None:
            if len(restarts) < 5:
                restarts.append(tally.embedded)
                corpus.iris.running = False
                corpus.iris.restart()
                threading.Timer(0.1, start).start()

    def start() -> None:
        corpus.iris.running = True

    corpus.observer = Restarting()
    assert corpus.run().embedded == NOTES
    assert len(restarts) == 5
    corpus.insist_on_all()


def test_a_store_that_stays_away_ends_the_run_and_nothing_is_paid_twice(corpus: Corpus) -> None:
    class Stopping(SilentObserver):
        def batch(self, tally: RunCounts) -> None:
            corpus.iris.running = False
            corpus.iris.restart()

    corpus.observer = Stopping()
    with pytest.raises(StoreUnavailable):
        corpus.run(store_patience_seconds=0.3)
    corpus.iris.running = True
    corpus.observer = SilentObserver()
    assert corpus.run().embedded < NOTES
    assert corpus.server.repeated() == {}
    corpus.insist_on_all()


@pytest.mark.parametrize("owner", ["elsewhere:1:1", None], ids=["on another machine", "on this machine"])
def test_the_notes_of_a_worker_that_dies_are_taken_over(corpus: Corpus, owner: str | None) -> None:
    corpus.lease_seconds = 0.6
    dead = corpus.ledger(owner or gone_process())
    taken = []

    class Dying(SilentObserver):
        def read(self, tally: RunCounts) -> None:
            taken.extend(dead.claim(24))

    corpus.observer = Dying()
    assert corpus.run().embedded == NOTES
    assert len(taken) == 24
    corpus.insist_on_all()


def gone_process() -> str:
    """The owner of a lease whose process number was given out again since."""
    from pipeline.indexing.ledger import this_process  # noqa: PLC0415

    host, number, _ = this_process().rsplit(":", 2)
    return f"{host}:{number}:1"


def test_a_full_disk_stops_clearly_and_the_run_goes_on_once_there_is_room(corpus: Corpus) -> None:
    corpus.pages_max = 14
    corpus.transport = TransportSettings(in_flight_max=6)
    with pytest.raises(StoreLimitReached, match=r"disk that holds spool\.sqlite is full"):
        corpus.run()
    assert corpus.ledger().counts()["processing"] == 0
    corpus.pages_max = 1 << 30
    corpus.run()
    # What was in flight when the disk was full: six requests of eight texts.
    assert len(corpus.server.repeated()) <= 6 * 8
    corpus.insist_on_all()


def test_an_end_that_is_asked_for_does_not_wait_for_a_back_off(corpus: Corpus) -> None:
    asked = threading.Event()
    corpus.clock = SYSTEM_CLOCK
    corpus.server.faults = Faults(status=429, retry_after="seconds")
    with later(0.3, asked.set):
        tally = corpus.run(stop=asked.is_set)
    assert tally.interrupted
    assert tally.reasons == {}
    assert corpus.ledger().counts()["processing"] == 0
    corpus.server.faults = Faults()
    corpus.run()
    assert corpus.server.repeated() == {}
    corpus.insist_on_all()


def test_an_end_that_is_asked_for_does_not_wait_for_a_server_that_hangs(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "STOP_SECONDS", 0.3)
    asked = threading.Event()
    corpus.server.faults = Faults(slow_seconds=60)
    with later(0.2, asked.set):
        tally = corpus.run(stop=asked.is_set)
    assert tally.interrupted
    assert corpus.ledger().counts()["processing"] == 0
    corpus.server.faults = Faults()
    assert corpus.run().embedded == NOTES
    corpus.insist_on_all()
