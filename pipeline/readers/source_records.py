"""A raw record as a source record: its columns as our fields, or why it is refused.

Decides what of it is taken back, whose id may be another's, and under which ids a refusal is known. Refuses to judge
our fields' values; that is `validation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.readers.faults import fault
from pipeline.readers.field_mapping import FIELDS, REQUIRED_FIELDS, FieldMapping, shown_names
from pipeline.readers.patients import PatientAuthorities
from pipeline.readers.plain_text.content_kind import NotText, as_plain_text
from pipeline.readers.reader import Authority, RawRecord, ReadItem, UnreadableRecord
from pipeline.readers.retraction import retracted_by
from pipeline.readers.sources import Source
from pipeline.records import Rejection, SourceRecord


def source_record(
    item: ReadItem,
    source: Source,
    names: tuple[str, str],
    mapping: FieldMapping,
    authorities: PatientAuthorities,
) -> SourceRecord | Rejection:
    """`names` are the input's and the file's."""
    given = None
    try:
        judged = _judged(item, mapping, authorities) if isinstance(item, RawRecord) else item
        if isinstance(judged, UnreadableRecord):
            judged = _as_mapped(judged, mapping)
        elif isinstance(item, RawRecord):
            given = _given(item, judged)
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one record must not cost the others
        judged = fault(item.position, error, whole=isinstance(item, UnreadableRecord) and item.whole)
    if isinstance(judged, UnreadableRecord):
        return rejection(source, judged)
    return SourceRecord(
        names[0],
        source.position(item.position),
        judged,
        file=names[1],
        version=item.version,
        authority=(given.lasting, given.name) if given and given.lasting else None,
        patient=item.patient if isinstance(item, RawRecord) else None,
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
    fields = mapping.apply(item.columns, own=item.note, offered=item.offered)
    column = None if item.note else retracted_by(item.columns)
    text = fields.get("text_content")
    plain = as_plain_text(text) if isinstance(text, str) else text
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
    if refused := _clash(item, fields, authorities) or _missing(item, fields):
        return refused
    return fields


def _id(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return (
        str(value).strip() or None if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    )


def _missing(found: RawRecord, fields: Mapping[str, Any]) -> UnreadableRecord | None:
    """Why a resource, document or message without one of our fields is no note, with the columns it offers instead."""
    if not found.note or not {"resource_type", "message_type"} & found.columns.keys():
        return None
    lacking = next((name for name in REQUIRED_FIELDS if name not in fields), None)
    if lacking is None:
        return None
    columns = {**found.columns, **found.offered}
    offered = [name for name, value in columns.items() if value and name not in {*FIELDS, "left_out"}]
    default = "" if lacking in {"resource_id", "patient_id"} else f", or --default {lacking}=VALUE"
    resource_id = fields.get("resource_id")
    return UnreadableRecord(
        found.position,
        f"{lacking} is missing.",
        f"The source says nothing of it. It offers {', '.join(offered)}: --map {lacking}=COLUMN{default}.",
        resource_id=resource_id if isinstance(resource_id, str) else None,
        about=lacking,
        version=found.version,
    )


def rejection(source: Source, refused: UnreadableRecord) -> Rejection:
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
