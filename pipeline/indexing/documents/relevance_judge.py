"""How a document stands to the topic of its domain, by the embedder of the notes.

Decides how a document is cut for that, and that a topic is embedded once. The measure is `library.relevance`'s.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np

from pipeline.config import IndexingSettings
from pipeline.indexing.chunking import chunk_document, passage_tokens_max
from pipeline.library.records import LibraryDocument
from pipeline.library.relevance import (
    EmbeddedTopic,
    TopicPassage,
    TopicStatement,
    embed_topic,
    judge_relevance,
    stored_relevance,
)
from pipeline.library.versions import LibraryDomain, StoredRelevance
from pipeline.ports import Embedder, similarity_scale
from pipeline.records import NO_PATIENT, Chunk, Document

PASSAGES_MAX = 200
"""Of a long document, spread over its length: a topic shows in these."""


class TopicJudge:
    """Safe to share between threads."""

    def __init__(self, embedder: Embedder, settings: IndexingSettings) -> None:
        self._embedder = embedder
        self._settings = settings
        self._topics: dict[str, EmbeddedTopic] = {}
        self._lock = threading.Lock()

    def __call__(self, domain: LibraryDomain, document: LibraryDocument) -> StoredRelevance | None:
        """None where the domain states no topic."""
        if not domain.topic.strip():
            return None
        passages = list(self._passages(document))
        return stored_relevance(judge_relevance(self._topic(domain.topic), document.metadata.title, passages))

    def _topic(self, text: str) -> EmbeddedTopic:
        with self._lock:
            if text not in self._topics:
                scale = similarity_scale(self._embedder)
                self._topics[text] = embed_topic(TopicStatement(text), self._embedder.embed, scale.usual)
            return self._topics[text]

    def _passages(self, document: LibraryDocument) -> Iterator[TopicPassage]:
        chunks = [
            (page.number, chunk) for page in document.pages for chunk in self._cut(page.number, page.text)
        ]
        step = max(1, -(-len(chunks) // PASSAGES_MAX))
        chosen = chunks[::step]
        if not chosen:
            return
        vectors = self._embedder.embed([chunk.embedding_text for _, chunk in chosen], "passage")
        for (number, chunk), vector in zip(chosen, vectors, strict=True):
            yield TopicPassage(
                number, chunk.start, chunk.end, chunk.text, np.asarray(vector, dtype=np.float32)
            )

    def _cut(self, number: int, text: str) -> list[Chunk]:
        return chunk_document(
            Document(f"page {number}", NO_PATIENT, "", text),
            count_tokens=self._embedder.count_tokens,
            tokens_max=passage_tokens_max(self._embedder, self._settings),
        )
