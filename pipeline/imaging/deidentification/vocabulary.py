"""Which words and numbers say nothing of a person: what descriptions, names of files and marks in pixels may keep.

Decides by lists alone. A word that neither clinical notes write small nor radiology uses may be a name, and a long
number may be anyone's: they are unknown, and what is unknown is not kept. English and Latin terms only. Refuses to know
whose image it is: `identifiers` does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from pipeline.text.ordinary_words import is_ordinary
from pipeline.text.person_names.names import keys

_SHORT_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{1,3})?")
_NUMBER_WITH_UNIT = re.compile(
    r"\d{1,4}(?:[.,]\d{1,3})?(?:mm|cm|m|ml|cc|kv|kvp|mas|ma|ms|s|sec|min|hz|khz|mhz|db|bpm|fps|mev|tesla|t|deg|%|x)"
)
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3])[:.h][0-5]\d(?:[:.][0-5]\d)?\s?(?:am|pm)?")
_TERM_WITH_NUMBER = re.compile(r"([a-z]{1,4})\d{1,3}|\d{1,2}([a-z]{1,4})")


@lru_cache(maxsize=1)
def _terms() -> frozenset[str]:
    written = files("pipeline.imaging.deidentification").joinpath("terms.txt").read_text(encoding="utf-8")
    return frozenset(
        word for line in written.splitlines() if not line.startswith("#") for word in line.split()
    )


@lru_cache(maxsize=16_384)
def says_nothing_of_a_person(word: str) -> bool:
    """Whether a word or number, in any case, may stay although no one has looked at it."""
    folded = word.casefold()
    return is_term(folded) or is_ordinary(folded) or is_plain_number(folded) or _numbered_term(folded)


def is_term(word: str) -> bool:
    """Whether radiology uses the word: a part of the body, a view, a sequence, a mark."""
    return not keys(word).isdisjoint(_terms())


def is_plain_number(word: str) -> bool:
    """Up to three digits, a measure with its unit, a time of day: no date, no id, no telephone number."""
    folded = word.casefold()
    return any(form.fullmatch(folded) for form in (_SHORT_NUMBER, _NUMBER_WITH_UNIT, _CLOCK))


def is_row_of_terms(word: str) -> bool:
    """Whether a word is terms without a blank between them, as a reader of pixels joins them: "PORTABLEAP"."""
    folded = word.casefold()
    ends = {0}
    for at in range(1, len(folded) + 1):
        if any(start in ends and at - start > 1 and folded[start:at] in _terms() for start in range(at)):
            ends.add(at)
    return len(folded) in ends


def _numbered_term(word: str) -> bool:
    """ "T1", "C7", "IM12": a term with a number at it."""
    found = _TERM_WITH_NUMBER.fullmatch(word)
    return found is not None and is_term(found[1] or found[2])
