"""Records to rows of the embedded store and back.

Decides how a vector, a space or a list of offsets lies in SQLite, and checks vectors on both ways: what is written
has the space's width and is finite, and what is read still has and is. Runs no SQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.errors import SpaceMismatch, StoreDamaged, StoreError, StoreRejectedRow
from pipeline.records import (
    TEXT_CONTENT_CHARACTERS_MAX,
    Chunk,
    Document,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    Hit,
    NoteField,
    Vector,
    unit_length,
)
from pipeline.storage.patient_register import source_column, source_of
from pipeline.storage.region_column import column_of, region_of
from pipeline.text.periods import Period

STORED = np.dtype("<f4")
LAST_CHARACTER = "\U0010ffff"
"""Sorts behind every character, so that `date + LAST_CHARACTER` bounds all moments of that date."""

COLUMNS: Mapping[NoteField, str] = {
    "patient_id": "PatientID",
    "document_type": "DocumentType",
    "domain": "Domain",
}

Row = tuple[Any, ...]


def json_list(values: Iterable[str | int]) -> str:
    """A list as one bound value, for `IN (SELECT value FROM json_each(?))`: no limit on its length.

    A text with a NUL in it is left out, and so equals nothing: json_each hands over what stands before the NUL, which
    may be another note's or patient's id.
    """
    return json.dumps([value for value in values if not isinstance(value, str) or "\0" not in value])


def json_lists(values: Iterable[Iterable[str]]) -> str:
    """Lists of lists as one bound value, each inner one as `json_list` has it."""
    return f"[{','.join(map(json_list, values))}]"


@lru_cache(maxsize=16)
def scope_list(admitted: frozenset[str]) -> str:
    """The same for what a person may see: up to tens of thousands of ids, in every question of theirs. Sorted, because
    SQLite takes in a sorted list in half the time."""
    return json_list(sorted(admitted))


def space_row(space: EmbeddingSpace) -> dict[str, Any]:
    return asdict(space)


def space_of(row: Row) -> EmbeddingSpace:
    provider, model, dimension, query_prefix, passage_prefix, input_types, normalised, tokens_max, floor = row
    return EmbeddingSpace(
        provider,
        model,
        dimension,
        query_prefix,
        passage_prefix,
        bool(input_types),
        bool(normalised),
        tokens_max,
        floor,
    )


def note_row(document: Document) -> dict[str, Any]:
    text = document.text_content
    return {
        "resource_id": document.resource_id,
        "patient_id": document.patient_id,
        "document_type": document.document_type,
        "domain": document.domain,
        "author": document.author,
        "encounter_id": document.encounter_id,
        "date": document.date,
        "metadata": json.dumps(dict(document.metadata), ensure_ascii=False),
        "text_content": text[:TEXT_CONTENT_CHARACTERS_MAX],
        "text_rest": text[TEXT_CONTENT_CHARACTERS_MAX:] or None,
        "source_patient": source_column(document.patient),
    }


def document_of(row: Sequence[Any]) -> Document:
    resource_id, patient_id, document_type, text, rest, date, domain, author, encounter_id, metadata, said = (
        row
    )
    return Document(
        resource_id,
        patient_id,
        document_type,
        text + (rest or ""),
        date,
        domain,
        author,
        encounter_id,
        json.loads(metadata),
        source_of(said),
    )


def chunk_row(chunk: Chunk, row: int) -> dict[str, Any]:
    return {
        "row": row,
        "chunk_id": chunk.chunk_id,
        "resource_id": chunk.resource_id,
        "text": chunk.text,
        **place_row(chunk),
    }


def place_row(chunk: Chunk) -> dict[str, Any]:
    """What may change about a chunk while its text and vector stay, in the order of `chunks_of_notes`."""
    return {
        "ordinal": chunk.ordinal,
        "section": chunk.section,
        "start": chunk.start,
        "end": chunk.end,
        "offsets": None if chunk.offsets is None else json.dumps(chunk.offsets),
        "locator": column_of(chunk.region),
    }


def hit_of(row: Row, similarity: float) -> Hit:
    """From the columns of the statement `hits`, up to Locator."""
    (
        chunk_id,
        resource_id,
        patient_id,
        document_type,
        date,
        domain,
        section,
        text,
        start,
        end,
        offsets,
        locator,
        *_,
    ) = row
    return Hit(
        chunk_id,
        resource_id,
        patient_id,
        document_type,
        date,
        domain,
        section,
        text,
        start,
        end,
        similarity,
        offsets=None if offsets is None else tuple((at, original) for at, original in json.loads(offsets)),
        region=None if locator is None else region_of(chunk_id, locator),
    )


def filter_values(filters: Filters) -> Mapping[str, str]:
    """What the statements `filter_<name>` bind, by name; only those that restrict anything. An empty list is bound
    like any other, and admits nothing."""
    values: dict[str, str] = {}
    lists = {
        "patient_ids": filters.admitted_patients,
        "document_types": filters.document_types or None,
        "domains": filters.admitted_domains,
    }
    for name, admitted in lists.items():
        if admitted is not None:
            values[name] = scope_list(admitted) if isinstance(admitted, frozenset) else json_list(admitted)
    period = Period.of(filters.since, filters.until)
    if period.since is not None:
        values["since"] = period.since
    if (last := period.last(LAST_CHARACTER)) is not None:
        values["until"] = last
    return values


def checked(embedded: EmbeddedDocument, dimension: int) -> None:
    """Raises StoreRejectedRow, with the id and without a word of the note, where a note cannot be stored."""
    document = embedded.document
    storable(document.text_content, document.resource_id)
    storable(document.as_json(), document.resource_id)
    seen = set()
    for embedded_chunk in embedded.chunks:
        chunk, vector = embedded_chunk.chunk, embedded_chunk.vector
        if chunk.resource_id != document.resource_id:
            raise refused(chunk.chunk_id, f"belongs to {chunk.resource_id}, not to {document.resource_id}")
        if chunk.chunk_id in seen:
            raise refused(chunk.chunk_id, f"occurs twice in {document.resource_id}")
        seen.add(chunk.chunk_id)
        if vector.shape != (dimension,):
            raise refused(chunk.chunk_id, f"has a vector of shape {vector.shape}, not ({dimension},)")
        if not np.isfinite(vector).all():
            raise refused(chunk.chunk_id, "has a vector with NaN or infinity in it")
        storable(chunk.text + (chunk.section or ""), chunk.chunk_id)


def storable(text: str, owner: str) -> None:
    """Raises StoreRejectedRow where `text` is not Unicode that can be written as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise refused(owner, f"has half of a surrogate pair at character {error.start}") from None


def refused(owner: str, reason: str) -> StoreRejectedRow:
    """`reason` follows the id, and holds no word of the record."""
    return StoreRejectedRow(
        f"{owner!r} {reason}.",
        remedy="Nothing of this batch was written. Correct that record, or the embedder that made its vector.",
    )


def stored_vector(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype=STORED).tobytes()


def vectors_of(blobs: Sequence[bytes], rows: Sequence[int], dimension: int) -> Vector:
    """Stored vectors, shape (n, dimension). Raises StoreDamaged where one has another width or is not finite."""
    width = dimension * STORED.itemsize
    for row, blob in zip(rows, blobs, strict=True):
        if len(blob) != width:
            raise _damaged(row, f"is {len(blob)} bytes wide and should be {width}")
    vectors = np.frombuffer(b"".join(blobs), dtype=STORED).reshape(len(blobs), dimension)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise _damaged(rows[int(np.argmin(finite))], "has NaN or infinity in it")
    return np.asarray(vectors, dtype=np.float32)


def _damaged(row: int, reason: str) -> StoreDamaged:
    return StoreDamaged(
        f"The stored vector of row {row} {reason}.",
        remedy="Restore the store from a snapshot, or embed all notes again with --fresh.",
    )


def direction_of(vector: Vector, space: EmbeddingSpace) -> Vector:
    """A question's vector as a unit vector. Raises where it cannot be of this space."""
    if vector.shape != (space.dimension,):
        raise SpaceMismatch(
            f"The question's vector has shape {vector.shape}; the store holds {space.id}.",
            remedy="Ask with the embedder that indexed the notes.",
        )
    if not np.isfinite(vector).all():
        raise StoreError(
            "The question's vector has NaN or infinity in it.",
            remedy="Check the embedder: python -m pipeline.validate.",
        )
    return unit_length(np.asarray(vector, dtype=np.float32))
