"""Is the embedded store sound? Every problem in words, none repaired.

Decides what soundness means: the file, the references, the word index against the texts, one vector and one code for
each chunk, each of the right width, finite, and the code that its vector gives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from pipeline.backends.embedded.rows import vectors_of
from pipeline.backends.embedded.vector_index import sign_codes
from pipeline.backends.embedded.vectors import READ_ROWS, centre_of, codes_of
from pipeline.errors import StoreDamaged
from pipeline.records import EmbeddingSpace, unit_length
from pipeline.storage.named_sql import Statements

_COUNTS = {
    "check_chunks_without_vector": "{number} chunks have no vector or no code.",
    "check_vectors_without_chunk": "{number} vectors or codes belong to no chunk.",
    "check_codes_of_another_note": "{number} chunks are filed under another note in the filter of the search.",
}


def problems_of(connection: sqlite3.Connection, statements: Statements, space: EmbeddingSpace) -> list[str]:
    """Everything that is wrong. Reads the whole file; needs a write transaction, in which it writes nothing."""
    problems = [f"SQLite: {row[0]}" for row in connection.execute(statements.check_file) if row[0] != "ok"]
    problems += [
        f"{table}, row {row}: the {parent} it belongs to is not there."
        for table, row, parent, _ in connection.execute(statements.check_references)
    ]
    problems += _words(connection, statements)
    for name, sentence in _COUNTS.items():
        (number,) = connection.execute(getattr(statements, name)).fetchone()
        if number:
            problems.append(sentence.format(number=number))
    try:
        problems += _vectors(connection, statements, space)
    except StoreDamaged as error:
        problems.append(error.what)
    return problems


def _words(connection: sqlite3.Connection, statements: Statements) -> list[str]:
    try:
        connection.execute(statements.check_words)
    except sqlite3.DatabaseError as error:
        return [f"The word index does not match the chunks' text ({error})."]
    return []


def _vectors(connection: sqlite3.Connection, statements: Statements, space: EmbeddingSpace) -> Iterator[str]:
    centre = centre_of(connection, statements, space).mean
    cursor = connection.execute(statements.check_vectors_and_codes)
    while fetched := cursor.fetchmany(READ_ROWS):
        numbers, chunk_ids, embeddings, blobs = zip(*fetched, strict=True)
        unit = unit_length(vectors_of(embeddings, numbers, space.dimension))
        codes = codes_of(blobs, numbers, space.dimension)
        differing = (sign_codes(unit, centre) != codes).any(axis=1)
        for chunk_id, differs in zip(chunk_ids, differing, strict=True):
            if differs:
                yield f"The code of chunk {chunk_id!r} is not that of its vector."
