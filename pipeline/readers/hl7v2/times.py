"""HL7's own way of writing dates and times (YYYYMMDDHHMMSS.SSSS+ZZZZ), which HL7 v2 and CDA share.

Decides how much of one is said: a year or a month stays one, an hour without minutes is its day, because no one wrote
the minutes. What is no date is handed on as it stands, for `validation.py` to judge.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d{2})(?:(?P<day>\d{2})(?:(?P<clock>\d{2}|\d{4}|\d{6})(?:[.,]\d+)?)?)?)?"
    r"(?P<zone>[+-]\d{4}|Z)?"
)


def iso_of(text: str) -> str | None:
    """ISO 8601 as precise as the source: "202403" gives "2024-03". None for nothing; other text as it stands."""
    text = text.strip().strip('"')
    if not text or not text.strip("0"):
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    year, month, day, clock = found["year"], found["month"], found["day"], found["clock"] or ""
    if not day:
        return f"{year}-{month}" if month else year
    date = f"{year}-{month}-{day}"
    if len(clock) < 4 or clock[:2] > "23":
        return date
    seconds = clock[4:6] or "00"
    zone = found["zone"] or ""
    if len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    return f"{date}T{clock[:2]}:{clock[2:4]}:{seconds}{zone.replace('Z', '+00:00')}"


def instant_of(text: str) -> str | None:
    """The moment in UTC, to compare versions by; None where the text does not say a day.

    A time without a zone counts as UTC: it is compared with times of the same sender, who leaves the zone out always.
    """
    iso = iso_of(text)
    if not iso or len(iso) < 10:
        return None
    try:
        moment = datetime.fromisoformat(iso)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if fraction := re.search(r"[.,](\d{1,6})", text):
        moment = moment.replace(microsecond=int(fraction[1].ljust(6, "0")))
    return moment.isoformat(timespec="microseconds")
