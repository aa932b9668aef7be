"""Verifying and repairing: every kind of difference between ledger, spool and store is found, and repaired without one
embedding request where the vectors were kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.iris.store import IrisStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, IndexingSettings, IrisSettings, StoreSettings
from pipeline.errors import StoreUnavailable
from pipeline.indexing import chunking
from pipeline.indexing.chunking import CHUNKER_VERSION, Chunker, chunk_document, recipe
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.ledger import REMOVAL_CUT_SHORT, SqliteLedger
from pipeline.indexing.reconciliation import Reconciliation, reconcile, reopen
from pipeline.indexing.rejections import RejectionLog
from pipeline.indexing.vector_cache import SqliteVectorCache
from pipeline.ports import Store
from pipeline.records import (
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    SourceRecord,
    StagedNote,
    TextKind,
    Vector,
)
from pipeline.storage.sqlite import Database
from pipeline.wiring import Corpus as WiredCorpus
from tests.backends.iris_driver import Server

NOTES = 12


class CountingEmbedder(HashingEmbedder):
    texts = 0

    def embed(self, texts: list[str], kind: TextKind) -> Vector:  # type: ignore[override]
        self.texts += len(texts)
        return super().embed(texts, kind)


class Corpus:
    """An indexed corpus of a dozen notes, whose parts a test can damage."""

    def __init__(self, folder: Path, store: Store, database: Database, *, separate: bool) -> None:
        self.embedder = CountingEmbedder(EmbedderSettings(dimension=64))
        self.vector_cache = SqliteVectorCache(Database(folder / "spool.sqlite"), self.embedder.space)
        self.store = store
        self.ledger = SqliteLedger(database, lease_seconds=60, keep_notes=separate)
        self.indexing = Indexing(
            embedder=self.embedder,
            store=store,
            ledger=self.ledger,
            settings=IndexingSettings(batch_size=4, chunk_tokens_max=24),
            rejections=RejectionLog(None),
            observer=SilentObserver(),
            vector_cache=self.vector_cache,
        )
        self.run()
        self.embedder.texts = 0

    def run(self) -> RunCounts:
        return self.indexing.run(records(), sources=["a.jsonl"])

    def found(self, sample: int | None = None) -> Reconciliation:
        return reconcile(
            ledger=self.ledger,
            store=self.store,
            vector_cache=self.vector_cache,
            split=self.indexing.chunker.split,
            sample=sample,
            outdated=self.indexing.chunker.cut_by_an_earlier_release,
        )

    def repaired(self) -> list[str]:
        gone = reopen(self.found(), ledger=self.ledger, store=self.store)
        self.indexing.work(RunCounts())
        return gone

    def stored_as(self, key: str, *, change: float = 0.0, leave: int = 0) -> EmbeddedDocument:
        """The note as it should be stored, less its first `leave` passages, its vectors turned a little."""
        document = self.store.document(key)
        assert document is not None
        batch = self.indexing.chunker.split(document)
        vectors = self.vector_cache.kept(batch)
        return EmbeddedDocument(
            document,
            tuple(
                EmbeddedChunk(
                    chunk, np.roll(vectors[chunk.chunk_id], 1) if change else vectors[chunk.chunk_id]
                )
                for chunk in batch[leave:]
            ),
        )


def records() -> Iterator[SourceRecord]:
    for number in range(NOTES):
        yield SourceRecord(
            "a.jsonl",
            f"line {number}",
            {
                "resource_id": f"n{number:02}",
                "patient_id": f"p{number % 3}",
                "document_type": "note",
                "text_content": (
                    f"HISTORY\n\nVisit number {number} for asthma with a dry cough at night since the early spring.\n\n"
                    f"PLAN\n\nContinue inhaler number {number} twice daily and come back after the summer holidays."
                ),
            },
        )


@pytest.fixture(params=["embedded", "iris"])
def corpus(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Corpus]:
    if request.param == "iris":
        server = Server()
        store = IrisStore(IrisSettings(password=SecretStr(server.password)), server.connect)
        yield Corpus(tmp_path, store, Database(tmp_path / "ledger.sqlite"), separate=True)
        store.close()
        server.close()
    else:
        database = Database(tmp_path / "chartwell.sqlite")
        yield Corpus(tmp_path, EmbeddedStore(database, StoreSettings()), database, separate=False)


def test_a_sound_corpus(corpus: Corpus) -> None:
    found = corpus.found()
    assert found.sound
    assert (found.notes, found.chunks, found.compared, found.unkept) == (NOTES, 2 * NOTES, NOTES, 0)
    assert (found.lost, found.doubled, found.stale, found.different) == ((), (), (), ())


def test_notes_that_an_earlier_release_cut_are_no_fault(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncut(chunker: Chunker, document: Document) -> list[Chunk]:
        return chunk_document(document, count_tokens=chunker.embedder.count_tokens, tokens_max=240)

    with monkeypatch.context() as earlier:
        earlier.setattr(chunking, "recipe", lambda space, settings: recipe(space, settings, 1))
        earlier.setattr(Chunker, "split", uncut)
        assert corpus.run().embedded == NOTES
        changed = corpus.stored_as("n03")
    found = corpus.found()
    assert found.sound
    assert (found.different, len(found.outdated), found.chunks) == ((), NOTES, NOTES)
    with corpus.store.transaction():
        corpus.store.upsert([replace(changed, document=replace(changed.document, patient_id="p9"))])
    assert corpus.found().different == ("n03",)
    corpus.run()
    assert (corpus.found().different, corpus.found().outdated) == ((), ())


def test_rules_that_cut_a_note_as_before_embed_nothing(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A raised chunker version: every note is cut again, what comes out different is embedded, and replaces the note's
    passages as a whole."""
    corpus.embedder.texts = 0
    split = Chunker.split

    def of_the_next_release(chunker: Chunker, document: Document) -> list[Chunk]:
        if document.resource_id == "n03":
            return chunk_document(document, count_tokens=chunker.embedder.count_tokens, tokens_max=240)
        return split(chunker, document)

    monkeypatch.setattr(
        chunking, "recipe", lambda space, settings: recipe(space, settings, CHUNKER_VERSION + 1)
    )
    monkeypatch.setattr(Chunker, "split", of_the_next_release)
    assert corpus.run().changed == NOTES
    assert corpus.embedder.texts == 1
    assert (corpus.found().sound, corpus.found().chunks) == (True, 2 * NOTES - 1)


def test_a_sample_compares_that_many(corpus: Corpus) -> None:
    assert corpus.found(sample=5).compared == 5


def test_lost_passages_are_found_and_mended_from_the_spool(corpus: Corpus) -> None:
    with corpus.store.transaction():
        corpus.store.upsert([corpus.stored_as("n03", leave=1)])
    found = corpus.found()
    assert (found.lost, found.different) == (("n03",), ("n03",))
    assert corpus.repaired() == []
    assert corpus.found().sound
    assert corpus.embedder.texts == 0


def test_lost_notes_are_mended_where_their_text_is_still_somewhere(corpus: Corpus) -> None:
    corpus.store.delete(["n01", "n02"])
    assert corpus.found().lost == ("n01", "n02")
    gone = corpus.repaired()
    if isinstance(corpus.store, IrisStore):
        assert gone == []  # the ledger next to a separate store keeps the notes
    else:
        assert gone == ["n01", "n02"]
        corpus.run()
    assert corpus.found().sound
    assert corpus.found().notes == NOTES
    assert corpus.embedder.texts == 0


def test_rows_too_many_are_found_and_removed(corpus: Corpus) -> None:
    longer = corpus.stored_as("n05")
    spare = corpus.stored_as("n06").chunks[0]
    moved = EmbeddedDocument(
        longer.document,
        (*longer.chunks, EmbeddedChunk(renamed(spare.chunk, "n05"), spare.vector)),
    )
    with corpus.store.transaction():
        corpus.store.upsert([moved])
    assert corpus.found().doubled == ("n05",)
    assert corpus.repaired() == []
    found = corpus.found()
    assert found.sound
    assert found.chunks == 2 * NOTES
    assert corpus.embedder.texts == 0


def renamed(chunk: Chunk, resource_id: str) -> Chunk:
    return replace(chunk, chunk_id="0" * 32, resource_id=resource_id, ordinal=9)


def test_changed_vectors_are_found_and_mended(corpus: Corpus) -> None:
    with corpus.store.transaction():
        corpus.store.upsert([corpus.stored_as("n07", change=0.1)])
    assert corpus.found().different == ("n07",)
    assert corpus.repaired() == []
    assert corpus.found().sound
    assert corpus.embedder.texts == 0


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Another text."},
        {"start": 3},
        {"end": 9},
        {"section": "ALLERGIES"},
        {"offsets": ((0, 0), (4, 9))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_changed_passages_are_found_and_mended(corpus: Corpus, change: dict[str, Any]) -> None:
    sound = corpus.stored_as("n07")
    first, *others = sound.chunks
    changed = EmbeddedChunk(replace(first.chunk, **change), first.vector)
    with corpus.store.transaction():
        corpus.store.upsert([replace(sound, chunks=(changed, *others))])
    assert corpus.found().different == ("n07",)
    assert corpus.repaired() == []
    assert corpus.found().sound
    assert corpus.embedder.texts == 0


@pytest.mark.parametrize("field", ["patient_id", "document_type", "author"])
def test_changed_fields_are_found_where_the_ledger_keeps_the_note(corpus: Corpus, field: str) -> None:
    sound = corpus.stored_as("n07")
    with corpus.store.transaction():
        corpus.store.upsert([replace(sound, document=replace(sound.document, **{field: "another"}))])
    if isinstance(corpus.store, IrisStore):
        assert corpus.found().different == ("n07",)
        assert corpus.repaired() == []
    assert corpus.found().sound


def test_notes_that_the_ledger_does_not_know_are_stale(corpus: Corpus) -> None:
    corpus.ledger.forget(["n09"])
    found = corpus.found()
    assert (found.stale, found.sound) == (("n09",), True)


def test_a_note_whose_next_version_waits_is_not_stale(corpus: Corpus) -> None:
    document = corpus.store.document("n04")
    assert document is not None
    corpus.ledger.stage([StagedNote(document, "a.jsonl", "another")])
    assert corpus.found().stale == ()


def test_damage_to_the_spool_is_told_and_loses_nothing(corpus: Corpus) -> None:
    corpus.vector_cache.forget()
    found = corpus.found()
    assert (found.unkept, found.sound) == (2 * NOTES, True)


def test_starting_over_that_is_cut_off_leaves_nothing_recorded_that_is_gone(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = corpus.store.delete

    def cut_off() -> None:
        delete(["n01", "n02"])
        raise StoreUnavailable("The store is gone.", remedy="Run the same command again.")

    monkeypatch.setattr(corpus.store, "clear", cut_off)
    with pytest.raises(StoreUnavailable):
        WiredCorpus(corpus.embedder, corpus.store, corpus.ledger, corpus.vector_cache).start_over()
    corpus.run()
    assert corpus.found().sound
    assert corpus.found().notes == NOTES
    assert corpus.embedder.texts == 0


def test_a_removal_that_is_cut_off_is_seen_and_ended_by_the_next_run(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(ids: list[str]) -> int:
        raise Killed

    def pruning() -> RunCounts:
        return corpus.indexing.run(islice(records(), NOTES - 1), sources=["a.jsonl"], prune=True)

    with monkeypatch.context() as patched:
        patched.setattr(corpus.store, "delete", killed)
        with pytest.raises(Killed):
            pruning()
    found = corpus.found()
    assert found.sound
    if isinstance(corpus.store, IrisStore):
        assert found.stale == ("n11",)
        assert corpus.ledger.failures()[0].error == REMOVAL_CUT_SHORT
    assert pruning().pruned == 1
    assert corpus.found().notes == NOTES - 1
    assert corpus.found().stale == ()


def test_a_note_that_is_back_after_its_removal_was_cut_off_is_stored_again(corpus: Corpus) -> None:
    with suppress(StoreUnavailable), corpus.ledger.removing(["n01"]):
        corpus.store.delete(["n01"])
        raise StoreUnavailable("The store is gone.", remedy="Run the same command again.")
    corpus.run()
    assert corpus.found().sound
    assert corpus.found().notes == NOTES
    assert corpus.store.document("n01") is not None
