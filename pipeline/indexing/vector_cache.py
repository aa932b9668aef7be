"""The vector cache (the spool, in its file's name): every vector that was paid for, kept before anything else is done.

Found by space and by the hash of the text that was embedded, so the same words are never embedded twice in one space,
whichever note they stand in, and a store can be repaired without an embedder. Each row carries a checksum; a row that
fails it counts as absent. For stores that do not share the ledger's database.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.indexing.embedding import text_hash
from pipeline.indexing.material import Piece
from pipeline.records import EmbeddingSpace, Vector
from pipeline.storage.named_sql import Statements
from pipeline.storage.schema_upgrades import SqliteVersions, Upgrades
from pipeline.storage.sqlite import Database, storage_errors

_SQL = Statements(Path(__file__).with_suffix(".sql"))


def m0001_first(connection: sqlite3.Connection) -> None:
    connection.execute(_SQL.create_spaces)
    connection.execute(_SQL.create_vectors)


_VERSIONS = SqliteVersions("vector_cache", Upgrades(m0001_first, first=0))


class SqliteVectorCache:
    """Vectors of one space in a SQLite file of their own. Safe to use from several threads and processes."""

    def __init__(self, database: Database, space: EmbeddingSpace) -> None:
        self._database = database
        self._dimension = space.dimension
        with storage_errors(database.path):
            _VERSIONS.upgrade(database.transaction, str(database.path))
        with database.transaction() as connection, storage_errors(database.path):
            connection.execute(_SQL.add_space, (space.id,))
            self._space = int(connection.execute(_SQL.space_number, (space.id,)).fetchone()[0])
        self.damaged = 0
        """Rows met so far whose checksum failed."""

    def kept(self, chunks: Sequence[Piece]) -> Mapping[str, Vector]:
        """Vectors that are there and sound, by chunk id."""
        found = {}
        with storage_errors(self._database.path):
            for chunk in chunks:
                row = self._database.connection.execute(_SQL.kept, (self._space, _key(chunk))).fetchone()
                if row is None:
                    continue
                vector = self._sound(*row)
                if vector is None:
                    self.damaged += 1
                else:
                    found[chunk.chunk_id] = vector
        return found

    def keep(self, chunks: Sequence[Piece], vectors: Vector) -> None:
        """Commit the rows of `vectors`, one a chunk, to disk."""
        rows = []
        for chunk, vector in zip(chunks, vectors, strict=True):
            content = np.asarray(vector, dtype="<f4").tobytes()
            rows.append((self._space, _key(chunk), zlib.crc32(content), content))
        with self._database.transaction() as connection, storage_errors(self._database.path):
            connection.executemany(_SQL.keep, rows)

    def count(self) -> int:
        with storage_errors(self._database.path):
            return int(self._database.connection.execute(_SQL.count, (self._space,)).fetchone()[0])

    def forget(self) -> None:
        """Drop every vector of this space, so that all is embedded again."""
        with self._database.transaction() as connection, storage_errors(self._database.path):
            connection.execute(_SQL.drop_space, (self._space,))

    def _sound(self, checksum: int, content: bytes) -> Vector | None:
        if zlib.crc32(content) != checksum or len(content) != 4 * self._dimension:
            return None
        return np.frombuffer(content, dtype="<f4")


def _key(chunk: Piece) -> bytes:
    return bytes.fromhex(text_hash(chunk))
