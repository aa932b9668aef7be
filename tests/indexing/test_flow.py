"""The indexing flow on a real store: exactly once, resumable, nothing lost, one bad note never stops the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, IndexingSettings, StoreSettings
from pipeline.errors import ConnectionBroken, InputUnusable, RequestInvalid
from pipeline.indexing import chunking, field_values
from pipeline.indexing.chunking import chunk_document
from pipeline.indexing.embedding import StoredVectors
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.ledger import SqliteLedger
from pipeline.indexing.vector_cache import SqliteVectorCache
from pipeline.records import (
    Chunk,
    Document,
    EmbeddedDocument,
    EmbeddingSpace,
    Rejection,
    SourceRecord,
    StagedNote,
    TextKind,
    Vector,
)
from pipeline.storage.sqlite import Database
from pipeline.text.cleaning import is_blank


class CountingEmbedder:
    """The hashing embedder, counting what it embeds and failing where told to."""

    def __init__(self, calls_at_once: int = 1) -> None:
        self._inner = HashingEmbedder(EmbedderSettings())
        self._calls_at_once = calls_at_once
        self.texts: list[str] = []
        self.poison: str | None = None
        self.down_after: int | None = None

    @property
    def space(self) -> EmbeddingSpace:
        return self._inner.space

    @property
    def texts_at_once(self) -> int:
        return 4

    @property
    def calls_at_once(self) -> int:
        return self._calls_at_once

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        if self.down_after is not None and len(self.texts) >= self.down_after:
            raise ConnectionBroken("The embedder is away.", remedy="Start it.")
        if self.poison and any(self.poison in text for text in texts):
            raise RequestInvalid("The embedder refused a text.", remedy="Look at it.")
        self.texts += texts
        return self._inner.embed(texts, kind)

    def check(self) -> None:
        if self.down_after is not None and len(self.texts) >= self.down_after:
            raise ConnectionBroken("The embedder is away.", remedy="Start it.")


class Rejections:
    def __init__(self) -> None:
        self.written: list[Rejection] = []

    def write(self, rejection: Rejection) -> None:
        self.written.append(rejection)


def records(count: int, *, source: str = "a.jsonl", changed: int | None = None) -> Iterator[SourceRecord]:
    for number in range(count):
        edit = " And a fever since." if number == changed else ""
        yield SourceRecord(
            source,
            f"line {number}",
            {
                "resource_id": f"n{number}",
                "patient_id": f"p{number % 3}",
                "document_type": "note",
                "text_content": (
                    f"HISTORY\n\nVisit number {number} for asthma with a dry cough at night since the early spring.\n\n"
                    f"PLAN\n\nContinue inhaler number {number} twice daily and come back after the summer holidays."
                )
                + edit,
            },
        )


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "chartwell.sqlite")


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


class Run:
    """One corpus that can be indexed again and again."""

    def __init__(
        self, database: Database, embedder: CountingEmbedder, tmp_path: Path, *, spool: bool
    ) -> None:
        self.store = EmbeddedStore(database, StoreSettings())
        self.ledger = SqliteLedger(database, lease_seconds=60)
        self.embedder = embedder
        self.rejections = Rejections()
        self.stop_after: int | None = None
        self.batch_size = 4
        self.vector_cache = (
            SqliteVectorCache(Database(tmp_path / "spool.sqlite"), embedder.space) if spool else None
        )

    def __call__(self, given: Iterator[SourceRecord | Rejection], **options: object) -> RunCounts:
        batches = 0

        class Counting(SilentObserver):
            def batch(self, tally: RunCounts) -> None:
                nonlocal batches
                batches += 1

        indexing = Indexing(
            embedder=self.embedder,
            store=self.store,
            ledger=self.ledger,
            settings=IndexingSettings(batch_size=self.batch_size, chunk_tokens_max=24),
            rejections=self.rejections,
            observer=Counting(),
            stop=lambda: self.stop_after is not None and batches >= self.stop_after,
            vector_cache=self.vector_cache,
        )
        return indexing.run(given, sources=["a.jsonl"], **options)  # type: ignore[arg-type]


@pytest.fixture(params=[False, True], ids=["one database", "with spool"])
def run(
    database: Database, embedder: CountingEmbedder, tmp_path: Path, request: pytest.FixtureRequest
) -> Run:
    return Run(database, embedder, tmp_path, spool=request.param)


def test_every_note_goes_in_once(run: Run) -> None:
    tally = run(records(10))
    assert (tally.read, tally.accepted, tally.embedded, tally.failed) == (10, 10, 10, 0)
    assert run.store.counts().documents == 10
    assert run.ledger.counts()["completed"] == 10
    assert run.store.check() == []


def test_a_second_run_embeds_nothing(run: Run, embedder: CountingEmbedder) -> None:
    run(records(10))
    before = len(embedder.texts)
    tally = run(records(10))
    assert (tally.unchanged, tally.embedded) == (10, 0)
    assert len(embedder.texts) == before


def test_a_changed_note_replaces_its_passages_and_pays_only_for_the_changed_one(
    run: Run, embedder: CountingEmbedder
) -> None:
    run(records(6))
    before = len(embedder.texts)
    chunks = run.store.counts().chunks
    tally = run(records(6, changed=2))
    assert (tally.embedded, tally.unchanged) == (1, 5)
    assert (chunks, len(embedder.texts) - before) == (12, 1)
    document = run.store.document("n2")
    assert document is not None
    assert "fever" in document.text_content
    assert run.store.counts().documents == 6


def test_one_bad_note_is_parked_and_the_rest_goes_in(run: Run, embedder: CountingEmbedder) -> None:
    embedder.poison = "number 5"
    tally = run(records(10))
    assert (tally.embedded, tally.failed) == (9, 1)
    (failure,) = run.ledger.failures()
    assert failure.resource_id == "n5"
    assert "refused" in failure.error
    embedder.poison = None
    assert run(records(10)).embedded == 1
    assert run.store.counts().documents == 10


def test_a_vanished_embedder_stops_the_run_and_the_next_goes_on(run: Run, embedder: CountingEmbedder) -> None:
    embedder.down_after = 8
    with pytest.raises(ConnectionBroken):
        run(records(20))
    assert run.ledger.counts()["processing"] == 0
    embedder.down_after = None
    tally = run(records(20))
    assert run.store.counts().documents == 20
    # A note that waited may be done before the reader comes to it, and is then unchanged as well.
    assert tally.embedded <= 20 <= tally.embedded + tally.unchanged
    assert run.store.check() == []


def test_a_stop_ends_after_the_batch_and_is_resumed(run: Run) -> None:
    run.stop_after = 2
    tally = run(records(20))
    assert tally.interrupted
    assert 0 < tally.embedded < 20
    assert run.ledger.counts()["processing"] == 0
    run.stop_after = None
    assert not run(records(20)).interrupted
    assert run.store.counts().documents == 20


def test_work_goes_on_without_the_source(run: Run) -> None:
    run.stop_after = 1
    run(records(12))
    run.stop_after = None
    run(iter(()), complete_sources=False)
    assert run.store.counts().documents == 12


def test_missing_notes_are_reported_and_removed_only_when_asked(run: Run) -> None:
    run(records(5))
    assert run(records(3)).missing == ("n3", "n4")
    assert run.store.counts().documents == 5
    assert run(records(3), prune=True).pruned == 2
    assert run.store.counts().documents == 3
    assert run.ledger.counts()["completed"] == 3


def test_a_faulty_version_of_a_stored_note_neither_replaces_nor_misses_it(run: Run) -> None:
    run(records(3))
    faulty = SourceRecord(
        "a.jsonl", "line 0", {"resource_id": "n0", "patient_id": "p0", "document_type": "note"}
    )
    tally = run(iter([faulty, *list(records(3))[1:]]))
    assert (tally.rejected, tally.missing) == (1, ())
    assert [rejection.resource_id for rejection in run.rejections.written] == ["n0"]
    assert run.store.document("n0") is not None


def test_a_fault_of_ours_costs_the_one_note_that_sets_it_off(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty(document: Document, **options: object) -> list[Chunk]:
        if document.resource_id == "n3":
            raise ValueError(document.text_content)
        return chunk_document(document, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(chunking, "chunk_document", faulty)
    tally = run(records(10))
    assert (tally.embedded, tally.failed) == (9, 1)
    (failure,) = run.ledger.failures()
    assert failure.resource_id == "n3"
    assert "ValueError at test_flow.py" in failure.error
    assert "asthma" not in failure.error + caplog.text


def test_a_record_that_sets_off_a_fault_is_rejected_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(text: str) -> bool:
        if "number 3" in text:
            raise RecursionError(text)
        return is_blank(text)

    monkeypatch.setattr(field_values, "is_blank", faulty)
    tally = run(records(10))
    assert (tally.embedded, tally.rejected) == (9, 1)
    (rejection,) = run.rejections.written
    assert rejection.resource_id == "n3"
    assert "RecursionError" in rejection.remedy
    assert "asthma" not in rejection.remedy + rejection.reason


def test_wrong_shapes_never_reach_the_store(
    run: Run, embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        embedder, "embed", lambda texts, kind: np.full((len(texts), 3), np.nan, dtype=np.float32)
    )
    tally = run(records(2))
    assert (tally.embedded, tally.failed) == (0, 2)
    assert run.store.counts().chunks == 0


def test_several_requests_at_once_change_nothing(database: Database, tmp_path: Path) -> None:
    run = Run(database, CountingEmbedder(calls_at_once=4), tmp_path, spool=True)
    assert run(records(40)).embedded == 40
    assert len(run.embedder.texts) == len(set(run.embedder.texts))
    assert run.store.check() == []


def test_the_spool_saves_what_a_lost_store_write_would_cost(database: Database, tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    run = Run(database, embedder, tmp_path, spool=True)
    run(records(8))
    paid = len(embedder.texts)
    run.store.delete([f"n{number}" for number in range(8)])
    run.ledger.forget_all()
    run(records(8))
    assert len(embedder.texts) == paid
    assert run.store.counts().documents == 8


def test_stored_vectors_keep_nothing_themselves(database: Database) -> None:
    store = EmbeddedStore(database, StoreSettings())
    store.prepare(HashingEmbedder(EmbedderSettings()).space)
    keeper = StoredVectors(store)
    keeper.keep([], np.zeros((0, 4), dtype=np.float32))
    assert keeper.kept([]) == {}


def test_a_resumed_run_works_before_everything_is_read_again(run: Run, embedder: CountingEmbedder) -> None:
    run.stop_after = 1
    run(records(12))
    run.stop_after = None
    asked = threading.Event()
    embed = embedder.embed

    def noted(texts: Sequence[str], kind: TextKind) -> Vector:
        asked.set()
        return embed(texts, kind)

    def slow_source() -> Iterator[SourceRecord]:
        assert asked.wait(20), "nothing was embedded while the source was read"
        yield from records(12)

    embedder.embed = noted  # type: ignore[method-assign]
    assert not run(slow_source()).interrupted
    assert run.store.counts().documents == 12


def test_a_source_that_breaks_ends_the_run_with_its_error(run: Run) -> None:
    def broken() -> Iterator[SourceRecord]:
        yield from records(4)
        raise InputUnusable("The rest cannot be read.", remedy="Export it again.")

    with pytest.raises(InputUnusable):
        run(broken())
    assert run.ledger.counts()["processing"] == 0


def test_a_note_that_changes_while_it_is_embedded_is_stored_as_it_is_now(
    database: Database, embedder: CountingEmbedder, tmp_path: Path
) -> None:
    """The ledger of a separate store, so that the older version is written before anybody notices."""
    run = Run(database, embedder, tmp_path, spool=True)
    run.ledger = SqliteLedger(Database(tmp_path / "ledger.sqlite"), lease_seconds=60, keep_notes=True)
    other = SqliteLedger(run.ledger._database, lease_seconds=60, owner="another", keep_notes=True)
    upsert, meddled = run.store.upsert, []

    def meddling(documents: Sequence[EmbeddedDocument]) -> None:
        if not meddled:
            meddled.append(documents[0].document.resource_id)
            newer = replace(documents[0].document, text_content="A new text.")
            other.stage([StagedNote(newer, "a.jsonl", "newer")])
            other.forget([documents[1].document.resource_id])
        upsert(documents)

    run.store.upsert = meddling  # type: ignore[method-assign]
    run(records(4), complete_sources=False)
    document = run.store.document(meddled[0])
    assert document is not None
    assert document.text_content == "A new text."
    assert run.store.counts().documents == 3
    assert run.ledger.counts()["completed"] == 3


def test_requests_are_full_whatever_the_batches_are(database: Database, tmp_path: Path) -> None:
    run = Run(database, CountingEmbedder(calls_at_once=4), tmp_path, spool=True)
    sizes = []
    embed = run.embedder.embed

    def noted(texts: Sequence[str], kind: TextKind) -> Vector:
        sizes.append(len(texts))
        return embed(texts, kind)

    run.embedder.embed = noted  # type: ignore[method-assign]
    run.batch_size = 3  # six passages, and requests of four
    run(records(30))
    assert sum(sizes) == 60
    assert sizes.count(4) >= 13


@pytest.mark.parametrize("calls_at_once", [1, 4])
def test_the_same_words_are_embedded_once(database: Database, tmp_path: Path, calls_at_once: int) -> None:
    def same_plan(count: int) -> Iterator[SourceRecord]:
        plan = (
            "PLAN\n\nContinue all medication as before and come back for a visit after the summer holidays."
        )
        for record in records(count):
            text = str(record.fields["text_content"]).partition("\n\nPLAN")[0]
            yield replace(record, fields={**record.fields, "text_content": f"{text}\n\n{plan}"})

    run = Run(database, CountingEmbedder(calls_at_once=calls_at_once), tmp_path, spool=True)
    tally = run(same_plan(40))
    assert run.store.counts().chunks == 80
    assert (len(run.embedder.texts), len(set(run.embedder.texts))) == (41, 41)
    assert (tally.chunks_embedded, tally.chunks_reused) == (41, 39)
    assert run.store.check() == []


def test_no_more_is_paid_for_and_not_kept_than_requests_may_be_in_flight(
    database: Database, tmp_path: Path
) -> None:
    run = Run(database, CountingEmbedder(calls_at_once=3), tmp_path, spool=True)
    assert run.vector_cache is not None
    embed, keep, lock = run.embedder.embed, run.vector_cache.keep, threading.Lock()
    asked, most = 0, 0

    def noted(texts: Sequence[str], kind: TextKind) -> Vector:
        nonlocal asked, most
        with lock:
            asked += len(texts)
            most = max(most, asked - kept)
        return embed(texts, kind)

    kept = 0

    def slow(chunks: Sequence[Chunk], vectors: Vector) -> None:
        nonlocal kept
        time.sleep(0.01)  # a busy disk: a kill here loses all that has arrived since
        keep(chunks, vectors)
        with lock:
            kept += len(chunks)

    run.embedder.embed = noted  # type: ignore[method-assign]
    run.vector_cache.keep = slow  # type: ignore[method-assign]
    run(records(60))
    assert kept == asked == 120
    assert most <= 3 * run.embedder.texts_at_once


def test_nothing_is_pruned_while_a_part_of_the_sources_cannot_be_read(run: Run) -> None:
    run(records(4))
    no_id = Rejection("a.jsonl", "line 4", None, None, "The record is not valid JSON.", "Repair it.")
    cut = Rejection(
        "a.jsonl", "after line 3", "n9", None, "The rest is gone.", "Fetch it.", whole_source=True
    )
    for unread in (no_id, cut):
        tally = run(iter([*records(3), unread]), prune=True)
        assert (tally.pruned, tally.missing, tally.unread) == (0, ("n3",), 1)
    assert run.store.counts().documents == 4
    assert run(records(3), prune=True).pruned == 1


def test_a_faulty_record_keeps_all_notes_that_its_resource_became(run: Run) -> None:
    parts = [replace(record, fields={**record.fields, "resource_id": f"doc#{number}"})
             for number, record in enumerate(records(2), 1)]  # fmt: skip
    run(iter(parts))
    faulty = SourceRecord("a.jsonl", "line 0", {"resource_id": " doc ", "patient_id": "p0"})
    tally = run(iter([faulty]), prune=True)
    assert (tally.rejected, tally.pruned, tally.missing) == (1, 0, ())
