"""The document of an HL7 v2 MDM message, one a message.

Decides which fields of TXA name it, what its type is, and what its event and status mean: one that was cancelled or
replaced is refused as withdrawn, so that a stored one goes.
Fields: HL7 v2.5.1 chapter 9 (TXA); tables 0270, 0271, 0273.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipeline.readers.hl7v2.fields import entity_id, first_segment, is_cancelled, people, version_sent
from pipeline.readers.hl7v2.messages import Hl7Message, Raw, Segment
from pipeline.readers.hl7v2.observations import MessageText, note_of
from pipeline.readers.hl7v2.times import iso_of
from pipeline.readers.hl7v2.visits import Visit
from pipeline.readers.reader import ReadItem, UnreadableRecord

_DOCUMENT_TYPES = {  # table 0270
    "AR": "Autopsy report",
    "CD": "Cardiodiagnostics",
    "CN": "Consultation",
    "DI": "Diagnostic imaging",
    "DS": "Discharge summary",
    "ED": "Emergency department report",
    "HP": "History and physical examination",
    "OP": "Operative report",
    "PC": "Psychiatric consultation",
    "PH": "Psychiatric history and physical examination",
    "PN": "Procedure note",
    "PR": "Progress note",
    "SP": "Surgical pathology",
    "TS": "Transfer summary",
}

_COMPLETION = {  # table 0271
    "DI": "dictated",
    "DO": "documented",
    "IP": "in progress",
    "IN": "incomplete",
    "PA": "pre-authenticated",
    "AU": "authenticated",
    "LA": "legally authenticated",
}

_GENERIC_NAMES = frozenset(
    (
        *(
            "",
            "text",
            "tx",
            "ft",
            "report",
            "report text",
            "document",
            "document text",
            "note",
            "notes",
            "body",
        ),
        *("transcription", "transcribed document", "result", "results", "content", "narrative", "pdf"),
    )
)


def read_document(message: Hl7Message, header: Segment, raw: Raw, position: str) -> Iterator[ReadItem]:
    named = Counter(segment.name for segment in message.segments)
    if named["PID"] > 1 or named["TXA"] > 1:
        yield UnreadableRecord(
            position,
            "The message holds two documents.",
            f"{named['PID']} PID and {named['TXA']} TXA segments stand in it, where an MDM has one of each: perhaps a "
            "header (MSH) is lost. Export it again.",
        )
        return
    visit = Visit(header, first_segment(message, "PID"), first_segment(message, "PV1"))
    about = first_segment(message, "TXA")
    event = header.text(9, 2) or (
        event_segment.text(1) if (event_segment := first_segment(message, "EVN")) else ""
    )
    if about is None:
        yield UnreadableRecord(
            position, "The message has no TXA segment.", "An MDM names its document there. Export it again."
        )
        return
    resource_id, parent = _document_id(about, header, event), entity_id(about, 13, header)
    patient_id, authority = visit.patient()
    availability = about.text(19).upper()
    cancelled = is_cancelled(first_segment(message, "ORC"))
    if event == "T11" or cancelled or availability in {"CA", "OB", "UN"}:
        yield UnreadableRecord(
            position,
            "The note was cancelled by its source.",
            "The message says so (event T11, TXA-19 CA, OB or UN, ORC-1 CA), so it is not indexed, and a stored "
            "version of it is removed. Nothing to do, unless the status is wrong at the source.",
            resource_id=resource_id,
            withdrawn=True,
            patient_id=patient_id,
            version=version_sent(header, raw),
        )
        return
    below = message.segments[message.segments.index(about) :]
    text = MessageText.of([segment for segment in below if segment.name in {"OBX", "NTE"}], visit.named())
    if not text.observations and event not in {"T02", "T04", "T06", "T08", "T10"}:
        return  # a notice that a document exists
    status = about.text(17).upper()
    columns = {
        "resource_id": resource_id,
        "patient_id": patient_id,
        "document_type": _document_type(about, text),
        "text_content": text.content,
        "date": next(filter(None, (iso_of(about.text(number)) for number in (4, 6, 7))), None),
        "domain": visit.service(),
        "author": next(filter(None, (people(about, number) for number in (9, 5, 10, 22))), None),
        "encounter_id": visit.number(),
        "message_type": f"MDM^{event}" if event else "MDM",
        "status": _COMPLETION.get(status, status) or None,
        "type_code": about.text(2) or None,
        "title": about.text(25) or None,
        "parent_document": parent,
        "filler_order": about.text(15) or None,
        "control_id": header.text(10) or None,
        "patient_reference": authority.reference if authority else None,
        "left_out": text.left_out,
    }
    yield note_of(position, columns, text, version_sent(header, raw), authority, visit.patient_said())
    if event in {"T08", "T10"} and parent and parent != resource_id:
        yield UnreadableRecord(
            position,
            "The note was replaced by a newer one.",
            f"Event {event} says that {resource_id} replaces it, so a stored version of it is removed. Nothing to do.",
            resource_id=parent,
            withdrawn=True,
            patient_id=patient_id,
            version=version_sent(header, raw),
        )


def _document_id(about: Segment, header: Segment, event: str) -> str | None:
    """TXA-12, else the name of the document's file. An addendum that a sender gives the number of its document is one
    more document: it must not take the place of what it adds to."""
    own = entity_id(about, 12, header)
    if own and event in {"T05", "T06"} and entity_id(about, 13, header) in {None, own}:
        when = about.text(8) or about.text(7) or about.text(4) or header.text(7)
        return entity_id(about, 12, header, f"addendum-{when}")
    return own or entity_id(about, 16, header)


def _document_type(about: Segment, text: MessageText) -> str | None:
    """Words before codes: TXA-2's own text, what the observation is called, the code's meaning, the code."""
    code = about.text(2)
    own = about.text(2, 2) or about.text(2, 5)
    called = next((name for name in text.names if name.casefold() not in _GENERIC_NAMES), "")
    return own or called or _DOCUMENT_TYPES.get(code.upper(), code) or None
