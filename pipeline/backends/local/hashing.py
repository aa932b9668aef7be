"""Vectors from word overlap: the fallback without weights, and the embedder of most tests.

Decides which words count and into which of the dimensions each falls. It understands nothing: "heart attack" and
"myocardial infarction" share no word and so no similarity. Signed feature hashing after Weinberger et al. 2009
(arXiv 0902.2206), over words and word pairs, with sublinear term frequency.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EmbedderSettings
from pipeline.errors import RequestInvalid, SettingsInvalid
from pipeline.records import EmbeddingSpace, TextKind, Vector, unit_length

MODEL = "words-v1"
DIMENSION = 1024
DIMENSION_MIN = 64
"""Below this, unrelated words share a place so often that every text resembles every other."""
TOKENS_MAX = 8192
SIMILARITY_FLOOR = 0.05
"""docs/decisions/0002-similarity-floor.md has the distributions behind it."""
PAIR_WEIGHT = 0.5

_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD = re.compile(r"\w+")
_STOP_WORDS = frozenset(
    "a about an and any are as at be been but by can could did do does for from had has have he her his how i if in "
    "into is it its may me my of on or our she should so such than that the their them then there these they this "
    "those to was we were what when where which who whom whose why will with would you your".split()
)
_WORDS_MAX = 200_000
_PAIR_LEFT, _PAIR_RIGHT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd constants that make a pair's hash depend on the order of its words."""


class HashingEmbedder:
    """Implements ports.Embedder without any model. Deterministic on every machine; safe to share between threads."""

    def __init__(self, settings: EmbedderSettings) -> None:
        dimension = settings.dimension or DIMENSION
        if dimension < DIMENSION_MIN or settings.model not in ("", MODEL):
            raise SettingsInvalid(
                f"The hashing embedder is {MODEL} with {DIMENSION_MIN} dimensions or more; asked for "
                f"{settings.model or MODEL!r} with {dimension}.",
                remedy="Leave CHARTWELL_EMBEDDER__MODEL and CHARTWELL_EMBEDDER__DIMENSION empty.",
            )
        self._space = EmbeddingSpace(
            provider="hashing",
            model=MODEL,
            dimension=dimension,
            tokens_max=settings.tokens_max or TOKENS_MAX,
            similarity_floor=settings.similarity_floor
            if settings.similarity_floor >= 0
            else SIMILARITY_FLOOR,
        )
        self._batch_size = settings.batch_size
        self._hashes = _WordHashes()

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def texts_at_once(self) -> int:
        return self._batch_size

    @property
    def calls_at_once(self) -> int:
        return 1

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words and punctuation marks of each text."""
        return [len(_TOKEN.findall(text)) for text in texts]

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """See ports.Embedder. Texts without words all give one and the same unit vector, which resembles no text."""
        for place, tokens in enumerate(self.count_tokens(texts)):
            if tokens > self._space.tokens_max:
                raise RequestInvalid(
                    f"Text {place + 1} of {len(texts)} has {tokens} tokens; {MODEL} reads {self._space.tokens_max}.",
                    remedy="Cut it into shorter passages: lower CHARTWELL_INDEXING__CHUNK_TOKENS_MAX.",
                )
        if not texts:
            return np.zeros((0, self._space.dimension), dtype=np.float32)
        vectors = self._vectors(texts)
        vectors[~vectors.any(axis=1), 0] = 1.0
        return unit_length(vectors)

    def check(self) -> None:
        self.embed(["check"], "query")

    def _vectors(self, texts: Sequence[str]) -> Vector:
        words = [[word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS] for text in texts]
        counts = np.array([len(each) for each in words])
        hashes = np.fromiter(
            (self._hashes[word] for each in words for word in each), np.uint64, int(counts.sum())
        )
        rows = np.repeat(np.arange(len(texts)), counts)
        together = rows[1:] == rows[:-1]
        pairs = (hashes[:-1] * _PAIR_LEFT + hashes[1:] * _PAIR_RIGHT)[together]
        vectors = _sums(rows, hashes, len(texts), self._space.dimension)
        return vectors + PAIR_WEIGHT * _sums(rows[1:][together], pairs, len(texts), self._space.dimension)


class _WordHashes(dict[str, int]):
    """64-bit hashes of words, the same on every machine (Python's own hash() is seeded differently in each process)."""

    def __missing__(self, word: str) -> int:
        value = int.from_bytes(
            hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest(), "little"
        )
        if len(self) >= _WORDS_MAX:
            self.clear()
        self[word] = value
        return value


def _sums(rows: NDArray[np.intp], hashes: NDArray[np.uint64], texts: int, dimension: int) -> Vector:
    """Signed sums of 1 + ln(count) per distinct feature of each row, shape (texts, dimension)."""
    features = np.stack([rows.astype(np.uint64), hashes])
    distinct, counts = np.unique(features, axis=1, return_counts=True)
    places = distinct[0] * np.uint64(dimension) + (distinct[1] >> np.uint64(1)) % np.uint64(dimension)
    signs = np.where(distinct[1] & np.uint64(1), 1.0, -1.0)
    sums = np.bincount(places.astype(np.intp), signs * (1 + np.log(counts)), minlength=texts * dimension)
    return sums.reshape(texts, dimension).astype(np.float32)
