"""CDA documents, each cut out of its file before it is parsed.

Decides where a document begins and ends, so that none costs another, and that nothing a file declares before it (a DTD,
entities) is ever acted on. Refuses to know what a document says.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import name2codepoint

from lxml import etree

from pipeline.readers.cda.elements import V3
from pipeline.readers.cda.narrative import Element
from pipeline.readers.json.stream import too_long
from pipeline.readers.plain_text.charsets import codec_of, decode
from pipeline.readers.reader import UnreadableRecord

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
_NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def is_cda(head: bytes) -> bool:
    """Whether a file that begins like this holds CDA documents, by themselves or inside something else."""
    return head.lstrip()[:1] == b"<" and _OPENING.search(head) is not None


@dataclass(frozen=True, slots=True)
class CutDocument:
    """The bytes of one ClinicalDocument."""

    position: str
    data: bytes
    charset: str | None
    """As the file declares it; None where it does not."""
    doctype: bool


def cut_documents(stream: io.BufferedReader, bytes_max: int) -> Iterator[CutDocument | UnreadableRecord]:
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
            yield CutDocument(position, data, charset, doctype)


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


def parse(cut: CutDocument) -> Element | UnreadableRecord:
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
