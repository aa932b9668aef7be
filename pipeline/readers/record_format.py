"""A format whose notes are found in the records that readers hand on, some of them only together.

FHIR is one: its resources come as JSON objects, by themselves, in Bundles or as lines, and one may name another that
stands further down or in another file. Such a format declares which records are its own, and makes the notes of a run
from them; it reads no bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol

from pipeline.readers.reader import RawRecord, ReadItem
from pipeline.readers.sources import Source


class NoteRun(Protocol):
    """The notes of one run, from its first input to its last."""

    def notes(self, found: RawRecord, source: Source) -> Iterator[ReadItem]:
        """Those that a record completes: none where it holds none, or must wait."""
        ...

    def end_of_source(self) -> Iterator[ReadItem]:
        """Those that waited for the end of the source."""
        ...

    def end_of_input(self) -> Iterator[tuple[Source, ReadItem]]:
        """Those that waited for another file of the input, each with its own source."""
        ...


class RecordFormat(Protocol):
    """What such a format declares; nothing of it changes from run to run."""

    title: ClassVar[str]
    content_kinds: ClassVar[tuple[str, ...]] = ()
    without_notes: ClassVar[str] = ""

    def takes(self, found: RawRecord) -> bool:
        """Whether a record is this format's. No columns are expected of it, and no mapping."""
        ...

    def is_by_product(self, columns: Mapping[str, Any]) -> bool:
        """Whether a record is about the export that brought it: it holds no note, and that is no fault."""
        return False

    def start(self) -> NoteRun:
        """A new run."""
        ...
