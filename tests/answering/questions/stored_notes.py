"""Notes in a real store, with an embedder that needs no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, StoreSettings
from pipeline.indexing.chunking import chunk_document
from pipeline.records import Document, EmbeddedChunk, EmbeddedDocument
from pipeline.storage.sqlite import Database

EMBEDDER = HashingEmbedder(EmbedderSettings())


@contextmanager
def stored(folder: Path, documents: Sequence[Document]) -> Iterator[EmbeddedStore]:
    """A store that holds these notes."""
    with closing(Database(folder / "chartwell.sqlite")) as database:
        store = EmbeddedStore(database, StoreSettings())
        store.prepare(EMBEDDER.space)
        with store.transaction():
            store.upsert([_embedded(document) for document in documents])
        yield store


def _embedded(document: Document) -> EmbeddedDocument:
    chunks = chunk_document(document, count_tokens=EMBEDDER.count_tokens, tokens_max=160)
    vectors = EMBEDDER.embed([each.embedding_text for each in chunks], "passage")
    return EmbeddedDocument(document, tuple(map(EmbeddedChunk, chunks, vectors)))
