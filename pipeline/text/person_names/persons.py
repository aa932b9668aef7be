"""Who the persons are that some passages name, and whose passages may answer a question about one.

Decides where a passage names a person: after a title or before what is said of people ("is a 40-year-old"), as a first
name and a surname, as "NOWAK, EVA". A name that is merely alike is another person's; so is one with another title,
first name or "Jr.". A doctor and a relative who stand in a patient's note are not the patient, unless the note says
who they are ("Sophia Brown is her sister") and no other is called that. An ordinary word is a surname only where a
passage says that it is a person. Refuses to know the register of patients: whom that knows is not asked for here.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from pipeline.text.ordinary_words import is_no_name
from pipeline.text.patients.bystanders import NEVER_THE_PATIENT, STAFF
from pipeline.text.person_names.names import (
    GENERATIONS,
    PARTICLES,
    SUFFIXES,
    THINGS,
    TITLES,
    Name,
    bare,
    is_doubtful,
    is_initial,
    keys,
    may_be_a_name,
    may_begin_a_sentence,
    same_first_name,
    stands_before_names,
)

_AFTER_NAMES = frozenset(
    "has had is was are were denies reports takes took states presents presented complains will would can does did and "
    "with on in at for to from came comes dob mrn id age aged male female sex year day date room".split()
)
"""Words in capitals after a surname that are no second surname."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_GAP_OF_NAMES = re.compile(r"[ \t]+|-|\.[ \t]+")
_COMMA = re.compile(r",[ \t]*")
_DEGREE = re.compile(
    r",?\s*(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|MBBS|FRCS|FACS|FACP|DPM|DDS|CRNP|ARNP|APRN|CNM|LCSW|PharmD)\b"
)
_BEGINS = re.compile(r"(?:^|[.!?:;\n\r•*|])\s*[-–]?\s*$")
_RELATIVE = rf"(?:{NEVER_THE_PATIENT}|(?:his|her|their)\s+child)"
_NOT_THE_PATIENT = re.compile(
    rf"(?:\b(?:{_RELATIVE}|{STAFF})s?(?:\s+(?:is|was|named|called|name|care|on call))?[,:(]?|\bby:?)\s*$",
    re.IGNORECASE,
)
"""What stands before a name that is not the patient's: "her daughter Anna", "seen by Anna", "PCP: Anna"."""
_IS_A_RELATIVE = re.compile(
    rf"\s*(?:,\s*(?:who (?:is|was) )?(?:his|her|their|the|pt's|patient's|the patient's)\s+(?:\w+\s+)?{_RELATIVE}\b"
    rf"|\(\s*(?:(?:his|her|their|the patient's)\s+)?(?:{_RELATIVE}|{STAFF})\b|,\s*{STAFF}\b)",
    re.IGNORECASE,
)
"""The same after it: "Anna Kowalski, her daughter,", "Anna Kowalski (wife)"."""
_WHO_IT_IS = re.compile(
    rf"\s+(?:is|was)\s+(?:his|her|their|the patient['’]s|the|pt['’]s)\s+(?:\w+\s+)?{_RELATIVE}\b",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"\b(?:patient|name|pt|re|patient['’]?s name|subject|resident|client)\s*[:#=|]\s*$", re.IGNORECASE
)
_SAID_OF_PEOPLE = re.compile(
    r"""['’]s\s+(?:a|an)\s
    |,?\s*\((?:mrn|dob|d\.o\.b|age|\d|[mf]\b|male|female|id\b)
    |,?\s+(?:mrn|dob|d\.o\.b|aged?)\b
    |,?\s+(?:(?:is|was)\s+)?(?:an?\s+)?(?:\w+\s+)?\d{1,3}\s*-?\s*(?:y|yr|yo|years?|months?|weeks?|days?|[mf])\b
    |,?\s+(?:(?:is|was)\s+)?an?\s+(?:[\w-]+\s+){0,3}(?:male|female|man|woman|gentleman|lady|boy|girl|infant|patient)\b
    |\s+(?:has|had)\s+(?:an?|no|not|never|been\s+(?:a|on|in|seen|well|taking|feeling)|gout|diabetes|asthma|pain)\b
    |\s+(?:denies|denied|reports|reported|states|stated|presents|presented|complains|complained|endorses|takes|smokes
        |drinks|lives|works|returns|feels|admits)\b
    |\s+(?:is|was)\s+(?:here|well|doing|feeling|seen|admitted|discharged|diagnosed|referred|brought|allergic|on|taking
        |started|born|hospitalized|examined|evaluated|known|able)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What follows the name of a person, and hardly a heading or a drug."""
_SEX = re.compile(
    r"""[^.;\n]{0,40}?\b(?:(?:\d{1,3}\s*-?\s*(?:y/?o|yrs?|years?)?[\s-]*(?:old)?\s*)(?:(?P<f>F)|M)\b
    |(?P<she>woman|female|lady|girl)\b|(?:man|male|gentleman|boy)\b)""",
    re.VERBOSE,
)
"""What the sentence that introduces a person says of their sex: "is a 45-year-old woman", "55F"."""
_AT_A_PLACE = re.compile(r"\b(?:at|in|near)\s+(?:the\s+)?$", re.IGNORECASE)
_TO_A_PLACE = re.compile(r"\b(?:from|to)\s+(?:the\s+)?$|&\s*$", re.IGNORECASE)
_GENERATION = re.compile(r",?\s+(?:jr|sr|ii|iii|iv)\b\.?", re.IGNORECASE)
_ENDS_A_LINE = re.compile(r"\s*(?:$|[.\n\r(;|]|-\s|mrn|dob|\d)", re.IGNORECASE)
_BETWEEN_PASSAGES = "\n\0\n"
_BEFORE, _BEHIND = 60, 40
"""Characters on both sides of a word whose words are read for what it is."""
_FROM_FIRST_NAME = 40
"""Characters between the beginnings of a first name and a surname at most."""
_IS_S = re.compile(r"s(?![^\W_])")
_LOOK_BACK = 40
"""Characters before a name that are read for what it is."""
_MARKED = re.compile("[À-ɏ\u0300-\u036fḀ-ỿ]")
_APOSTROPHES = str.maketrans("", "", "'’")


class Passage(Protocol):
    """What is read of a passage."""

    @property
    def patient_id(self) -> str: ...

    @property
    def text(self) -> str: ...


class Persons(Protocol):
    """Who the persons here are."""

    def may_know(self, word: str) -> bool:
        """Whether the word may stand in anyone's name. Cheap: of a word that no one has, nothing else is asked."""

    def has_surname(self, word: str) -> bool:
        """Whether anyone is a person of that surname."""

    def goes_by(self, word: str) -> bool:
        """Whether anyone is called by that word alone: by a first name, or by one name where no other is known."""

    def is_another(self, word: str) -> bool:
        """Whether it is someone's name who is no patient: "her daughter Anna"."""

    def has_in_full(self, first: str, surname: str) -> bool:
        """Whether anyone is called that in full; the first name may be an initial."""

    def called(self, name: Name) -> frozenset[str]:
        """The patients who may be called that: of those with the surname, the ones that have most of the name. A
        single word without title may be a first name, where it is no one's surname."""


class Token(NamedTuple):
    text: str
    start: int
    end: int

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()


class PassageTexts:
    """The texts of some passages, and where a word stands in them: no text is cut into words as a whole."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.text = _BETWEEN_PASSAGES.join(passage.text.replace("\0", " ") for passage in passages)
        if not self.text.isascii():
            self.text = unicodedata.normalize("NFC", self.text)
        self._patients = [passage.patient_id for passage in passages]
        self._capitals: dict[frozenset[str], list[Token]] = {}
        self._written_small: dict[frozenset[str], bool] = {}

    def places(self, wanted: frozenset[str]) -> list[Token]:
        """Where that word stands, in any case and spelling."""
        return sorted(self._find(wanted), key=lambda token: token.start)

    def capitals(self, wanted: frozenset[str]) -> list[Token]:
        """Where it stands with a capital."""
        if wanted not in self._capitals:
            self._capitals[wanted] = [*self._find(wanted, capital=True)]
        return self._capitals[wanted]

    def patient(self, token: Token) -> str:
        return self._patients[bisect_right(self._ends, token.start)]

    def around(self, token: Token) -> tuple[list[Token], int]:
        """The words near it in its passage, and where it is among them."""
        number = bisect_right(self._ends, token.start)
        begin = self._ends[number - 1] if number else 0
        begin = max(begin, token.start - _BEFORE)
        while begin and begin > token.start - 2 * _BEFORE and self.text[begin - 1].isalnum():
            begin -= 1
        before = [Token(word.group(), *word.span()) for word in _WORD.finditer(self.text, begin, token.start)]
        end = min(self._ends[number], token.end + _BEHIND)
        behind = [Token(word.group(), *word.span()) for word in _WORD.finditer(self.text, token.start, end)]
        return [*before, *behind], len(before)

    def writes_small(self, wanted: frozenset[str]) -> bool:
        """Whether that word stands there with a small letter."""
        if wanted not in self._written_small:
            self._written_small[wanted] = any(not token.capital for token in self._find(wanted))
        return self._written_small[wanted]

    def near(self, first: frozenset[str], other: frozenset[str]) -> Iterator[Token]:
        """Where the second word stands with a capital, not far from the first; an initial may be any word."""
        forms = [] if is_initial(first) else [*self._forms(first)]
        for token in self.capitals(other):
            begin, end = max(0, token.start - _FROM_FIRST_NAME), token.start + _FROM_FIRST_NAME
            if is_initial(first) or any(self._small.find(form, begin, end) >= 0 for form in forms):
                yield token

    def _find(self, wanted: frozenset[str], *, capital: bool = False) -> Iterator[Token]:
        for form in self._forms(wanted):
            for start in self._starts(form):
                if capital and not self.text[start].isupper():
                    continue
                word = _WORD.match(self.text, start)
                if word is not None and not wanted.isdisjoint(keys(word.group())):
                    yield Token(word.group(), *word.span())

    def _forms(self, wanted: frozenset[str]) -> Iterator[str]:
        """How that word is written there, in small letters."""
        yield from wanted
        for form, form_keys in self._odd_words.items():
            if form not in wanted and not wanted.isdisjoint(form_keys):
                yield form

    def _starts(self, form: str) -> Iterator[int]:
        """Where words begin that begin with it."""
        at = self._small.find(form)
        while at >= 0:
            if not at or not (self._small[at - 1].isalnum() or self._small[at - 1] in "'’"):
                yield at
            at = self._small.find(form, at + 1)

    @cached_property
    def _small(self) -> str:
        small = self.text.lower()
        if len(small) == len(self.text):
            return small
        return "".join(each if len(each.lower()) > 1 else each.lower() for each in self.text)

    @cached_property
    def _odd_words(self) -> dict[str, frozenset[str]]:
        """The words with accents and with apostrophes inside, as they stand there in small letters."""
        marks = [] if self._small.isascii() else [*self._marks()]
        for sign in "'’":
            at = self._small.find(sign)
            while at >= 0:
                if self._small[at + 1 : at + 2].isalpha() and not _IS_S.match(self._small, at + 1):
                    marks.append(at)
                at = self._small.find(sign, at + 1)
        forms = set()
        for mark in marks:
            begin = mark
            while begin and (self._small[begin - 1].isalnum() or self._small[begin - 1] in "'’"):
                begin -= 1
            word = _WORD.search(self._small, begin)
            if word is not None:
                forms.add(word.group())
        return {form: keys(form) for form in forms}

    def _marks(self) -> Iterator[int]:
        """Where letters with marks stand."""
        for begin, end in zip([0, *self._ends], self._ends, strict=False):
            if not self.text[begin:end].isascii():
                yield from (match.start() for match in _MARKED.finditer(self._small, begin, end))

    @cached_property
    def _ends(self) -> list[int]:
        ends, at = [], self.text.find(_BETWEEN_PASSAGES)
        while at >= 0:
            ends.append(at + len(_BETWEEN_PASSAGES))
            at = self.text.find(_BETWEEN_PASSAGES, ends[-1])
        return [*ends, len(self.text)]


class PassagePersons:
    """`Persons` as passages name them."""

    def __init__(self, texts: PassageTexts) -> None:
        self._texts = texts
        self._read: dict[int, _Place] = {}

    def may_know(self, word: str) -> bool:
        return bool(self._texts.capitals(keys(word)))

    def has_surname(self, word: str) -> bool:
        if not is_doubtful(word) and self._texts.writes_small(keys(word)):
            return False
        return any(place.is_certain for _, place in self._places(word))

    def goes_by(self, word: str) -> bool:
        if is_doubtful(word) or self._texts.writes_small(keys(word)):
            return False
        return any(place.is_one_name for _, place in self._places(word)) or any(
            place.is_certain for _, place in self._places_of_first_name(word)
        )

    def is_another(self, word: str) -> bool:
        return not self._texts.writes_small(keys(word)) and any(
            not place.may_be_the_patient for _, place in self._places(word)
        )

    def has_in_full(self, first: str, surname: str) -> bool:
        wanted = keys(first)
        near = (self._place(token) for token in self._texts.near(wanted, keys(surname)))
        places = [place for place in near if place.is_called(wanted) and not place.goes_on]
        if any(place.is_certain for place in places):
            return True
        # Two words with capitals that may be names are hardly a heading.
        return bool(places) and all(
            may_be_a_name(word) and (is_doubtful(word) or not self._texts.writes_small(keys(word)))
            for word in (first, surname)
        )

    def called(self, name: Name) -> frozenset[str]:
        ranks: dict[str, tuple[int, ...]] = {}
        for patient in {patient for patient, _ in self._places(name.words[-1])}:
            rank = self._rank(patient, name)
            if rank is not None:
                ranks[patient] = rank
        if not ranks and len(name.words) == 1 and not name.titled:
            return frozenset(
                patient
                for patient, place in self._places_of_first_name(name.words[0])
                if place.may_be_the_patient
            )
        best = max(ranks.values(), default=None)
        return frozenset(patient for patient, rank in ranks.items() if rank == best)

    def _places(self, surname: str) -> list[tuple[str, _Place]]:
        return [
            (self._texts.patient(token), self._place(token)) for token in self._texts.capitals(keys(surname))
        ]

    def _place(self, token: Token) -> _Place:
        if token.start not in self._read:
            self._read[token.start] = _Place(self._texts.text, *self._texts.around(token))
        return self._read[token.start]

    def _places_of_first_name(self, word: str) -> Iterator[tuple[str, _Place]]:
        """The places of the surnames that have it before them."""
        wanted = keys(word)
        for token in self._texts.capitals(wanted):
            tokens, at = self._texts.around(token)
            if at + 1 < len(tokens):
                place = _Place(self._texts.text, tokens, at + 1)
                if tokens[at + 1].capital and place.is_called(wanted) and place.is_a_person:
                    yield self._texts.patient(token), place

    def _rank(self, patient: str, name: Name) -> tuple[int, ...] | None:
        """How much of the name the patient's passages have, and how much of it to the letter but for case; None where
        they do not have the surname, or only as someone else's."""
        places = self._places(name.words[-1])
        verdicts = {
            verdict for owner, place in places if owner == patient and (verdict := self._verdict(place, name))
        }
        confirmed = not verdicts.isdisjoint(("first", "given") if len(name.words) > 1 else ("titled",))
        if not verdicts - {"other", "against"} or ("against" in verdicts and not confirmed):
            return None
        written = [self._written(patient, word) for word in name.words]
        return (
            -(verdicts <= {"other", "relative"}),
            "first" in verdicts,
            any(name.has_particle == place.has_particle for owner, place in places if owner == patient),
            sum(bool(forms) for forms in written),
            sum(bare(word) in forms for word, forms in zip(name.words, written, strict=True)),
        )

    def _written(self, patient: str, word: str) -> frozenset[str]:
        """How the patient's passages write it with a capital."""
        return frozenset(
            bare(token.text)
            for token in self._texts.capitals(keys(word))
            if self._texts.patient(token) == patient
        )

    def _verdict(self, place: _Place, name: Name) -> str:
        """What the place says: as `_Place.verdict` has it, or nothing where it may be any word."""
        verdict = place.verdict(name)
        if verdict != "bare" and (verdict in ("other", "against") or not is_doubtful(name.words[-1])):
            return verdict
        if verdict == "first" and not name.titled and place.has_both and all(map(may_be_a_name, name.words)):
            return verdict
        return verdict if place.is_a_person or not self._may_be_any_word(place, name.words[-1]) else ""

    def _may_be_any_word(self, place: _Place, surname: str) -> bool:
        small = place.begins and self._texts.writes_small(keys(surname))
        return is_doubtful(surname) or place.shouted or small


class _Place:
    """One place of a passage that has a surname."""

    def __init__(self, text: str, tokens: Sequence[Token], at: int) -> None:
        self._text, self._tokens, self._at = text, tokens, at
        self._before: list[str] = []
        self._title: str | None = None
        self.has_particle = False
        self._start = self._look_back()
        self._end = tokens[at].end
        if generation := _GENERATION.match(text, self._end):
            self._end = generation.end()
        self._directly_after = self._after(_GAP_OF_NAMES, 1)
        self._after_comma = self._after(_COMMA, 2)

    @property
    def begins(self) -> bool:
        """Whether its capital may be that of a sentence or of a line: "Brown stool.", "WHITE COUNT 9"."""
        start = self._tokens[self._at].start
        return self._title is None and bool(_BEGINS.search(self._text[max(0, start - 6) : start]))

    @property
    def shouted(self) -> bool:
        """Whether it stands among words in capitals, where any word may be anything: "STOOL IS BROWN"."""
        return (
            self._title is None
            and self._tokens[self._at].text.isupper()
            and any(word.isupper() for word in self._before)
        )

    @cached_property
    def is_certain(self) -> bool:
        """Whether the passage says that it is a person: by a title, a label or what is said of people."""
        if self._stands_for_a_thing or self.goes_on or self._at_a_place:
            return False
        if self._title is not None or self._labelled or self._as_in_a_list:
            return True
        return self._has_first_name and self._is_said_to_be

    @cached_property
    def is_a_person(self) -> bool:
        """The same, or that it stands after a first name that is no other word."""
        said = self._is_said_to_be and not may_begin_a_sentence(self._tokens[self._at].text)
        if self.is_certain or (said and not self._stands_for_a_thing):
            return True
        if self._stands_for_a_thing or self.goes_on or self._at_a_place or self.shouted:
            return False
        return self._has_first_name and not is_doubtful(self._before[0])

    @property
    def is_one_name(self) -> bool:
        """Whether the passage says that it is a person, and calls them by it alone: "Linda has a cough"."""
        return not (self._before or self.goes_on or self._stands_for_a_thing) and self._is_said_to_be

    @property
    def has_both(self) -> bool:
        """Whether the passage has a first name that may be one before it."""
        return bool(self._before) and may_be_a_name(self._before[0])

    @property
    def _has_first_name(self) -> bool:
        return bool(self._before) and not (
            is_no_name(self._before[0]) or stands_before_names(self._before[0])
        )

    @cached_property
    def _is_said_to_be(self) -> bool:
        return bool(_SAID_OF_PEOPLE.match(self._text, self._end))

    def is_called(self, first: frozenset[str]) -> bool:
        """Whether that is its first name, before it or after a comma; not of a thing."""
        names = [*self._before, *self._after_comma, *self._directly_after]
        return not self._stands_for_a_thing and any(same_first_name(word, first) for word in names)

    @property
    def may_be_the_patient(self) -> bool:
        return self._title != "staff" and not self._not_the_patient

    def verdict(self, name: Name) -> str:
        """What the place says: "first", with the first name that was asked for; "given", with another of those asked
        for; "titled", with the title; "relative", of someone whom the note introduces; "against", of another person
        of that surname; "other", of no patient; else "bare"."""
        if (
            self._stands_for_a_thing
            or self._is_part_of_another(name)
            or (self._title == "staff") != (name.title == "staff")
            or (self._title != "staff" and self._not_the_patient)
        ):
            return "other"
        title = self._title or self._sex
        if title and name.title and title != name.title:
            return "against"
        if name.generation and self._generation and name.generation != self._generation:
            return "against"
        if self._at_a_place or (len(name.words) == 1 and self._to_a_place):
            return "other"
        verdict = self._by_first_names([keys(word) for word in name.words[:-1]])
        if verdict == "against" or not _WHO_IT_IS.match(self._text, self._end):
            return verdict or ("titled" if self._title and self._title == name.title else "bare")
        return "relative"

    @cached_property
    def _sex(self) -> str:
        """The title that the passage's own words give the person; "" where they say nothing."""
        end = self._tokens[self._at + len(self._after_comma)].end if self._after_comma else self._end
        said = _SEX.match(self._text, end) if _SAID_OF_PEOPLE.match(self._text, end) else None
        return "" if said is None else "she" if said["f"] or said["she"] else "he"

    def _by_first_names(self, given: Sequence[frozenset[str]]) -> str:
        own = [*reversed(self._before), *self._after_comma] or self._directly_after
        names = own if self._title is not None else [word for word in own if not stands_before_names(word)]
        around = [*names, *self._directly_after]
        if not given:
            return ""
        if around and same_first_name(around[0], given[0]):
            others = zip(around[1:], given[1:], strict=False)
            return "first" if all(same_first_name(word, wanted) for word, wanted in others) else "against"
        if (
            len(given) == 1
            and not is_initial(given[0])
            and any(same_first_name(word, given[0]) for word in around)
        ):
            return "given"
        return "against" if [word for word in names if word not in self._directly_after] else ""

    @cached_property
    def _generation(self) -> str:
        following = [token.text.lower() for token in self._tokens[self._at + 1 : self._at + 4]]
        return next((word for word in following if word in GENERATIONS), "")

    @cached_property
    def _not_the_patient(self) -> bool:
        """A relative or someone of the staff, by the words around the name."""
        return bool(_NOT_THE_PATIENT.search(self._text_before) or _IS_A_RELATIVE.match(self._text, self._end))

    @property
    def _labelled(self) -> bool:
        return bool(_LABEL.search(self._text_before))

    @property
    def _as_in_a_list(self) -> bool:
        """ "NOWAK, EVA" by itself on its line."""
        if len(self._after_comma) == 0 or self._before or not self.begins:
            return False
        both = [self._tokens[self._at].text, *self._after_comma]
        if all(is_doubtful(word) for word in both) or any(is_no_name(word) for word in both):
            return False
        return bool(_ENDS_A_LINE.match(self._text, self._tokens[self._at + len(self._after_comma)].end))

    @property
    def _at_a_place(self) -> bool:
        return self._title is None and bool(_AT_A_PLACE.search(self._text_before))

    @property
    def _to_a_place(self) -> bool:
        followed = self._text.startswith(" &", self._end)
        return self._title is None and (followed or bool(_TO_A_PLACE.search(self._text_before)))

    @cached_property
    def _text_before(self) -> str:
        begin = max(0, self._start - _LOOK_BACK)
        return self._text[begin : self._start].rpartition(_BETWEEN_PASSAGES)[2]

    @property
    def goes_on(self) -> bool:
        """Whether a longer name goes on behind it: "Anna" and "Smith" of "Anna Smith-Jones"."""
        after = self._directly_after
        if after and after[0].lower() not in SUFFIXES | _AFTER_NAMES and len(after[0]) > 1:
            return self._title is None or bool(self._before) or may_be_a_name(after[0])
        return (
            self._text[self._end : self._end + 1] == "-"
            and self._text[self._end + 1 : self._end + 2].isupper()
        )

    def _look_back(self) -> int:
        """First names and title before the surname; where they begin."""
        end = self._tokens[self._at].start
        for token in reversed(self._tokens[max(0, self._at - 5) : self._at]):
            gap = self._text[token.end : end]
            folded = token.text.lower()
            if folded in TITLES and gap.strip(" .\t") == "":
                self._title = TITLES[folded]
                return token.start
            initial = len(token.text) == 1 and token.text.isupper()
            if not _GAP_OF_NAMES.fullmatch(gap) or (gap.startswith(".") and not initial):
                return end
            if gap.startswith(".") and may_begin_a_sentence(self._tokens[self._at].text):
                return end  # "hepatitis B. He takes"
            if folded in PARTICLES and token.text.islower():
                self.has_particle = True
                end = token.start
                continue
            if not _is_a_capitalised_word(token.text):
                return end
            self._before.append(token.text)
            end = token.start
        return end

    def _after(self, gap: re.Pattern[str], most: int) -> list[str]:
        """Capitalised words after the surname, `gap` before the first of them."""
        found: list[str] = []
        end = self._tokens[self._at].end
        for token in self._tokens[self._at + 1 : self._at + 1 + most]:
            between = self._text[end : token.start]
            if not (gap if not found else _GAP_OF_NAMES).fullmatch(between) or between.startswith(". "):
                break
            if not _is_a_capitalised_word(token.text):
                break
            found.append(token.text)
            end = token.end
        return found

    @cached_property
    def _stands_for_a_thing(self) -> bool:
        behind = [token for token in self._tokens[self._at + 1 : self._at + 3] if token.start >= self._end]
        return (
            bool(behind)
            and behind[0].text.lower() in THINGS
            and "." not in self._text[self._end : behind[0].start]
        )

    def _is_part_of_another(self, name: Name) -> bool:
        """A first name ("James" of James Wilson), half of a double name, or a doctor's by the degree after it."""
        asked = {key for word in name.words for key in keys(word)}
        token = self._tokens[self._at]
        if self._title != "staff" and _DEGREE.match(self._text, token.end):
            return True
        if name.joined > 1 and not self._has_joined(name):
            return True
        hyphened = [
            self._tokens[other].text
            for other, mark in ((self._at - 1, token.start - 1), (self._at + 1, token.end))
            if 0 <= other < len(self._tokens) and self._text[mark : mark + 1] == "-"
        ]
        others = hyphened + (self._directly_after if self.goes_on or self._title is None else [])
        others += self._first_of_a_list()
        known = SUFFIXES | _AFTER_NAMES
        return any(
            asked.isdisjoint(keys(word)) and word.lower() not in known and len(word) > 1 for word in others
        )

    def _first_of_a_list(self) -> list[str]:
        """The surname that it stands behind: "Nowak" of "Name: Nowak, Eva"."""
        if not self._at or self._text[self._tokens[self._at - 1].end : self._tokens[self._at].start] != ", ":
            return []
        last = self._tokens[self._at - 1]
        before = self._text[max(0, last.start - _LOOK_BACK) : last.start].rpartition(_BETWEEN_PASSAGES)[2]
        begins = _BEGINS.search(before) or _LABEL.search(before)
        return [last.text] if begins and last.capital and not is_no_name(last.text) else []

    def _has_joined(self, name: Name) -> bool:
        """Whether the other halves of its double surname stand before it."""
        halves = reversed(name.words[-name.joined : -1])
        return all(
            at < len(self._before) and not keys(half).isdisjoint(keys(self._before[at]))
            for at, half in enumerate(halves)
        )


def _is_a_capitalised_word(word: str) -> bool:
    return word[0].isupper() and word.translate(_APOSTROPHES).isalpha()
