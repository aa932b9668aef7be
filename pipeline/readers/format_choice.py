"""The formats that are read, and the reader of a source among them.

Decides nothing of a format: each reader says what it makes of a source, and what is listed in messages. A format is
added by `with_format`, or for good by a line in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline.readers import foreign
from pipeline.readers.foreign import UnknownFormat
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import Opened, RawRecord, Reader, ReadOptions, UnreadableSource
from pipeline.readers.record_format import RecordFormat
from pipeline.readers.sniffing import named, sniff
from pipeline.readers.streams import COMPRESSED


@dataclass(frozen=True)
class Registry:
    """Formats in the order in which messages list them. Of two that are as sure of a source, the later one gets it."""

    formats: tuple[Reader | RecordFormat, ...]
    vague_suffixes: tuple[str, ...] = ()
    """Read in a folder too; what is in such a file only its content says."""

    def __post_init__(self) -> None:
        """Raises ValueError for a reader that would take every source: its own would never be asked."""
        for reader in self.readers:
            if b"" in reader.magic or "" in (*reader.suffixes, *reader.content_kinds):
                raise ValueError(
                    f"the reader of {reader.title} takes everything: its magic or suffix is empty"
                )

    def with_format(self, added: Reader | RecordFormat) -> Registry:
        return Registry((*self.formats, added), self.vague_suffixes)

    @cached_property
    def readers(self) -> tuple[Reader, ...]:
        return tuple(one for one in self.formats if isinstance(one, Reader))

    @cached_property
    def _of_bytes(self) -> tuple[Reader, ...]:
        return tuple(reader for reader in reversed(self.readers) if reader.magic)

    @cached_property
    def _of_text(self) -> tuple[Reader, ...]:
        return tuple(reader for reader in reversed(self.readers) if not reader.magic)

    @cached_property
    def record_formats(self) -> tuple[RecordFormat, ...]:
        return tuple(one for one in self.formats if not isinstance(one, Reader))

    @cached_property
    def suffixes(self) -> tuple[str, ...]:
        """Read when found in a folder, each also compressed. A file named by the user is read whatever its name."""
        found = (suffix for reader in self.readers for suffix in reader.suffixes)
        return (*found, *self.vague_suffixes)

    @cached_property
    def read_formats(self) -> str:
        """The sentence that lists them."""
        return f"Read are {', '.join(one.title for one in self.formats)}, each also as {COMPRESSED}."

    @cached_property
    def without_notes(self) -> str:
        """What holds no note in the formats that were read to their end."""
        return f"{', and '.join(one.without_notes for one in self.formats if one.without_notes)}."

    def names(self, name: str) -> bool:
        """Whether a file of this name is read when it is found in a folder."""
        return name.endswith(self.suffixes)

    def takes(self, found: RawRecord) -> bool:
        """Whether a record is one of those that a format makes notes of."""
        return any(one.takes(found) for one in self.record_formats)

    def is_by_product(self, columns: Mapping[str, Any]) -> bool:
        """Whether a record is about the export that brought it: it holds no note, and that is no fault."""
        return any(one.is_by_product(columns) for one in self.record_formats)

    def reader_of(self, opened: Opened, options: ReadOptions) -> Reader:
        """The reader of a source. Raises UnreadableSource where no record can be in it: empty, of no format that is
        read, or not what its name says."""
        try:
            reader = sniff(self._of_bytes, self._of_text, opened, named(self.readers, opened))
            broken = reader.refusal(opened) if reader else None
        except UnknownFormat as error:
            raise UnreadableSource(error.reason, f"{error.remedy} {self.read_formats}") from error
        if broken is not None:
            raise broken
        if reader is not None:
            return reader
        for guessing in self.readers:
            if guessing.guess(opened, options):
                return guessing
        raise UnreadableSource(
            "The format is not recognised.",
            f"{self.read_formats} Give the file the suffix of its format. A plain note on standard input needs "
            "--default resource_id=..., --default patient_id=... and --default document_type=...",
        )

    def cure(self, opened: Opened) -> str:
        """What to do with a file whose name is of no format that is read."""
        try:
            if opened.head.strip():
                utf8(opened)
        except UnknownFormat as error:
            return f"{error.remedy} {self.read_formats}"
        except UnreadableSource as error:
            return error.remedy
        return f"{foreign.cure(opened.name)} {self.read_formats}".strip()
