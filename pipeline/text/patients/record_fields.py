"""What the fields of a record say of a note's patient: columns of a table or of a JSON object beside our own.

Decides by the name of a field alone which is the patient's name, sex, birth date or age. A field called "name" says not
whose. Refuses what is not plainly one: an ambiguous day of birth is its year.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from pipeline.patients import FEMALE, MALE, OTHER, PatientFact, PersonName
from pipeline.text.dates import AMBIGUOUS, iso_date
from pipeline.text.patients.person_name import named, parse_name

_NAMES = ("patientname", "patientfullname", "ptname", "nameofpatient", "patientsname")
_FIRST = ("patientfirstname", "patientgivenname", "firstname", "givenname", "patientfirst")
_LAST = (
    "patientlastname",
    "patientfamilyname",
    "patientsurname",
    "lastname",
    "familyname",
    "surname",
    "patientlast",
)
_SEXES = ("sex", "gender", "patientsex", "patientgender", "administrativegender")
_BIRTH_DATES = (
    "dob",
    "dateofbirth",
    "birthdate",
    "patientdob",
    "patientbirthdate",
    "patientdateofbirth",
    "birthday",
)
_AGES = ("patientage", "age", "ageyears", "ageinyears", "patientageyears")
_KNOWN = frozenset((*_NAMES, *_FIRST, *_LAST, *_SEXES, *_BIRTH_DATES, *_AGES))
_PLAIN = re.compile(r"[\W_]+")
_AGE = re.compile(
    r"(\d{1,3})(?:\.\d+)?\s*-?\s*(y|yo|yrs?|years?|mos?|months?|wks?|weeks?|days?)?\.?(?:[\s-]*old)?",
    re.IGNORECASE,
)
_UNITS = {"y": "years", "m": "months", "w": "weeks", "d": "days"}
_A_YEAR = {"y": 1.0, "m": 12.0, "w": 52.2, "d": 365.25}
_SEX_WORDS = {
    **dict.fromkeys(("f", "female", "woman", "w", "girl", "lady", "weiblich"), FEMALE),
    **dict.fromkeys(("m", "male", "man", "boy", "gentleman", "männlich"), MALE),
    **dict.fromkeys(("other", "o", "x", "nonbinary", "non-binary", "diverse"), OTHER),
}
_YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
AGE_YEARS_MAX = 125
T = TypeVar("T")


def facts_of_fields(fields: Mapping[str, str]) -> Iterator[PatientFact]:
    """What a note's other fields say, by their names in any case and spelling."""
    given = {plain: value for name, value in fields.items() if (plain := _plain(name)) in _KNOWN}
    if not given:
        return
    name = _first(given, _NAMES, lambda written: parse_name(written, capitals=False)) or _in_parts(given)
    if name is not None:
        yield PatientFact("name", name.text, "record", name=name)
    if sex := _first(given, _SEXES, sex_of):
        yield PatientFact("sex", sex, "record")
    if born := _first(given, _BIRTH_DATES, birth_date):
        yield PatientFact("birth_date", born, "record")
    if age := _first(given, _AGES, age_of):
        yield PatientFact("age", age, "record")


def _first(given: Mapping[str, str], names: Sequence[str], read: Callable[[str], T | None]) -> T | None:
    """What is read of the first of these fields that says something."""
    return next((found for name in names if name in given and (found := read(given[name]))), None)


def sex_of(written: str) -> str | None:
    return _SEX_WORDS.get(written.strip(" .").lower())


def birth_date(written: str) -> str | None:
    """ISO 8601: the day; its year where the day may be two; None where it is no date, or of no one alive."""
    found = iso_date(written) if written else None
    if found is AMBIGUOUS:
        year = _YEAR.search(written)
        found = year[0] if year else None
    return found[:10] if isinstance(found, str) and "1880" <= found[:4] <= "2100" else None


def age_of(written: str) -> str | None:
    """ "54" and "54 y" as "54 years"."""
    found = _AGE.fullmatch(written.strip())
    return age_in_words(int(found[1]), found[2] or "years") if found else None


def age_in_words(number: int, unit: str) -> str | None:
    """As `PatientFact.value` has it; None where no one is so old."""
    words = _UNITS[unit[0].lower()]
    if words == "years" and number > AGE_YEARS_MAX:
        return None
    return f"{number} {words[:-1] if number == 1 else words}"


def years_of(age: str) -> float:
    """An age as `age_in_words` gave it, in years."""
    number, unit = age.split()
    return int(number) / _A_YEAR[unit[0]]


def _in_parts(given: Mapping[str, str]) -> PersonName | None:
    first, last = (_first(given, names, str.strip) or "" for names in (_FIRST, _LAST))
    return named(first, last) if first and last else None


@lru_cache(maxsize=1000)
def _plain(name: str) -> str:
    return _PLAIN.sub("", name).lower()
