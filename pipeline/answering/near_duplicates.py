"""Passages that say the same, of which one is enough: notes are copied forward from visit to visit.

Decides which passages of one patient are near-duplicates and which are versions of one text. Compares words and facts;
knows no scores but the order it is given, and no store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.records import Hit
from pipeline.text.statements.facts import signature

_FIGURE = re.compile(r"\d+")


def without_near_duplicates(hits: Sequence[Hit], *, limit: int, similarity: float = 0.9) -> list[Hit]:
    """The first `limit` hits: of several passages of one patient that say the same only the newest, and of those that
    differ in figures alone only the best and the newest before all others.

    Notes are copied forward: the same words stand in visit after visit, and would leave no room for the note that says
    otherwise.

    Two passages are near-duplicates where the Jaccard index of their word triples is at least `similarity` and the
    facts in them are the same: a changed dose, side or denial is a change, however little of the text it is. Two that
    are as near but for their figures are versions of one text; where there is room, all of them are given.
    Passages of different patients never are: the same finding in two people is two findings.
    """
    return selected(hits, limit=limit, similarity=similarity)[0]


def selected(hits: Sequence[Hit], *, limit: int, similarity: float = 0.9) -> tuple[list[Hit], int]:
    """What `without_near_duplicates` gives, and how many different texts were among the hits, `limit` at most."""
    kept: list[_Candidate] = []
    texts = 0
    for hit in hits:
        if texts == limit:
            break
        found = _Candidate(hit, hit.text.lower())
        near = [other for other in kept if other.hit.patient_id == hit.patient_id]
        same = next((other for other in near if found.says_the_same(other, similarity)), None)
        if same is not None:
            same.hit = _newer(same.hit, hit)
            continue
        found.first = next((other for other in near if found.is_a_version_of(other, similarity)), None)
        kept.append(found)
        texts += found.first is None
        if found.first is not None:
            found.first.versions.append(found)
    before_others = [each for each in kept if each.first is None or each is each.first.newest]
    ordered = [*before_others, *(each for each in kept if each not in before_others)]
    return [each.hit for each in ordered][:limit], texts


def _newer(one: Hit, other: Hit) -> Hit:
    return other if (other.date or "") > (one.date or "") else one


_FEW_WORDS = 12
"""Passages with fewer are always compared: a table row may be figures only."""


@dataclass(eq=False)
class _Candidate:
    """A passage, and its versions where it is the best-placed one of several. Its words are read once another of its
    patient is there to be compared."""

    hit: Hit
    text: str
    """In small letters; of the passage that came first, also where a newer one that says the same takes its place."""
    first: _Candidate | None = None
    versions: list[_Candidate] = field(default_factory=list)

    @property
    def newest(self) -> _Candidate:
        return max([self, *self.versions], key=lambda each: each.hit.date or "")

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(self.text.split())

    @cached_property
    def triples(self) -> frozenset[tuple[str, ...]]:
        return _triples(self.text.split())

    @cached_property
    def figureless(self) -> frozenset[tuple[str, ...]]:
        without, figures = _FIGURE.subn("#", self.hit.text.lower())
        return _triples(without.split()) if figures else self.triples

    def says_the_same(self, other: _Candidate, similarity: float) -> bool:
        near = _jaccard_reaches(similarity, self.triples, other.triples)
        return near and _same_facts(self.hit.text, other.hit.text)

    def is_a_version_of(self, other: _Candidate, similarity: float) -> bool:
        if other.first is not None or not self._shares_half(other):
            return False
        return _jaccard_reaches(similarity, self.figureless, other.figureless)

    def _shares_half(self, other: _Candidate) -> bool:
        """Whether half of the words of the one with fewer are the other's: what is cheap to ask, and true of versions
        unless nearly every word is a figure."""
        few = min(len(self.words), len(other.words))
        return few < _FEW_WORDS or 2 * len(self.words & other.words) >= few


def _same_facts(one: str, other: str) -> bool:
    if one == other:
        return True
    return _numbers(one) == _numbers(other) and signature(one) == signature(other)


def _numbers(text: str) -> list[str]:
    """Words with a digit, sorted: where these differ the facts do, and nothing has to be read."""
    return sorted(word for word in text.split() if not word.isalpha() and any(map(str.isdigit, word)))


def _triples(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    if len(words) < 3:
        return frozenset([tuple(words)])
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _jaccard_reaches(least: float, a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> bool:
    if min(len(a), len(b)) < least * max(len(a), len(b)):
        return False  # however much of the smaller is in the larger
    shared = len(a & b)
    return shared >= least * (len(a) + len(b) - shared)
