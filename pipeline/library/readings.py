"""What was read of each original, so that no file is read twice: pages, boxes and findings, as compressed JSON.

Decides how a `LibraryDocument` is written. A reading that cannot be read back counts as none: the original is there.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.library import metadata as fields
from pipeline.library.records import DocumentFinding, DocumentPage, Heading, LibraryDocument, TextBox
from pipeline.storage.sqlite import storage_errors

READING_VERSION = 1
"""Raised where a document is read otherwise: readings of before count as none."""
_ENDING = ".json.gz"


@dataclass(frozen=True)
class Readings:
    """Readings in a folder, by the hash of the original."""

    root: Path

    def keep(self, document: LibraryDocument) -> None:
        """Replace what was read of that original."""
        place = self._path(document.content_hash)
        content = gzip.compress(json.dumps(as_record(document), ensure_ascii=False).encode(), mtime=0)
        with storage_errors(place):
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, arriving = tempfile.mkstemp(prefix=".arriving-", dir=place.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(arriving).replace(place)
            finally:
                Path(arriving).unlink(missing_ok=True)

    def of(self, content_hash: str) -> LibraryDocument | None:
        """None where there is none, none that this release can read, or where another file's lies in its place."""
        place = self._path(content_hash)
        try:
            content = gzip.decompress(place.read_bytes())
            document = of_record(json.loads(content))
            return document if document.content_hash == content_hash else None
        except FileNotFoundError:
            return None
        except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, TypeError):
            return None  # cut or of another release: read again from the original

    def hashes(self) -> Iterator[str]:
        """Of the originals that something is kept of, in no order."""
        yield from (place.name.removesuffix(_ENDING) for place in self.root.glob(f"??/*{_ENDING}"))

    def remove(self, content_hash: str) -> None:
        with storage_errors(self._path(content_hash)):
            self._path(content_hash).unlink(missing_ok=True)

    def _path(self, content_hash: str) -> Path:
        return self.root / content_hash[:2] / f"{content_hash}{_ENDING}"


def as_record(document: LibraryDocument) -> dict[str, Any]:
    """As JSON has it."""
    return {"reading_version": READING_VERSION, **asdict(document)}


def of_record(record: Mapping[str, Any]) -> LibraryDocument:
    """What `as_record` made. Raises ValueError for that of another release."""
    if record["reading_version"] != READING_VERSION:
        raise ValueError("read by another release")
    return LibraryDocument(
        content_hash=record["content_hash"],
        source_format=record["source_format"],
        pages=tuple(map(_page, record["pages"])),
        metadata=fields.of_record(record["metadata"]),
        findings=tuple(DocumentFinding(**each) for each in record["findings"]),
    )


def _page(record: Mapping[str, Any]) -> DocumentPage:
    boxes = tuple(TextBox(**each) for each in record["boxes"])
    headings = tuple(Heading(**each) for each in record["headings"])
    return DocumentPage(**{**record, "boxes": boxes, "headings": headings})
