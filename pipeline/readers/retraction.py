"""Whether a record says of itself that its source took it back.

Decides by the names of flags and of status columns, and by what stands in them: MIMIC's ISERROR, OpenMRS' voided, a
deletion's time, "entered in error". A note that was retracted must not be found. A column that holds something else
under such a name has to be renamed. Refuses to know which note it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_FLAG = re.compile(
    r"(?:is|was|note|document|doc|report|record|row|entry|text|result)*(?:"
    r"(?:date|time)?(?:inerror|(?:entered|filed|charted|marked)inerror|erroneous|deleted|retracted|voided|withdrawn|"
    r"nullified|cancell?ed|revoked)"
    r"(?:flag|flg|ind|indicator|yn|at|on|by|date|datetime|time|dttm|dtm|dt|ts|reason)?"
    r"|(?:deletion|retraction)(?:date|datetime|time|dttm|dt|reason)"
    r"|(?:error|delete|del|void)(?:flag|flg|ind|indicator|yn)|(?:void|delete)reason"
    r")|is(?:error|void)"
)
_STATUS = re.compile(
    r"(?:note|document|doc|report|record|rec|row|entry|result|text|completion|availability|signature)*(?:status|state)"
    r"(?:name|code|cd|desc|description|display|text|value)?"
)
_RETRACTED = re.compile(
    r"(?:entered|recorded|filed|charted|documented|marked)?inerror.*|"
    r"(?:erroneous|error|retracted|voided|void|deleted|withdrawn|nullified|revoked|cancell?ed)(?:(?:\W|by).*)?"
)
_NO = frozenset(
    (
        *(
            "",
            "0",
            "0.0",
            "f",
            "false",
            "n",
            "no",
            "none",
            "null",
            "nan",
            "nat",
            "n/a",
            "<na>",
            "\\n",
            "active",
        ),
        *(
            "-",
            "--",
            "(null)",
            "[null]",
            "undefined",
            "off",
            "nein",
            "non",
            "not deleted",
            "not voided",
            "valid",
        ),
        *("0000-00-00", "0000-00-00 00:00:00", "9999-12-31", "9999-12-31 00:00:00", "9999-12-31 23:59:59"),
    )
)
_MARKS = re.compile(r"[\s_./-]")


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
    return isinstance(status, str) and _RETRACTED.fullmatch(_plain(status)) is not None


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
        is_flag = _FLAG.fullmatch(plain) is not None
        if is_flag or _STATUS.fullmatch(plain):
            yield column, is_flag
