"""Records from files, folders and standard input, one at a time, whatever the format.

Decides the order of the sources and what becomes of one that cannot be used: an error before anything is read where
the user named it, a Rejection where it is one of many in a folder. Memory is bounded by one record, never by a file.
Refuses to judge a record's values; that is `accept.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.config import IndexingSettings
from pipeline.errors import ChartwellError, InputError, InputMissing, InputUnusable
from pipeline.readers.bulk_export import is_about_the_export
from pipeline.readers.cda import read_cda
from pipeline.readers.content_kind import NotText, as_plain_text
from pipeline.readers.faults import fault
from pipeline.readers.fhir import notes as fhir
from pipeline.readers.fhir.stream import FhirReading
from pipeline.readers.field_mapping import REQUIRED_FIELDS, FieldMapping
from pipeline.readers.hl7v2.notes import read_hl7v2
from pipeline.readers.json_records import read_json, read_json_lines
from pipeline.readers.patients import PatientAuthorities
from pipeline.readers.plain_text import read_text
from pipeline.readers.reader import Authority, RawRecord, UnreadableRecord, UnreadableSource
from pipeline.readers.retraction import retracted_by
from pipeline.readers.sniffing import READ_FORMATS, Format, foreign, recognise
from pipeline.readers.sources import (
    STANDARD_INPUT,
    SUFFIXES,
    Opened,
    Source,
    is_folder,
    locate,
    open_source,
    source_name,
)
from pipeline.readers.tables import lines_of, read_header, read_table, shown_names
from pipeline.records import Rejection, SourceRecord

__all__ = ["preflight", "read_sources", "record_bytes_max", "source_name"]

SAMPLE_RECORDS = 8
"""Records looked at before a source is read, to see that their columns fit."""

SAMPLE_FILES = 8
"""Files of a folder looked at for the same reason."""

BYTES_PER_CHARACTER_MAX = 6
"""JSON may write one character as \\uXXXX; base64 of UTF-8 takes no more than 16/3."""

RECORD_OVERHEAD_BYTES = 1024 * 1024
"""Room for a record's other fields."""


def record_bytes_max(settings: IndexingSettings) -> int:
    """The longest record that is taken into memory, in bytes of the source; a longer one is passed over."""
    return settings.note_characters_max * BYTES_PER_CHARACTER_MAX + RECORD_OVERHEAD_BYTES


def preflight(
    inputs: Sequence[str],
    mapping: FieldMapping,
    settings: IndexingSettings,
) -> None:
    """Look at every input before anything is read. Pipes are not touched: what was looked at would be gone.

    Raises InputMissing (not there, not readable) or InputUnusable (empty, binary, wrong columns, a folder without
    notes), each naming the file, what was found, and the option or command to use next.
    """
    if not inputs:
        raise InputUnusable("There is no input.", remedy="Name a file or a folder, or - for standard input.")
    if list(inputs).count(STANDARD_INPUT) > 1:
        raise InputUnusable("Standard input is named twice.", remedy="Name - once.")
    for given in inputs:
        sources = locate([given])
        if given == STANDARD_INPUT or not is_folder(given):
            for source in sources:
                if source.twice_readable and (problem := _look_at(source, mapping, settings)):
                    raise _unusable(source, problem)
        else:
            _look_into(given, sources, mapping, settings)


def read_sources(
    inputs: Sequence[str],
    mapping: FieldMapping,
    settings: IndexingSettings,
    *,
    standard_input: BinaryIO | None = None,
) -> Iterator[SourceRecord | Rejection]:
    """Every record of every input in order, and a Rejection for each one that could not be read.

    Runs `preflight` at once and raises what it raises; a pipe is judged by its beginning at the first `next()`.
    Later problems are Rejections: `whole_source` where an unknown number of records is affected.
    """
    preflight(inputs, mapping, settings)
    return _read_all(inputs, mapping, settings, standard_input)


def _read_all(
    inputs: Sequence[str], mapping: FieldMapping, settings: IndexingSettings, standard_input: BinaryIO | None
) -> Iterator[SourceRecord | Rejection]:
    authorities = PatientAuthorities()
    reading = FhirReading()
    for given in inputs:
        notes = 0
        name = source_name(given)
        for source in locate([given]):
            for item in _read_one(source, name, mapping, settings, standard_input, reading, authorities):
                notes += 1
                yield item
        for source, late in reading.end_of_input():
            notes += 1
            yield _record(late, source, (name, source.file), mapping, authorities)
        if not notes:
            yield Rejection(
                given,
                "",
                None,
                None,
                "No note was found in the whole input.",
                "It was read to its end: FHIR resources of other types hold no notes (notes are in "
                f"{', '.join(fhir.NOTE_RESOURCES)}), and HL7 v2 messages other than MDM and ORU with text hold none.",
                whole_source=True,
            )


def _read_one(
    source: Source,
    name: str,
    mapping: FieldMapping,
    settings: IndexingSettings,
    standard_input: BinaryIO | None,
    reading: FhirReading,
    authorities: PatientAuthorities,
) -> Iterator[SourceRecord | Rejection]:
    names = (name, source.file)
    try:
        with open_source(source, standard_input) as opened:
            if source.inside is not None and not source.recognised:
                remedy = foreign(opened.head, source.name)
                yield _rejection(
                    source,
                    UnreadableRecord("", "The file's name is of no format that is read.", remedy, whole=True),
                )
                return
            items = _items(source, opened, mapping, settings)
            sample = list(islice(items, SAMPLE_RECORDS))
            if _about_the_export(sample):
                return
            if problem := _problem(source, sample, mapping):
                yield _rejection_or_error(source, problem)
                return
            for item in _notes(chain(sample, items), source, reading):
                yield _record(item, source, names, mapping, authorities)
    except InputMissing as error:
        if source.inside is None:
            raise
        remedy = f"{error.what} {error.remedy}"
        yield _rejection(source, UnreadableRecord("", "The file cannot be opened.", remedy, whole=True))
    except UnreadableSource as broken:  # gzip that is damaged at its very beginning
        yield _rejection_or_error(source, broken)


def _record(
    item: RawRecord | UnreadableRecord,
    source: Source,
    names: tuple[str, str],
    mapping: FieldMapping,
    authorities: PatientAuthorities,
) -> SourceRecord | Rejection:
    """`names` are the input's and the file's."""
    judged = _judged(item, mapping, authorities) if isinstance(item, RawRecord) else item
    if isinstance(judged, UnreadableRecord):
        return _rejection(source, _as_mapped(judged, mapping))
    given = _given(item, judged) if isinstance(item, RawRecord) else None
    return SourceRecord(
        names[0],
        source.position(item.position),
        judged,
        file=names[1],
        version=item.version,
        authority=(given.lasting, given.name) if given and given.lasting else None,
    )


def _as_mapped(refused: UnreadableRecord, mapping: FieldMapping) -> UnreadableRecord:
    """Under the ids that its stored note has: a note that is known by a mapped column is taken back by it, too."""
    if not refused.columns:
        return refused
    fields = mapping.apply(refused.columns, own=True)
    return replace(
        refused, resource_id=_id(fields, "resource_id"), patient_id=_id(fields, "patient_id"), columns={}
    )


def _clash(
    item: RawRecord, fields: Mapping[str, object], authorities: PatientAuthorities
) -> UnreadableRecord | None:
    """One patient's id from two authorities: whether it is one person is not said. The later note is refused."""
    given = _given(item, fields)
    if given is None:
        return None
    patient = str(fields["patient_id"])
    other = authorities.clash(patient, given.naming, given.name)
    if other is None:
        return None
    return UnreadableRecord(
        item.position,
        "Two sources of patient ids gave the same one in this run.",
        f"Patient {patient} is {given.reference} of {given.name} here, and {other} gave the same id before. Load the "
        "two one by one, each with --patient-prefix, or say --map patient_id=patient_reference.",
        resource_id=_id(fields, "resource_id"),
        about="patient_id",
        version=item.version,
    )


def _given(item: RawRecord, fields: Mapping[str, object]) -> Authority | None:
    """Who gave the patient's id; None where no one else can have given it, or --map names another column."""
    if item.authority is None:
        return None
    patient = fields.get("patient_id")
    return item.authority if isinstance(patient, str) and patient == item.columns.get("patient_id") else None


def _judged(
    item: RawRecord, mapping: FieldMapping, authorities: PatientAuthorities
) -> dict[str, Any] | UnreadableRecord:
    """The fields of a record; refused where its source took it back, or its text is no plain text."""
    try:
        fields = mapping.apply(item.columns, own=item.note, offered=item.offered)
        column = None if item.note else retracted_by(item.columns)
        text = fields.get("text_content")
        plain = as_plain_text(text) if isinstance(text, str) else text
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one record must not cost the others
        return fault(item.position, error)
    if column is not None:
        return UnreadableRecord(
            item.position,
            "The note was entered in error.",
            f"Column {shown_names([column])} says so, so it is not indexed, and a stored version of it is removed. "
            "Nothing to do, unless that is wrong at the source or the column means something else: then rename it.",
            resource_id=_id(fields, "resource_id"),
            withdrawn=True,
            patient_id=_id(fields, "patient_id"),
        )
    if isinstance(plain, NotText):
        return UnreadableRecord(
            item.position,
            plain.reason,
            plain.remedy,
            resource_id=_id(fields, "resource_id"),
            about="text_content",
        )
    if plain is not text:
        fields["text_content"] = plain
    if refused := _clash(item, fields, authorities) or fhir.missing(item, fields):
        return refused
    return fields


def _id(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return (
        str(value).strip() or None if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    )


def _items(
    source: Source, opened: Opened, mapping: FieldMapping, settings: IndexingSettings
) -> Iterator[RawRecord | UnreadableRecord]:
    """What the source holds, its break included as the last item."""
    position = ""
    try:
        form = recognise(opened.head, source.name, whole=opened.whole) or _guess(source, opened, mapping)
        for item in _records(form, source, opened, mapping, settings):
            position = item.position
            yield item
    except UnreadableSource as broken:
        yield UnreadableRecord(
            f"after {position}" if position else "", broken.reason, broken.remedy, whole=True
        )
    except ChartwellError:
        raise
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one source must not cost the others
        yield fault(f"after {position}" if position else "", error, whole=True)


def _notes(
    items: Iterable[RawRecord | UnreadableRecord], source: Source, reading: FhirReading
) -> Iterator[RawRecord | UnreadableRecord]:
    for item in items:
        if isinstance(item, RawRecord) and fhir.is_resource(item):
            try:
                yield from reading.notes(item, source)
            except Exception as error:  # noqa: BLE001  logged by its class, and listed: one record, not the others
                yield fault(item.position, error)
        else:
            yield item
    yield from reading.end_of_source()


def _records(
    form: Format, source: Source, opened: Opened, mapping: FieldMapping, settings: IndexingSettings
) -> Iterator[RawRecord | UnreadableRecord]:
    bytes_max = record_bytes_max(settings)
    if form == "json":

        def has_text(names: Iterable[str]) -> bool:
            return "text_content" not in mapping.missing(names)

        return read_json(opened.stream, source.label, bytes_max, has_text)
    if form == "json lines":
        return read_json_lines(opened.stream, source.label, bytes_max)
    if form == "table":
        longest = settings.note_characters_max + RECORD_OVERHEAD_BYTES

        def naming(columns: Sequence[str]) -> tuple[list[str], str | None]:
            feeding = mapping.feeding(columns)
            ids = [feeding[name][0] for name in ("resource_id", "patient_id") if name in feeding]
            return ids, feeding.get("text_content", (None,))[0]

        return read_table(opened.stream, source.label, longest, naming)
    if form == "hl7 v2":
        return read_hl7v2(opened.stream, bytes_max)
    if form == "cda":
        return read_cda(opened.stream, bytes_max)
    inside = source.inside or (source.path.name if source.path else "")
    return read_text(opened.stream, inside, source.label, bytes_max, named=bool(inside))


def _guess(source: Source, opened: Opened, mapping: FieldMapping) -> Format:
    """Text without a telling name: a table where its first row names a column of text; one note where all that a
    file's name would have said is given."""
    missing = mapping.missing(read_header(lines_of(opened.head)).columns)
    if "text_content" not in missing:
        return "table"
    if source.path is None and all(
        name in mapping.defaults for name in REQUIRED_FIELDS if name != "text_content"
    ):
        return "text"
    raise UnreadableSource(
        "The format is not recognised.",
        f"{READ_FORMATS} Give the file the suffix of its format. A plain note on standard input needs --default "
        "resource_id=..., --default patient_id=... and --default document_type=...",
    )


def _look_at(source: Source, mapping: FieldMapping, settings: IndexingSettings) -> UnreadableSource | None:
    """What the first records of a source say against reading it. Raises InputMissing."""
    try:
        with open_source(source) as opened:
            return _problem(
                source, list(islice(_items(source, opened, mapping, settings), SAMPLE_RECORDS)), mapping
            )
    except UnreadableSource as broken:
        return broken


def _look_into(
    given: str, sources: Iterable[Source], mapping: FieldMapping, settings: IndexingSettings
) -> None:
    """A folder is unusable where no file has a format that is read, or none of the first few can be used."""
    suffixes: Counter[str] = Counter()
    problems: list[InputError] = []
    for source in sources:
        suffixes["folder not entered" if source.folder else Path(source.name).suffix or "no suffix"] += 1
        if not source.recognised:
            continue
        try:
            problem = _look_at(source, mapping, settings)
        except InputMissing as error:
            problems.append(error)
        else:
            if problem is None:
                return
            problems.append(_unusable(source, problem))
        if len(problems) >= SAMPLE_FILES:
            break
    if problems:
        raise InputUnusable(
            f"None of the {len(problems)} files first looked at in {given} can be read. {problems[0].what}",
            remedy=problems[0].remedy,
        )
    found = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(8)) or "nothing"
    raise InputUnusable(
        f"The folder {given} holds no notes: found {found}.",
        remedy=f"Files with these suffixes are read: {', '.join(SUFFIXES)}, each also with .gz. Name another folder.",
    )


def _problem(
    source: Source, sample: Sequence[RawRecord | UnreadableRecord], mapping: FieldMapping
) -> UnreadableSource | None:
    """Why no record can come of a source that begins like this; None where some may."""
    if sample and isinstance(sample[0], UnreadableRecord) and sample[0].whole:
        return UnreadableSource(sample[0].reason, sample[0].remedy)
    if _about_the_export(sample):
        return None
    found = [item for item in sample if isinstance(item, RawRecord)]
    if not found or any(fhir.is_resource(item) for item in found):
        return None
    columns = list(dict.fromkeys(column for item in found for column in (*item.columns, *item.offered)))
    if not mapping.reaches_inside and _is_columnar(found[0].columns):
        return UnreadableSource(
            "The JSON is one object of columns, not of notes.",
            "Write one record a note. In pandas: to_json(FILE, orient='records', lines=True).",
        )
    missing = mapping.missing(columns, own=found[0].note)
    if not missing:
        return None
    shown = shown_names(columns)
    return UnreadableSource(
        f"No column for {', '.join(missing)}.",
        f"{_how_to_map(missing)}{_list_inside(found[0])}",
        found=f" Columns found: {shown}." if shown else "",
    )


def _about_the_export(sample: Sequence[RawRecord | UnreadableRecord]) -> bool:
    return bool(sample) and all(
        isinstance(item, RawRecord) and is_about_the_export(item.columns) for item in sample
    )


def _unusable(source: Source, problem: UnreadableSource) -> InputUnusable:
    return InputUnusable(f"{source.label}: {problem.reason}{problem.found}", remedy=problem.remedy)


def _rejection_or_error(source: Source, problem: UnreadableSource) -> Rejection:
    """Raises InputUnusable where the user named this very source."""
    if source.inside is None:
        raise _unusable(source, problem) from problem
    remedy = f"{problem.found} {problem.remedy}".strip()
    return _rejection(source, UnreadableRecord("", problem.reason, remedy, whole=True))


def _how_to_map(missing: Sequence[str]) -> str:
    options = [f"--map {name}=COLUMN" for name in missing]
    fixed = [f"--default {name}=VALUE" for name in missing if name not in {"resource_id", "text_content"}]
    or_fixed = f"; or give all notes the same: {' '.join(fixed)}" if fixed else ""
    return f"Say which column it is: {' '.join(options)}{or_fixed}."


def _list_inside(found: RawRecord) -> str:
    """A record that is in fact a wrapper around a list of records."""
    for name, value in found.columns.items():
        if isinstance(value, list) and len(value) > 1 and all(isinstance(element, dict) for element in value):
            return f" If the notes are the list under {name}: jq -c '.{name}[]' FILE > notes.jsonl, and read that."
    return ""


def _is_columnar(record: Mapping[str, Any]) -> bool:
    """Whether every member of an object is a column of a table: as many values, under the same keys. Data frames are
    written so."""
    columns = list(record.values())
    if set(record) == {"columns", "index", "data"} and all(isinstance(column, list) for column in columns):
        return True
    if len(columns) < 2:
        return False
    if all(isinstance(column, Mapping) for column in columns):
        keys = columns[0].keys()
        alike = all(column.keys() == keys for column in columns) and (len(keys) > 1 or "0" in keys)
        return alike and not any(isinstance(cell, (Mapping, list)) for cell in columns[0].values())
    return all(
        isinstance(column, list) and len(column) == len(columns[0]) > 0 for column in columns
    ) and not any(isinstance(cell, (Mapping, list)) for cell in columns[0])


def _rejection(source: Source, refused: UnreadableRecord) -> Rejection:
    return Rejection(
        source=source.given,
        position=source.position(refused.position),
        resource_id=refused.resource_id,
        field=refused.about,
        reason=refused.reason,
        remedy=refused.remedy,
        whole_source=refused.whole,
        withdrawn=refused.withdrawn,
        patient_id=refused.patient_id,
        file=source.file if refused.withdrawn else "",
        version=refused.version,
        authority=refused.authority if refused.withdrawn else None,
    )
