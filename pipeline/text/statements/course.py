"""Whether a claim says that something came about, or still is, which its source leaves ahead or behind: "Echocardiogram
pending" and "Echocardiogram was performed", "Last took ibuprofen in 2018" and "Takes ibuprofen".

Decides by the words that say so in the part of the sentence that the claim takes its words from, between two breaks.
What is said to be done in that part is done. Refuses to know whether what was planned came about later.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipeline.text.statements.facts import Reading, Token
from pipeline.text.vocabulary import AHEAD, DONE, HAPPENED, PLANS, TAKING

_NOT_YET = frozenset("pending awaiting awaited yet discussed would".split())
_PRESENT = frozenset("takes take taking uses using receives receiving on".split())
_LAST_DONE = frozenset("took taken used had received".split())
_BEGUN = frozenset(["began", "begun", "quit"])
_ON = frozenset(["is", "be", "been", "patient", "remains", "still", "currently", "now"])


def has_not_come_about(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` say as done or as taken what `source` does not."""
    said = claim.tokens[start:end]
    words = {token.word for token in said}
    if _only_to_be_done(source, said):
        return True
    taken = bool(words & _PRESENT - {"on"}) or _is_on(said)
    if not taken and not words & DONE and not _used_to(source, said):
        return False
    if _used_to(source, said):
        return "used" not in words
    return (not words & (_NOT_YET | PLANS | AHEAD) and _is_ahead(source, said)) or (
        taken and _is_behind(source, said)
    )


def _is_on(said: Sequence[Token]) -> bool:
    """ "On prednisone", "is on prednisone"; not "On 3 May"."""
    return any(
        token.word == "on" and after.kind == "word" and (before is None or before.word in _ON)
        for before, (token, after) in zip([None, *said], pairwise(said), strict=False)
    )


def _only_to_be_done(source: Reading, said: Sequence[Token]) -> bool:
    """Whether the claim has as done what the source has after "to" only: "to begin Monday", "advised to stop"."""
    for at, token in enumerate(said):
        if at and said[at - 1].word == "to":
            continue
        if token.kind != "order" or not (token.word.endswith("ed") or token.word in _BEGUN):
            continue
        places = source.places.get(token.key, ())
        if places and all(place and source.tokens[place - 1].word == "to" for place in places):
            return True
    return False


def _is_ahead(source: Reading, said: Sequence[Token]) -> bool:
    parts = _parts_with(source, said)
    return bool(parts) and all(
        {token.word for token in part} & _NOT_YET and not {token.word for token in part} & (HAPPENED | TAKING)
        for part in parts
    )


def _is_behind(source: Reading, said: Sequence[Token]) -> bool:
    if any(token.key == "fill" and source.over[at].denied for at, token in enumerate(source.tokens)):
        return True  # a prescription
    return any(
        (one.word == "last" and other.word in _LAST_DONE)
        or (one.word == "weaned" and other.word == "off")
        or (one.key == "try" and at + 2 < len(part) and _is_replaced(part))
        for part in _parts_with(source, said)
        for at, (one, other) in enumerate(pairwise(part))
    ) and not _follows_a_switch(source, said)


def _is_replaced(part: Sequence[Token]) -> bool:
    return any(token.key == "switch" for token in part)


def _follows_a_switch(source: Reading, said: Sequence[Token]) -> bool:
    switched = source.places.get("switch")
    return switched is not None and any(
        token.kind == "word" and max(source.places.get(token.key, [-1])) > switched[0] for token in said
    )


def _used_to(source: Reading, said: Sequence[Token]) -> bool:
    return any(
        one.word == "used"
        and other.word == "to"
        and at + 2 < len(source.tokens)
        and any(token.kind == "word" and source.places.get(token.key) == [at + 2] for token in said)
        for at, (one, other) in enumerate(pairwise(source.tokens))
    )


def _parts_with(source: Reading, said: Sequence[Token]) -> list[Sequence[Token]]:
    """The parts of the source, between two breaks, that have a word of the claim."""
    keys = {token.key for token in said if token.kind == "word"}
    parts: list[list[Token]] = [[]]
    for token in source.tokens:
        if token.kind == "break":
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if any(token.kind == "word" and token.key in keys for token in part)]
