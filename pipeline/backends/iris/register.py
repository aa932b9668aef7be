"""The register of patients in IRIS: rows written with each note, and patients read within a scope.

Decides which statement answers what. The rows of a note follow from the note (`storage.patient_register`) and carry its
patient and domain, so that a scope is a condition on them like on passages. IRIS's grouping is made whole here where a
long list of ids takes several statements. Opens no connection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pipeline.backends.iris.connections import PARAMETERS_MAX, Session, SqlRow, SqlValue, marks_of
from pipeline.backends.iris.rows import document_of, note_head_of, optional, text_of
from pipeline.backends.iris.search import admissions
from pipeline.patients import RegisteredPatient
from pipeline.records import NO_PATIENT, AccessScope, Document, Filters, NoteHead
from pipeline.storage.patient_register import (
    FACTS_READ_MAX,
    NEAR_READ_MAX,
    AskedName,
    FactRow,
    NoteEntries,
    NotesRow,
    TypedName,
    name_column,
    nearest_of,
    registered,
)

FOLDED_FORMS = 4
"""Places of the condition `admit_folded`."""


def unread(session: Session, component: str) -> int:
    """The highest number of a note that is not in the register yet, 0 where all are."""
    found = session.rows("unread", (component,))
    return int(found[0][0]) if found else 0


def fact_rows(note: Document, entries: NoteEntries) -> list[tuple[SqlValue, ...]]:
    """Values of insert_fact."""
    return [
        (
            note.patient_id,
            note.domain,
            note.date,
            fact.kind,
            fact.value,
            fact.source,
            name_column(fact.name),
            fact.start,
            fact.end,
            note.resource_id,
        )
        for fact in entries.facts
    ]


def word_rows(note: Document, entries: NoteEntries) -> list[tuple[SqlValue, ...]]:
    """Values of insert_name_word."""
    return [
        (
            note.patient_id,
            note.domain,
            word.word,
            word.folded,
            int(word.is_family),
            word.sound,
            note.resource_id,
        )
        for word in entries.words
    ]


def notes_up_to(session: Session, number: int, most: int) -> list[tuple[int, Document]]:
    """The notes with the highest numbers up to this one, that one first."""
    found = session.rows("notes_up_to", (number,), k=str(int(most)))
    long = [text_of(row[1]) for row in found if int(row[11])]
    parts: dict[str, list[SqlRow]] = {}
    for resource_id, *part in session.rows_in("texts_of_notes", long):
        parts.setdefault(text_of(resource_id), []).append(tuple(part))
    return [
        (int(row[0]), document_of(text_of(row[1]), row[2:], parts.get(text_of(row[1]), []))) for row in found
    ]


def patients_after(session: Session, scope: AccessScope, after: str, limit: int) -> list[RegisteredPatient]:
    given = session.statements["admit_any_patient_id"]
    ids = {
        text_of(row[0])
        for conditions, values in admissions(session, Filters(scope=scope))
        for row in session.rows("ids_of_patients", values, admitted=_all(conditions, given))
    }
    return patients_by_id(
        session, sorted(found for found in ids - {NO_PATIENT} if found > after)[:limit], scope
    )


def patients_by_id(session: Session, ids: Sequence[str], scope: AccessScope) -> list[RegisteredPatient]:
    persons = tuple(each for each in ids if each != NO_PATIENT)
    if not persons:
        return []
    filters = Filters(patient_ids=persons, scope=scope)
    return registered(_notes(session, filters), _facts(session, filters))


def patients_called(
    session: Session, asked: AskedName, parts: Sequence[int], scope: AccessScope, limit: int
) -> list[RegisteredPatient]:
    conditions = [
        session.statements["admit_name_words"].format(marks=marks_of(asked.first)),
        session.statements["admit_name_parts"].format(marks=marks_of([str(part) for part in parts])),
        *(session.statements["admit_folded"] for _ in asked.others),
    ]
    values: list[SqlValue] = [*asked.first, *parts]
    for forms in asked.others:
        values += [f"%{form}%" for form in _padded(forms)]
    found = sorted(
        {text_of(row[0]) for row in _in_scope(session, "patients_with_words", conditions, values, scope)}
    )
    patients = patients_by_id(session, found[:limit], scope)
    return [patient for patient in patients if asked.is_had_by(patient)]


def patients_beginning(
    session: Session, typed: str, scope: AccessScope, after: str, limit: int
) -> list[RegisteredPatient]:
    found = set(_ids_beginning(session, typed, scope))
    if (name := TypedName.of(typed)) is not None:
        conditions = [session.statements["admit_name_beginnings"]]
        conditions += [session.statements["admit_folded"] for _ in name.others]
        values = [f"{form}%" for form in _padded(name.first)]
        values += [f"%{form}%" for forms in name.others for form in _padded(forms)]
        rows = _in_scope(session, "patients_with_words", conditions, values, scope)
        found |= {text_of(row[0]) for row in rows}
    return patients_by_id(
        session, sorted(each for each in found - {NO_PATIENT} if each > after)[:limit], scope
    )


def _ids_beginning(session: Session, typed: str, scope: AccessScope) -> Iterator[str]:
    begins = session.statements["admit_beginning_patient_id"].format(k=len(typed))
    for conditions, values in admissions(session, Filters(scope=scope)):
        admitted = _all(conditions, begins)
        for row in session.rows("ids_of_patients", (*values, typed), admitted=admitted):
            yield text_of(row[0])


def notes_of(session: Session, patient_id: str, scope: AccessScope, skip: int, limit: int) -> list[NoteHead]:
    if patient_id == NO_PATIENT:
        return []
    filters = Filters(patient_ids=(patient_id,), scope=scope)
    heads = [
        note_head_of(row)
        for conditions, values in admissions(session, filters)
        for row in session.rows("notes_of_patient", values, admitted=conditions)
    ]
    heads.sort(key=lambda head: head.resource_id)
    heads.sort(key=lambda head: head.date or "", reverse=True)
    return heads[skip : skip + limit]


def name_words(session: Session, asked: Mapping[str, Collection[str]], scope: AccessScope) -> list[str]:
    """Of words by their forms (`words_by_form`), those that stand in a name."""
    condition = session.statements["admit_name_words"].format(marks=marks_of(list(asked)))
    found = _in_scope(session, "words_in_names", [condition], list(asked), scope)
    return [word for (form,) in found for word in asked[text_of(form)]]


def patients_near(
    session: Session, asked: AskedName, scope: AccessScope, limit: int
) -> list[RegisteredPatient]:
    condition = session.statements["admit_name_sounds"].format(marks=marks_of(asked.sounds))
    alike: dict[str, int] = {}
    for patient, number in _in_scope(session, "patients_with_sounds", [condition], asked.sounds, scope):
        alike[text_of(patient)] = max(alike.get(text_of(patient), 0), int(number))
    ids = sorted(alike, key=lambda patient: (-alike[patient], patient))[:NEAR_READ_MAX]
    return nearest_of(asked, patients_by_id(session, ids, scope), limit)


def _padded(forms: Sequence[str]) -> list[str]:
    return [*forms, *[forms[-1]] * FOLDED_FORMS][:FOLDED_FORMS]


def _in_scope(
    session: Session, name: str, conditions: Sequence[str], values: Sequence[SqlValue], scope: AccessScope
) -> Iterator[SqlRow]:
    for admitted, bound in admissions(session, Filters(scope=scope)):
        yield from session.rows(name, (*values, *bound), admitted=_all(*conditions, admitted))


def _all(*conditions: str) -> str:
    return " AND ".join(filter(None, conditions))


def _notes(session: Session, filters: Filters) -> Iterable[NotesRow]:
    found: dict[str, NotesRow] = {}
    for conditions, values in admissions(session, filters):
        for patient, number, first, last in session.rows("notes_of_patients", values, admitted=conditions):
            row = NotesRow(text_of(patient), int(number), _date(first), _date(last))
            before = found.get(row.patient_id)
            found[row.patient_id] = row if before is None else _together(before, row)
    return found.values()


def _together(one: NotesRow, other: NotesRow) -> NotesRow:
    firsts = [date for date in (one.first_date, other.first_date) if date]
    lasts = [date for date in (one.last_date, other.last_date) if date]
    return NotesRow(
        one.patient_id, one.notes + other.notes, min(firsts, default=None), max(lasts, default=None)
    )


def _facts(session: Session, filters: Filters) -> list[FactRow]:
    counted: dict[tuple[str, str, str, str], tuple[int, str | None, int]] = {}
    for conditions, values in admissions(session, filters):
        for *said, number, last, place in session.rows("facts_of_patients", values, admitted=conditions):
            patient, kind, value, source = map(text_of, said)
            key = (patient, kind, value, source)
            notes, date, first = counted.get(key, (0, None, int(place)))
            dates = [each for each in (date, _date(last)) if each]
            counted[key] = (notes + int(number), max(dates, default=None), min(first, int(place)))
    most = sorted(counted.items(), key=lambda each: (-each[1][0], each[1][2]))[:FACTS_READ_MAX]
    places = _places(session, [place for _, (_, _, place) in most])
    rows = []
    for (patient, kind, value, source), (notes, date, place) in most:
        if place in places:  # else it was removed meanwhile
            parts, *where = places[place]
            rows.append(FactRow(patient, kind, value, source, parts, notes, date, *where))  # type: ignore[arg-type]  # kinds and sources are ours
    return rows


def _places(
    session: Session, numbers: Sequence[int]
) -> Mapping[int, tuple[str | None, str, int | None, int | None]]:
    found = {}
    for at in range(0, len(numbers), PARAMETERS_MAX):
        some = numbers[at : at + PARAMETERS_MAX]
        rows = session.rows("places_of_facts", some, marks=marks_of([str(number) for number in some]))
        for number, parts, resource_id, start, end in rows:
            found[int(number)] = (optional(parts), text_of(resource_id), _whole(start), _whole(end))
    return found


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _date(value: object) -> str | None:
    """%SQLSTRING puts a blank before what it compares."""
    return (optional(value) or "").strip() or None
