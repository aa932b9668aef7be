"""The spool keeps what was paid for, tells spaces apart, and never hands out a damaged vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SchemaMismatch
from pipeline.indexing.vector_cache import SqliteVectorCache
from pipeline.records import Chunk, EmbeddingSpace
from pipeline.storage.sqlite import Database

SPACE = EmbeddingSpace("test", "m", 3)
OTHER = EmbeddingSpace("test", "m2", 3)


def chunk(chunk_id: str, text: str) -> Chunk:
    return Chunk(chunk_id, "n", 0, text, 0, len(text))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "spool.sqlite")


def test_equal_texts_share_a_vector_across_notes_and_processes(database: Database) -> None:
    SqliteVectorCache(database, SPACE).keep([chunk("a", "fever")], np.array([[1, 2, 3]], dtype=np.float32))
    again = SqliteVectorCache(Database(database.path), SPACE)
    found = again.kept([chunk("b", "fever"), chunk("c", "cough")])
    assert {key: value.tolist() for key, value in found.items()} == {"b": [1, 2, 3]}


def test_spaces_do_not_mix(database: Database) -> None:
    SqliteVectorCache(database, SPACE).keep([chunk("a", "fever")], np.ones((1, 3), dtype=np.float32))
    assert SqliteVectorCache(database, OTHER).kept([chunk("a", "fever")]) == {}


def test_the_section_is_part_of_what_was_embedded(database: Database) -> None:
    spool = SqliteVectorCache(database, SPACE)
    spool.keep([chunk("a", "none")], np.ones((1, 3), dtype=np.float32))
    assert spool.kept([Chunk("b", "n", 0, "none", 0, 4, section="Allergies")]) == {}


def test_a_damaged_vector_counts_as_absent(database: Database) -> None:
    spool = SqliteVectorCache(database, SPACE)
    spool.keep([chunk("a", "fever")], np.ones((1, 3), dtype=np.float32))
    database.connection.execute("UPDATE SpooledVectors SET Vector = x'000000000000000000000000'")
    assert spool.kept([chunk("a", "fever")]) == {}
    assert spool.damaged == 1
    spool.keep([chunk("a", "fever")], np.ones((1, 3), dtype=np.float32))
    assert list(spool.kept([chunk("a", "fever")])) == ["a"]


def test_forgetting_empties_one_space(database: Database) -> None:
    one, two = SqliteVectorCache(database, SPACE), SqliteVectorCache(database, OTHER)
    for spool in (one, two):
        spool.keep([chunk("a", "fever")], np.ones((1, 3), dtype=np.float32))
    one.forget()
    assert (one.count(), two.count()) == (0, 1)


def test_vectors_that_a_newer_release_kept_are_refused(database: Database) -> None:
    SqliteVectorCache(database, SPACE)
    database.connection.execute("UPDATE ComponentVersions SET Version = 2")
    with pytest.raises(SchemaMismatch, match=r"spool\.sqlite has schema version 2; .* versions 0 to 1"):
        SqliteVectorCache(database, SPACE)


def test_vectors_that_the_first_release_kept_are_found(database: Database) -> None:
    """It did not number its tables."""
    first = SqliteVectorCache(database, SPACE)
    kept = [chunk("a", "chest pain")]
    first.keep(kept, np.ones((1, SPACE.dimension), dtype=np.float32))
    database.connection.execute("DROP TABLE ComponentVersions")
    assert set(SqliteVectorCache(database, SPACE).kept(kept)) == {"a"}
