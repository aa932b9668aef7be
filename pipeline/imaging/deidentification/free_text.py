"""What of a description, a finding or another short text of an image may be given on.

Decides word by word: an identifier of the data set goes, and so does what no list knows to name no one; the word
after a title goes whatever it is ("Dr. Long"), and numbers in groups go where they may be a telephone number, an id or
a date. Where something went stands "…": the text must not read as if it were whole. A label or a code stays whole or
goes. Refuses to know where the text stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.vocabulary import is_row_of_terms, is_term, says_nothing_of_a_person
from pipeline.text.person_names.names import TITLES

_PIECE = re.compile(r"\d+(?:[-/]\d+)+|[^\W_]+(?:[.,:'’][^\W_]+)*%?")
"""A date or a telephone number is one piece."""
_CHARACTERS_MAX = 400
GAP = " …"
_PERSONS = frozenset(TITLES) - {"patient", "pt"}
_MODALITIES = frozenset({"MR", "DR"})
"""What begins a description so is no title: "MR HAND"."""
_MONTHS = frozenset(
    "jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july august september "
    "october november december".split()
)
_GROUPED_DIGITS_MIN = 5
_DATE_DIGITS_MIN = 4
"""Three groups may be a birth date: "1 2 47"."""
_GROUPS_MAX = 6
"""So many words one id may be written in."""
_EPONYM = re.compile(r"\b(?:non-)?hodgkin(?:['’]?s)?(?=\s+(?:lymphoma|disease)\b)", re.IGNORECASE)
"""A surname that nothing but an illness stands after."""
_CODE = re.compile(r"[A-Z][A-Z0-9_ /&-]{0,63}")


def keep_harmless_words(text: str, identifiers: Identifiers) -> str:
    """The words that name no one, as they stand, and "…" for what went; "" where none is left."""
    parts: list[str] = []
    left, end = False, 0
    for piece, harmless in judged_words(text[:_CHARACTERS_MAX], identifiers):
        word = piece.group()
        if harmless:
            parts.append(_joint(text[end : piece.start()]) + word)
            left = True
        elif parts[-1:] != [GAP]:
            parts.append(GAP)
        end = piece.end()
    return "".join(parts).strip(" ,-/_&+") if left else ""


def is_harmless_label(label: str, identifiers: Identifiers) -> bool:
    """Whether every word of it names no one. Radiology's terms alone say nothing of a patient who is called so
    ("Mass")."""
    if all(map(is_term, label.split())):
        return True
    if len(label) > _CHARACTERS_MAX or identifiers.are_in(label):
        return False
    judged = list(judged_words(_EPONYM.sub("", label), identifiers))
    return bool(judged) and all(harmless for _, harmless in judged)


def harmless_code(text: str, identifiers: Identifiers) -> str:
    """A modality, a part of the body, a view or a side, in capitals and of words that any patient's image may have; ""
    where the value is none."""
    code = " ".join(text.upper().split())
    if not _CODE.fullmatch(code):
        return ""
    return code if is_harmless_label(code.replace("_", " "), identifiers) else ""


def judged_words(text: str, identifiers: Identifiers) -> Iterator[tuple[re.Match[str], bool]]:
    """Each word or number, and whether it names no one."""
    pieces = list(_PIECE.finditer(text))
    words = [piece.group() for piece in pieces]
    grouped = numbers_in_groups(words) | _ids_in_groups(words, identifiers)
    after_title = False
    for at, piece in enumerate(pieces):
        word = words[at]
        yield piece, not after_title and at not in grouped and _is_harmless(word, identifiers)
        after_title = word.casefold() in _PERSONS and not (piece.start() == 0 and word in _MODALITIES)


def numbers_in_groups(words: Sequence[str]) -> set[int]:
    """Which are numbers beside numbers and too long together for a measure, or a day with its month."""
    found: set[int] = set()
    for numeric, run in groupby(range(len(words)), lambda at: _is_number(words[at]) or _is_month(words[at])):
        group = list(run)
        if numeric and _may_be_of_a_person([words[at] for at in group]):
            found.update(group)
    return found


def _may_be_of_a_person(group: Sequence[str]) -> bool:
    numbers = [word for word in group if _is_number(word)]
    digits = sum(character.isdigit() for word in numbers for character in word)
    if len(numbers) < 2:
        return False
    named_month = len(numbers) < len(group)
    return named_month or digits >= (_DATE_DIGITS_MIN if len(numbers) > 2 else _GROUPED_DIGITS_MIN)


def _ids_in_groups(words: Sequence[str], identifiers: Identifiers) -> set[int]:
    """Which words are together an id of this data set: "MRN 773 4512"."""
    found: set[int] = set()
    for size in range(1, _GROUPS_MAX + 1) if identifiers.ids else ():
        for at in range(len(words) - size + 1):
            window = range(at, at + size)
            if found.isdisjoint(window) and identifiers.have_id(" ".join(words[at : at + size])):
                found.update(window)
    return found


def _is_number(word: str) -> bool:
    return word[0].isdigit() and not any(mark.isalpha() or mark in "%:" for mark in word)


def _is_month(word: str) -> bool:
    return word.casefold() in _MONTHS


def _is_harmless(word: str, identifiers: Identifiers) -> bool:
    known = says_nothing_of_a_person(word) or is_row_of_terms(word)
    return known and not identifiers.have(word)


def _joint(between: str) -> str:
    """What stands before a word: the mark that ties it to the one before, or a blank."""
    mark = between.strip()
    if mark in {"-", "/", "_", "&", "+"}:
        return mark if mark == between else f" {mark} "
    return ", " if mark in {",", ";", "."} else " "
