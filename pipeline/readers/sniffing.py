"""Which format a source is in, from its first bytes and its name.

Content decides between the JSON formats and against what is no text; the name decides between tables and plain text.
Refuses to read on: it sees the beginning only.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Literal, TypeAlias

from pipeline.readers import cda
from pipeline.readers.hl7v2 import messages
from pipeline.readers.json_stream import parse
from pipeline.readers.reader import UnreadableSource
from pipeline.readers.tables import lines_of, read_header, shown_names

Format: TypeAlias = Literal["json", "json lines", "table", "text", "cda", "hl7 v2"]

BY_NAME: tuple[tuple[tuple[str, ...], Format], ...] = (
    ((".jsonl", ".ndjson"), "json lines"),
    ((".json",), "json"),
    ((".csv", ".tsv"), "table"),
    ((".txt", ".text", ".md", ".html", ".htm"), "text"),
    ((".xml", ".cda", ".ccda"), "cda"),
    ((".hl7", ".hl7v2", ".er7"), "hl7 v2"),
)

READ_FORMATS = (
    "Read are JSON (.json), JSON Lines (.jsonl, .ndjson), tables (.csv, .tsv), FHIR bundles and NDJSON, C-CDA (.xml), "
    "HL7 v2 messages (.hl7), plain text (.txt, .md), HTML (.html), each also as .gz."
)

# First bytes of what people hand in by mistake, and what to do with it.
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF", "Convert it to text first, for example with pdftotext."),
    (
        b"PK\x03\x04",
        "a ZIP archive or an Office file",
        "Unpack it, or save the sheet as CSV or the document as text.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "Save it as CSV or as text."),
    (b"{\\rtf", "an RTF document", "Save it as plain text."),
    (b"PAR1", "a Parquet file", "Write it as JSON Lines, for example with duckdb or pandas."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it: zstd -dc FILE | ... -"),
    (b"BZh", "compressed with bzip2", "Unpack it: bzip2 -dc FILE | ... -"),
    (b"\xfd7zXZ", "compressed with xz", "Unpack it: xz -dc FILE | ... -"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it."),
    (b"SQLite format 3", "an SQLite database", "Export the table of notes as CSV."),
    (b"\x89PNG", "an image", "Images are not notes."),
    (b"\xff\xd8\xff", "an image", "Images are not notes."),
)

CURES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".pdf",), "Convert it to text first, for example with pdftotext."),
    ((".doc", ".docx", ".odt", ".rtf"), "Save it as plain text."),
    ((".xls", ".xlsx", ".ods"), "Save the sheet as CSV."),
    ((".zip", ".tar", ".tgz", ".7z", ".bz2", ".xz", ".zst"), "Unpack it."),
    ((".mdm", ".oru"), "Name it .hl7 where it holds HL7 v2 messages."),
    ((".eml", ".msg", ".mht", ".mhtml"), "Save the text of the message."),
    (
        (".parquet", ".feather", ".arrow", ".sas7bdat", ".dta", ".rds", ".xpt"),
        "Write it as JSON Lines or CSV.",
    ),
    ((".db", ".sqlite", ".mdb", ".accdb"), "Export the table of notes as CSV."),
    ((".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff"), "Images are not notes."),
)
"""For names of no format that is read, where the first bytes do not say more."""


_XML = re.compile(rb"\s*<\?xml\b")
_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)[^<>]*>")


def recognise(head: bytes, name: str, *, whole: bool) -> Format | None:
    """The format; None for text without a telling name. `whole`: the head is all there is.

    Raises SourceBroken where no record can be in it: empty, binary, or not what its name says.
    """
    if whole and not head.strip():
        raise UnreadableSource("The file is empty.", "Export it again, or take it out of the inputs.")
    _refuse_binary(head)
    named = next((form for suffixes, form in BY_NAME if name.endswith(suffixes)), None)
    if exchange := _exchange_form(head, named):
        return exchange
    if named == "table":
        _refuse_rowless(head, whole=whole)
        return named
    found = _json_form(head, named)
    if found == "json" and whole and re.fullmatch(rb"\s*(\[\s*\]|\{\s*\})\s*", head):
        raise UnreadableSource("The file holds an empty list.", "Export it again: there is no note in it.")
    if found is None and named in {"json", "json lines"}:
        raise UnreadableSource(
            "The file is not JSON.",
            "It begins neither with [ nor with {. A table is named .csv, a note .txt.",
        )
    return found or named


def foreign(head: bytes, name: str) -> str:
    """What to do with a file whose name is of no format that is read."""
    try:
        _refuse_binary(head)
    except UnreadableSource as broken:
        return broken.remedy
    cure = next((cure for suffixes, cure in CURES if name.endswith(suffixes)), "")
    return f"{cure} {READ_FORMATS}".strip()


def _exchange_form(head: bytes, named: Format | None) -> Format | None:
    """HL7 v2 messages and CDA documents, whatever the file's name; None for anything else."""
    if messages.BEGINNING.match(head) or (named == "hl7 v2" and messages.holds_messages(head)):
        return "hl7 v2"
    if named == "hl7 v2":
        raise UnreadableSource(
            "The file is not HL7 v2.",
            "No line of its beginning opens a message (MSH|^~\\&|). Give the file the suffix of its format.",
        )
    if cda.is_cda(head):
        return "cda"
    if named == "cda" or (named is None and _XML.match(head)):
        raise _other_xml(head)
    return None  # an XML declaration may also stand before HTML


def _other_xml(head: bytes) -> UnreadableSource:
    """XML that holds no CDA document, told by its first element."""
    root = _ROOT.search(head)
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


def _json_form(head: bytes, named: Format | None) -> Format | None:
    start = head.lstrip()
    if start[:1] not in {b"{", b"["}:
        return None
    first_line, _, rest = start.partition(b"\n")
    rest = rest.lstrip()
    try:
        complete = isinstance(parse(first_line), (dict, list))
    except ValueError:
        complete = False
    if named == "text" and not complete and first_line.strip() not in {b"{", b"["}:
        return None  # a note that opens with a bracket
    if complete:
        return "json lines" if rest or (named == "json lines" and start[:1] == b"{") else "json"
    if start[:1] == b"[":
        return "json"
    if first_line.strip() == b"{":
        return "json"
    return "json lines" if named == "json lines" or rest[:1] == b"{" else "json"


def _refuse_binary(head: bytes) -> None:
    for magic, what, remedy in MAGIC:
        if head.startswith(magic):
            raise UnreadableSource("The file is not text.", f"It is {what}. {remedy} {READ_FORMATS}")
    if head[257:262] == b"ustar":
        raise UnreadableSource("The file is not text.", f"It is a tar archive. Unpack it. {READ_FORMATS}")
    if b"\0" in head:
        if head[:4096].count(0) > 0.6 * len(head[:4096]):
            raise UnreadableSource(
                "The file is UTF-32 without a byte order mark.",
                "Convert it: iconv -f UTF-32LE -t UTF-8 FILE > converted (UTF-32BE if that gives nonsense).",
            )
        zeros = [position % 2 for position, byte in enumerate(head[:4096]) if byte == 0]
        if len(zeros) > 0.3 * len(head[:4096]) and len(set(zeros)) == 1:
            raise UnreadableSource(
                "The file is UTF-16 without a byte order mark.",
                "Convert it: iconv -f UTF-16LE -t UTF-8 FILE > converted (UTF-16BE if that gives nonsense).",
            )
        raise UnreadableSource(
            "The file is not text.", f"It holds zero bytes: a binary format. {READ_FORMATS}"
        )
    if len(re.findall(rb"[\x00-\x08\x0e-\x1a\x7f]", head)) > 0.05 * len(head):
        raise UnreadableSource(
            "The file is not text.", f"It is full of control bytes: a binary format. {READ_FORMATS}"
        )


def _refuse_rowless(head: bytes, *, whole: bool) -> None:
    if not whole:
        return
    lines = lines_of(head)
    header = read_header(lines)
    if not any(line.strip() for line in chain(header.beyond, lines)):
        raise UnreadableSource(
            "The table has no row.",
            f"There is only the first row, with the columns {shown_names(header.columns)}. Export it again.",
        )
