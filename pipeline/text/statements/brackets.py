"""Whether a claim takes what a source says in brackets of one item of a list for another: "penicillin (rash), sulfa
(anaphylaxis)" and "penicillin: anaphylaxis".

Decides that brackets belong to what stands right before them, back to the comma, the "and" or the word that claims
nothing. A reaction, a dose, a side and a date are all the same to it. Brackets that say "both" or "all" are of the
whole list, and that other ways to write such pairs ("penicillin - rash, sulfa - anaphylaxis") mean the same
(`pairs`). Refuses to say what a sentence carries: only what it speaks against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.text.statements.facts import Reading, Token, read
from pipeline.text.statements.pairs import in_round_brackets

_OF_THE_LIST = frozenset(["both", "all", "each", "respectively"])
_JOINING = frozenset(["and", "or", "but", "while", "whereas", "&"])
_SAYING = frozenset(["word", "figure", "side", "relative"])
_ITEMS_MIN = 3
"""Items with which a list is one where only one of them has brackets: "diabetes, type 2 (2015)" is none."""
_ITEM_WORDS_MAX = 3


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a list: half-open places of its words, and of what stands in its brackets."""

    words: range
    inside: range


def joins_brackets_of_another(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` say of one item of `source` what stands in another's brackets."""
    text = in_round_brackets(source.text)
    if text != source.text:
        source = read(text)
    if not any(token.word == "(" for token in source.tokens):
        return False
    items = _items(source.tokens)
    if len(items) < 2:
        return False
    said = range(start, end)
    return any(
        _is_of_another(source.tokens, items, claim.tokens, said, place)
        for place in said
        if claim.tokens[place].kind in _SAYING or claim.tokens[place].kind == "order"
    )


def _is_of_another(
    source: Sequence[Token], items: Sequence[_Item], claim: Sequence[Token], said: range, place: int
) -> bool:
    where = [at for at, token in enumerate(source) if _is_same(token, claim[place])]
    own = [item for item in items if any(at in item.inside for at in where)]
    if not own or any(all(at not in item.inside for item in own) for at in where):
        return False
    theirs = [item for item in items if item not in own]
    own_words = [source[at] for item in own for at in item.words]
    other_words = [source[at] for item in theirs for at in item.words]
    part = [claim[at] for at in _part(claim, said, place)]
    if not any(_is_in(token, own_words) or _is_in(token, other_words) for token in part):
        part = [claim[at] for at in said]
    if not any(_is_in(token, own_words) or _is_in(token, other_words) for token in part):
        part = _sentence(claim, said)  # "Penicillin, anaphylaxis"
    others = [
        token
        for token in part
        if _is_in(token, other_words)
        and not _is_in(token, own_words)
        and all(_stands_in(theirs, at) for at, each in enumerate(source) if _is_same(each, token))
    ]
    by_figure = any(token.figure for token in others) and any(token.figure for token in own_words)
    return bool(others) and not any(
        (token.figure is not None or not by_figure)  # "BP 120/80 (sitting), 110/70 (standing)"
        and _is_in(token, own_words)
        and not _is_in(token, other_words)
        for token in part
    )


def _sentence(claim: Sequence[Token], said: range) -> list[Token]:
    """What stands around a part of a claim that names no item, up to the ends of its sentence."""
    first, last = said.start, said.stop
    while first and claim[first - 1].kind != "break":
        first -= 1
    while last < len(claim) and claim[last].kind != "break":
        last += 1
    return list(claim[first:last])


def _stands_in(items: Sequence[_Item], at: int) -> bool:
    return any(at in item.words for item in items)


def _is_in(token: Token, others: Sequence[Token]) -> bool:
    return token.kind in _SAYING and any(_is_same(other, token) for other in others)


def _is_same(source: Token, claim: Token) -> bool:
    """Whether both say the same; of dates, whether the claim says as much of it as it says at all."""
    if source.kind != claim.kind:
        return False
    if source.figure is None or claim.figure is None:
        return source.key == claim.key
    theirs, ours = source.figure, claim.figure
    if theirs.kind == ours.kind == "date":
        return all(one is None or one == other for one, other in zip(ours.value, theirs.value, strict=True))
    return (theirs.kind, theirs.value) == (ours.kind, ours.value)


def _part(claim: Sequence[Token], said: range, place: int) -> range:
    """The part of a claim that holds `place`: between commas and joining words, with what stands in brackets and
    behind a colon."""
    first, last = place, place + 1
    while first > said.start and not _parts(claim[first - 1]):
        first -= 1
    while last < said.stop and not _parts(claim[last]):
        last += 1
    return range(first, last)


def _parts(token: Token) -> bool:
    return _separates(token) and token.key != ":" and token.word not in ("(", ")")


def _items(tokens: Sequence[Token]) -> list[_Item]:
    """The items with brackets; where they are of a list, those without as well."""
    bracketed = list(_bracketed(tokens))
    plain = list(_plain(tokens, [item.inside for item in bracketed]))
    listed = len(bracketed) + len([item for item in plain if not _stands_in(bracketed, item.words.start)])
    if len(bracketed) < 2 and listed < _ITEMS_MIN:
        return []
    return bracketed + [item for item in plain if not _stands_in(bracketed, item.words.start)]


def _bracketed(tokens: Sequence[Token]) -> Iterator[_Item]:
    for opening, token in enumerate(tokens):
        if token.word != "(":
            continue
        closing = next((at for at in range(opening + 1, len(tokens)) if tokens[at].word == ")"), len(tokens))
        inside = range(opening + 1, closing)
        first = opening
        while first and tokens[first - 1].kind in _SAYING and tokens[first - 1].word not in _JOINING:
            first -= 1
        if first < opening and not any(tokens[at].word in _OF_THE_LIST for at in inside):
            yield _Item(range(first, opening), inside)


def _plain(tokens: Sequence[Token], brackets: Sequence[range]) -> Iterator[_Item]:
    """What stands between two commas or joining words, with nothing but words in it."""
    first = 0
    for at in range(len(tokens) + 1):
        if at < len(tokens) and not _separates(tokens[at]):
            continue
        if (
            0 < at - first <= _ITEM_WORDS_MAX
            and first > 0
            and all(token.kind == "word" for token in tokens[first:at])
            and not any(first in inside for inside in brackets)
        ):
            yield _Item(range(first, at), range(0))
        first = at + 1


def _separates(token: Token) -> bool:
    return token.kind in ("comma", "break") or token.word in _JOINING
