"""A store in IRIS as commit 461b9f0 left it: its own statements, verbatim, on the scripted driver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.backends.iris.rows import (
    checksum_of,
    chunk_row,
    definition,
    note_row,
    split_text,
    vector_text,
)
from pipeline.records import EmbeddedDocument, EmbeddingSpace
from pipeline.storage.named_sql import Statements
from tests.backends.iris_driver import Server

STATEMENTS = dict(Statements(Path(__file__).parents[1] / "data" / "iris-461b9f0.sql").items())


def make_store(server: Server, space: EmbeddingSpace, notes: Sequence[EmbeddedDocument] = ()) -> None:
    """Tables of schema version 1, and in them what that release wrote for these notes."""
    for name, statement in STATEMENTS.items():
        if name.startswith("create_"):
            text = statement.replace("{dimension}", str(space.dimension))
            server.foreign(text.replace("{image_dimension}", "1024"))
    send(server, "insert_schema_version", 1, "store")
    send(server, "insert_space", space.id, space.dimension, definition(space), "text")
    for embedded in notes:
        document = embedded.document
        *row, _, resource_id = note_row(
            embedded
        )  # that release knew nothing of a source's words on the patient
        send(server, "insert_note", *row, resource_id)
        for part, content in enumerate(split_text(document.text_content)[1]):
            send(server, "insert_note_text", document.resource_id, part, content)
        for each in embedded.chunks:
            *row, _, fingerprint = chunk_row(document, each.chunk)
            vector = (vector_text(each.vector), checksum_of(each.vector), each.chunk.chunk_id)
            send(server, "insert_chunk", *row, fingerprint, *vector)


def send(server: Server, name: str, *values: object) -> None:
    server.foreign(STATEMENTS[name], values)


def add_image(server: Server, image_id: str, resource_id: str | None, schema: str = "DEMO") -> None:
    """What no release wrote, and someone may have."""
    server.dirty.execute(
        f"INSERT INTO {schema}_MedicalImageVectors (ImageID, ResourceID, PatientID, Location, Metadata, Embedding, "
        "VectorChecksum) VALUES (?, ?, 'p1', 's3://x', '{}', ?, '')",
        [image_id, resource_id, ",".join(["0.5"] * 1024)],
    )
