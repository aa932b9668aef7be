"""Whether a record says of itself that its source took it back.

Decides by the names of flags and of status columns, and by what stands in them: MIMIC's ISERROR, OpenMRS' voided, a
deletion's time, "entered in error". A note that was retracted must not be found. Whoever keeps something else under
such a name renames the column. Refuses to know which note it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_FLAGS = frozenset(
    (
        *(
            "iserror",
            "iserroneous",
            "errorflag",
            "enteredinerror",
            "isenteredinerror",
            "inerror",
            "filedinerror",
        ),
        *("deleted", "isdeleted", "deletedflag", "deletedat", "deletedon", "datedeleted", "deletiondate"),
        *("retracted", "isretracted", "retractedflag", "retractedat", "retractedon", "retractiondate"),
        *("voided", "isvoided", "isvoid", "voidedflag", "voidedat", "voidedon", "datevoided"),
        *("withdrawn", "iswithdrawn", "withdrawnat", "nullified", "isnullified", "cancelled", "canceled"),
        *("iscancelled", "iscanceled", "deleteflag", "delflag", "erroneous"),
    )
)
_STATUSES = frozenset(
    (
        *(
            "status",
            "docstatus",
            "documentstatus",
            "notestatus",
            "reportstatus",
            "recordstatus",
            "resultstatus",
        ),
        *("textstatus", "statusname", "statuscode", "completionstatus", "availabilitystatus", "state"),
    )
)
_RETRACTED = frozenset(
    (
        *(
            "enteredinerror",
            "inerror",
            "erroneous",
            "error",
            "recordedinerror",
            "filedinerror",
            "chartedinerror",
        ),
        *(
            "retracted",
            "voided",
            "void",
            "deleted",
            "withdrawn",
            "nullified",
            "revoked",
            "cancelled",
            "canceled",
        ),
    )
)
_NO = frozenset(
    ("", "0", "0.0", "f", "false", "n", "no", "none", "null", "nan", "nat", "n/a", "<na>", "\\n", "active")
)
_MARKS = re.compile(r"[\s_.-]")


def retracted_by(record: Mapping[str, Any]) -> str | None:
    """The column by which the record says that it was entered in error, deleted or withdrawn; None where none does."""
    for name, is_flag in _telling(tuple(record)):
        value = record[name]
        if _says_yes(value) if is_flag else is_retracted_status(value):
            return name
    inside = record.get("metadata")
    return retracted_by(inside) if isinstance(inside, Mapping) else None


def is_retracted_status(status: Any) -> bool:
    """Whether a status' value means that the note counts no more."""
    return isinstance(status, str) and _plain(status) in _RETRACTED


def _says_yes(value: Any) -> bool:
    """A flag is set by whatever is no way of writing no: 1, true, X, the time of a deletion, a reason."""
    if isinstance(value, str):
        return value.strip().casefold() not in _NO
    return bool(value) and value == value  # noqa: PLR0124  NaN is no value


def _plain(name: str) -> str:
    return _MARKS.sub("", name).casefold()


@lru_cache(maxsize=1000)
def _telling(columns: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Columns that may say it, and whether each is a flag."""
    return tuple(_named(columns))


def _named(columns: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    for column in columns:
        plain = _plain(column)
        if plain in _FLAGS or plain in _STATUSES:
            yield column, plain in _FLAGS
