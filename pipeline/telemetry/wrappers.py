"""A port around a port: passes every call on, and lets an observer stand around those worth observing.

Decides which calls are worth it, once for metrics and traces. Changes no argument and no result, and knows neither a
metric nor a span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

from pipeline.patients import NamePart, RegisteredPatient
from pipeline.ports import (
    SPECIAL_TOKENS,
    Embedder,
    Generator,
    Interruptible,
    Reserving,
    SimilarityScale,
    Store,
    similarity_scale,
)
from pipeline.records import (
    EVERYTHING,
    AccessScope,
    ChunkOfPatient,
    Document,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    GeneratorModel,
    Hit,
    Match,
    NoteField,
    NoteHead,
    StoreCounts,
    TextKind,
    Vector,
)

AroundQuery: TypeAlias = Callable[[str, int | None], AbstractContextManager[object]]
"""What stands around a call of the store: its operation, and how many rows it is about where it says so."""
AroundEmbedding: TypeAlias = Callable[[int, TextKind], AbstractContextManager[object]]
"""What stands around a call of the embedder: how many texts, of which kind."""


class ObservedEmbedder:
    def __init__(self, embedder: Embedder, around: AroundEmbedding) -> None:
        self._embedder = embedder
        self._around = around

    @property
    def space(self) -> EmbeddingSpace:
        return self._embedder.space

    @property
    def texts_at_once(self) -> int:
        return self._embedder.texts_at_once

    @property
    def calls_at_once(self) -> int:
        return self._embedder.calls_at_once

    @property
    def reserved_tokens(self) -> int:
        """Passed on where the embedder has its own; else that of every other."""
        return self._embedder.reserved_tokens if isinstance(self._embedder, Reserving) else SPECIAL_TOKENS

    @property
    def similarity_scale(self) -> SimilarityScale:
        return similarity_scale(self._embedder)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        with self._around(len(texts), kind):
            return self._embedder.embed(texts, kind)

    def check(self) -> None:
        self._embedder.check()

    def stop(self) -> None:
        """Passed on where there is a server to wait for; else there is nothing to stop."""
        if isinstance(self._embedder, Interruptible):
            self._embedder.stop()


class GeneratorWrapper:
    """All of a generator but its stream, which metrics and traces follow piece by piece, each in its own way."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    @property
    def model(self) -> GeneratorModel:
        return self._generator.model

    def check(self) -> None:
        self._generator.check()


class ObservedStore:
    def __init__(self, store: Store, around: AroundQuery) -> None:
        self._store = store
        self._around = around

    def prepare(self, space: EmbeddingSpace) -> None:
        self._store.prepare(space)

    def space(self) -> EmbeddingSpace | None:
        return self._store.space()

    def version(self) -> str | None:
        return self._store.version()

    def transaction(self) -> AbstractContextManager[None]:
        return self._store.transaction()

    def upsert(self, documents: Sequence[EmbeddedDocument]) -> None:
        with self._around("upsert", len(documents)):
            self._store.upsert(documents)

    def delete(self, resource_ids: Sequence[str]) -> int:
        with self._around("delete", len(resource_ids)):
            return self._store.delete(resource_ids)

    def clear(self) -> None:
        self._store.clear()

    def vectors(self, chunk_ids: Sequence[str]) -> Mapping[str, Vector]:
        with self._around("vectors", len(chunk_ids)):
            return self._store.vectors(chunk_ids)

    def document(self, resource_id: str) -> Document | None:
        with self._around("document", None):
            return self._store.document(resource_id)

    def counts(self, scope: AccessScope = EVERYTHING) -> StoreCounts:
        with self._around("counts", None):
            return self._store.counts(scope)

    def count_notes(self, filters: Filters, *, undated: bool = False, most: int) -> int:
        with self._around("counts", None):
            return self._store.count_notes(filters, undated=undated, most=most)

    def values(
        self, field: NoteField, scope: AccessScope, *, beginning: str = "", limit: int = 100
    ) -> list[str]:
        with self._around("values", None):
            return self._store.values(field, scope, beginning=beginning, limit=limit)

    def has_register(self) -> bool:
        return self._store.has_register()

    def patients(
        self, scope: AccessScope, *, ids: Sequence[str] | None = None, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        with self._around("patients", None):
            return self._store.patients(scope, ids=ids, after=after, limit=limit)

    def patients_called(
        self, words: Sequence[str], scope: AccessScope, *, part: NamePart | None = None, limit: int = 20
    ) -> list[RegisteredPatient]:
        with self._around("patients", None):
            return self._store.patients_called(words, scope, part=part, limit=limit)

    def name_words(self, words: Sequence[str], scope: AccessScope) -> frozenset[str]:
        with self._around("patients", None):
            return self._store.name_words(words, scope)

    def patients_near(
        self, words: Sequence[str], scope: AccessScope, *, limit: int = 5
    ) -> list[RegisteredPatient]:
        with self._around("patients", None):
            return self._store.patients_near(words, scope, limit=limit)

    def patients_beginning(
        self, typed: str, scope: AccessScope, *, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        with self._around("patients", None):
            return self._store.patients_beginning(typed, scope, after=after, limit=limit)

    def notes_of(
        self, patient_id: str, scope: AccessScope, *, skip: int = 0, limit: int = 100
    ) -> list[NoteHead]:
        with self._around("notes_of", None):
            return self._store.notes_of(patient_id, scope, skip=skip, limit=limit)

    def chunk_ids(self) -> Iterator[tuple[str, str]]:
        return self._store.chunk_ids()

    def search_vector(self, vector: Vector, k: int, filters: Filters) -> list[Match]:
        with self._around("search_vector", None):
            return self._store.search_vector(vector, k, filters)

    def search_words(self, text: str, k: int, filters: Filters) -> list[Match]:
        with self._around("search_words", None):
            return self._store.search_words(text, k, filters)

    def chunks_with(
        self, terms: Sequence[Sequence[str]], filters: Filters, *, limit: int
    ) -> list[ChunkOfPatient]:
        with self._around("search_words", None):
            return self._store.chunks_with(terms, filters, limit=limit)

    def hits(self, chunk_ids: Sequence[str], vector: Vector) -> list[Hit]:
        with self._around("hits", len(chunk_ids)):
            return self._store.hits(chunk_ids, vector)

    def check(self) -> list[str]:
        return self._store.check()

    def optimise(self, *, rebuild: bool = False) -> None:
        with self._around("optimise", None):
            self._store.optimise(rebuild=rebuild)

    def close(self) -> None:
        self._store.close()
