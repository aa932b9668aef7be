"""Dates of an image: kept, moved back by the patient's number of days, or taken out.

Decides how DICOM's dates are read (DA, DT, and the older 2004.08.26), that all dates of a patient move by the same
days, and that what is no whole date, or stands for none, is not given. Refuses to know which attributes are
dates of care.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.text.dates import is_placeholder

DatePolicy: TypeAlias = Literal["keep", "shift", "remove"]

DateLoss: TypeAlias = Literal["", "placeholder", "unreadable"]
"""Why an image has no date although one is written: it stands for none, or is no whole day."""

_DAY = re.compile(r"\s*(\d{4})([.-]?)(\d{2})\2(\d{2})")

_PARTIAL = re.compile(r"\d{4}(?:-\d{2})?")

_TIME = re.compile(r"\d{2}(?::?\d{2}){0,2}(?:\.\d{1,6})?(?:[+-]\d{4})?")


@dataclass(frozen=True, slots=True)
class PatientDates:
    """What is done with the dates of one patient."""

    policy: DatePolicy
    days: int = 0
    """By how many they are moved back, where they are."""

    def iso(self, written: str) -> str | None:
        """What may be given of a DA, a DT or an ISO date, as an ISO date; None where it may not, is no whole day, or
        stands for none."""
        day = _read(written)
        if day is None or is_placeholder(day.isoformat()) or self.policy == "remove":
            return None
        return _earlier(day, self.days if self.policy == "shift" else 0)

    def of_row(self, written: str) -> str | None:
        """The same of a table's date, as `iso_date` has it: a month or a year stays where days are not moved."""
        plain = written.strip()
        if self.policy == "keep" and _PARTIAL.fullmatch(plain) and not is_placeholder(plain):
            return plain
        return self.iso(plain)

    def loss(self, written: str) -> DateLoss:
        """Why nothing is given of it; "" where something is, where nothing is written, and where no date is given."""
        plain = written.strip("\0 ")
        if self.policy == "remove" or not plain.strip("0.-:") or self.iso(plain) is not None:
            return ""
        return "placeholder" if _read(plain) is not None else "unreadable"

    def value(self, written: str) -> str:
        """The same as a DA or DT value, the time of day of a DT as it was; "" where nothing may be given."""
        day = self.iso(written)
        if day is None:
            return ""
        return day.replace("-", "") + time_of_day(_DAY.sub("", written, count=1))


def dates_of(key: DeidentificationKey, patient: str, policy: DatePolicy, days_max: int) -> PatientDates:
    """Of the patient with that id: moved back by 1 to `days_max` days, by the same number in every run."""
    return PatientDates(policy, 1 + int.from_bytes(key.digest("days", patient.strip())[:8], "big") % days_max)


def time_of_day(written: str) -> str:
    """A TM value, or what follows the day in a DT value; "" for what is none."""
    plain = written.strip("\0 ")
    return plain if _TIME.fullmatch(plain) else ""


def _read(written: str) -> date | None:
    found = _DAY.match(written)
    if found is None or not _ends(written[found.end() :]):
        return None
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return None


def _ends(rest: str) -> bool:
    """Whether what follows a day is nothing, or a time of day."""
    plain = rest.strip("\0 ")
    return not plain or rest[0] in "T " or time_of_day(plain) != ""


def _earlier(day: date, days: int) -> str | None:
    try:
        return (day - timedelta(days=days)).isoformat()
    except OverflowError:  # before the year 1
        return None
