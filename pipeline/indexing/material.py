"""What the flow does with one kind of record and what it does not know itself: notes here, images in `images.material`.

Decides the six questions that the flow asks of a kind: what a record becomes, what its stored form depends on, what is
embedded of it, who embeds, what is stored, and where. Refuses to know batches, leases and the order of commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

from pipeline.config import IndexingSettings
from pipeline.errors import StoreRejectedRow
from pipeline.images import EmbeddedImage
from pipeline.indexing.chunking import Chunker
from pipeline.ports import Embedder, Store
from pipeline.records import (
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    MaterialKind,
    StagedMaterial,
    Vector,
)

EmbeddedMaterial: TypeAlias = EmbeddedDocument | EmbeddedImage


class Piece(Protocol):
    """What is embedded as one: a passage of a note, or an image."""

    @property
    def chunk_id(self) -> str:
        """Unique among the pieces of a batch."""

    @property
    def embedding_text(self) -> str:
        """What the embedder reads, or what stands for it: equal texts have equal vectors in one space."""


class MaterialStore(Protocol):
    """Where one kind is stored."""

    def transaction(self) -> AbstractContextManager[None]: ...

    def upsert(self, embedded: Sequence[Any]) -> Mapping[str, StoreRejectedRow | None] | None:
        """Replace each. What could not be stored, by what the ledger calls it, with the reason; None where another one
        stands for it. None: all is stored."""

    def delete(self, keys: Sequence[str]) -> int:
        """By what the ledger calls them."""


class Material(Protocol):
    """One kind of record in the hands of one run."""

    @property
    def kind(self) -> MaterialKind:
        """What messages call it."""

    @property
    def recipe(self) -> str:
        """Everything besides the record itself that its stored form depends on."""

    @property
    def target(self) -> MaterialStore: ...

    @property
    def read_ahead(self) -> int:
        """Batches that are claimed and got ready before they are asked for; 0 where that takes no time."""

    @property
    def one_a_file(self) -> bool:
        """Whether a file is one record: what it held before is gone."""

    @property
    def pieces_at_once(self) -> int:
        """As Embedder.texts_at_once."""

    @property
    def calls_at_once(self) -> int:
        """As Embedder.calls_at_once."""

    def prepare(self) -> None:
        """Create what is missing in the store. Raises SpaceMismatch."""

    def begin(self, staged: Sequence[StagedMaterial]) -> None:
        """These will be asked for soon."""

    def split(self, staged: StagedMaterial) -> Sequence[Piece]:
        """What is embedded of one record. Raises UnreadableImage."""

    def embed(self, pieces: Sequence[Piece]) -> Vector: ...

    def whole(
        self, staged: StagedMaterial, pieces: Sequence[Piece], vectors: Mapping[str, Vector]
    ) -> EmbeddedMaterial:
        """The record as it is stored; `vectors` by chunk id."""

    def check(self) -> None:
        """As Embedder.check."""

    def optimise(self) -> None:
        """After many writes."""


@dataclass(frozen=True)
class NoteMaterial:
    """Notes: cut into passages, which the embedder reads."""

    embedder: Embedder
    settings: IndexingSettings
    store: Store

    kind: ClassVar[MaterialKind] = "notes"
    read_ahead = 0
    one_a_file = False

    @property
    def chunker(self) -> Chunker:
        return Chunker(self.embedder, self.settings)

    @property
    def recipe(self) -> str:
        return self.chunker.recipe

    @property
    def target(self) -> Store:
        return self.store

    @property
    def pieces_at_once(self) -> int:
        return self.embedder.texts_at_once

    @property
    def calls_at_once(self) -> int:
        return self.embedder.calls_at_once

    def prepare(self) -> None:
        self.store.prepare(self.embedder.space)

    def begin(self, staged: Sequence[StagedMaterial]) -> None:
        """Nothing: a note is cut when it is asked for."""

    def split(self, staged: StagedMaterial) -> Sequence[Chunk]:
        assert isinstance(staged, Document)
        return self.chunker.split(staged)

    def embed(self, pieces: Sequence[Piece]) -> Vector:
        return self.embedder.embed([piece.embedding_text for piece in pieces], "passage")

    def whole(
        self, staged: StagedMaterial, pieces: Sequence[Piece], vectors: Mapping[str, Vector]
    ) -> EmbeddedDocument:
        assert isinstance(staged, Document)
        return EmbeddedDocument(staged, tuple(_embedded(pieces, vectors)))

    def check(self) -> None:
        self.embedder.check()

    def optimise(self) -> None:
        self.store.optimise()


def _embedded(pieces: Sequence[Piece], vectors: Mapping[str, Vector]) -> Iterator[EmbeddedChunk]:
    for piece in pieces:
        assert isinstance(piece, Chunk)
        yield EmbeddedChunk(piece, vectors[piece.chunk_id])
