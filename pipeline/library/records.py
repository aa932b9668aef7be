"""The nouns of library documents: what was read of a file, and what is kept of it on its way to approval.

A document has versions; a version is one file, known by the SHA-256 of its bytes. Decides the names of formats, of
findings and of states. Refuses to know how a file is read, where anything is kept, and any model.

Positions are half-open `[start, end)` offsets in characters (Python code points) of one page's text. Boxes are shares
of the page as it is shown, from its left and top edge, as in `locators.PageBox`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

DocumentFormat: TypeAlias = Literal["pdf", "docx", "text", "markdown", "html", "rtf"]

DocumentState: TypeAlias = Literal[
    "uploaded", "unreadable", "read", "waiting", "approved", "rejected", "superseded", "withdrawn"
]
"""Where a version stands. Only what is `approved` is ever searched or cited anew.

`read` is the end of a document that is not of its domain's topic: kept and listed, until somebody decides otherwise.
"""


@dataclass(frozen=True, slots=True)
class TextBox:
    """Where characters [start, end) of a page's text are shown."""

    start: int
    end: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in the text of a page."""

    start: int
    level: int
    """Counted from 1, the highest."""
    text: str


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """The text of one page in reading order, with hyphens at the ends of lines taken back."""

    number: int
    """Counted from 1, whatever number is printed on it. A format without pages has one."""
    text: str
    boxes: tuple[TextBox, ...] = ()
    """Line by line in the order of the text; empty where the format has no places."""
    headings: tuple[Heading, ...] = ()
    ocr_confidence: float | None = None
    """0 to 1 where the text was recognised in an image of the page; None where it was written."""
    is_image: bool = False
    """A page that shows an image without text, and was not recognised."""


FindingCode: TypeAlias = Literal[
    "hidden-text",
    "text-off-page",
    "annotations",
    "form",
    "attachments",
    "tracked-changes",
    "readers-disagree",
    "page-is-image",
    "low-ocr-confidence",
    "instructions",
    "identifiers",
    "duplicate",
    "near-duplicate",
    "pages-left-out",
]


@dataclass(frozen=True, slots=True)
class DocumentFinding:
    """What a reviewer should look at before the document may be cited."""

    code: FindingCode
    what: str
    """One sentence for a librarian."""
    page: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """What is known of a document. Empty where nothing is known."""

    title: str = ""
    source: str = ""
    authors: tuple[str, ...] = ()
    date: str | None = None
    """ISO 8601: of the year, of the month or of the day."""
    version: str = ""
    """As the document itself says it: "3.1", "second edition"."""
    language: str = ""
    """BCP 47: "en", "pt"."""
    department: str = ""
    document_type: str = ""
    """"guideline", "protocol", "letter", ..."""
    tags: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each value comes from, by its field: "file", "first page", "classifier", "person"."""


NO_METADATA = DocumentMetadata()


@dataclass(frozen=True, slots=True)
class LibraryDocument:
    """One file as it was read."""

    content_hash: str
    """SHA-256 of the bytes: the id of this version."""
    source_format: DocumentFormat
    pages: tuple[DocumentPage, ...]
    metadata: DocumentMetadata = NO_METADATA
    findings: tuple[DocumentFinding, ...] = ()
