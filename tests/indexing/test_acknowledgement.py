"""Who is told that a note is done: once a run, never before store and ledger have it, and never too early for a newer
record of it that was handed over meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, IndexingSettings, StoreSettings
from pipeline.errors import RequestInvalid
from pipeline.indexing.embedding import StoredVectors
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.ledger import SqliteLedger
from pipeline.indexing.rejections import RejectionLog
from pipeline.records import EmbeddedDocument, NoteVersion, Rejection, SourceRecord, TextKind, Vector
from pipeline.storage.sqlite import Database

SOURCE = "/in/queue"


class PoisonedEmbedder(HashingEmbedder):
    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        if any("poison" in text for text in texts):
            raise RequestInvalid("The embedder refused a text.", remedy="Look at it.")
        return super().embed(texts, kind)


def record(key: str, text: str = "", *, version: int | None = None, **fields: object) -> SourceRecord:
    note = {
        "resource_id": key,
        "patient_id": "p1",
        "document_type": "note",
        "text_content": f"Visit {key} for asthma. {text}",
    }
    number = None if version is None else NoteVersion(None, version)
    return SourceRecord(SOURCE, f"message {key}", note | fields, file=SOURCE, version=number)


def withdrawal(key: str) -> Rejection:
    return Rejection(
        SOURCE, f"message {key}", key, None, "Withdrawn.", "Nothing.", withdrawn=True, file=SOURCE
    )


class Corpus:
    """Store and ledger in one database or in two, and what was told in the last run."""

    def __init__(self, folder: Path, *, separate: bool) -> None:
        database = Database(folder / "chartwell.sqlite")
        own = Database(folder / "ledger.sqlite") if separate else database
        self.separate = separate
        self.store = EmbeddedStore(database, StoreSettings())
        self.embedder = PoisonedEmbedder(EmbedderSettings())
        self.ledger = SqliteLedger(own, lease_seconds=60, keep_notes=separate)
        self.other = SqliteLedger(own, lease_seconds=60, owner="another-host:1:1", keep_notes=separate)
        self.told: list[str] = []
        self.texts: dict[str, str] = {}
        """What the store held of each note when it was told."""
        self.fault: Exception | None = None

    def run(self, records: Iterable[SourceRecord | Rejection], *, stop_after: int | None = None) -> RunCounts:
        self.told, self.texts = [], {}
        with RejectionLog(None) as rejections:
            return Indexing(
                self.embedder,
                self.store,
                self.ledger,
                IndexingSettings(batch_size=2),
                rejections,
                SilentObserver(),
                stop=lambda: stop_after is not None and len(self.told) >= stop_after,
                vector_cache=StoredVectors(self.store),
                on_committed=self._listen,
            ).run(records, sources=[SOURCE], complete_sources=False)

    def _listen(self, resource_ids: Sequence[str]) -> None:
        if self.fault is not None:
            raise self.fault
        known = self.ledger.known(resource_ids)
        assert all(known[key].state == "completed" for key in known)
        assert all(self.store.document(key) is not None for key in known)
        for key in resource_ids:
            document = self.store.document(key)
            self.texts[key] = document.text_content if document else ""
        self.told += resource_ids


@pytest.fixture(params=[False, True], ids=["one database", "two"])
def corpus(tmp_path: Path, request: pytest.FixtureRequest) -> Corpus:
    return Corpus(tmp_path, separate=request.param)


def test_every_kind_of_end_is_told_once(corpus: Corpus) -> None:
    first = [record(f"n{i}") for i in range(5)]
    corpus.run(first)
    assert sorted(corpus.told) == ["n0", "n1", "n2", "n3", "n4"]
    second = [
        record("n0"),
        record("n1", "A fever since."),
        withdrawal("n2"),
        record("n3", patient_id=""),
        record("new", version=2),
        record("new", version=1),
        record("n0"),
        record("bad", "poison"),
        record("", "no id"),
        withdrawal("never-seen"),
    ]
    tally = corpus.run(second)
    assert (tally.unchanged, tally.withdrawn, tally.rejected, tally.failed) == (1, 1, 2, 1)
    assert Counter(corpus.told) == Counter(["n0", "n1", "n2", "n3", "new", "never-seen"])
    assert "fever" in corpus.texts["n1"]


def test_a_run_tells_again_what_is_unchanged(corpus: Corpus) -> None:
    corpus.run(record(f"n{i}") for i in range(3))
    corpus.run(record(f"n{i}") for i in range(3))
    assert sorted(corpus.told) == ["n0", "n1", "n2"]


def test_what_an_earlier_run_left_is_told_by_the_one_that_ends_it(corpus: Corpus) -> None:
    corpus.run([record("n0"), record("n1")])
    corpus.fault = OSError("The queue is away.")
    with pytest.raises(OSError, match="queue"):
        corpus.run([record("n2"), record("n3"), record("n4")])
    assert corpus.told == []
    corpus.fault = None
    corpus.run([record("n2"), record("n3"), record("n4")])
    assert sorted(corpus.told) == ["n2", "n3", "n4"]


def test_a_newer_record_that_was_handed_over_is_stored_before_its_note_is_told(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first version is committed while the source has the second one in hand: told then, both messages would be
    acknowledged, and a crash would lose the second."""
    monkeypatch.setattr("pipeline.indexing.flow.STAGING_NOTES", 1)

    def messages() -> Iterator[SourceRecord]:
        yield record("n1", "Old.", version=1)
        wait_for(lambda: corpus.ledger.counts()["completed"] == 1)
        assert corpus.told == []
        yield record("n1", "New.", version=2)
        yield record("n2")

    corpus.run(messages())
    assert sorted(corpus.told) == ["n1", "n2"]
    assert "New." in corpus.texts["n1"]


def test_what_comes_after_a_note_was_told_waits_for_the_next_run(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.indexing.flow.STAGING_NOTES", 1)

    def messages() -> Iterator[SourceRecord]:
        yield record("n1", "Old.", version=1)
        wait_for(lambda: corpus.ledger.counts()["completed"] == 1)
        yield record("n2")
        wait_for(lambda: "n1" in corpus.told)
        yield record("n1", "New.", version=2)

    corpus.run(messages())
    assert sorted(corpus.told) == ["n1", "n2"]
    corpus.run([record("n1", "New.", version=2)])
    assert corpus.told == ["n1"]
    assert "New." in corpus.texts["n1"]


def test_a_note_that_another_worker_stores_is_told_once_it_has(corpus: Corpus) -> None:
    corpus.store.prepare(corpus.embedder.space)
    ended = threading.Event()

    def messages() -> Iterator[SourceRecord]:
        yield record("n1")
        yield record("n2")

    def elsewhere() -> None:
        wait_for(corpus.other.claimable)
        claims = corpus.other.claim(1)
        time.sleep(0.3)
        document = claims[0].document
        with corpus.other.storing():
            corpus.store.upsert([EmbeddedDocument(document, ())])
            corpus.other.complete([(claims[0], 0)])
        ended.set()

    corpus.ledger.prepare()
    thread = threading.Thread(target=elsewhere)
    held_back = corpus.ledger.claim
    corpus.ledger.claim = lambda number: held_back(number) if ended.is_set() else []  # type: ignore[method-assign]
    thread.start()
    corpus.run(messages())
    thread.join()
    assert sorted(corpus.told) == ["n1", "n2"]


def test_a_run_that_is_stopped_tells_what_it_did_and_the_next_one_the_rest(corpus: Corpus) -> None:
    given = [record(f"n{i}") for i in range(12)]
    tally = corpus.run(given, stop_after=2)
    first = list(corpus.told)
    assert tally.interrupted
    assert 2 <= len(first) < 12
    corpus.run(given)
    assert sorted(corpus.told) == sorted(each.fields["resource_id"] for each in given)


def wait_for(true: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
