"""The embedded store: one SQLite file in WAL mode with FTS5, and a derived index of its vectors in memory.

Decides what is written in one transaction and how the three kinds of search run. The file is the only truth: the
index in memory (`vectors`) follows it and can be thrown away at any moment. Knows no embedder.

Searching by vector: up to `exact_chunks_max` chunks (of 1024 dimensions; more of narrower ones) every vector is held
in memory and compared. Above, only 1-bit codes are (13 MB per 100,000 x 1024 instead of 410); they name the
candidates, whose vectors are read from the file and compared exactly.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.backends.embedded import register, rows
from pipeline.backends.embedded.images import EmbeddedImages
from pipeline.backends.embedded.integrity import problems_of
from pipeline.backends.embedded.upgrades import (
    CORPUS_VERSION_SINCE,
    LOCATORS_SINCE,
    REGISTER_SINCE,
    UPGRADES,
    create_images,
)
from pipeline.backends.embedded.vector_index import (
    ExactRows,
    Numbers,
    VectorIndex,
    best_exact,
    nearest_codes,
    sign_codes,
    top,
)
from pipeline.backends.embedded.vectors import DELETIONS_KEPT, FollowedIndex, centre_of, cosines, recentre
from pipeline.backends.embedded.word_query import (
    TOKENIZER,
    Expression,
    QuestionReader,
    Word,
    all_of,
    expression,
)
from pipeline.config import StoreSettings
from pipeline.errors import (
    SpaceMismatch,
    StoreAccessDenied,
    StoreDamaged,
    StoreError,
    StoreLimitReached,
    StoreRejectedRow,
    StoreUnavailable,
)
from pipeline.logs import LOGGER
from pipeline.patients import NamePart, RegisteredPatient
from pipeline.records import (
    EVERYTHING,
    NO_PATIENT,
    AccessScope,
    ChunkOfPatient,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    Hit,
    Match,
    NoteField,
    NoteHead,
    StoreCounts,
    Vector,
    unit_length,
)
from pipeline.storage.named_sql import Statements
from pipeline.storage.patient_register import AskedName, parts_of, words_by_form
from pipeline.storage.sqlite import Database, storage_errors

RESCORED_MIN = 400
RESCORED_PER_RESULT = 12
"""How many candidates the codes name: 400, or 12 for each result asked; twice that under a filter, where the best lie
further away and closer together. docs/decisions/0003-vector-search.md has the recall."""
FEW_NOTES_SHARE = 0.1
"""A filter that admits less of the notes than this makes the words look only at the admitted chunks."""
COUNT_KEPT_MIN = 1_000
"""Counting the chunks that hold a word costs 0.05 microseconds each, so counts from here on are kept for a while."""
COUNT_DRIFT_MAX = 0.1
"""How far the store may grow or shrink until kept counts are taken again. They steer the work, never the ranking."""
WORDS_UNBOUNDED = 2**63
PAGE_ROWS = 10_000

_SQL = Statements(Path(__file__).with_suffix(".sql"))
_HITS = _SQL.hits.replace("{locator}", "c.Locator")
_HITS_WITHOUT_LOCATORS = _SQL.hits.replace("{locator}", "NULL")
_DOCUMENT = _SQL.document.replace("{source_patient}", "SourcePatient")
_DOCUMENT_WITHOUT_SOURCE = _SQL.document.replace("{source_patient}", "NULL")


class _Held(NamedTuple):
    """What a prepared file holds. Read again in every snapshot: another process may have changed it."""

    version: int
    space: EmbeddingSpace


class EmbeddedStore:
    """`ports.Store` in one SQLite file. Safe between threads; readers and one writer at a time between processes."""

    def __init__(self, database: Database, settings: StoreSettings) -> None:
        """Opens nothing yet. A `Ledger` on the same `database` shares its transactions."""
        self._database = database
        self._postings_max = settings.word_postings_max
        self._index = FollowedIndex(_SQL, settings.exact_chunks_max)
        self._questions = QuestionReader()
        self._word_counts: dict[str, int] = {}
        self._word_counts_at = 0

    def images(self) -> EmbeddedImages:
        """The images next to these notes, in the same file."""
        return EmbeddedImages(self._database)

    # --- preparing

    def prepare(self, space: EmbeddingSpace) -> None:
        """Create what is missing, and bring up the tables of an earlier release. Where those may not be changed, they
        are read as they are. Raises SpaceMismatch, SchemaMismatch, StoreError where SQLite has no FTS5.
        """
        held = self._held()
        if held is not None and held.space.id == space.id and held.version < UPGRADES.version:
            self._upgrade_if_allowed(held.version)
        if held is not None and held.space.id == space.id:
            self._complete_register_if_allowed()
        if held is not None and held.space == space:
            return
        with self._writing() as connection:
            _require_fts5(connection)
            if self._require_schema(connection):
                self._upgrade()
            for name, statement in _SQL.items():
                if name.startswith("create_"):
                    connection.execute(statement.replace("{tokenizer}", TOKENIZER))
            create_images(connection)
            register.begin(connection)
            connection.execute(_SQL.insert_schema_version, (UPGRADES.version,))
            stored = _space(connection)
            if stored is None:
                connection.execute(_SQL.insert_space, rows.space_row(space))
            elif stored.id != space.id:
                raise self._mismatch(stored, space)
            else:
                connection.execute(_SQL.update_space, (space.similarity_floor,))
            connection.execute(_SQL.change_corpus_version)

    def space(self) -> EmbeddingSpace | None:
        held = self._held()
        return None if held is None else held.space

    def version(self) -> str | None:
        with self._snapshot() as (connection, held):
            if held.version < CORPUS_VERSION_SINCE:
                return None
            return str(connection.execute(_SQL.corpus_version).fetchone()[0])

    def _held(self) -> _Held | None:
        with self._database.snapshot() as connection, storage_errors(self._database.path):
            return self._prepared(connection)

    def _upgrade_if_allowed(self, version: int) -> None:
        try:
            self._upgrade()
        except (StoreAccessDenied, StoreLimitReached, StoreUnavailable) as error:
            LOGGER.warning(
                "the store keeps its earlier schema for now", extra={"version": version, "code": error.code}
            )

    def _complete_register_if_allowed(self) -> None:
        """Read the notes of an earlier release into the register, a few with each commit: a cut costs nothing."""
        if self._has_all_in_register():
            return
        LOGGER.info("the stored notes are read into the register of patients")
        try:
            while self._read_more_into_register():
                pass
        except (StoreAccessDenied, StoreLimitReached, StoreUnavailable) as error:
            LOGGER.warning("the register of patients is not complete yet", extra={"code": error.code})

    def _has_all_in_register(self) -> bool:
        """Also where the tables of an earlier release could not be changed: then there is nothing to read into."""
        with self._snapshot() as (connection, held):
            return held.version < REGISTER_SINCE or register.is_complete(connection)

    def _read_more_into_register(self) -> bool:
        with self._writing() as connection:
            left = register.read_more(connection)
            if not left:
                connection.execute(_SQL.change_corpus_version)
            return left

    def _upgrade(self) -> None:
        """Take the steps that are missing; within a transaction all of them belong to that."""
        taken = UPGRADES.take(_version, _record_version, self._writing)
        if taken:
            LOGGER.info("the store's schema was upgraded", extra={"steps": taken})

    def _mismatch(self, held: EmbeddingSpace, asked: EmbeddingSpace) -> SpaceMismatch:
        return SpaceMismatch(
            f"{self._database.path} holds vectors of {held.id}; the embedder in use makes {asked.id}.",
            remedy="Use the embedder that made them; or change over while questions are answered: python -m "
            f"pipeline.vectorize migrate --to {asked.provider}:{asked.model}; or start over: notes INPUT --fresh.",
        )

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[sqlite3.Connection, _Held]]:
        with self._database.snapshot() as connection, storage_errors(self._database.path):
            yield connection, self._required(connection)

    @contextmanager
    def _reading(self) -> Iterator[tuple[sqlite3.Connection, EmbeddingSpace]]:
        with self._snapshot() as (connection, held):
            yield connection, held.space

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._database.transaction() as connection, storage_errors(self._database.path):
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[tuple[sqlite3.Connection, EmbeddingSpace]]:
        """A transaction that changes what an answer may say, on tables of the newest version."""
        with self._writing() as connection:
            held = self._required(connection)
            if held.version < UPGRADES.version:
                self._upgrade()
            yield connection, held.space
            connection.execute(_SQL.change_corpus_version)

    def _required(self, connection: sqlite3.Connection) -> _Held:
        held = self._prepared(connection)
        if held is None:
            raise StoreError(
                f"{self._database.path} holds no index.",
                remedy="Index some notes first: python -m pipeline.vectorize notes INPUT.",
            )
        return held

    def _prepared(self, connection: sqlite3.Connection) -> _Held | None:
        """What the file holds, None where it was never prepared. Raises SchemaMismatch."""
        try:
            row = connection.execute(_SQL.version_and_space).fetchone()
        except sqlite3.OperationalError:
            if self._require_schema(connection):
                raise
            return None
        if row is None:
            return None
        self._require_version(row[0])
        return None if row[1] is None else _Held(row[0], rows.space_of(row[1:]))

    def _require_schema(self, connection: sqlite3.Connection) -> bool:
        """Whether the store was ever prepared. Raises SchemaMismatch where a schema that is not known is there."""
        if not connection.execute(_SQL.has_schema).fetchone()[0]:
            return False
        version = _version(connection)
        if version:
            self._require_version(version)
        return version > 0

    def _require_version(self, version: int) -> None:
        if version != UPGRADES.version:  # else there is nothing to say, on the way of every question
            UPGRADES.require_known(version, str(self._database.path))

    # --- writing

    def transaction(self) -> AbstractContextManager[None]:
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._database.transaction():
            yield

    def upsert(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Replace each note and its chunks. A chunk whose id, text and vector are as before keeps its row.

        Raises StoreRejectedRow, with nothing written, where a chunk or vector cannot be stored.
        """
        latest = {embedded.document.resource_id: embedded for embedded in documents}
        with self._changing() as (connection, space):
            for embedded in latest.values():
                rows.checked(embedded, space.dimension)
            if not latest:
                return
            notes = [rows.note_row(embedded.document) for embedded in latest.values()]
            connection.executemany(_SQL.upsert_note, notes)
            self._register(connection, latest)
            changes = _changes(connection, list(latest.values()))
            connection.executemany(_SQL.delete_chunk, [(row,) for row in changes.gone])
            connection.executemany(_SQL.move_chunk, changes.moved)
            self._insert(connection, space, changes.new)
            self._forget_old_deletions(connection)

    def _register(self, connection: sqlite3.Connection, notes: Mapping[str, EmbeddedDocument]) -> None:
        found = connection.execute(_SQL.note_rows, (rows.json_list(notes),))
        register.replace(connection, {row: notes[key].document for key, row in found})

    def _insert(
        self, connection: sqlite3.Connection, space: EmbeddingSpace, chunks: Sequence[EmbeddedChunk]
    ) -> None:
        if not chunks:
            return
        _require_unused(connection, chunks)
        mark = self._index.watermark(connection)
        numbers = range(mark.row + 1, mark.row + 1 + len(chunks))
        owners = rows.json_list({embedded.chunk.resource_id for embedded in chunks})
        note_rows = dict(connection.execute(_SQL.note_rows, (owners,)).fetchall())
        vectors = np.stack([np.asarray(embedded.vector, dtype=np.float32) for embedded in chunks])
        codes = sign_codes(unit_length(vectors), centre_of(connection, _SQL, space).mean)
        connection.executemany(
            _SQL.insert_chunk,
            [rows.chunk_row(embedded.chunk, row) for row, embedded in zip(numbers, chunks, strict=True)],
        )
        connection.executemany(
            _SQL.insert_embedding,
            [(row, rows.stored_vector(vector)) for row, vector in zip(numbers, vectors, strict=True)],
        )
        connection.executemany(
            _SQL.insert_sign,
            [
                (row, note_rows[embedded.chunk.resource_id], code.tobytes())
                for row, embedded, code in zip(numbers, chunks, codes, strict=True)
            ],
        )
        recentre(connection, _SQL, space, mark.chunks + len(chunks))

    def delete(self, resource_ids: Sequence[str]) -> int:
        ids = rows.json_list(resource_ids)
        with self._changing() as (connection, _):
            connection.execute(_SQL.delete_chunks_of_notes, (ids,))
            removed = connection.execute(_SQL.delete_notes, (ids,)).rowcount
            self._forget_old_deletions(connection)
            return removed

    def _forget_old_deletions(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            _SQL.forget_old_deletions, (self._index.watermark(connection).deletion - DELETIONS_KEPT,)
        )

    def clear(self) -> None:
        with self._writing() as connection:
            if not self._require_schema(connection):
                return
            self._upgrade()
            numbers = dict(connection.execute(_SQL.sequences).fetchall())
            # As if every row had been deleted: the numbers go on, and readers see that they missed deletions.
            numbers["DeletedVectors"] = numbers.get("ClinicalNoteVectors", 0)
            for name, statement in _SQL.items():
                if name.startswith("drop_"):
                    connection.execute(statement)
            connection.execute(_SQL.delete_centre)
            for name, statement in _SQL.items():
                if name.startswith("create_"):
                    connection.execute(statement.replace("{tokenizer}", TOKENIZER))
            register.begin(connection)
            for name, number in numbers.items():
                connection.execute(_SQL.number_again_from, {"name": name, "seq": number})
            connection.execute(_SQL.change_corpus_version)

    def optimise(self, *, rebuild: bool = False) -> None:
        """Merge the word index, refresh the planner's statistics and empty the log: after a large load. Merging makes
        the word index again, and the index of vectors follows the file by itself: `rebuild` adds nothing."""
        del rebuild
        with self._writing() as connection:
            self._required(connection)
            connection.execute(_SQL.merge_words)
        with storage_errors(self._database.path):
            self._database.connection.execute(_SQL.update_statistics).fetchall()
            self._database.connection.execute(_SQL.truncate_log).fetchall()

    # --- reading

    def vectors(self, chunk_ids: Sequence[str]) -> Mapping[str, Vector]:
        with self._reading() as (connection, space):
            found = connection.execute(_SQL.vectors_of_chunks, (rows.json_list(chunk_ids),)).fetchall()
        vectors = rows.vectors_of(
            [blob for _, _, blob in found], [row for _, row, _ in found], space.dimension
        )
        return {chunk_id: vector for (chunk_id, _, _), vector in zip(found, vectors, strict=True)}

    def document(self, resource_id: str) -> Document | None:
        with self._snapshot() as (connection, held):
            statement = _DOCUMENT if held.version >= REGISTER_SINCE else _DOCUMENT_WITHOUT_SOURCE
            row = connection.execute(statement, (resource_id,)).fetchone()
        return None if row is None else rows.document_of(row)

    def counts(self, scope: AccessScope = EVERYTHING) -> StoreCounts:
        values = rows.filter_values(Filters(scope=scope))
        statements = (
            (_SQL.count_notes_admitted, _SQL.count_chunks_admitted)
            if values
            else (_SQL.count_notes, _SQL.count_chunks)
        )
        with self._reading() as (connection, _):
            documents, chunks = (
                connection.execute(_filtered(statement, values), values).fetchone()[0]
                for statement in statements
            )
        return StoreCounts(documents, chunks)

    def count_notes(self, filters: Filters, *, undated: bool = False, most: int) -> int:
        values = rows.filter_values(filters)
        conditions = [getattr(_SQL, f"admit_{name}") for name in values]
        conditions += [_SQL.admit_undated] if undated else []
        statement = _SQL.count_notes_up_to.replace("{filters}", " AND ".join(conditions) or "TRUE")
        with self._reading() as (connection, _):
            found = connection.execute(statement, {**values, "most": most}).fetchone()
        return int(found[0])

    def values(
        self, field: NoteField, scope: AccessScope, *, beginning: str = "", limit: int = 100
    ) -> list[str]:
        if "\0" in beginning:
            return []  # SQLite would look only at what stands before it
        bound = rows.filter_values(Filters(scope=scope))
        conditions = [getattr(_SQL, f"admit_{name}") for name in bound] or ["TRUE"]
        if field == "patient_id":
            bound, conditions = {**bound, "no_patient": NO_PATIENT}, [*conditions, _SQL.admit_patients_alone]
        statement = (
            _SQL.values_admitted.replace("{filters}", " AND ".join(conditions))
            .replace("{beginning}", _SQL.value_begins if beginning else "TRUE")
            .replace("{column}", rows.COLUMNS[field])
        )
        with self._reading() as (connection, _):
            found = connection.execute(statement, {**bound, "beginning": beginning, "limit": limit})
            return [value for (value,) in found]

    def chunk_ids(self) -> Iterator[tuple[str, str]]:
        last = ("", "")
        while True:
            with self._reading() as (connection, _):
                page = connection.execute(_SQL.chunk_ids_after, (*last, PAGE_ROWS)).fetchall()
            if not page:
                return
            yield from page
            last = page[-1]

    def hits(self, chunk_ids: Sequence[str], vector: Vector) -> list[Hit]:
        with self._snapshot() as (connection, held):
            direction = rows.direction_of(vector, held.space)
            statement = _HITS if held.version >= LOCATORS_SINCE else _HITS_WITHOUT_LOCATORS
            found = connection.execute(statement, (rows.json_list(chunk_ids),)).fetchall()
        if not found:
            return []
        stored = rows.vectors_of([row[13] for row in found], [row[12] for row in found], held.space.dimension)
        similarities = _cosine(np.vecdot(unit_length(stored), direction))
        return [rows.hit_of(row, similarity) for row, similarity in zip(found, similarities, strict=True)]

    # --- the register of patients

    def has_register(self) -> bool:
        with self._snapshot() as (connection, held):
            return held.version >= REGISTER_SINCE and register.is_complete(connection)

    def patients(
        self, scope: AccessScope, *, ids: Sequence[str] | None = None, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        with self._snapshot() as (connection, held):
            if held.version < REGISTER_SINCE:
                return []
            if ids is None:
                return register.patients_after(connection, scope, after, limit)
            return register.patients_by_id(connection, list(dict.fromkeys(ids))[:limit], scope)

    def patients_called(
        self, words: Sequence[str], scope: AccessScope, *, part: NamePart | None = None, limit: int = 20
    ) -> list[RegisteredPatient]:
        asked = AskedName.of(words)
        with self._snapshot() as (connection, held):
            if held.version < REGISTER_SINCE or asked is None:
                return []
            return register.patients_called(connection, asked, parts_of(part), scope, limit)

    def name_words(self, words: Sequence[str], scope: AccessScope) -> frozenset[str]:
        asked = words_by_form(words)
        with self._snapshot() as (connection, held):
            if held.version < REGISTER_SINCE or not asked:
                return frozenset()
            return register.name_words(connection, asked, scope)

    def patients_near(
        self, words: Sequence[str], scope: AccessScope, *, limit: int = 5
    ) -> list[RegisteredPatient]:
        asked = AskedName.of(words)
        with self._snapshot() as (connection, held):
            if held.version < REGISTER_SINCE or asked is None:
                return []
            return register.patients_near(connection, asked, scope, limit)

    def patients_beginning(
        self, typed: str, scope: AccessScope, *, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        written = " ".join(typed.split())
        with self._snapshot() as (connection, held):
            if held.version < REGISTER_SINCE or "\0" in written:
                return []
            if not written:
                return register.patients_after(connection, scope, after, limit)
            return register.patients_beginning(connection, written, scope, after, limit)

    def notes_of(
        self, patient_id: str, scope: AccessScope, *, skip: int = 0, limit: int = 100
    ) -> list[NoteHead]:
        with self._reading() as (connection, _):
            return register.notes_of(connection, patient_id, scope, skip, limit)

    # --- searching by vector

    def search_vector(self, vector: Vector, k: int, filters: Filters) -> list[Match]:
        while True:
            uncommitted = self._database.connection.in_transaction
            with self._reading() as (connection, space):
                direction = rows.direction_of(vector, space)
                if k <= 0:
                    return []
                index = self._index.at(connection, space, uncommitted=uncommitted)
                if index is not None:
                    notes = self._admitted_notes(connection, filters)
                    return self._nearest(connection, space, index, direction, k, notes)

    def _nearest(
        self,
        connection: sqlite3.Connection,
        space: EmbeddingSpace,
        index: VectorIndex,
        direction: Vector,
        k: int,
        notes: Numbers | None,
    ) -> list[Match]:
        admitted = index.admitted(notes)
        if isinstance(index.vectors, ExactRows):
            positions, scores = best_exact(index, direction, k, admitted)
            found = index.rows[positions]
        else:
            depth = max(RESCORED_MIN, RESCORED_PER_RESULT * k) * (1 if notes is None else 2)
            weighted = centre_of(connection, _SQL, space).weighted(direction)
            candidates = index.rows[nearest_codes(index, weighted, depth, admitted)]
            numbers, exact = cosines(connection, _SQL, candidates, direction)
            chosen, scores = top(exact, k)
            found = numbers[chosen]
        names = dict(connection.execute(_SQL.chunk_ids_of_rows, (rows.json_list(found.tolist()),)).fetchall())
        return [Match(names[row], score) for row, score in zip(found.tolist(), _cosine(scores), strict=True)]

    def _admitted_notes(self, connection: sqlite3.Connection, filters: Filters) -> Numbers | None:
        values = rows.filter_values(filters)
        if not values:
            return None
        found = connection.execute(_filtered(_SQL.notes_admitted, values), values).fetchall()
        return np.fromiter((row for (row,) in found), dtype=np.int64, count=len(found))

    # --- searching by words

    def search_words(self, text: str, k: int, filters: Filters) -> list[Match]:
        words = self._questions.words(text)
        with self._reading() as (connection, _):
            if not words or k <= 0:
                return []
            values = rows.filter_values(filters)
            if not filters.scope.unrestricted:
                return _ranked_within(connection, words, values, k)
            chunks = self._index.watermark(connection).chunks
            counted = self._counted(connection, words, chunks)
            if not values:
                return _ranked(
                    connection, _SQL.search_words, values, expression(counted, self._postings_max, chunks), k
                )
            share = _share_admitted(connection, values)
            if share > FEW_NOTES_SHARE:
                asked = expression(counted, self._postings_max, chunks)
                return _ranked(connection, _SQL.search_words_of_many, values, asked, k)
            # Only the few are scored, so the budget reaches further; and where the rare words are not among them, the
            # frequent ones still are: then all matches are walked past, which costs about 0.1 microseconds each.
            asked = expression(counted, int(self._postings_max * min(10.0, 1 / max(share, 1e-9))), chunks)
            found = _ranked(connection, _SQL.search_words_of_few, values, asked, k)
            if len(found) < k and asked is not None and not asked.complete:
                asked = expression(counted, WORDS_UNBOUNDED, chunks)
                found = _ranked(connection, _SQL.search_words_of_few, values, asked, k)
            return found

    def chunks_with(
        self, terms: Sequence[Sequence[str]], filters: Filters, *, limit: int
    ) -> list[ChunkOfPatient]:
        expression = all_of(terms)
        if expression is None or limit <= 0:
            return []
        values = rows.filter_values(filters)
        admitted = _filtered(_SQL.notes_are_admitted, values) if values else "TRUE"
        with self._reading() as (connection, _):
            bound = {**values, "expression": expression, "limit": limit}
            found = connection.execute(_SQL.chunks_with.replace("{admitted}", admitted), bound).fetchall()
        return [ChunkOfPatient(*row) for row in found]

    def _counted(
        self, connection: sqlite3.Connection, words: Sequence[Word], chunks: int
    ) -> list[tuple[Word, int]]:
        """How many chunks hold each word; large numbers may be a little old."""
        if abs(chunks - self._word_counts_at) > COUNT_DRIFT_MAX * self._word_counts_at:
            self._word_counts, self._word_counts_at = {}, chunks
        known = self._word_counts
        counts = {term: known.get(term, 0) for word in words for term in word.terms}
        if new := [term for term, count in counts.items() if not count]:
            # One statement for all: each gives up Python's lock, and a hundred threads want it.
            found = connection.execute(_SQL.documents_with_terms, (rows.json_list(new),)).fetchall()
            counts.update(found)
            known.update((term, count) for term, count in found if count >= COUNT_KEPT_MIN)
        return [(word, min(counts[term] for term in word.terms)) for word in words]

    # --- soundness

    def check(self) -> list[str]:
        try:
            with self._writing() as connection:  # FTS5 asks for a write lock to check itself
                return problems_of(connection, _SQL, self._required(connection).space)
        except StoreDamaged as error:
            return [error.what]

    def close(self) -> None:
        self._questions.close()
        self._database.close()


@dataclass(frozen=True, slots=True)
class _Changes:
    """What an upsert does to the chunks of its notes."""

    gone: list[int] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    new: list[EmbeddedChunk] = field(default_factory=list)


def _changes(connection: sqlite3.Connection, documents: Sequence[EmbeddedDocument]) -> _Changes:
    ids = rows.json_list(embedded.document.resource_id for embedded in documents)
    held = {(row[0], row[1]): row[2:] for row in connection.execute(_SQL.chunks_of_notes, (ids,))}
    changes = _Changes()
    for embedded in documents:
        for new in embedded.chunks:
            old = held.pop((embedded.document.resource_id, new.chunk.chunk_id), None)
            if old is None:
                changes.new.append(new)
                continue
            row, text, vector, *place = old
            if (text, vector) != (new.chunk.text, rows.stored_vector(new.vector)):
                changes.gone.append(row)
                changes.new.append(new)
            elif place != list(rows.place_row(new.chunk).values()):
                changes.moved.append({"row": row, **rows.place_row(new.chunk)})
    changes.gone.extend(row for row, *_ in held.values())
    return changes


def _require_unused(connection: sqlite3.Connection, chunks: Sequence[EmbeddedChunk]) -> None:
    ids = [embedded.chunk.chunk_id for embedded in chunks]
    taken = connection.execute(_SQL.owners_of_chunks, (rows.json_list(ids),)).fetchone()
    twice = [chunk_id for chunk_id, number in Counter(ids).items() if number > 1]
    if taken or twice:
        chunk_id = taken[0] if taken else twice[0]
        owner = f"note {taken[1]!r}" if taken else "another note of this batch"
        raise StoreRejectedRow(
            f"The chunk id {chunk_id!r} is already in use by {owner}.",
            remedy="Nothing of this batch was written. Chunk ids must be unique over all notes.",
        )


def _version(connection: sqlite3.Connection) -> int:
    """The stored version, 0 where none was written yet."""
    row = connection.execute(_SQL.schema_version).fetchone()
    return int(row[0]) if row else 0


def _record_version(connection: sqlite3.Connection, number: int) -> None:
    connection.execute(_SQL.update_schema_version, (number,))


def _require_fts5(connection: sqlite3.Connection) -> None:
    if not connection.execute(_SQL.fts5_compiled_in).fetchone()[0]:
        raise StoreError(
            f"This Python's SQLite {sqlite3.sqlite_version} was built without FTS5, the word index.",
            remedy="Use a Python whose SQLite has it: python.org, Debian, conda and Homebrew builds all do.",
        )


def _space(connection: sqlite3.Connection) -> EmbeddingSpace | None:
    row = connection.execute(_SQL.space).fetchone()
    return None if row is None else rows.space_of(row)


def _filtered(statement: str, values: Mapping[str, str]) -> str:
    """A statement with its conditions put in: named fragments of the .sql file; the values stay bound."""
    return statement.replace("{filters}", " AND ".join(getattr(_SQL, f"admit_{name}") for name in values))


def _share_admitted(connection: sqlite3.Connection, values: Mapping[str, str]) -> float:
    """Which share of the notes these filters admit."""
    (admitted,) = connection.execute(_filtered(_SQL.count_notes_admitted, values), values).fetchone()
    (notes,) = connection.execute(_SQL.count_notes).fetchone()
    return float(admitted / max(notes, 1))


def _ranked(
    connection: sqlite3.Connection,
    statement: str,
    values: Mapping[str, str],
    asked: Expression | None,
    k: int,
) -> list[Match]:
    if asked is None:
        return []
    bound = {**values, "expression": asked.text, "k": k}
    found = connection.execute(_filtered(statement, values), bound).fetchall()
    return [
        Match(chunk_id, -score / asked.weight) for chunk_id, score in found
    ]  # FTS5's bm25: smaller is better


def _ranked_within(
    connection: sqlite3.Connection, words: Sequence[Word], values: Mapping[str, str], k: int
) -> list[Match]:
    """For people who may not see everything: every admitted match is scored.

    The short cut for frequent words asks how often each occurs in all notes, and a word that stands only in a note
    out of sight would then push the others aside: an empty list would tell that there is such a note.
    """
    asked = expression([(word, 1) for word in words], WORDS_UNBOUNDED, WORDS_UNBOUNDED)
    return _ranked(connection, _SQL.search_words_of_few, values, asked, k)


def _cosine(values: Vector) -> list[float]:
    """Rounding may leave the interval by one unit in the last place."""
    return [float(value) for value in np.clip(values, -1.0, 1.0)]
