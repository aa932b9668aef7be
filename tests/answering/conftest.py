"""A real store of three notes, and a generator that writes what it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.flow import Answering
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import AnsweringSettings, EmbedderSettings, IndexingSettings, StoreSettings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.ledger import SqliteLedger
from pipeline.records import (
    DraftPiece,
    GeneratorModel,
    Prompt,
    Rejection,
    SourceRecord,
    Usage,
)
from pipeline.storage.sqlite import Database

NOTES = {
    "n1": (
        "p1",
        "2020-01-01",
        "ASSESSMENT\n\nAsthma is well controlled. Continue albuterol 90 mcg as needed.",
    ),
    "n2": ("p1", "2023-05-05", "ASSESSMENT\n\nAsthma worsened. Start fluticasone 110 mcg twice daily."),
    "n3": ("p2", "2023-05-05", "ASSESSMENT\n\nDiabetes. Metformin 500 mg twice daily. No asthma."),
}


class ScriptedGenerator:
    """Writes what it is told to, in small pieces, and remembers its prompts."""

    def __init__(self) -> None:
        self.draft = ""
        self.prompts: list[Prompt] = []
        self.closed = False

    @property
    def model(self) -> GeneratorModel:
        return GeneratorModel("scripted", "m1", "test model")

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        self.prompts.append(prompt)
        try:
            for start in range(0, len(self.draft), 7):
                yield DraftPiece(self.draft[start : start + 7])
            yield DraftPiece("", Usage(11, 7), "stop")
        finally:
            self.closed = True

    def check(self) -> None:
        return None


class NoRejections:
    def write(self, rejection: Rejection) -> None:
        raise AssertionError(rejection)


@pytest.fixture
def generator() -> ScriptedGenerator:
    return ScriptedGenerator()


@pytest.fixture
def answering(tmp_path: Path, generator: ScriptedGenerator) -> Answering:
    database = Database(tmp_path / "chartwell.sqlite")
    embedder = HashingEmbedder(EmbedderSettings())
    store = EmbeddedStore(database, StoreSettings())
    given = [
        SourceRecord(
            "s",
            key,
            {"resource_id": key, "patient_id": p, "document_type": "note", "date": d, "text_content": t},
        )
        for key, (p, d, t) in NOTES.items()
    ]
    Indexing(
        embedder,
        store,
        SqliteLedger(database, lease_seconds=60),
        IndexingSettings(),
        NoRejections(),
        SilentObserver(),
    ).run(iter(given), sources=["s"])
    return Answering(embedder, store, generator, AnsweringSettings())
