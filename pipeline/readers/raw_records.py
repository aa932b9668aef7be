"""What a source holds, whichever reader is its own, with its break as the last item.

Decides what a reader that stops costs: the rest of its source, never another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import ChartwellError
from pipeline.readers.faults import fault
from pipeline.readers.format_choice import Registry
from pipeline.readers.reader import (
    Opened,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)


def raw_records(opened: Opened, options: ReadOptions, formats: Registry) -> Iterator[ReadItem]:
    """The records of an open source in order."""
    position = ""
    try:
        for item in formats.reader_of(opened, options).read(opened, options):
            position = item.position
            yield item
    except UnreadableSource as broken:
        yield UnreadableRecord(
            f"after {position}" if position else "", broken.reason, broken.remedy, whole=True
        )
    except ChartwellError:
        raise
    except Exception as error:  # noqa: BLE001  logged by its class, and listed: one source must not cost the others
        yield fault(f"after {position}" if position else "", error, whole=True)
