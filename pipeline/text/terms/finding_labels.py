"""What a label of a film says of a finding: that it is there, that it is not, or that no one is sure.

Labels are a few words of a table ("effusion", "no nodule", "?nodule", "possible pneumonia"), not sentences. Decides the
words that deny and that doubt, and when two labels of one film contradict each other. Knows no film and no question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from pipeline.text.vocabulary import HEDGES

LabelKind: TypeAlias = Literal["there", "denied", "unsure"]

_DENIED = re.compile(
    r"\b(?:no|not|non|without|absent|absence|negative|denie[sd]|free|normal|ruled out)\b", re.IGNORECASE
)
"""A label with one of these words says that something is not there."""
_DENIAL = re.compile(
    r"(?:no|not|without|absence of|negative for|free of)(?: (?:evidence|signs?) of)?(?: an?| any)? (?P<label>.+)"
    r"|(?P<before>.+?):? (?:absent|negative|ruled out)"
)
_DOUBTED = re.compile(
    r"\?|\br/?o\b|\brule out\b|\b(?:cannot|can't|can not|could not|not) (?:be )?(?:exclude[d]?|rule[d]? out)\b"
    r"|\bnot (?:certain|sure|clear)\b|\b(?:ddx|dd|suspicio\w*|provisional|maybe|could be)\b",
    re.IGNORECASE,
)


def plain_label(label: str) -> str:
    """In small letters, without underscores."""
    return " ".join(label.replace("_", " ").lower().split())


def label_kind(label: str) -> LabelKind:
    """What a label says of what it names. Doubt comes before denial: "cannot be excluded" denies nothing."""
    said = plain_label(label)
    if _DOUBTED.search(said) or not HEDGES.isdisjoint(re.findall(r"[a-z]+", said)):
        return "unsure"
    return "denied" if _DENIED.search(said) else "there"


def denied_words(label: str) -> frozenset[str] | None:
    """The words of what a label denies as a whole: "no large effusion" denies large effusions. None for others."""
    found = _DENIAL.fullmatch(plain_label(label)) if label_kind(label) == "denied" else None
    return None if found is None else words_of_label(found["label"] or found["before"])


def words_of_label(label: str) -> frozenset[str]:
    """In one form, by which two labels are compared."""
    return frozenset(word.removesuffix("s") for word in plain_label(label).split())


def contradictions(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a label that says that something is there and one that denies the same."""
    there = [label for label in labels if label_kind(label) == "there"]
    for label in labels:
        denied = denied_words(label)
        yield from ((other, label) for other in there if denied and words_of_label(other) == denied)
