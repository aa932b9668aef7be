"""Which words of a question are the name of a person who is known, whatever their case, order and initials.

Decides how much of the question belongs to the name: "Anna Kowalski" of "Anna Kowalski Skin Rash", but not "Linda Mae"
of "Linda Mae Center"; and "peter kowalski", where an Anna Kowalski is known, is a Peter. A single word is a name where
it cannot be another word as well ("does kowalski smoke", not "a foley"). Refuses to know where persons are known from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.text.ordinary_words import NAMES_TOO, is_no_name, is_ordinary
from pipeline.text.person_names.names import (
    BEGIN_A_FINDING,
    BEGINNINGS,
    GENERATIONS,
    PARTICLES,
    SUFFIXES,
    TITLES,
    Name,
    is_doubtful,
)
from pipeline.text.person_names.persons import Persons
from pipeline.text.person_names.question_names import Word, words_of

_BEGINNINGS_AND_NAMES = frozenset("an can do may will".split())
_NO_NAMES = frozenset(TITLES) | SUFFIXES
_ARTICLES = frozenset("a an the any no some this that another his her their".split())
_FIRST_NAMES_MOST = 3


def known_names(question: str, persons: Persons) -> Iterator[Name]:
    """The names of persons here, from the left; no word belongs to two."""
    words = [word for word in words_of(question) if word.parts]
    if not any(_may_be_a_name(word) and persons.may_know(word.parts[-1]) for word in words):
        return  # each name has a surname, or is a first name that someone goes by
    at = 0
    while at < len(words):
        found = _in_full(words, at, persons) or _by_surname(words, at, persons)
        if found is None:
            at += 1
        else:
            yield found.name()
            at = found.end


@dataclass(frozen=True, slots=True)
class _Found:
    """A name among the words of a question."""

    words: Sequence[Word]
    first: Sequence[int]
    """Where its first names are."""
    surname: int
    title: str | None
    start: int
    end: int
    """The words it has, with title and "Jr.": from `start` until before `end`."""

    def name(self) -> Name:
        surname = self.words[self.surname].parts
        first = [part for at in self.first for part in self.words[at].parts]
        generation = self.words[self.end - 1].folded
        return Name(
            (*first, *surname),
            self.title or "",
            self.title is not None,
            True,
            self.words[self.start].start,
            self.words[self.end - 1].end,
            generation if generation in GENERATIONS else "",
            len(surname),
            any(word.text in PARTICLES for word in self.words[self.start : self.end]),
            known=True,
        )


def _in_full(words: Sequence[Word], at: int, persons: Persons) -> _Found | None:
    """First name and surname, or surname and first name, that someone here has both of."""
    if not _may_be_a_name(words[at]):
        return None
    other = _after_particles(words, at + 1)
    if other is None or not _may_be_a_name(words[other]) or not (_has_letters(words, at, other)):
        return None
    one, two = words[at], words[other]
    if one.possessive:
        return None
    if one.mark in ("", ".") and persons.has_in_full(one.parts[0], two.parts[-1]):
        if not _goes_on(words, other):
            return _found(words, _first_names(words, at, persons), other, other)
    elif (
        _surname_may_be_first(one, two)
        and other == at + 1
        and persons.has_in_full(two.parts[0], one.parts[-1])
    ):
        return _found(words, [other], at, other)
    return None


def _surname_may_be_first(one: Word, two: Word) -> bool:
    """Two words that may be others need the comma."""
    return one.mark == "," or (not one.mark and not (is_doubtful(one.text) and is_doubtful(two.text)))


def _by_surname(words: Sequence[Word], at: int, persons: Persons) -> _Found | None:
    """A surname that someone here has, with the first names, the initial or the title that the question gives it."""
    word = words[at]
    if not _may_be_a_name(word) or min(map(len, word.parts)) < 2:  # "Roux-en-Y" is none
        return None
    first, title = _first_names_before(words, at), _title_before(words, at)
    last = at
    if not first and word.mark == "," and at + 1 < len(words) and _is_first_name(words[at + 1], word):
        first, last = [at + 1], at + 1
    if not first and not word.mark and word.capital and at + 1 < len(words) and _is_initial(words[at + 1]):
        first, last = [at + 1], at + 1
    if is_doubtful(word.text) and title is None and not (word.capital and (first or word.possessive)):
        return None
    if not (first or title is not None or _stands_alone(words, at)) or _goes_on(words, last):
        return None
    if persons.has_surname(word.parts[-1]):
        return None if _begins_a_finding(words, at) else _found(words, first, at, last)
    return _by_one_name(words, at, first, persons) if title is None else None


def _by_one_name(words: Sequence[Word], at: int, first: Sequence[int], persons: Persons) -> _Found | None:
    """A word that someone goes by alone; a first name means no one else's notes."""
    word = words[at]
    if (
        _has_a_surname(words, at)
        or word.folded in BEGINNINGS
        or is_doubtful(word.text)
        or word.text.isupper()
    ):
        return None
    return _found(words, first, at, at) if persons.goes_by(word.parts[-1]) else None


def _has_a_surname(words: Sequence[Word], at: int) -> bool:
    """Whether another name follows it, with or without a particle ("Maria de Souza"), or stands before it with a comma
    ("Kaur, José")."""
    word, before = words[at], words[at - 1] if at else None
    if before is not None and before.mark == "," and before.capital and not is_no_name(before.text):
        return before.folded not in BEGINNINGS
    other = _after_particles(words, at + 1)
    if other is None or word.mark or word.possessive:
        return False
    return words[other].capital or (
        not word.capital and _may_be_a_name(words[other]) and not is_ordinary(words[other].text)
    )


def _found(words: Sequence[Word], first: Sequence[int], surname: int, last: int) -> _Found:
    start = min([*first, surname])
    while start and words[start - 1].text in PARTICLES:
        start -= 1
    title = _title_before(words, start)
    start -= title is not None
    end = last + 1
    if end < len(words) and words[end].folded in GENERATIONS and words[last].mark in ("", ","):
        end += 1
    return _Found(words, first, surname, title, start, end)


def _may_be_a_name(word: Word) -> bool:
    folded = word.folded
    if folded in BEGINNINGS:
        return folded in _BEGINNINGS_AND_NAMES
    if word.text in PARTICLES or folded in _NO_NAMES:
        return False
    return not is_no_name(word.parts[-1])


def _has_letters(words: Sequence[Word], at: int, other: int) -> bool:
    """An initial is one only with a capital: "a kowalski"."""
    return all(len(words[each].text) > 1 or words[each].capital for each in (at, other)) and (
        len(words[at].text) > 1 or len(words[other].text) > 1
    )


def _after_particles(words: Sequence[Word], at: int) -> int | None:
    while at < len(words) and words[at].folded in PARTICLES:
        at += 1
    return at if at < len(words) else None


def _title_before(words: Sequence[Word], at: int) -> str | None:
    """What the title before it says; None where there is none."""
    if not at or words[at - 1].mark not in ("", "."):
        return None
    return TITLES.get(words[at - 1].folded)


def _first_names(words: Sequence[Word], at: int, persons: Persons) -> list[int]:
    """The first name at `at` and those before it that are as clearly a name."""
    found = [at]
    before = at - 1
    while before >= 0 and len(found) < _FIRST_NAMES_MOST and words[at].capital:
        word = words[before]
        if word.mark or not word.capital or is_doubtful(word.text) or not _may_be_a_name(word):
            break
        found.insert(0, before)
        before -= 1
    return found


def _first_names_before(words: Sequence[Word], at: int) -> list[int]:
    """The words before a surname that can be nothing but first names or initials."""
    found: list[int] = []
    before = at - 1
    while before >= 0 and words[before].text in PARTICLES:
        before -= 1
    while before >= 0 and len(found) < _FIRST_NAMES_MOST:
        word = words[before]
        initial = len(word.text) == 1 and word.capital and word.text not in "IA"
        if word.possessive or word.mark not in ("", "." if initial or len(word.text) == 1 else ""):
            break
        if not (initial or (len(word.text) == 1 and word.mark == ".") or _is_first_name(word, words[at])):
            break
        found.insert(0, before)
        before -= 1
    return found


def _is_first_name(word: Word, surname: Word) -> bool:
    """Whether a word beside a surname is a first name: one with a capital that is no ordinary word, or any unknown one
    where both are written small."""
    if not word.text.replace("-", "").replace("'", "").isalpha() or not _may_be_a_name(word):
        return False
    if surname.capital:
        return word.capital and not is_ordinary(word.text)
    surely = not is_doubtful(word.text) or (word.folded in NAMES_TOO and word.folded not in BEGINNINGS)
    return not word.capital and surely and len(word.text) > 1


def _is_initial(word: Word) -> bool:
    """ "J" of "Smith J"."""
    return len(word.text) == 1 and word.text.isupper() and word.text not in "AI"


def _goes_on(words: Sequence[Word], at: int) -> bool:
    """Whether the name goes on behind it: "Mae" of "Linda Mae Center". What begins a finding ends it: "Heart Rate"."""
    word = words[at]
    if word.mark or word.possessive or not word.capital or at + 1 == len(words):
        return False
    following = words[at + 1]
    if not following.capital or (following.text.isupper() and not word.text.isupper()):
        return False
    if following.folded in ("an", "do"):
        return True
    if following.folded in BEGINNINGS or following.folded in GENERATIONS or is_no_name(following.parts[0]):
        return False
    return not _begins_a_finding(words, at + 1)


def _begins_a_finding(words: Sequence[Word], at: int) -> bool:
    """ "Heart Rate"."""
    begins = words[at].folded in BEGIN_A_FINDING and not words[at].mark and at + 1 < len(words)
    return begins and is_ordinary(words[at + 1].text)


_IN_CAPITALS_MIN = 5
"""Letters of a single word in capitals that may be a surname."""


def _stands_alone(words: Sequence[Word], at: int) -> bool:
    """Whether a surname by itself is a name: not after an article ("a Foley"); `question_names` knows where else only a
    person can stand."""
    word = words[at]
    short = word.text.isupper() and len(word.text) < _IN_CAPITALS_MIN
    return not short and (not at or words[at - 1].folded not in _ARTICLES)
