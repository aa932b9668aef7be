"""The store in InterSystems IRIS: notes, chunks and vectors in one schema, DEMO by default, statements in store.sql.

Decides what is created, how a note is replaced, and what is sound. The shape of a search is `search`, of a row `rows`;
connections are `connections`, complaints `errors`.

Replacing a note. `INSERT OR UPDATE` would do it in one statement, but how it treats a VECTOR column, the IDENTITY and
a batch is not documented well enough to rest on. Instead, inside one transaction: the note's row is written first (its
lock keeps two writers of one note apart), then the difference between what is stored and what should be is applied:
missing chunks inserted, moved ones updated, stale ones deleted. An unchanged vector is not touched, because each one
costs the HNSW index a search. IRIS shows other processes rows that are not committed yet; in this order they never
see a note without its chunks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.backends.iris import register
from pipeline.backends.iris.connections import (
    PARAMETERS_MAX,
    Connect,
    Connections,
    Session,
    SqlRow,
    SqlValue,
    lists_of,
)
from pipeline.backends.iris.errors import (
    FUNCTION_MISSING,
    INDEX_EXISTS,
    INDEX_MISSING,
    PLAN_REFUSED,
    TABLE_EXISTS,
    UNIQUE,
    IrisRefusal,
)
from pipeline.backends.iris.images import IrisImages
from pipeline.backends.iris.rows import (
    checksum_of,
    chunk_row,
    definition,
    document_of,
    hit_of,
    longest_word,
    note_row,
    optional,
    parse_vector,
    score,
    split_text,
    terms,
    text_of,
    vector_text,
)
from pipeline.backends.iris.search import (
    INDEX_ROWS_MIN,
    count_chunks,
    count_notes,
    nearest,
    note_values,
    ranked_by_iris,
    ranked_here,
    search_plan,
    with_all,
)
from pipeline.backends.iris.sessions import Sessions, change_corpus_version
from pipeline.backends.iris.upgrades import (
    CORPUS_VERSION_SINCE,
    IMAGES_SINCE,
    LOCATORS_SINCE,
    REGISTER_SINCE,
    STORE,
    UPGRADES,
    begin_corpus_version,
    begin_register,
    define,
    image_table,
    insert_unless_there,
    m0003_without_images,
)
from pipeline.config import IrisSettings
from pipeline.errors import (
    MigrationRefused,
    SchemaMismatch,
    SpaceMismatch,
    StoreAccessDenied,
    StoreError,
    StoreLimitReached,
    StoreRejectedRow,
    StoreUnavailable,
)
from pipeline.logs import LOGGER
from pipeline.patients import NamePart, RegisteredPatient
from pipeline.ports import SearchPlan
from pipeline.records import (
    EVERYTHING,
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
)
from pipeline.storage.named_sql import Statements
from pipeline.storage.patient_register import AskedName, NoteEntries, parts_of, source_column, words_by_form

TABLES = (
    "SchemaVersion",
    "EmbeddingSpace",
    "CorpusVersion",
    "ClinicalNotes",
    "ClinicalNoteText",
    "ClinicalNoteVectors",
    "PatientRegister",
    "PatientFacts",
    "PatientNameWords",
    "MedicalImageThumbnails",
)
TABLES_SINCE = {
    "CorpusVersion": CORPUS_VERSION_SINCE,
    **dict.fromkeys(("PatientRegister", "PatientFacts", "PatientNameWords"), REGISTER_SINCE),
    "MedicalImageThumbnails": IMAGES_SINCE,
}
"""Tables that the first schema did not have."""
READ_NOTES = 100
"""Notes of an earlier release that one transaction reads into the register: within ROWS_PER_COMMIT rows of a table."""
TEXT, CLEARED = "text", "cleared"
"""Purposes of rows of EmbeddingSpace: the space of the stored notes, or of those that were there."""
ROWS_PER_COMMIT = 1000
"""Above this many changed rows of one table in a transaction IRIS locks the whole table (its LockThreshold)."""
CHECKED_VECTORS = 1_000
"""Newest vectors whose checksum `check` compares; all of them would be a gigabyte at 100,000 rows."""

MIGRATE = "python -m pipeline.vectorize migrate --to"

T = TypeVar("T")


DEFAULT_SCHEMA = "DEMO"
_SCHEMA = re.compile(r"\bDEMO(?=[.])|(?<=')DEMO(?=')")


def iris_statements(schema: str = DEFAULT_SCHEMA) -> Mapping[str, str]:
    """The statements of store.sql and images.sql as they are sent: for the tables of `schema`, and without comments,
    because the driver parses them as well. `schema` is a plain identifier; the settings see to that."""
    return {
        name: _SCHEMA.sub(
            schema, "\n".join(line for line in statement.splitlines() if not line.startswith("--")).strip()
        )
        for file in ("store.sql", "images.sql")
        for name, statement in Statements(Path(__file__).with_name(file)).items()
    }


class IrisStore:
    """`ports.Store` on InterSystems IRIS. Safe to share between threads; not across a fork."""

    def __init__(self, settings: IrisSettings, connect: Connect | None = None) -> None:
        """`connect` takes the named arguments of `iris.dbapi.connect`, which is the default."""
        self._connections = Connections(settings, iris_statements(settings.sql_schema), connect)
        self.sessions = Sessions(self._connections)
        """Shared with `IrisImages`: one pool of connections, one transaction."""
        self._schema = settings.sql_schema
        self._namespace = settings.namespace
        self._width: int | None = None
        self._newest = False
        """Whether the tables are known to be of the newest version, which is never taken back."""
        self._rank_missing = False

    def images(self) -> IrisImages:
        """The images next to these notes."""
        return IrisImages(self.sessions, f"Namespace {self._namespace}, schema {self._schema},")

    # --- preparing

    def prepare(self, space: EmbeddingSpace) -> None:
        """Create tables and indexes that are missing, and bring up those of an earlier release; where the account may
        not change those, they are read as they are. The vector index comes later, with `optimise`.

        Raises SpaceMismatch for another space, SchemaMismatch for tables of another version, StoreAccessDenied where
        the account may not create tables.
        """
        self.sessions.repeated(lambda session: self._prepare(session, space))
        self._width = space.dimension
        self._complete_register()

    def space(self) -> EmbeddingSpace | None:
        """The space of the stored vectors, None before the first `prepare`."""
        return self.sessions.repeated(lambda session: self._stored_space(session, self._tables(session)))

    def version(self) -> str | None:
        """From committed rows. A search may also list rows that are not committed yet, and whose writer fails: what was
        answered meanwhile lacks those passages, and has this version."""
        return self.sessions.repeated(self._corpus_version, committed=True)

    def optimise(self, *, rebuild: bool = False) -> None:
        """Build the vector index if it is missing, and let IRIS count its rows. Call it after a bulk load.

        Builds immediately and holds the table meanwhile; afterwards IRIS keeps the index up to date. `rebuild` drops it
        first, which an upgrade of IRIS may ask for. Searches are right without it, only slower.
        """
        self.sessions.repeated(lambda session: self._build(session, rebuild=rebuild))

    def _prepare(self, session: Session, space: EmbeddingSpace) -> None:
        present, version = self._present(session)
        stored = self._stored_space(session, present)
        if stored is not None:
            self._refuse_other(stored, space)  # before anything is created with another width
        if version:
            version = self._upgraded(session, version)
            present = self._tables(session)
        if not version or not set(_tables_of(version)) <= present:
            self._create(session, space, present)
        if stored is None:
            self._make_room(session, space)
            stored = self._claim(session, space)
            self._refuse_other(stored, space)
        if stored.similarity_floor != space.similarity_floor:
            session.execute("update_space", (definition(space), TEXT))
            change_corpus_version(session)
            session.commit()

    def _build(self, session: Session, *, rebuild: bool) -> None:
        if rebuild:
            define(session, "drop_index_vectors", tolerate=INDEX_MISSING)
        define(session, "create_index_vectors", tolerate=INDEX_EXISTS)
        define(session, "update_statistics")

    def _create(self, session: Session, space: EmbeddingSpace, present: set[str]) -> None:
        width = str(int(space.dimension))
        for table in TABLES:
            if table not in present:
                define(session, _named("create", table), tolerate=TABLE_EXISTS, dimension=width)
        if present:  # perhaps half of what an earlier release would have made
            for step in UPGRADES.steps:
                step(session)
        for name in session.statements:
            if name.startswith("create_index_") and name != "create_index_vectors":
                define(session, name, tolerate=INDEX_EXISTS)
        begin_corpus_version(session)
        begin_register(session)
        # Written last: a version means that everything before it is there.
        insert_unless_there(session, "insert_schema_version", (UPGRADES.version, STORE))

    def _upgraded(self, session: Session, version: int) -> int:
        """The version of the tables after what this account may do about it."""
        try:
            taken = UPGRADES.take(_version, _record_version, lambda: _committed(session))
        except IrisRefusal as refusal:
            kept = StoreAccessDenied | StoreLimitReached | StoreUnavailable
            if not isinstance(refusal.error, kept) or refusal.lost:
                raise
            details = {"version": version, "code": refusal.error.code}
            LOGGER.warning("the tables in IRIS keep their earlier schema for now", extra=details)
            return _version(session)
        if taken:
            LOGGER.info("the schema in IRIS was upgraded", extra={"steps": taken})
        return UPGRADES.version

    def _make_room(self, session: Session, space: EmbeddingSpace) -> None:
        """After a `clear` the empty vector table may have another width: then it is created again."""
        cleared = session.rows("space", (CLEARED,))
        if cleared and int(cleared[0][1]) != space.dimension and not session.count("count_chunks"):
            define(session, "drop_clinical_note_vectors")
            self._create(session, space, set(TABLES) - {"ClinicalNoteVectors"})
        session.execute("delete_space", (CLEARED,))
        session.commit()

    def _claim(self, session: Session, space: EmbeddingSpace) -> EmbeddingSpace:
        row = (space.id, space.dimension, definition(space), TEXT)
        insert_unless_there(session, "insert_space", row)
        return self._stored_space(session, set(TABLES)) or space

    def _tables(self, session: Session) -> set[str]:
        names = {str(row[0]).lower() for row in session.rows("tables")}
        return {table for table in TABLES if table.lower() in names}

    def _present(self, session: Session) -> tuple[set[str], int]:
        """Which tables are there, and of which version."""
        present = self._tables(session)
        return present, self._schema_version(session, present)

    def _schema_version(self, session: Session, present: set[str]) -> int:
        """The version stored, 0 where there is none. Raises SchemaMismatch for one that is not known."""
        version = _version(session) if "SchemaVersion" in present else 0
        if version:
            UPGRADES.require_known(version, f"Namespace {self._namespace}, schema {self._schema},")
        return version

    def _corpus_version(self, session: Session) -> str | None:
        _, version = self._present(session)
        if version < CORPUS_VERSION_SINCE:
            return None
        rows = session.rows("corpus_version", (STORE,))
        return str(rows[0][0]) if rows else None

    def _stored_space(self, session: Session, present: set[str]) -> EmbeddingSpace | None:
        if "EmbeddingSpace" not in present:
            return None
        rows = session.rows("space", (TEXT,))
        return EmbeddingSpace(**json.loads(text_of(rows[0][2]))) if rows else None

    def _refuse_other(self, stored: EmbeddingSpace, space: EmbeddingSpace) -> None:
        if stored.id != space.id:
            raise SpaceMismatch(
                f"Namespace {self._namespace} holds vectors of {stored.id} ({stored.dimension} wide); these would be "
                f"{space.id} ({space.dimension} wide).",
                remedy=f"Go back to the embedder that was used, or embed everything again: {MIGRATE} "
                f"{space.provider}:{space.model}.",
            )

    # --- writing

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside are committed together at the end of the outermost one, or undone."""
        return self.sessions.transaction()

    def upsert(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Replace each note and all of its chunks; see the module for the order of things.

        Outside a transaction it commits after every ROWS_PER_COMMIT chunks, whole notes only. Raises
        StoreRejectedRow before anything is written where a vector has the wrong width or is not finite.
        """
        latest = {document.document.resource_id: document for document in documents}
        # One order for all writers, so that two of them never wait for each other's rows.
        ordered = [latest[resource_id] for resource_id in sorted(latest)]
        width = self._prepared_width(
            next((item.vector.size for note in ordered for item in note.chunks), None)
        )
        if ordered and not width:
            raise SchemaMismatch(
                f"Namespace {self._namespace} has not been prepared for any embedding space.",
                remedy="Run `python -m pipeline.vectorize notes` first.",
            )
        self._require_newest()
        for document in ordered:
            _refuse_unfit(document, width)
        for batch in _batches(ordered, lambda document: len(document.chunks) + 1):
            with self.transaction(), self.sessions.session() as session:
                self._replace(session, batch)

    def delete(self, resource_ids: Sequence[str]) -> int:
        """Remove notes with their chunks; how many were there. Images that refer to them stay, without a report."""
        if not self._prepared_width():
            return 0
        self._require_newest()
        removed = 0
        for some in lists_of(dict.fromkeys(resource_ids), PARAMETERS_MAX):
            with self.sessions.session() as session:
                states = session.rows_in("note_states", some)
            for batch in _batches(states, lambda state: int(state[2]) + 1):
                with self.transaction(), self.sessions.session() as session:
                    removed += self._remove(session, [str(state[0]) for state in batch])
        return removed

    def clear(self) -> None:
        """Remove every note, and forget the space: the next `prepare` may name another, of another width.

        Row by row, because a transaction can take that back. Outside of one it commits as it goes, and drops the
        vector index first, whose upkeep costs more than the rows.
        """
        if self._prepared_width():
            self._require_newest()
            if not self.sessions.in_transaction():
                with self.sessions.session() as session:
                    define(session, "drop_index_vectors", tolerate=INDEX_MISSING)
            self.delete(self._resource_ids())
            with self.transaction(), self.sessions.session() as session:
                session.execute("delete_space", (CLEARED,))
                session.execute("rename_space", (CLEARED, TEXT))
        self._width = None

    def _require_newest(self) -> None:
        """Raises SchemaMismatch where the tables are of an earlier release: no one who may change them came by yet."""
        if not self._newest:
            version = self.sessions.repeated(_version)
            if version != UPGRADES.version:
                raise SchemaMismatch(
                    f"The tables in namespace {self._namespace}, schema {self._schema}, have schema version {version}; "
                    f"writing needs version {UPGRADES.version}.",
                    remedy="Run `python -m pipeline.vectorize optimise` once with an account that may alter tables "
                    "(docs/iris.md).",
                )
            self._newest = True

    def drop(self) -> None:
        """Remove the tables of this schema. Raises MigrationRefused while it holds images, which may exist nowhere
        else."""
        with self.sessions.session() as session:
            present = self._tables(session)
            images = 0 if image_table(session) == "none" else session.count("count_images")
            if images:
                raise MigrationRefused(
                    f"Schema {self._schema} of namespace {self._namespace} holds {images} images.",
                    remedy="They have no copy in the space that serves: keep the schema, or move them first.",
                )
            m0003_without_images(session)
            if image_table(session) == "ours":
                define(session, "drop_image_vectors")
            for table in reversed(TABLES):
                if table in present:
                    define(session, _named("drop", table))
        self._width, self._newest = None, False

    def _remove(self, session: Session, ids: Sequence[str]) -> int:
        for name in ("delete_chunks_of_notes", "delete_note_text", "delete_facts", "delete_name_words"):
            session.execute_in(name, ids)
        return session.execute_in("delete_notes", ids)

    def _replace(self, session: Session, documents: Sequence[EmbeddedDocument]) -> None:
        ids = [document.document.resource_id for document in documents]
        rows = session.rows_in("note_states", ids)
        states = {str(row[0]): str(row[1]) for row in rows}
        said = {str(row[0]): optional(row[3]) for row in rows}
        self._write_notes(session, documents, states)
        self._write_text(session, documents, states)
        self._write_register(session, _to_register(documents, states, said))
        self._write_chunks(session, documents)

    def _write_notes(
        self, session: Session, documents: Sequence[EmbeddedDocument], states: Mapping[str, str]
    ) -> None:
        """Every note's row is written, changed or not: its lock makes a second writer of the note wait here."""
        rows = {document.document.resource_id: note_row(document) for document in documents}
        new = [row for resource_id, row in rows.items() if resource_id not in states]
        stored = [row for resource_id, row in rows.items() if resource_id in states]
        for at, refusal in session.insert_many("insert_note", new):
            if refusal.code != UNIQUE:
                raise _about(refusal, "note", str(new[at][-1]))
            stored.append(new[at])  # another process was first: its row is replaced like any other
        for row in stored:
            if session.execute("update_note", row) == 0:
                raise StoreUnavailable(
                    f"Note {row[-1]} was removed by another process while it was being replaced.",
                    remedy="Run the same command again.",
                )

    def _write_text(
        self, session: Session, documents: Sequence[EmbeddedDocument], states: Mapping[str, str]
    ) -> None:
        changed = [
            document.document
            for document in documents
            if states.get(document.document.resource_id) != document.document.fingerprint()
        ]
        stored = [note.resource_id for note in changed if note.resource_id in states]
        session.execute_in("delete_note_text", stored)
        rows: list[tuple[SqlValue, ...]] = [
            (note.resource_id, part, content)
            for note in changed
            for part, content in enumerate(split_text(note.text_content)[1])
        ]
        self._insert(session, "insert_note_text", rows, "note", 0)

    def _write_register(self, session: Session, notes: Sequence[Document]) -> None:
        ids = [note.resource_id for note in notes]
        for name in ("delete_facts", "delete_name_words"):
            session.execute_in(name, ids)
        entries = [(note, NoteEntries.of(note)) for note in notes]
        facts = [row for note, found in entries for row in register.fact_rows(note, found)]
        words = [row for note, found in entries for row in register.word_rows(note, found)]
        self._insert(session, "insert_fact", facts, "note", -1)
        self._insert(session, "insert_name_word", words, "note", -1)

    def _write_chunks(self, session: Session, documents: Sequence[EmbeddedDocument]) -> None:
        ids = [document.document.resource_id for document in documents]
        stored = {str(row[0]): (str(row[2]), str(row[3])) for row in session.rows_in("chunks_of_notes", ids)}
        missing: list[tuple[SqlValue, ...]] = []
        for document in documents:
            for embedded in document.chunks:
                row = chunk_row(document.document, embedded.chunk)
                checksum, chunk_id = checksum_of(embedded.vector), embedded.chunk.chunk_id
                if chunk_id not in stored:
                    missing.append((*row, vector_text(embedded.vector), checksum, chunk_id))
                    continue
                row_before, vector_before = stored.pop(chunk_id)
                if row_before != row[-1]:
                    session.execute("update_chunk", (*row, chunk_id))
                if vector_before != checksum:
                    session.execute("update_vector", (vector_text(embedded.vector), checksum, chunk_id))
        self._insert(session, "insert_chunk", missing, "chunk", -1)
        session.execute_in("delete_chunks", list(stored))

    def _insert(
        self, session: Session, name: str, rows: Sequence[Sequence[SqlValue]], noun: str, id_at: int
    ) -> None:
        for at, refusal in session.insert_many(name, rows):
            raise _about(refusal, noun, str(rows[at][id_at]))

    # --- reading

    def vectors(self, chunk_ids: Sequence[str]) -> Mapping[str, Vector]:
        """Stored vectors by chunk id, float32, as they were handed in."""
        if not self._prepared_width():
            return {}
        ids = list(dict.fromkeys(chunk_ids))
        rows = self.sessions.repeated(lambda session: session.rows_in("vectors_of_chunks", ids))
        return {str(row[0]): parse_vector(row[1]) for row in rows}

    def document(self, resource_id: str) -> Document | None:
        """The whole note as handed in."""
        if not self._prepared_width():
            return None
        return self.sessions.repeated(lambda session: self._document(session, resource_id), committed=True)

    def counts(self, scope: AccessScope = EVERYTHING) -> StoreCounts:
        """Stored notes and chunks inside a scope. IRIS counts rows of open transactions too."""

        def count(session: Session) -> StoreCounts:
            return StoreCounts(
                count_notes(session, Filters(scope=scope)), count_chunks(session, Filters(scope=scope))
            )

        return self.sessions.repeated(count) if self._prepared_width() else StoreCounts(0, 0)

    def count_notes(self, filters: Filters, *, undated: bool = False, most: int) -> int:
        """Notes that the filters admit. IRIS counts rows of open transactions too."""
        if not self._prepared_width():
            return 0
        return min(
            most, self.sessions.repeated(lambda session: count_notes(session, filters, undated=undated))
        )

    def values(
        self, field: NoteField, scope: AccessScope, *, beginning: str = "", limit: int = 100
    ) -> list[str]:
        """Values of a field inside a scope. IRIS lists rows of open transactions too."""
        if "\0" in beginning or not self._prepared_width():
            return []
        return self.sessions.repeated(lambda session: note_values(session, field, scope, beginning, limit))

    def chunk_ids(self) -> Iterator[tuple[str, str]]:
        """(resource_id, chunk_id) in the order of code points, read in pages.

        Sorted here: IRIS sorts ids that look like numbers before all others, and by value.
        """
        for some in lists_of(sorted(self._resource_ids()), PARAMETERS_MAX):
            rows = self.sessions.repeated(lambda session, page=some: session.rows_in("chunk_ids", page))  # type: ignore[misc]
            yield from sorted((str(row[0]), str(row[1])) for row in rows)

    def hits(self, chunk_ids: Sequence[str], vector: Vector) -> list[Hit]:
        """Those chunks in full, in the order asked, from committed rows only. Unknown ids are left out."""
        if not self._prepared_width():
            return []
        question, ids = self._question(vector), list(dict.fromkeys(chunk_ids))
        rows = self.sessions.repeated(lambda session: self._hits(session, ids, question), committed=True)
        by_id = {hit.chunk_id: hit for hit in map(hit_of, rows)}
        return [by_id[chunk_id] for chunk_id in chunk_ids if chunk_id in by_id]

    def _hits(self, session: Session, ids: Sequence[str], question: str) -> list[SqlRow]:
        """Rows of `hits`. Tables of an earlier release, which no one could upgrade yet, have no places. Their version
        is asked after the rows: a writer of places upgrades first."""
        if not self._newest:
            rows = session.rows_in("hits_without_locators", ids, (question,))
            version = _version(session)
            self._newest = version == UPGRADES.version
            if version < LOCATORS_SINCE:
                return rows
        return session.rows_in("hits", ids, (question,))

    def _resource_ids(self) -> list[str]:
        if not self._prepared_width():
            return []
        rows = self.sessions.repeated(lambda session: session.rows("resource_ids"))
        return [str(row[0]) for row in rows]

    def _document(self, session: Session, resource_id: str) -> Document | None:
        # Their version is asked every time: tables that no one could upgrade yet have no column for the source.
        known = self._newest or _version(session) >= REGISTER_SINCE
        rows = session.rows("document" if known else "document_without_source", (resource_id,))
        if not rows:
            return None
        parts = session.rows("document_text", (resource_id,)) if int(rows[0][9]) else []
        return document_of(resource_id, rows[0], parts)

    # --- the register of patients

    def has_register(self) -> bool:
        """Whether every note is in the register."""
        return bool(self._prepared_width()) and self.sessions.repeated(self._is_registered)

    def patients(
        self, scope: AccessScope, *, ids: Sequence[str] | None = None, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        """Patients inside a scope. IRIS lists rows of open transactions too."""
        if ids is None:
            return self._of_register(lambda session: register.patients_after(session, scope, after, limit))
        asked = list(dict.fromkeys(ids))[:limit]
        return self._of_register(lambda session: register.patients_by_id(session, asked, scope))

    def patients_called(
        self, words: Sequence[str], scope: AccessScope, *, part: NamePart | None = None, limit: int = 20
    ) -> list[RegisteredPatient]:
        """Patients inside a scope who have a name with all these words."""
        asked, parts = AskedName.of(words), parts_of(part)
        if asked is None:
            return []
        return self._of_register(
            lambda session: register.patients_called(session, asked, parts, scope, limit)
        )

    def name_words(self, words: Sequence[str], scope: AccessScope) -> frozenset[str]:
        """Words that stand in the name of a patient inside a scope."""
        asked = words_by_form(words)
        if not asked:
            return frozenset()
        return frozenset(self._of_register(lambda session: register.name_words(session, asked, scope)))

    def patients_near(
        self, words: Sequence[str], scope: AccessScope, *, limit: int = 5
    ) -> list[RegisteredPatient]:
        """Patients inside a scope with a name that is nearly this one."""
        asked = AskedName.of(words)
        if asked is None:
            return []
        return self._of_register(lambda session: register.patients_near(session, asked, scope, limit))

    def patients_beginning(
        self, typed: str, scope: AccessScope, *, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        """Patients inside a scope whose id or name begins as it is typed."""
        written = " ".join(typed.split())
        if "\0" in written:
            return []
        if not written:
            return self.patients(scope, after=after, limit=limit)
        return self._of_register(
            lambda session: register.patients_beginning(session, written, scope, after, limit)
        )

    def notes_of(
        self, patient_id: str, scope: AccessScope, *, skip: int = 0, limit: int = 100
    ) -> list[NoteHead]:
        """Notes of one patient inside a scope, the newest first."""
        if not self._prepared_width():
            return []
        return self.sessions.repeated(
            lambda session: register.notes_of(session, patient_id, scope, skip, limit)
        )

    def _of_register(self, work: Callable[[Session], list[T]]) -> list[T]:
        """Nothing where the tables of an earlier release have no register."""
        if not self._prepared_width():
            return []
        return self.sessions.repeated(
            lambda session: work(session) if self._present(session)[1] >= REGISTER_SINCE else []
        )

    def _is_registered(self, session: Session) -> bool:
        return self._present(session)[1] >= REGISTER_SINCE and not register.unread(session, STORE)

    def _complete_register(self) -> None:
        """Read the notes of an earlier release into the register, a few with each commit: a cut costs nothing."""
        if self.sessions.repeated(lambda session: self._present(session)[1]) < REGISTER_SINCE:
            return
        while left := self.sessions.repeated(lambda session: register.unread(session, STORE)):
            with self.transaction(), self.sessions.session() as session:
                notes = register.notes_up_to(session, left, READ_NOTES)
                self._write_register(session, [note for _, note in notes])
                session.execute("update_unread", (notes[-1][0] - 1 if notes else 0, STORE))

    # --- searching

    def search_vector(self, vector: Vector, k: int, filters: Filters) -> list[Match]:
        """The k chunks nearest by cosine among those the filters admit; equal scores in the order of their ids."""
        if not self._prepared_width():
            return []
        question = self._question(vector)
        if k < 1:
            return []
        rows = self.sessions.repeated(lambda session: nearest(session, question, k, filters))
        matches = [Match(str(row[0]), score(row[-1])) for row in rows]
        return sorted(matches, key=lambda match: (-match.score, match.chunk_id))[:k]

    def search_words(self, text: str, k: int, filters: Filters) -> list[Match]:
        """The k best chunks by SQL Search's rank of any of the words."""
        words = terms(text)
        if k < 1 or not words or not self._prepared_width():
            return []
        matches = self.sessions.repeated(lambda session: self._ranked(session, words, k, filters))
        return sorted(matches, key=lambda match: (-match.score, match.chunk_id))[:k]

    def chunks_with(
        self, terms: Sequence[Sequence[str]], filters: Filters, *, limit: int
    ) -> list[ChunkOfPatient]:
        """Chunks with a word of each term, the newest first, those without a date last."""
        words = [sorted({longest_word(each) for each in term} - {""}) for term in terms]
        if limit < 1 or not words or not all(words) or not self._prepared_width():
            return []
        rows = self.sessions.repeated(lambda session: with_all(session, words, limit, filters))
        found = [ChunkOfPatient(str(row[0]), text_of(row[1]), optional(row[2])) for row in rows]
        return sorted(found, key=lambda each: each.date or "", reverse=True)[:limit]

    def _ranked(self, session: Session, words: Sequence[str], k: int, filters: Filters) -> list[Match]:
        if not self._rank_missing:
            try:
                return ranked_by_iris(session, words, k, filters)
            except IrisRefusal as refusal:
                if refusal.code not in FUNCTION_MISSING:
                    raise
                self._rank_missing = True
        return ranked_here(session, words, k, filters)

    # --- soundness

    def check(self) -> list[str]:
        """Every problem found, in words: counts, references, filter columns, and the newest vectors' checksums."""
        return self.sessions.repeated(lambda session: list(self._problems(session)))

    def ping(self) -> None:
        """One statement that reads no table."""
        self.sessions.repeated(lambda session: session.rows("ping"))

    def missing_tables(self) -> tuple[str, ...]:
        """Names of tables that are not there, in the order in which they are made."""
        present, version = self.sessions.repeated(self._present)
        return tuple(table for table in _tables_of(version) if table not in present)

    def newest_vector(self) -> tuple[str, Vector] | None:
        """(chunk_id, vector) of the passage stored last, None where there is none."""
        rows = self.sessions.repeated(lambda session: session.rows("check_vectors", k="1"))
        return (str(rows[0][0]), parse_vector(rows[0][1])) if rows else None

    def plan(self, vector: Vector) -> SearchPlan:
        """How IRIS would answer a search for `vector`, shape (dimension,). Reads no row."""
        try:
            with self._connections.use() as session:
                rows = session.rows("explain_search", (vector_text(vector),), k=str(INDEX_ROWS_MIN))
        except IrisRefusal as refusal:
            if refusal.lost or refusal.code not in PLAN_REFUSED:
                raise refusal.error from None
            return SearchPlan(None, ())
        return search_plan(text_of(value) for row in rows for value in row)

    def close(self) -> None:
        self.sessions.close()

    def _problems(self, session: Session) -> Iterator[str]:
        present, version = self._present(session)
        absent = sorted(set(_tables_of(version)) - present)
        if absent:
            yield f"tables are missing in namespace {self._namespace}: {', '.join(absent)}"
            return
        if orphans := session.count("check_orphans"):
            yield f"{orphans} chunks belong to no note"
        if differing := session.count("check_filter_columns"):
            yield f"{differing} chunks carry another patient or document type than their note"
        yield from self._miscounted(session)
        for chunk_id, vector, checksum in session.rows("check_vectors", k=str(CHECKED_VECTORS)):
            if checksum_of(parse_vector(vector)) != str(checksum):
                yield f"the vector of chunk {chunk_id} is not the one that was written"

    def _miscounted(self, session: Session) -> Iterator[str]:
        chunks = {str(row[0]): int(row[1]) for row in session.rows("check_chunks")}
        parts = {str(row[0]): int(row[1]) for row in session.rows("check_text")}
        for resource_id, chunk_count, text_parts in session.rows("check_notes"):
            note = str(resource_id)
            if chunks.get(note, 0) != int(chunk_count):
                yield f"note {note} has {chunks.get(note, 0)} chunks, but was written with {chunk_count}"
            if parts.get(note, 0) != int(text_parts):
                yield f"the text of note {note} is incomplete: {parts.get(note, 0)} of {text_parts} further parts"

    def _prepared_width(self, expected: int | None = None) -> int:
        """Width of this store's vectors, 0 where it was never prepared.

        Remembered, and read again where it is not the one expected: another process may have cleared the store.
        """
        if self._width is None or expected not in (None, self._width):
            space = self.space()
            self._width = space.dimension if space is not None else None
        return self._width or 0

    def _question(self, vector: Vector) -> str:
        width = self._prepared_width(vector.size)
        if vector.shape != (width,):
            raise SpaceMismatch(
                f"The question's vector has shape {vector.shape}; namespace {self._namespace} holds vectors of "
                f"width {width}.",
                remedy="Ask with the embedder that indexed the notes.",
            )
        if not np.isfinite(vector).all():
            raise StoreError(
                "The question's vector holds a value that is not a finite number.",
                remedy="The embedder failed on this question. Check it, and ask again.",
            )
        return vector_text(vector)


# --- refusals, filters and lists


def _tables_of(version: int) -> tuple[str, ...]:
    """The tables of a schema version; 0: of none yet, which becomes the newest."""
    return tuple(table for table in TABLES if not 0 < version < TABLES_SINCE.get(table, 1))


def _version(session: Session) -> int:
    rows = session.rows("schema_version", (STORE,))
    return int(rows[0][0]) if rows else 0


def _record_version(session: Session, number: int) -> None:
    session.execute("update_schema_version", (number, STORE, number))


@contextmanager
def _committed(session: Session) -> Iterator[Session]:
    yield session
    session.commit()


def _named(verb: str, table: str) -> str:
    """The statement that creates or drops a table."""
    return verb + re.sub(r"([A-Z][a-z]+)", r"_\1", table).lower()


def _refuse_unfit(embedded: EmbeddedDocument, width: int) -> None:
    seen: set[str] = set()
    for item in embedded.chunks:
        _refuse_unfit_vector(item, width)
        if item.chunk.chunk_id in seen:
            raise StoreRejectedRow(
                f"Note {embedded.document.resource_id} has two chunks with the id {item.chunk.chunk_id}.",
                remedy="Chunk ids must be unique; report this as a fault of the chunker.",
            )
        seen.add(item.chunk.chunk_id)


def _refuse_unfit_vector(item: EmbeddedChunk, width: int) -> None:
    if item.vector.shape != (width,):
        raise StoreRejectedRow(
            f"The vector of chunk {item.chunk.chunk_id} has shape {item.vector.shape}; the store takes ({width},).",
            remedy=f"Use the embedder that indexed the notes, or embed everything again: {MIGRATE} PROVIDER:MODEL.",
        )
    if not np.isfinite(item.vector).all():
        raise StoreRejectedRow(
            f"The vector of chunk {item.chunk.chunk_id} holds a value that is not a finite number.",
            remedy="The embedder failed on this text; the note is not stored. Check the embedder and run again.",
        )


def _about(refusal: IrisRefusal, noun: str, identity: str) -> StoreError:
    """The refusal of one row, with the id that IRIS's own words would only tell together with the row."""
    error = refusal.error
    return type(error)(f"{noun.capitalize()} {identity}: {error.what}", remedy=error.remedy)


def _to_register(
    documents: Sequence[EmbeddedDocument], states: Mapping[str, str], said: Mapping[str, str | None]
) -> list[Document]:
    """Notes that are new, or that say something else than they did."""
    notes = [document.document for document in documents]
    return [
        note
        for note in notes
        if states.get(note.resource_id) != note.fingerprint()
        or said[note.resource_id] != source_column(note.patient)
    ]


def _batches(items: Iterable[T], weight: Callable[[T], int]) -> Iterator[list[T]]:
    """Consecutive groups within ROWS_PER_COMMIT rows; a heavier item is a group of its own."""
    batch: list[T] = []
    rows = 0
    for item in items:
        if batch and rows + weight(item) > ROWS_PER_COMMIT:
            yield batch
            batch, rows = [], 0
        batch.append(item)
        rows += weight(item)
    if batch:
        yield batch
