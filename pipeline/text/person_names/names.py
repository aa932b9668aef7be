"""A person's name, the words around it, and how names compare.

Decides what a title says of its bearer, which words stand before, inside and after a name and are no one's, and that
two spellings are one name: without case, accents and apostrophes, and in German spelling too (Müller, MUELLER).
Refuses to know who is named.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from pipeline.text.ordinary_words import NAMES_TOO, is_ordinary

TITLES = {
    **dict.fromkeys(("mr", "mister", "herr", "señor", "monsieur"), "he"),
    **dict.fromkeys(("mrs", "ms", "miss", "madam", "frau", "señora", "madame"), "she"),
    **dict.fromkeys(("mx", "patient", "pt"), ""),
    **dict.fromkeys(("dr", "doctor", "prof", "professor", "nurse"), "staff"),
}
"""What a title says of its bearer; "" says nothing."""
GENERATIONS = frozenset("jr sr ii iii iv".split())
SUFFIXES = GENERATIONS | frozenset("md phd rn".split())
PARTICLES = frozenset(
    "de la las los del della di da dos das du des le van von der den zu zur bin ibn al el y".split()
)
BEGINNINGS = frozenset(
    "a an any are as at can compare could describe did do does explain for from give had has have he how i in is list "
    "may might name of on please shall should show summarise summarize tell the was were what when where which who "
    "whom whose why will with would".split()
)
"""Words that begin a question, capitalised though no one's name."""
_FIRST_NAMES_TOO = frozenset("an can do may so will".split())
"""Of the words that may begin a sentence before a surname, those that are someone's first name: An Nguyen, Will Day."""
_BEFORE_NAMES = (
    BEGINNINGS
    | frozenset(
        "after and but by discussed examined her his if left met name our patient plan pt right saw seen she since "
        "that then there this today yesterday you your they we it or not no".split()
    )
) - _FIRST_NAMES_TOO
ILLNESSES = frozenset(
    "disease syndrome palsy sign test score lymphoma contracture fracture thyroiditis esophagus oesophagus ulcer "
    "dementia".split()
)
"""What follows the name of the person who described it: "Crohn's disease"."""
THINGS = ILLNESSES | frozenset(
    "catheter phenomenon maneuver manoeuvre reflex classification scale procedure tumor tumour criteria virus lesion "
    "repair line tube drain hospital clinic street road avenue medical center centre university ward house index stage "
    "node nodes chorea encephalopathy collar bodies study ultrasound monitor pouch cyst flare scan shunt stent forceps "
    "retractor clamp scissors stain graft gangrene nodule ataxia angle ratio method technique operation cell "
    "cells memorial foundation institute pharmacy".split()
)
"""What follows a name that stands for a thing: "Foley catheter", "Graves' disease", "Brown Clinic"."""
BEGIN_A_FINDING = frozenset("back blood bone chest gout head heart lung pain skin".split())
"""Surnames, and with a capital also the first word of "Blood pressure" and a heading of notes."""
_APOSTROPHES = re.compile(r"['’]s$|['’]")
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


@dataclass(frozen=True, slots=True)
class Name:
    """A person a question names."""

    words: tuple[str, ...]
    """As they are written, hyphens and particles apart, without title: the last is the surname."""
    title: str
    """What its title says, as in `TITLES`; "" where it has none."""
    titled: bool
    sure: bool
    """False where a single word may be a name ("Nguyen's"), and is none unless a passage has it as one."""
    start: int
    """Where it stands in the question, with its title and its "'s"."""
    end: int
    generation: str = ""
    """"jr" of "John Smith Jr."."""
    joined: int = 1
    """How many words the surname has: 2 of "Smith-Jones"."""
    has_particle: bool = False
    """"Ana de la Cruz"."""
    unusual: bool = False
    """It is written as other words may be as well: in capitals, or "Nowak, Eva"."""
    known: bool = False
    """A person who is known has it."""
    in_place: bool = False
    """A single word that stands where only a person can: "What does Kowalski take?"."""
    only_of_people: bool = False
    """What is asked there is never asked of a drug or an illness, as "Does Lasix have side effects?" is."""

    def overlaps(self, other: Name) -> bool:
        return self.start < other.end and other.start < self.end


def is_doubtful(word: str) -> bool:
    """Whether a name may be any other word, so that a capital alone says nothing."""
    folded = word.lower()
    return folded in NAMES_TOO or folded in BEGIN_A_FINDING or may_begin_a_sentence(word) or is_ordinary(word)


def may_begin_a_sentence(word: str) -> bool:
    """Whether it is "He", "No" or "An", which are a person's only where a title or a first name says so."""
    folded = word.lower()
    return folded in _BEFORE_NAMES or folded in _FIRST_NAMES_TOO


def may_be_a_name(word: str) -> bool:
    """Whether it is no ordinary word: "Grace" may be a name, "Pain" hardly."""
    return not (is_ordinary(word) or word.lower() in BEGIN_A_FINDING)


def is_initial(word: frozenset[str]) -> bool:
    """Whether it is an initial, by its keys."""
    return all(len(key) == 1 for key in word)


def stands_before_names(word: str) -> bool:
    """Whether a word with a capital before a surname is no one's first name."""
    folded = word.lower()
    return folded in _BEFORE_NAMES or folded in TITLES or folded in SUFFIXES


def bare(word: str) -> str:
    """A word in small letters, without apostrophes and without "'s"."""
    folded = word.lower()
    return _APOSTROPHES.sub("", folded) if "'" in folded or "’" in folded else folded


@lru_cache(maxsize=16_384)
def keys(word: str) -> frozenset[str]:
    """A word as it compares: without case, accents and apostrophes, and once more with its umlauts spelt out."""
    plain = bare(word)
    if plain.isascii():
        return frozenset((plain,))
    folded = unicodedata.normalize("NFC", plain.casefold())
    return frozenset(
        _without_marks(each) for each in (folded.translate(_PLAIN), folded.translate(_SPELT_OUT))
    )


def same_first_name(written: str, asked: frozenset[str]) -> bool:
    """Whether a word of a note is a first name that was asked for, or one is the other's initial."""
    if len(written) == 1:
        return any(key.startswith(written.lower()) for key in asked)
    if any(len(key) == 1 for key in asked):
        return any(key.startswith(tuple(asked)) for key in keys(written))
    return not asked.isdisjoint(keys(written))


def _without_marks(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    return "".join(character for character in parts if not unicodedata.combining(character))
