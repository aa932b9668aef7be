"""Dates as people and exports write them, as ISO 8601.

Decides what can only mean one day. What can mean two (03/04/2021) is refused, never guessed: the wrong guess moves a
finding by months. Time zones are kept as written, so that the day stays the day at the bedside.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import Enum
from typing import Final, Literal


class _Ambiguous(Enum):
    VALUE = "ambiguous"


AMBIGUOUS: Final = _Ambiguous.VALUE

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?:[T ,]+(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s*(?P<half>[ap]\.?m\.?)?)?"
_PARTIAL = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})[/.-](?P<month>\d{{1,2}})[/.-](?P<day>\d{{1,2}}){_TIME}", re.IGNORECASE
)
_YEAR_LAST = re.compile(
    rf"(?P<one>\d{{1,2}})[/.-](?P<two>\d{{1,2}})[/.-](?P<year>\d{{4}}){_TIME}", re.IGNORECASE
)
_DAY_NAMED_MONTH = re.compile(
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ /.-]*(?P<name>[a-z]{{3,9}})\.?[ ,/.-]*(?P<year>\d{{4}}){_TIME}",
    re.IGNORECASE,
)
_NAMED_MONTH_DAY = re.compile(
    rf"(?P<name>[a-z]{{3,9}})\.?[ -]*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[ -]+(?P<year>\d{{4}}){_TIME}",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(?P<day>\d{8})(?P<time>\d{4}|\d{6})?(?:\.\d+)?(?P<zone>[+-]\d{4})?")
"""HL7 v2's DTM as well: YYYYMMDD[HHMM[SS[.S]]][+/-ZZZZ]."""


def iso_date(text: str) -> str | Literal[_Ambiguous.VALUE] | None:
    """A date or date-time in ISO 8601, which compares as text; AMBIGUOUS, or None where it is no date.

    Read are ISO 8601 (also FHIR's YYYY and YYYY-MM), YYYYMMDD with or without time, 2021/3/14, 04-Mar-2021,
    March 4, 2021, and 3/14/2021 or 14.3.2021 where only one of the two numbers can be a month or both are the same.
    """
    text = text.strip()
    if _PARTIAL.fullmatch(text):
        return text
    if found := _COMPACT.fullmatch(text):
        return _compact(found)
    try:
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        return _written(datetime.fromisoformat(text))
    except ValueError:
        return _loose(text)


def _compact(found: re.Match[str]) -> str | None:
    time = found["time"] or ""
    form = "%Y%m%d" + {0: "", 4: "%H%M", 6: "%H%M%S"}[len(time)] + ("%z" if found["zone"] else "")
    try:
        moment = datetime.strptime(found["day"] + time + (found["zone"] or ""), form)  # noqa: DTZ007 -- kept as written
    except ValueError:
        return None
    return _written(moment) if time else moment.date().isoformat()


def _loose(text: str) -> str | Literal[_Ambiguous.VALUE] | None:
    if found := _YEAR_FIRST.fullmatch(text):
        return _assembled(found, int(found["month"]), int(found["day"]))
    if found := _DAY_NAMED_MONTH.fullmatch(text) or _NAMED_MONTH_DAY.fullmatch(text):
        return _assembled(found, _month(found["name"]), int(found["day"]))
    if found := _YEAR_LAST.fullmatch(text):
        one, two = int(found["one"]), int(found["two"])
        if one <= 12 and two <= 12 and one != two:
            return AMBIGUOUS
        return _assembled(found, min(one, two), max(one, two))
    return None


def _month(name: str) -> int:
    """1 to 12 for a month's English name or its first three letters, else 0."""
    start = name[:3].lower()
    return _MONTHS.index(start) + 1 if start in _MONTHS else 0


def _assembled(found: re.Match[str], month: int, day: int) -> str | None:
    try:
        moment = datetime(int(found["year"]), month, day)  # noqa: DTZ001 -- kept as written
        if not found["time"]:
            return moment.date().isoformat()
        hour, minute, *seconds = found["time"].split(":")
        moment = moment.replace(
            hour=_hour(int(hour), found["half"]),
            minute=int(minute),
            second=int(float(seconds[0])) if seconds else 0,
        )
    except ValueError:
        return None
    return _written(moment)


def _hour(hour: int, half: str | None) -> int:
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.lower().startswith("p") else 0)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
