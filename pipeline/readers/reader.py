"""What a reader of a format declares, gets and hands on: bytes in; records with their columns out, or what could not
be read.

A reader knows its format and positions in it. It knows neither our fields (the mapping does), nor where its bytes come
from (`sources.py` does), nor any other format: `registry.py` asks each what it makes of a source. A reader of text
begins with `utf8(opened)`; one of any other bytes declares its magic and takes `opened` as it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, BinaryIO, ClassVar, Protocol, TypeAlias, runtime_checkable

from pipeline.config import IndexingSettings
from pipeline.patients import SourcePatient
from pipeline.readers.field_mapping import FieldMapping
from pipeline.records import NoteVersion

BYTES_PER_CHARACTER_MAX = 6
"""JSON may write one character as \\uXXXX; base64 of UTF-8 takes no more than 16/3."""

RECORD_OVERHEAD_BYTES = 1024 * 1024
"""Room for a record's other fields."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who gave a patient's id, where another may have given the same one to another person."""

    naming: str
    """The way of naming authorities; only names of one way are compared."""
    name: str
    reference: str
    """How the source names the patient in full."""
    lasting: str | None = None
    """The way of naming by which the next export of the same source calls it the same; None where it may not."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record: column names to raw values."""

    position: str
    columns: Mapping[str, Any]
    note: bool = False
    """True where the columns are our own fields already (FHIR, text files), so that no mapping is expected of the
    user."""
    offered: Mapping[str, str] = field(default_factory=dict)
    """Columns that a `--map` may name and that say nothing of their own otherwise (the parts of a path)."""
    version: NoteVersion | None = None
    """What the source says of the note's version; None where it says nothing."""
    authority: Authority | None = None
    """Who gave `patient_id`; None where no one else can have given the same."""
    patient: SourcePatient | None = None
    """What the source says of the patient besides the note; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """One record, or with `whole` the rest of the source, that cannot be read."""

    position: str
    reason: str
    """A fixed sentence: reasons are counted."""
    remedy: str
    """What to do, with the figures of this very case. Never a piece of the text."""
    resource_id: str | None = None
    about: str | None = None
    """Our field that it is about, where it is about one."""
    whole: bool = False
    withdrawn: bool = False
    """The source took the note back: a stored one must go."""
    patient_id: str | None = None
    """Whose note was withdrawn, where the source says."""
    version: NoteVersion | None = None
    """Of the record that was refused, where the source says."""
    authority: tuple[str, str] | None = None
    """Who gave the ids of a withdrawn note, where another may have given the same ones: way of naming, and name."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What a `--map` may name to know the note and its patient by, as it does where the record is taken."""


ReadItem: TypeAlias = RawRecord | UnreadableRecord
"""What a source holds, one after the other."""


class UnreadableSource(Exception):
    """Reading cannot go on in this source. Becomes a Rejection or an InputError in `read_sources`, never escapes."""

    def __init__(self, reason: str, remedy: str, *, found: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        """A fixed sentence."""
        self.remedy = remedy
        self.found = found
        """What is there instead, for example the columns."""


@dataclass(slots=True, eq=False)
class Opened:
    """A source, open: its bytes from the first one, unpacked where they were compressed, and a look at that
    beginning."""

    stream: io.BufferedReader[Any]
    head: bytes
    whole: bool
    """True where `head` is all there is."""
    label: str
    """How messages call the source."""
    inside: str = ""
    """Its path below the folder that the user named, or its name; "" for a stream without a name."""
    name: str = ""
    """The file's name in lower case, without the suffix of a compression."""
    content_kind: str = ""
    """The media type that its sender states, "text/csv"; "" where no one does."""
    file: BinaryIO | None = None
    """What is closed at the end; None for standard input, which is not ours."""
    is_utf8: bool = False
    """True from the moment that a reader of text asked for it (`utf8.py`)."""

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user and the settings say of all sources."""

    mapping: FieldMapping
    """For readers that must know which column is the text, or names the note; values are none of theirs."""
    settings: IndexingSettings

    @property
    def bytes_max(self) -> int:
        """The longest record that is taken into memory, in bytes of the source; a longer one is passed over."""
        return self.settings.note_characters_max * BYTES_PER_CHARACTER_MAX + RECORD_OVERHEAD_BYTES

    @property
    def characters_max(self) -> int:
        """The same in characters, for what is decoded before it is cut into records."""
        return self.settings.note_characters_max + RECORD_OVERHEAD_BYTES


class Certainty(IntEnum):
    """What a reader says of a source that it may read; the surest reader gets it."""

    POSSIBLE = 1
    """It is named so, but what stands in a file of that name may be anything: text."""
    LIKELY = 2
    """The beginning looks like it."""
    NAMED = 3
    """The name or the sender says so."""
    CERTAIN = 4
    """The beginning can be nothing else, or no other format is ever named so."""


@runtime_checkable
class Reader(Protocol):
    """One format. A class that declares `suffixes` or `magic` and has `read` is a whole reader."""

    title: ClassVar[str]
    """As the list of what is read has it: "tables (.csv, .tsv)"."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Of file names in lower case. Files named so are read when they are found in a folder."""
    magic: ClassVar[tuple[bytes, ...]] = ()
    """First bytes of what is no text. None for text."""
    magic_at: ClassVar[int] = 0
    """Bytes before them: 128 in DICOM."""
    content_kinds: ClassVar[tuple[str, ...]] = ()
    """Media types in lower case."""
    without_notes: ClassVar[str] = ""
    """What of the format holds no note and is passed over without a word, for a source in which there was nothing
    else."""

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        """Whether it is this format, from its beginning and the reader that its name or its sender means; None where
        it is not. A format of text is asked only where no magic fits."""
        if opened.head.startswith(self.magic, self.magic_at):
            return Certainty.CERTAIN
        return Certainty.NAMED if named is self else None

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        """Why no record can be in what begins like this; None where some may."""
        return None

    def guess(self, opened: Opened, options: ReadOptions) -> bool:
        """Whether text that no reader is sure of is this format, as the user's mapping has it."""
        return False

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        """Every record in order, and what cannot be read, one record at a time in memory.

        Raises UnreadableSource where reading cannot go on.
        """
        ...
