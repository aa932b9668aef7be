"""What pypdf knows of a PDF besides its pages: metadata, forms, annotations, attachments; and a second opinion of text.

Decides what of it a reviewer is told. pypdf is slow with text and is asked for it only where PDFium's looks wrong.
"""

from __future__ import annotations

import datetime as dt
import io
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pypdf
from pypdf.errors import PyPdfError

from pipeline.library.records import NO_METADATA, DocumentFinding, DocumentMetadata, FindingCode

TITLE_CHARACTERS_MAX = 300
OVERLAP_MIN = 0.5
"""Of the letters of two readers; below, they do not read the same."""

_NO_TITLE = re.compile(r"(?i)(microsoft word - |untitled|document\d*$|.*\.(docx?|pdf|odt|rtf|indd|tex)$)")
_FAULTS = (
    PyPdfError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
    OSError,
    NotImplementedError,
    AssertionError,
    ZeroDivisionError,
    OverflowError,
)
"""What pypdf raises over damaged files; its text is asked for nothing that another reader has not."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)  # it quotes the file


_CALLED: Mapping[FindingCode, str] = {
    "form": "fields of a form",
    "annotations": "notes of readers",
    "attachments": "attached files",
}


class PdfFacts:
    """One file. Whatever pypdf cannot read counts as not there."""

    def __init__(self, content: bytes) -> None:
        self._reader: pypdf.PdfReader | None = None
        try:
            reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
            if not reader.is_encrypted or reader.decrypt(""):
                self._reader = reader
        except _FAULTS:
            self._reader = None

    def metadata(self) -> DocumentMetadata:
        """As the file says it."""
        try:
            info = self._reader.metadata if self._reader else None
            if info is None:
                return NO_METADATA
            title = _said(info.title)
            if _NO_TITLE.match(title):
                title = ""
            author = _said(info.author)
            date = info.modification_date or info.creation_date
            found = {"title": title, "authors": author, "date": date}
            return DocumentMetadata(
                title=title,
                authors=tuple(each.strip() for each in re.split(r"[;,]", author) if each.strip()),
                date=date.date().isoformat() if isinstance(date, dt.datetime) else None,
                origins={name: "file" for name, value in found.items() if value},
            )
        except _FAULTS:
            return NO_METADATA

    def findings(self) -> Iterator[DocumentFinding]:
        """Forms, annotations and attachments: what is in the file and not in its pages."""
        checks: tuple[tuple[FindingCode, Callable[[], Iterator[DocumentFinding]]], ...] = (
            ("form", self._form),
            ("annotations", self._annotations),
            ("attachments", self._attachments),
        )
        for code, check in checks:
            try:
                yield from check()
            except _FAULTS:
                yield DocumentFinding(
                    code, f"Whether it has {_CALLED[code]} could not be read: it is damaged."
                )

    def _form(self) -> Iterator[DocumentFinding]:
        fields = self._reader.get_fields() if self._reader else None
        if fields:
            yield DocumentFinding(
                "form", f"It is a form with {len(fields)} fields. What is filled in was not read."
            )

    def _annotations(self) -> Iterator[DocumentFinding]:
        for number, page in enumerate(self._reader.pages if self._reader else (), start=1):
            kinds = Counter(str(each.get_object().get("/Subtype", "")) for each in page.get("/Annots") or ())
            notes = sum(count for kind, count in kinds.items() if kind not in ("/Link", "/Widget", "/Popup"))
            if notes:
                yield DocumentFinding(
                    "annotations",
                    f"Page {number} has {notes} notes or marks of a reader. They were not read.",
                    number,
                )

    def _attachments(self) -> Iterator[DocumentFinding]:
        count = len(list(self._reader.attachment_list)) if self._reader else 0
        if count:
            yield DocumentFinding("attachments", f"{count} files are attached to it. They were not read.")

    def text(self, index: int) -> str | None:
        """Of the page counted from 0; None where pypdf cannot read it."""
        try:
            return self._reader.pages[index].extract_text() if self._reader else None
        except _FAULTS:
            return None


def overlap(one: str, other: str) -> float:
    """Share of letters that two texts have in common, whatever their order: 1 for the same letters."""
    first, second = _letters(one), _letters(other)
    total = max(first.total(), second.total())
    return (first & second).total() / total if total else 1.0


def digits(text: str) -> Counter[str]:
    """How often each digit stands in a text, raised ones with the others."""
    return Counter(each for each in unicodedata.normalize("NFKC", text) if each.isdecimal())


def _letters(text: str) -> Counter[str]:
    return Counter(each for each in text.casefold() if each.isalnum())


def _said(value: object) -> str:
    return " ".join(str(value or "").split())[:TITLE_CHARACTERS_MAX]
