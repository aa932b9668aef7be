"""What a question is about, and how much of it a sentence holds: whether it can answer.

Decides which words of a question say what it is about, in which spellings a text has them (`text.finding`), and how
much of them must be there: the rare ones count more, and a word that no text has counts most, so that what nobody
wrote is not answered with what comes near. Refuses to know what kind of value is asked for, and whose notes these are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from pipeline.text.answerability.said_by import SAID_BY, TERMS_SAID_BY
from pipeline.text.statements.facts import Token, read
from pipeline.text.terms.drug_classes import class_members, classes_named
from pipeline.text.terms.finding import DESIGNATED, Finding
from pipeline.text.vocabulary import DENYING, ORDERS, RELATIVES, SAME_PHRASE, SIDES
from pipeline.text.wording import canonical

SHARE_MIN = 0.7
"""Share of what a question is about, by weight, that a sentence must hold to answer it by its words alone."""
LIKENED_SHARE_MIN = 0.3
"""The same of a sentence that is like the question as well."""
AROUND = 40
"""Characters around a word in which a longer term is looked for."""
BEFORE, ELSEWHERE = 0.6, 0.25
"""How much a word counts that the sentence before has, or another of the same passage."""

_ASKING = frozenset(
    "what which when where who whom whose why how much many long far often old big bad large wide deep should could "
    "can may might do does did have has had is are was were be been being not no never any anything something ever "
    "still also already currently recently before again and or of in on at to for from with without by than then there "
    "it its this that these those time date day kind type name level value number numbers amount please tell give show "
    "mean call called happen done go get got given new other another exact tablet tablets pill pills capsule capsules "
    "according exactly actually yet lately just usual usually typical typically last latest first we us but put "
    "decide decided agree agreed go goes going went gone".split()
)
"""Words that ask, and say nothing of what about."""
_KEPT = frozenset(["admitted", "admission", "performed"])
"""Words that claim nothing and still are what a question is about."""


_SIBLINGS, _PARENTS = (
    frozenset(map(canonical, each.split())) for each in ("brother sister sibling sib", "mother father parent")
)
_SEVERAL_RELATIVES = MappingProxyType(
    {
        **dict.fromkeys(("sibling", "siblings", "sibs"), _SIBLINGS),
        **dict.fromkeys(("parent", "parents"), _PARENTS),
    }
)
"""Relatives who are of either sex."""
_WORD = re.compile(r"[^\W\d_]{4,}")
_LETTERS = re.compile(r"[^\W_]+")
_SMALL = frozenset("a an the of in on at to for with and or his her their".split())


@dataclass(frozen=True, slots=True)
class AskedTerm:
    """One word, or one term of several, that a question is about."""

    key: str
    finding: Finding | None = None
    pattern: re.Pattern[str] | None = None
    """Of other words that say it."""

    def places(self, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where `text[start:end]` has it."""
        if self.finding is not None:
            yield from self.finding.places(text, start, end, self.key)
        if self.pattern is not None:
            yield from (match.span() for match in self.pattern.finditer(text, start, end))


class AskedWords:
    """What a question is about, term by term."""

    def __init__(self, words: str, *, whole: bool = True) -> None:
        """`whole`: that a word of a longer term which says another thing is not held."""
        self.words = words
        self.whole = whole
        self.terms = _terms(words)

    @property
    def apart(self) -> AskedWords:
        """The same with each word for itself: "heart" and "attack", which come near a heart attack."""
        return AskedWords(" . ".join(_WORD.findall(self.words)), whole=False)

    @property
    def spellings(self) -> str | None:
        """Every word of every spelling, for a search by words, of the terms that no other words say; None where there
        is no such term."""
        plain = [term.finding.spellings for term in self.terms if term.finding and term.pattern is None]
        return " ".join(plain) or None

    def held(self, text: str, start: int = 0, end: int | None = None) -> dict[str, tuple[int, int]]:
        """Key to its first place, of the terms that stand in `text[start:end]`."""
        stop = len(text) if end is None else end
        found = {
            term.key: next(
                (place for place in term.places(text, start, stop) if self._says_it(text, place, term)), None
            )
            for term in self.terms
        }
        return {key: place for key, place in found.items() if place is not None}

    def _says_it(self, text: str, place: tuple[int, int], term: AskedTerm) -> bool:
        return not (
            self.whole and term.pattern is None and _is_within_another(text, place, term.key, self.words)
        )

    def weights(self, held: Collection[Collection[str]]) -> dict[str, float]:
        """How much each term counts, of 1 in all, by how few sentences have it: `held` has the terms of each."""
        rarity = {
            term.key: 1 + math.log((len(held) + 1) / (sum(term.key in each for each in held) + 1))
            for term in self.terms
        }
        total = sum(rarity.values())
        return {key: value / total for key, value in rarity.items()}


def share_held(
    weights: Mapping[str, float],
    here: Collection[str],
    before: Iterable[str] = (),
    elsewhere: Iterable[str] = (),
) -> float:
    """The share of what is asked that a sentence holds. `here`: with its headings; `before`: in the sentence before it;
    `elsewhere`: in its passage."""
    credit = {
        **dict.fromkeys(elsewhere, ELSEWHERE),
        **dict.fromkeys(before, BEFORE),
        **dict.fromkeys(here, 1.0),
    }
    return sum(weights[key] * value for key, value in credit.items())


def may_answer(share: float, *, likened: bool = False) -> bool:
    """Whether a sentence that holds this share may answer. `likened`: an embedder finds it like the question."""
    return share >= (LIKENED_SHARE_MIN if likened else SHARE_MIN)


@lru_cache(maxsize=256)
def _terms(words: str) -> tuple[AskedTerm, ...]:
    found: dict[str, AskedTerm] = {}
    for asked, members in TERMS_SAID_BY:
        if asked.search(words) is not None:
            words = asked.sub(" ", words)
            found[asked.pattern] = AskedTerm(asked.pattern, pattern=_any((), members))
    for named in classes_named(words):
        words = words.replace(named, " ")
        said = SAID_BY.get(canonical(named.lower())[0])
        of_class = Finding(named, class_members(named))
        found[named.lower()] = AskedTerm(named.lower(), of_class, _any([named], said))
    designated = [match.group().lower() for match in DESIGNATED.finditer(words)]
    found |= {each: AskedTerm(each, Finding(each)) for each in designated}
    for token in read(DESIGNATED.sub(" ", words).rstrip(" ?")).tokens:
        term = None if token.word in _ASKING else _term(token)
        if term is not None:
            found.setdefault(term.key, term)
    return tuple(found.values())


def _term(token: Token) -> AskedTerm | None:
    match token.kind:
        case "side":
            sides = [word for word, side in SIDES.items() if side in (token.key, "both")]
            return AskedTerm(token.key, pattern=_any(sides))
        case "order":
            orders = [word for word, order in ORDERS.items() if order == token.key]
            return AskedTerm(token.key, pattern=_any(orders, SAID_BY.get(token.key)))
        case "relative":
            return AskedTerm(token.key, pattern=_any(_relatives(token.word)))
        case "neutral" if token.word in _KEPT:
            return AskedTerm(token.word, Finding(token.word))
        case "word":
            own = [token.word, token.key] if token.word in DENYING else []
            said = SAID_BY.get(token.key)
            pattern = _any(own, said) if own or said else None
            return AskedTerm(token.key, Finding(token.word), pattern)
    return None


def _is_within_another(text: str, place: tuple[int, int], key: str, asked: str) -> bool:
    """Whether it is only a word of a longer term that says another thing, and that is not asked for word by word:
    hemoglobin A1c is no hemoglobin."""
    written = text[slice(*place)].lower()
    around = text[max(0, place[0] - AROUND) : place[1] + AROUND].lower()
    if " " in written or not around.strip():
        return False
    at = place[0] - max(0, place[0] - AROUND)
    said_apart = set(_LETTERS.findall(asked.lower()))
    return any(
        match.start() <= at and at + len(written) <= match.end()
        for pattern, said in _phrases_with().get(written, ())
        if key not in said
        for match in pattern.finditer(around)
        if not said_apart.issuperset(word for word in _LETTERS.findall(match.group()) if word not in _SMALL)
    )


@cache
def _phrases_with() -> dict[str, list[tuple[re.Pattern[str], tuple[str, ...]]]]:
    """The phrases of the vocabulary that a word stands in, and what each says."""
    found: dict[str, list[tuple[re.Pattern[str], tuple[str, ...]]]] = {}
    for phrase, said in (each for listed in SAME_PHRASE.values() for each in listed):
        words = r"[\s-]+".join(map(re.escape, phrase))
        pattern = re.compile(rf"(?<![^\W_]){words}(?![^\W_])")
        for word in phrase:
            found.setdefault(word, []).append((pattern, said))
    return found


def _relatives(word: str) -> Collection[str]:
    """Those that a relative's word may stand for: all of them for "family"."""
    if word in ("family", "familial", "relative", "relatives"):
        return RELATIVES
    if word in _SEVERAL_RELATIVES:
        return [each for each in RELATIVES if canonical(each) in _SEVERAL_RELATIVES[word]]
    return [each for each in RELATIVES if canonical(each) == canonical(word)]


def _any(words: Iterable[str], more: str | None = None) -> re.Pattern[str]:
    listed = [*map(re.escape, sorted(words, key=len, reverse=True)), *([more] if more else [])]
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(listed)})(?![^\W_])", re.IGNORECASE)
