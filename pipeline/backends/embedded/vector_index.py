"""Vectors held in memory for searching: a copy derived from the store, never a second truth.

Decides how nearest rows are found: by comparing every float32 vector (`ExactRows`), or by 1-bit codes (`SignRows`)
that pick the rows worth comparing. Knows rows by number and notes by number; no SQL, no file, no text.

An index is immutable for its holders. `extended` makes the next one and shares the memory of the old: rows are
only ever added behind the last, in blocks, so a search that runs meanwhile reads what it read before.

The codes. A row keeps, for each dimension, whether its unit vector lies above the corpus' mean. The question keeps
its sign and three bits of magnitude, weighted by how far rows usually lie from the mean in that dimension, so that
dimensions which tell little count little: weighted Hamming distance = sum over dimensions of magnitude x (signs
differ). Measured with 30,000 clinical passages in all-MiniLM-L6-v2 (384-d), recall of the true best among the first
400 by code: plain Hamming distance 0.995 of 10 and 0.933 of 50, weighted 0.999 and 0.982.
docs/decisions/0003-vector-search.md says why the mean is subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Vector

BLOCK_ROWS = 8_192
"""Rows a block. A block of vectors is one allocation (32 MiB at 1024-d), committed by the system as it fills; a block
of codes (1 MiB) is compared while it stays in the cache: 4,096 rows at a time cost 35 % more."""
MAGNITUDE_BITS = 3
MAGNITUDE_CLIP = 4.0
"""In root mean squares of the question: where the largest magnitude begins. Between 2 and 4 it hardly matters."""
GATHER_SHARE_MAX = 0.3
"""Up to this share of rows, picking them out is cheaper than reading past the others."""

Block = TypeVar("Block", Vector, NDArray[np.uint64])
Numbers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.uint8]
"""Sign codes as stored, shape (n, ceil(dimension / 8)), bits in little order."""


@dataclass(frozen=True, slots=True, order=True)
class Watermark:
    """How far a reader has followed the store: the last row and the last deletion it has seen."""

    row: int = 0
    deletion: int = 0

    @property
    def chunks(self) -> int:
        """Rows that are there: numbers are given out without gaps, and every deletion is counted."""
        return self.row - self.deletion


def sign_codes(unit: Vector, centre: Vector) -> Codes:
    """The codes of unit vectors, shape (n, dimension), around a centre, shape (dimension,)."""
    return np.packbits(unit > centre, axis=-1, bitorder="little")


def code_bytes(dimension: int) -> int:
    """Bytes of one sign code."""
    return -(-dimension // 8)


class ExactRows:
    """float32 unit vectors in blocks of shape (BLOCK_ROWS, dimension)."""

    def __init__(self, dimension: int, blocks: Sequence[Vector] = ()) -> None:
        self._dimension = dimension
        self._blocks = list(blocks)

    def appended(self, count: int, unit: Vector, *, shared: bool) -> ExactRows:
        """With `unit`, shape (n, dimension), behind the first `count` rows. Not `shared`: the last block is copied."""
        blocks = self._blocks if shared else _with_last_copied(self._blocks)
        grown = ExactRows(self._dimension, blocks)
        for block, place, source in _places(count, len(unit)):
            if block == len(grown._blocks):
                grown._blocks.append(np.empty((BLOCK_ROWS, self._dimension), dtype=np.float32))
            grown._blocks[block][place] = unit[source]
        return grown

    def scores(self, direction: Vector, count: int) -> Vector:
        """Cosines of the first `count` rows. One pass over memory.

        `vecdot`, not a matrix product: the latter hands each block to a pool of threads, which on two busy cores
        took eight times as long as one thread needs, and one thread already reads as fast as memory gives.
        """
        scores = np.empty(count, dtype=np.float32)
        for block, place, target in _places(0, count):
            np.vecdot(self._blocks[block][place], direction, out=scores[target])
        return scores

    def scores_at(self, direction: Vector, positions: Numbers) -> Vector:
        """Cosines of the rows at `positions`, which ascend."""
        scores = np.empty(len(positions), dtype=np.float32)
        edges = np.searchsorted(positions, np.arange(len(self._blocks) + 1) * BLOCK_ROWS)
        for block, (start, end) in enumerate(pairwise(edges)):
            if start < end:
                chosen = self._blocks[block][positions[start:end] - block * BLOCK_ROWS]
                np.vecdot(chosen, direction, out=scores[start:end])
        return scores


class SignRows:
    """1-bit codes, transposed: blocks of shape (words, BLOCK_ROWS), so that one word of many rows lies side by side."""

    def __init__(self, dimension: int, blocks: Sequence[NDArray[np.uint64]] = ()) -> None:
        self._dimension = dimension
        self._words = -(-dimension // 64)
        self._blocks = list(blocks)

    def appended(self, count: int, codes: Codes, *, shared: bool) -> SignRows:
        """With `codes` behind the first `count` rows. Not `shared`: the last block is copied."""
        blocks = self._blocks if shared else _with_last_copied(self._blocks)
        grown = SignRows(self._dimension, blocks)
        words = self._as_words(codes)
        for block, place, source in _places(count, len(codes)):
            if block == len(grown._blocks):
                grown._blocks.append(np.empty((self._words, BLOCK_ROWS), dtype=np.uint64))
            grown._blocks[block][:, place] = words[source].T
        return grown

    def distances(self, weighted: Vector, count: int) -> NDArray[np.uint16]:
        """Weighted Hamming distances of the first `count` rows from a question.

        `weighted`: its unit vector less the centre, times the spread of each dimension. Fits 16 bits up to 8192-d.
        """
        signs, planes = self._question(weighted)
        distances = np.empty(count, dtype=np.uint16)
        differing = np.empty((self._words, BLOCK_ROWS), dtype=np.uint64)
        weighed = np.empty_like(differing)
        ones = np.empty((self._words, BLOCK_ROWS), dtype=np.uint8)
        for block, place, target in _places(0, count):
            differ, weigh, one = differing[:, place], weighed[:, place], ones[:, place]
            np.bitwise_xor(self._blocks[block][:, place], signs, out=differ)
            total = distances[target]
            total[:] = 0
            for power, plane in enumerate(planes):
                np.bitwise_and(differ, plane, out=weigh)
                np.bitwise_count(weigh, out=one)
                total += np.add.reduce(one, axis=0, dtype=np.uint16) << power
        return distances

    def _question(self, weighted: Vector) -> tuple[NDArray[np.uint64], list[NDArray[np.uint64]]]:
        """The question's signs and the bits of its magnitudes, lowest first, each of shape (words, 1)."""
        largest = 2**MAGNITUDE_BITS - 1
        scale = float(np.sqrt(np.mean(np.square(weighted)))) or 1.0
        magnitudes = np.minimum(np.rint(np.abs(weighted) * (largest / (MAGNITUDE_CLIP * scale))), largest)
        levels = magnitudes.astype(np.uint8)
        bits = [weighted > 0, *((levels >> power) & 1 for power in range(MAGNITUDE_BITS))]
        signs, *planes = (
            self._as_words(np.packbits(bit, bitorder="little")[np.newaxis])[0, :, np.newaxis] for bit in bits
        )
        return signs, planes

    def _as_words(self, codes: Codes) -> NDArray[np.uint64]:
        padded = np.zeros((len(codes), self._words * 8), dtype=np.uint8)
        padded[:, : codes.shape[1]] = codes
        return padded.view(np.uint64)


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """One state of the store, ready to be searched.

    `rows` are the store's row numbers, ascending; `notes` the number of each row's note; `gone` marks the rows that
    have been deleted since, None where none has.
    """

    key: str
    """The space of the vectors: an index of another space cannot be extended."""
    watermark: Watermark
    vectors: ExactRows | SignRows
    centre: int = 0
    """Which version of the centre the codes were taken around; 0 for exact rows."""
    rows: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    gone: Mask | None = None

    @property
    def dead(self) -> int:
        return 0 if self.gone is None else int(np.count_nonzero(self.gone))

    def extended(
        self, rows: Numbers, notes: Numbers, payload: Vector | Codes, *, shared: bool = True
    ) -> VectorIndex:
        """With rows behind the last. Only one line of descendants may be `shared`; any other copies the last block."""
        if not len(rows):
            return self
        if isinstance(self.vectors, ExactRows):
            vectors: ExactRows | SignRows = self.vectors.appended(
                len(self.rows), np.asarray(payload, dtype=np.float32), shared=shared
            )
        else:
            vectors = self.vectors.appended(
                len(self.rows), np.asarray(payload, dtype=np.uint8), shared=shared
            )
        gone = None if self.gone is None else np.concatenate([self.gone, np.zeros(len(rows), dtype=np.bool_)])
        return replace(
            self,
            watermark=Watermark(int(rows[-1]), self.watermark.deletion),
            vectors=vectors,
            rows=np.concatenate([self.rows, rows]),
            notes=np.concatenate([self.notes, notes]),
            gone=gone,
        )

    def without(self, rows: Numbers, watermark: Watermark) -> VectorIndex:
        """With these rows marked as gone, as far as they are here, and at `watermark`."""
        gone = self.gone
        if len(rows) and len(self.rows):
            places = np.searchsorted(self.rows, rows)
            places[places == len(self.rows)] = 0
            places = places[self.rows[places] == rows]
            if len(places):
                gone = np.zeros(len(self.rows), dtype=np.bool_) if gone is None else gone.copy()
                gone[places] = True
        return replace(self, watermark=watermark, gone=gone)

    def admitted(self, note_numbers: Numbers | None) -> Mask | None:
        """The rows that are there and belong to these notes; None stands for every row."""
        if note_numbers is None:
            return None if self.gone is None else ~self.gone
        mask = np.isin(self.notes, note_numbers)
        return mask if self.gone is None else mask & ~self.gone


def best_exact(
    index: VectorIndex, direction: Vector, k: int, admitted: Mask | None
) -> tuple[Numbers, Vector]:
    """Positions and cosines of the k best rows, best first, over an index of `ExactRows`."""
    vectors = index.vectors
    assert isinstance(vectors, ExactRows)  # the caller chose by this type
    count = len(index.rows)
    if admitted is None:
        return top(vectors.scores(direction, count), k)
    positions = np.flatnonzero(admitted)
    if len(positions) <= GATHER_SHARE_MAX * count:
        scores = vectors.scores_at(direction, positions)
    else:
        scores = vectors.scores(direction, count)[positions]
    chosen, best = top(scores, k)
    return positions[chosen], best


def nearest_codes(index: VectorIndex, weighted: Vector, depth: int, admitted: Mask | None) -> Numbers:
    """Positions, ascending, of at least min(depth, admitted) rows nearest by code, over an index of `SignRows`.

    A few more where codes tie; never more than twice `depth`.
    """
    vectors = index.vectors
    assert isinstance(vectors, SignRows)  # the caller chose by this type
    positions = None if admitted is None else np.flatnonzero(admitted)
    if positions is not None and len(positions) <= depth:
        return positions
    distances = vectors.distances(weighted, len(index.rows))
    if positions is not None:
        distances = distances[positions]
    within = np.cumsum(np.bincount(distances))
    limit = int(np.searchsorted(within, depth))
    nearest = np.flatnonzero(distances <= limit)
    if len(nearest) > 2 * depth:  # thousands of equal codes: boilerplate
        closer, ties = np.flatnonzero(distances < limit), np.flatnonzero(distances == limit)
        nearest = np.sort(np.concatenate([closer, ties[: 2 * depth - len(closer)]]))
    return nearest if positions is None else positions[nearest]


def top(scores: Vector, k: int) -> tuple[Numbers, Vector]:
    """Positions and values of the k largest, largest first, the earlier first where they are equal."""
    if len(scores) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= least)
    else:
        candidates = np.arange(len(scores))
    values = scores[candidates]
    order = np.lexsort((candidates, -values))[:k]
    return candidates[order], values[order]


def _places(count: int, rows: int) -> list[tuple[int, slice, slice]]:
    """Where `rows` rows lie that begin at row `count`: (block, slice in the block, slice among the rows)."""
    places = []
    done = 0
    while done < rows:
        block, column = divmod(count + done, BLOCK_ROWS)
        taken = min(BLOCK_ROWS - column, rows - done)
        places.append((block, slice(column, column + taken), slice(done, done + taken)))
        done += taken
    return places


def _with_last_copied(blocks: Sequence[Block]) -> list[Block]:
    copied = list(blocks)
    copied[-1:] = [block.copy() for block in copied[-1:]]
    return copied
