"""Dates as people and exports write them, as ISO 8601.

Decides what can only mean one day. What can mean two (03/04/2021) is refused, never guessed, unless the user says which
order the source writes: the wrong guess moves a finding by months. Numbers with dots (10.03.2024) are day first, as
everywhere. A year of two digits is read where the order is certain (10-MAR-24): 00 to 49 are 2000 to 2049, 50 to 99 are
1950 to 1999, as Oracle reads them. Time zones are kept as written, so that the day stays the day at the bedside; a
zone with a name other than UTC is left out.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final, Literal, TypeAlias

DateOrder: TypeAlias = Literal["day", "month"]
"""Which number comes first in 03/04/2021."""


class NotOneDay(Enum):
    """Why a date is none, although it looks like one."""

    AMBIGUOUS = "two days"
    OTHER_ORDER = "not in the order that the user gave"
    WEEK = "seven days"


AMBIGUOUS: Final = NotOneDay.AMBIGUOUS
OTHER_ORDER: Final = NotOneDay.OTHER_ORDER
WEEK: Final = NotOneDay.WEEK

# Month by month: English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish, Danish, Norwegian; without
# accents. No name here is another month's in another of these languages.
_MONTH_NAMES = (
    "jan january januar janner janv janvier ene enero janeiro gen gennaio januari",
    "feb february februar febr fevr fev fevrier febrero fevereiro febbraio februari",
    "mar march marz maerz mrz mars marzo marco maart mrt marts",
    "apr april avr avril abr abril aprile",
    "may mai mayo maio mag maggio mei maj",
    "jun june juni juin junio junho giu giugno",
    "jul july juli juil juillet julio julho lug luglio",
    "aug august aout ago agosto augustus augusti",
    "sep sept september septembre septiembre setiembre set setembro settembre",
    "oct october okt oktober octobre octubre out outubro ott ottobre",
    "nov november novembre noviembre novembro",
    "dec december dez dezember decembre dic diciembre dezembro dicembre desember des",
)
_MONTHS_SPELT = (
    "January February March April May June July August September October November December".split()
)
_ISO_DAY = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?!\d))?)?")
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_DAY_NAMES = (
    "mon monday montag mo lun lundi lunes segunda segunda-feira lunedi maandag",
    "tue tues tuesday dienstag di mar mardi martes terca terca-feira martedi dinsdag",
    "wed wednesday mittwoch mi mer mercredi mie miercoles quarta quarta-feira mercoledi woensdag",
    "thu thur thurs thursday donnerstag do jeu jeudi jue jueves quinta quinta-feira giovedi donderdag",
    "fri friday freitag fr ven vendredi vie viernes sexta sexta-feira venerdi vrijdag",
    "sat saturday samstag sonnabend sa sam samedi sab sabado sabato zaterdag",
    "sun sunday sonntag so dim dimanche dom domingo domenica zondag",
)
_DAYS = {name: number for number, names in enumerate(_DAY_NAMES) for name in names.split()}

_ZONE = (
    r"(?:\s*(?P<zone>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}:?\d{2})|\s+(?:[ECMP][SD]T|W?ES?T|CES?T|BST|IST|EES?T|MES?Z|JST|"
    r"AE[SD]T|HKT|SGT))?(?:\s*\([^()]*\))?"
)
_TIME = (
    r"(?:[T ,]+(?:um |at )?(?P<time>\d{1,2}[:.h]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?)(?:\s*(?P<half>[ap]\.?m\.?)| uhr)?"
    rf"{_ZONE}|\s+(?:UTC|GMT))?"
)
_NAME = r"(?P<name>[a-z]{3,12})\.?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_PARTIAL = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")
_ISO_WEEK = re.compile(r"\d{4}-?W\d{2}", re.IGNORECASE)
NOTES_SINCE, NOTES_UNTIL = "1900", "2299"
"""No note or image of a patient is older or newer: such a year stands where a program has no date. Collections whose
dates were moved to hide them, MIMIC's for one, lie between 2100 and 2220."""
_PLACEHOLDERS = ("1900", "1900-01-01", "1970-01-01", "2262-04-11", "2299-12-31")
"""What programs write for the number 0, or for no date."""
_WEEKDAY = re.compile(r"(?P<weekday>[a-z]{2,10}(?:-feira)?)(?:\.?,\s*|\.?\s+)(?=\S)")
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})(?P<mark>[/.-]|\u5e74)(?P<month>\d{{1,2}})(?:[/.-]|\u6708)(?P<day>\d{{1,2}})\u65e5?{_TIME}",
    re.IGNORECASE,
)
_YEAR_LAST = re.compile(
    rf"(?P<one>\d{{1,2}})(?P<mark>[/.-])(?P<two>\d{{1,2}})[/.-]{_YEAR}{_TIME}", re.IGNORECASE
)
_DAY_NAMED_MONTH = re.compile(
    rf"(?:the |le |el )?(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|[oa])?[ /.-]*(?:of |de )?{_NAME}[ ,/.-]*(?:del? )?{_YEAR}"
    rf"{_TIME}",
    re.IGNORECASE,
)
_NAMED_MONTH_DAY = re.compile(
    rf"{_NAME}[ -]*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[ -]+(?P<year>\d{{4}}){_TIME}",
    re.IGNORECASE,
)
_YEAR_AT_THE_END = re.compile(
    rf"(?P<name>[a-z]{{3,12}}) +(?P<day>\d{{1,2}}) +(?P<time>\d{{1,2}}:\d{{2}}:\d{{2}})(?P<half>\Z)?{_ZONE} +"
    r"(?P<year>\d{4})",
    re.IGNORECASE,
)
"""As `date` and Java write: Sun Mar 10 23:30:00 UTC 2024."""
_COMPACT = re.compile(r"(?P<day>\d{8})(?P<time>\d{2}|\d{4}|\d{6})?(?:\.\d+)?(?P<zone>[+-]\d{4})?")
"""HL7 v2's DTM as well: YYYYMMDD[HH[MM[SS[.S]]]][+/-ZZZZ]."""

_MONTH_ONLY = re.compile(
    rf"{_NAME}[ ,/.-]*(?:del? )?(?P<year>\d{{4}})|(?P<month>\d{{1,2}})[/.-](?P<year_last>\d{{4}})|"
    r"(?P<year_first>\d{4})[/.](?P<of_it>\d{1,2})",
    re.IGNORECASE,
)
_DOTNET = re.compile(r"/date\((\d{9,13})(?:[+-]\d{4})?\)/")

_EPOCH = re.compile(r"\d{9,10}(?:\.\d+)?|\d{12,13}|\d{15,16}|\d{18,19}")
EPOCH_SECONDS = range(631_152_000, 1_893_456_000)
"""1990 to 2029: such a number is the seconds, or milliseconds and so on, since 1970. What lies beyond may be an hour of
HL7 (2024031023) or no date at all."""


def iso_date(text: str, order: DateOrder | None = None) -> str | NotOneDay | None:
    """A date or date-time in ISO 8601, which compares as text; AMBIGUOUS, OTHER_ORDER, WEEK, or None where it is no
    date.

    Read are ISO 8601 (also FHIR's YYYY and YYYY-MM, and with UTC or GMT behind), RFC 2822, YYYYMMDD with or without
    time, seconds and milliseconds since 1970, March 2021, 3/2021, 2021/3/14, 04-Mar-2021, March 4, 2021, 4. M\u00e4rz
    2021, 14.3.2021, and 3/14/2021 where only one of the two numbers can be a month or both are the same. 3/4/2021 needs
    the order.
    """
    text = text.strip()
    if _PARTIAL.fullmatch(text):
        return text
    if _ISO_WEEK.fullmatch(text):
        return WEEK
    if text[:9].isdecimal() and _is_epoch(text):
        return _since_1970(text)
    if found := _COMPACT.fullmatch(text):
        return _compact(found)
    try:
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        return _written(datetime.fromisoformat(text))
    except ValueError:
        return _loose(_folded(text), order)


def date_in_words(date: str) -> str:
    """An ISO date as people read it: "4 March 2019", "March 2019", "2019". The time of day is left out; what is no ISO
    date stays as it is."""
    found = _ISO_DAY.match(date)
    if found is None or not 1 <= int(found["month"] or 1) <= len(_MONTHS_SPELT):
        return date
    month = _MONTHS_SPELT[int(found["month"]) - 1] if found["month"] else ""
    day = str(int(found["day"])) if found["day"] else ""
    return " ".join(each for each in (day, month, found["year"]) if each)


def is_placeholder(date: str) -> bool:
    """Whether an ISO date stands where a program had none: 0001-01-01, 1900-01-01, 9999-12-31."""
    return not NOTES_SINCE <= date[:4] <= NOTES_UNTIL or date[:10] in _PLACEHOLDERS


def _is_epoch(text: str) -> bool:
    return _EPOCH.fullmatch(text) is not None and _epoch_seconds(text) in EPOCH_SECONDS


def _epoch_seconds(text: str) -> int:
    whole = text.partition(".")[0]
    return int(whole[: len(whole) - (len(whole) - 9) // 3 * 3])


def _since_1970(text: str) -> str:
    return _written(datetime.fromtimestamp(_epoch_seconds(text), UTC))


def _folded(text: str) -> str:
    """Lower case, without accents."""
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(text.casefold().split())


def _compact(found: re.Match[str]) -> str | None:
    time = found["time"] or ""
    form = "%Y%m%d" + {0: "", 2: "%H", 4: "%H%M", 6: "%H%M%S"}[len(time)] + ("%z" if found["zone"] else "")
    try:
        moment = datetime.strptime(found["day"] + time + (found["zone"] or ""), form)  # noqa: DTZ007 -- kept as written
    except ValueError:
        return None
    return _written(moment) if time else moment.date().isoformat()


def _loose(text: str, order: DateOrder | None) -> str | NotOneDay | None:
    """A date of another form; a weekday before it must be the day's."""
    whole = _day(text, order)
    before = _WEEKDAY.match(text)
    if whole is not None or before is None or before["weekday"] not in _DAYS:
        return whole
    rest = text[before.end() :]
    found = _day(rest, order)
    weekday = _DAYS[before["weekday"]]
    if found is AMBIGUOUS:
        fitting = [day for day in (_day(rest, "day"), _day(rest, "month")) if _falls_on(day, weekday)]
        return fitting[0] if len(fitting) == 1 else AMBIGUOUS
    return found if isinstance(found, NotOneDay) or _falls_on(found, weekday) else None


def _falls_on(day: str | NotOneDay | None, weekday: int) -> bool:
    return isinstance(day, str) and len(day) >= 10 and date.fromisoformat(day[:10]).weekday() == weekday


def _month(text: str) -> str | None:
    """A month and its year, as FHIR writes them."""
    found = _MONTH_ONLY.fullmatch(text)
    if found is None:
        return None
    year = found["year"] or found["year_last"] or found["year_first"]
    month = _MONTHS.get(found["name"], 0) if found["name"] else int(found["month"] or found["of_it"])
    return f"{year}-{month:02}" if 1 <= month <= 12 else None


def _day(text: str, order: DateOrder | None) -> str | NotOneDay | None:
    if found := _YEAR_FIRST.fullmatch(text):
        return _assembled(found, int(found["month"]), int(found["day"]))
    if (
        (found := _DAY_NAMED_MONTH.fullmatch(text))
        or (found := _NAMED_MONTH_DAY.fullmatch(text))
        or (found := _YEAR_AT_THE_END.fullmatch(text))
    ):
        return _assembled(found, _MONTHS.get(found["name"], 0), int(found["day"]))
    if found := _YEAR_LAST.fullmatch(text):
        return _in_order(found, order)
    if (found := _DOTNET.fullmatch(text)) and _is_epoch(found[1]):
        return _since_1970(found[1])
    return _month(text)


def _in_order(found: re.Match[str], order: DateOrder | None) -> str | NotOneDay | None:
    """Day and month as numbers: in the order that the user gave, that dots mean, or that alone is possible."""
    one, two = int(found["one"]), int(found["two"])
    if order is None and len(found["year"]) == 2:
        return AMBIGUOUS  # any of the three may be the year
    if order is None and found["mark"] == "." and two <= 12:
        order = "day"
    if order is None:
        if one <= 12 and two <= 12 and one != two:
            return AMBIGUOUS
        return _assembled(found, min(one, two), max(one, two))
    month, day = (two, one) if order == "day" else (one, two)
    return OTHER_ORDER if month > 12 >= day else _assembled(found, month, day)


def _assembled(found: re.Match[str], month: int, day: int) -> str | None:
    try:
        moment = datetime(_year(found["year"]), month, day)  # noqa: DTZ001 -- kept as written
        if not found["time"]:
            return moment.date().isoformat()
        hour, minute, *seconds = re.split("[:.,h]", found["time"])
        moment = moment.replace(
            hour=_hour(int(hour), found["half"]), minute=int(minute), second=int(seconds[0]) if seconds else 0
        )
        zone = re.sub("utc|gmt", "", found["zone"] or "")
        if found["zone"]:
            moment = datetime.fromisoformat(
                f"{moment.isoformat()}{zone if zone not in {'', 'z'} else '+00:00'}"
            )
    except ValueError:
        return None
    return _written(moment)


def _year(digits: str) -> int:
    year = int(digits)
    return year if len(digits) == 4 else year + (2000 if year < 50 else 1900)


def _hour(hour: int, half: str | None) -> int:
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half.lower().startswith("p") else 0)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
