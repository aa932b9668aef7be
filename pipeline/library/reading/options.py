"""How a file is read, and how large one may be.

The limits of time and memory are those of the process that reads (`pipeline.processes`); these here refuse early and
say why.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import UnreadableDocument


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What one file may be."""

    file_bytes_max: int = 100 * 1024**2
    pages_max: int = 5000
    """A longer one is a bound series; it is cited better in parts."""
    characters_max: int = 20_000_000
    inflated_bytes_max: int = 300 * 1024**2
    """Of a DOCX, all its parts unpacked."""
    parts_max: int = 5000
    """Of a DOCX."""
    render_pixels_max: int = 40_000_000
    """Of one page as an image."""

    def require_bytes(self, size: int) -> None:
        """Raises UnreadableDocument where a file of that size is not read."""
        if size == 0:
            raise UnreadableDocument(
                "The file is empty.", remedy="Export or download it again, then upload it.", kind="empty"
            )
        if size > self.file_bytes_max:
            raise too_large(f"The file has more than {self.file_bytes_max:,} bytes.")

    def require_pages(self, pages: int) -> None:
        """Raises UnreadableDocument for more pages than are read, and for none."""
        if pages < 1:
            raise UnreadableDocument(
                "The file has no page.", remedy="Export or download it again, then upload it.", kind="damaged"
            )
        if pages > self.pages_max:
            raise too_large(f"The document has {pages:,} pages; at most {self.pages_max:,} are read.")


@dataclass(frozen=True, slots=True)
class DocumentReadingOptions:
    """What may be decided about reading."""

    limits: ReadingLimits = ReadingLimits()
    recognise_text: bool = True
    """Whether pages without text are read by tesseract, where the machine has it."""
    ocr_languages: str = "eng"
    """As tesseract names them, joined by "+"."""
    ocr_seconds_max: float = 30.0
    """For one page."""


def too_large(what: str) -> UnreadableDocument:
    """What is refused for its size, whichever size it is."""
    return UnreadableDocument(what, remedy="Split it into parts, and upload those.", kind="too-large")
