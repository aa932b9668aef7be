"""Which known clinical word a mistyped one stands for: "depresion", "metforman".

Decides by one letter too few, too many, another or in the wrong place, among the words that `vocabulary`, `drug_names`
and `drug_classes` list, and only for long words that are in no list of ordinary ones. A word that may be two known ones
is neither: two drugs are often no further apart. Refuses to know notes: who asks must see first that no note has the
word as it is typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from string import ascii_lowercase

from pipeline.text.ordinary_words import is_ordinary
from pipeline.text.terms.drug_classes import all_drugs
from pipeline.text.vocabulary import SAME_PHRASE, SAME_WORD

LETTERS_MIN = 6
_ENDING = re.compile(
    r"(?:phas|phag|plas|phon|lex|prax|kines|arthr|pleg|alg|ton|pen|ur|em|peps)ia\Z|(?:trophy|tropy|pnea|rrhea|paresis)\Z"
)
"""Endings of medical words of which each makes another word: dysphasia is no mistyped dysphagia."""


def nearest_known(word: str) -> str | None:
    """The one known word that `word` is nearly; None where it is known itself, or like none or several."""
    folded = word.lower()
    known = _known()
    if len(folded) < LETTERS_MIN or not folded.isalpha() or folded in known or is_ordinary(folded):
        return None
    ending = _ending(folded)
    found = {
        each for each in _one_away(folded) if each in known and (not ending or _ending(each) in ("", ending))
    }
    return found.pop() if len({SAME_WORD.get(each, (each,)) for each in found}) == 1 else None


def _ending(word: str) -> str:
    found = _ENDING.search(word)
    return found.group() if found is not None else ""


def _one_away(word: str) -> Iterator[str]:
    """Every word with the same first letter that one slip of the fingers makes of this one."""
    for place in range(1, len(word) + 1):
        before, after = word[:place], word[place:]
        for letter in ascii_lowercase:
            yield f"{before}{letter}{after}"
            if after:
                yield f"{before}{letter}{after[1:]}"
        if after:
            yield f"{before}{after[1:]}"
        if len(after) > 1:
            yield f"{before}{after[1]}{after[0]}{after[2:]}"


@cache
def _known() -> frozenset[str]:
    phrases = (phrase for listed in SAME_PHRASE.values() for phrase, _ in listed)
    words = {*SAME_WORD, *(word for phrase in phrases for word in phrase), *all_drugs()}
    return frozenset(word for word in words if len(word) >= LETTERS_MIN and word.isalpha())
