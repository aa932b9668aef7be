"""What a format reader hands on: a record with its columns, or a part of a source that could not be read.

The readers know formats and positions. They know neither our fields (the mapping does) nor how a source was named
(`sources.py` does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.readers.fhir.bundles import Bundle
from pipeline.records import NoteVersion


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
    bundle: Bundle | None = None
    """The FHIR Bundle that is being read, where the record is the resource of one of its entries."""
    entry: Mapping[str, Any] = field(default_factory=dict)
    """That entry's other elements: fullUrl, request, response."""


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


class UnreadableSource(Exception):
    """Reading cannot go on in this source. Becomes a Rejection or an InputError in `read_sources`, never escapes."""

    def __init__(self, reason: str, remedy: str, *, found: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        """A fixed sentence."""
        self.remedy = remedy
        self.found = found
        """What is there instead, for example the columns."""
