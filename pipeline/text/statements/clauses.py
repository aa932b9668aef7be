"""Whether a claim gives the subject of one clause what a sentence says in another: "Dr. Lee operated; Dr. Park gave
anesthesia" and "Dr. Park operated".

Decides what a clause with a subject of its own is: what stands between two breaks, and between commas or "and" where
both sides have a subject and a verb, a colon or a word that both say in the same place. Decides as well that what
stands on one side of "by", "because", "before" or the like must not stand on its other side. A clause without a subject
of its own lends its words to every other one. Refuses to say what a sentence carries: only what it speaks against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.text.statements.facts import Reading, Token
from pipeline.text.vocabulary import CLAUSE_VERBS, PAST, SUBJECTS

_JOINING = frozenset(["and", "or"])
_VERBS = (
    CLAUSE_VERBS | {"gave", "gives", "found", "made", "died", "follows", "operated", "wrote", "saw"}
) - SUBJECTS
_SAYING = frozenset(["word", "figure", "relative", "order", "hedge"])
_NO_SUBJECT = PAST | {"possible", "definite", "known", "mild", "severe", "likely"}
_RELATIONS = frozenset("by because before after from due until causing caused secondary".split())
_OPENING_WITHIN = frozenset("that who which whose because when if since".split())
_WORDS_OF_A_SUBJECT_MAX = 4


@dataclass(frozen=True, slots=True)
class _Clause:
    said: range
    subject: frozenset[str]
    """Canonical; empty where it has none of its own."""


def joins_clauses(source: Reading, claim: Reading, start: int, end: int) -> bool:
    """Whether the tokens `[start, end)` of `claim` say of the subject of one clause of `source` what another one says
    of its own, or turn around what comes of what."""
    return _is_turned_around(source, claim, range(start, end)) or _swaps_subjects(source, claim, start, end)


def _swaps_subjects(source: Reading, claim: Reading, start: int, end: int) -> bool:
    clauses = _distinct(source.tokens, _clauses(source.tokens, range(len(source.tokens))))
    if sum(bool(clause.subject) for clause in clauses) < 2:
        return False
    return any(
        _is_of_another(source, clauses, [claim.tokens[at] for at in part.said])
        for part in _clauses(claim.tokens, range(start, end))
    )


def _is_of_another(source: Reading, clauses: Sequence[_Clause], said: Sequence[Token]) -> bool:
    keys = {token.key for token in said}
    meant = [clause for clause in clauses if clause.subject & keys]
    if not meant:
        return False
    for token in said:
        if not (
            token.kind in _SAYING
            or token.word in _VERBS - CLAUSE_VERBS
            or token.word in ("off", "negative", "absent")
        ):
            continue
        where = [
            clause for clause in clauses if any(_is_same(source.tokens[at], token) for at in clause.said)
        ]
        if where and all(clause.subject and clause not in meant for clause in where):
            return True
    return False


def _is_same(source: Token, claim: Token) -> bool:
    if source.figure is not None and claim.figure is not None:
        return (source.figure.kind, source.figure.value) == (claim.figure.kind, claim.figure.value)
    return source.kind == claim.kind and source.key == claim.key


def _distinct(tokens: Sequence[Token], clauses: Sequence[_Clause]) -> list[_Clause]:
    """The clauses, each with what its subject has and no other clause says."""
    keys = [frozenset(tokens[at].key for at in clause.said) for clause in clauses]
    return [
        _Clause(clause.said, clause.subject.difference(*keys[:at], *keys[at + 1 :]))
        for at, clause in enumerate(clauses)
    ]


def _clauses(tokens: Sequence[Token], said: range) -> list[_Clause]:
    found: list[range] = []
    for sentence in _cut(tokens, said, lambda token: token.kind == "break"):
        current: list[range] = []
        for piece in _cut(tokens, sentence, _may_part):
            if current and _stand_apart(tokens, current[-1], piece):
                current.append(piece)
            elif current:
                current[-1] = range(current[-1].start, piece.stop)
            else:
                current.append(piece)
        found += current
    several = len(found) > 1
    return [_Clause(each, _subject(tokens, each) if several else frozenset()) for each in found]


def _may_part(token: Token) -> bool:
    return (
        token.kind == "comma" and token.key != ":" and token.word not in ("(", ")")
    ) or token.word == "and"


def _cut(tokens: Sequence[Token], said: range, parts: Callable[[Token], bool]) -> Iterator[range]:
    first = said.start
    for at in (*said, said.stop):
        if at == said.stop or parts(tokens[at]):
            if any(tokens[place].kind in (*_SAYING, "neutral") for place in range(first, at)):
                yield range(first, at)
            first = at + 1


def _stand_apart(tokens: Sequence[Token], one: range, other: range) -> bool:
    """Whether both have a subject and say something of it."""
    if _verb(tokens, one) is not None and _verb(tokens, other) is not None:
        return True
    ours = [tokens[at] for at in other]
    for place, token in enumerate(ours):
        if token.kind != "word" or not _says(ours[:place]) or not _says(ours[place + 1 :]):
            continue
        for at in one:
            if (
                tokens[at].key == token.key
                and _says([tokens[each] for each in range(one.start, at)])
                and _says([tokens[each] for each in range(at + 1, one.stop)])
            ):
                return True
    return False


def _says(tokens: Sequence[Token]) -> bool:
    return any(
        token.kind in ("word", "figure", "relative", "negation") or token.word == "patient"
        for token in tokens
    )


def _verb(tokens: Sequence[Token], said: range) -> int | None:
    """Where the verb or colon of a clause stands, with a subject right before it: none in "and hypertension who
    presents", and none where its last "that" or "because" is left without one, as in "reports that AST"."""
    within = [at for at in said if tokens[at].word in _OPENING_WITHIN]
    verbs = [at for at in said if tokens[at].key == ":" or tokens[at].word in _VERBS]
    if not verbs or (within and (verbs[0] > within[0] or verbs[-1] < within[-1])):
        return None
    return verbs[0] if _subject(tokens, range(said.start, verbs[0])) else None


def _subject(tokens: Sequence[Token], said: range) -> frozenset[str]:
    """The words that a clause begins with, as far as they are names of things; none where it begins with a verb or with
    "she"."""
    found: list[str] = []
    for at in said:
        token = tokens[at]
        if token.word in ("he", "she", "they", "it", "we", "i", "who", "which"):
            return frozenset(found)
        if not found and (token.kind in ("neutral", "hedge", "side", "order") or token.word in _NO_SUBJECT):
            if token.word in _VERBS - {"remains", "continues"}:
                return frozenset()
            if token.word == "patient":
                found.append(token.key)
            continue
        if token.kind not in ("word", "relative") or token.word in _VERBS:
            break
        if token.word.endswith(("ed", "ing", "ly")) and token.kind == "word":
            break
        found.append(token.key)
        if len(found) == _WORDS_OF_A_SUBJECT_MAX:
            break
    return frozenset(found)


def _is_turned_around(source: Reading, claim: Reading, said: range) -> bool:
    """Whether the claim has before "by" what the source has behind it, and the other way round."""
    for at in said:
        relation = claim.tokens[at].word
        if relation not in _RELATIONS or relation not in source.places or at == said.start:
            continue
        places = source.places[relation]
        if len(places) != 1 or places[0] == 0 or source.tokens[places[0] - 1].kind in ("comma", "break"):
            continue
        before = _moved(source, claim, range(said.start, at), places[0], behind=True)
        after = _moved(source, claim, range(at + 1, said.stop), places[0], behind=False)
        if before and after:
            return True
    return False


def _moved(source: Reading, claim: Reading, said: range, relation: int, *, behind: bool) -> bool:
    """Whether a word of these stands in the source on the other side of the relation only."""
    return any(
        (places := source.places.get(claim.tokens[at].key))
        and all((place > relation) == behind for place in places)
        for at in said
        if claim.tokens[at].kind == "word"
    )
