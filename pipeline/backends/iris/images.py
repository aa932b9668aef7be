"""Images in IRIS: the schema, connections, transactions and version of the notes, statements in images.sql.

Decides when the table of images is made (with the first image space, because its column has a width), how an image is
replaced, and that every admitted vector is compared: there is no HNSW index, which filters after it has searched. What
a person may not see is a condition of every statement; which notes are reports is asked when an image is read. Opens no
connection of its own.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from pipeline.backends.iris.connections import Session, SqlRow, SqlValue, lists_of
from pipeline.backends.iris.errors import INDEX_EXISTS, TABLE_EXISTS, TABLE_MISSING, UNIQUE, IrisRefusal
from pipeline.backends.iris.rows import (
    checksum_of,
    definition,
    optional,
    parse_vector,
    score,
    text_of,
    vector_text,
)
from pipeline.backends.iris.search import bounds_of, conditions_of
from pipeline.backends.iris.sessions import Sessions
from pipeline.backends.iris.upgrades import STORE, UPGRADES, define, image_table, insert_unless_there
from pipeline.errors import (
    SchemaMismatch,
    SpaceMismatch,
    StoreError,
    StoreRejectedRow,
    StoreUnavailable,
)
from pipeline.images import (
    EVERY_IMAGE,
    THUMBNAIL_BYTES_MAX,
    EmbeddedImage,
    ImageCounts,
    ImageFilters,
    ImageHit,
    Thumbnail,
)
from pipeline.imaging.records import ImageDescription
from pipeline.records import EVERYTHING, AccessScope, EmbeddingSpace, Filters, Vector, unit_length
from pipeline.text.periods import Period

IMAGES = "images"
"""Purpose of the row of EmbeddingSpace that names the space of the images."""
IMAGE_INDEXES = (
    "create_image_index_patient",
    "create_image_index_study",
    "create_image_index_report",
    "create_image_index_content",
)
IMAGES_PER_COMMIT = 300
CHECKED_VECTORS = 1_000
ROWS_BEYOND = 64
"""Asked of IRIS beyond those wanted, so that equal cosines at the end are seen, and their order is not chance."""
_TEXTS = ("series_id", "study_id", "modality", "body_part", "view", "laterality", "description")
_OPTIONAL = ("date", "report_id", "domain", "encounter_id")
_NUMBERS = ("rows", "columns", "frame", "frames")

T = TypeVar("T")


class IrisImages:
    """`ports.ImageStore` next to an `IrisStore`, which has prepared the schema. Safe to share between threads."""

    def __init__(self, sessions: Sessions, place: str) -> None:
        """`place` names namespace and schema in messages."""
        self._sessions = sessions
        self._place = place
        self._space: EmbeddingSpace | None = None

    # --- preparing

    def prepare(self, space: EmbeddingSpace) -> None:
        self._sessions.repeated(lambda session: self._prepare(session, space))
        self._space = space

    def space(self) -> EmbeddingSpace | None:
        return self._sessions.repeated(_stored_space)

    def version(self) -> str | None:
        return self._sessions.repeated(_corpus_version, committed=True)

    def _prepare(self, session: Session, space: EmbeddingSpace) -> None:
        if _schema_version(session) != UPGRADES.version:
            raise StoreError(
                f"{self._place} holds no tables that take images.",
                remedy="Prepare them first: python -m pipeline.vectorize optimise, with an account that may alter "
                "tables, or index some notes.",
            )
        stored = _stored_space(session)
        if stored is not None and stored.id != space.id:
            raise self._mismatch(stored, space)
        self._make_table(session, space, cleared=stored is None)
        if stored is None:
            insert_unless_there(
                session, "insert_space", (space.id, space.dimension, definition(space), IMAGES)
            )
            stored = _stored_space(session) or space
            if stored.id != space.id:
                raise self._mismatch(stored, space)
        if stored.similarity_floor != space.similarity_floor:
            with self._sessions.transaction():
                session.execute("update_space", (definition(space), IMAGES))

    def _make_table(self, session: Session, space: EmbeddingSpace, *, cleared: bool) -> None:
        """`cleared`: an empty table that is left may have another width, and is made again."""
        there = image_table(session)
        if there == "first schema":
            raise SchemaMismatch(
                f"{self._place} has a table MedicalImageVectors that another program has filled.",
                remedy="Move its rows elsewhere and drop the table; then run the same command again.",
            )
        if there == "ours" and cleared and not session.count("count_images"):
            define(session, "drop_image_vectors", tolerate=TABLE_MISSING)
        define(session, "create_image_vectors", tolerate=TABLE_EXISTS, dimension=str(int(space.dimension)))
        for name in IMAGE_INDEXES:
            define(session, name, tolerate=INDEX_EXISTS)

    def _mismatch(self, held: EmbeddingSpace, asked: EmbeddingSpace) -> SpaceMismatch:
        return SpaceMismatch(
            f"{self._place} holds images of {held.id} ({held.dimension} wide); these would be {asked.id} "
            f"({asked.dimension} wide).",
            remedy="Use the image embedder that made them, or embed all images again: python -m pipeline.vectorize "
            "images FOLDER --fresh.",
        )

    # --- writing

    def transaction(self) -> AbstractContextManager[None]:
        return self._sessions.transaction()

    def upsert(self, images: Sequence[EmbeddedImage]) -> None:
        latest = {image.description.image_id: image for image in images}
        space = self._prepared_space()
        if space is None:
            raise StoreError(
                f"{self._place} is prepared for no image space.",
                remedy="Index images first: python -m pipeline.vectorize images FOLDER.",
            )
        for image in latest.values():
            _refuse_unfit(image, space.dimension)
        for some in lists_of(sorted(latest), IMAGES_PER_COMMIT):  # one order for all writers
            with self.transaction(), self._sessions.session() as session:
                _replace(session, [latest[key] for key in some])

    def delete(self, image_ids: Sequence[str]) -> int:
        if self._prepared_space() is None:
            return 0
        removed = 0
        for some in lists_of(dict.fromkeys(image_ids), IMAGES_PER_COMMIT):
            with self.transaction(), self._sessions.session() as session:
                session.execute_in("delete_thumbnails", some)
                removed += session.execute_in("delete_images", some)
        return removed

    def clear(self) -> None:
        """Row by row, because a transaction can take that back; the empty table is made again for the next space."""
        if self._prepared_space() is not None:
            self.delete(list(self.image_ids()))
            with self.transaction(), self._sessions.session() as session:
                session.execute("delete_space", (IMAGES,))
        self._space = None

    # --- reading

    def vectors(self, image_ids: Sequence[str]) -> Mapping[str, Vector]:
        ids = list(dict.fromkeys(image_ids))
        found = self._read(lambda session: session.rows_in("vectors_of_images", ids))
        return {text_of(row[0]): parse_vector(row[1]) for row in found}

    def descriptions(self, image_ids: Sequence[str]) -> Mapping[str, ImageDescription]:
        found = self._read(lambda session: _with_ids(session, EVERY_IMAGE, image_ids))
        return {description.image_id: description for description in map(_description_of, found)}

    def image(self, image_id: str, scope: AccessScope) -> ImageDescription | None:
        filters = ImageFilters(scope=scope)
        found = self._read(lambda session: list(_described(session, filters, [image_id]).values()))
        return found[0] if found else None

    def images(self, filters: ImageFilters, *, skip: int = 0, limit: int = 100) -> list[ImageDescription]:
        if limit <= 0:
            return []
        start = max(skip, 0)

        def page(session: Session) -> list[ImageDescription]:
            days = {
                text_of(row[0]): optional(row[1]) or "" for row in _scan(session, "days_of_images", filters)
            }
            ids = sorted(_about_the_reports(session, filters, days))
            ids.sort(key=lambda key: days[key], reverse=True)
            ids = ids[start : start + limit]
            found = _described(session, filters, ids)
            return [found[key] for key in ids if key in found]

        return self._read(page)

    def thumbnail(self, image_id: str, scope: AccessScope) -> Thumbnail | None:
        filters = ImageFilters(scope=scope)
        found = self._read(lambda session: _scan(session, "thumbnail", filters, ids=[image_id]))
        if not found:
            return None
        return Thumbnail(found[0][0], base64.b64decode(text_of(found[0][1])))

    def counts(self, scope: AccessScope = EVERYTHING) -> ImageCounts:
        found = self._read(lambda session: _scan(session, "patients_of_images", ImageFilters(scope=scope)))
        return ImageCounts(
            images=sum(int(row[2]) for row in found),
            patients=len({text_of(row[0]) for row in found}),
            studies=len({text_of(row[1]) for row in found} - {""}),
        )

    def image_ids(self) -> Iterator[str]:
        found = self._read(lambda session: session.rows("image_ids"))
        yield from sorted(text_of(row[0]) for row in found)

    def images_of(self, content_hashes: Sequence[str]) -> list[str]:
        hashes = list(dict.fromkeys(content_hashes))
        found = self._read(lambda session: session.rows_in("images_of", hashes))
        return sorted(text_of(row[0]) for row in found)

    # --- searching

    def search(self, vector: Vector, k: int, filters: ImageFilters) -> list[ImageHit]:
        space = self._prepared_space()
        if space is None:
            return []
        question = _question(vector, space)
        if k < 1:
            return []

        def hits(session: Session) -> list[ImageHit]:
            cosines = _nearest(session, question, k, filters)
            kept = set(_about_the_reports(session, filters, cosines))
            ids = sorted(kept, key=lambda key: (-cosines[key], key))[:k]
            found = _described(session, filters, ids)
            return [ImageHit(found[key], cosines[key]) for key in ids if key in found]

        return self._read(hits)

    # --- soundness

    def check(self) -> list[str]:
        return self._read(lambda session: list(_problems(session)))

    def without_thumbnail(self) -> list[str]:
        found = self._read(lambda session: session.rows("images_without_thumbnail"))
        return sorted(text_of(row[0]) for row in found)

    def foreign_reports(self) -> list[str]:
        found = self._read(lambda session: session.rows("check_image_reports"))
        return sorted(text_of(row[0]) for row in found)

    def close(self) -> None:
        self._sessions.close()

    def _read(self, work: Callable[[Session], list[T]]) -> list[T]:
        """What `work` reads; nothing where there are no images."""
        return [] if self._prepared_space() is None else self._sessions.repeated(work)

    def _prepared_space(self) -> EmbeddingSpace | None:
        """Of the stored images. Remembered: another process that clears them leaves an empty table or none."""
        if self._space is None:
            self._space = self.space()
        return self._space


# --- what is there


def _schema_version(session: Session) -> int:
    present = {str(row[0]).lower() for row in session.rows("tables")}
    if "schemaversion" not in present:
        return 0
    found = session.rows("schema_version", (STORE,))
    return int(found[0][0]) if found else 0


def _stored_space(session: Session) -> EmbeddingSpace | None:
    present = {str(row[0]).lower() for row in session.rows("tables")}
    if not {"embeddingspace", "medicalimagevectors"} <= present:
        return None
    found = session.rows("space", (IMAGES,))
    return EmbeddingSpace(**json.loads(text_of(found[0][2]))) if found else None


def _corpus_version(session: Session) -> str | None:
    if "corpusversion" not in {str(row[0]).lower() for row in session.rows("tables")}:
        return None
    found = session.rows("corpus_version", (STORE,))
    return str(found[0][0]) if found else None


# --- conditions


def _conditions(
    session: Session, filters: ImageFilters, ids: Sequence[str] | None, reports: Sequence[str] | None = None
) -> Iterator[tuple[str, list[SqlValue]]]:
    """(conditions, values) of statements that together admit what the filters do, no image twice. Which of the reports
    are this patient's is left to the caller (`_about_the_reports`)."""
    shared = filters.shared
    lists = {
        "image_ids": ids,
        "patient_ids": shared.admitted_patients,
        "domains": shared.admitted_domains,
        "related_reports": reports,
        **filters.of_images,
    }
    period = Period.of(filters.since, filters.until)
    bounds = [(f"admit_image_{name}", bound) for name, bound in bounds_of(period)]
    return conditions_of(session, lists, bounds, [("admit_image", [])])


def _scan(
    session: Session,
    statement: str,
    filters: ImageFilters,
    *,
    ids: Sequence[str] | None = None,
    before: Sequence[SqlValue] = (),
    **parts: str,
) -> list[SqlRow]:
    """All rows of a statement about the images that the filters admit. `before`: the values that come first."""
    found: list[SqlRow] = []
    for conditions, values in _conditions(session, filters, ids, filters.report_ids or None):
        found += session.rows(statement, (*before, *values), admitted=conditions, **parts)
    return found


def _with_ids(session: Session, filters: ImageFilters, image_ids: Sequence[str]) -> list[SqlRow]:
    return _scan(session, "images_with", filters, ids=list(dict.fromkeys(image_ids)))


def _described(
    session: Session, filters: ImageFilters, image_ids: Sequence[str]
) -> dict[str, ImageDescription]:
    """The images in full, by id, each with its report only where that may be seen."""
    found = [_description_of(row) for row in _with_ids(session, filters, image_ids)]
    named = sorted({each.report_id for each in found if each.report_id})
    seen = _reports_seen(session, named, filters.scope)
    return {
        each.image_id: replace(
            each, report_id=each.report_id if seen.get(each.report_id or "") == each.patient_id else None
        )
        for each in found
    }


def _reports_seen(session: Session, report_ids: Sequence[str], scope: AccessScope) -> dict[str, str]:
    """The patient of each of these notes that is stored and lies inside the scope."""
    inside = Filters(scope=scope)
    lists = {
        "resource_ids": report_ids,
        "patient_ids": inside.admitted_patients,
        "domains": inside.admitted_domains,
    }
    return {
        text_of(row[0]): text_of(row[1])
        for conditions, values in conditions_of(session, lists)
        for row in session.rows("reports_seen", values, admitted=conditions)
    }


def _about_the_reports(session: Session, filters: ImageFilters, ids: Mapping[str, object]) -> list[str]:
    """Of these images those whose report, as far as it may be seen, is one of the filters'; all where none is asked."""
    if not filters.report_ids:
        return list(ids)
    found = _described(session, filters, list(ids))
    return [key for key, each in found.items() if each.report_id in filters.report_ids]


def _nearest(session: Session, question: str, k: int, filters: ImageFilters) -> dict[str, float]:
    """Cosines by id of the k nearest admitted images, and perhaps of others."""
    wanted = k + ROWS_BEYOND
    if not filters.report_ids:
        found = _scan(session, "nearest_images", filters, before=(question,), k=str(wanted))
        cosines = {text_of(row[0]): score(row[1]) for row in found}
        ranked = sorted(cosines.values(), reverse=True)
        if len(ranked) < wanted or ranked[k - 1] > ranked[wanted - 1]:
            return cosines
    found = _scan(session, "scan_images", filters, before=(question,))
    return {text_of(row[0]): score(row[1]) for row in found}


def _question(vector: Vector, space: EmbeddingSpace) -> str:
    if vector.shape != (space.dimension,):
        raise SpaceMismatch(
            f"The question's vector has shape {vector.shape}; the images are of {space.id}.",
            remedy="Ask with the image embedder that indexed them.",
        )
    if not np.isfinite(vector).all():
        raise StoreError(
            "The question's vector holds a value that is not a finite number.",
            remedy="The image embedder failed on this question. Check it, and ask again.",
        )
    return vector_text(unit_length(vector))


# --- rows


def _replace(session: Session, images: Sequence[EmbeddedImage]) -> None:
    """Every image's row is written first: its lock makes a second writer of the image wait here."""
    ids = [image.description.image_id for image in images]
    stored = {text_of(row[0]): text_of(row[1]) for row in session.rows_in("stored_images", ids)}
    new = [image for image in images if image.description.image_id not in stored]
    rows = [
        (*_image_row(image), vector_text(image.vector), checksum_of(image.vector), image.description.image_id)
        for image in new
    ]
    for at, refusal in session.insert_many("insert_image", rows):
        if refusal.code != UNIQUE:
            raise _about(refusal, str(rows[at][-1]))
        stored[str(rows[at][-1])] = ""  # another process was first: its row is replaced like any other
    for image in images:
        if image.description.image_id in stored:
            _update(session, image, stored[image.description.image_id])
    session.execute_in("delete_thumbnails", ids)
    pictures = [
        (picture.media_type, base64.b64encode(picture.content).decode("ascii"), image.description.image_id)
        for image in images
        if (picture := image.thumbnail)
    ]
    for at, refusal in session.insert_many("insert_thumbnail", pictures):
        raise _about(refusal, pictures[at][-1])


def _update(session: Session, image: EmbeddedImage, checksum_before: str) -> None:
    key, checksum = image.description.image_id, checksum_of(image.vector)
    if session.execute("update_image", (*_image_row(image), key)) == 0:
        raise StoreUnavailable(
            f"Image {key} was removed by another process while it was being replaced.",
            remedy="Run the same command again.",
        )
    if checksum != checksum_before:
        session.execute("update_image_vector", (vector_text(image.vector), checksum, key))


def _image_row(image: EmbeddedImage) -> tuple[SqlValue, ...]:
    """Values of insert_image and update_image, up to the vector."""
    each = image.description
    return (
        each.patient_id,
        each.domain,
        each.encounter_id,
        *(getattr(each, name) for name in _TEXTS),
        each.date,
        *(getattr(each, name) for name in _NUMBERS),
        each.source,
        each.source_format,
        each.content_hash,
        each.report_id,
        json.dumps(each.findings),
        json.dumps(dict(each.metadata)),
        " ".join(name for name in _OPTIONAL if getattr(each, name) == ""),
    )


def _description_of(row: SqlRow) -> ImageDescription:
    """From the columns of `images_with`, which are in the order of the record's fields. An empty text is NULL."""
    *columns, blank = row
    fields = dict(zip(ImageDescription.__slots__, columns, strict=True))
    blanks = set(text_of(blank).split())
    read: dict[str, Any] = {name: text_of(value) for name, value in fields.items()}
    read |= {name: "" if name in blanks else optional(fields[name]) for name in _OPTIONAL}
    read |= {name: int(fields[name]) for name in _NUMBERS}
    read |= {"findings": tuple(json.loads(read["findings"])), "metadata": json.loads(read["metadata"])}
    return ImageDescription(**read)


def _refuse_unfit(image: EmbeddedImage, width: int) -> None:
    key = image.description.image_id
    if image.vector.shape != (width,):
        raise _refused(key, f"has a vector of shape {image.vector.shape}, not ({width},)")
    if not np.isfinite(image.vector).all():
        raise _refused(key, "has a vector with NaN or infinity in it")
    if image.thumbnail and len(image.thumbnail.content) > THUMBNAIL_BYTES_MAX:
        raise _refused(key, f"has a thumbnail of more than {THUMBNAIL_BYTES_MAX} bytes")


def _refused(image_id: str, reason: str) -> StoreRejectedRow:
    return StoreRejectedRow(
        f"Image {image_id!r} {reason}.",
        remedy="Nothing of this batch was written. Correct that image's record, or the embedder that made its vector.",
    )


def _about(refusal: IrisRefusal, image_id: str) -> StoreError:
    """The refusal of one row, with the id that IRIS's own words would only tell together with the row."""
    error = refusal.error
    return type(error)(f"Image {image_id}: {error.what}", remedy=error.remedy)


def _problems(session: Session) -> Iterator[str]:
    if orphans := session.count("check_image_thumbnails"):
        yield f"{orphans} thumbnails belong to no image"
    ids = Counter(text_of(row[0]) for row in session.rows("image_ids"))
    for key, number in ids.items():
        if number > 1:
            yield f"image {key} is stored {number} times"
    for image_id, vector, checksum in session.rows("check_image_vectors", k=str(CHECKED_VECTORS)):
        if checksum_of(parse_vector(vector)) != text_of(checksum):
            yield f"the vector of image {text_of(image_id)} is not the one that was written"
