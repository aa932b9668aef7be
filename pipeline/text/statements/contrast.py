"""Whether a claim joins what a sentence keeps apart: "Right hip replaced in 2015; left hip painful" and "left hip
replaced".

Decides by the parts of the sentence, between commas, breaks and "and". Two things that a claim says together must not
stand in two parts of which one has another side, another date, another figure of the same unit, another frequency, or
denies it. A part that has no subject of its own ("severe on the right") takes the words before it, never those after
it. Refuses to say what a sentence carries: only what it speaks against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from pipeline.text.statements.facts import Over, Reading, Token

Mark: TypeAlias = tuple[str, object]
"""What tells one part of a sentence from another: its class and its value."""

_SELDOM_OR_OFTEN = frozenset(
    "occasional occasionally rare rarely seldom sometimes intermittent intermittently frequent frequently often "
    "constant constantly".split()
)
_A_SINGLE_TIME = frozenset(["once", "stat"])
_CAME = frozenset(["admitted", "readmitted", "presented", "seen"])
"""Words that claim nothing by themselves, but with their day."""
_AGENTS = frozenset(["by"])
_JOINING = frozenset(["and", "while", "but", "whereas"])


def joins_what_is_apart(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` say together what the parts of `source` say of different things."""
    marks: list[tuple[int, Mark]] = []
    twice = False
    for place in range(start, end):
        token = claim.tokens[place]
        if token.kind == "word" and token.word not in _SELDOM_OR_OFTEN:
            twice = twice or len(source.places.get(token.key, ())) > 1
        elif (mark := _mark_of(token)) is not None:
            marks.append((place, mark))
    if not marks and not twice:
        return False
    parts = _parts_of(source)
    if parts[-1] == 0:
        return False
    theirs = [
        (part, mark) for part, token in zip(parts, source.tokens, strict=True) if (mark := _mark_of(token))
    ]
    if any(_is_of_another(source, parts, theirs, claim, start, end, marks, each) for each in marks):
        return True
    return twice and _is_denied_beside(source, parts, claim, start, end)


def _is_of_another(
    source: Reading,
    parts: Sequence[int],
    theirs: Sequence[tuple[int, Mark]],
    claim: Reading,
    start: int,
    end: int,
    marks: Sequence[tuple[int, Mark]],
    marked: tuple[int, Mark],
) -> bool:
    """Whether the claim says with the mark `marked` what the source says with another one of its class."""
    place, mark = marked
    of_class = {value for _, (kind, value) in theirs if kind == mark[0]}
    if len(of_class) < 2 or mark[1] not in of_class:
        return False
    alone = sum(other[0] == mark[0] for _, other in marks) == 1
    said_with = _said_with(claim, place, start, end, everything=alone)
    return any(_is_apart(source, parts, theirs, mark, said) for said in said_with)


def _parts_of(reading: Reading) -> list[int]:
    found, part = [], 0
    for token in reading.tokens:
        part += token.kind in ("comma", "break") or token.word in _JOINING
        found.append(part)
    return found or [0]


def _mark_of(token: Token) -> Mark | None:
    if token.kind == "side":
        return "side", token.key
    if token.word in _SELDOM_OR_OFTEN or (token.word in _A_SINGLE_TIME and token.kind == "word"):
        return "frequency", token.key
    figure = token.figure
    if figure is None:
        return None
    if figure.kind in ("amount", "range", "ratio"):
        return f"amount {figure.unit}", (figure.value, figure.bound)
    return figure.kind, figure.value


def _said_with(claim: Reading, place: int, start: int, end: int, *, everything: bool) -> Iterator[Token]:
    """The words and figures that a claim says with the mark at `place`."""
    parts = _parts_of(claim)
    for at in range(start, end):
        token = claim.tokens[at]
        if (
            at != place
            and (token.kind in ("word", "figure", "order") or token.word in _CAME)
            and (everything or parts[at] == parts[place])
        ):
            yield token


def _is_apart(
    source: Reading, parts: Sequence[int], theirs: Sequence[tuple[int, Mark]], mark: Mark, said: Token
) -> bool:
    """Whether the source says `said` next to another mark of the class only."""
    where = {part for part, other in theirs if other == mark}
    own = _mark_of(said)
    at = (
        {part for part, other in theirs if other == own}
        if own is not None
        else {
            parts[place]
            for place in source.places.get(said.key, ())
            if source.tokens[place].kind == said.kind
        }
    )
    if not at or at & where or not at <= {part for part, other in theirs if other[0] == mark[0]}:
        return False
    if own is not None:
        return where <= {part for part, other in theirs if other[0] == own[0]}
    if min(at) > max(where) or all(_has_its_own(source, parts, part, said) for part in where):
        return True
    return not mark[0].startswith("amount") and all(_has_a_subject(source, parts, part) for part in where)


def _has_its_own(source: Reading, parts: Sequence[int], part: int, said: Token) -> bool:
    """Whether a part has another word in the place that `said` has in its own: "discharged" for "admitted", "by Dr.
    Lindqvist" for "by Dr. Osei"."""
    if said.word.endswith("ed"):
        return any(
            token.word.endswith("ed")
            and token.word != said.word
            and token.kind in ("word", "neutral", "order")
            for token, own in zip(source.tokens, parts, strict=True)
            if own == part
        )
    whose = {_agent_of(source, parts, place) for place in source.places.get(said.key, ())}
    own_agents = {at for at, token in enumerate(source.tokens) if parts[at] == part and token.word in _AGENTS}
    return whose.isdisjoint([None]) and bool(whose) and bool(own_agents)


def _agent_of(source: Reading, parts: Sequence[int], place: int) -> str | None:
    """The word that makes a word the doer of its part: "by" before "Dr. Osei"."""
    before = source.tokens[max(0, place - 3) : place]
    return next(
        (
            token.word
            for at, token in enumerate(before, max(0, place - 3))
            if token.word in _AGENTS and parts[at] == parts[place]
        ),
        None,
    )


def _has_a_subject(source: Reading, parts: Sequence[int], part: int) -> bool:
    """Whether a part begins with a thing of its own: "left hip is painful", not "worsened in the left"."""
    for place, token in enumerate(source.tokens):
        if parts[place] != part or token.kind in ("comma", "break", "neutral", "side"):
            continue
        return token.kind == "word" and not token.word.endswith(("ed", "ing", "ly"))
    return False


def _is_denied_beside(source: Reading, parts: Sequence[int], claim: Reading, start: int, end: int) -> bool:
    """Whether a thing stands denied in one part of the source and not in another, and the claim says it as the one with
    what stands in the other: "no pain since the stent; pain before" and "pain since the stent"."""
    for at in range(start, end):
        token, over = claim.tokens[at], claim.over[at]
        if (
            token.kind != "word"
            or len(source.places.get(token.key, ())) < 2
            or len(claim.places[token.key]) > 1
        ):
            continue
        alike = {parts[place] for place in source.places[token.key] if _alike(source.over[place], over)}
        unlike = {parts[place] for place in source.places[token.key]} - alike
        if (
            alike
            and unlike
            and any(
                other.kind == "word"
                and (there := {parts[place] for place in source.places.get(other.key, ())})
                and there <= unlike
                for other in claim.tokens[start:end]
            )
        ):
            return True
    return False


def _alike(source: Over, claim: Over) -> bool:
    return bool(source.denied) == bool(claim.denied) and source.relatives == claim.relatives
