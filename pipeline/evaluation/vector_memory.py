"""An embedder that embeds no text twice in one evaluation.

A thousand questions over the same notes make an answerer embed the same sentences again and again; remembered, they
cost a sixth. Decides nothing: a vector is that of the embedder below. A model whose arithmetic depends on what else is
in a batch may differ in the last digits from an answer outside of an evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.ports import Embedder, SimilarityScale, similarity_scale
from pipeline.records import EmbeddingSpace, TextKind, Vector


class VectorMemory:
    """An Embedder around an Embedder. Holds every vector until it goes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[tuple[TextKind, str], Vector] = {}

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
    def similarity_scale(self) -> SimilarityScale:
        return similarity_scale(self._embedder)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """As Embedder.embed."""
        new = [text for text in dict.fromkeys(texts) if (kind, text) not in self._known]
        if new:
            vectors = self._embedder.embed(new, kind)
            self._known.update(((kind, text), vector) for text, vector in zip(new, vectors, strict=True))
        found = [self._known[kind, text] for text in texts]
        return np.stack(found) if found else self._embedder.embed([], kind)

    def check(self) -> None:
        self._embedder.check()
