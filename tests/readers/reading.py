"""What the tests of the readers share: a file read to its end, and what came of it."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import IndexingSettings
from pipeline.indexing.validation import ValidNote, accept
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import Rejection, SourceRecord

SETTINGS = IndexingSettings()


def records(*inputs: Path | str, limits: IndexingSettings = SETTINGS) -> list[SourceRecord | Rejection]:
    """What the readers hand on."""
    return list(read_sources([str(one) for one in inputs], FieldMapping(), limits))


def notes(*inputs: Path | str, limits: IndexingSettings = SETTINGS) -> list[ValidNote]:
    """Every note as it was read, before one version is preferred to another; rejections are left out."""
    taken = [accept(one, limits) for one in records(*inputs, limits=limits) if isinstance(one, SourceRecord)]
    return [one for one in taken if isinstance(one, ValidNote)]


def refused(*inputs: Path | str, limits: IndexingSettings = SETTINGS) -> list[Rejection]:
    """Every record that was not taken."""
    found = [
        accept(one, limits) if isinstance(one, SourceRecord) else one
        for one in records(*inputs, limits=limits)
    ]
    return [one for one in found if isinstance(one, Rejection)]
