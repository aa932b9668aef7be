"""An image embedder that is opened by the first question that needs one.

Decides that a setting of it that is wrong, and a library of a vendor, cost no question that asks of no image, and what
is said where none is set. Knows no back-end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from pipeline.errors import SettingsInvalid
from pipeline.ports import ImageEmbedder
from pipeline.records import EmbeddingSpace, Vector


def require_image_embedder(embedder: ImageEmbedder | None) -> ImageEmbedder:
    """Raises SettingsInvalid where none is set."""
    if embedder is None:
        raise SettingsInvalid(
            "No image embedder is set.",
            remedy="Set CHARTWELL_IMAGE_EMBEDDER__PROVIDER to local, nim or bedrock.",
        )
    return embedder


class DeferredImageEmbedder:
    """Implements ports.ImageEmbedder. Safe to share between threads. Each method raises what opening raises."""

    def __init__(self, open_embedder: Callable[[], ImageEmbedder]) -> None:
        self._open = open_embedder
        self._lock = threading.Lock()
        self._opened: ImageEmbedder | None = None

    @property
    def space(self) -> EmbeddingSpace:
        return self._embedder().space

    @property
    def reads_texts(self) -> bool:
        return self._embedder().reads_texts

    @property
    def image_side(self) -> int:
        return self._embedder().image_side

    @property
    def images_at_once(self) -> int:
        return self._embedder().images_at_once

    @property
    def calls_at_once(self) -> int:
        return self._embedder().calls_at_once

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        return self._embedder().embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        return self._embedder().embed_texts(texts)

    def check(self) -> None:
        self._embedder().check()

    def _embedder(self) -> ImageEmbedder:
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened
