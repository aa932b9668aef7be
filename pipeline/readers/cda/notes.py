"""Notes in CDA R2 and C-CDA documents: each ClinicalDocument is one note, its sections under their titles.

Decides what of a document is the note, and what its source has taken back: one that is cancelled is refused as
withdrawn, and so are those that a document says it replaces, so that stored ones go. XML that holds no CDA document is
refused by its kind.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator

from pipeline.readers.cda.body import CdaBody
from pipeline.readers.cda.documents import CutDocument, cut_documents, is_cda, parse
from pipeline.readers.cda.header import CdaHeader
from pipeline.readers.cda.narrative import Element
from pipeline.readers.faults import fault
from pipeline.readers.plain_text.content_kind import NotText
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import (
    Certainty,
    Opened,
    RawRecord,
    Reader,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)
from pipeline.records import NoteVersion

_XML = re.compile(rb"\s*<\?xml\b")
_ELEMENT = re.compile(rb"<([A-Za-z_][\w.:-]*)[^<>]*>")


def read_cda(stream: io.BufferedReader, bytes_max: int) -> Iterator[ReadItem]:
    """The notes of a file, one document at a time."""
    for cut in cut_documents(stream, bytes_max):
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

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        head = utf8(opened).head
        return None if is_cda(head) else _other_xml(head)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
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


def _notes(cut: CutDocument) -> list[ReadItem]:
    try:
        root = parse(cut)
        return [root] if isinstance(root, UnreadableRecord) else list(_of_document(root, cut.position))
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one document must not cost the others
        return [fault(cut.position, error)]


def _of_document(root: Element, position: str) -> Iterator[ReadItem]:
    header = CdaHeader(root)
    resource_id, patient_id = header.resource_id, header.patient_id
    if header.patients > 1:
        yield UnreadableRecord(
            position,
            "The document is about several patients.",
            "It has more than one recordTarget. A note belongs to one patient: export one document for each.",
            resource_id=resource_id,
        )
        return
    if status := header.withdrawn:
        yield UnreadableRecord(
            position,
            "The note was cancelled by its source.",
            f"Its statusCode is {status}, so it is not indexed, and a stored version of it is removed. "
            "Nothing to do, unless the status is wrong at the source.",
            resource_id=resource_id,
            withdrawn=True,
            patient_id=patient_id,
            version=header.version(),
        )
        return
    body = CdaBody(root)
    text = body.text()
    if isinstance(text, NotText):
        yield UnreadableRecord(position, text.reason, text.remedy, resource_id=resource_id)
        return
    columns = header.columns() | {"text_content": text, "left_out": "; ".join(body.left_out) or None}
    yield RawRecord(
        position,
        columns,
        note=True,
        version=header.version(),
        authority=header.authority,
        patient=header.person(),
    )
    for replaced in header.replaced():
        yield UnreadableRecord(
            position,
            "The note was replaced by a newer one.",
            f"{resource_id} says that it replaces it, so a stored version of it is removed. Nothing to do.",
            resource_id=replaced,
            withdrawn=True,
            patient_id=patient_id,
            version=NoteVersion(header.made(), None),
        )
