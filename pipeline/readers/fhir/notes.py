"""Notes in FHIR R4 resources: attachments of DocumentReference, reports of DiagnosticReport, text of Composition.

Decides which part of a resource is the note, which elements are its id, patient, type, date, author and encounter, and
what its source has taken back: entered in error, cancelled, superseded, replaced, deleted. Such a note must not be
found. Resources that carry no note (Patient, Observation, ...) are passed over. A link is followed within its Bundle or
folder only; what is not there is refused with a reason.
Elements: https://hl7.org/fhir/R4/documentreference.html, diagnosticreport.html, composition.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.readers.faults import fault
from pipeline.readers.fhir.bundles import NOTE_RESOURCES, Bundle, EntryRecord, is_entry, resources_of
from pipeline.readers.fhir.context import FhirRun, Pending, ResourcePlace, deletes, note_id
from pipeline.readers.fhir.elements import Resource, as_object, objects, text_in, type_of
from pipeline.readers.fhir.fields import columns, offered
from pipeline.readers.fhir.history import Note, taken_back
from pipeline.readers.fhir.patient_reference import NoPatient, base_of, lasting, literal, patient_of
from pipeline.readers.fhir.text import (
    UnreadableAttachment,
    attachment_text,
    document_text,
    narrative,
    report_text,
)
from pipeline.readers.reader import Authority, RawRecord, ReadItem, UnreadableRecord

__all__ = ["NOTE_RESOURCES", "FhirRun", "Pending", "carries_notes", "is_resource", "notes"]

_TYPES_READ = frozenset((*NOTE_RESOURCES, "Bundle", "Parameters"))

NESTED_MAX = 10
"""Bundles within Bundles that are read."""


def carries_notes(found: RawRecord) -> bool:
    """Whether a resource may be a note, hold notes, or take one back."""
    kind = type_of(found.columns)
    return kind in _TYPES_READ or not kind or (isinstance(found, EntryRecord) and deletes(found.entry))


def is_resource(found: RawRecord) -> bool:
    """Whether a record is a FHIR resource, or an entry of a Bundle."""
    columns = found.columns
    return isinstance(found, EntryRecord) or isinstance(columns.get("resourceType"), str) or is_entry(columns)


def notes(
    resource: Resource,
    position: str,
    *,
    run: FhirRun | None = None,
    bundle: Bundle | None = None,
    entry: Mapping[str, Any] | None = None,
    final: bool = True,
    folder: bool = False,
) -> list[ReadItem]:
    """The notes of a resource, or of all that a Bundle holds; none where its type carries no note.

    `bundle` and `entry` say where a resource of a streamed Bundle stands; with `folder`, `bundle` is what lies next to
    it. Raises Pending, unless `final`, where the resource names one that has not come. Whatever else is wrong with a
    resource is an UnreadableRecord: it costs no other.
    """
    if entry is None and is_entry(resource) and not type_of(resource):
        entry, resource = resource, as_object(resource.get("resource"))
    place = ResourcePlace(run or FhirRun(), bundle or Bundle(), entry or {}, final, folder)
    return list(_outcomes(resource, position, place, 0))


def _outcomes(resource: Resource, position: str, place: ResourcePlace, depth: int) -> Iterator[ReadItem]:
    kind = type_of(resource)
    if kind in {"Bundle", "Parameters"}:
        if depth == NESTED_MAX:
            yield UnreadableRecord(
                position,
                "Bundles are nested too deeply.",
                f"More than {NESTED_MAX} levels are not read. Export the resources in one Bundle.",
            )
            return
        for number, (inner, at) in enumerate(_inner(resource, place), 1):
            word = "entry" if kind == "Bundle" else "parameter"
            yield from _outcomes(inner, f"{position}, {word} {number}", at, depth + 1)
        return
    if kind not in NOTE_RESOURCES and not place.deletes:
        return
    try:
        yield from list(_note(resource, position, place))
    except Pending:
        raise
    except Exception as error:  # noqa: BLE001  logged by its class: one odd resource costs no other
        yield fault(position, error, resource_id=note_id(resource, place.full_url, place.bundle))


def _inner(resource: Resource, place: ResourcePlace) -> Iterator[tuple[Resource, ResourcePlace]]:
    if type_of(resource) == "Parameters":
        for returned in resources_of(resource):
            yield returned, ResourcePlace(place.run, Bundle.whole({}))
        return
    bundle = Bundle.whole(resource)
    places = [ResourcePlace(place.run, bundle, entry) for entry in objects(resource.get("entry"))]
    for at in places:
        _know_replaced(at)  # so that what one note replaces is not taken up before it
    yield from ((at.resource, at) for at in places)


def _know_replaced(place: ResourcePlace) -> None:
    resource = place.resource
    if not resource.get("relatesTo") or type_of(resource) not in NOTE_RESOURCES or taken_back(resource):
        return
    note = Note.of(resource, place)
    try:
        note.patient = patient_of(resource, place.base, place.lookup)
    except NoPatient:
        return
    for _ in note.replaces():
        pass


def _note(resource: Resource, position: str, place: ResourcePlace) -> Iterator[ReadItem]:
    if place.deletes:
        request = as_object(place.entry.get("request"))
        yield from _deleted(text_in(request.get("url")) or "", resource, position, place)
        return
    if resource.get("status") == "superseded" and not place.final:
        raise Pending  # what replaces it may be the next one
    note = Note.of(resource, place)
    try:
        note.patient = patient_of(resource, place.base, place.lookup)
    except NoPatient as found:
        yield note.refused(
            position,
            "The note's subject is no patient.",
            f"It is {found.kind}. Only notes about one patient are indexed; correct subject if the note is about a "
            "patient.",
            about="patient_id",
            withdrawn=True,  # an earlier version of this reader took its id for a patient's
        )
        return
    if clash := note.of_another_server(position):
        yield clash
        return
    if (why := taken_back(resource)) is not None:
        yield from note.withdrawn(position, why)
        return
    if resource.get("modifierExtension") or resource.get("implicitRules"):
        yield note.refused(
            position,
            "The resource carries an extension that may change its meaning.",
            "Its modifierExtension or implicitRules are not known here, and FHIR forbids to read on without knowing "
            "them. Remove them at the source if they change nothing.",
        )
        return
    yield from note.standing(position, list(_texts(note, position)))
    yield from note.replaced(position)


def _deleted(url: str, resource: Resource, position: str, place: ResourcePlace) -> Iterator[ReadItem]:
    """A deletion that the source reports: of a bulk export, a history, a transaction."""
    path, asked, condition = url.partition("?")
    kind = path.strip("/").rsplit("/", 1)[-1]
    one = re.fullmatch(r"_id=([A-Za-z0-9.-]{1,64})", condition)
    if asked and one is None and kind in {*NOTE_RESOURCES, ""}:
        yield UnreadableRecord(
            position,
            "The deletion names no single note.",
            f"It is a conditional one, of {kind or 'any type'}, and which notes it meant cannot be known. Load the "
            "notes that are left, with --prune.",
        )
        return
    named = literal(f"{path}/{one[1]}" if one else url) or literal(place.full_url or "")
    if named is None or named.type not in NOTE_RESOURCES:
        return
    note = Note(resource, place, named.relative, server=named.base or base_of(place.full_url))
    try:
        note.patient = patient_of(resource, place.base, place.lookup) if resource else None
    except NoPatient:
        note.patient = None
    if clash := note.of_another_server(position):
        yield clash
    else:
        yield from note.withdrawn(position, "deleted")


def _texts(note: Note, position: str) -> Iterator[ReadItem]:
    """Each text of the resource is a note: `id` where there is one, else `id#1`, `id#2`, ... in the file's order.

    FHIR means several attachments of a DocumentReference to be the same document in other formats: one with the text
    of an earlier one is left out, and so is one that is no text where another is. `left_out` in the metadata says so.
    """
    if type_of(note.resource) == "Composition":
        yield _document(note, position)
        return
    texts, refused = _attached(note)
    left_out = [f"attachment {number}: {problem.reason}" for number, problem in refused]
    if type_of(note.resource) == "DiagnosticReport":
        if not _add_findings(note.resource, texts) and not refused:
            return  # results without a report: its observations are no note
    elif not texts and not refused:
        refused.append(
            (1, UnreadableAttachment("The resource has no attachment.", "Export it with its content."))
        )
    if not texts:
        for number, problem in refused:
            at = f"{position}, attachment {number}" if len(refused) > 1 else position
            yield note.refused(at, problem.reason, problem.remedy)
        return
    kept: dict[str, tuple[int, str]] = {}
    for number, text in texts:
        words = " ".join(text.split()) if len(texts) > 1 else ""
        first, _ = kept.setdefault(words, (number, text))
        if first != number:
            left_out.append(f"attachment {number}: the text of attachment {first}")
    for number, text in kept.values():
        part = f"{note.id}#{number}" if len(kept) > 1 and note.id else note.id
        yield _found(note, position, text, part, left_out)


def _attached(note: Note) -> tuple[list[tuple[int, str]], list[tuple[int, UnreadableAttachment]]]:
    texts: list[tuple[int, str]] = []
    refused: list[tuple[int, UnreadableAttachment]] = []
    patient = note.patient.id if note.patient else None

    def content(address: str) -> Resource | UnreadableAttachment:
        return note.place.content(address, note.resource, patient)

    for number, attachment in enumerate(_attachments(note.resource), 1):
        text = (
            attachment
            if isinstance(attachment, UnreadableAttachment)
            else attachment_text(attachment, content)
        )
        if isinstance(text, UnreadableAttachment):
            refused.append((number, text))
        else:
            texts.append((number, text))
    return texts, refused


def _attachments(resource: Resource) -> list[Resource | UnreadableAttachment]:
    if type_of(resource) == "DiagnosticReport":
        return list(objects(resource.get("presentedForm")))
    return [
        UnreadableAttachment(
            "The attachment carries an extension that may change its meaning.",
            "Its modifierExtension is not known here. Remove it at the source if it changes nothing.",
        )
        if content.get("modifierExtension")
        else as_object(content.get("attachment"))
        for content in objects(resource.get("content"))
    ]


def _add_findings(report: Resource, texts: list[tuple[int, str]]) -> bool:
    """Add to a report's texts what it says besides; False where there is no text at all."""
    seen = narrative(report)
    if not texts and (said := text_in(report.get("conclusion")) or seen):
        texts.append((1, said))
    added = report_text(report, seen, [text for _, text in texts])
    if added:
        number, text = texts[0] if texts else (1, "")
        texts[:1] = [(number, f"{text.rstrip()}\n\n{added}".strip() if text else added)]
    return bool(texts)


def _document(note: Note, position: str) -> ReadItem:
    left_out: list[str] = []
    text = document_text(note.resource, left_out, lambda section: _is_of_another(section, note))
    if not text:
        return note.refused(
            position,
            "The Composition has no text.",
            "Export it with the narrative of its sections.",
        )
    return _found(note, position, text, note.id, left_out)


def _is_of_another(section: Resource, note: Note) -> bool:
    """Whether a section's focus is a person, and not the note's patient: the newborn in its mother's document. Whom it
    only names is not the patient: a focus is there where the section is about someone else."""
    place, focus = note.place, as_object(section.get("focus"))
    try:
        whose = patient_of(
            {"subject": focus, "contained": note.resource.get("contained")}, place.base, place.lookup
        )
    except NoPatient as found:
        return found.kind in {"RelatedPerson", "Person"}
    return whose is None or whose.id != note.patient_id


def _found(note: Note, position: str, text: str, resource_id: str | None, left_out: list[str]) -> RawRecord:
    patient = note.patient
    fields = columns(note, text)
    fields["resource_id"] = resource_id
    fields["left_out"] = "; ".join(left_out) or None
    authority = None
    if patient and patient.authority:
        authority = Authority("fhir", patient.authority, patient.reference, lasting(patient.authority))
    return RawRecord(
        position,
        fields,
        note=True,
        offered=offered(note),
        version=note.version,
        authority=authority,
        patient=patient.person if patient else None,
    )
