"""The FHIR resources of one run as they are read, some of which name others that come later.

Decides which of them wait: for the end of their Bundle or file, or where they name a Binary next to it for the end of
the input, because a bulk export keeps Binaries in a file of their own. Everything is read once, so that a pipe will do.
What waits is kept in at most WAITING_BYTES_MAX; beyond that a resource is judged by what has come. Refuses to judge any
of them.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.readers.faults import fault
from pipeline.readers.fhir import notes as fhir
from pipeline.readers.fhir.bulk_export import is_about_the_export
from pipeline.readers.fhir.bundles import NOTE_RESOURCES, BinaryMemory, Bundle, EntryRecord
from pipeline.readers.fhir.elements import type_of
from pipeline.readers.reader import RawRecord, ReadItem
from pipeline.readers.record_format import RecordFormat
from pipeline.readers.sources import Source

WAITING_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _WaitingNote:
    source: Source
    position: str
    bundle: Bundle
    folder: bool
    elsewhere: bool
    """What it waits for may stand in another file."""
    packed: bytes
    """The resource and its entry; as objects they would take several times the room."""


class FhirReading:
    """One run's resources: each gives its notes immediately or, where it must wait, later."""

    def __init__(self) -> None:
        self._run = fhir.FhirRun()
        self._waiting: list[_WaitingNote] = []
        self._bytes = 0
        self._streamed: Bundle | None = None
        self._folders: dict[Path | None, Bundle] = {}
        self._beside: tuple[Source, Bundle] | None = None
        """What lies next to the resources of the source that is being read."""
        self._room = BinaryMemory()

    def notes(self, found: RawRecord, source: Source) -> Iterator[ReadItem]:
        """The notes of one resource, and before them those that waited for the end of another Bundle."""
        streamed, entry = (found.bundle, found.entry) if isinstance(found, EntryRecord) else (None, {})
        folder = streamed is None
        if streamed is not self._streamed:
            yield from self.end_of_source()
            self._streamed = streamed
        bundle = streamed or self._folder(source)
        if folder and type_of(found.columns) == "Binary":
            bundle.add({"resource": found.columns})
        if not fhir.carries_notes(found):
            return
        yield from self._judged(source, found.position, bundle, found.columns, entry, folder=folder)

    def end_of_source(self) -> Iterator[ReadItem]:
        """The notes that waited for the Bundle, or the file, that ends here."""
        waiting, self._waiting = self._waiting, [one for one in self._waiting if one.elsewhere]
        for one in waiting:
            if not one.elsewhere:
                yield from self._released(one)
        if self._streamed is not None:
            self._streamed.close()
        self._streamed = None

    def end_of_input(self) -> Iterator[tuple[Source, ReadItem]]:
        """The notes that waited for content in another file of their folder, each with its own source."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            for outcome in self._released(one):
                yield one.source, outcome
        for bundle in self._folders.values():
            bundle.close()
        self._folders.clear()
        self._beside = None

    def _folder(self, source: Source) -> Bundle:
        """What lies next to a resource: the Binaries of the same folder, never those of another export."""
        if self._beside is None or self._beside[0] is not source:
            folder = source.path.parent if source.path else None
            if folder not in self._folders:
                self._folders[folder] = Bundle(room=self._room)
            self._beside = source, self._folders[folder]
        return self._beside[1]

    def _judged(
        self,
        source: Source,
        position: str,
        bundle: Bundle,
        resource: Mapping[str, Any],
        entry: Mapping[str, Any],
        *,
        folder: bool,
    ) -> list[ReadItem]:
        try:
            return self._notes(resource, position, bundle, entry, folder=folder, final=False)
        except fhir.Pending as pending:
            packed = marshal.dumps([resource, entry])
            if self._bytes + len(packed) > WAITING_BYTES_MAX:
                return self._notes(resource, position, bundle, entry, folder=folder, final=True)
            self._bytes += len(packed)
            self._waiting.append(_WaitingNote(source, position, bundle, folder, pending.elsewhere, packed))
            return []

    def _released(self, one: _WaitingNote) -> list[ReadItem]:
        self._bytes -= len(one.packed)
        resource, entry = marshal.loads(one.packed)  # noqa: S302  our own bytes, of this very process
        try:
            return self._notes(resource, one.position, one.bundle, entry, folder=one.folder, final=True)
        except Exception as error:  # noqa: BLE001  logged by its class, and listed: one resource, not all that waited
            return [fault(one.position, error)]

    def _notes(
        self,
        resource: Mapping[str, Any],
        position: str,
        bundle: Bundle,
        entry: Mapping[str, Any],
        *,
        folder: bool,
        final: bool,
    ) -> list[ReadItem]:
        return fhir.notes(
            resource, position, run=self._run, bundle=bundle, entry=entry or None, final=final, folder=folder
        )


class FhirResources(RecordFormat):
    """FHIR as JSON, which the readers of JSON bring record by record."""

    title = "FHIR bundles and NDJSON"
    content_kinds = ("application/fhir+json", "application/fhir+ndjson")
    without_notes = f"FHIR resources of other types hold no notes (notes are in {', '.join(NOTE_RESOURCES)})"

    def takes(self, found: RawRecord) -> bool:
        return fhir.is_resource(found)

    def is_by_product(self, columns: Mapping[str, Any]) -> bool:
        return is_about_the_export(columns)

    def start(self) -> FhirReading:
        return FhirReading()
