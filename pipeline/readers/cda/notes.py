"""Notes in CDA R2 and C-CDA documents: each ClinicalDocument is one note, its sections under their titles.

Decides which elements of the header are the note's id, version, patient, type, date, author and encounter, what of the
body is text, and which earlier document this one replaces. Each document is cut out of its file before it is parsed,
so that none costs another, and so that nothing a file declares before it (a DTD, entities) is ever acted on. Entries
without narrative are named under `left_out`: codes are no text. Refuses to know the narrative block; that is
`narrative.py`.
Elements: CDA R2 4.2 and 4.3, C-CDA R2.1, https://hl7.org/cda/us/ccda/.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from html.entities import name2codepoint
from typing import Any, TypeAlias

from lxml import etree

from pipeline.readers.cda.narrative import Element, Narrative
from pipeline.readers.faults import fault
from pipeline.readers.hl7v2.times import instant_of, iso_of
from pipeline.readers.json.stream import too_long
from pipeline.readers.plain_text.charsets import codec_of, decode
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
from pipeline.text.section_titles import is_of_the_family

Outcome: TypeAlias = RawRecord | UnreadableRecord

V3 = "urn:hl7-org:v3"
SDTC = "urn:hl7-org:sdtc"

READ_BYTES = 256 * 1024
PROLOG_BYTES = 64 * 1024
"""What is looked at of what stands before a document: its end, where the XML declaration is."""
TAG_BYTES = 1024
"""More than an opening tag takes up to its name, and an end tag altogether."""

_OPENING = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?ClinicalDocument(?=[\s/>])")
_CLOSING = re.compile(rb"</(?:[A-Za-z_][\w.-]*:)?ClinicalDocument\s*>")
_NEXT = re.compile(_OPENING.pattern + b"|" + _CLOSING.pattern)
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_XML = re.compile(rb"\s*<\?xml\b")
_ELEMENT = re.compile(rb"<([A-Za-z_][\w.:-]*)[^<>]*>")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

# Numbers of a person that no hospital keeps its notes by: social security, driving licences, passports, Medicare, NPI.
_OTHER_NUMBERS = re.compile(r"2\.16\.840\.1\.113883\.4\.(?:1|3(?:\.\d+)?|6|572|927|330(?:\.\d+)?)")

CLINICIANS = "2.16.840.1.113883.4.6"
"""The root of NPIs."""

_RECORD_NUMBER = re.compile(r"\bMRN?\b|\bmedical record", re.IGNORECASE)

ORGANISATION_ARCS = 7
"""So many numbers of an OID name an organisation: 2.16.840.1.113883.3.N, 1.3.6.1.4.1.N, 1.2.840.114350.1.13.N."""

_DOCUMENT_TYPES = {  # LOINC, for documents that give the code alone
    "34133-9": "Summarization of Episode Note",
    "18842-5": "Discharge summary",
    "11506-3": "Progress note",
    "11488-4": "Consultation note",
    "34117-2": "History and physical note",
    "57133-1": "Referral note",
    "18761-7": "Transfer summary note",
    "11504-8": "Surgical operation note",
    "28570-0": "Procedure note",
    "18748-4": "Diagnostic imaging study",
    "52521-2": "Care plan",
    "34109-9": "Note",
    "34111-5": "Emergency department Note",
}
_NULL_FLAVOURS = {
    "NI": "No information.",
    "NA": "Not applicable.",
    "UNK": "Unknown.",
    "ASKU": "Asked but unknown.",
    "NASK": "Not asked.",
    "NAV": "Temporarily unavailable.",
    "MSK": "Masked.",
}


def is_cda(head: bytes) -> bool:
    """Whether a file that begins like this holds CDA documents, by themselves or inside something else."""
    return head.lstrip()[:1] == b"<" and _OPENING.search(head) is not None


def read_cda(stream: io.BufferedReader, bytes_max: int) -> Iterator[Outcome]:
    """The notes of a file, one document at a time."""
    for cut in _documents(stream, bytes_max):
        if isinstance(cut, UnreadableRecord):
            yield cut
        else:
            yield from _notes(cut)


def inner_text(raw: bytes, numbers: Collection[str]) -> str | UnreadableRecord:
    """The text of a CDA document that another format carries. Refused where it is about a patient that none of
    `numbers` names: no patient's text is taken for another's."""
    found = next(read_cda(io.BufferedReader(io.BytesIO(raw)), len(raw)), None)
    if not isinstance(found, RawRecord):
        return found or UnreadableRecord("", "The document has no text.", "It holds no ClinicalDocument.")
    patient = str(found.columns["patient_id"] or "")
    if patient.rpartition("|")[2] not in numbers:
        return UnreadableRecord(
            "",
            "The document inside is about another patient.",
            "Its recordTarget has no number of the patient that the message names. Correct the sender.",
        )
    return str(found.columns["text_content"])


@dataclass(frozen=True, slots=True)
class _Cut:
    """The bytes of one ClinicalDocument."""

    position: str
    data: bytes
    charset: str | None
    """As the file declares it; None where it does not."""
    doctype: bool


def _documents(stream: io.BufferedReader, bytes_max: int) -> Iterator[_Cut | UnreadableRecord]:
    """Each document of a file. Memory is bounded by `bytes_max`."""
    source = _CdaSource(stream)
    number, charset = 0, None
    while True:
        before, _ = source.until(_OPENING, keep_end=True)
        if not source.data:
            return
        doctype = _DOCTYPE.search(before) is not None
        charset = next((found[1].decode() for found in reversed(list(_DECLARED.finditer(before)))), charset)
        number += 1
        position = f"document {number}, line {source.line}" if number > 1 else f"line {source.line}"
        data, size = source.until(_NEXT, start=1, limit=bytes_max)
        closing = _CLOSING.match(source.data)
        if closing is None:
            yield UnreadableRecord(
                position,
                "The document ends before it is complete.",
                "Its end tag (</ClinicalDocument>) is missing. Export it again.",
            )
            continue
        size += closing.end()
        data += source.take(closing.end())
        if size > bytes_max:
            yield too_long(position, bytes_max, size)
        else:
            yield _Cut(position, data, charset, doctype)


class _CdaSource:
    """A stream that is read up to what is looked for."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._ended = False
        self.data = bytearray()
        self.line = 1
        """The line that `data` begins in."""

    def until(
        self, wanted: re.Pattern[bytes], *, start: int = 0, limit: int = TAG_BYTES, keep_end: bool = False
    ) -> tuple[bytes, int]:
        """Takes everything before the next place that fits, looking from `start`; everything there is where none
        does. Gives its first `limit` bytes or a few more (with `keep_end` its last), and its size."""
        kept, size = b"", 0
        while True:
            found = wanted.search(self.data, start)
            done = found.start() if found else len(self.data) if self._ended else len(self.data) - TAG_BYTES
            piece = self.take(max(done, 0))
            start = max(start - len(piece), 0)
            size += len(piece)
            if keep_end:
                kept = (kept + piece)[-PROLOG_BYTES:]
            elif len(kept) <= limit:
                kept += piece
            if found or self._ended:
                return kept, size
            more = self._stream.read(READ_BYTES)
            self._ended = not more
            self.data += more

    def take(self, size: int) -> bytes:
        piece = bytes(self.data[:size])
        del self.data[:size]
        self.line += piece.count(b"\n")
        return piece


def _notes(cut: _Cut) -> list[Outcome]:
    try:
        root = _parsed(cut)
        return [root] if isinstance(root, UnreadableRecord) else list(_Document(root, cut.position).notes())
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one document must not cost the others
        return [fault(cut.position, error)]


def _parsed(cut: _Cut) -> Element | UnreadableRecord:
    """The root of a document."""
    if cut.doctype:
        return UnreadableRecord(
            cut.position,
            "The XML has a document type definition.",
            "A CDA document has none, and entities that a file defines for itself are never put in. Export it without "
            "<!DOCTYPE.",
        )
    charset = cut.charset or "utf-8"
    codec = codec_of(charset)
    if codec is None:
        return UnreadableRecord(
            cut.position,
            "The document names an unknown character set.",
            "Its XML declaration names one that is not read. Convert it to UTF-8, and correct the declaration.",
        )
    if codec.startswith(("utf-16", "utf-32")):  # what is read here was converted when the file was opened
        codec = "utf-8"
    try:
        text = decode(cut.data, codec)
    except UnicodeDecodeError as error:
        return UnreadableRecord(
            cut.position,
            "The document's bytes are not in the character set it names.",
            f"Byte {error.start + 1:,} of the document does not fit {codec}. Correct the encoding in its XML "
            "declaration, or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > converted.",
        )
    try:
        root = _tree(text)
    except etree.XMLSyntaxError as error:
        return UnreadableRecord(
            cut.position,
            "The document is not well-formed XML.",
            f"It breaks in line {error.lineno or 1} of the document. Export it again; xmllint --noout FILE says what "
            "is wrong there.",
        )
    namespace = etree.QName(root).namespace
    if namespace is None:
        for element in root.iter(etree.Element):
            if "}" not in element.tag:
                element.tag = f"{{{V3}}}{element.tag}"
    elif namespace != V3:
        return UnreadableRecord(
            cut.position,
            "The document is not CDA.",
            f"Its ClinicalDocument is in another namespace than {V3}. Convert it to CDA R2.",
        )
    return root


def _tree(text: str) -> Element:
    """Parsed with everything off that reaches out or multiplies. Names of HTML's characters (&nbsp;) and control
    characters, which XML does not know, are put right where parsing fails without. Raises XMLSyntaxError."""
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:
        repaired = _NOT_XML.sub(" ", _NAMED_ENTITY.sub(_character, text))
        if repaired == text:
            raise
        return etree.fromstring(repaired.encode(), parser)


def _character(found: re.Match[str]) -> str:
    known = name2codepoint.get(found[1])
    return found[0] if known is None or found[1] in {"lt", "gt", "amp", "quot"} else chr(known)


@dataclass(frozen=True, slots=True)
class _Id:
    """CDA's II: a root, and mostly a number under it."""

    root: str
    extension: str
    authority: str = field(default="", compare=False)
    """What the source calls who gave it; for people, and not always there."""

    @classmethod
    def of(cls, element: Element | None) -> _Id | None:
        if element is None or element.get("nullFlavor"):
            return None
        root, extension = (element.get("root") or "").strip(), (element.get("extension") or "").strip()
        if not root and not extension:
            return None
        authority = element.get("assigningAuthorityName") or ""
        return cls(root.lower() if _UUID.fullmatch(root) else root, extension, authority)

    @property
    def reference(self) -> str:
        """In full, as FHIR writes identifiers: "urn:oid:1.2.3|7"."""
        return (
            f"urn:oid:{self.root}|{self.extension}"
            if self.root and self.extension
            else self.root or self.extension
        )

    @property
    def unique(self) -> bool:
        """Whether it names one thing. A document may be named by a root alone, as Epic does; for a set or a patient it
        is the name of a whole numbering, whose number is missing."""
        return bool(self.extension) or _UUID.fullmatch(self.root) is not None

    def typed(self, code: str | None) -> str:
        """As a string, with a document's type: "number:34133-9^root"."""
        return "^".join(
            filter(None, (f"{self.extension or self.root}:{code or ''}", self.extension and self.root))
        )

    def __str__(self) -> str:
        return "^".join(filter(None, (self.extension, self.root)))


class _Document:
    """One document: header and body."""

    def __init__(self, root: Element, position: str) -> None:
        self.root = root
        self.position = position
        self.id = _Id.of(_child(root, "id"))
        self.set = _Id.of(_child(root, "setId"))
        self.left_out: list[str] = []

    def notes(self) -> Iterator[Outcome]:
        if len(_children(self.root, "recordTarget")) > 1:
            yield self._refused(
                "The document is about several patients.",
                "It has more than one recordTarget. A note belongs to one patient: export one document for each.",
            )
            return
        patient_id, authority = self._patient()
        resource_id = self._resource_id()
        status = _child(self.root, "statusCode", SDTC)
        if status is not None and status.get("code") in {"nullified", "aborted", "cancelled"}:
            yield UnreadableRecord(
                self.position,
                "The note was cancelled by its source.",
                f"Its statusCode is {status.get('code')}, so it is not indexed, and a stored version of it is removed. "
                "Nothing to do, unless the status is wrong at the source.",
                resource_id=resource_id,
                withdrawn=True,
                patient_id=patient_id,
                version=self._version(),
            )
            return
        text = self._text()
        if isinstance(text, UnreadableRecord):
            yield text
            return
        columns = {
            "resource_id": resource_id,
            "patient_id": patient_id,
            "document_type": self._type(),
            "text_content": text,
            "date": _time(self.root) or iso_of(_value(_path(self.root, "author/time")) or ""),
            "domain": self._domain(),
            "author": self._author(),
            **self._encounter(),
            **self._service(),
            "resource_type": "ClinicalDocument",
            "type_code": _code(_child(self.root, "code")),
            "title": _words(_child(self.root, "title")) or None,
            "document_identifier": str(self.id) if self.id else None,
            "parent_document": self._adds_to(),
            "version_number": _value(_child(self.root, "versionNumber")),
            "confidentiality": _code(_child(self.root, "confidentialityCode")),
            "custodian": _words(
                _path(self.root, "custodian/assignedCustodian/representedCustodianOrganization/name")
            )
            or None,
            "patient_reference": authority.reference if authority else None,
            "left_out": "; ".join(self.left_out) or None,
        }
        yield RawRecord(self.position, columns, note=True, version=self._version(), authority=authority)
        for replaced in self._replaced(resource_id):
            yield UnreadableRecord(
                self.position,
                "The note was replaced by a newer one.",
                f"{resource_id} says that it replaces it, so a stored version of it is removed. Nothing to do.",
                resource_id=replaced,
                withdrawn=True,
                patient_id=patient_id,
                version=NoteVersion(self._made(), None),
            )

    # --- which document ---

    def _resource_id(self) -> str | None:
        """What stays the same from version to version where the document says so (setId with versionNumber, and the
        type: some makers give all of a patient's documents one setId), else the document's own id."""
        if self.set and self.set.unique and self._number() is not None:
            return self.set.typed(_code(_child(self.root, "code")))
        return str(self.id) if self.id else None

    def _number(self) -> int | None:
        value = _value(_child(self.root, "versionNumber")) or ""
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None

    def _version(self) -> NoteVersion | None:
        """The number decides. Makers that never count up leave it at 1: there the moment it was made decides."""
        number = self._number()
        made = self._made()
        if number is not None and number > 1:
            return NoteVersion(None, number)
        return NoteVersion(made, number) if made or number is not None else None

    def _made(self) -> str | None:
        return instant_of(_value(_child(self.root, "effectiveTime")) or "")

    def _replaced(self, resource_id: str | None) -> Iterator[str]:
        """Ids of the documents that this one replaces, as they may be stored."""
        for related in _children(self.root, "relatedDocument"):
            if related.get("typeCode") != "RPLC":
                continue
            for parent in _children(related, "parentDocument"):
                code = _code(_child(parent, "code")) or _code(_child(self.root, "code"))
                ids = [str(one) for one in map(_Id.of, _children(parent, "id")) if one]
                sets = [
                    one.typed(code) for one in map(_Id.of, _children(parent, "setId")) if one and one.unique
                ]
                yield from (one for one in (*ids, *sets) if one != resource_id)

    def _adds_to(self) -> str | None:
        """The document that this one is an addendum to."""
        for related in _children(self.root, "relatedDocument"):
            parent = _Id.of(_path(related, "parentDocument/id"))
            if related.get("typeCode") == "APND" and parent:
                return str(parent)
        return None

    # --- whose, what, when, who ---

    def _patient(self) -> tuple[str | None, Authority | None]:
        """The patient's number, and who gave it.

        Numbers that are no hospital's (social security, driving licences) are taken only where there is no other, and
        in full. Of several, the one called a medical record number is taken, else the first under the organisation
        that keeps the document, cares for the patient or made the document; where nothing decides, the first with its
        authority before it, because the bare number may be another patient's.
        """
        role = _path(self.root, "recordTarget/patientRole")
        if role is None:
            return None, None
        given = [one for one in map(_Id.of, _children(role, "id")) if one and one.unique]
        ids = list(dict.fromkeys(one for one in given if not _OTHER_NUMBERS.fullmatch(one.root)))
        if not ids:
            other = next((one.reference for one in given if one.root != CLINICIANS), None)
            return other, None
        chosen = self._chosen(role, ids)
        if chosen is None:
            return ids[0].reference, None
        if not chosen.extension:  # a UUID, which no one else gives
            return chosen.root, None
        authority = Authority("oid", chosen.root, chosen.reference, "oid") if chosen.root else None
        return chosen.extension, authority

    def _chosen(self, role: Element, ids: list[_Id]) -> _Id | None:
        """The one of a patient's numbers that the note is kept by; None where nothing tells."""
        if len({one.root for one in ids}) == 1:
            return ids[0]
        named = [one for one in ids if _RECORD_NUMBER.search(one.authority)]
        if len({one.root for one in named}) == 1:
            return named[0]
        keepers = [
            *_children(
                _path(self.root, "custodian/assignedCustodian/representedCustodianOrganization"), "id"
            ),
            *_children(_child(role, "providerOrganization"), "id"),
        ]
        own = {self.id.root} if self.id else set()
        for roots in ({keeper.root for keeper in map(_Id.of, keepers) if keeper}, own):
            organisations = {_organisation(root) for root in roots} - {""}
            for one in ids:
                if _organisation(one.root) in organisations:
                    return one
        return None

    def _type(self) -> str | None:
        code = _child(self.root, "code")
        return (
            _display(code)
            or _DOCUMENT_TYPES.get(_code(code) or "")
            or _words(_child(self.root, "title"))
            or _code(code)
        )

    def _author(self) -> str | None:
        """All who wrote; the organisation or the program where no person is named."""
        people: list[str] = []
        others: list[str] = []
        for author in _children(self.root, "author"):
            assigned = _child(author, "assignedAuthor")
            people.append(_person(_path(assigned, "assignedPerson/name")))
            others.append(_words(_path(assigned, "representedOrganization/name")))
            others.append(_words(_path(assigned, "assignedAuthoringDevice/softwareName")))
        named = "; ".join(dict.fromkeys(filter(None, people)))
        return named or next(filter(None, others), None)

    def _domain(self) -> str | None:
        """The kind of place of the encounter, else the author's specialty."""
        place = _path(self.root, "componentOf/encompassingEncounter/location/healthCareFacility/code")
        return _display(place) or _display(_path(self.root, "author/assignedAuthor/code")) or None

    def _encounter(self) -> dict[str, Any]:
        encounter = _path(self.root, "componentOf/encompassingEncounter")
        number = next(filter(None, map(_Id.of, _children(encounter, "id"))), None)
        start, end = _period(encounter)
        return {
            "encounter_id": (number.extension or number.root) if number else None,
            "encounter_start": start,
            "encounter_end": end,
        }

    def _service(self) -> dict[str, Any]:
        start, end = _period(_path(self.root, "documentationOf/serviceEvent"))
        return {"service_start": start, "service_end": end}

    # --- the text ---

    def _text(self) -> str | UnreadableRecord:
        narrative = Narrative()
        body = _path(self.root, "component/structuredBody")
        unstructured = _path(self.root, "component/nonXMLBody/text")
        if body is None and unstructured is not None:
            return self._unstructured(unstructured)
        text = "\n\n".join(self._sections(body, narrative))
        if narrative.struck:
            self.left_out.append(f"passages shown as deleted: {narrative.struck}")
        if narrative.images:
            self.left_out.append(f"images: {narrative.images}")
        if text:
            return text
        return self._refused(
            "The document has no text.",
            "Its sections have no narrative, and codes are not read as text. Export it with section/text.",
        )

    def _sections(self, above: Element | None, narrative: Narrative) -> Iterator[str]:
        """Titles and texts in the order of the document, subsections under their own."""
        for component in _children(above, "component"):
            for section in _children(component, "section"):
                title = _words(_child(section, "title")) or _display(_child(section, "code"))
                if _is_of_another(section, title):
                    self.left_out.append(f"section {title or 'without a title'}: about another person")
                    continue
                block = _child(section, "text")
                text = narrative.text_of(block) if block is not None else ""
                below = list(self._sections(section, narrative))
                flavour = section.get("nullFlavor") or (
                    block.get("nullFlavor") if block is not None else None
                )
                if not text and not below and title and flavour:
                    text = _NULL_FLAVOURS.get(flavour, "No information.")
                if title and (text or below):
                    yield f"{heading(title)}\n{text}" if text else heading(title)
                elif text:
                    yield text
                yield from below
                if not text and not below and _child(section, "entry") is not None:
                    self.left_out.append(f"section {title or 'without a title'}: entries without text")

    def _unstructured(self, element: Element) -> str | UnreadableRecord:
        """The text of a body that is no XML: by itself or as base64."""
        kind = (element.get("mediaType") or "text/plain").lower().partition(";")[0].strip()
        reference = _child(element, "reference")
        data = "".join(element.itertext())
        if reference is not None and not data.strip():
            return self._refused(
                "The document's content is not in the file.",
                "Its body is a link. Export it with the content inside.",
            )
        if (element.get("representation") or "").upper() == "B64":
            unpacked = self._unpacked(data, kind)
            if isinstance(unpacked, UnreadableRecord):
                return unpacked
            data = unpacked
        elif len(element):
            return Narrative().text_of(element)
        if kind.startswith(("text/", "application/xhtml", "application/xml")):
            plain = as_plain_text(data)
            return self._refused(plain.reason, plain.remedy) if isinstance(plain, NotText) else plain
        return self._not_text(kind)

    def _unpacked(self, data: str, kind: str) -> str | UnreadableRecord:
        try:
            raw = base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            return self._refused("The document's data is not valid base64.", "Export the document again.")
        if binary_kind(raw) or (b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff"))):
            return self._not_text("a PDF" if raw.startswith(b"%PDF") else kind)
        for codec in ("utf-16",) if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8", "cp1252"):
            try:
                return decode(raw, codec)
            except UnicodeDecodeError:
                continue
        return self._refused(
            "The document's bytes are not in the character set it names.",
            "Its base64 data is neither UTF-8 nor windows-1252. Export the document as UTF-8.",
        )

    def _not_text(self, kind: str) -> UnreadableRecord:
        return self._refused(
            "The document is not text.",
            f"Its body is {kind[:80]}. Convert it to text first, for example with pdftotext.",
        )

    def _refused(self, reason: str, remedy: str) -> UnreadableRecord:
        return UnreadableRecord(self.position, reason, remedy, resource_id=self._resource_id())


def _is_of_another(section: Element, title: str) -> bool:
    """Whether a section says that it is about somebody else: the newborn in its mother's document. The history of the
    family is the patient's all the same."""
    return _child(section, "subject") is not None and not is_of_the_family(
        title, [_code(_child(section, "code")) or ""]
    )


def _organisation(root: str) -> str:
    """The beginning of an OID that names an organisation; all of a shorter one."""
    return ".".join(root.split(".")[:ORGANISATION_ARCS])


def _child(element: Element | None, name: str, namespace: str = V3) -> Element | None:
    return None if element is None else element.find(f"{{{namespace}}}{name}")


def _children(element: Element | None, name: str) -> list[Element]:
    return [] if element is None else element.findall(f"{{{V3}}}{name}")


def _path(element: Element | None, path: str) -> Element | None:
    return None if element is None else element.find("/".join(f"{{{V3}}}{name}" for name in path.split("/")))


def _words(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _value(element: Element | None) -> str | None:
    return None if element is None else element.get("value")


def _code(element: Element | None) -> str | None:
    return None if element is None else element.get("code")


def _display(code: Element | None) -> str:
    """A coded element in words: its own, else its original text, else a translation's."""
    if code is None:
        return ""
    own = (code.get("displayName") or "").strip() or _words(_child(code, "originalText"))
    translated = ((one.get("displayName") or "").strip() for one in _children(code, "translation"))
    return own or next(filter(None, translated), "")


def _time(element: Element | None) -> str | None:
    """When: the moment, or where a period is given its beginning."""
    start, end = _period(element)
    return start or end


def _period(element: Element | None) -> tuple[str | None, str | None]:
    time = _child(element, "effectiveTime")
    if time is None:
        return None, None
    one = iso_of(time.get("value") or "")
    start, end = (iso_of(_value(_child(time, name)) or "") for name in ("low", "high"))
    return one or start, end


def _person(name: Element | None) -> str:
    """A name as it is spoken: "Dr. Jane Q. Smith, MD"."""
    if name is None:
        return ""
    parts = [(part.tag.rpartition("}")[2], part) for part in name if isinstance(part.tag, str)]
    if not any(kind in {"given", "family"} for kind, _ in parts):
        return _words(name)
    order = {"prefix": 0, "given": 1, "family": 2}
    spoken = sorted((one for one in parts if one[0] in order), key=lambda one: order[one[0]])
    whole = " ".join(filter(None, (_words(part) for _, part in spoken)))
    return ", ".join([whole, *filter(None, (_words(part) for kind, part in parts if kind == "suffix"))])


class CdaReader(Reader):
    """Files that hold CDA documents, by themselves or inside something else; other XML is refused by its kind."""

    title = "C-CDA (.xml)"
    suffixes = (".xml", ".cda", ".ccda")
    content_kinds = ("application/xml", "text/xml", "application/hl7-cda+xml", "application/cda+xml")

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        head = utf8(opened).head
        if is_cda(head):
            return Certainty.CERTAIN
        if named is self:
            return Certainty.NAMED
        # An XML declaration may also stand before HTML, which is named so.
        return Certainty.LIKELY if named is None and _XML.match(head) else None

    def fault(self, opened: Opened) -> UnreadableSource | None:
        head = utf8(opened).head
        return None if is_cda(head) else _other_xml(head)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Outcome]:
        return read_cda(utf8(opened).stream, options.bytes_max)


def _other_xml(head: bytes) -> UnreadableSource:
    """XML that holds no CDA document, told by its first element."""
    root = _ELEMENT.search(head)
    if root is None:
        return UnreadableSource(
            "The file is not XML.",
            "It does not begin with an element. Give the file the suffix of its format.",
        )
    name = root[1].rpartition(b":")[2].decode("ascii", "replace")[:60]
    if b"http://hl7.org/fhir" in root[0]:
        cure = "It is FHIR in XML: export it as JSON (application/fhir+json)."
    elif name == "Envelope" or name.startswith(("RetrieveDocumentSet", "ProvideAndRegister")):
        cure = "It is an envelope (SOAP, XDS): write each document inside it to a file of its own, decoded from base64."
    else:
        cure = f"Its first element is {name}. Of XML, C-CDA documents are read (ClinicalDocument in urn:hl7-org:v3)."
    return UnreadableSource("The XML is not a CDA document.", cure)
