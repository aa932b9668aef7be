"""No text is embedded twice, and its vector is that of the embedder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings
from pipeline.evaluation.vector_memory import VectorMemory
from pipeline.records import TextKind, Vector


class Counting(HashingEmbedder):
    def __init__(self) -> None:
        super().__init__(EmbedderSettings())
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        self.texts += texts
        return super().embed(texts, kind)


def test_a_text_is_embedded_once() -> None:
    embedder = Counting()
    memory = VectorMemory(embedder)
    memory.embed(["gout", "knee", "gout"], "passage")
    again = memory.embed(["knee", "gout", "hip"], "passage")
    assert embedder.texts == ["gout", "knee", "hip"]
    assert np.array_equal(
        again, HashingEmbedder(EmbedderSettings()).embed(["knee", "gout", "hip"], "passage")
    )


def test_a_question_is_no_passage_and_nothing_has_a_shape() -> None:
    embedder = Counting()
    memory = VectorMemory(embedder)
    memory.embed(["gout"], "passage")
    memory.embed(["gout"], "query")
    assert embedder.texts == ["gout", "gout"]
    assert memory.embed([], "query").shape == (0, memory.space.dimension)
