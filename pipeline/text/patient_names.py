"""Who a question names, and whose passages may answer it.

Notes of many patients lie side by side. Decides that a question about one of them is not answered from another's
note, by what the passages themselves say and by what words are no one's (`ordinary_words`): names are compared
without case, accents and hyphens, and in German spelling too (Müller, MUELLER), but a name that is merely alike is
another person's, and "Ehlers-Danlos syndrome" is no one's where the passages have it verbatim. Better no one than the
wrong person: a title, a first name or a doctor's degree that speaks against it rules a passage out. Knows no register
of patients, and takes no first name alone for anybody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Protocol

from pipeline.text.ordinary_words import NAMES_TOO, is_no_name, is_ordinary

_TITLES = {
    **dict.fromkeys(("mr", "mister", "herr", "señor", "monsieur"), "he"),
    **dict.fromkeys(("mrs", "ms", "miss", "madam", "frau", "señora", "madame"), "she"),
    **dict.fromkeys(("mx", "patient", "pt"), ""),
    **dict.fromkeys(("dr", "doctor", "prof", "professor", "nurse"), "staff"),
}
"""What a title says of its bearer; "" says nothing."""
_ASKING_TITLES = frozenset(_TITLES) - {"patient", "pt", "nurse", "doctor", "madam", "professor"}
"""Those that make a single capitalised word of a question a name."""
_SMALL_TITLES = frozenset(["mr", "mrs", "mr.", "mrs.", "ms."])
"""Those that do so written small as well, with a name written small. "ms" alone is a disease, or milliseconds."""
_SUFFIXES = frozenset("jr sr ii iii iv md phd rn".split())
_PARTICLES = frozenset(
    "de la las los del della di da dos das du des le van von der den zu zur bin ibn al el y".split()
)
_BEGINNINGS = frozenset(
    "a an any are as at can compare could describe did do does explain for from give had has have he how i in is list "
    "may might name of on please shall should show summarise summarize tell the was were what when where which who "
    "whom whose why will with would".split()
)
"""Words that begin a question, capitalised though no one's name."""
_NEVER_FIRST_NAMES = _BEGINNINGS - {"may", "will"}
_BEFORE_NAMES = _BEGINNINGS | frozenset(
    "after and but by discussed examined her his if left met name our patient plan pt right saw seen she since "
    "that then there this to today yesterday you your they we it not no".split()
)
"""Words before a surname that are no one's first name."""
_AFTER_NAMES = frozenset(
    "has had is was are were denies reports takes took states presents presented complains will would can does did and "
    "with on in at for to from came comes dob mrn id age aged male female sex year day date room".split()
)
"""Words in capitals after a surname that are no second surname."""
ILLNESSES = frozenset(
    "disease syndrome palsy sign test score lymphoma contracture fracture thyroiditis esophagus oesophagus ulcer "
    "dementia".split()
)
"""What follows the name of the person who described it: "Crohn's disease"."""
_NOT_A_PERSON = ILLNESSES | frozenset(
    "catheter phenomenon maneuver manoeuvre reflex classification scale procedure tumor tumour criteria virus lesion "
    "repair line tube drain hospital clinic street road avenue medical center centre university ward house index stage "
    "node nodes chorea encephalopathy collar bodies".split()
)
"""What follows a name that stands for a thing: "Foley catheter", "Graves' disease", "Brown Clinic"."""
_NAMED_AFTER_PEOPLE = _NOT_A_PERSON | {"fever", "position"}
"""The same, where a passage must have it verbatim: a patient may have a fever, or lie in a position."""
_BETWEEN_NAMES = frozenset(
    "about after and at before between by did does for had have if "
    "is it of that their this was what when which who with without".split()
)
"""Words between two names in a question written like a heading, and no one's middle name."""
_ASKED_WORD = re.compile(r"[^\s–—-]+(?:[-‐‑][^\s–—-]+)*")
"""Of a question, with the marks around it; a dash ends it as a blank does."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_AROUND = "\"'“”‘(),.;:?!"
_GAP_OF_NAMES = re.compile(r"[ \t]+|-|\.[ \t]+")
_COMMA = re.compile(r",[ \t]*")
_DEGREE = re.compile(r",?\s*(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|MBBS|FRCS)\b")
_BEGINS = re.compile(r"(?:^|[.!?:;\n\r•*|])\s*[-–]?\s*$")
_BEGINS_A_FINDING = frozenset("back blood bone chest gout head heart lung pain skin".split())
"""Surnames, and with a capital also the first word of "Blood pressure" and a heading of notes."""
_PART_OF_A_CONTINENT = frozenset(
    f"{side} {people}"
    for side in "north south east west central".split()
    for people in "african american asian european".split()
)
_COMPOUND = re.compile(r"[A-Z]{2,}[-‐‑][a-z]|.*[-‐‑]\w$")
""""HIV-related", "MR-mammography", "Roux-en-Y"."""
_HEADING_MORE_THAN = 3
"""Words that a question with none written small has at most, and is no heading."""
_ABBREVIATED_LESS_THAN = 5
"""Letters before a full stop that ends a sentence: "Wm. Smith" is one name."""
_LOOK_BACK = 6
"""Characters before a word that tell whether it begins a sentence."""
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


class Passage(Protocol):
    """What is read of a passage."""

    @property
    def patient_id(self) -> str: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Name:
    """A person a question names."""

    words: tuple[str, ...]
    """As they are written, hyphens and particles apart, without title: the last is the surname."""
    title: str
    """What its title says, as in `_TITLES`; "" where it has none."""
    titled: bool
    sure: bool
    """False where a single word may be a name ("Nguyen's"), and is none unless a passage has it as one."""
    start: int
    """Where it stands in the question, with its title and its "'s"."""
    end: int


def resolve_named_patients(question: str, passages: Sequence[Passage]) -> tuple[str, frozenset[str]]:
    """The question without the name, and the patients whose passages may answer it: all, unless it names a person.

    A name is one or more capitalised words after a title, or two or more in a row that the passages never write small
    ("Atrial fibrillation" is none). It means the patients whose passages have its last word as a name of a person whom
    it can be, and of these the ones that have most of it; no one where no passage has it. The name itself is not asked
    about: else the sentence that introduces a person would answer everything about them.
    """
    everyone = frozenset(passage.patient_id for passage in passages)
    question = question if question.isascii() else unicodedata.normalize("NFC", question)
    asked = names(question)
    if not asked:
        return question, everyone
    read = _Read(passages)
    meant, left, at = everyone, [], 0
    for name in asked:
        proper = read.without_small_words(name)
        if not proper:
            continue
        called = read.patients_called(proper, name.title)
        if not (called or name.sure) or (not called and read.is_a_thing(name, question)):
            continue
        meant &= called
        left.append(question[at : name.start])
        at = name.end
    return "".join([*left, question[at:]]), meant


def names_in(question: str) -> str:
    """The names of a question, as they stand there without titles; "" where it names no one."""
    return ", ".join(" ".join(name.words) for name in names(question) if name.sure)


def names(question: str) -> list[Name]:
    """Runs of capitalised words that may be a person's name, without what begins a question, and without the ordinary
    words at both ends ("Primary Care Providers" is none). In A Question Written Like A Heading one word is none."""
    words = list(_ASKED_WORD.finditer(question))
    heading = len(words) > _HEADING_MORE_THAN and not any(word.group()[0].islower() for word in words)
    found: list[Name] = []
    run, begins = _NameRun(heading, begins=True), True
    for word in words:
        if not run.takes(word):
            found += run.names()
            run = _NameRun(heading, begins)
            run.takes(word)
        begins = word.group().endswith((".", ":", ";", "?", "!"))
    return [*found, *run.names()]


@dataclass(frozen=True, slots=True)
class _NamePart:
    """One word of a name, or of its hyphenated words."""

    text: str
    start: int
    end: int
    """Of the whole word, with its "'s"."""


@dataclass
class _NameRun:
    """Words of a question that stand together and may be a name."""

    heading: bool
    begins: bool
    """A sentence begins here."""
    title: str | None = None
    small: bool = False
    """The title is written small, and so may the name be."""
    possessive: bool = False
    parts: list[_NamePart] = field(default_factory=list)
    start: int = -1
    """Where the title stands; -1: there is none."""
    end: int = -1
    """Of a suffix; -1: there is none."""
    over: bool = False

    def takes(self, word: re.Match[str]) -> bool:
        """Whether the word belongs to this run; the first word always asks an empty one."""
        if self.over:
            return False
        written = word.group()
        bare = re.sub(r"['’]s$|['’]$", "", written.strip(_AROUND + "’"))
        if not self.parts and bare.lower() in _ASKING_TITLES and self._is_title(written, bare):
            self.title, self.small = _TITLES[bare.lower()], written.islower()
            self.start = word.start()
            return True
        if (self.parts or self.title is not None) and bare in _PARTICLES:
            return True
        if not self._like_a_name(bare):
            return False
        begin = word.start() + written.find(bare)
        if self.parts and bare.lower().strip(".") in _SUFFIXES:
            self.end = begin + len(bare)
            return True
        end = word.start() + len(written.rstrip(_AROUND))
        self.parts += [_NamePart(part, begin, end) for part in _heads(bare)]
        self.end = -1
        self.possessive = written.rstrip(",;:?!.").endswith(("'s", "’s", "'", "’"))
        ended = written.endswith(".") and len(bare) >= _ABBREVIATED_LESS_THAN
        self.over = ended or self.possessive or written.endswith((",", ";", ":", "?", "!"))
        return True

    def _is_title(self, written: str, bare: str) -> bool:
        """Not "MR" and "MS", which are findings, but "MR." and "MS."."""
        capital = bare[:1].isupper() and (not bare.isupper() or written.endswith("."))
        return capital or written in _SMALL_TITLES

    def _like_a_name(self, bare: str) -> bool:
        letters = re.sub(r"['’‐‑-]", "", bare)
        begun = bool(self.parts) or self.title is not None
        if len(letters) < 2 or not letters.isalpha():
            return begun and len(letters) == 1 and letters.isupper() and letters != "I"
        if self.title is not None and not self.parts and (self.small or bare[0].isupper()):
            return bare[0].isupper() or bare not in _BEGINNINGS
        if not bare[0].isupper() or (bare.isupper() and self.title is None):
            return False
        if self.title is None and _COMPOUND.match(bare):
            return False
        if bare.lower() in _BETWEEN_NAMES:
            return False
        return bool(self.parts) or bare.lower() not in (_BEGINNINGS if self.begins else _NEVER_FIRST_NAMES)

    def names(self) -> Iterator[Name]:
        full = [part for part in self.parts if len(part.text) > 1]
        titled = self.title is not None
        kept = _without_ordinary_words(full, titled=titled)
        sure = titled or (len(full) > 1 and (len(kept) > 1 or not self.heading))
        if not kept or not (sure or (self.possessive and len(full) == 1)):
            return
        asked_of = () if titled else _without_finding(kept, full)
        if asked_of:
            kept = asked_of
        elif len(kept) == 1 or (kept[-1] is not full[-1] and _may_begin_a_finding(kept[-1].text)):
            kept = full  # "Patience Nobody" is not Ms. Nobody, nor "Anna Allergies" someone called Anna
        start = self.start if titled else kept[0].start
        end = max(self.end, kept[-1].end) if kept[-1] is full[-1] else kept[-1].end
        yield Name(tuple(part.text for part in kept), self.title or "", titled, sure, start, end)


def _heads(written: str) -> list[str]:
    """The words of a hyphenated one, without what is said of the first: "Smith-Jones", but "Cue-induced"."""
    first, *others = [part for part in re.split(r"[-‐‑]", written) if part]
    return [first, *(part for part in others if part[0].isupper() or not is_ordinary(part))]


def _without_ordinary_words(parts: Sequence[_NamePart], *, titled: bool) -> Sequence[_NamePart]:
    """A name without the words at its ends that are no one's; after a title the first word stays. Nothing where one
    word is left that is a title itself, or the West of "West African"."""
    # One half of a hyphenated word is as much a name as the other.
    if not titled and all(is_ordinary(part.text) for part in parts):
        return ()
    names = {part.start for part in parts if not is_no_name(part.text)}
    end = len(parts)
    while end > titled and parts[end - 1].start not in names:
        end -= 1
    begin = 0
    while not titled and begin < end and parts[begin].start not in names:
        begin += 1
    left = parts[begin:end]
    if len(left) == 1 and not titled and _is_no_surname(left[0], parts[end : end + 1]):
        return ()
    return left


def _without_finding(kept: Sequence[_NamePart], full: Sequence[_NamePart]) -> Sequence[_NamePart]:
    """Of "Anna Smith Heart Rate", whose last word is cut off, "Anna Smith"; nothing where that leaves no name."""
    cut = kept[-1] is not full[-1] and kept[-1].text.lower() in _BEGINS_A_FINDING
    return kept[:-1] if cut and len(kept) > 2 else ()


def _may_begin_a_finding(word: str) -> bool:
    return word.lower() in _BEGINS_A_FINDING or is_ordinary(word)


def _is_no_surname(part: _NamePart, following: Sequence[_NamePart]) -> bool:
    together = " ".join(each.text.lower() for each in (part, *following))
    return part.text.lower() in _TITLES or together in _PART_OF_A_CONTINENT


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int


class _NameText:
    """One passage: its different words, and, where a name is among them, each where it stands."""

    def __init__(self, passage: Passage) -> None:
        text = passage.text
        self.patient_id = passage.patient_id
        self.text = text if text.isascii() else unicodedata.normalize("NFC", text)
        self.words = frozenset(_WORD.findall(self.text))
        self._tokens: list[_Token] | None = None

    def has(self, wanted: frozenset[str]) -> bool:
        """Whether one of its words, written with a capital, is the same name."""
        return any(word[0].isupper() and not wanted.isdisjoint(_keys(word)) for word in self.words)

    @property
    def tokens(self) -> list[_Token]:
        if self._tokens is None:
            self._tokens = [_Token(word.group(), *word.span()) for word in _WORD.finditer(self.text)]
        return self._tokens


class _Read:
    """The words of some passages."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._texts = [_NameText(passage) for passage in passages]
        words = frozenset().union(*(text.words for text in self._texts))
        self._small = {key for word in words if word[0].islower() for key in _keys(word)}

    def without_small_words(self, name: Name) -> tuple[str, ...]:
        """The words of a name: none where the passages write it small as a whole ("Atrial fibrillation"), or each of
        its words; without those at its end that they write small, while two are left."""
        words = name.words
        if name.titled:
            return () if self._small_after_title(words[-1]) else words
        if self._ordinary_here(words) or self._together_small(words):
            return ()
        while len(words) > 2 and self.small(words[-1]):
            words = words[:-1]
        return words

    def _small_after_title(self, surname: str) -> bool:
        return surname.islower() and surname not in NAMES_TOO and self.small(surname)

    def _ordinary_here(self, words: Sequence[str]) -> bool:
        """Whether each is no one's name or written small by the passages, and not as they write "brown" and "grace"."""
        names_too = [word.lower() in NAMES_TOO for word in words]
        if any(names_too):
            return not all(names_too) and all(map(self.small, words))
        return all(is_ordinary(word) or self.small(word) for word in words)

    def _together_small(self, words: Sequence[str]) -> bool:
        """Whether the last of these words begins with a small letter where they stand together."""
        wanted = [_keys(word) for word in words]
        return self.small(words[-1]) and any(
            text.tokens[at + len(words) - 1].text[0].islower()
            and all(not _keys(text.tokens[at + n].text).isdisjoint(keys) for n, keys in enumerate(wanted))
            for text in self._texts
            for at in range(len(text.tokens) - len(words) + 1)
        )

    def is_a_thing(self, name: Name, question: str) -> bool:
        """Whether question and passages alike write it before a word for a thing ("Ehlers-Danlos syndrome"). Both must:
        "Anna Smith disease progression" names a person."""
        if name.titled:
            return False
        wanted = [*map(_keys, name.words)]
        for word in _following(question[name.end :]):
            wanted.append(_keys(word))
            if word.lower() in _NAMED_AFTER_PEOPLE:
                return any(_stand_together(wanted, text.tokens) for text in self._texts)
        return False

    def small(self, word: str) -> bool:
        """Whether the passages write it small anywhere: then it is no name by itself."""
        return not self._small.isdisjoint(_keys(word))

    def patients_called(self, name: Sequence[str], title: str) -> frozenset[str]:
        """The patients who may be called that: of those whose passages have the surname, the ones that have most."""
        ranks: dict[str, tuple[int, int]] = {}
        for patient in {text.patient_id for text in self._texts if text.has(_keys(name[-1]))}:
            rank = self._rank(patient, name, title)
            if rank is not None:
                ranks[patient] = rank
        best = max(ranks.values(), default=None)
        return frozenset(patient for patient, rank in ranks.items() if rank == best)

    def _rank(self, patient: str, name: Sequence[str], title: str) -> tuple[int, int] | None:
        """How much of the name the patient's passages have, and how much of it to the letter but for case; None where
        they do not have the surname, or only as someone else's."""
        own = [text for text in self._texts if text.patient_id == patient]
        verdicts = {verdict for text in own for verdict in self._verdicts(text, name, title)}
        confirmed = ("given" if len(name) > 1 else "titled") in verdicts
        if not verdicts - {"other", "against"} or ("against" in verdicts and not confirmed):
            return None
        written = {word for text in own for word in text.words if word[0].isupper()}
        keys = {key for word in written for key in _keys(word)}
        exact = {_bare(word) for word in written}
        return (
            sum(not keys.isdisjoint(_keys(word)) for word in name),
            sum(_bare(word) in exact for word in name),
        )

    def _verdicts(self, text: _NameText, name: Sequence[str], title: str) -> Iterator[str]:
        """What each place that has the surname says: "given", with a first name that was asked for; "titled", with the
        title that was asked for; "against", of another person of that surname; "other", of no patient; else "bare"."""
        surname = _keys(name[-1])
        for at, token in enumerate(text.tokens if text.has(surname) else ()):
            if token.text[0].isupper() and not surname.isdisjoint(_keys(token.text)):
                place = _Place(text.text, text.tokens, at)
                verdict = place.verdict(name, title)
                if verdict != "bare" or not self._may_be_any_word(place, text.text, token):
                    yield verdict

    def _may_be_any_word(self, place: _Place, text: str, token: _Token) -> bool:
        heading = token.text.lower() in _BEGINS_A_FINDING and text.startswith(":", token.end)
        return heading or place.shouted or (place.begins and self.small(token.text))


class _Place:
    """One place of a passage that has a surname."""

    def __init__(self, text: str, tokens: Sequence[_Token], at: int) -> None:
        self._text, self._tokens, self._at = text, tokens, at
        self._before: list[str] = []
        self._title: str | None = None
        self._look_back()
        self._directly_after = self._after(_GAP_OF_NAMES, 1)
        self._after_comma = self._after(_COMMA, 2)

    @property
    def begins(self) -> bool:
        """Whether its capital may be that of a sentence or of a line: "Brown stool.", "WHITE COUNT 9"."""
        start = self._tokens[self._at].start
        return self._title is None and bool(_BEGINS.search(self._text[max(0, start - _LOOK_BACK) : start]))

    @property
    def shouted(self) -> bool:
        """Whether it stands among words in capitals, where any word may be anything: "STOOL IS BROWN"."""
        return (
            self._title is None
            and self._tokens[self._at].text.isupper()
            and any(word.isupper() for word in self._before)
        )

    def verdict(self, name: Sequence[str], title: str) -> str:
        """As `_Read._verdicts` has it."""
        if (
            self._stands_for_a_thing()
            or self._is_part_of_another(name)
            or (self._title == "staff") != (title == "staff")
        ):
            return "other"
        if self._title and title and self._title != title:
            return "against"
        given = [_keys(word) for word in name[:-1]]
        around = [*self._before, *self._after_comma, *self._directly_after]
        if any(_first_name(word, wanted) for word in around for wanted in given):
            return "given"
        if given and any(not _known_word(word) for word in [*self._before, *self._after_comma]):
            return "against"
        return "titled" if self._title and self._title == title else "bare"

    def _look_back(self) -> None:
        """First names and title before the surname."""
        end = self._tokens[self._at].start
        for token in reversed(self._tokens[max(0, self._at - 5) : self._at]):
            gap = self._text[token.end : end]
            folded = token.text.lower()
            if folded in _TITLES and gap.strip(" .\t") == "":
                self._title = _TITLES[folded]
                return
            initial = len(token.text) == 1 and token.text.isupper()
            if not _GAP_OF_NAMES.fullmatch(gap) or (gap.startswith(".") and not initial):
                return
            if folded in _PARTICLES and token.text.islower():
                end = token.start
                continue
            if not token.text[0].isupper() or not token.text.isalpha():
                return
            self._before.append(token.text)
            end = token.start

    def _after(self, gap: re.Pattern[str], most: int) -> list[str]:
        """Capitalised words after the surname, `gap` before the first of them."""
        found: list[str] = []
        end = self._tokens[self._at].end
        for token in self._tokens[self._at + 1 : self._at + 1 + most]:
            between = self._text[end : token.start]
            if not (gap if not found else _GAP_OF_NAMES).fullmatch(between) or between.startswith(". "):
                break
            if not token.text[0].isupper() or not token.text.isalpha():
                break
            found.append(token.text)
            end = token.end
        return found

    def _stands_for_a_thing(self) -> bool:
        following = self._tokens[self._at + 1 : self._at + 2]
        return (
            bool(following)
            and following[0].text.lower() in _NOT_A_PERSON
            and "." not in self._text[self._tokens[self._at].end : following[0].start]
        )

    def _is_part_of_another(self, name: Sequence[str]) -> bool:
        """A first name ("James" of James Wilson), half of a double name, or a doctor's by the degree after it."""
        asked = {key for word in name for key in _keys(word)}
        token = self._tokens[self._at]
        if self._title != "staff" and _DEGREE.match(self._text, token.end):
            return True
        hyphened = [
            self._tokens[other].text
            for other, mark in ((self._at - 1, token.start - 1), (self._at + 1, token.end))
            if 0 <= other < len(self._tokens) and self._text[mark : mark + 1] == "-"
        ]
        others = hyphened + ([] if self._title is not None and not self._before else self._directly_after)
        known = _SUFFIXES | _AFTER_NAMES
        return any(
            asked.isdisjoint(_keys(word)) and word.lower() not in known and len(word) > 1 for word in others
        )


def _following(text: str) -> Iterator[str]:
    """The first words of a text, at most three, up to a mark between them: "Hemorrhagic Fever" of "Crimean-Congo"."""
    at = 0
    for word in islice(_WORD.finditer(text), 3):
        if text[at : word.start()].strip():
            return
        yield word.group()
        at = word.end()


def _stand_together(wanted: Sequence[frozenset[str]], tokens: Sequence[_Token]) -> bool:
    """Whether words follow each other somewhere, particles between them or not."""
    keys = [_keys(token.text) for token in tokens if token.text not in _PARTICLES]
    return any(
        all(not one.isdisjoint(other) for one, other in zip(wanted, keys[at:], strict=False))
        for at in range(len(keys) - len(wanted) + 1)
    )


def _known_word(word: str) -> bool:
    return word.lower() in _BEFORE_NAMES or word.lower() in _TITLES or word.lower() in _SUFFIXES


def _first_name(word: str, wanted: frozenset[str]) -> bool:
    """Whether a word of a note is a first name that was asked for, or its initial."""
    if len(word) == 1:
        return any(key.startswith(word.lower()) for key in wanted)
    return not wanted.isdisjoint(_keys(word))


def _bare(word: str) -> str:
    return re.sub(r"['’]s$|['’]", "", word.lower())


@lru_cache(maxsize=16_384)
def _keys(word: str) -> frozenset[str]:
    """A word as it compares: without case, accents and apostrophes, and once more with its umlauts spelt out."""
    bare = _bare(word)
    if bare.isascii():
        return frozenset((bare,))
    folded = unicodedata.normalize("NFC", bare.casefold())
    return frozenset(
        _without_marks(each) for each in (folded.translate(_PLAIN), folded.translate(_SPELT_OUT))
    )


def _without_marks(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    return "".join(character for character in parts if not unicodedata.combining(character))
