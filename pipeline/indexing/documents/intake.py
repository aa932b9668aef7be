"""A file becomes a version of a document: kept, read, judged, and on its way to a reviewer.

What a command and the service do alike. Decides the order: the original and its row first, so that nothing is lost from
then on; then the reading, which may be cut off anywhere and begins again. Knows no command and no store of notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pipeline.errors import (
    ChartwellError,
    LibraryError,
    StoreDamaged,
    UnreadableDocument,
    VersionUnknown,
)
from pipeline.library.catalogue import Domains
from pipeline.library.classification import classify_document, with_classification
from pipeline.library.identifiers import identifier_findings, instruction_findings
from pipeline.library.library import Library
from pipeline.library.records import NO_METADATA, DocumentMetadata, LibraryDocument
from pipeline.library.versions import (
    Added,
    LibraryDomain,
    LibraryQuery,
    LibraryVersion,
    ReadingRefusal,
    StoredRelevance,
)


class DocumentReader(Protocol):
    """Reads files within limits of time and memory."""

    def read(self, path: Path, file_name: str = "") -> LibraryDocument:
        """Raises UnreadableDocument."""


RelevanceJudge = Callable[[LibraryDomain, LibraryDocument], StoredRelevance | None]
"""How a document stands to the topic of its domain; None where the domain states none."""


@dataclass(frozen=True)
class Intake:
    """Where files of the library come in."""

    library: Library
    reader: DocumentReader
    judge: RelevanceJudge = lambda _domain, _document: None

    def take(
        self,
        path: Path,
        file_name: str,
        domain: str,
        by: str,
        *,
        metadata: DocumentMetadata = NO_METADATA,
        supersedes: str = "",
        domains: Domains = None,
    ) -> Added:
        """Keep a file and read it. What could not be read is no error: the version says so.

        Raises DomainUnknown, and VersionUnknown for a document that it cannot be a version of.
        """
        with path.open("rb") as file:
            added = self.library.take_in(
                file, file_name, domain, by, metadata=metadata, supersedes=supersedes, domains=domains
            )
        return replace(added, version=self.read(added.version))

    def read(self, version: LibraryVersion) -> LibraryVersion:
        """Read one that was uploaded; any other stays as it is, and so does one that somebody removes meanwhile. A lost
        or damaged original costs its own document: to upload the file again brings it back."""
        if version.state != "uploaded":
            return version
        catalogue = self.library.catalogue
        try:
            document = self.document(version)
        except UnreadableDocument as refused:
            return self._refused(version, refused.kind, refused)
        except (LibraryError, StoreDamaged) as lost:
            return self._refused(version, "original-lost", lost)
        relevance = self.judge(catalogue.domain(version.domain), document)
        try:
            near = self.library.near_duplicates(version.version_id, document)
            return catalogue.record_reading(version.version_id, document, relevance, near)
        except VersionUnknown:
            return version

    def _refused(self, version: LibraryVersion, kind: str, refused: ChartwellError) -> LibraryVersion:
        try:
            return self.library.catalogue.record_unreadable(
                version.version_id, ReadingRefusal(kind, refused.what, refused.remedy)
            )
        except VersionUnknown:
            return version

    def read_waiting(self) -> Iterator[LibraryVersion]:
        """Those that were kept and not read, as a process that was cut off leaves them."""
        for version in list(self.library.catalogue.every(LibraryQuery(states=("uploaded",)))):
            yield self.read(version)

    def document(self, version: LibraryVersion) -> LibraryDocument:
        """What was read of a version, read again where that is lost. Raises UnreadableDocument, and LibraryError where
        the original is gone as well."""
        known = self.library.readings.of(version.content_hash)
        if known is not None:
            return known
        with self.library.originals.as_file(version.content_hash) as path:
            read = self.reader.read(path, version.file_name)
        document = replace(
            read,
            metadata=with_classification(read.metadata, classify_document(read)),
            findings=(*read.findings, *identifier_findings(read), *instruction_findings(read)),
        )
        self.library.readings.keep(document)
        return document
