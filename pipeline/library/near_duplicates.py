"""Which documents have nearly the same text: another edition of what is there, or the same letter saved twice.

Decides what is compared, runs of three words without case and punctuation, and from when on two texts are told as
near duplicates. A signature (MinHash) of fixed size finds those worth a look among thousands; how like they are is then
counted, not estimated, because a reviewer reads 100 % as "nothing was changed". Knows no database, and no domain: who
asks says what is compared with what.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.library.records import DocumentPage

Shingles: TypeAlias = NDArray[np.uint64]
"""Each run of words once, as a number, sorted."""

LIKE_FROM = 0.5
"""Share of the runs of words of both texts that both have. docs/decisions/library-catalogue.md has the measurements."""
ESTIMATE_MARGIN = 0.15
"""Three standard errors of an estimate by so many hashes: what may be like enough is looked at."""
SHINGLE_WORDS = 3
HASHES = 128
SIGNATURE_BYTES = HASHES * 4

_WORD = re.compile(r"\w+")


@lru_cache(maxsize=100_000)
def _number(word: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


_FACTORS = np.array([_number(f"factor {place}") | 1 for place in range(HASHES)], np.uint64)
_OFFSETS = np.array([_number(f"offset {place}") for place in range(HASHES)], np.uint64)
"""Never others: signatures that are kept were made with these."""


def shingles(pages: Iterable[DocumentPage]) -> Shingles:
    """Of the text of all pages; a text of fewer words is one run, and none where there is no word."""
    words = [
        word for page in pages for word in _WORD.findall(unicodedata.normalize("NFKC", page.text).casefold())
    ]
    if not words:
        return np.zeros(0, np.uint64)
    numbers = np.fromiter(map(_number, words), np.uint64, len(words))
    runs = len(words) - min(SHINGLE_WORDS, len(words)) + 1
    mixed = np.zeros(runs, np.uint64)
    for start in range(min(SHINGLE_WORDS, len(words))):
        mixed = _mixed(mixed ^ numbers[start : start + runs])
    return np.unique(mixed)


def signature(of: Shingles) -> bytes:
    """`SIGNATURE_BYTES` that stand for the text; b"" for a text without words."""
    if not len(of):
        return b""
    smallest = [(of * factor + offset).min() for factor, offset in zip(_FACTORS, _OFFSETS, strict=True)]
    return (np.array(smallest, np.uint64) >> np.uint64(32)).astype("<u4").tobytes()


def estimates(of: bytes, others: Sequence[bytes]) -> list[float]:
    """How like each of the others is, 0 to 1, by their signatures."""
    if not of or not others:
        return [0.0] * len(others)
    table = np.frombuffer(b"".join(others), "<u4").reshape(len(others), HASHES)
    return [float(share) for share in (table == np.frombuffer(of, "<u4")).mean(axis=1)]


def likeness(one: Shingles, other: Shingles) -> float:
    """0 to 1, rounded down; 1 only for the same runs of words."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    either = len(one) + len(other) - both
    return math.floor(both / either * 10_000) / 10_000 if either else 0.0


def _mixed(numbers: Shingles) -> Shingles:
    """Each number's bits spread over all 64, as splitmix64 ends."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
