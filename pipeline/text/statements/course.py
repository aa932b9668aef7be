"""Whether a claim says that something came about, or still is, which its source leaves ahead or behind: "Echocardiogram
pending" and "Echocardiogram was performed", "Last took ibuprofen in 2018" and "Takes ibuprofen".

Decides by the words that say so in the part of the sentence that the claim takes its words from, between two breaks.
What is said to be done in that part is done. Refuses to know whether what was planned came about later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.text.statements.facts import Reading, Token
from pipeline.text.vocabulary import AHEAD, DONE, HAPPENED, NOW, PLANS, TAKING

_NOT_YET = frozenset("pending awaiting awaited yet discussed would".split())
_PRESENT = frozenset("takes take taking uses using receives receiving on".split())
_LAST_DONE = frozenset("took taken used had received".split())
_BEGUN = frozenset(["began", "begun", "quit"])
_IN_THE_PRESENT = _PRESENT - {"on"} | frozenset("has have is are suffers".split())
_IN_THE_PAST = frozenset(
    "had was were been used took taken received previous previously former formerly past history".split()
)
_GONE = frozenset("resolved cured cleared outgrown outgrew subsided disappeared abated".split())
_GONE_OR_NOT = frozenset(
    "partially partly mostly largely nearly almost incompletely if unless until once when should will may again "
    "recurred recurs returned recurrent resumed restarted still takes".split()
)
"""Where one of these is said too, what is said of the past may be so today."""
_DID = _LAST_DONE | {"taking", "using", "on"}
_DOING = frozenset("take use receive get have be".split())
_STOPPED_IT = frozenset("stopped discontinued quit".split())
_CLEARED = frozenset("for by to from".split())
""" "Cleared for surgery", "resolved to quit"."""
_OPENS_WHAT_WAS = frozenset("has have is are whose who which that".split())
_ENDS_WHAT_WAS = frozenset("and but with without because from after before for since while whereas".split())
_ON = frozenset(["is", "be", "been", "patient", "remains", "still", "currently", "now"])


def has_not_come_about(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` say as done or as taken what `source` does not."""
    said = claim.tokens[start:end]
    words = {token.word for token in said}
    if _only_to_be_done(source, said) or _is_no_longer_so(source, said):
        return True
    taken = bool(words & _PRESENT - {"on"}) or _is_on(said)
    if not taken and not words & DONE and not _used_to(source, said):
        return False
    if _used_to(source, said):
        return "used" not in words
    return (not words & (_NOT_YET | PLANS | AHEAD) and _is_ahead(source, said)) or (
        taken and _is_behind(source, said)
    )


def _is_no_longer_so(source: Reading, said: Sequence[Token]) -> bool:
    """Whether the claim says in the present what the source says was: "used to take", "resolved after the diet"."""
    words = {token.word for token in said}
    taken = bool(words & _PRESENT - {"on"}) or _is_on(said)
    theirs = {token.word for token in source.tokens}
    if (
        not (taken or words & _IN_THE_PRESENT)
        or words & (_IN_THE_PAST | _GONE)
        or theirs & (NOW - {"now"} | _GONE_OR_NOT)
        or any(token.kind == "negation" or token.key == "stop" for token in said)
    ):
        return False
    was = frozenset(_places_that_were(source, taken=taken))
    return bool(was) and any(
        token.kind == "word"
        and (places := source.places.get(token.key)) is not None
        and was.issuperset(places)
        for token in said
    )


def _places_that_were(source: Reading, *, taken: bool) -> Iterator[int]:
    """Where the source has what was and is no more; only for a claim of what is `taken`, what somebody stopped too."""
    tokens = source.tokens
    words = ["", *(token.word for token in tokens), "", ""]
    for at, (before, word, after, next_but_one) in enumerate(
        zip(words, words[1:], words[2:], words[3:], strict=False)
    ):
        if word in _GONE and not source.over[at].denied and after not in _CLEARED:
            yield from _clause(tokens, at, -1)
        elif word == "used" and after == "to" and next_but_one in _DOING and before not in _ON:
            yield from _clause(tokens, at + 2, 1)
        elif word in ("previously", "formerly") and after in _DID:
            yield from _clause(tokens, at + 1, 1)
        elif word in ("took", "used"):
            clause = list(_clause(tokens, at, 1))
            if any(tokens[place].word == "past" for place in clause):
                yield from clause
        elif taken and before in _STOPPED_IT and word in ("it", "them") and "but" in words[:at]:
            yield from _clause(tokens, at - 1 - words[at::-1].index("but"), -1)


def _clause(tokens: Sequence[Token], at: int, step: int) -> Iterator[int]:
    """The places from `at` on, one way, to the end of what is said there; a comma right before "resolved" ends
    nothing."""
    something = False
    for place in range(at + step, len(tokens) if step > 0 else -1, step):
        token = tokens[place]
        if token.kind == "break" or token.word in _ENDS_WHAT_WAS:
            return
        if something and (token.kind == "comma" or token.word in _OPENS_WHAT_WAS):
            return
        something = something or token.kind in ("word", "figure")
        yield place


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
