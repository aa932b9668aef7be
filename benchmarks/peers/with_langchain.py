"""LangChain: RecursiveCharacterTextSplitter, NVIDIAEmbeddings, Chroma, and `index` with its record manager.

Default: every argument that has a default keeps it. The indexing API is LangChain's documented way to run again
without embedding again. Tuned: `index` has no concurrency of its own and its documentation leaves parallel runs to the
user, so groups of notes are indexed from eight threads, in requests of 32 texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from langchain_chroma import Chroma
from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.indexing import index
from langchain_nvidia_ai_endpoints import NVIDIAEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.peers.peer import COLLECTION, MODEL, Peer, chroma_entries, groups, main, metadata

THREADS = 8
GROUP_NOTES = 50


def ingest(notes: list[dict[str, Any]], folder: Path, url: str, tuned: bool) -> None:
    more = {"max_batch_size": 32} if tuned else {}
    store = Chroma(
        collection_name=COLLECTION,
        embedding_function=NVIDIAEmbeddings(model=MODEL, base_url=url, **more),
        persist_directory=str(folder / "chroma"),
    )
    records = SQLRecordManager(f"chroma/{COLLECTION}", db_url=f"sqlite:///{folder / 'records.sqlite'}")
    records.create_schema()
    splitter = RecursiveCharacterTextSplitter()

    def index_notes(some: Sequence[dict[str, Any]]) -> None:
        documents = [Document(note["text_content"], metadata=metadata(note)) for note in some]
        index(splitter.split_documents(documents), records, store, source_id_key="resource_id")

    if not tuned:
        index_notes(notes)
        return
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(index_notes, groups(notes, GROUP_NOTES)):
            pass


if __name__ == "__main__":
    packages = ("langchain-core", "langchain-classic", "langchain-text-splitters")
    packages += ("langchain-nvidia-ai-endpoints", "langchain-chroma", "chromadb")
    main(Peer(packages, ingest, chroma_entries))
