"""One file of the library, read: `read_document` is what everyone calls, in a process with limits.

Decides the format by the bytes and never by the name, what becomes of pages without text, and what is believed where
two readers read different letters: nothing, unless what is seen on the page says the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pypdfium2 as pdfium

from pipeline.errors import UnreadableDocument
from pipeline.library.reading import ocr, pdf
from pipeline.library.reading.docx import is_docx, read_docx
from pipeline.library.reading.invisible_letters import without_invisible
from pipeline.library.reading.options import DocumentReadingOptions, ReadingLimits
from pipeline.library.reading.page_text import ComposedText, PlacedLine, compose
from pipeline.library.reading.pdf import PdfPage
from pipeline.library.reading.pdf_facts import OVERLAP_MIN, PdfFacts, digits, overlap
from pipeline.library.reading.plain import PlainPage, read_html, read_markdown, read_rtf, read_text
from pipeline.library.records import (
    DocumentFinding,
    DocumentFormat,
    DocumentPage,
    LibraryDocument,
)

AS_IT_IS = DocumentReadingOptions()

SECOND_OPINIONS_MAX = 20
"""Pages of which pypdf is asked as well; it takes a quarter of a second for one."""

_OFFICE = "Open it with the program that made it and save it as PDF or DOCX."
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "The file is an old Word, Excel or PowerPoint file, or a locked one.", _OFFICE),
    (b"\x89PNG", "The file is a picture.", "Index pictures with `vectorize images`; print a scan to PDF."),
    (
        b"\xff\xd8\xff",
        "The file is a picture.",
        "Index pictures with `vectorize images`; print a scan to PDF.",
    ),
    (b"II*\x00", "The file is a picture.", "Print it to PDF."),
    (b"MM\x00*", "The file is a picture.", "Print it to PDF."),
    (b"GIF8", "The file is a picture.", "Print it to PDF."),
    (b"\x1f\x8b", "The file is an archive.", "Unpack it, and upload what is in it."),
    (b"7z\xbc\xaf", "The file is an archive.", "Unpack it, and upload what is in it."),
    (b"Rar!", "The file is an archive.", "Unpack it, and upload what is in it."),
    (b"\x7fELF", "The file is a program.", "Upload PDF, DOCX, HTML, RTF, Markdown or text."),
    (b"MZ", "The file is a program.", "Upload PDF, DOCX, HTML, RTF, Markdown or text."),
)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


def read_document(
    path: Path,
    options: DocumentReadingOptions = AS_IT_IS,
    *,
    suffix: str | None = None,
) -> LibraryDocument:
    """Read one file. `suffix`: of its name, where it was another. Raises UnreadableDocument where it is refused."""
    size = path.stat().st_size
    options.limits.require_bytes(size)
    content = path.read_bytes()
    source_format = format_of(content, path.suffix if suffix is None else suffix)
    content_hash = hashlib.sha256(content).hexdigest()
    if source_format == "pdf":
        return _read_pdf(content, content_hash, options)
    return _of_plain(
        _PLAIN[source_format](content, options.limits), content_hash, source_format, options.limits
    )


def format_of(content: bytes, suffix: str = "") -> DocumentFormat:
    """By the bytes; `suffix` decides only between formats that are all text. Raises UnreadableDocument for what is none
    of them."""
    start = content[:1024]
    if b"%PDF-" in content[: pdf.HEADER_BYTES]:
        return "pdf"
    for mark, what, remedy in _REFUSED:
        if start.startswith(mark):
            raise UnreadableDocument(what, remedy=remedy, kind="unknown-format")
    if start.startswith(b"PK"):
        return _package_format(content)
    if start.lstrip().startswith(b"{\\rtf"):
        return "rtf"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        return "html"
    return _text_format(suffix.lower())


def _package_format(content: bytes) -> Literal["docx"]:
    if is_docx(content):
        return "docx"
    raise UnreadableDocument(
        "The file is an archive, or a damaged or other Office document.",
        remedy="Unpack an archive and upload what is in it; save a document as PDF or DOCX.",
        kind="unknown-format",
    )


def _text_format(suffix: str) -> DocumentFormat:
    if suffix in (".pdf", ".docx", ".doc", ".rtf"):
        raise UnreadableDocument(
            f"The file is not what its name says: there is nothing of a {suffix[1:].upper()} in it.",
            remedy="Download or export it again; if it is a text, name it .txt.",
            kind="damaged",
        )
    formats: dict[str, DocumentFormat] = {
        ".md": "markdown",
        ".markdown": "markdown",
        ".html": "html",
        ".htm": "html",
    }
    return formats.get(suffix, "text")


_PLAIN: dict[DocumentFormat, Callable[[bytes, ReadingLimits], PlainPage]] = {
    "docx": read_docx,
    "text": lambda content, _: read_text(content),
    "markdown": lambda content, _: read_markdown(content),
    "html": lambda content, _: read_html(content),
    "rtf": lambda content, _: read_rtf(content),
}


def _of_plain(
    read: PlainPage, content_hash: str, source_format: DocumentFormat, limits: ReadingLimits
) -> LibraryDocument:
    if len(read.page.text) > limits.characters_max:
        raise UnreadableDocument(
            f"The document has more than {limits.characters_max:,} characters.",
            remedy="Split it into parts, and upload those.",
            kind="too-large",
        )
    seen = without_invisible(read.page.text)
    if not seen.text.strip():
        raise _without_text()
    headings = tuple(
        replace(each, start=seen.moved(each.start), text=without_invisible(each.text).text)
        for each in read.page.headings
    )
    page, findings = replace(read.page, text=seen.text, headings=headings), read.findings
    if seen.told:
        what = f"{seen.told} letters that no one sees, or that turn the line round, were left out."
        findings = (*findings, DocumentFinding("hidden-text", what))
    return LibraryDocument(content_hash, source_format, (page,), read.metadata, findings)


def _without_text() -> UnreadableDocument:
    return UnreadableDocument(
        "There is no text in the document.",
        remedy="Look whether it was saved empty. A scan needs tesseract on the machine that reads it.",
        kind="no-text",
    )


def _read_pdf(content: bytes, content_hash: str, options: DocumentReadingOptions) -> LibraryDocument:
    with pdf.opened(content) as document:
        options.limits.require_pages(len(document))
        facts = PdfFacts(content)
        findings: list[DocumentFinding] = []
        judge = _Judge(document, facts, options, findings)
        pages = [judge.page(index) for index in range(len(document))]
    composed = compose([lines for lines, _, _ in pages])
    made = tuple(
        _page(number, page, text) for number, (page, text) in enumerate(zip(pages, composed, strict=True), 1)
    )
    if not any(page.text.strip() for page in made) and not any(page.is_image for page in made):
        raise _without_text()
    return LibraryDocument(content_hash, "pdf", made, facts.metadata(), (*findings, *facts.findings()))


def _page(
    number: int, read: tuple[tuple[PlacedLine, ...], float | None, bool], composed: ComposedText
) -> DocumentPage:
    _, confidence, is_image = read
    return DocumentPage(number, composed.text, composed.boxes, composed.headings, confidence, is_image)


class _Judge:
    """Page by page: what was written, what is seen, and which of them is believed."""

    def __init__(
        self,
        document: pdfium.PdfDocument,
        facts: PdfFacts,
        options: DocumentReadingOptions,
        findings: list[DocumentFinding],
    ) -> None:
        self._document = document
        self._facts = facts
        self._options = options
        self._findings = findings
        self._opinions = 0
        self._recognises = options.recognise_text and ocr.is_there()

    def page(self, index: int) -> tuple[tuple[PlacedLine, ...], float | None, bool]:
        """Lines, the confidence of those that were recognised, and whether the page stays an image."""
        read = pdf.read_page(self._document, index, self._options.limits)
        self._findings.extend(pdf.hidden_findings(index + 1, read))
        if not read.lines:
            return self._of_image(index) if read.has_image or read.unknown_share else ((), None, False)
        if self._is_doubtful(index, read):
            return self._doubtful(index, read)
        return read.lines, None, False

    def _is_doubtful(self, index: int, read: PdfPage) -> bool:
        if read.unknown_share > pdf.UNKNOWN_SHARE_MAX:
            return True
        if self._opinions >= SECOND_OPINIONS_MAX:
            return False
        self._opinions += 1
        other = self._facts.text(index)
        if other is None or not other.strip():
            return False
        if not (read.hidden or read.off_page) and digits(_text(read.lines)) != digits(other):
            what = f"Page {index + 1}: two readers read different figures. Hold its text against its picture."
            self._findings.append(DocumentFinding("readers-disagree", what, index + 1))
        return overlap(_text(read.lines), other) < OVERLAP_MIN

    def _doubtful(self, index: int, read: PdfPage) -> tuple[tuple[PlacedLine, ...], float | None, bool]:
        """What is seen decides where it can be read; else the page is left out."""
        seen = self._recognised(index)
        kept = seen is not None and overlap(_text(read.lines), _text(seen.lines)) >= 0.8
        self._findings.append(
            DocumentFinding(
                "readers-disagree",
                f"Page {index + 1}: the letters in the file are not those on the page. "
                + (
                    "What is seen says the same as one reader; that was kept."
                    if kept
                    else "The text was recognised from what is seen."
                    if seen is not None
                    else "It was left out."
                ),
                index + 1,
            )
        )
        if kept:
            return read.lines, None, False
        return ((), None, True) if seen is None else (seen.lines, seen.confidence, False)

    def _of_image(self, index: int) -> tuple[tuple[PlacedLine, ...], float | None, bool]:
        seen = self._recognised(index)
        if seen is None:
            self._findings.append(
                DocumentFinding(
                    "page-is-image", f"Page {index + 1} is an image; no text was read from it.", index + 1
                )
            )
            return (), None, True
        if seen.lines and seen.confidence < ocr.CONFIDENCE_MIN:
            self._findings.append(
                DocumentFinding(
                    "low-ocr-confidence",
                    f"Page {index + 1} was recognised with a confidence of {seen.confidence:.0%}.",
                    index + 1,
                )
            )
        return seen.lines, seen.confidence if seen.lines else None, not seen.lines

    def _recognised(self, index: int) -> ocr.RecognisedPage | None:
        if not self._recognises:
            return None
        page = self._document[index]
        try:
            width = max(int(page.get_width() / 72 * ocr.DPI), 1)
            pixels = pdf.page_pixels(page, width, self._options.limits, grey=True)
        except (UnreadableDocument, ValueError):
            return None
        finally:
            page.close()
        return ocr.recognise(pixels, self._options)


def _text(lines: tuple[PlacedLine, ...]) -> str:
    return "\n".join(line.text for line in lines)
