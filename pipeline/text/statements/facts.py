"""Reads a stretch of clinical English into facts: words in one form, figures, sides, and what stands over each word.

The one room for numbers with units, doses, frequencies, dates, sides, denials, relatives, doubts and orders.
Verification, near-duplicates and the extractive answerer all read here, so that none of them knows less than another.
Decides by rules of reach: "denies" reaches to the end of its list, "was ruled out" reaches back, "Mother had" makes
what follows a relative's. Refuses to know what is true, what is usual, and every language but English.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from pipeline.text.statements.figures import DURATIONS, ORDINALS, Figure, figure_at, may_begin_figure, roman
from pipeline.text.vocabulary import (
    ABBREVIATED,
    ALTERED_BY,
    BREAKS,
    CHANGING,
    CIRCUMSTANCES,
    CLAUSE_VERBS,
    CLINICIAN_HAS,
    CLINICIANS,
    DENYING,
    DOUBTED_BY,
    HEDGES,
    LIST_ENDS_NEGATION,
    LIVING_VERBS,
    NEGATIONS,
    NEUTRAL,
    NO_SIDE_AFTER,
    ORDERS,
    OTHER_PEOPLE,
    OTHERS,
    RELATIVE_VERBS,
    RELATIVES,
    SAME_PHRASE,
    SIDES,
    SUBJECTS,
    TYPED,
    WHOSE,
)
from pipeline.text.wording import canonical

TokenKind: TypeAlias = Literal[
    "word", "neutral", "figure", "side", "negation", "order", "hedge", "relative", "break", "comma"
]


class Over(NamedTuple):
    """What stands over a word and changes what is said with it."""

    denied: int = 0
    """How many denials: "ruled out" over "denies" are two. Of a denial that stands over nothing but itself, 1."""
    relatives: bool = False
    """Said of a relative."""
    doubted: bool = False
    order: str = ""
    """As in vocabulary.ORDERS."""


class Token(NamedTuple):
    kind: TokenKind
    key: str
    """The canonical word, the class of an order, the side; the written word in small letters otherwise."""
    word: str
    figure: Figure | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of text as facts. `over[i]` is what stands over `tokens[i]`."""

    tokens: tuple[Token, ...]
    over: tuple[Over, ...]
    places: dict[str, list[int]] = field(repr=False)
    """Where each key stands."""
    text: str = field(default="", repr=False)
    """What was read."""

    def of(self, kind: TokenKind) -> list[Token]:
        return [token for token in self.tokens if token.kind == kind]


Value = TypeVar("Value")
_Ends: TypeAlias = Callable[[Sequence[Token], int, bool], bool]
"""(tokens, place, whether something was said before it) -> whether a reach ends there."""

WORDS_KEPT = 30_000
"""Words whose reading is remembered."""
_PIECE = re.compile(
    r"[^\W\d_]+(?:'[^\W\d_]+)*(?:\d[^\W_]*)?(?:-\d+[^\W_]*)?|\d|\.\d|[<>≤≥]|/\s?(?=(?:day|d|week)\b)|[.;,:!?()&↑↓]"
)
_SPELLED = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "–": "-",
        "—": " - ",
        "‑": "-",
        "−": "-",
        "µ": "u",
        "μ": "u",
        "×": "x",
        "\u00a0": " ",
        "½": " 1/2",
        "º": "°",
    }
)
_LIST_NUMBER = re.compile(r"\s*(?:[-*•]\s*)?\(?\d{1,3}[.)]\s+(?=[^\W\d_]|\Z)")
"""In "1. Right upper lobe nodule" no figure: how many, how big or how often is not said."""
_ASKED = re.compile(r"\[\s?\]|\u2610|\?\s*\Z")
"""A box that is not ticked, or a question: nothing in that sentence is said to be so."""
_ABBREVIATION = re.compile(
    rf"(?<![\w/])(?:{'|'.join(map(re.escape, sorted(ABBREVIATED, key=len, reverse=True)))})(?![\w/])",
    re.IGNORECASE,
)
_TICKED = re.compile(r":\s?([YN])(?:(,)|(?=\s*(?:[;.]|\Z)))")
"""In "Stroke: N, seizure: Y" an answer to what stands before it."""
_ROMAN_RATIO = re.compile(r"\b(I{1,3}|IV|VI?)/(VI|IV|V)\b")


PLAINLY = Over()


def read(text: str, *, over: Over = PLAINLY) -> Reading:
    """The facts of `text`, which should be one sentence or a few. `over` holds for all of it, for example where its
    section is the family history. Linear in its length, but for a run of words that stand over one another."""
    tokens = _tokens(_spelled(text))
    if _ASKED.search(text):
        over = over._replace(doubted=True)
    places: dict[str, list[int]] = {}
    for index, token in enumerate(tokens):
        places.setdefault(token.key, []).append(index)
    return Reading(tuple(tokens), _what_stands_over(tokens, over), places, text)


def signature(text: str) -> Counter[tuple[str, object]]:
    """Every fact of a text that a change of few words may change: figures, sides, denials, orders, doubts, relatives.

    Two texts whose signatures differ do not say the same, however alike their words are.
    """
    return Counter(
        (token.kind, token.figure or token.key)
        for token in _tokens(_spelled(text))
        if token.kind in ("figure", "side", "negation", "order", "hedge", "relative")
    )


def may_stand_over(text: str) -> bool:
    """Whether a word of `text` may deny, doubt, end or give to a relative what stands next to it. True too often, never
    too seldom: what is cheap to ask before the text is read."""
    text = _spelled(text).lower()
    words = _WORDS.findall(text)
    return (
        not _STANDING_OVER.isdisjoint(words)
        or any(written in text for written in _OVER_WRITTEN)
        or any(
            word.startswith(_OVER_BEGINNINGS) or word.endswith("n't")
            for part in (*_OVER_BEGINNINGS, "n't")
            if part in text
            for word in words
        )
    )


def places_of(text: str, start: int, end: int) -> range:
    """Where the tokens of `text[start:end]` stand in `read(text)`. At least one, unless nothing is read there."""
    first = len(_tokens(_spelled(text[:start])))
    return range(first, len(_tokens(_spelled(text[:end]))))


def doubts_over(reading: Reading, place: int) -> list[Token]:
    """The words that make the token at `place` doubted: "possible", "if", "risk"."""
    return [
        token
        for index, token in enumerate(reading.tokens)
        if token.kind == "hedge" and place in _reach_of_doubt(reading.tokens, index)
    ]


def is_duration(figure: Figure) -> bool:
    """Whether a figure is a length of time."""
    return figure.unit in DURATIONS


def _spelled(text: str) -> str:
    """The text in one spelling of dashes, apostrophes, white space, and abbreviations that have a sign in them."""
    if text[:8].lstrip(" -*•(")[:1].isdigit() and (number := _LIST_NUMBER.match(text)) is not None:
        text = text[number.end() :]
    text = " ".join(text.translate(_SPELLED).split())
    if "/" in text or "(-)" in text or "-ve" in text:
        text = _ABBREVIATION.sub(lambda match: f" {ABBREVIATED[match.group().lower()]} ", text)
    if ": N" in text or ": Y" in text or ":N" in text or ":Y" in text:
        text = _TICKED.sub(
            lambda match: f": {'yes' if match[1] == 'Y' else 'no'}{';' if match[2] else ''}", text
        )
    if "/V" in text or "/I" in text:
        text = _ROMAN_RATIO.sub(lambda match: f"{roman(match[1].lower())}/{roman(match[2].lower())}", text)
    return text


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while (piece := _PIECE.search(text, at)) is not None:
        written = piece.group()
        word = written.lower() if written[0].isalpha() else ""
        if word and (alone := _alone(word)) is not None:
            found += alone
            at = piece.end()
            continue
        read_figure = figure_at(text, piece.start(), word)
        if read_figure is not None:
            figure, at = read_figure
            found.append(
                Token("figure", figure.kind, "one" if word == "one" else "", _with_role(figure, found))
            )
        elif word:
            at = piece.end()
            if word == "may" and _is_the_month(written, found):
                found.append(Token("word", "may", word))
                continue
            at = _add_words(found, text, "physiotherapy" if written == "PT" else word, at)
        else:
            at = piece.end()
            _add_mark(found, text, written, at)
    return found


@lru_cache(maxsize=WORDS_KEPT)
def _alone(word: str) -> tuple[Token, ...] | None:
    """The tokens of a word that is the same whatever stands around it; None for any other."""
    around = (
        len(word) == 1
        or word in _BY_WHAT_STANDS_AROUND
        or word in SAME_PHRASE
        or may_begin_figure(word)
        or roman(word) is not None
    )
    return None if around else tuple(_token(word, (), "", 0))


_BEFORE_A_MONTH = frozenset(
    "in of last since early late mid until till by this next during through between from".split()
)


def _is_the_month(written: str, before: Sequence[Token]) -> bool:
    """Whether "may" is a month: after "in" or "last", or with a capital within a sentence."""
    if not before or before[-1].kind == "break":
        return False
    return before[-1].word in _BEFORE_A_MONTH or (written == "May" and before[-1].kind != "comma")


def _with_role(figure: Figure, before: Sequence[Token]) -> Figure:
    if before and before[-1].word in ("from", "to"):
        return figure._replace(role=before[-1].word)
    return figure


def _add_mark(found: list[Token], text: str, written: str, end: int) -> None:
    if written == "." and found and found[-1].word in _TITLES:
        return
    if written == "?" and text[end : end + 1].isalpha() and text[max(0, end - 2) : end - 1] in ("", " ", "("):
        found.append(Token("hedge", "?", ""))  # "?pneumonia"
    elif written in ".;!?" and not (written == "." and text[end : end + 1].isalnum()):
        found.append(Token("break", ";", ""))
    elif written in "()":
        found.append(Token("comma", ",", written))
    elif written in ",&":
        found.append(Token("comma", ",", "and" if written == "&" else ""))
    elif written == ":":
        found.append(Token("comma", ":", ""))
    elif written in "↑↓":
        found.append(Token("order", ORDERS[written], written))


_TITLES = frozenset(["dr", "drs", "mr", "mrs", "ms", "mx", "prof", "st", "vs"])
_CANNOT_EXCLUDE = Token("hedge", "cannot exclude", "cannot exclude")
_NO_DENIALS = {
    "not": (
        (("not", "only"), Token("neutral", "only", "not only")),
        (("not", "limited"), Token("neutral", "limited", "not limited")),
    ),
    "no": ((("no", "longer"), Token("order", "stop", "no longer")),),
    **{
        word: tuple(
            ((word, *excluding), _CANNOT_EXCLUDE)
            for excluding in (("exclude",), ("be", "excluded"), ("rule", "out"), ("be", "ruled", "out"))
        )
        for word in ("cannot", "can't")
    },
}
"""Phrases that begin like a denial: "risks including but not limited to stroke", "cannot exclude malignancy"."""
_DENYING_ITSELF = frozenset(DENYING) - {"unable", "noncompliant", "inconsistent"}
"""Deny what is in them and nothing that follows: "painless hematuria", "afebrile with a cough"."""
_NEXT = re.compile(r"[\s-]{1,3}([^\W\d_]+(?:'[^\W\d_]+)*)")
_ABBREVIATED = re.compile(r"\.[a-z](?![a-z])\.?", re.IGNORECASE)


def _add_words(found: list[Token], text: str, word: str, end: int) -> int:
    """Adds the token or tokens of the word that ends at `end`, or of the phrase it begins; returns where they end."""
    if len(word) == 1 and (dotted := _ABBREVIATED.match(text, end)):  # "p.o.", "h.s."
        letters = word + dotted.group().strip(".").lower()
        found += [Token("word", key, letters) for key in canonical(letters)]
        return dotted.end()
    for phrase, said in SAME_PHRASE.get(word, ()):
        ends = _phrase_end(text, phrase, end)
        if ends is not None:
            found += [Token("word", key, " ".join(phrase)) for key in said]
            return ends
    if word in ("other", "another"):
        other = _NEXT.match(text, end)
        if other is not None and other[1].lower() in OTHER_PEOPLE:
            found.append(Token("relative", f"other {other[1].lower()}", f"other {other[1].lower()}"))
            return other.end()
    for phrase, token in _NO_DENIALS.get(word, ()):
        if (ends := _phrase_end(text, phrase, end)) is not None:
            found.append(token)
            return ends
    if word == "cva" and _is_of_the_back(found, text, end):
        found.append(Token("word", "costovertebral", word))
    else:
        found += _token(word, found, text, end)
    return end


def _phrase_end(text: str, phrase: tuple[str, ...], at: int) -> int | None:
    for word in phrase[1:]:
        following = _NEXT.match(text, at)
        if following is None or following[1].lower() != word:
            return None
        at = following.end()
    return at


def _follows(text: str, at: int, word: str) -> bool:
    following = _NEXT.match(text, at)
    return following is not None and following[1].lower() == word


def _token(word: str, before: Sequence[Token], text: str, end: int) -> list[Token]:
    if word in DENYING:
        return [
            Token("negation", "no", word),
            *(Token("word", key, word) for key in canonical(DENYING[word])),
        ]
    if word in SIDES and _no_side(word, before, text, end):
        return [Token("word", key, word) for key in canonical(word)]
    if word in DOUBTED_BY and any(_follows(text, end, after) for after in DOUBTED_BY[word]):
        return [Token("hedge", word, word)]
    if word in ("return", "go", "seek", "come", "report") and _IN_CASE_OF.match(text, end):
        return [Token("hedge", word, word)]
    if word in ALTERED_BY and (
        not ALTERED_BY[word] or any(_follows(text, end, after) for after in ALTERED_BY[word])
    ):
        return [*(Token("word", key, word) for key in canonical(word)), Token("hedge", word, word)]
    number = roman(word) if before and before[-1].word in TYPED else None
    if number is not None:
        return [Token("figure", "amount", word, Figure("amount", (number,)))]
    plain = _PLAIN_TOKENS.get(word)
    if plain is not None:
        return [plain]
    if word.endswith("n't"):
        return [Token("negation", word, word)]
    if word.startswith("non") and len(word) > 6:
        return [Token("negation", "non", word), *(Token("word", key, word) for key in canonical(word[3:]))]
    return [Token("word", key, word) for key in canonical(word)]


def _is_of_the_back(before: Sequence[Token], text: str, end: int) -> bool:
    """Whether "CVA" is no stroke: "no CVA or flank tenderness", "tenderness over the left CVA"."""
    if _OF_THE_BACK.match(text, end):
        return True
    for token in reversed(before[-5:]):
        if token.kind in ("comma", "break"):
            return False
        if token.word.startswith("tender"):
            return True
    return False


_OF_THE_BACK = re.compile(
    r"(?:[\s,/-]+(?:or|and|nor|is|was|are|flank|suprapubic|spinal|spine|midline|abdominal|lumbar|back|bilateral(?:ly)?|left"
    r"|right)\b){0,4}[\s,/-]+(?:(?:non-?)?tender|angle|percussion|punch)",
    re.IGNORECASE,
)
_IN_CASE_OF = re.compile(
    r"\s(?:back\s)?(?:to\s)?(?:the\s|our\s)?(?:nearest\s)?(?:ed|er|emergency|hospital|medical|immediate|urgent)\b"
    r"[^.;:]{0,40}?\b(?:for|if|with)\b",
    re.IGNORECASE,
)
"""After "return" or "go": what follows has not come about."""
_BY_WHAT_STANDS_AROUND = frozenset(
    [
        *("pt", "may", "cva", "other", "another", "return", "go", "seek", "come", "report"),
        *(*_NO_DENIALS, *SIDES, *DOUBTED_BY, *ALTERED_BY),
    ]
)
_PLAIN_TOKENS: dict[str, Token] = {
    **{word: Token("neutral", word, word) for word in (*NEUTRAL, *"sxt")},
    **{word: Token("break", word, word) for word in BREAKS},
    **{
        word: Token("figure", "amount", word, Figure("amount", (number,), "ordinal"))
        for word, number in ORDINALS.items()
        if word != "second"
    },
    **{word: Token("relative", canonical(word)[0], word) for word in (*RELATIVES, *OTHERS)},
    **{word: Token("hedge", word, word) for word in HEDGES},
    **{word: Token("order", order, word) for word, order in ORDERS.items()},
    **{word: Token("side", side, word) for word, side in SIDES.items()},
    **{word: Token("negation", word, word) for word in NEGATIONS},
    "neg": Token("negation", "negative", "neg"),
}
"""Words that are what they are wherever they stand; of a word in two lists the later one holds."""


ENDING_ORDERS = frozenset(["stop", "hold", "avoid"])
"""Orders that end what they are about."""
_STANDING_OVER = frozenset(
    [
        *CLINICIANS,
        *DENYING,
        *DOUBTED_BY,
        *ALTERED_BY,
        *(
            word
            for word, phrases in SAME_PHRASE.items()
            for _, said in phrases
            if ENDING_ORDERS.intersection(said)
        ),
        *(
            word
            for word, token in _PLAIN_TOKENS.items()
            if token.kind in ("negation", "hedge", "relative") or token.key in ENDING_ORDERS
        ),
    ]
)
_OVER_BEGINNINGS = ("non", "stop", "hold", "held", "avoid")
_OVER_WRITTEN = ("?", *(word for word in _STANDING_OVER if not word.replace("'", "").isalpha()))
_WORDS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def _no_side(word: str, before: Sequence[Token], text: str, end: int) -> bool:
    """Whether "left" or "right" says no side here: "left the hospital", "right away", "all right"."""
    following = _NEXT.match(text, end)
    if following is not None and following[1].lower() in NO_SIDE_AFTER.get(word, ()):
        return not (before and before[-1].word in ("on", "the"))
    return bool(before) and before[-1].word == "all"


def _what_stands_over(tokens: Sequence[Token], over: Over) -> tuple[Over, ...]:
    count = len(tokens)
    denied, relatives = [over.denied] * count, [over.relatives] * count
    doubted, orders = [over.doubted] * count, [over.order] * count
    for index, token in enumerate(tokens):
        if token.kind == "negation":
            for place in _reach_of_denial(tokens, index):
                denied[place] += 1
        elif token.kind == "hedge":
            _mark(doubted, _reach_of_doubt(tokens, index), True)
        elif token.kind == "order":
            _mark(orders, _reach(tokens, index, _ends_order), token.key)
        elif token.word == "from":
            _mark(orders, _what_was(tokens, index), "stop")
        elif token.kind == "relative" and _is_experiencer(tokens, index):
            _mark(relatives, _reach_of_relative(tokens, index), True)
        elif token.word in ("fh", "fhx"):
            _mark(relatives, _forward(tokens, index, _ends_family_history), True)
        elif token.word in CLINICIANS:
            _mark(relatives, _what_a_clinician_has(tokens, index), True)
    return tuple(map(Over._make, zip(denied, relatives, doubted, orders, strict=True)))


def _mark(over: list[Value], places: Sequence[int], value: Value) -> None:
    for place in places:
        over[place] = value


def _reach(tokens: Sequence[Token], index: int, ends: _Ends) -> list[int]:
    """The places that the word at `index` stands over: those after it, or where none is after it those before."""
    if tokens[index].word == "non":
        return list(range(index + 1, min(index + 2, len(tokens))))
    if tokens[index].word in _DENYING_ITSELF:
        return [place for place in range(index + 1, len(tokens)) if tokens[place].word == tokens[index].word]
    if not _is_passive(tokens, index):
        after = _forward(tokens, index, ends)
        if any(_says_something(tokens[place]) for place in after):
            return after
        if [token.word for token in tokens[max(0, index - 2) : index]] in _AND_DOES:
            return after  # "has no diabetes and does not report any other problems"
    return _backward(tokens, index)


_AND_DOES = [["and", "do"], ["and", "does"], ["and", "did"]]


def _forward(tokens: Sequence[Token], index: int, ends: _Ends) -> list[int]:
    found: list[int] = []
    something = False
    for place in range(index + 1, len(tokens)):
        if ends(tokens, place, something):
            break
        found.append(place)
        something = something or _says_something(tokens[place])
    return found


def _backward(tokens: Sequence[Token], index: int) -> list[int]:
    """The part of the sentence before `index`: its last clause, or the whole list where the word is said of a list."""
    before = tokens[index - 1] if index else None
    whole = before is not None and (before.word in ("are", "were", "all") or before.key == ":")
    found: list[int] = []
    something = listed = False
    last = index - 1
    while last >= 0 and tokens[last].word == tokens[index].word:
        last -= 1  # its own, where it is said itself
    for place in range(last, -1, -1):
        token = tokens[place]
        if token.kind == "break" or (
            something and _ends_backward(tokens, place, found, whole=whole or listed)
        ):
            break
        found.append(place)
        something = something or _says_something(token)
        listed = listed or (something and token.word in ("or", "nor"))
    return found


def _ends_backward(tokens: Sequence[Token], place: int, found: Sequence[int], *, whole: bool) -> bool:
    token = tokens[place]
    if token.kind == "comma" and not whole:
        return True
    if token.kind in ("negation", "order") or token.word in CIRCUMSTANCES or token.word in _BE:
        return True
    return token.word == "and" and any(
        tokens[after].kind == "figure" for after in found
    )  # "to 40 mg, and 20 mg is"


_BE = frozenset("is are was were be been being has have had".split())


def _is_passive(tokens: Sequence[Token], index: int) -> bool:
    """ "was ruled out", "has been stopped", "is absent": what it is said of stands before it."""
    token = tokens[index]
    if token.word in ("negative", "neg", "absent") and _ends_its_part(tokens, index):
        return True
    if token.key == "free":
        return not any(after.word in ("of", "from") for after in tokens[index + 1 : index + 2])
    if token.kind == "negation" and token.key not in (
        "ruled",
        "excluded",
        "absent",
        "denied",
        "negative",
        "none",
    ):
        return False
    if token.kind == "order" and token.word.endswith("ed") and _is_told_in_short(tokens, index):
        return True
    if token.kind == "hedge" or (token.kind == "order" and not token.word.endswith(("ed", "en", "un"))):
        return False
    place = index - 1
    adverbs = 1
    while place >= 0 and tokens[place].word not in _BE and (tokens[place].kind == "neutral" or adverbs):
        adverbs -= tokens[place].kind != "neutral"
        place -= 1
    passive = place >= 0 and tokens[place].word in _BE - {"has", "have", "had"}
    return passive and any(_says_something(tokens[before]) for before in _backward(tokens, place))


def _is_told_in_short(tokens: Sequence[Token], index: int) -> bool:
    """ "Lasix increased from 20 mg to 40 mg": no verb before it, and where to behind it."""
    after = tokens[index + 1 : index + 2]
    return index == 1 and tokens[0].kind == "word" and bool(after) and after[0].word in ("from", "to")


def _ends_its_part(tokens: Sequence[Token], index: int) -> bool:
    """ "ER positive, PR negative, HER2 equivocal": said of the word before it."""
    after = tokens[index + 1 : index + 2]
    return index > 0 and tokens[index - 1].kind == "word" and bool(after) and after[0].key in (",", ";")


def _says_something(token: Token) -> bool:
    return token.kind in ("word", "figure", "relative", "side")


def _ends_denial(tokens: Sequence[Token], place: int, something: bool) -> bool:
    token = tokens[place]
    if token.kind == "break" or (token.word in LIST_ENDS_NEGATION and (something or token.word == "but")):
        return True
    if (
        token.word == "other"
        and something
        and any(after.word == "than" for after in tokens[place + 1 : place + 2])
    ):
        return True
    if not something:
        return (
            token.kind == "negation"
            and token.key not in ("no", "not")
            and place > 0
            and tokens[place - 1].kind == "comma"
        )
    if token.kind in ("order", "negation") or token.word in CIRCUMSTANCES:
        return True
    return (
        (token.word in CLAUSE_VERBS and not (token.word == "do" and tokens[place - 1].word == "or"))
        or (token.word in SUBJECTS and _opens_clause(tokens, place))
        or _joins_clause(tokens, place)
        or [each.word for each in tokens[place : place + 3]] == ["at", "the", "time"]
    )


def _joins_clause(tokens: Sequence[Token], place: int) -> bool:
    """Whether a comma or "and" stands there, and soon after it a verb of what follows: "no complications and blood loss
    was minimal"; not "no fever and chills were noted", where the verb is of both."""
    if tokens[place].word != "and" and tokens[place].key != ",":
        return False
    for at in range(place + 1, min(place + 6, len(tokens) - 1)):
        if tokens[at].kind in ("comma", "break", "negation") or tokens[at].word in ("and", "or"):
            return tokens[at].word == "or" and any(each.word in _WILL for each in tokens[at : place + 8])
        if tokens[at].word in _FINITE:
            after = next((each for each in tokens[at + 1 :] if each.word not in _BE), None)
            return at > place + 1 and after is not None and after.word not in _SEEN
    return False


_WILL = frozenset(["will", "would", "should"])
_FINITE = frozenset(["is", "was", "are", "were", *_WILL])
_SEEN = frozenset(
    "noted seen found present reported identified appreciated observed detected elicited visualized evident apparent "
    "noticed heard felt palpated described mentioned documented recorded given required needed denied".split()
)


def _opens_clause(tokens: Sequence[Token], place: int) -> bool:
    """Whether the word at `place` begins a clause of its own: after a comma or "and", with a verb soon after it."""
    if tokens[place - 1].kind != "comma" and tokens[place - 1].word not in ("and", "or"):
        return False
    return any(token.word in CLAUSE_VERBS or token.kind == "order" for token in tokens[place + 1 : place + 5])


_TOLD = frozenset("states stated reports reported says said endorses endorsed".split())
"""What follows "and" and one of these is another thing that a patient tells."""


def _ends_doubt(tokens: Sequence[Token], place: int, something: bool) -> bool:
    token = tokens[place]
    return token.kind == "break" or (
        something
        and (
            token.kind in ("comma", "negation")
            or token.word == "because"
            or (token.word == "as" and tokens[place - 1].word != "such")
            or (token.word in _TOLD and tokens[place - 1].word == "and")
        )
    )


def _reach_of_denial(tokens: Sequence[Token], index: int) -> list[int]:
    """The denial itself where it stands over nothing else."""
    reach = _reach(tokens, index, _ends_denial)
    return reach if any(_says_something(tokens[place]) for place in reach) else [index]


def _reach_of_doubt(tokens: Sequence[Token], index: int) -> list[int]:
    """ "Differential: PE, MI" doubts the whole list."""
    listed = any(after.key == ":" for after in tokens[index + 1 : index + 2])
    reach = _reach(tokens, index, _ends_list if listed else _ends_doubt)
    if tokens[index].word in ("versus", "vs"):
        reach = [*_backward(tokens, index), *reach]
    return reach


def _what_was(tokens: Sequence[Token], index: int) -> list[int]:
    """Of "switched from A to B" what is no more: A."""
    if not any(
        before.key == "switch" or before.word in CHANGING for before in tokens[max(0, index - 4) : index]
    ):
        return []
    return [place for place in _forward(tokens, index, _ends_what_was) if tokens[place].kind == "word"]


def _ends_what_was(tokens: Sequence[Token], place: int, something: bool) -> bool:
    return tokens[place].kind == "break" or tokens[place].word == "to"


def _ends_list(tokens: Sequence[Token], place: int, something: bool) -> bool:
    return tokens[place].kind == "break"


def _ends_order(tokens: Sequence[Token], place: int, something: bool) -> bool:
    token = tokens[place]
    if token.kind in ("break", "negation"):
        return True
    if not something:
        return False
    return (
        token.kind == "order"
        or token.word in CLAUSE_VERBS
        or (
            token.kind == "comma"
            and token.word != "and"
            and place + 1 < len(tokens)
            and tokens[place + 1].word in SUBJECTS
        )
    )


def _is_experiencer(tokens: Sequence[Token], index: int) -> bool:
    """Whether a relative is a person who has something, and not who came along, reports or lives with the patient."""
    if tokens[index].word in OTHERS:
        follows = next((token.word for token in tokens[index + 1 :]), "")
        return follows != "of" and (follows in RELATIVE_VERBS or follows in LIVING_VERBS)
    if any(token.word in ("herself", "himself") for token in tokens[index + 1 : index + 6]):
        return True
    for place, token in enumerate(tokens[index + 1 : index + 6], index + 1):
        if token.word == "also":  # "also has", and "also denies" for the patient
            continue
        if token.kind == "comma" and place + 1 < len(tokens) and tokens[place + 1].word in ("who", "whose"):
            continue  # "his wife, who has diabetes"
        if token.word in RELATIVE_VERBS or token.key == ":":
            return True
        if token.word in LIVING_VERBS:
            return not any(after.word in _THE_PATIENT for after in tokens[place + 1 : place + 3])
        if (
            token.kind in ("break", "comma", "negation")
            or token.word in ("and", "because")
            or token.word in CLAUSE_VERBS
        ):
            break
    return _is_in(tokens, index) or tokens[index].word in ("family", "familial", "maternal", "paternal")


def _what_a_clinician_has(tokens: Sequence[Token], index: int) -> list[int]:
    """Of "Dr. Hill has diabetes" all that follows; nothing of what a clinician has done, or has with the patient: "Dr.
    Hill has seen", "had a talk with her"."""
    verb = _verb_of_a_clinician(tokens, index)
    if verb is None or verb + 1 == len(tokens) or _is_done(tokens[verb + 1]):
        return []
    had = _forward(tokens, verb, _ends_relative)
    return [] if any(tokens[place].word in _THE_PATIENT for place in had) else had


def _verb_of_a_clinician(tokens: Sequence[Token], index: int) -> int | None:
    """Where "has" stands of which the clinician is the subject, by name or not: not in "a patient of Dr. Hill has"."""
    first = index
    while first and (
        tokens[first - 1].word in WHOSE
        or tokens[first - 1].word in CLINICIANS
        or (tokens[first - 1].kind == "comma" and first > 1 and tokens[first - 2].word in CLINICIANS)
    ):
        first -= 1
    if (
        first
        and tokens[first - 1].kind not in ("comma", "break")
        and tokens[first - 1].word not in _JOINED_BY
    ):
        return None
    verb = index + 1
    while verb < len(tokens) and verb <= index + NAME_WORDS_MAX and tokens[verb].kind == "word":
        verb += 1
    if (
        verb < len(tokens)
        and tokens[verb].kind == "comma"
        and any(token.kind == "comma" for token in tokens[first:index])
    ):
        verb += 1  # "her surgeon, Dr. Hill, has"
    return verb if verb < len(tokens) and tokens[verb].word in CLINICIAN_HAS else None


def _is_done(token: Token) -> bool:
    return token.kind == "order" or token.word in _DONE_BY or token.word.endswith("ed")


_JOINED_BY = frozenset("and but that because while when since".split())
NAME_WORDS_MAX = 3
_DONE_BY = frozenset(
    "been seen given taken done made put set told written spoken begun found left met gone come known said sent kept "
    "read chosen agreed".split()
)
_THE_PATIENT = frozenset(["him", "her", "the", "patient", "care", "them", "this"])
"""Who it is done to: "his wife takes him to church"."""


def _is_in(tokens: Sequence[Token], index: int) -> bool:
    """ "in her mother", "in two of her aunts"."""
    before = [
        token.word
        for token in tokens[max(0, index - 5) : index]
        if token.kind != "figure" and token.word not in WHOSE
    ]
    return before[-1:] == ["in"] or before[-2:] == ["in", "of"]


def _reach_of_relative(tokens: Sequence[Token], index: int) -> list[int]:
    if _is_in(tokens, index):
        return _backward(tokens, index)
    return _forward(tokens, index, _ends_relative)


def _ends_family_history(tokens: Sequence[Token], place: int, something: bool) -> bool:
    return _ends_relative(tokens, place, something) or tokens[place].word in _OWN_HISTORY


_OWN_HISTORY = frozenset("pmh pmhx psh pshx sh shx".split())


def _ends_relative(tokens: Sequence[Token], place: int, something: bool) -> bool:
    token = tokens[place]
    if token.kind == "break":
        return True
    return something and token.word in SUBJECTS and _opens_clause(tokens, place)
