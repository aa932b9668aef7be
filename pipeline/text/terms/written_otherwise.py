"""Which word of a patient's notes a question's word is that they write otherwise: "doxy", "oedematous", "temperture".

Decides by three ways to write one word: as the British do, with another ending of the same stem, or short; and by one
slip of the fingers. A word of the notes is meant only where it is the only one that fits, and never one that may be
another word by itself: of two words that differ in a letter ("peroneal", "perineal") neither is the other, save of a
drug that is listed; and what begins several drugs ("hydro", "levo") is none of them. Refuses to correct what any note
has, and ordinary words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache, lru_cache

from pipeline.text.ordinary_words import is_ordinary
from pipeline.text.terms.drug_classes import all_drugs
from pipeline.text.terms.drug_names import all_brands
from pipeline.text.vocabulary import SAME_WORD
from pipeline.text.wording import canonical

SHORT_MIN = 4
"""Letters of a word that may be the beginning of another one."""
LEFT_OUT_MIN = 2
"""Letters that it leaves out: one is an ending."""
SLIP_MIN = 6
"""Letters of a word that may be mistyped."""
_BRITISH = (
    (re.compile(r"oe|ae"), "e"),
    (re.compile(r"our(?=s?$|ed|ing)"), "or"),
    (re.compile(r"is(?=e[ds]?$|ing$|ations?$)"), "iz"),
    (re.compile(r"(?<=[tb])re(?=s?$)"), "er"),
    (re.compile(r"ll(?=ed$|ing$)"), "l"),
    (re.compile(r"yse(?=[ds]?$)"), "yze"),
    (re.compile(r"ph(?=ur|at)"), "f"),
)
_OF_ONE_STEM = (
    *(("atous", "a"), ("atic", "a"), ("emic", "emia"), ("eic", "ea"), ("ic", "ia"), ("otic", "osis")),
    *(
        ("etic", "esis"),
        ("itic", "itis"),
        ("ptic", "psis"),
        ("ant", "ancy"),
        ("ose", "osity"),
        ("scope", "scopy"),
        ("ed", "ion"),
    ),
)
"""Endings of what is said of a patient, and of what that patient has."""
_COMBINING = frozenset(
    "hypo hyper anti inter intra micro macro poly post para peri meta endo cardio gastro neuro nephro hemo haemo osteo "
    "arthro angio broncho thrombo lympho cerebro hepato cysto pneumo thyro spondylo multi over under extra super semi "
    "trans auto mono".split()
)
"""What many words begin with, and is none of them."""


def may_be_otherwise(word: str) -> bool:
    """Whether notes may write a word of a question otherwise: no ordinary word and none that is known."""
    folded = word.lower()
    return (
        len(folded) >= SHORT_MIN and folded.isalpha() and (len(_variants(folded)) > 1 or _is_unknown(folded))
    )


def as_written(word: str, written: Collection[str]) -> str | None:
    """The one of `written`, words in small letters, that `word` is; None where it is one of them or like none or
    several."""
    folded = word.lower()
    keys = {canonical(each) for each in written}
    if not may_be_otherwise(folded) or canonical(folded) in keys:
        return None
    variants = {canonical(each) for each in _variants(folded)}
    same = _only([each for each in written if canonical(each) in variants])
    return same or (_misread(folded, written) if _is_unknown(folded) else None)


def is_variant(word: str, of: str) -> bool:
    """Whether two words are one by spelling and ending, and none is cut or mistyped."""
    return canonical(of) in {canonical(each) for each in _variants(word.lower())}


def _is_unknown(word: str) -> bool:
    return not (is_ordinary(word) or word in SAME_WORD or _is_drug(word))


def _misread(word: str, written: Collection[str]) -> str | None:
    begun = [each for each in written if each.startswith(word) and len(each) >= len(word) + LEFT_OUT_MIN]
    if begun:
        drugs = {canonical(each) for each in _all_drugs() if each.startswith(word)}
        return None if word in _COMBINING or len(drugs) > 1 else _only(begun)
    if len(word) < SLIP_MIN:
        return None
    slips = set(_slips(word))
    near = [each for each in written if each in slips or (_is_drug(each) and _differs_in_one(word, each))]
    return _only(near)


def _only(found: Collection[str]) -> str | None:
    """The shortest of words that are one, by their endings; None where they are several."""
    words = sorted(found, key=lambda each: (len(each), each))
    one = len({canonical(each) for each in words}) == 1 or all(each.startswith(words[0]) for each in words)
    return words[0] if words and one else None


@lru_cache(maxsize=1024)
def _variants(word: str) -> frozenset[str]:
    """The word in American spelling, and with each ending that one of its own stands for."""
    american = word
    for british, meant in _BRITISH:
        american = british.sub(meant, american)
    found = {word, american}
    for one, other in _OF_ONE_STEM:
        for ending, instead in ((one, other), (other, one)):
            if american.endswith(ending) and len(american) - len(ending) >= SHORT_MIN - 1:
                found.add(american.removesuffix(ending) + instead)
    return frozenset(found)


def _slips(word: str) -> Iterator[str]:
    """Every word that this one leaves a letter out of, or has one too many of, or two the wrong way round."""
    for place in range(1, len(word) + 1):
        before, after = word[:place], word[place:]
        yield from (f"{before}{letter}{after}" for letter in "abcdefghijklmnopqrstuvwxyz")
        yield f"{before}{after[1:]}"
        yield f"{before}{after[1:2]}{after[:1]}{after[2:]}"


def _differs_in_one(word: str, other: str) -> bool:
    return (
        len(word) == len(other)
        and word[0] == other[0]
        and sum(one != two for one, two in zip(word, other, strict=True)) == 1
    )


@cache
def _all_drugs() -> frozenset[str]:
    return all_drugs() | all_brands()


def _is_drug(word: str) -> bool:
    return word in _all_drugs()
