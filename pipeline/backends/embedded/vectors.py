"""Keeps the vector index in memory in step with the embedded store's file.

Decides when the index is extended, when it is read again, and whether it holds vectors or codes. Several threads may
ask at the same time, and another process may write meanwhile: every search gets an index of exactly the state that its
snapshot of the file shows.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.backends.embedded.rows import json_list, stored_vector, vectors_of
from pipeline.backends.embedded.vector_index import (
    Codes,
    ExactRows,
    Numbers,
    SignRows,
    VectorIndex,
    Watermark,
    code_bytes,
    sign_codes,
)
from pipeline.errors import StoreDamaged
from pipeline.records import EmbeddingSpace, Vector, unit_length
from pipeline.storage.named_sql import Statements

REFERENCE_DIMENSION = 1024
"""The width that `exact_chunks_max` is meant for. Narrower vectors cost less, so more of them are compared exactly."""
READ_ROWS = 2_048
"""Rows fetched at a time while the index is filled: 8 MiB of vectors at 1024-d."""
DELETIONS_KEPT = 100_000
"""How many deletions the log keeps. A reader that lags further behind reads everything again."""
DEAD_SHARE_MAX = 0.25
"""Above this share of deleted rows the index is read again, to give their memory back."""
CENTRE_CHUNKS_MIN = 4_096
"""From so many chunks on their mean is taken as the centre of the codes; smaller stores have no use for codes."""
CENTRE_GROWTH = 4
"""The centre is looked at again whenever the store has grown this many times."""
CENTRE_SHIFT_MIN = 0.05
"""A centre that would move by less stays: three times the error of a mean of so many unit vectors."""

NOTE_TABLES = ("ClinicalNoteVectors", "DeletedVectors")


@dataclass(frozen=True, slots=True)
class Centre:
    """What the sign codes are taken around, and when it was determined."""

    version: int
    chunks: int
    mean: Vector
    """Of the unit vectors, shape (dimension,)."""
    spread: Vector
    """Mean distance from the mean in each dimension, shape (dimension,)."""

    def weighted(self, direction: Vector) -> Vector:
        """A question's unit vector, shape (dimension,), as the codes are compared with it."""
        return np.asarray((direction - self.mean) * self.spread, dtype=np.float32)


class FollowedIndex:
    """The shared index of one table of vectors, and the way to bring it up to date. Safe between threads."""

    def __init__(
        self, statements: Statements, exact_chunks_max: int, tables: tuple[str, str] = NOTE_TABLES
    ) -> None:
        """`tables`: where rows and their deletions are numbered, as the statement `sequences` names them."""
        self._sql = statements
        self._exact_chunks_max = exact_chunks_max
        self._rows, self._deletions = tables
        self._lock = threading.Lock()
        self._shared: VectorIndex | None = None

    def at(
        self, connection: sqlite3.Connection, space: EmbeddingSpace, *, uncommitted: bool
    ) -> VectorIndex | None:
        """The index of the state that this connection sees; None where others have seen a newer one already.

        After None the caller takes a new snapshot. `uncommitted`: the connection is inside a write transaction; its
        rows may yet be undone, so its index is its own and is thrown away.
        """
        mark = self.watermark(connection)
        shared = self._shared
        if shared is not None and shared.watermark == mark and shared.key == space.id:
            return shared
        if uncommitted:
            return self._followed(connection, space, shared, mark, shared=False)
        with self._lock:
            if self._shared is not None and self._shared.watermark > mark:
                return None
            self._shared = self._followed(connection, space, self._shared, mark, shared=True)
            return self._shared

    def watermark(self, connection: sqlite3.Connection) -> Watermark:
        numbers = dict(connection.execute(self._sql.sequences).fetchall())
        return Watermark(numbers.get(self._rows, 0), numbers.get(self._deletions, 0))

    def _followed(
        self,
        connection: sqlite3.Connection,
        space: EmbeddingSpace,
        base: VectorIndex | None,
        mark: Watermark,
        *,
        shared: bool,
    ) -> VectorIndex:
        exact = self._compares_exactly(mark.chunks, space.dimension)
        centre = None if exact else centre_of(connection, self._sql, space)
        version = centre.version if centre else 0
        if base is not None and base.key == space.id and base.watermark <= mark and base.centre == version:
            rows = [
                row for (row,) in connection.execute(self._sql.deletions_since, (base.watermark.deletion,))
            ]
            complete = len(rows) == mark.deletion - base.watermark.deletion
            if complete and isinstance(base.vectors, ExactRows) == exact:
                gone = np.asarray(rows, dtype=np.int64)
                grown = self._filled(connection, space, base, shared=shared).without(gone, mark)
                if grown.dead <= max(DEAD_SHARE_MAX * len(grown.rows), 1_000):
                    return grown
        vectors = ExactRows(space.dimension) if exact else SignRows(space.dimension)
        empty = VectorIndex(space.id, Watermark(), vectors, centre=version)
        return replace(self._filled(connection, space, empty, shared=True), watermark=mark)

    def _compares_exactly(self, chunks: int, dimension: int) -> bool:
        return chunks * dimension <= self._exact_chunks_max * REFERENCE_DIMENSION

    def _filled(
        self, connection: sqlite3.Connection, space: EmbeddingSpace, index: VectorIndex, *, shared: bool
    ) -> VectorIndex:
        """With every row of the store that lies behind the last of `index`."""
        exact = isinstance(index.vectors, ExactRows)
        payload_of: Callable[[Sequence[bytes], Sequence[int], int], Vector | Codes]
        payload_of = unit_vectors_of if exact else codes_of
        statement = self._sql.vectors_since if exact else self._sql.signs_since
        cursor = connection.execute(statement, (index.watermark.row,))
        while fetched := cursor.fetchmany(READ_ROWS):
            rows, notes, blobs = zip(*fetched, strict=True)
            numbers = np.asarray(rows, dtype=np.int64), np.asarray(notes, dtype=np.int64)
            index = index.extended(*numbers, payload_of(blobs, rows, space.dimension), shared=shared)
        return index


def unit_vectors_of(blobs: Sequence[bytes], rows: Sequence[int], dimension: int) -> Vector:
    """Stored vectors scaled to length 1, shape (n, dimension)."""
    return unit_length(vectors_of(blobs, rows, dimension))


def codes_of(blobs: Sequence[bytes], rows: Sequence[int], dimension: int) -> Codes:
    """Stored sign codes, shape (n, bytes). Raises StoreDamaged where one has another width."""
    width = code_bytes(dimension)
    for row, blob in zip(rows, blobs, strict=True):
        if len(blob) != width:
            raise StoreDamaged(
                f"The sign code of row {row} is {len(blob)} bytes wide and should be {width}.",
                remedy="Restore the store from a snapshot, or embed all notes again with --fresh.",
            )
    return np.frombuffer(b"".join(blobs), dtype=np.uint8).reshape(len(blobs), width)


def centre_of(connection: sqlite3.Connection, statements: Statements, space: EmbeddingSpace) -> Centre:
    """The centre of the store's codes; the origin where none was determined yet."""
    row = connection.execute(statements.centre).fetchone()
    if row is None:
        return Centre(
            0,
            0,
            np.zeros(space.dimension, dtype=np.float32),
            np.ones(space.dimension, dtype=np.float32),
        )
    version, chunks, *blobs = row
    return Centre(version, chunks, *vectors_of(blobs, [0, 0], space.dimension))


def cosines(
    connection: sqlite3.Connection, statements: Statements, rows: Numbers, direction: Vector
) -> tuple[Numbers, Vector]:
    """Row numbers, ascending, and exact cosines of the stored vectors at `rows`."""
    fetched = connection.execute(statements.embeddings, (json_list(rows.tolist()),)).fetchall()
    if not fetched:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    numbers, blobs = zip(*fetched, strict=True)
    unit = unit_vectors_of(blobs, numbers, len(direction))
    return np.asarray(numbers, dtype=np.int64), np.asarray(np.vecdot(unit, direction), dtype=np.float32)


def recentre(
    connection: sqlite3.Connection, statements: Statements, space: EmbeddingSpace, chunks: int
) -> None:
    """Take the codes around the corpus' mean again, where the store has grown enough to know it better.

    Reads all vectors once each time the store has grown four times, so a third more than once over its life.
    """
    known = centre_of(connection, statements, space)
    if chunks < max(CENTRE_CHUNKS_MIN, CENTRE_GROWTH * known.chunks):
        return
    step = max(1, chunks // CENTRE_CHUNKS_MIN)
    sample = [unit for _, unit in _unit_vectors(connection, statements, space.dimension, step)]
    if not sample:
        return
    some = np.concatenate(sample)
    mean = some.mean(axis=0)
    stays = float(np.linalg.norm(mean - known.mean)) < CENTRE_SHIFT_MIN
    centre = known.mean if stays else mean
    found = {
        "chunks": chunks,
        "mean": stored_vector(centre),
        "spread": stored_vector(np.abs(some - centre).mean(axis=0)),
    }
    connection.execute(statements.confirm_centre if stays else statements.move_centre, found)
    if stays:
        return
    for rows, unit in _unit_vectors(connection, statements, space.dimension, 1):
        codes = sign_codes(unit, centre)
        pairs = [(code.tobytes(), row) for code, row in zip(codes, rows, strict=True)]
        connection.executemany(statements.update_sign, pairs)


def _unit_vectors(
    connection: sqlite3.Connection, statements: Statements, dimension: int, step: int
) -> Iterator[tuple[Sequence[int], Vector]]:
    """Row numbers and unit vectors of the rows whose number `step` divides, a few thousand at a time."""
    cursor = connection.execute(statements.every_nth_embedding, (step,))
    while fetched := cursor.fetchmany(READ_ROWS):
        rows, blobs = zip(*fetched, strict=True)
        yield rows, unit_vectors_of(blobs, rows, dimension)
