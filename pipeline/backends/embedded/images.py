"""Images in the embedded store: the same file, transactions and version as its notes, statements in images.sql.

Decides what is written for an image, and that every vector is compared: there are fewer images than passages. What a
person may not see is left out where rows are selected, the report of an image as well: it is joined when it is read, so
that it is linked whichever of the two comes first. Knows no embedder and no file format.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backends.embedded import rows
from pipeline.backends.embedded.upgrades import CORPUS_VERSION_SINCE, IMAGES_SINCE, UPGRADES
from pipeline.backends.embedded.vector_index import Numbers, best_exact
from pipeline.backends.embedded.vectors import DELETIONS_KEPT, FollowedIndex
from pipeline.errors import SpaceMismatch, StoreDamaged, StoreError
from pipeline.images import (
    EVERY_IMAGE,
    THUMBNAIL_BYTES_MAX,
    EmbeddedImage,
    ImageCounts,
    ImageFilters,
    ImageHit,
    Thumbnail,
    description_json,
)
from pipeline.imaging.records import ImageDescription
from pipeline.records import EVERYTHING, AccessScope, EmbeddingSpace, Filters, Vector
from pipeline.storage.named_sql import Statements
from pipeline.storage.sqlite import Database, storage_errors

_SQL = Statements(Path(__file__).with_suffix(".sql"))
_STORE = Statements(Path(__file__).with_name("store.sql"))
_TABLES = ("MedicalImageVectors", "DeletedImages")
PAGE_ROWS = 10_000
CHECKED_AT_ONCE = 2_048


class EmbeddedImages:
    """`ports.ImageStore` in the file of an `EmbeddedStore`, which has prepared it. Safe between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index = FollowedIndex(_SQL, sys.maxsize, _TABLES)

    # --- preparing

    def prepare(self, space: EmbeddingSpace) -> None:
        with self._writing() as connection:
            self._require_newest(connection)
            stored = _space(connection)
            if stored is None:
                connection.execute(_SQL.insert_space, rows.space_row(space))
            elif stored.id != space.id:
                raise self._mismatch(stored, space)
            elif stored.similarity_floor != space.similarity_floor:
                connection.execute(_SQL.update_space, (space.similarity_floor,))
            else:
                return
            connection.execute(_STORE.change_corpus_version)

    def space(self) -> EmbeddingSpace | None:
        with self._reading() as (_, space):
            return space

    def version(self) -> str | None:
        with self._database.snapshot() as connection, storage_errors(self._database.path):
            if self._version(connection) < CORPUS_VERSION_SINCE:
                return None
            return str(connection.execute(_STORE.corpus_version).fetchone()[0])

    def _mismatch(self, held: EmbeddingSpace, asked: EmbeddingSpace) -> SpaceMismatch:
        return SpaceMismatch(
            f"{self._database.path} holds images of {held.id}; the image embedder in use makes {asked.id}.",
            remedy="Use the image embedder that made them, or embed all images again: python -m pipeline.vectorize "
            "images FOLDER --fresh.",
        )

    def _require_newest(self, connection: sqlite3.Connection) -> None:
        version = self._version(connection)
        if version != UPGRADES.version:
            raise StoreError(
                f"{self._database.path} holds no index that takes images.",
                remedy="Prepare it first: python -m pipeline.vectorize optimise, or index some notes.",
            )

    def _version(self, connection: sqlite3.Connection) -> int:
        """The version of the tables; 0 where there are none."""
        if not connection.execute(_STORE.has_schema).fetchone()[0]:
            return 0
        row = connection.execute(_STORE.schema_version).fetchone()
        if row is not None:
            UPGRADES.require_known(row[0], str(self._database.path))
        return int(row[0]) if row else 0

    @contextmanager
    def _reading(self) -> Iterator[tuple[sqlite3.Connection, EmbeddingSpace | None]]:
        """A snapshot, and the space of the images; None where there are none, in tables of an earlier release too."""
        with self._database.snapshot() as connection, storage_errors(self._database.path):
            held = self._version(connection) >= IMAGES_SINCE
            yield connection, _space(connection) if held else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._database.transaction() as connection, storage_errors(self._database.path):
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[tuple[sqlite3.Connection, EmbeddingSpace]]:
        """A transaction that changes what an answer may say."""
        with self._writing() as connection:
            self._require_newest(connection)
            space = _space(connection)
            if space is None:
                raise StoreError(
                    f"{self._database.path} is prepared for no image space.",
                    remedy="Index images first: python -m pipeline.vectorize images FOLDER.",
                )
            yield connection, space
            connection.execute(_STORE.change_corpus_version)

    # --- writing

    def transaction(self) -> AbstractContextManager[None]:
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._database.transaction():
            yield

    def upsert(self, images: Sequence[EmbeddedImage]) -> None:
        """Replace each image. A vector that is as before keeps its row."""
        latest = {image.description.image_id: image for image in images}
        with self._changing() as (connection, space):
            for image in latest.values():
                _checked(image, space.dimension)
            ids = rows.json_list(latest)
            stored = {key: blob for key, _, blob in connection.execute(_SQL.stored_images, (ids,))}
            kept = {key for key, blob in stored.items() if blob == rows.stored_vector(latest[key].vector)}
            connection.execute(_SQL.delete_images, (rows.json_list(stored.keys() - kept),))
            connection.execute(_SQL.delete_thumbnails, (ids,))
            written = [(key, _image_row(image)) for key, image in latest.items()]
            connection.executemany(_SQL.update_image, [row for key, row in written if key in kept])
            connection.executemany(_SQL.insert_image, [row for key, row in written if key not in kept])
            pictures = [(key, image.thumbnail) for key, image in latest.items()]
            connection.executemany(
                _SQL.insert_thumbnail,
                [(key, picture.media_type, picture.content) for key, picture in pictures if picture],
            )
            self._forget_old_deletions(connection)

    def delete(self, image_ids: Sequence[str]) -> int:
        with self._database.snapshot() as connection, storage_errors(self._database.path):
            if self._version(connection) < IMAGES_SINCE or _space(connection) is None:
                return 0
        with self._changing() as (connection, _):
            removed = connection.execute(_SQL.delete_images, (rows.json_list(image_ids),)).rowcount
            self._forget_old_deletions(connection)
            return removed

    def clear(self) -> None:
        with self._writing() as connection:
            if self._version(connection) < IMAGES_SINCE:
                return
            connection.execute(_SQL.delete_all_images)
            connection.execute(_SQL.delete_space)
            self._forget_old_deletions(connection)
            connection.execute(_STORE.change_corpus_version)

    def _forget_old_deletions(self, connection: sqlite3.Connection) -> None:
        last = self._index.watermark(connection).deletion - DELETIONS_KEPT
        connection.execute(_SQL.forget_old_deletions, (last,))

    # --- reading

    def vectors(self, image_ids: Sequence[str]) -> Mapping[str, Vector]:
        with self._reading() as (connection, space):
            if space is None:
                return {}
            found = connection.execute(_SQL.stored_images, (rows.json_list(image_ids),)).fetchall()
        vectors = rows.vectors_of([blob for *_, blob in found], [row for _, row, _ in found], space.dimension)
        return {key: vector for (key, *_), vector in zip(found, vectors, strict=True)}

    def descriptions(self, image_ids: Sequence[str]) -> Mapping[str, ImageDescription]:
        with self._reading() as (connection, space):
            if space is None:
                return {}
            found = connection.execute(_SQL.descriptions, (rows.json_list(image_ids),)).fetchall()
        return {row[1]: _description_of(row) for row in found}

    def image(self, image_id: str, scope: AccessScope) -> ImageDescription | None:
        found = self._selected(ImageFilters(scope=scope), [image_id])
        return found[0] if found else None

    def images(self, filters: ImageFilters, *, skip: int = 0, limit: int = 100) -> list[ImageDescription]:
        admitted, values = _admission(filters)
        with self._reading() as (connection, space):
            if space is None or limit <= 0:
                return []
            statement = _SQL.rows_in_order.replace("{admitted}", admitted)
            found = connection.execute(statement, {**values, "limit": limit, "skip": max(skip, 0)})
            numbers = [row for (row,) in found]
            described = _described(connection, numbers, filters.scope)
        return [described[number] for number in numbers]

    def thumbnail(self, image_id: str, scope: AccessScope) -> Thumbnail | None:
        admitted, values = _admission(ImageFilters(scope=scope))
        with self._reading() as (connection, space):
            if space is None:
                return None
            statement = _SQL.thumbnail.replace("{admitted}", admitted)
            row = connection.execute(statement, {**values, "image_id": image_id}).fetchone()
        return None if row is None else Thumbnail(*row)

    def counts(self, scope: AccessScope = EVERYTHING) -> ImageCounts:
        admitted, values = _admission(ImageFilters(scope=scope))
        with self._reading() as (connection, space):
            if space is None:
                return ImageCounts(0, 0, 0)
            row = connection.execute(_SQL.counts.replace("{admitted}", admitted), values).fetchone()
        return ImageCounts(*row)

    def image_ids(self) -> Iterator[str]:
        last = ""
        while True:
            with self._reading() as (connection, space):
                if space is None:
                    return
                page = [key for (key,) in connection.execute(_SQL.image_ids_after, (last, PAGE_ROWS))]
            if not page:
                return
            yield from page
            last = page[-1]

    def images_of(self, content_hashes: Sequence[str]) -> list[str]:
        with self._reading() as (connection, space):
            if space is None:
                return []
            found = connection.execute(_SQL.images_of, (rows.json_list(content_hashes),))
            return [key for (key,) in found]

    # --- searching

    def search(self, vector: Vector, k: int, filters: ImageFilters) -> list[ImageHit]:
        while True:
            uncommitted = self._database.connection.in_transaction
            with self._reading() as (connection, space):
                if space is None:
                    return []
                direction = rows.direction_of(vector, space)
                if k <= 0:
                    return []
                index = self._index.at(connection, space, uncommitted=uncommitted)
                if index is None:
                    continue  # others have seen a newer state already
                admitted = index.admitted(_rows_admitted(connection, filters))
                positions, scores = best_exact(index, direction, k, admitted)
                numbers = index.rows[positions].tolist()
                described = _described(connection, numbers, filters.scope)
                cosines = np.clip(scores, -1.0, 1.0).tolist()
                return [ImageHit(described[row], score) for row, score in zip(numbers, cosines, strict=True)]

    def _selected(self, filters: ImageFilters, image_ids: Sequence[str]) -> list[ImageDescription]:
        admitted, values = _admission(filters)
        statement = _SQL.rows_admitted.replace("{admitted}", f"{admitted} AND {_SQL.admit_image_ids}")
        with self._reading() as (connection, space):
            if space is None:
                return []
            found = connection.execute(statement, {**values, "image_ids": rows.json_list(image_ids)})
            numbers = [row for (row,) in found]
            return list(_described(connection, numbers, filters.scope).values())

    # --- soundness

    def check(self) -> list[str]:
        with self._reading() as (connection, space):
            if space is None:
                return []
            problems = _damaged_vectors(connection, space)
            (orphans,) = connection.execute(_SQL.check_thumbnails).fetchone()
            if orphans:
                problems.append(f"{orphans} thumbnails belong to no image.")
            return problems

    def without_thumbnail(self) -> list[str]:
        with self._reading() as (connection, space):
            if space is None:
                return []
            return [key for (key,) in connection.execute(_SQL.without_thumbnail)]

    def foreign_reports(self) -> list[str]:
        with self._reading() as (connection, space):
            if space is None:
                return []
            return [key for (key,) in connection.execute(_SQL.check_reports)]

    def close(self) -> None:
        self._database.close()


def _space(connection: sqlite3.Connection) -> EmbeddingSpace | None:
    row = connection.execute(_SQL.space).fetchone()
    return None if row is None else rows.space_of(row)


def _admission(filters: ImageFilters) -> tuple[str, dict[str, str]]:
    """Conditions on `image`, and what they bind. The names of notes' filters are those of images."""
    values = dict(rows.filter_values(filters.shared))
    values |= {name: rows.json_list(wanted) for name, wanted in filters.of_images.items()}
    conditions = [getattr(_SQL, f"admit_{name}") for name in values]
    if filters.report_ids:
        seen, bound = _report_seen(filters.scope)
        conditions.append(_SQL.admit_report_ids.replace("{report_seen}", seen))
        values |= {**bound, "report_ids": rows.json_list(filters.report_ids)}
    return " AND ".join(conditions) or "TRUE", values


def _report_seen(scope: AccessScope) -> tuple[str, dict[str, str]]:
    """Conditions on `report`. Its patient is the image's, so a scope of patients needs no further one."""
    domains = Filters(scope=scope).admitted_domains
    if domains is None:
        return "TRUE", {}
    return _SQL.report_seen_in_domains, {"seen_domains": rows.json_list(sorted(domains))}


def _rows_admitted(connection: sqlite3.Connection, filters: ImageFilters) -> Numbers | None:
    if filters == EVERY_IMAGE:
        return None
    admitted, values = _admission(filters)
    found = connection.execute(_SQL.rows_admitted.replace("{admitted}", admitted), values).fetchall()
    return np.fromiter((row for (row,) in found), dtype=np.int64, count=len(found))


def _described(
    connection: sqlite3.Connection, numbers: Sequence[int], scope: AccessScope
) -> dict[int, ImageDescription]:
    seen, bound = _report_seen(scope)
    statement = _SQL.images_at.replace("{report_seen}", seen)
    found = connection.execute(statement, {**bound, "rows": rows.json_list(numbers)}).fetchall()
    return {row[0]: _description_of(row) for row in found}


def _image_row(image: EmbeddedImage) -> dict[str, Any]:
    description = image.description
    columns = {
        name: getattr(description, name)
        for name in ImageDescription.__slots__
        if name not in ("findings", "metadata")
    }
    return {
        **columns,
        "findings": json.dumps(description.findings, ensure_ascii=False),
        "metadata": json.dumps(dict(description.metadata), ensure_ascii=False),
        "embedding": rows.stored_vector(image.vector),
    }


def _description_of(row: rows.Row) -> ImageDescription:
    """From the columns of `images_at` and `descriptions`, which are in the order of the record's fields."""
    fields = dict(zip(ImageDescription.__slots__, row[1:], strict=True))
    read = {"findings": tuple(json.loads(fields["findings"])), "metadata": json.loads(fields["metadata"])}
    return ImageDescription(**fields | read)


def _checked(image: EmbeddedImage, dimension: int) -> None:
    """Raises StoreRejectedRow, with the id, where an image cannot be stored."""
    key, vector = image.description.image_id, image.vector
    rows.storable(description_json(image.description), key)
    if vector.shape != (dimension,):
        raise rows.refused(key, f"has a vector of shape {vector.shape}, not ({dimension},)")
    if not np.isfinite(vector).all():
        raise rows.refused(key, "has a vector with NaN or infinity in it")
    if image.thumbnail and len(image.thumbnail.content) > THUMBNAIL_BYTES_MAX:
        raise rows.refused(key, f"has a thumbnail of more than {THUMBNAIL_BYTES_MAX} bytes")


def _damaged_vectors(connection: sqlite3.Connection, space: EmbeddingSpace) -> list[str]:
    problems, last = [], 0
    while fetched := connection.execute(_SQL.check_images, (last, CHECKED_AT_ONCE)).fetchall():
        for number, image_id, blob in fetched:
            try:
                rows.vectors_of([blob], [number], space.dimension)
            except StoreDamaged as error:
                problems.append(f"Image {image_id!r}: {error.what}")
        last = fetched[-1][0]
    return problems
