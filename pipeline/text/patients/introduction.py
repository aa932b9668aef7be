"""How a note's text introduces its patient: "Anna Mitchell is a 54-year-old woman", "Ms. Nguyen reports ...".

Decides that who is given an age in a note's first sentences is its patient, unless the words around say that it is a
relative, a donor or a physician; and that a surname after Mr., Mrs. or Ms. is the patient's only where the note calls
no one else so, and says something of that person that is said of patients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pipeline.patients import FEMALE, MALE, PatientFact, PersonName
from pipeline.text.ordinary_words import NAMES_TOO, is_ordinary
from pipeline.text.patients.bystanders import RELATIVE, is_among_others, is_of_someone_else
from pipeline.text.patients.person_name import SEX_OF_TITLE, parse_name
from pipeline.text.patients.record_fields import age_in_words, years_of
from pipeline.text.person_names.names import TITLES, keys

INTRODUCTION_CHARACTERS = 3_000
STATEMENTS_MAX = 6
TITLED_CHARACTERS = 40_000
LOOK_BACK = 110
AGES_DIFFER_MAX = 1.0
"""Years between two ages of one patient in one note: "22 months old" and "1 year old"."""
_MAY_BE_AGED = re.compile(r"[0-9][ \t\n-]{0,2}[ymwdYMWD]")
"""Found first: it costs a tenth of what `_AGED` does over a whole note."""
_AGED = re.compile(
    r"(?<![\w.,/-])(?P<number>\d{1,3})[ \t\n-]{0,2}"
    r"(?:(?P<unit>years?|yrs?|months?|mos?|weeks?|wks?|days?)[ \t\n.-]{1,2}old\b"
    r"|(?:y[./]?[ ]?o\b\.?|y/o\b|yo\b))",
    re.IGNORECASE,
)
_NEWBORN = re.compile(r"\b(?:is|was)\s+a\s+(?P<newborn>newborn)\b")
_ANYONE = r"(?i:(?:the|this|our|my)[ \t]+)?(?P<anyone>(?i:patient|pt\.?|he|she|this))"
_CAPITAL = r"[^\W\d_a-z][\w'’-]*\.?"
_NAMED = (
    r"(?:(?P<title>Mr|Mrs|Ms|Miss|Mx)\b\.?[ \t]+)?"
    rf"(?P<name>{_CAPITAL}(?:[ \t]+(?:{_CAPITAL}|de|la|van|der|den|von|da|di|del|bin|al)){{0,4}})"
)
_WORDS_BETWEEN = r"(?:[\w'’/-]+,?\s+){0,6}"
_SUBJECT = re.compile(
    rf"(?:{_ANYONE}\s+(?:(?i:is|was)\s+)?|{_NAMED}(?:,?\s+(?i:is|was)\s+|,\s+)){_WORDS_BETWEEN}"
)
_NO_SUBJECT = re.compile(r"(?:(?i:an?)[ \t]+)?(?:[\w-]+[ \t]+){0,2}")
_BOUNDARY = re.compile(r"[\n\r:;,*|?!.][ \t]*")
_ABBREVIATED = ("Mr.", "Ms.", "Mrs.", "Mx.", "Dr.", "pt.", "Pt.")
BOUNDARIES_MAX = 8
_SEX_NOUN = re.compile(
    r"[^.;:\n]{0,70}?\b(?P<sex>female|woman|lady|girl|male|man|gentleman|boy)\b|[ \t-]{0,2}(?P<letter>[FM])\b",
    re.IGNORECASE,
)
_ELSE = re.compile(
    r"\b(?:with|who|whose|and|for|from|by|presents?|presenting|status|complain\w*)\b", re.IGNORECASE
)
_SEXES = {
    **dict.fromkeys(("female", "woman", "lady", "girl", "f"), FEMALE),
    **dict.fromkeys(("male", "man", "gentleman", "boy", "m"), MALE),
}
_RELATIVE_AGED = re.compile(
    rf"[ \t-]{{0,2}}(?:(?!with\b|and\b|who\b)[\w-]+[ \t]+){{0,2}}{RELATIVE}\b", re.IGNORECASE
)
_TITLED = re.compile(
    r"(?P<title>M(?:r|rs|s|iss))\b\.?[ \t]+(?P<name>[^\W\d_a-z][\w'’-]*(?:[ \t]+[^\W\d_a-z][\w'’-]+){0,3})"
)
_SAID_OF_PATIENTS = re.compile(
    r"""(?:,[^,.\n]{1,60},)?\s+(?:(?:has|had|is|was|does|did|denies|denied|reports?|reported|states?|stated|presents?|presented
        |complains?|complained|endorses|takes|returns?|returned|underwent|tolerated|continues|describes|notes|noted
        |received|will|came|comes|remains|appears|feels|admits|developed|began|started|agrees|agreed)\b)""",
    re.IGNORECASE | re.VERBOSE,
)


class _Statement(NamedTuple):
    """Who is how old, by one sentence."""

    name: PersonName | None
    name_span: tuple[int, int]
    title: str
    age: str | None
    age_span: tuple[int, int]
    sex: str | None
    sex_span: tuple[int, int]


def facts_of_introduction(text: str) -> Iterator[PatientFact]:
    """What the sentences say that give the patient an age; no age where they give several."""
    statements = list(_statements(text))
    ages = [years_of(statement.age) for statement in statements if statement.age]
    for statement in statements:
        if statement.name is not None:
            yield PatientFact("name", statement.name.text, "opening", *statement.name_span, statement.name)
        if statement.age and max(ages) - min(ages) <= AGES_DIFFER_MAX:
            yield PatientFact("age", statement.age, "opening", *statement.age_span)
        if statement.sex:
            yield PatientFact("sex", statement.sex, "opening", *statement.sex_span)


def facts_of_titles(text: str) -> Iterator[PatientFact]:
    """The one person whom a note calls Mr., Mrs. or Ms., and that person's sex; nothing where there are several."""
    found: dict[frozenset[str], list[re.Match[str]]] = {}
    for match in _TITLED.finditer(text, 0, TITLED_CHARACTERS):
        if text[match.start() - 1 : match.start()].isalnum():
            continue
        if is_of_someone_else(text, match.start(), match.end()) or is_among_others(text, match.start()):
            return
        found.setdefault(keys(match["name"].split()[-1]), []).append(match)
    if len(found) != 1:
        return
    (matches,) = found.values()
    first = next((match for match in matches if _SAID_OF_PATIENTS.match(text, match.end())), None)
    titles = {SEX_OF_TITLE[TITLES[match["title"].lower()]] for match in matches}
    if first is None or len(titles) > 1:
        return
    name = _titled_name(first["name"])
    if name is not None:
        yield PatientFact("name", name.text, "title", *first.span("name"), name)
        yield PatientFact("sex", titles.pop(), "title", *first.span("title"))


def _statements(text: str) -> Iterator[_Statement]:
    for number, match in enumerate(islice(_ages(text), STATEMENTS_MAX)):
        statement = _statement(text, match, first=number == 0)
        if statement is not None:
            yield statement


def _ages(text: str) -> Iterator[re.Match[str]]:
    for place in _MAY_BE_AGED.finditer(text, 0, INTRODUCTION_CHARACTERS):
        at = place.start()
        while at and text[at - 1].isdigit():
            at -= 1
        if match := _AGED.match(text, at):
            yield match
    if "newborn" in text[:INTRODUCTION_CHARACTERS]:
        yield from _NEWBORN.finditer(text, 0, INTRODUCTION_CHARACTERS)


def _statement(text: str, match: re.Match[str], *, first: bool) -> _Statement | None:
    begin = max(0, match.start() - LOOK_BACK)
    newborn = match.re is _NEWBORN
    before = text[begin : match.start("newborn") if newborn else match.start()]
    subject = _subject(before)
    start = begin + subject.start() if subject else match.start()
    if is_of_someone_else(text, match.start(), match.end(), _RELATIVE_AGED) or is_among_others(text, start):
        return None
    if subject is None and not (first and _begins_here(before)):
        return None
    name, span, title = None, (0, 0), ""
    if subject is not None and subject["name"]:
        at = begin + subject.start("title" if subject["title"] else "name")
        if is_of_someone_else(text, at, begin + subject.end("name")):
            return None
        title = (subject["title"] or "").lower()
        name = _titled_name(subject["name"]) if title else _untitled_name(subject["name"])
        if name is None and not title:
            return None
        span = (begin + subject.start("name"), begin + subject.end("name"))
    age = age_in_words(0, "days") if newborn else age_in_words(int(match["number"]), match["unit"] or "years")
    sex, sex_span = _sex(text, match, title)
    return _Statement(name, span, title, age, match.span(), sex, sex_span)


def _subject(before: str) -> re.Match[str] | None:
    """Who is said to be so old: it begins a sentence or a part of one, and goes on up to the age."""
    for begin in _beginnings(before):
        found = _SUBJECT.fullmatch(before, begin)
        if found and not (found["name"] and _names_no_one(found["name"])):
            return found
    return None


def _beginnings(before: str) -> list[int]:
    """Where parts of sentences begin, the nearest first."""
    ends = [0, *(match.end() for match in _BOUNDARY.finditer(before))]
    return [end for end in ends[: -BOUNDARIES_MAX - 1 : -1] if not _within_a_name(before, end)]


def _within_a_name(before: str, end: int) -> bool:
    """Whether the full stop before `end` is that of a title or an initial."""
    left = before[max(0, end - 6) : end].rstrip(" \t")
    if not left.endswith("."):
        return False
    return left.endswith(_ABBREVIATED) or (left[-2:-1].isupper() and not left[-3:-2].isalnum())


def _begins_here(before: str) -> bool:
    return any(_NO_SUBJECT.fullmatch(before, begin) for begin in _beginnings(before)[:1])


def _names_no_one(name: str) -> bool:
    words = [word.strip(".") for word in name.split()]
    return all(is_ordinary(word) for word in words)


def _titled_name(written: str) -> PersonName | None:
    """Behind a title a single word is a surname."""
    return parse_name(written.rstrip(".").removesuffix("'s").removesuffix("’s"))


def _untitled_name(written: str) -> PersonName | None:
    """A single word is a first name where it can be no other word."""
    name = parse_name(written.rstrip("."))
    if name is None or len(written.split()) > 1:
        return name
    word = written.strip(".")
    if is_ordinary(word) or word.lower() in NAMES_TOO:
        return None
    return PersonName(given=name.family)


def _sex(text: str, match: re.Match[str], title: str) -> tuple[str | None, tuple[int, int]]:
    noun = _SEX_NOUN.match(text, match.end())
    if noun is not None and not _ELSE.search(noun[0]):
        group = "sex" if noun["sex"] else "letter"
        return _SEXES[noun[group].lower()], noun.span(group)
    said = SEX_OF_TITLE.get(TITLES.get(title, ""))
    return said, (match.start(), match.start()) if said is None else match.span()
