"""Whether a note's date falls into a period, where either may be known to the year, the month, the day or the moment.

Decides that both are intervals, and that a note belongs to a period where the two overlap: a note of "2024-03" is found
by a search from 2024-03-10 on, because it may have been written then. Times are compared as they are written, to the
second, whatever their zone: the day stays the day at the bedside. A store says the same in its own language, from the
texts of a `Period`; this module knows no store and no note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pipeline.errors import BadRequest

_BOUND = re.compile(
    r"(?P<date>\d{4}(?:-\d{2}){0,2})(?:(?<=-\d{2}-\d{2})[T ]"
    r"(?P<time>\d{2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.IGNORECASE | re.ASCII,
)
_PRECISIONS = (4, 7, 10, 16)
"""How many characters of a moment name its year, month, day and minute."""


@dataclass(frozen=True, slots=True)
class Period:
    """A period as text that compares with the dates of notes; None where it is open at that end."""

    since: str | None
    until: str | None

    @classmethod
    def of(cls, since: str | None, until: str | None) -> Period:
        """The period from `since` until `until`, both included. Raises BadRequest where one of them is no date, or
        where the period ends before it begins."""
        first = None if since is None else _bound(since, "beginning")
        last = None if until is None else _bound(until, "end")
        if first is not None and last is not None and last < first[: len(last)]:
            raise BadRequest(
                "The period ends before it begins.",
                remedy="Give the earlier day as its beginning (since) and the later one as its end (until): both are "
                "included.",
            )
        return cls(first, last)

    @property
    def containing(self) -> tuple[str, ...]:
        """The less precise dates that the beginning lies in, widest first: "2024-03-10" lies in "2024" and "2024-03".
        They compare as earlier, and a note of that date may be of the period all the same."""
        first = self.since or ""
        return tuple(first[:length] for length in _PRECISIONS if length < len(first))

    def last(self, last_character: str) -> str | None:
        """No later date is of the period. `last_character` is one that the store sorts behind every character of a
        date: so an end takes in every moment of its year, month or day."""
        return None if self.until is None else self.until + last_character

    def admits(self, noted: str | None) -> bool:
        """Whether a note of that date may be of the period. One without a date is of none that has an end."""
        if noted is None:
            return self.since is None and self.until is None
        return (self.since is None or noted >= self.since or noted in self.containing) and (
            self.until is None or noted[: len(self.until)] <= self.until
        )


def beside(date: str, step: Literal[1, -1]) -> str:
    """The day, month or year behind one of that precision, or before it: 2021-01 for 2020-12. ISO 8601 in and out."""
    if len(date) == 4:
        return f"{int(date) + step:04}"
    if len(date) == 7:
        months = int(date[:4]) * 12 + int(date[5:]) - 1 + step
        return f"{months // 12:04}-{months % 12 + 1:02}"
    return (datetime.fromisoformat(date[:10]) + timedelta(days=step)).date().isoformat()


def _bound(text: str, which: str) -> str:
    """`YYYY[-MM[-DD[THH:MM[:SS]]]]`."""
    found = _BOUND.fullmatch(text.strip())
    if found is not None:
        day, time = found["date"], found["time"] or "00:00"
        try:
            datetime.fromisoformat(f"{day}{'-01-01'[len(day) - 4 :]}T{time}")
        except ValueError:
            pass
        else:
            return f"{day}T{time}" if found["time"] else day
    raise BadRequest(f"The {which} of the period is not a date.", remedy="Write it as YYYY-MM-DD.")
