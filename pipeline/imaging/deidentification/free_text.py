"""What of a description, a finding or another short text of an image may be given on.

Decides word by word: an identifier of the data set goes, and so does what no list knows to name no one; the word
after a title goes whatever it is ("Dr. Long"). Where something went stands "…": the text must not read as if it were
whole. Refuses to know where the text stood.
"""

from __future__ import annotations

import re

from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.vocabulary import is_row_of_terms, says_nothing_of_a_person
from pipeline.text.person_names.names import TITLES

_PIECE = re.compile(r"\d+(?:[-/]\d+)+|[^\W_]+(?:[.,:'’][^\W_]+)*%?")
"""A date or a telephone number is one piece."""
_CHARACTERS_MAX = 400
GAP = " …"
_PERSONS = frozenset(TITLES) - {"patient", "pt"}
_MODALITIES = frozenset({"MR", "DR"})
"""What begins a description so is no title: "MR HAND"."""


def keep_harmless_words(text: str, identifiers: Identifiers) -> str:
    """The words that name no one, as they stand, and "…" for what went; "" where none is left."""
    parts: list[str] = []
    after_title, left, end = False, False, 0
    for piece in _PIECE.finditer(text[:_CHARACTERS_MAX]):
        word = piece.group()
        if not after_title and _is_harmless(word, identifiers):
            parts.append(_joint(text[end : piece.start()]) + word)
            left = True
        elif parts[-1:] != [GAP]:
            parts.append(GAP)
        after_title = word.casefold() in _PERSONS and not (piece.start() == 0 and word in _MODALITIES)
        end = piece.end()
    return "".join(parts).strip(" ,-/_&+") if left else ""


def _is_harmless(word: str, identifiers: Identifiers) -> bool:
    known = says_nothing_of_a_person(word) or is_row_of_terms(word)
    return known and not identifiers.have(word)


def _joint(between: str) -> str:
    """What stands before a word: the mark that ties it to the one before, or a blank."""
    mark = between.strip()
    if mark in {"-", "/", "_", "&", "+"}:
        return mark if mark == between else f" {mark} "
    return ", " if mark in {",", ";", "."} else " "
