"""The reports of an HL7 v2 ORU message, one for each order.

Decides which orders are one report, and what their status means: one that was cancelled, or whose lines were all
deleted, is refused as withdrawn, so that a stored one goes. Figures without a word are no report.
Fields: HL7 v2.5.1 chapter 7 (OBR, OBX); tables 0074, 0123.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.readers.hl7v2.fields import entity_id, in_words, is_cancelled, people, version_sent
from pipeline.readers.hl7v2.messages import Hl7Message, Raw, Segment
from pipeline.readers.hl7v2.observations import MessageText, note_of
from pipeline.readers.hl7v2.times import iso_of
from pipeline.readers.hl7v2.visits import Visit
from pipeline.readers.reader import ReadItem, UnreadableRecord

UNNAMED = "\r"
"""Begins the key of an order without a number; no id can hold it."""

_SECTIONS = {  # table 0074, those that write reports
    "AU": "Audiology",
    "BG": "Blood gases",
    "BLB": "Blood bank",
    "CG": "Cytogenetics",
    "CH": "Chemistry",
    "CP": "Cytopathology",
    "CT": "CAT scan",
    "CUS": "Cardiac ultrasound",
    "EC": "Electrocardiography",
    "EN": "Electroneurology",
    "GE": "Genetics",
    "HM": "Hematology",
    "IMM": "Immunology",
    "LAB": "Laboratory",
    "MB": "Microbiology",
    "MCB": "Mycobacteriology",
    "MYC": "Mycology",
    "NMS": "Nuclear medicine scan",
    "NMR": "Nuclear magnetic resonance",
    "OUS": "OB ultrasound",
    "PAT": "Pathology",
    "PF": "Pulmonary function",
    "PHY": "Physician",
    "RAD": "Radiology",
    "RUS": "Radiology ultrasound",
    "RX": "Radiograph",
    "SP": "Surgical pathology",
    "SR": "Serology",
    "TX": "Toxicology",
    "VR": "Virology",
    "VUS": "Vascular ultrasound",
    "XRC": "Cineradiograph",
}

_RESULT_STATUS = {  # table 0123
    "O": "order received",
    "I": "no results yet",
    "S": "no results yet",
    "A": "some results",
    "P": "preliminary",
    "R": "not verified",
    "C": "corrected",
    "F": "final",
}


@dataclass(slots=True)
class _Order:
    """An OBR with what stands under it."""

    visit: Visit
    request: Segment | None = None
    common: Segment | None = None
    lines: list[Segment] = field(default_factory=list)


def _orders(message: Hl7Message, header: Segment) -> Iterator[_Order]:
    """Each PID begins another patient, to whose notes nothing of the one before belongs."""
    visit, common = Visit(header, None, None), None
    order = _Order(visit)
    for segment in message.segments[1:]:
        if segment.name in {"PID", "OBR", "ORC"} and (order.request or order.lines):
            yield order
            order = _Order(visit)
        if segment.name == "PID":
            visit, common = Visit(header, segment, None), None
            order = _Order(visit)
        elif segment.name == "PV1":
            visit.stay = segment
        elif segment.name == "ORC":
            common = segment
        elif segment.name == "OBR":
            order = _Order(visit, segment, common)
            common = None
        elif segment.name in {"OBX", "NTE"} and (order.request or segment.name == "OBX"):
            order.lines.append(segment)
    if order.request or order.lines:
        yield order


def read_reports(message: Hl7Message, header: Segment, raw: Raw, position: str) -> Iterator[ReadItem]:
    """Orders that share patient, number and code are one report: a culture sends each organism as an order."""
    reports: dict[tuple[str | None, str], list[_Order]] = {}
    for number, order in enumerate(_orders(message, header), 1):
        patient_id, _ = order.visit.patient()
        unnamed = f"{UNNAMED}{number}"
        reports.setdefault((patient_id, _report_id(order, header) or unnamed), []).append(order)
    for number, ((_, unique), orders) in enumerate(reports.items(), 1):
        at = position if len(reports) == 1 else f"{position}, order {number}"
        resource_id = None if unique.startswith(UNNAMED) else unique
        yield from _report(orders, resource_id, header, raw, at)


def _report(
    orders: list[_Order], resource_id: str | None, header: Segment, raw: Raw, position: str
) -> Iterator[ReadItem]:
    order = orders[-1]
    patient_id, authority = order.visit.patient()
    text = MessageText.of([line for one in orders for line in one.lines], order.visit.named())
    request, common = order.request, order.common
    status = request.text(25).upper() if request else ""
    cancelled = status in {"X", "W", "D"} or is_cancelled(common)
    if cancelled or (text.observations and text.observations == text.deleted):
        yield UnreadableRecord(
            position,
            "The note was cancelled by its source.",
            "The order was cancelled, or all of its lines were deleted or posted as wrong (OBR-25, OBX-11, ORC-1), "
            "so it is not indexed, and a stored version of it is removed. Nothing to do, unless the status is wrong "
            "at the source.",
            resource_id=resource_id,
            withdrawn=True,
            patient_id=patient_id,
            version=version_sent(header, raw),
        )
        return
    if not text.worded and not text.unread:
        return  # figures without a word, or nothing yet
    code = request.text(4) if request else ""
    section = request.text(24) if request else ""
    first = text.first
    columns = {
        "resource_id": resource_id,
        "patient_id": patient_id,
        "document_type": in_words(request, 4) or next(iter(text.names), None) or code or None,
        "text_content": text.content,
        "date": (iso_of(request.text(7)) if request else None)
        or (iso_of(first.text(14)) if first else None)
        or (iso_of(request.text(22)) if request else None),
        "domain": _SECTIONS.get(section.upper(), section) or order.visit.service(),
        "author": (request and next(filter(None, (people(request, number) for number in (32, 33, 35))), None))
        or (people(first, 16) if first else None),
        "encounter_id": order.visit.number(),
        "message_type": "ORU^R01" if header.text(9, 2) in {"", "R01"} else f"ORU^{header.text(9, 2)}",
        "status": _RESULT_STATUS.get(status, status) or None,
        "type_code": code or None,
        "filler_order": (request.text(3) if request else "") or None,
        "placer_order": (request.text(2) if request else "") or None,
        "control_id": header.text(10) or None,
        "patient_reference": authority.reference if authority else None,
        "left_out": text.left_out,
    }
    yield note_of(position, columns, text, version_sent(header, raw), authority, order.visit.patient_said())


def _report_id(order: _Order, header: Segment) -> str | None:
    """The filler's number with the code of what was ordered: one accession often has several reports."""
    request, common = order.request, order.common
    places = [(request, 3), (common, 3), (request, 20), (request, 2), (common, 2)]
    for segment, number in places:
        if segment is not None and segment.text(number):
            code = (request.text(4) or request.text(4, 2)) if request else ""
            return entity_id(segment, number, header, code)
    return None
