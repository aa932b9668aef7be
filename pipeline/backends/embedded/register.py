"""The register of patients in the embedded store: rows written with each note, and patients read within a scope.

Decides which statement answers what. The rows of a note follow from the note (`storage.patient_register`), so a store
of an earlier release is read note by note until all are in (`read_more`); until then the register is no answer to who
is not here. Every reading goes through the notes that the scope admits, in the SQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pipeline.backends.embedded import rows
from pipeline.patients import RegisteredPatient
from pipeline.records import NO_PATIENT, AccessScope, Document, Filters, NoteHead
from pipeline.storage.named_sql import Statements
from pipeline.storage.patient_register import (
    FACTS_READ_MAX,
    NEAR_READ_MAX,
    AskedName,
    FactRow,
    NameEntry,
    NoteEntries,
    NotesRow,
    TypedName,
    name_column,
    nearest_of,
    registered,
)

_SQL = Statements(Path(__file__).with_name("store.sql"))

READ_NOTES = 500
"""Notes of an earlier release that one transaction reads into the register."""


def is_complete(connection: sqlite3.Connection) -> bool:
    """Whether every note is in the register."""
    return not _unread(connection)


def begin(connection: sqlite3.Connection) -> None:
    """Of a store without notes."""
    connection.execute(_SQL.insert_unread)


def read_more(connection: sqlite3.Connection) -> bool:
    """Put the next notes of an earlier release into the register. Whether some are left."""
    unread = _unread(connection)
    if not unread:
        return False
    found = connection.execute(_SQL.notes_up_to, (unread, READ_NOTES)).fetchall()
    replace(connection, {row: rows.document_of(note) for row, *note in found})
    left = found[-1][0] - 1 if found else 0
    connection.execute(_SQL.update_unread, (left,))
    return left > 0


def replace(connection: sqlite3.Connection, notes: Mapping[int, Document]) -> None:
    """What the register holds of these notes, by their rows."""
    ids = rows.json_list(notes)
    connection.execute(_SQL.delete_facts, (ids,))
    connection.execute(_SQL.delete_name_words, (ids,))
    entries = {row: NoteEntries.of(document) for row, document in notes.items()}
    connection.executemany(
        _SQL.insert_fact,
        [
            (row, fact.kind, fact.value, fact.source, fact.start, fact.end, name_column(fact.name))
            for row, note in entries.items()
            for fact in note.facts
        ],
    )
    connection.executemany(
        _SQL.insert_name_word, [_word_row(row, word) for row, note in entries.items() for word in note.words]
    )


def _word_row(row: int, word: NameEntry) -> tuple[object, ...]:
    return row, word.word, word.folded, word.is_family, word.sound


def _unread(connection: sqlite3.Connection) -> int:
    return int(connection.execute(_SQL.unread).fetchone()[0])


def patients_after(
    connection: sqlite3.Connection, scope: AccessScope, after: str, limit: int
) -> list[RegisteredPatient]:
    found = _execute(connection, _SQL.ids_of_patients, scope, {"after": after, "limit": limit})
    return patients_by_id(connection, [str(row[0]) for row in found], scope)


def patients_by_id(
    connection: sqlite3.Connection, ids: Sequence[str], scope: AccessScope
) -> list[RegisteredPatient]:
    if not ids:
        return []
    asked = {"patients": rows.json_list(ids)}
    notes = _execute(connection, _SQL.notes_of_patients, scope, asked)
    facts = _execute(connection, _SQL.facts_of_patients, scope, {**asked, "most": FACTS_READ_MAX})
    return registered((NotesRow(*row) for row in notes), (FactRow(*row[:10]) for row in facts))


def patients_called(
    connection: sqlite3.Connection, asked: AskedName, parts: Sequence[int], scope: AccessScope, limit: int
) -> list[RegisteredPatient]:
    values = {
        "words": rows.json_list(asked.first),
        "parts": rows.json_list(parts),
        "others": rows.json_lists(asked.others),
        "limit": limit,
    }
    found = _execute(connection, _SQL.patients_with_words, scope, values)
    patients = patients_by_id(connection, [str(row[0]) for row in found], scope)
    return [patient for patient in patients if asked.is_had_by(patient)]


def patients_beginning(
    connection: sqlite3.Connection, typed: str, scope: AccessScope, after: str, limit: int
) -> list[RegisteredPatient]:
    name = TypedName.of(typed)
    values = {
        "typed": typed,
        "first": rows.json_list(name.first if name else ()),
        "others": rows.json_lists(name.others if name else ()),
        "last_character": rows.LAST_CHARACTER,
        "after": after,
        "limit": limit,
    }
    found = _execute(connection, _SQL.patients_beginning, scope, values)
    return patients_by_id(connection, [str(row[0]) for row in found], scope)


def notes_of(
    connection: sqlite3.Connection, patient_id: str, scope: AccessScope, skip: int, limit: int
) -> list[NoteHead]:
    values = {"patient": patient_id, "skip": skip, "limit": limit}
    return [NoteHead(*row) for row in _execute(connection, _SQL.notes_of_patient, scope, values)]


def name_words(
    connection: sqlite3.Connection, asked: Mapping[str, Collection[str]], scope: AccessScope
) -> frozenset[str]:
    """Of words by their forms (`words_by_form`), those that stand in a name."""
    found = _execute(connection, _SQL.words_in_names, scope, {"words": rows.json_list(asked)})
    return frozenset(word for (form,) in found for word in asked[form])


def patients_near(
    connection: sqlite3.Connection, asked: AskedName, scope: AccessScope, limit: int
) -> list[RegisteredPatient]:
    values = {"sounds": rows.json_list(asked.sounds), "limit": NEAR_READ_MAX}
    found = _execute(connection, _SQL.patients_with_sounds, scope, values)
    patients = patients_by_id(connection, [str(row[0]) for row in found], scope)
    return nearest_of(asked, patients, limit)


def _execute(
    connection: sqlite3.Connection, statement: str, scope: AccessScope, values: Mapping[str, object]
) -> list[rows.Row]:
    admitted = rows.filter_values(Filters(scope=scope))
    conditions = " AND ".join(
        [_SQL.admit_patients_alone, *(getattr(_SQL, f"admit_{name}") for name in admitted)]
    )
    bound = {**admitted, **values, "no_patient": NO_PATIENT}
    return connection.execute(statement.replace("{filters}", conditions), bound).fetchall()
