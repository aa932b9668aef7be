"""A second ledger, written for this test alone, keeps the whole contract and carries an indexing run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, IndexingSettings, StoreSettings
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.ledger import SqliteLedger
from pipeline.indexing.reconciliation import reconcile
from pipeline.indexing.rejections import RejectionLog
from pipeline.ports import Ledger
from pipeline.records import Rejection, SourceRecord
from pipeline.storage.sqlite import Database
from tests.contracts.ledger import LEASE_SECONDS, Clock, LedgerContract, OpenLedger
from tests.indexing.memory_ledger import Memory, MemoryLedger

SOURCE = "/in/notes.jsonl"


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def open_ledger(self) -> OpenLedger:
        memory = Memory()

        def opened(owner: str, clock: Clock | None, lease_seconds: float = LEASE_SECONDS) -> Ledger:
            return MemoryLedger(memory, owner, lease_seconds=lease_seconds, clock=clock or time.time)

        return opened


def record(number: int, text: str = "") -> SourceRecord:
    fields = {
        "resource_id": f"n{number}",
        "patient_id": f"p{number % 3}",
        "document_type": "note",
        "text_content": f"HISTORY\n\nVisit {number} for asthma.\n\nPLAN\n\nInhaler {number} twice daily. {text}",
    }
    return SourceRecord(SOURCE, f"line {number}", fields, file=SOURCE)


def withdrawal(number: int) -> Rejection:
    return Rejection(
        SOURCE,
        f"line {number}",
        f"n{number}",
        None,
        "The source took the note back.",
        "Nothing to do.",
        withdrawn=True,
        file=SOURCE,
    )


def runs() -> Iterator[list[SourceRecord | Rejection]]:
    yield [record(number) for number in range(30)]
    yield [record(number) for number in range(30)]
    yield [*(record(number, "Changed." if number == 7 else "") for number in range(29)), withdrawal(3)]
    yield [record(9, "Twice."), record(9, "Thrice.")]


def index(ledger: Ledger, database: Database) -> tuple[list[dict[str, object]], list[tuple[str, int]]]:
    """What each run counted, and which notes are stored in how many passages."""
    store = EmbeddedStore(database, StoreSettings())
    embedder = HashingEmbedder(EmbedderSettings())
    with RejectionLog(None) as rejections:
        indexing = Indexing(
            embedder, store, ledger, IndexingSettings(batch_size=4), rejections, SilentObserver()
        )
        counted = [_counted(indexing.run(records, sources=[SOURCE], prune=True)) for records in runs()]
    split = indexing.chunker.split
    assert reconcile(ledger=ledger, store=store, vector_cache=None, split=split, sample=None).sound
    return counted, list(ledger.completed())


def _counted(tally: RunCounts) -> dict[str, object]:
    report = replace(tally.report(), seconds=0.0, embedding_seconds=0.0)
    return {name: getattr(report, name) for name in report.__slots__}


def test_a_corpus_is_indexed_alike_through_another_ledger(tmp_path: Path) -> None:
    database = Database(tmp_path / "chartwell.sqlite")
    expected = index(SqliteLedger(database, lease_seconds=60), database)
    found = index(MemoryLedger(Memory(), "w1"), Database(tmp_path / "another.sqlite"))
    assert found == expected
    first, second, third, fourth = found[0]
    assert (first["new"], second["unchanged"]) == (30, 30)
    assert (third["changed"], third["withdrawn"], third["pruned"]) == (1, 1, 1)
    assert (fourth["changed"], fourth["rejected"], fourth["pruned"], len(found[1])) == (1, 1, 27, 1)
