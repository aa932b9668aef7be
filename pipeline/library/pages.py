"""A library document as the store of notes has it: one text in which a form feed parts the pages.

Decides what the store is told of a version, and where characters of that text stand on the pages of what was read.
Knows no store and no passage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.library.records import DocumentPage, LibraryDocument
from pipeline.library.versions import LibraryVersion
from pipeline.locators import PageBox
from pipeline.records import NO_PATIENT, Document, library_id

PAGE_BREAK = "\f"
PAGES = "pages"
"""In the metadata of a stored library document: how many pages it has; absent where its format has none."""
UNTITLED_TYPE = "document"
"""The type of a document of which none is known."""


def stored_document(version: LibraryVersion, read: LibraryDocument) -> Document:
    """What is indexed of an approved version."""
    said = {
        "title": version.title,
        "version": version.metadata.version,
        "number": str(version.number),
        "document_id": version.document_id,
        "file_name": version.file_name,
        PAGES: str(len(read.pages)) if read.source_format == "pdf" else "",
    }
    return Document(
        resource_id=library_id(version.version_id),
        patient_id=NO_PATIENT,
        document_type=version.metadata.document_type or UNTITLED_TYPE,
        text_content=joined_text(read),
        date=version.metadata.date,
        domain=version.domain,
        author="; ".join(version.metadata.authors) or None,
        metadata={name: value for name, value in said.items() if value},
    )


def joined_text(read: LibraryDocument) -> str:
    """The texts of the pages, in order."""
    return PAGE_BREAK.join(page.text.replace(PAGE_BREAK, "\n") for page in read.pages)


def has_pages(document: Document) -> bool:
    """Whether a stored library document says on which page its passages stand."""
    return PAGES in document.metadata


def called(document: Document) -> str:
    """Title and version of a stored library document, for people: "Ketamine in acute pain, version 2"."""
    title = document.metadata.get("title") or document.metadata.get("file_name", "")
    version = document.metadata.get("version") or document.metadata.get("number", "")
    return f"{title}, version {version}" if version else title


@dataclass(frozen=True, slots=True)
class PagePlace:
    """Characters of the joined text, as places on one page."""

    page: DocumentPage
    start: int
    """In the page's text; half-open with `end`."""
    end: int
    boxes: tuple[PageBox, ...]
    """The lines that they touch, each whole."""


def places(read: LibraryDocument, start: int, end: int) -> Iterator[PagePlace]:
    """Where characters [start, end) of the joined text stand: the pages that they touch, with their lines."""
    begin = 0
    for page in read.pages:
        first, last = max(start - begin, 0), min(end - begin, len(page.text))
        if first < last:
            lines = (box for box in page.boxes if box.start < last and box.end > first)
            boxes = tuple(PageBox(page.number, box.left, box.top, box.right, box.bottom) for box in lines)
            yield PagePlace(page, first, last, boxes)
        begin += len(page.text) + len(PAGE_BREAK)
