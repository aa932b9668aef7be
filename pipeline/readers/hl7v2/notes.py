"""Notes in HL7 v2 messages: documents of MDM, reports of ORU.

Decides which segments are the note and which fields are its id, patient, type, date, author and encounter, and what
a status means: a document that was cancelled, deleted or replaced is refused as withdrawn, so that a stored one goes.
Messages of other events, and results that are figures only, hold no note and are passed over. Refuses to know bytes
and delimiters; that is `messages.py`.
Fields: HL7 v2.5.1 chapters 3 (PID, PV1), 7 (OBR, OBX) and 9 (TXA); tables 0074, 0203, 0270, 0271, 0273.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline.readers.cda.notes import inner_text, is_cda
from pipeline.readers.faults import fault
from pipeline.readers.hl7v2.messages import (
    BEGINNING,
    Hl7Message,
    Raw,
    Segment,
    UnreadableMessage,
    holds_messages,
    parse,
    raw_messages,
)
from pipeline.readers.hl7v2.times import instant_of, iso_of
from pipeline.readers.json.stream import too_long
from pipeline.readers.plain_text.charsets import decode
from pipeline.readers.plain_text.content_kind import NotText, as_plain_text, binary_kind
from pipeline.readers.plain_text.html import heading
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import (
    Authority,
    Certainty,
    Opened,
    RawRecord,
    Reader,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)
from pipeline.records import NoteVersion

Outcome: TypeAlias = RawRecord | UnreadableRecord

NOTE_MESSAGES = ("MDM", "ORU")

HEADER_BYTES = 4096

INSIDE_BYTES = 64 * 1024
"""Of a document inside a message, looked at for what it is."""

LAST_RESORT = 2
"""The rank of numbers that are taken only where there is no other."""

VALUE_CHARACTERS_MAX = 60

UNNAMED = "\r"
"""Begins the key of an order without a number; no id can hold it."""

# Table 0203: numbers that are not a patient's, and those that no hospital keeps its notes by.
_OTHER_NUMBERS = frozenset("AN ANC AND ANT VN VS NPI EI EN LN SL SR BR TAX CC BC ACSN PLAC FILL FI U".split())
_PERSONAL_NUMBERS = frozenset("SS SSN DL PPN MC MA MCD MCR MI".split())
_RECORD_NUMBERS = frozenset(("MR", "MRN", "MRT"))

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
_SUFFIXES = {  # of an observation's identifier, as in 71020&IMP
    "IMP": "Impression",
    "GDT": "Description",
    "MDT": "Microscopic description",
    "REC": "Recommendation",
    "ADT": "Addendum",
    "TCM": "Technician's comment",
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
_LINES = frozenset(("TX", "FT", ""))
_NARRATIVE = _LINES | {"ED", "RP"}
_WORDS = frozenset(("ST", "CE", "CWE", "CNE", "CF", "IS", "ID", "ED", "RP"))
_SAYING = _LINES | _WORDS
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

_UNIT = re.compile(r"(?:\S{0,20}(?:\^[^|]*)?)?")
_TILDE = re.compile(r"(?<! )~|~(?!\d)")
"""A repetition in a text. " ~5 cm" is none: a sender that left it unescaped means "about"."""


def read_hl7v2(stream: io.BufferedReader, bytes_max: int) -> Iterator[Outcome]:
    """The notes of a file of messages, one message at a time."""
    for raw in raw_messages(stream, bytes_max):
        if _other_event(raw.data):
            continue
        position = f"message {raw.number}"
        if not raw.complete:
            yield too_long(position, bytes_max, raw.size)
        elif raw.cut:
            yield UnreadableRecord(
                position,
                "The message ends before it is complete.",
                "The file ends inside it, before the end of its batch or frame; the messages before were read. "
                "Fetch or export the file again.",
                whole=True,
            )
        else:
            yield from _safely(raw, position)


def _safely(raw: Raw, position: str) -> list[Outcome]:
    try:
        return list(_notes(raw, position))
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one message must not cost the others
        return [fault(position, error)]


def _other_event(raw: bytes) -> bool:
    """Whether a message says at its beginning that it holds no note, so that it need not be taken apart."""
    header = raw[:HEADER_BYTES].partition(b"\r")[0].split(raw[3:4], 9)
    return len(header) > 9 and header[8][:3].isalpha() and header[8][:3].decode() not in NOTE_MESSAGES


def _notes(raw: Raw, position: str) -> Iterator[Outcome]:
    try:
        message = parse(raw.data)
    except UnreadableMessage as error:
        yield UnreadableRecord(position, error.reason, error.remedy)
        return
    header = message.segments[0]
    if len(header.fields) <= 9 or header.text(9) not in NOTE_MESSAGES:
        if not header.text(9):
            yield UnreadableRecord(
                position,
                "The message does not say what it is.",
                "MSH-9 is empty. Correct the sender: MDM^T02 for documents, ORU^R01 for reports.",
            )
        return
    if any(segment.raw(1) for segment in message.segments if segment.name == "DSC"):
        yield UnreadableRecord(
            position,
            "The message is continued in another one.",
            "Its DSC segment says so: a part of a report would be taken for the whole. Have the interface put the "
            "parts together.",
        )
        return
    if header.text(9) == "MDM":
        yield from _document(message, header, raw, position)
    else:
        yield from _reports(message, header, raw, position)


# --- MDM: one document a message -----------------------------------------------------------------------------------


def _document(message: Hl7Message, header: Segment, raw: Raw, position: str) -> Iterator[Outcome]:
    named = Counter(segment.name for segment in message.segments)
    if named["PID"] > 1 or named["TXA"] > 1:
        yield UnreadableRecord(
            position,
            "The message holds two documents.",
            f"{named['PID']} PID and {named['TXA']} TXA segments stand in it, where an MDM has one of each: perhaps a "
            "header (MSH) is lost. Export it again.",
        )
        return
    visit = _Visit(header, _first(message, "PID"), _first(message, "PV1"))
    about = _first(message, "TXA")
    event = header.text(9, 2) or (event_segment.text(1) if (event_segment := _first(message, "EVN")) else "")
    if about is None:
        yield UnreadableRecord(
            position, "The message has no TXA segment.", "An MDM names its document there. Export it again."
        )
        return
    resource_id, parent = _document_id(about, header, event), _entity(about, 13, header)
    patient_id, authority = visit.patient()
    availability = about.text(19).upper()
    cancelled = _cancelled(_first(message, "ORC"))
    if event == "T11" or cancelled or availability in {"CA", "OB", "UN"}:
        yield UnreadableRecord(
            position,
            "The note was cancelled by its source.",
            "The message says so (event T11, TXA-19 CA, OB or UN, ORC-1 CA), so it is not indexed, and a stored "
            "version of it is removed. Nothing to do, unless the status is wrong at the source.",
            resource_id=resource_id,
            withdrawn=True,
            patient_id=patient_id,
            version=_version(header, raw),
        )
        return
    below = message.segments[message.segments.index(about) :]
    text = _MessageText.of([segment for segment in below if segment.name in {"OBX", "NTE"}], visit.named())
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
        "author": next(filter(None, (_people(about, number) for number in (9, 5, 10, 22))), None),
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
    yield _outcome(position, columns, text, _version(header, raw), authority)
    if event in {"T08", "T10"} and parent and parent != resource_id:
        yield UnreadableRecord(
            position,
            "The note was replaced by a newer one.",
            f"Event {event} says that {resource_id} replaces it, so a stored version of it is removed. Nothing to do.",
            resource_id=parent,
            withdrawn=True,
            patient_id=patient_id,
            version=_version(header, raw),
        )


def _document_id(about: Segment, header: Segment, event: str) -> str | None:
    """TXA-12, else the name of the document's file. An addendum that a sender gives the number of its document is one
    more document: it must not take the place of what it adds to."""
    own = _entity(about, 12, header)
    if own and event in {"T05", "T06"} and _entity(about, 13, header) in {None, own}:
        when = about.text(8) or about.text(7) or about.text(4) or header.text(7)
        return _entity(about, 12, header, f"addendum-{when}")
    return own or _entity(about, 16, header)


def _document_type(about: Segment, text: _MessageText) -> str | None:
    """Words before codes: TXA-2's own text, what the observation is called, the code's meaning, the code."""
    code = about.text(2)
    own = about.text(2, 2) or about.text(2, 5)
    called = next((name for name in text.names if name.casefold() not in _GENERIC_NAMES), "")
    return own or called or _DOCUMENT_TYPES.get(code.upper(), code) or None


# --- ORU: a report for each order ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Order:
    """An OBR with what stands under it."""

    visit: _Visit
    request: Segment | None = None
    common: Segment | None = None
    lines: list[Segment] = field(default_factory=list)


def _orders(message: Hl7Message, header: Segment) -> Iterator[_Order]:
    """Each PID begins another patient, to whose notes nothing of the one before belongs."""
    visit, common = _Visit(header, None, None), None
    order = _Order(visit)
    for segment in message.segments[1:]:
        if segment.name in {"PID", "OBR", "ORC"} and (order.request or order.lines):
            yield order
            order = _Order(visit)
        if segment.name == "PID":
            visit, common = _Visit(header, segment, None), None
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


def _reports(message: Hl7Message, header: Segment, raw: Raw, position: str) -> Iterator[Outcome]:
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
) -> Iterator[Outcome]:
    order = orders[-1]
    patient_id, authority = order.visit.patient()
    text = _MessageText.of([line for one in orders for line in one.lines], order.visit.named())
    request, common = order.request, order.common
    status = request.text(25).upper() if request else ""
    cancelled = status in {"X", "W", "D"} or _cancelled(common)
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
            version=_version(header, raw),
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
        "document_type": _called(request, 4) or next(iter(text.names), None) or code or None,
        "text_content": text.content,
        "date": (iso_of(request.text(7)) if request else None)
        or (iso_of(first.text(14)) if first else None)
        or (iso_of(request.text(22)) if request else None),
        "domain": _SECTIONS.get(section.upper(), section) or order.visit.service(),
        "author": (
            request and next(filter(None, (_people(request, number) for number in (32, 33, 35))), None)
        )
        or (_people(first, 16) if first else None),
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
    yield _outcome(position, columns, text, _version(header, raw), authority)


def _cancelled(common: Segment | None) -> bool:
    return common is not None and (common.text(1) in {"CA", "OC"} or common.text(5) == "CA")


def _report_id(order: _Order, header: Segment) -> str | None:
    """The filler's number with the code of what was ordered: one accession often has several reports."""
    request, common = order.request, order.common
    places = [(request, 3), (common, 3), (request, 20), (request, 2), (common, 2)]
    for segment, number in places:
        if segment is not None and segment.text(number):
            code = (request.text(4) or request.text(4, 2)) if request else ""
            return _entity(segment, number, header, code)
    return None


def _outcome(
    position: str,
    columns: dict[str, Any],
    text: _MessageText,
    version: NoteVersion | None,
    authority: Authority | None,
) -> Outcome:
    uncertain = [unread for unread in text.unread if unread.whole]
    if uncertain or (not text.content and text.unread):
        unread = (uncertain or text.unread)[0]
        return UnreadableRecord(position, unread.reason, unread.remedy, resource_id=columns["resource_id"])
    if not text.content:
        return UnreadableRecord(
            position,
            "The message has no text.",
            "Its observations (OBX-5) are empty. Have the interface send the text with the message.",
            resource_id=columns["resource_id"],
        )
    return RawRecord(position, columns, note=True, version=version, authority=authority)


# --- who, when, which ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Visit:
    """Whose message it is, and which stay it is about."""

    header: Segment
    person: Segment | None
    stay: Segment | None

    def patient(self) -> tuple[str | None, Authority | None]:
        """The medical record number of PID-3 (of PID-2 where that is empty), and who gave it.

        A number of type MR is taken before others of the patient, and never an account's or a visit's. One of social
        security or a licence is taken only where there is no other, and in full. Where two authorities gave one, that
        of the sending facility is taken; else the first, with its authority before it, because the bare number may be
        another patient's.
        """
        numbers = self._numbers(3) or self._numbers(2)
        if not numbers:
            return None, None
        if numbers[0].rank == LAST_RESORT:
            return numbers[0].full, None
        best = [one for one in numbers if one.rank == numbers[0].rank]
        named = [one for one in best if one.authority]
        if len({one.authority.name for one in named if one.authority}) < 2:
            return best[0].number, best[0].authority
        senders = {self.header.text(field, part) for field in (3, 4) for part in (1, 2)} - {""}
        own = [one for one in named if one.authority and one.authority.name in senders]
        if len({one.authority.name for one in own if one.authority}) == 1:
            return own[0].number, own[0].authority
        return named[0].authority.reference if named[0].authority else None, None

    def _numbers(self, place: int) -> list[_Number]:
        """Numbers of the patient, the best kind first."""
        person = self.person
        if person is None:
            return []
        message = person.message
        found = []
        for written in person.repetitions(place):
            number = message.component(written, 1)
            kind = message.component(written, 5).upper()
            if number and kind not in _OTHER_NUMBERS:
                rank = 0 if kind in _RECORD_NUMBERS else LAST_RESORT if kind in _PERSONAL_NUMBERS else 1
                found.append(_Number(number, kind, rank, _authority(message, written, number)))
        return sorted(found, key=lambda one: one.rank)

    def named(self) -> frozenset[str]:
        """Every number that the message gives the patient."""
        person = self.person
        given = (*person.repetitions(3), *person.repetitions(2)) if person else ()
        return frozenset(person.message.component(one, 1) for one in given) if person else frozenset()

    def number(self) -> str | None:
        """The visit: PV1-19, else the account of PID-18."""
        return (
            (self.stay.text(19) if self.stay else "") or (self.person.text(18) if self.person else "") or None
        )

    def service(self) -> str | None:
        return (_called(self.stay, 10) or self.stay.text(10) or None) if self.stay else None


@dataclass(frozen=True, slots=True)
class _Number:
    number: str
    kind: str
    rank: int
    authority: Authority | None

    @property
    def full(self) -> str:
        return self.authority.reference if self.authority else f"{self.kind}|{self.number}"


def _authority(message: Hl7Message, written: str, number: str) -> Authority | None:
    """Who gave a number: its assigning authority, else its assigning facility."""
    parts = written.split(message.marks.component)
    for place in (3, 5):
        names = message.subcomponents(parts[place]) if place < len(parts) else []
        name, universal, *_ = [*names, "", ""]
        if re.fullmatch(r"[0-2](?:\.\d+)+", universal):
            return Authority("oid", universal, f"urn:oid:{universal}|{number}", "oid")
        if name or universal:
            return Authority("name", name or universal, f"{name or universal}|{number}", "name")
    return None


def _entity(segment: Segment, number: int, header: Segment, code: str = "") -> str | None:
    """An id that no other sender has: the number as it stands, and the namespace that it names or else the sender's
    application and facility."""
    value = segment.text(number)
    if not value:
        return None
    named = segment.text(number, 2) or segment.text(number, 3)
    sender = "&".join(filter(None, (header.text(3), header.text(4))))
    return "^".join(filter(None, (f"{value}:{code}" if code else value, named or sender)))


def _version(header: Segment, raw: Raw) -> NoteVersion | None:
    """Newer is what was sent later; in one file, within one second, what stands further down."""
    sent = instant_of(header.text(7))
    return NoteVersion(sent, raw.number) if sent else None


def _called(segment: Segment | None, number: int) -> str:
    """A coded element in words."""
    return (segment.text(number, 2) or segment.text(number, 5)) if segment else ""


def _people(segment: Segment, number: int) -> str | None:
    """All people that a field names (XCN, or the older CN and NDL), each once."""
    message = segment.message
    names = [_person(message, written) for written in segment.repetitions(number)]
    return "; ".join(dict.fromkeys(filter(None, names))) or None


def _person(message: Hl7Message, written: str) -> str:
    parts = written.split(message.marks.component)
    if message.marks.subcomponent in parts[0]:  # NDL: the whole person is its first component
        parts = parts[0].split(message.marks.subcomponent)
    identity, family, given, middle, suffix, prefix, degree, *_ = [
        *(message.unescaped(part.split(message.marks.subcomponent)[0].strip()) for part in parts),
        *([""] * 7),
    ]
    name = " ".join(filter(None, (prefix, given, middle, family, suffix)))
    if not family and not given:
        return identity
    return ", ".join(filter(None, (name, degree)))


def _first(message: Hl7Message, name: str) -> Segment | None:
    return next((segment for segment in message.segments if segment.name == name), None)


# --- the text of observations --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Unread:
    reason: str
    remedy: str
    whole: bool = False
    """True where what was lost cannot be told, so that the whole note is refused."""


@dataclass(slots=True)
class _MessageText:
    """What the observations of a document say."""

    content: str = ""
    names: list[str] = field(default_factory=list)
    """What the observations are called, each name once."""
    observations: int = 0
    deleted: int = 0
    """Observations that the source deleted or posted as wrong."""
    worded: bool = False
    """False where there are only figures."""
    unread: list[_Unread] = field(default_factory=list)
    first: Segment | None = None

    @property
    def left_out(self) -> str | None:
        parts = [f"lines deleted or posted as wrong: {self.deleted}"] if self.deleted else []
        return "; ".join([*parts, *(unread.reason for unread in self.unread)]) or None

    @classmethod
    def of(cls, lines: list[Segment], numbers: frozenset[str]) -> _MessageText:
        """Observations and the comments under them, in the order of their set ids. `numbers` are the patient's: a
        document inside an observation must have one of them."""
        text = cls()
        lines = _in_order(lines)
        values = {id(line): _value(line, numbers) for line in lines if line.name == "OBX" and _stands(line)}
        said = [line for line in lines if _is_said(values.get(id(line)))]
        text.observations = sum(line.name == "OBX" for line in lines)
        text.deleted = text.observations - len(values)
        text.unread = [value for value in values.values() if isinstance(value, _Unread)]
        text.first = said[0] if said else None
        called = {line.raw(3): _name(line) for line in said}
        text.names = list(dict.fromkeys(filter(None, called.values())))
        text.worded = any(line.text(2).upper() in _SAYING for line in said)
        text._write(lines, values, said, called)
        return text

    def _write(
        self,
        lines: list[Segment],
        values: Mapping[int, str | _Unread],
        said: list[Segment],
        called: Mapping[str, str],
    ) -> None:
        identifiers = Counter(line.raw(3) for line in said)
        headed = len(set(called.values())) > 1
        pieces: list[str] = []
        above = ""
        stands = True
        for line in lines:
            if line.name == "NTE":
                comment = "\n".join(_lines(line, 3)).strip() if stands else ""
                pieces += [comment] if comment else []
                self.worded = self.worded or bool(comment)
                continue
            value = values.get(id(line))
            stands = value is not None
            if not isinstance(value, str):
                continue
            name = called.get(line.raw(3)) or ""
            if not _is_narrative(line, value, repeated=identifiers[line.raw(3)] > 1):
                pieces += [_labelled(line, name, value)] if value else []
                continue
            if headed and name and name != above and value.strip():
                pieces += ["", heading(name)]
                above = name
            pieces.append(value)
        self.content = "\n".join(pieces).strip("\n")


def _stands(line: Segment) -> bool:
    """False for an observation that was deleted (D) or posted as wrong (W)."""
    return line.text(11).upper() not in {"D", "W"}


def _is_said(value: str | _Unread | None) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_narrative(line: Segment, value: str, *, repeated: bool) -> bool:
    """Text under a heading; otherwise a value behind its name. A text with a unit is a value that was sent as text, and
    a long string is a text that was sent as a value."""
    kind = line.text(2).upper()
    if kind in _LINES:
        return not line.text(6)
    return kind in _NARRATIVE or (kind == "ST" and (repeated or len(value) > VALUE_CHARACTERS_MAX))


def _in_order(lines: list[Segment]) -> list[Segment]:
    """Lines by their set ids where each observation has one of its own and they got out of order; a comment stays
    with its observation."""
    ids = [line.raw(1).strip() for line in lines if line.name == "OBX"]
    if not all(one.isdecimal() and one.isascii() and len(one) < 10 for one in ids):
        return lines
    numbers = [int(one) for one in ids]
    if numbers == sorted(numbers) or len(set(numbers)) < len(numbers):
        return lines
    order: list[tuple[int, Segment]] = []
    number = -1
    for line in lines:
        number = int(line.raw(1)) if line.name == "OBX" else number
        order.append((number, line))
    return [line for _, line in sorted(order, key=lambda one: one[0])]


def _name(line: Segment) -> str:
    """What an observation is called: the suffix of its identifier in words, else its text."""
    identifier = line.message.subcomponents(line.raw(3).split(line.message.marks.component)[0])
    suffix = _SUFFIXES.get(identifier[1].upper(), "") if len(identifier) > 1 else ""
    return suffix or " ".join(_called(line, 3).split())


def _labelled(line: Segment, name: str, value: str) -> str:
    """ "Haemoglobin: 9.1 g/dL (13.0-17.0) L" """
    units, limits, flag = line.text(6), line.text(7), line.text(8)
    said = " ".join(
        filter(None, (value, units, f"({limits})" if limits else "", "" if flag == "N" else flag))
    )
    return f"{name}: {said}" if name else said


def _value(line: Segment, numbers: frozenset[str]) -> str | _Unread:
    """The value of an observation in words."""
    kind = line.text(2).upper()
    message = line.message
    if kind in _LINES and not _UNIT.fullmatch(line.raw(6)):
        return _Unread(
            "The text holds a delimiter that is not escaped.",
            "The field behind it (OBX-6) is no unit but more of the text, so where it ends is not certain. Correct the "
            "sender: in a text | is written \\F\\.",
            whole=True,
        )
    if kind in _LINES or kind == "ST":
        return "\n".join(_lines(line, 5))
    if kind == "ED":
        text = _encapsulated(line, numbers)
        plain = as_plain_text(text) if isinstance(text, str) else text
        return _Unread(plain.reason, plain.remedy) if isinstance(plain, NotText) else plain
    if kind == "RP":
        return _Unread(
            "The document is a link.",
            "Its observation (OBX-2 RP) points to a file. Have the interface send the text itself (TX, FT or ED).",
        )
    values = line.repetitions(5)
    if kind in {"CE", "CWE", "CNE", "CF"}:
        words = [
            next(filter(None, (message.component(one, place) for place in (2, 9, 5, 1))), "")
            for one in values
        ]
    elif kind == "SN":
        words = [
            " ".join(filter(None, (message.component(one, place) for place in range(1, 5)))) for one in values
        ]
    elif kind in {"DT", "TS", "DTM"}:
        words = [iso_of(message.component(one, 1)) or "" for one in values]
    else:
        words = [
            " ".join(filter(None, map(message.unescaped, one.split(message.marks.component))))
            for one in values
        ]
    return "; ".join(filter(None, words))


def _lines(line: Segment, number: int) -> list[str]:
    """A text field: its repetitions are lines; delimiters of smaller parts are characters of the text."""
    written = line.raw(number)
    mark = line.message.marks.repetition
    parts = _TILDE.split(written) if mark == "~" else written.split(mark)
    return [line.message.unescaped(part).rstrip() for part in parts]


def _encapsulated(line: Segment, numbers: frozenset[str]) -> str | _Unread:
    """ED: source, type, subtype, encoding, data."""
    message = line.message
    written = line.raw(5)
    kind = f"{message.component(written, 2)}/{message.component(written, 3)}".lower()
    encoding = message.component(written, 4).lower()
    data = message.component(written, 5)
    if encoding not in {"base64", "hex"}:
        return data
    try:
        packed = "".join(data.split())
        raw = base64.b64decode(packed, validate=True) if encoding == "base64" else bytes.fromhex(packed)
    except (binascii.Error, ValueError):
        return _Unread("The document's data is not valid base64.", "Send the message again.")
    if is_cda(raw[:INSIDE_BYTES]):
        inside = inner_text(raw, numbers)
        return (
            _Unread(inside.reason, inside.remedy, whole=True)
            if isinstance(inside, UnreadableRecord)
            else inside
        )
    if binary_kind(raw) or b"\0" in raw:
        return _Unread(
            "The document is not text.",
            f"It is {kind[:80].strip('/') or 'binary'}. Have the interface send text, or convert it to text first.",
        )
    try:
        return decode(raw, message.codec)
    except UnicodeDecodeError:
        return _Unread(
            "The message's bytes are not in the character set it names.",
            f"The data of its observation does not fit {message.codec}. Name the right character set in MSH-18.",
        )


class Hl7v2Reader(Reader):
    """Files of messages, whatever they are called; a file called so that holds none is refused."""

    title = "HL7 v2 messages (.hl7)"
    suffixes = (".hl7", ".hl7v2", ".er7")
    content_kinds = ("x-application/hl7-v2+er7", "application/hl7-v2", "application/hl7-v2+er7")
    without_notes = f"HL7 v2 messages other than {' and '.join(NOTE_MESSAGES)} with text hold none"

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return Certainty.CERTAIN if named is self or BEGINNING.match(utf8(opened).head) else None

    def fault(self, opened: Opened) -> UnreadableSource | None:
        head = utf8(opened).head
        if BEGINNING.match(head) or holds_messages(head):
            return None
        return UnreadableSource(
            "The file is not HL7 v2.",
            "No line of its beginning opens a message (MSH|^~\\&|). Give the file the suffix of its format.",
        )

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Outcome]:
        return read_hl7v2(utf8(opened).stream, options.bytes_max)
