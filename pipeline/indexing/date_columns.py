"""Whether a column that feeds no field looks like the notes' date: without one they are outside every range of days.

Decides by the values that notes without a date keep as metadata. Refuses to use such a column: the user maps it.
"""

from __future__ import annotations

from collections import Counter

from pipeline.records import Document
from pipeline.text.dates import NotOneDay, iso_date

NOTES_SAMPLED = 200
DATE_CHARACTERS = range(6, 41)
"""A year alone is no note's date, and a longer value is text."""

MOSTLY = 0.9


class DateColumns:
    """Counts notes without a date, and samples the columns of the first."""

    def __init__(self) -> None:
        self.undated = 0
        self._filled: Counter[str] = Counter()
        self._dates: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        if document.date is not None:
            return
        self.undated += 1
        if self.undated > NOTES_SAMPLED:
            return
        for name, value in document.metadata.items():
            self._filled[name] += 1
            self._dates[name] += _is_date(value)

    def likely(self) -> tuple[str, ...]:
        """Columns nearly all of whose values are dates, those with most values first."""
        return tuple(
            name
            for name, count in self._dates.most_common()
            if count and count >= MOSTLY * self._filled[name]
        )


def _is_date(value: str) -> bool:
    value = value.strip()
    if len(value) not in DATE_CHARACTERS or (value.isdecimal() and len(value) != 8):
        return False
    return isinstance(iso_date(value), (str, NotOneDay))
