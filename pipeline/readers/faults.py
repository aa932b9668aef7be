"""What a fault of this program costs while it reads: one record, or where a reader itself broke the rest of its source.

Decides the words for it. The log has the kind of the fault and its place in the code, never a piece of the record.
"""

from __future__ import annotations

from pipeline.logs import LOGGER, fault_fields
from pipeline.readers.reader import UnreadableRecord


def fault(
    position: str, error: Exception, *, whole: bool = False, resource_id: str | None = None
) -> UnreadableRecord:
    """The record that was lost to `error`, or with `whole` the rest of its source. Logs it."""
    LOGGER.error("a record could not be read", extra={"position": position, **fault_fields(error)})
    return UnreadableRecord(
        position,
        "The record could not be read because of a fault in this program.",
        f"The fault is of the kind {type(error).__name__}; the log names it too. Report it with a record like this "
        "one that holds no real data.",
        resource_id=resource_id,
        whole=whole,
    )
