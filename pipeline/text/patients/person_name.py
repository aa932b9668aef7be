"""A written name taken apart: first names, surname, "Jr.", and the words by which it is looked up.

Decides what can be the name of a person at all: words with a capital that no ordinary word is, no placeholder ("ABC",
"XXXX"), no degree behind it, which would be a doctor's. Both orders are read, "Eva Nowak" and "NOWAK, EVA". Refuses to
know whose name it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.patients import FEMALE, MALE, PersonName
from pipeline.text.ordinary_words import is_no_name
from pipeline.text.person_names.names import GENERATIONS, PARTICLES, TITLES, keys

NAME_CHARACTERS_MAX = 80
WORDS_MAX = 6
SEX_OF_TITLE = {"he": MALE, "she": FEMALE}
_PERSONAL_TITLES = frozenset(title for title, said in TITLES.items() if said in SEX_OF_TITLE) | {"mx"}
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*(?:(?<=[^\W\d_]{3})\d{1,4})?")
"""Synthetic records number their names: "Assunta351"."""
_DEGREES = frozenset(
    "md do rn np pa phd mbbs frcs facs facp dpm dds crnp arnp aprn cnm lcsw pharmd dr prof".split()
)
_PLACEHOLDERS = frozenset(
    "abc xyz xx xxx xxxx name unknown anonymous anon test sample patient doctor none null na nan deidentified redacted "
    "lastname firstname last first confidential".split()
)
_GENERATION_AS_WRITTEN = {"jr": "Jr", "sr": "Sr", "ii": "II", "iii": "III", "iv": "IV"}
_SOUNDS = str.maketrans("bfpvcgjkqsxzdtlmnr", "111122222222334556")
_UNSOUNDED = re.compile(r"[hw]")


class NameWord(NamedTuple):
    """A word by which a name is looked up."""

    word: str
    """Small letters, without accents, apostrophes and hyphens."""
    sound: str
    """The same for words that sound alike ("collins", "colins")."""
    is_family: bool


def parse_name(written: str, *, capitals: bool = True) -> PersonName | None:
    """The name that a text is, without its title; None where it is none, or no person's. `capitals`: each word of it
    must have one, but for particles; a field of a record may be written small."""
    text = " ".join(written.split())
    if not text or len(text) > NAME_CHARACTERS_MAX:
        return None
    before, comma, after = text.partition(",")
    if comma and after.strip(" .").lower() not in GENERATIONS:
        family, generation = _words(before, capitals=capitals)
        given, other = _words(after.replace(",", " "), capitals=capitals, titles=True)
        return _name(given, family, generation or other) if given and family else None
    words, generation = _words(text.replace(",", " "), capitals=capitals, titles=True)
    at = _surname_at(words)
    return _name(words[:at], words[at:], generation)


def named(given: str, family: str, suffix: str = "", *, capitals: bool = False) -> PersonName | None:
    """A name that a source gives in parts; either part may be empty."""
    first, _ = _words(given, capitals=capitals, titles=True)
    last, generation = _words(family, capitals=capitals)
    ends = suffix.strip(" .").lower()
    return _name(first, last, _GENERATION_AS_WRITTEN.get(ends, generation))


def is_placeholder(word: str) -> bool:
    """Whether a word stands where a name was taken out."""
    return word.lower() in _PLACEHOLDERS or len(set(word.lower())) == 1


def name_words(name: PersonName) -> Iterator[NameWord]:
    """Each once; both halves of a double name, both spellings of an umlaut, with and without a number behind it."""
    seen: dict[str, bool] = {}
    for part, is_family in [*((word, False) for word in name.given), *((word, True) for word in name.family)]:
        for form in forms(part):
            seen[form] = seen.get(form, False) or is_family
    return (NameWord(form, sound(form), is_family) for form, is_family in seen.items())


def forms(word: str) -> Iterator[str]:
    """The forms by which a word of a name is looked up."""
    for half in re.split(r"[-‐‑]", word):
        for key in keys(half):
            yield key
            if key[-1:].isdigit() and key.rstrip("0123456789"):
                yield key.rstrip("0123456789")


def sound(word: str) -> str:
    """American Soundex of a word in small letters: the first letter and three digits."""
    letters = [letter for letter in word if "a" <= letter <= "z"]
    if not letters:
        return word[:1]
    codes = _UNSOUNDED.sub("", "".join(letters[1:])).translate(_SOUNDS)
    last, kept = letters[0].translate(_SOUNDS), ""
    for code in codes:
        if code.isdigit() and code != last:
            kept += code
        last = code
    return (letters[0] + kept + "000")[:4]


def same_person(one: PersonName, other: PersonName) -> bool:
    """Whether two names may be one person's: the first names or the surnames have a word in common, and neither the
    first names nor "Jr." tells them apart while the surname is the same."""
    first, second = _parts(one), _parts(other)
    shares_family = not first[1].isdisjoint(second[1])
    shares_given = _alike(first[0], second[0])
    if one.generation and other.generation and one.generation != other.generation:
        return False
    if shares_family:
        return shares_given or not (first[0] and second[0])
    return shares_given


def _parts(name: PersonName) -> tuple[set[str], set[str]]:
    return (
        {form for word in name.given for form in forms(word)},
        {form for word in name.family if word.lower() not in PARTICLES for form in forms(word)},
    )


def _alike(one: set[str], other: set[str]) -> bool:
    """A word in common, an initial standing for what begins with it."""
    return any(
        a == b or (len(a) == 1 and b.startswith(a)) or (len(b) == 1 and a.startswith(b))
        for a in one
        for b in other
    )


def _name(given: list[str], family: list[str], generation: str) -> PersonName | None:
    """None where letters stand for the surname: "Mr. A"."""
    if max(map(len, family or given), default=0) < 2:
        return None
    return PersonName(tuple(given), tuple(family), generation)


def _words(text: str, *, capitals: bool, titles: bool = False) -> tuple[list[str], str]:
    """The words of a name and its "Jr."; none where one of them is no word of a name."""
    words: list[str] = []
    generation = ""
    for written in text.split():
        bare = written.strip(".")
        folded = bare.lower()
        if titles and not words and folded in _PERSONAL_TITLES:
            continue
        if folded in GENERATIONS and words:
            generation = _GENERATION_AS_WRITTEN[folded]
            continue
        if not _may_be_of_a_name(bare, folded, capitals=capitals):
            return [], ""
        words.append(bare)
    return (words, generation) if len(words) <= WORDS_MAX else ([], "")


def _may_be_of_a_name(bare: str, folded: str, *, capitals: bool) -> bool:
    if folded in PARTICLES:
        return True
    if folded.replace(".", "") in _DEGREES or not _WORD.fullmatch(bare) or is_placeholder(bare):
        return len(bare) == 1 and bare.isalpha() and (bare.isupper() or not capitals)
    return not (capitals and not bare[0].isupper()) and not is_no_name(bare)


def _surname_at(words: list[str]) -> int:
    """Where the surname begins among words without a comma: at the last one, or the particles before it."""
    at = len(words) - 1
    while at > 1 and words[at - 1].lower() in PARTICLES:
        at -= 1
    return max(at, 0)
