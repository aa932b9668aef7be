"""The body of a CDA document as text: its sections under their titles, or a text that is no XML.

Decides what of it a reader would see, and what is named as left out: codes are no text. Refuses to know the narrative
block; that is `narrative.py`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from pipeline.readers.cda.elements import child, children, code_of, coded_words, descendant, words_of
from pipeline.readers.cda.narrative import Element, Narrative
from pipeline.readers.plain_text.charsets import decode
from pipeline.readers.plain_text.content_kind import NotText, as_plain_text, binary_kind
from pipeline.readers.plain_text.html import heading
from pipeline.text.section_titles import is_of_the_family

_NULL_FLAVOURS = {
    "NI": "No information.",
    "NA": "Not applicable.",
    "UNK": "Unknown.",
    "ASKU": "Asked but unknown.",
    "NASK": "Not asked.",
    "NAV": "Temporarily unavailable.",
    "MSK": "Masked.",
}


class CdaBody:
    """The body of one document."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.left_out: list[str] = []
        """What was read over, once the text was asked for."""

    def text(self) -> str | NotText:
        narrative = Narrative()
        body = descendant(self.root, "component/structuredBody")
        unstructured = descendant(self.root, "component/nonXMLBody/text")
        if body is None and unstructured is not None:
            return self._unstructured(unstructured)
        text = "\n\n".join(self._sections(body, narrative))
        if narrative.struck:
            self.left_out.append(f"passages shown as deleted: {narrative.struck}")
        if narrative.images:
            self.left_out.append(f"images: {narrative.images}")
        if text:
            return text
        return NotText(
            "The document has no text.",
            "Its sections have no narrative, and codes are not read as text. Export it with section/text.",
        )

    def _sections(self, above: Element | None, narrative: Narrative) -> Iterator[str]:
        """Titles and texts in the order of the document, subsections under their own."""
        for component in children(above, "component"):
            for section in children(component, "section"):
                title = words_of(child(section, "title")) or coded_words(child(section, "code"))
                if _is_of_another(section, title):
                    self.left_out.append(f"section {title or 'without a title'}: about another person")
                    continue
                block = child(section, "text")
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
                if not text and not below and child(section, "entry") is not None:
                    self.left_out.append(f"section {title or 'without a title'}: entries without text")

    def _unstructured(self, element: Element) -> str | NotText:
        """The text of a body that is no XML: by itself or as base64."""
        kind = (element.get("mediaType") or "text/plain").lower().partition(";")[0].strip()
        reference = child(element, "reference")
        data = "".join(element.itertext())
        if reference is not None and not data.strip():
            return NotText(
                "The document's content is not in the file.",
                "Its body is a link. Export it with the content inside.",
            )
        if (element.get("representation") or "").upper() == "B64":
            unpacked = self._unpacked(data, kind)
            if isinstance(unpacked, NotText):
                return unpacked
            data = unpacked
        elif len(element):
            return Narrative().text_of(element)
        if kind.startswith(("text/", "application/xhtml", "application/xml")):
            return as_plain_text(data)
        return self._not_text(kind)

    def _unpacked(self, data: str, kind: str) -> str | NotText:
        try:
            raw = base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            return NotText("The document's data is not valid base64.", "Export the document again.")
        if binary_kind(raw) or (b"\0" in raw and not raw.startswith((b"\xff\xfe", b"\xfe\xff"))):
            return self._not_text("a PDF" if raw.startswith(b"%PDF") else kind)
        for codec in ("utf-16",) if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8", "cp1252"):
            try:
                return decode(raw, codec)
            except UnicodeDecodeError:
                continue
        return NotText(
            "The document's bytes are not in the character set it names.",
            "Its base64 data is neither UTF-8 nor windows-1252. Export the document as UTF-8.",
        )

    def _not_text(self, kind: str) -> NotText:
        return NotText(
            "The document is not text.",
            f"Its body is {kind[:80]}. Convert it to text first, for example with pdftotext.",
        )


def _is_of_another(section: Element, title: str) -> bool:
    """Whether a section says that it is about someone else: the newborn in its mother's document. The history of the
    family is the patient's all the same."""
    return child(section, "subject") is not None and not is_of_the_family(
        title, [code_of(child(section, "code")) or ""]
    )
