"""Gives the passages of a batch of notes their vectors, asking the embedder only for those that the store lacks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ResponseInvalid
from pipeline.ports import Embedder, Store
from pipeline.records import Chunk, Document, EmbeddedChunk, EmbeddedDocument, Vector


@dataclass(frozen=True, slots=True)
class EmbeddedBatch:
    documents: tuple[EmbeddedDocument, ...]
    chunks_embedded: int
    chunks_reused: int
    embedding_seconds: float


def embed_batch(
    notes: Sequence[tuple[Document, Sequence[Chunk]]], *, embedder: Embedder, store: Store
) -> EmbeddedBatch:
    """Embedded documents in the order of `notes`.

    Raises what the embedder raises, and ResponseInvalid where vectors come back in another shape or not finite.
    """
    chunks = [chunk for _, parts in notes for chunk in parts]
    vectors = dict(store.vectors([chunk.chunk_id for chunk in chunks]))
    wanted = list({chunk.chunk_id: chunk for chunk in chunks if chunk.chunk_id not in vectors}.values())
    started = time.perf_counter()
    computed = embedder.embed([chunk.embedding_text for chunk in wanted], "passage")
    seconds = time.perf_counter() - started
    _insist_on_shape(computed, len(wanted), embedder.space.dimension)
    vectors |= {chunk.chunk_id: vector for chunk, vector in zip(wanted, computed, strict=True)}
    documents = tuple(
        EmbeddedDocument(document, tuple(EmbeddedChunk(chunk, vectors[chunk.chunk_id]) for chunk in parts))
        for document, parts in notes
    )
    return EmbeddedBatch(documents, len(wanted), len(chunks) - len(wanted), seconds)


def _insist_on_shape(vectors: Vector, rows: int, dimension: int) -> None:
    if vectors.shape != (rows, dimension) or not np.isfinite(vectors).all():
        raise ResponseInvalid(
            f"The embedder returned vectors of shape {vectors.shape} for {rows} passages of width {dimension}, "
            "or values that are not finite.",
            remedy="Check CHARTWELL_EMBEDDER__MODEL and CHARTWELL_EMBEDDER__DIMENSION against the server's model.",
        )
