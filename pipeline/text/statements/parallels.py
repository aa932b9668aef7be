"""Whether a claim crosses two clauses that are built alike: "Ethan has asthma; Evan has an allergy" and "Ethan has an
allergy", "first seizure in 2011, last seizure in 2020" and "first seizure in 2020".

Decides by the place of a word in its clause: counted from its beginning or from its end, what stands at the same place
of another clause is its counterpart there. A claim that has a word of one clause without its counterpart, and a word
of another one without its own, is of neither. What has no counterpart ("he quit smoking in 2005 and drinking in 2015")
is of both. Refuses to say what a sentence carries: only what it speaks against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

from pipeline.text.statements.facts import Reading, Token

_Words: TypeAlias = Sequence[Token]

_JOINING = frozenset(["and", "but", "while", "whereas", "&"])
_GOES_ON = frozenset(["which", "who", "that", "whose"])
"""A comma before them parts nothing."""
_SAYING_NOTHING = frozenset("a an the is are was were also then".split())
_CLAUSES_MAX = 40
_KINDS = frozenset(["word", "figure", "side", "relative", "order"])
_FORMS = ("ed", "ly")


def crosses_parallels(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether a part of the tokens `[start, end)` of `claim` mixes two clauses of `source` that are built alike."""
    owners = _owners(source.tokens)
    if not 0 < owners[-1] < _CLAUSES_MAX:
        return False
    parts = _owners(claim.tokens[start:end])
    said: dict[int, dict[int, list[Token]]] = {}
    for token, part in zip(claim.tokens[start:end], parts, strict=True):
        if token.kind in _KINDS and (home := _home(source, owners, token)) is not None:
            said.setdefault(part, {}).setdefault(home, []).append(token)
    return any(
        len(homes) > 1
        and _is_mixed(
            {home: _clause(source.tokens, owners, home) for home in homes},
            homes,
            _clause(claim.tokens[start:end], parts, part),
        )
        for part, homes in said.items()
    )


def _owners(tokens: Sequence[Token]) -> list[int]:
    """The number of the clause of each token: between commas, breaks and joining words."""
    found, clause = [0] * len(tokens), 0
    for at, token in enumerate(tokens):
        if token.kind == "break" or token.word in _JOINING or (token.key == "," and not token.word):
            clause += at + 1 < len(tokens) and tokens[at + 1].word not in _GOES_ON
        found[at] = clause
    return found or [0]


def _home(source: Reading, owners: Sequence[int], token: Token) -> int | None:
    """The only clause that has the word, or None."""
    where = {
        owners[at]
        for at in source.places.get(token.key, ())
        if token.figure is None or _is_same(source.tokens[at], token)
    }
    return where.pop() if len(where) == 1 else None


def _clause(tokens: Sequence[Token], owners: Sequence[int], clause: int) -> _Words:
    """The words of a clause, without what says nothing."""
    found: list[Token] = []
    for at in range(owners.index(clause), len(tokens)):
        token = tokens[at]
        if owners[at] != clause:
            break
        if token.kind == "break" or token.key == "," or token.word in _JOINING | _SAYING_NOTHING:
            continue
        if found and token.kind == "word" and token.word == found[-1].word:
            continue  # "HTN" may be read as two words
        found.append(token)
    return found


def _is_mixed(clauses: Mapping[int, _Words], homes: Mapping[int, Sequence[Token]], part: _Words) -> bool:
    return any(
        _has_other(clauses[one], clauses[other], homes[one], part)
        and _has_other(clauses[other], clauses[one], homes[other], part)
        for one, other in combinations(homes, 2)
        if _has_anchor(clauses[one], clauses[other])
    )


def _is_in(words: _Words, token: Token) -> bool:
    return any(_is_same(each, token) for each in words)


def _has_other(own: _Words, other: _Words, said: Sequence[Token], part: _Words) -> bool:
    """Whether one of `said` has a counterpart in the clause `other` that the claim leaves out."""
    return any(
        one in said and not _is_in(part, counterpart)
        for one, counterpart in _counterparts(own, other)
        if not _is_same(one, counterpart) and _is_alike(one, counterpart)
    )


def _counterparts(one: _Words, other: _Words) -> Iterator[tuple[Token, Token]]:
    """What stands at the same place, up to where the clauses are built differently."""
    for step in (1, -1):
        for pair in zip(one[::step], other[::step], strict=False):
            if not _is_alike(*pair):
                break
            yield pair


def _has_anchor(one: _Words, other: _Words) -> bool:
    """Whether the clauses have something in the same place that shows them built alike: a word, a date, a colon, a
    side; or have as many words."""
    shorter, longer = sorted((one, other), key=len)
    before = len(longer) - len(shorter)
    return (
        not before
        or longer[before - 1].key == ":"  # the heading of a list
        or any(_is_same(*pair) or pair[0].kind in ("figure", "side") for pair in _counterparts(one, other))
    )


def _is_alike(one: Token, other: Token) -> bool:
    if _is_ordinal(one) or _is_ordinal(other):
        return {one.kind, other.kind} <= {"word", "figure"}
    if one.kind != other.kind:
        return False
    if one.kind == "figure" and one.figure is not None and other.figure is not None:
        return one.figure.kind == other.figure.kind
    if one.kind == "neutral":
        return one.word == other.word
    return _form(one) == _form(other)


def _is_ordinal(token: Token) -> bool:
    """ "The first seizure", beside which "the last seizure" is written without a figure."""
    return token.figure is not None and token.figure.unit == "ordinal"


def _form(token: Token) -> str:
    return next((ending for ending in _FORMS if token.word.endswith(ending)), "")


def _is_same(one: Token, other: Token) -> bool:
    if one.figure is not None and other.figure is not None:
        return (one.figure.kind, one.figure.value, one.figure.unit) == (
            other.figure.kind,
            other.figure.value,
            other.figure.unit,
        )
    return (one.kind, one.key) == (other.kind, other.key)
