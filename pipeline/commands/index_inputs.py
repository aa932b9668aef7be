"""What holds of the inputs of a run, notes or images, before it begins.

Decides that nothing stored makes way for nothing, and that a run does not read what an earlier one rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from pipeline.errors import InputUnusable
from pipeline.records import Rejection, SourceRecord

RECORDS_LOOKED_AT_MAX = 100
"""By --fresh, before it forgets what is stored."""


def require_one_taken(
    records: Iterator[SourceRecord | Rejection],
    is_taken: Callable[[SourceRecord], bool],
    none_taken: Callable[[int], str],
) -> Iterator[SourceRecord | Rejection]:
    """The same records, once one of the first is taken. Raises InputUnusable where none is; `none_taken` words that,
    by how many were looked at."""
    ahead: list[SourceRecord | Rejection] = []
    for record in islice(records, RECORDS_LOOKED_AT_MAX):
        ahead.append(record)
        if isinstance(record, SourceRecord) and is_taken(record):
            return chain(ahead, records)
    raise InputUnusable(
        f"{none_taken(len(ahead))}, so nothing was removed.",
        remedy="--dry-run lists what is wrong with each.",
    )


def require_outside(inputs: Sequence[str], rejections_file: Path) -> Path:
    """The file for rejections, which must not be read by the next run. Raises InputUnusable where it would be."""
    for each in inputs:
        if rejections_file.resolve().is_relative_to(Path(each).resolve()):
            raise InputUnusable(
                f"The errors file {rejections_file} lies inside the input {each}.",
                remedy="Name one elsewhere: --errors FILE, or CHARTWELL_DATA_DIR=FOLDER for all that is written.",
            )
    return rejections_file
