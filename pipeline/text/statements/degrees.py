"""Whether a claim gives one finding the degree of another: "Severe aortic stenosis with mild regurgitation" and "mild
aortic stenosis".

Decides by the last word of the phrase that a degree opens. Reads only sentences in which each degree stands before what
it is said of. Refuses to say what a sentence carries: only what it speaks against.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.text.statements.facts import Reading, Token
from pipeline.text.vocabulary import PLACING

_DEGREES = (
    frozenset("minimal trace slight mild moderate marked severe massive".split()),
    frozenset(["acute", "subacute", "chronic"]),
)
_ENDS = PLACING | frozenset("and or but is are was were has have had that which who".split())


def takes_degree_of_another(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` give a finding a degree that `source` gives to others only, and the
    finding another one."""
    for degrees in _DEGREES:
        theirs = [(token.word, _said_of(source.tokens, at)) for at, token in _of(source.tokens, degrees)]
        if len({degree for degree, _ in theirs}) < 2 or not all(finding for _, finding in theirs):
            continue
        for at, token in _of(claim.tokens[start:end], degrees):
            finding = _said_of(claim.tokens[start:end], at)
            having = {degree for degree, other in theirs if finding & other}
            if having and token.word not in having and any(token.word == degree for degree, _ in theirs):
                return True
    return False


def _of(tokens: Sequence[Token], degrees: frozenset[str]) -> list[tuple[int, Token]]:
    return [(at, token) for at, token in enumerate(tokens) if token.word in degrees]


def _said_of(tokens: Sequence[Token], at: int) -> frozenset[str]:
    """The keys of the last word of the phrase that the degree at `at` opens; of the word before "is severe"."""
    place = at + 1
    while (
        place < len(tokens) and tokens[place].kind in ("word", "neutral") and tokens[place].word not in _ENDS
    ):
        place += 1
    last = place - 1
    if last == at and at > 1 and tokens[at - 1].word in ("is", "was"):
        last = at - 2
    if last == at or tokens[last].kind != "word":
        return frozenset()
    return frozenset(token.key for token in tokens if token.word == tokens[last].word)
