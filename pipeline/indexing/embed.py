"""Gives the passages of a batch of notes their vectors, asking the embedder only for those that nobody has yet.

Several requests may be in flight at once, of one batch and of the next; how many is the embedder's own word. A vector
is kept the moment it arrives, so a run that is killed pays for nothing twice but what was in flight.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from pipeline.errors import ResponseInvalid
from pipeline.ports import Embedder, Store
from pipeline.records import Chunk, Document, EmbeddedChunk, EmbeddedDocument, Vector


class VectorKeeper(Protocol):
    """Where vectors are kept between the embedder's answer and the store."""

    def kept(self, chunks: Sequence[Chunk]) -> Mapping[str, Vector]:
        """Vectors that are there already, by chunk id."""

    def keep(self, chunks: Sequence[Chunk], vectors: Vector) -> None:
        """Keep the rows of `vectors`, one a chunk. Called from several threads."""


@dataclass(frozen=True)
class StoredVectors:
    """Keeps nothing itself: for a store that commits vectors together with the ledger, in the same database."""

    store: Store

    def kept(self, chunks: Sequence[Chunk]) -> Mapping[str, Vector]:
        return self.store.vectors([chunk.chunk_id for chunk in chunks])

    def keep(self, chunks: Sequence[Chunk], vectors: Vector) -> None:
        """The store takes them with the batch."""


@dataclass(frozen=True, slots=True)
class EmbeddedBatch:
    documents: tuple[EmbeddedDocument, ...]
    chunks_embedded: int
    chunks_reused: int


@dataclass(frozen=True)
class PendingBatch:
    """A batch whose requests are under way."""

    notes: Sequence[tuple[Document, Sequence[Chunk]]]
    vectors: dict[str, Vector]
    wanted: int
    requests: Sequence[tuple[Sequence[Chunk], Future[Vector]]]

    @property
    def running(self) -> int:
        """Requests that have not been answered yet."""
        return sum(not request.done() for _, request in self.requests)

    def wait(self) -> EmbeddedBatch:
        """The batch with all its vectors. Raises what the embedder raised, once no request of it is running."""
        failures = []
        for chunks, request in self.requests:
            error = request.exception()
            if error is None:
                self.vectors.update(zip((chunk.chunk_id for chunk in chunks), request.result(), strict=True))
            else:
                failures.append(error)
        if failures:
            raise failures[0]
        documents = tuple(
            EmbeddedDocument(
                document, tuple(EmbeddedChunk(chunk, self.vectors[chunk.chunk_id]) for chunk in parts)
            )
            for document, parts in self.notes
        )
        total = sum(len(parts) for _, parts in self.notes)
        return EmbeddedBatch(documents, self.wanted, total - self.wanted)


class EmbeddingPool:
    """Sends passages to the embedder from as many threads as it can use. A context manager: leaving waits for all."""

    def __init__(self, embedder: Embedder, keeper: VectorKeeper, *, request_texts: int) -> None:
        self._embedder = embedder
        self._keeper = keeper
        self._request_texts = request_texts
        self._threads = ThreadPoolExecutor(max_workers=embedder.calls_at_once, thread_name_prefix="embed")
        self.busy_seconds = 0.0
        """Time inside the embedder, summed over requests."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def begin(self, notes: Sequence[tuple[Document, Sequence[Chunk]]]) -> PendingBatch:
        """Look up what is kept, and send the rest, passages of like length together: padding is work for nothing."""
        chunks = [chunk for _, parts in notes for chunk in parts]
        vectors = dict(self._keeper.kept(chunks))
        wanted = list({chunk.chunk_id: chunk for chunk in chunks if chunk.chunk_id not in vectors}.values())
        wanted.sort(key=lambda chunk: len(chunk.embedding_text))
        size = self._request_texts
        groups = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        requests = [(group, self._threads.submit(self._embed, group)) for group in groups]
        return PendingBatch(notes, vectors, len(wanted), requests)

    def _embed(self, chunks: Sequence[Chunk]) -> Vector:
        started = time.perf_counter()
        vectors = self._embedder.embed([chunk.embedding_text for chunk in chunks], "passage")
        self.busy_seconds += time.perf_counter() - started
        insist_on_shape(vectors, len(chunks), self._embedder.space.dimension)
        self._keeper.keep(chunks, vectors)
        return vectors


def insist_on_shape(vectors: Vector, rows: int, dimension: int) -> None:
    """Raises ResponseInvalid unless `vectors` has shape (rows, dimension) and only finite values."""
    if vectors.shape != (rows, dimension) or not np.isfinite(vectors).all():
        raise ResponseInvalid(
            f"The embedder returned vectors of shape {vectors.shape} for {rows} passages of width {dimension}, "
            "or values that are not finite.",
            remedy="Check CHARTWELL_EMBEDDER__MODEL and CHARTWELL_EMBEDDER__DIMENSION against the server's model.",
        )


def text_hash(chunk: Chunk) -> str:
    """SHA-256 of what the embedder reads of a passage: equal texts have equal vectors in one space."""
    return hashlib.sha256(chunk.embedding_text.encode("utf-8", errors="surrogatepass")).hexdigest()
