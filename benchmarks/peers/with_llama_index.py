"""LlamaIndex: IngestionPipeline of SentenceSplitter and NVIDIAEmbedding, with cache, document store and Chroma.

Default: every argument that has a default keeps it; the pipeline's state is loaded before and persisted after the run,
as its documentation shows. Tuned: `arun`, which has all requests of a group in flight, and groups of notes with
`persist` after each, so that a crash loses a group and not the run.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import chromadb
from llama_index.core import Document
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.nvidia import NVIDIAEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

from benchmarks.peers.peer import COLLECTION, MODEL, Peer, chroma_entries, groups, main, metadata

GROUP_NOTES = 200


def ingest(notes: list[dict[str, Any]], folder: Path, url: str, tuned: bool) -> None:
    collection = chromadb.PersistentClient(str(folder / "chroma")).get_or_create_collection(COLLECTION)
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), NVIDIAEmbedding(model=MODEL, base_url=url)],
        docstore=SimpleDocumentStore(),
        vector_store=ChromaVectorStore(chroma_collection=collection),
    )
    state = str(folder / "pipeline_storage")
    if Path(state).exists():
        pipeline.load(state)
    documents = [
        Document(text=note["text_content"], id_=note["resource_id"], metadata=metadata(note))
        for note in notes
    ]
    if not tuned:
        pipeline.run(documents=documents)
        pipeline.persist(state)
        return
    asyncio.run(_in_groups(pipeline, documents, state))


async def _in_groups(pipeline: IngestionPipeline, documents: list[Document], state: str) -> None:
    for group in groups(documents, GROUP_NOTES):
        await pipeline.arun(documents=group)
        pipeline.persist(state)


if __name__ == "__main__":
    packages = (
        "llama-index-core",
        "llama-index-embeddings-nvidia",
        "llama-index-vector-stores-chroma",
        "chromadb",
    )
    main(Peer(packages, ingest, chroma_entries))
