"""What a label of a film says of a finding: that it is there, that it is not, or that no one is sure.

Labels are a few words of a table ("effusion", "no nodule", "?nodule", "possible pneumonia"), not sentences. Decides the
words of tables that deny and that doubt beside those of notes (`text.structure.assertion`), what a label denies as a
whole, and when two labels of one film contradict each other. Knows no film and no question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from pipeline.text.structure.assertion import AssertionKind, assertion_in_sentence
from pipeline.text.vocabulary import HEDGES

LabelKind: TypeAlias = Literal["there", "denied", "unsure"]

_DENIED = re.compile(
    r"\b(?:no|not|none|without|absent|absence|negative|denie[sd]|free of|normal|ruled out|excluded)\b",
    re.IGNORECASE,
)
"""A label with one of these words says that something is not there."""
_DENIAL = re.compile(
    r"(?:(?P<side>left|right)[ :]+)?"
    r"(?:(?:no|not|without|absence of|negative for|free of)(?: (?:evidence|signs?) of)?(?: an?| any)? (?P<label>.+)"
    r"|(?P<before>.+?)\s*[:=-]?\s*\(?(?:absent|negative|no|none|(?:is )?(?:ruled out|excluded)"
    r"|not (?:seen|present))\)?)"
)
_ASKED = re.compile(r"\(\s*\?+\s*\)|\?")
_NO_DENIAL = re.compile(r"\bnon-(?=\w)|\bfree (?!of\b)")
"""What is non-displaced, or free air, is there."""
_DOUBTED = re.compile(
    r"\?|\br/?o\b|\brule out\b|\b(?:cannot|can't|can not|could not|unable to|not) "
    r"(?:be )?(?:excluded?|ruled? out)\b"
    r"|\bnot (?:certain|sure|clear)\b|\b(?:ddx|dd|suspicio\w*|provisional|maybe|could be|apparent\w*|favou?r\w*)\b",
    re.IGNORECASE,
)


_UNSURE = (AssertionKind.POSSIBLE, AssertionKind.PLANNED, AssertionKind.HISTORICAL, AssertionKind.FAMILY)
"""What is possible, to come, over or another's is not there for certain."""
LABELS_KEPT = 4096


def plain_label(label: str) -> str:
    """In small letters, without underscores; "left-sided" is left."""
    return " ".join(label.replace("_", " ").replace("-sided", "").lower().split())


@lru_cache(maxsize=LABELS_KEPT)
def label_kind(label: str) -> LabelKind:
    """What a label says of what it names. Doubt comes before denial: "cannot be excluded" denies nothing."""
    said = plain_label(label)
    if _DOUBTED.search(said) or not HEDGES.isdisjoint(re.findall(r"[a-z]+", said)):
        return "unsure"
    said = _NO_DENIAL.sub("", said)
    read = {assertion_in_sentence(said, *word.span()).kind for word in re.finditer(r"[a-z]+", said)}
    if not read.isdisjoint(_UNSURE):
        return "unsure"
    return "denied" if AssertionKind.ABSENT in read or _DENIED.search(said) else "there"


def label_in_words(label: str) -> str:
    """A label with what it says before what it names, as a sentence can quote it: "nodule?" is possible nodule,
    "nodule: no" is no nodule. Others stay."""
    kind = label_kind(label)
    bare = " ".join(_ASKED.sub(" ", label).split())
    words = [*re.finditer(r"[^\W\d_]+", bare)]
    if kind == "there" or not words:
        return label
    last = words[-1]
    before = assertion_in_sentence(bare[: last.end()].lower(), *last.span())
    if kind == "denied":
        found = _DENIAL.fullmatch(bare.lower())
        if before.denied or found is None or not found["before"]:
            return label
        return f"no {bare[: found.end('before')]}"
    if before.kind in _UNSURE[2:] or (bare == label and before.kind in _UNSURE[:2]):
        return label
    ended = assertion_in_sentence(bare.lower(), *words[0].span()).kind in _UNSURE[2:]
    return bare if ended or before.kind in _UNSURE[:2] else f"possible {bare}"


def denied_words(label: str) -> frozenset[str] | None:
    """The words of what a label denies as a whole: "no large effusion" denies large effusions. None for others."""
    found = _DENIAL.fullmatch(plain_label(label)) if label_kind(label) == "denied" else None
    return found and words_of_label(f"{found['side'] or ''} {found['label'] or found['before']}")


def words_of_label(label: str) -> frozenset[str]:
    """In one form, by which two labels are compared."""
    return frozenset(word.removesuffix("s") for word in plain_label(label).split())


def contradictions(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a label that says that something is there and one that denies the same."""
    there = [label for label in labels if label_kind(label) == "there"]
    for label in labels:
        denied = denied_words(label)
        yield from ((other, label) for other in there if denied and words_of_label(other) == denied)
