"""Whether a claim leaves out what the source makes it depend on: "If she develops fever, start amoxicillin" and "Start
amoxicillin".

Decides by the words that open a condition and by where it ends: one that opens a sentence holds for the rest of it, one
that follows an order holds for that order. Refuses to know whether a condition came about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.text.statements.facts import Reading, Token

_CONDITIONS = frozenset(["if", "unless", "provided"])
_TIMES = frozenset(["once", "when", "whenever"])
"""A condition only where an order follows: "Once the INR is above 2, stop heparin"."""
_INVERTED = frozenset(
    "she he they you it the this these there any pain fever bleeding symptoms patient nausea".split()
)
""" "Should pain worsen, …"."""
_TOLD = frozenset(
    "give take use restart resume repeat call return add apply change transfuse proceed".split()
)
"""Orders that are no order of `vocabulary.ORDERS`."""
OPENING = _CONDITIONS | _TIMES | {"should"}


def leaves_out_condition(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether a word of the tokens `[start, end)` of `claim` stands only under a condition in `source`, and the claim
    has none."""
    if OPENING.isdisjoint(source.places) or any(token.word in OPENING for token in claim.tokens):
        return False
    governed = frozenset(_governed(source.tokens))
    return bool(governed) and any(
        (places := source.places.get(token.key)) is not None and governed.issuperset(places)
        for token in claim.tokens[start:end]
        if token.kind in ("word", "order")
    )


def _governed(tokens: Sequence[Token]) -> Iterator[int]:
    """Where what depends on a condition stands."""
    for index, token in enumerate(tokens):
        if token.word not in OPENING:
            continue
        if index == 0 or tokens[index - 1].kind == "break":
            yield from _after(tokens, index)
        elif token.word in _CONDITIONS:
            yield from _before(tokens, index)


def _after(tokens: Sequence[Token], index: int) -> Iterator[int]:
    """What follows the comma of a condition that opens its part."""
    following = tokens[index + 1].word if index + 1 < len(tokens) else ""
    if tokens[index].word == "should" and following not in _INVERTED:
        return
    comma = next(
        (at for at in range(index, len(tokens)) if tokens[at].kind in ("comma", "break")), len(tokens)
    )
    if comma + 1 >= len(tokens) or tokens[comma].kind == "break":
        return
    if tokens[index].word in _TIMES and not _is_order(tokens[comma + 1]):
        return
    for at in range(comma + 1, len(tokens)):
        if tokens[at].kind == "break":
            return
        yield at


def _before(tokens: Sequence[Token], index: int) -> Iterator[int]:
    """The order that a condition follows, with what it is about."""
    for at in range(index - 1, -1, -1):
        if tokens[at].kind == "break":
            return
        if _is_order(tokens[at]):
            yield from range(at, index)
            return


def _is_order(token: Token) -> bool:
    return (token.kind == "order" and not token.word.endswith("ed")) or token.word in _TOLD
