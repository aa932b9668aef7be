"""A finding that is asked for, and where a text speaks of it in whichever of its words.

Decides that a sentence speaks of "heart attack" where it has all of it, in one of the spellings that `text.vocabulary`
knows for each word ("MI", "myocardial infarction"), and never for a part: heart failure is another thing. Its words
stand together, as those of one term: kidney stones and heart failure are no kidney failure; and a longer term with
another meaning is not it, as diabetes insipidus is no diabetes. Refuses to know how it is said of whom
(`text.structure.assertion`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import TypeAlias

from pipeline.text.sentences import passage_sentences
from pipeline.text.statements.facts import read
from pipeline.text.statements.figures import roman
from pipeline.text.terms.drug_names import SHORT
from pipeline.text.terms.longer_terms import is_part_of_another
from pipeline.text.terms.noun_phrase import is_one_term
from pipeline.text.vocabulary import SAME_PHRASE, SAME_WORD, SIDES
from pipeline.text.wording import canonical

_SMALL = frozenset("a an the of in on at to for with and or his her their some any s".split())
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"
WORDS_MAX = 8
ABBREVIATION_MAX = 3
"""Letters of a word that is an abbreviation only in capitals: "MI", "AF", "PE"."""
_SHORT_WORDS = frozenset(["flu"])
"""No abbreviations, whatever their length."""
MENTIONS_MAX = 4
"""Mentions of one sentence that are told."""
_LONG = {short: drug for drug, short in SHORT.items()}
_SHORT = re.compile(rf"\b(?:{'|'.join(_LONG)})\b")
_DRINKS = re.compile(
    r"\b(?:drinks?|drank|drinking|consumes?|uses?)\s+(?:any\s+)?(?:alcohol|etoh)\b", re.IGNORECASE
)
_NAMED_BY_KIND = {
    "alcohol": ("wine", "beer", "liquor", "vodka", "whiskey", "whisky", "drinker", "drinks socially")
}
"""What says so by naming one of the kind."""
_IMMUNIZED = "immunize"
_INSURANCE = "insuranc"
_SHOT = re.compile(r"\b(?:shots?|jabs?|boosters?)\s*\Z", re.IGNORECASE)
_TYPED_DIABETES = re.compile(r"\b(?:t(?P<type>[12])dm)\b", re.IGNORECASE)
_NO_MORE_VACCINES = re.compile(r"[;!?]|\b(?:but|has|had|have|denies|she|he|they|then)\b", re.IGNORECASE)
"""Where a list of vaccines ends."""
DESIGNATED = re.compile(
    r"\b(?P<of>hepatitis|hep|vitamin|influenza|type|stage|grade|class|factor|group|hiv|category)\s+"
    r"(?P<which>[a-k]|\d{1,2}|i{1,3}|iv|vi?)\b(?!-)",
    re.IGNORECASE,
)
"""A letter or number that makes one of several of it: hepatitis A is not hepatitis B."""
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi")
_NUMBERS = ("", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a text speaks of a finding; half-open offsets of the text."""

    start: int
    end: int
    """From the first of its words to the last."""
    sentence_start: int
    sentence_end: int
    is_of_class: bool = True
    """False where "vaccine" was asked for too and is not said with it: its section may say so."""


_Place: TypeAlias = tuple[tuple[int, int], int]
"""Where a word of a finding stands, and which of its words it is."""


class Finding:
    """A finding in its words."""

    def __init__(self, words: str, members: Sequence[str] = ()) -> None:
        """`members`: what it is said by as well, each by itself: the drugs of a class."""
        self.text = _TYPED_DIABETES.sub(r"type \g<type> diabetes", _SHOT.sub("vaccine", _in_full(words)))
        designated = [match.group() for match in DESIGNATED.finditer(self.text)]
        plain = _keys(DESIGNATED.sub(" ", self.text))
        plain = _without_implied(plain, self.text)
        self.is_vaccine = _IMMUNIZED in plain and len(plain) + len(designated) > 1
        parts = {key: _pattern(key) for key in plain if not (self.is_vaccine and key == _IMMUNIZED)}
        if plain or not DESIGNATED.sub(" ", self.text).strip():
            parts |= {each.lower(): _designated_pattern(each.lower()) for each in designated}
        self._members = _members(self.text, tuple(members)) if members and plain else ()
        if self._members:
            parts = {" ".join(parts): _any_pattern(self._members)}
        self.keys = tuple(parts)
        self._patterns = list(parts.values())  # of small letters: found several times faster
        self._exact = frozenset(each.lower() for each in designated)
        self._asked = frozenset(words.lower().split())
        self._written = frozenset(
            " ".join(phrase).replace("-", " ")
            for phrase in (*self._members, *(each for key in self.keys for each in _spellings(key)))
        )

    @property
    def is_class(self) -> bool:
        """Whether it is said by naming one of several."""
        return bool(self._members)

    @property
    def says_nothing(self) -> bool:
        """Whether all of its words claim nothing: "seen", "noted"."""
        return all(token.kind in ("neutral", "comma", "break") for token in read(self.text).tokens)

    @property
    def spellings(self) -> str:
        """Every word of every spelling, for a search by words."""
        listed = [self.text, *(" ".join(phrase) for key in self.keys for phrase in _spellings(key))]
        return " ".join(dict.fromkeys(word for each in listed for word in each.split()))

    @property
    def search_terms(self) -> tuple[tuple[str, ...], ...]:
        """Each of its words in every spelling, for a search by words that must have all of them."""
        if self._members:
            return (tuple(" ".join(phrase) for phrase in self._members),)
        asked = _words_by_key(self.text)
        return tuple(
            _designated_words(key)
            if key in self._exact
            else tuple(
                dict.fromkeys(
                    [*asked.get(key, ()), *(" ".join(phrase) for phrase in _spellings(key))] or [key]
                )
            )
            for key in self.keys
        )

    @property
    def without_side(self) -> Finding | None:
        """What is asked of a side without that side; None where none is asked for."""
        left = [word for word in self.text.split() if word.lower() not in SIDES]
        kept = [word for word in left if word.lower() not in _SMALL and word.lower() != "side"]
        return Finding(" ".join(kept)) if kept and len(left) < len(self.text.split()) else None

    def mentions(self, text: str, title: str = "") -> Iterator[Mention]:
        """Where `text` has all of it together; `title`, that of its section, may have a part."""
        titled = {
            number for number, each in enumerate(self._patterns) if title and each.search(title.lower())
        }
        places = self._all_places(text, titled)
        if not places:
            return
        for start, end in passage_sentences(text) or ((0, len(text)),):
            inside = [each for each in places if start <= each[0][0] < end]
            for begin, stop in (
                list(islice(self._terms(text, inside, titled), MENTIONS_MAX)) if inside else ()
            ):
                yield Mention(begin, stop, start, end, self._is_of_class(text, start, begin, stop, title))

    def has_part(self, text: str) -> bool:
        """Whether the text has any word of it."""
        return any(True for _ in self.places(text, 0, len(text)))

    def places(self, text: str, start: int, end: int, key: str = "") -> Iterator[tuple[int, int]]:
        """Where `text[start:end]` has the word of it with that key; any word of it where none has."""
        numbers = [self.keys.index(key)] if key in self.keys else range(len(self.keys))
        for number in numbers:
            yield from self._places(number, text, start, end)

    def _all_places(self, text: str, titled: set[int]) -> list[_Place]:
        """Where its words stand, in order; none where one of them stands nowhere."""
        found: list[_Place] = []
        for number in range(len(self._patterns)):
            places = list(self._places(number, text, 0, len(text)))
            if not places and number not in titled:
                return []
            found += [(place, number) for place in places]
        return sorted(found)

    def _terms(self, text: str, places: Sequence[_Place], titled: set[int]) -> Iterator[tuple[int, int]]:
        """The stretches of a sentence that have all of it as one term."""
        wanted = set(range(len(self._patterns)))
        if not wanted <= titled | {number for _, number in places}:
            return
        after = -1
        for first in range(len(places)):
            if places[first][0][0] < after:
                continue
            term = _term(text, places[first:], wanted, titled, self._asked)
            if term is not None and not is_part_of_another(text, *term, self.text):
                after = term[1]
                yield term

    def _places(self, number: int, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        exact = self.keys[number] in self._exact
        small = text.lower()
        if len(small) != len(text):  # "İ" is two letters in small ones
            small = text
        for match in self._patterns[number].finditer(small, start, end):
            if exact or self._is_it(text[match.start() : match.end()]):
                yield match.span()

    def _is_of_class(self, text: str, sentence: int, start: int, end: int, title: str) -> bool:
        if not self.is_vaccine or _class_pattern().search(title):
            return True
        before = [match.end() for match in _class_pattern().finditer(text, sentence, start)]
        if before and not _NO_MORE_VACCINES.search(text, before[-1], start):
            return True
        after = _class_pattern().search(text, end, end + 40)
        return after is not None and is_one_term(text, (start, end), after.span())

    def _is_it(self, written: str) -> bool:
        """Not "prednisolone" for "prednisone", and no short word that only its capitals make an abbreviation."""
        if len(written) <= ABBREVIATION_MAX and written.lower() not in self._asked | _SHORT_WORDS:
            return written.isupper()
        folded = " ".join(written.lower().replace("-", " ").split())
        return (
            written.lower() in self.keys
            or folded in self._written
            or not set(canonical(folded)).isdisjoint(self.keys)
        )


def _in_full(words: str) -> str:
    words = _DRINKS.sub("alcohol", words)
    return _SHORT.sub(lambda match: _LONG[match.group()], words)


def _without_implied(keys: tuple[str, ...], words: str) -> tuple[str, ...]:
    """Without "insurance" where the name of one stands with it: a note says "Patient has Aetna"."""
    others = tuple(key for key in keys if key != _INSURANCE)
    named = [word for word in words.split() if word[0].isupper() and canonical(word.lower())[0] in others]
    return others if named and len(named) >= len(others) else keys


def _term(
    text: str,
    places: Sequence[_Place],
    wanted: set[int],
    titled: set[int],
    own: frozenset[str],
) -> tuple[int, int] | None:
    """The term that begins with the first of these places; None where something comes between its words."""
    (start, end), number = places[0]
    found, last = {number} | titled, (start, end)
    for place, number in places[1:]:
        if wanted <= found:
            break
        if not is_one_term(text, last, place, own):
            return None
        found.add(number)
        last = place if place[1] > last[1] else last
    return (start, last[1]) if wanted <= found else None


@lru_cache(maxsize=256)
def _keys(words: str) -> tuple[str, ...]:
    """The canonical words of a finding, each once; none where it is too long to be one."""
    tokens = [token for token in read(words).tokens if token.kind not in ("break", "comma")]
    said = [token for token in tokens if token.word not in _SMALL]
    said = [token for token in said if token.kind != "neutral"] or said
    keys = [token.key or token.word for token in said]
    if any(token.kind in ("figure", "negation", "hedge", "order", "relative") for token in tokens):
        return ()
    return tuple(dict.fromkeys(keys)) if len(keys) <= WORDS_MAX else ()


@lru_cache(maxsize=256)
def _words_by_key(words: str) -> dict[str, tuple[str, ...]]:
    """As the question writes them, where it does in one word."""
    found: dict[str, tuple[str, ...]] = {}
    for token in read(words).tokens:
        if token.word:
            found[token.key or token.word] = (*found.get(token.key or token.word, ()), token.word)
    return found


@lru_cache(maxsize=1024)
def _pattern(key: str) -> re.Pattern[str]:
    listed = sorted(_spellings(key), key=lambda phrase: -sum(map(len, phrase)))
    forms = [r"[\s-]+".join(map(re.escape, phrase)) for phrase in listed]
    if key in SHORT:
        forms.append(SHORT[key].lower())
    if len(key) > 3 and key.isalpha():
        forms.append(rf"{re.escape(key)}(?=[^\W_]*(?![^\W_]))[a-z]{{0,6}}")
    else:
        forms.append(re.escape(key))
    return re.compile(rf"{_BEFORE}(?:{'|'.join(forms)}){_AFTER}")


@lru_cache(maxsize=256)
def _members(words: str, members: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Every way to write one of them, or the words themselves, as one of them or as several."""
    found: dict[tuple[str, ...], None] = {}
    for each in (words, *members):
        own = tuple(each.lower().replace("-", " ").split())
        keys = _keys(each)
        whole = not any(token.kind == "neutral" and token.word not in _SMALL for token in read(each).tokens)
        forms = [own, *(_spellings(keys[0]) if whole and len(keys) == 1 else ())]
        found.update(dict.fromkeys(forms))
        last = own[-1]
        found[*own[:-1], last.removesuffix("s") if last.endswith("s") else f"{last}s"] = None
    return tuple(found)


@lru_cache(maxsize=256)
def _any_pattern(phrases: tuple[tuple[str, ...], ...]) -> re.Pattern[str]:
    listed = sorted(phrases, key=lambda phrase: -sum(map(len, phrase)))
    forms = (r"[\s-]+".join(map(re.escape, phrase)) for phrase in listed)
    return re.compile(rf"{_BEFORE}(?:{'|'.join(forms)}){_AFTER}")


@lru_cache(maxsize=1024)
def _spellings(key: str) -> tuple[tuple[str, ...], ...]:
    """The ways to write a canonical word, alone or with more: "CHF" says heart failure."""
    words: list[tuple[str, ...]] = [(spelling,) for spelling, said in SAME_WORD.items() if key in said]
    words += [(SHORT[key].lower(),)] if key in SHORT else []
    words += [tuple(each.split()) for each in _NAMED_BY_KIND.get(key, ())]
    phrases = [phrase for listed in SAME_PHRASE.values() for phrase, said in listed if key in said]
    return (*words, *phrases)


@cache
def _class_pattern() -> re.Pattern[str]:
    forms = (r"[\s-]+".join(map(re.escape, phrase)) for phrase in _spellings(_IMMUNIZED))
    return re.compile(rf"{_BEFORE}(?:{'|'.join(forms)}|shots?|series){_AFTER}", re.IGNORECASE)


def _designated_words(words: str) -> tuple[str, ...]:
    """What "hepatitis b" and "type 2" may be written with."""
    of, which = words.split()
    if of in ("hepatitis", "hep"):
        return ("hepatitis", "hep", f"h{which}v")
    return (of, f"t{which}dm", f"dm{which}", f"dm {which}") if of == "type" and which in ("1", "2") else (of,)


@lru_cache(maxsize=256)
def _designated_pattern(words: str) -> re.Pattern[str]:
    """ "hepatitis b" also in "Hep A and B", "type 2" also as "type II" and in "T2DM"."""
    of, which = words.split()
    number = int(which) if which.isdigit() else roman(which) or 0
    forms = [which]
    if 0 < number < len(_NUMBERS):
        forms += [str(number), _NUMBERS[number], *(each for each in _ROMAN if roman(each) == number)]
    names = "hepatitis|hep" if of in ("hepatitis", "hep") else re.escape(of)
    others = r"(?:(?:[a-k]|\d|[ivx]+)\s*(?:,|/|&|\band\b|\bor\b)\s*)*"
    short = rf"|t{number}dm|dm\s?{number}" if of == "type" and number in (1, 2) else ""
    short = rf"|h{which}v" if of in ("hepatitis", "hep") and which in ("a", "b", "c") else short
    once = r"(?!\s+(?:year|month|week|day|few|couple|decade|long|while))"
    return re.compile(
        rf"{_BEFORE}(?:(?:{names})[\s-]*(?:virus\s+)?{others}(?:{'|'.join(forms)}){_AFTER}{once}{short}){_AFTER}"
    )
