"""The dates that a text writes, where they stand, and whether they say when something was.

Decides what a sentence's own date is: a day, a month or a year that can be read without a guess. Of 03/04/2021, which
may be two days, the year is all that is known. Not a birth date, and not what lies ahead ("due in 04/2022"). A date
after "since" says when something began, not when it was seen. Refuses to know when the note was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.text.dates import AMBIGUOUS, iso_date

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WRITTEN = re.compile(
    rf"(?<![\w/.-])(?:(?P<iso>(?:19|20)\d\d-\d\d(?:-\d\d)?)(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|(?P<numbers>\d{1,2}(?P<mark>[/.-])\d{1,2}(?P=mark)(?P<end>(?:19|20)?\d\d))|(?P<month>\d{1,2}/(?:19|20)\d\d)"
    rf"|(?P<worded>{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d\d|\d{{1,2}}(?:st|nd|rd"
    rf"|th)?[ -](?:of )?{_MONTH}[ ,-]+"
    rf"(?:19|20)\d\d|{_MONTH}(?: of|,)? (?:19|20)\d\d)"
    r"|(?P<year>(?:19|20)\d\d)(?=\s*(?:$|[.,;:)\n]|and\b|with\b|for\b|when\b|after\b|but\b|showed\b|was\b|by\b|at\b)))"
    r"(?![\w/]|-\d)",
    re.IGNORECASE,
)
_YEAR_AFTER = re.compile(
    r"(?:\b(?:in|since|from|until|of|early|late|mid|spring|summer|fall|autumn|winter|year|around|circa|before|after|to)"
    r"|[(,:;–-]|\b(?!(?:page|room|code|bed|lot|no|number|wbc|count|dose)\b)[A-Za-z][\w-]+)\s*\Z",
    re.IGNORECASE,
)
_OF_BIRTH = re.compile(r"(?:\bborn|\bdob|\bbirth)\b[^.;]{0,20}\Z", re.IGNORECASE)
_BEGINNING = re.compile(
    r"\b(?:since|from|as of|starting|beginning|effective)\s+(?:(?:early|late|mid)\s+)?\Z", re.IGNORECASE
)
_AHEAD = re.compile(
    r"\b(?:due|until|next|scheduled|upcoming|return|expires?|by|through|planned|follow(?:-| )?up)\b[^.;,]{0,40}\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """Half-open offsets of the text."""

    start: int
    end: int
    day: str
    """ISO 8601, to the year or month where no more is written or known."""
    begins: bool = False
    """After "since": what the sentence says has held from then on."""


def written_dates(text: str, start: int = 0, end: int | None = None) -> Iterator[WrittenDate]:
    """The dates of `text[start:end]` at which something was or began, in order."""
    stop = len(text) if end is None else end
    for match in _WRITTEN.finditer(text, start, stop):
        if match["year"] and not _YEAR_AFTER.search(text, max(start, match.start() - 12), match.start()):
            continue
        opening = max(start, match.start() - 60)
        if _OF_BIRTH.search(text, opening, match.start()) or _AHEAD.search(text, opening, match.start()):
            continue
        if day := _day(match):
            begins = _BEGINNING.search(text, opening, match.start()) is not None
            yield WrittenDate(match.start(), match.end(), day, begins)


def _day(match: re.Match[str]) -> str:
    if match["iso"] or match["year"]:
        found = iso_date(match["iso"] or match["year"])
        return found if isinstance(found, str) else ""
    if match["numbers"]:
        return _of_numbers(match["numbers"], match["mark"], match["end"])
    words = match["worded"] or match["month"]
    found = iso_date(words.replace(".", ""))
    return found if isinstance(found, str) else ""


def _of_numbers(written: str, mark: str, end: str) -> str:
    """A year of two digits is the last number, as notes write it: "3/15/21"."""
    year = end if len(end) == 4 else f"{'20' if int(end) < 50 else '19'}{end}"
    found = iso_date(written[: -len(end)] + year)
    if found is AMBIGUOUS:
        return year
    return found if isinstance(found, str) else ""
