"""Haystack: a pipeline of DocumentSplitter, NvidiaDocumentEmbedder and DocumentWriter into a store on disk.

The store is Qdrant in its local mode: through Haystack's Chroma store, which adds its documents one call at a time, the
same ingestion takes twice as long. Default: every argument that has a default keeps it. Tuned: CacheChecker leaves out
notes that the store holds already, groups of notes are written as they are done, with DuplicatePolicy.OVERWRITE, and as
this embedder has no asynchronous form, eight threads split and embed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from haystack import Document, Pipeline
from haystack.components.caching import CacheChecker
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret
from haystack_integrations.components.embedders.nvidia import NvidiaDocumentEmbedder
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

from benchmarks.peers.peer import DIMENSION, MODEL, Peer, groups, main, metadata

THREADS = 8
GROUP_NOTES = 50


def ingest(notes: list[dict[str, Any]], folder: Path, url: str, tuned: bool) -> None:
    store = _store(folder)
    documents = [Document(content=note["text_content"], meta=metadata(note)) for note in notes]
    if not tuned:
        pipeline = _pipeline(url)
        pipeline.add_component("writer", DocumentWriter(store))
        pipeline.connect("embedder", "writer")
        pipeline.run({"splitter": {"documents": documents}})
        return
    checker, writer = (
        CacheChecker(store, cache_field="meta.resource_id"),
        DocumentWriter(store, DuplicatePolicy.OVERWRITE),
    )
    missing = set(checker.run([document.meta["resource_id"] for document in documents])["misses"])
    left = [document for document in documents if document.meta["resource_id"] in missing]

    def embedded(group: Sequence[Document]) -> list[Document]:
        return _pipeline(url).run({"splitter": {"documents": group}})["embedder"]["documents"]

    with ThreadPoolExecutor(THREADS) as threads:
        for done in threads.map(embedded, groups(left, GROUP_NOTES)):
            writer.run(done)


def entries(folder: Path) -> Iterator[tuple[str, str]]:
    for document in _store(folder).filter_documents():
        yield document.meta["resource_id"], document.content


def _store(folder: Path) -> QdrantDocumentStore:
    return QdrantDocumentStore(path=str(folder / "qdrant"), embedding_dim=DIMENSION)


def _pipeline(url: str) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("splitter", DocumentSplitter())
    pipeline.add_component(
        "embedder", NvidiaDocumentEmbedder(model=MODEL, api_url=url, api_key=Secret.from_token("none"))
    )
    pipeline.connect("splitter", "embedder")
    return pipeline


if __name__ == "__main__":
    main(Peer(("haystack-ai", "nvidia-haystack", "qdrant-haystack", "qdrant-client"), ingest, entries))
