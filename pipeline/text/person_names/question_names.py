"""Which words of a question may be a person's name, by their shape alone.

Decides it by capitals, titles and the words beside them, and by what words are no one's (`ordinary_words`): runs of
capitalised words, "E. Kowalski", "Nowak, Eva", "ANNA KOWALSKI", and a single word where only a person can stand ("What
does Kowalski take?"). Refuses to know who there is; `patient_names` asks the passages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.text.ordinary_words import is_no_name, is_ordinary
from pipeline.text.person_names.names import (
    BEGIN_A_FINDING,
    BEGINNINGS,
    GENERATIONS,
    PARTICLES,
    SUFFIXES,
    TITLES,
    Name,
    is_doubtful,
    may_be_a_name,
)

_ASKING_TITLES = frozenset(TITLES) - {"patient", "pt", "nurse", "doctor", "madam", "professor"}
"""Those that make a single capitalised word of a question a name."""
_SMALL_TITLES = frozenset(["mr", "mrs", "mr.", "mrs.", "ms."])
"""Those that do so written small as well, with a name written small. "ms" alone is a disease, or milliseconds."""
_NEVER_IN_A_HEADING = BEGINNINGS - {"may", "will"}
_NEVER_FIRST_NAMES = BEGINNINGS - {"may", "will", "an", "do"}
"""With a capital inside a sentence: An Nguyen and Do Smith are people."""
_BETWEEN_NAMES = frozenset(
    "about after and at before between by did does for had have if "
    "is it of that their this was what when which who with without".split()
)
"""Words between two names in a question written like a heading, and no one's middle name."""
_ASKED_WORD = re.compile(r"[^\s–—-]+(?:[-‐‑][^\s–—-]+)*")
"""Of a question, with the marks around it; a dash ends it as a blank does."""
_AROUND = "\"'“”‘(),.;:?!"
_AFTER_A_GENUS = frozenset("fib flutter diff difficile coli aureus pylori albicans".split())
"""Of "A. Fib" and "C. Difficile"."""
_INSIDE_NAMES = re.compile(r"['’‐‑-]")
_DIGIT = re.compile(r"\d")
_HYPHEN = re.compile(r"[-‐‑]")
_VOWEL = re.compile(r"[aeiouyà-ÿ]")
_IN_CAPITALS_MIN = 6
"""Letters of both words: fewer are more often short for something."""
_LETTERS = r"[^\W\d_]"
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĻĽŁŃŅŇŌŐŒŘŚŞŠŤŪŮŰŲŸŹŻŽȘȚ"
_LOWER = "a-zß-öø-ÿāăąćčďđēėęěğģīįıķļľłńņňōőœřśşšťūůűųźżžșț"
_NAME = rf"[{_UPPER}]{_LETTERS}+(?:[-'’]{_LETTERS}+)*"
_WITH_INITIAL = re.compile(rf"(?<![\w.])([A-Z])(?:\.\s?[A-Z])?\.?\s({_NAME})(?=\W|$)")
_SURNAME_FIRST = re.compile(
    rf"(?<![\w,])(?<!\b[Ii]n )(?<!\b[Aa]t )(?<!\bfrom )(?<!\bnear )(?P<last>{_NAME}),\s(?P<first>{_NAME}|[A-Z]\b\.?)"
    r"(?!\s*,|\s+(?:and|or)\b|[\w-])"
)
_CAPITALS = rf"[{_UPPER}]+(?:[-'’][{_UPPER}]+)*"
_PARTICLE = "(?:(?:" + "|".join(sorted(PARTICLES)) + ")[ ])"
_IN_CAPITALS = re.compile(
    rf"\b(?P<first>{_CAPITALS})(?P<comma>,)?\s(?:[A-Z]\.?\s)?(?P<particles>{_PARTICLE.upper()}*)"
    rf"(?P<last>{_CAPITALS})(?=['’]S\b|['’]s\b|[^\w'’-]|$)"
)
_TITLE_IN_CAPITALS = re.compile(
    rf"\b(?P<title>MRS?|MS|MISS|DR)\s(?P<last>{_CAPITALS})(?=['’]S\b|['’]s\b|[^\w'’-]|$)"
)
_SMALL = rf"([{_LOWER}](?:[{_LOWER}'’-]*[{_LOWER}])?)"
_IN_SMALL_LETTERS = re.compile(
    rf"\b(?:does|did|is|was|has|had|will|should)\s+{_SMALL}\s{_PARTICLE}*{_SMALL}\s+(?:still\s+|currently\s+|ever\s+)?"
    r"(?:take|taking|taken|smoke|drink|weigh|live|report|deny|feel|on(?!\s+(?:the|an?)\b)|allergic|diabetic|pregnant"
    r"|married|admitted|discharged)\b"
    rf"|\b{_SMALL}\s{_PARTICLE}*([{_LOWER}][{_LOWER}-]*[{_LOWER}])['’]s\b"
)
_NAMES_AND_BEGINNINGS = frozenset(["an", "may", "will", "do"])
_NO_ONE = BEGINNINGS | frozenset(
    "patient patients he she it they his her their this that these those anyone anybody everyone everybody someone "
    "somebody mom mum dad baby mama papa mommy daddy grandma grandpa".split()
)
_MEASURED = (
    r"(?:potassium|sodium|calcium|magnesium|creatinine|h[a]?emoglobin|glucose|cholesterol|platelets|bilirubin|a1c|inr"
    r"|bp|blood\spressure|pulse|heart\srate|temperature|weight|height|bmi|age|birthday|dob|mrn|allergies|labs|vitals"
    r"|medications?|meds|wife|husband|daughter|son|mother|father|address)"
)
"""What is asked of a person: "the potassium of Kowalski"."""
_ASKED_OF_PEOPLE = (
    rf"(?:{_MEASURED}"
    r"|drugs|medicines|prescriptions|diagnoses|problems|visits?|appointments?|discharge|admission|surgery|surgeries"
    r"|insulin|warfarin|dose|doses|results)"
)
_TOPIC = rf"{_ASKED_OF_PEOPLE}(?:\s+(?:levels?|values?|results?|list|history))?"
_ABOUT = (
    r"(?:tell\s+me\s+about|summari[sz]e|summary\s+(?:of|for)|who\s+is|about|re:?|for|find|show(?:\s+me)?|open|how\s+is"
    r"|what\s+about|how\s+about)"
)
_ONLY_A_NAME = re.compile(
    rf"""^\s*(?:{_ABOUT}\s+|{_TOPIC}(?:\s+(?:of|for|in|on))?:?\s+)?{_SMALL}\s{_PARTICLE}*{_SMALL}\s*[?.!]*\s*$
    |^\s*{_SMALL}\s{_PARTICLE}*{_SMALL}(?:['’]s|:|,)?\s+{_TOPIC}\s*[?.!]*\s*$""",
    re.VERBOSE,
)
"""A question of two words in small letters and what is asked of a person, and no more: "john smith potassium"."""
_ONLY_A_NAME_MAX = 80
"""Characters of such a question."""
_SMALL_SURNAME_FIRST = re.compile(rf"^\s*{_SMALL},\s{_SMALL}(?::|\s*$|\s+{_TOPIC})")
_SUFFERED = (
    r"(?:gout|asthma|diabetes|cough|pain|wounds?|rash|fever|copd|cancer|hypertension|depression|anxiety|headaches?"
    r"|seizures?|infection|symptoms|condition|care|plan|treatment|therapy|history|status|diet|family|mood|sleep|oxygen"
    r"|e[ck]g|mri|ct|x-?rays?|echo|scans?|imaging|biopsy|cultures?|urine|kidneys?|liver|heart|lungs?|eyes?|feet|foot"
    r"|legs?|arms?|knees?|hips?|back|skin|swelling|nausea|stroke|fall|fracture|ulcers?)"
)
"""What a person may have: "Kowalski's gout". Where the word may be an illness's, a passage has it."""
_NAME_IN_PLACE = rf"(?:(?:[A-Z]\.?\s{_PARTICLE}|[A-Z]\.\s){_PARTICLE}*|{_PARTICLE}*){_LETTERS}[\w'’-]+"
_ALONE = re.compile(
    rf"""\b(?:does|did|has|had|will|can|should|could|would)\s+(?P<asked>{_NAME_IN_PLACE})\s+
        (?:still\s+|currently\s+|ever\s+|also\s+|now\s+)?(?:take|taking|taken|smoke|drink|need|have(?!\s+(?:side|adverse|any))
        |had|weigh|use|report|deny|complain|live|feel|get|want|suffer|receive|undergo|tolerate|see|eat|sleep|walk|stop
        |start|been)\b
    |\b(?:is|was)\s+(?P<being>{_NAME_IN_PLACE})\s+(?:still\s+|currently\s+|also\s+|now\s+)?(?:on(?!\s+(?:the|an?)\b)
        |taking|allergic|diabetic|pregnant|smoking|hypertensive|obese|an[a]?emic|married|feeling|admitted|discharged
        |hospitali[sz]ed|seen|vaccinated|febrile|afebrile|septic|in\s+pain|an?\s+(?:smoker|diabetic|patient))\b
    |\b(?:how\s+(?:is|was)|how['’]s|who\s+is)\s+(?P<well>{_NAME_IN_PLACE})\s*(?:doing|feeling|today|now)?\s*(?:[?.!]|$)
    |\b{_MEASURED}\s+(?:levels?\s+|values?\s+)?(?:of|for|in)\s+(?P<whose>{_NAME_IN_PLACE})\s*(?:[?.!,]|$)
    |^(?:(?:re|for|about)\s+)?(?P<about>{_LETTERS}[\w'’-]+):?\s+{_ASKED_OF_PEOPLE}\b
    |\b(?P<owner>{_LETTERS}[\w-]+)['’]s\s+(?:last\s+|latest\s+|current\s+)?(?:{_ASKED_OF_PEOPLE}|{_SUFFERED})\b
    |\b(?:patient|pt\.?)\s+(?P<patient>{_LETTERS}[\w-]+)(?=['’]s\b|\s*(?:[?.!,]|$)|\s+(?:take|on|have|with|has|is)\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ONLY_OF_PEOPLE = re.compile(
    r"\b(?:take|taking|taken|smok(?:e|ing)|drink|weigh|live|sleep|walk|eat|on|allergic|pregnant|married|admitted)$",
    re.IGNORECASE,
)
"""What a drug and an illness never do."""
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())
_MONTHS = frozenset(
    "january february march april may june july august september october november december".split()
)
_EXAMINATIONS = frozenset(
    "lab labs mri mra ct cta us ecg ekg eeg emg psa tsh cbc bmp cmp abg inr bnp ua pft pet kub".split()
)
"""What has results, too."""
_IN = re.compile(r"\bin\s+$", re.IGNORECASE)
_OF_SOMEONE = re.compile(r"['’]s$|['’]$", re.IGNORECASE)
_OPENS = ("(", "[", "“", '"')
_NICKNAME = re.compile(r"[(“\"][A-Z]\w+[)”\"]")
"""Of Robert (Bob) Smith."""
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


class Word(NamedTuple):
    """A word of a question, without the marks around it and its "'s"."""

    text: str
    start: int
    end: int
    possessive: bool
    mark: str
    """What stands after it: "" but for "," and the like."""

    @property
    def parts(self) -> list[str]:
        """The halves of a hyphenated word."""
        if self.text.isalpha():
            return [self.text]
        return _without_particle([part for part in _HYPHEN.split(self.text) if part])

    @property
    def capital(self) -> bool:
        return self.text[:1].isupper()

    @property
    def folded(self) -> str:
        return self.text.lower()


@dataclass(frozen=True, slots=True)
class QuestionNames:
    """What of one question may be a name by its shape, read once for all who ask."""

    question: str
    shaped: tuple[Name, ...]
    """As `names` gives them."""
    alone: tuple[Name, ...]
    """As `lone_names` gives them."""

    @classmethod
    def of(cls, question: str) -> QuestionNames:
        return cls(question, tuple(names(question)), tuple(lone_names(question)))


def words_of(question: str) -> list[Word]:
    """Its words in order, but for those of marks alone."""
    return [word for match in _ASKED_WORD.finditer(question) if (word := _word(match)).text]


def _word(match: re.Match[str]) -> Word:
    written = match.group()
    text = _without_s(written)
    if text == written:
        return Word(text, match.start(), match.end(), False, "")
    unmarked = written.rstrip(_AROUND)
    start = match.start() + (written.find(text) if text else 0)
    mark = written[len(unmarked) :].strip("\"'“”‘’")[:1]
    possessive = len(written.strip(_AROUND)) > len(text)
    return Word(text, start, match.start() + len(unmarked), possessive, mark)


def _without_s(written: str) -> str:
    bare = written.strip(_AROUND)
    return _OF_SOMEONE.sub("", bare) if "'" in bare or "’" in bare else bare


def names(question: str) -> list[Name]:
    """All that may be a name by its shape, in order: runs of capitalised words, and what is written otherwise: "E.
    Kowalski", "Nowak, Eva", "ANNA KOWALSKI"."""
    found = _names_in_a_row(question)
    for name in (
        *_names_with_initial(question),
        *_surnames_first(question),
        *_names_in_capitals(question),
        *_names_in_small_letters(question),
    ):
        if not any(name.overlaps(other) for other in found):
            found.append(name)
    return sorted(found, key=lambda name: name.start)


def lone_names(question: str) -> Iterator[Name]:
    """Single words that stand where only a person can: "What does Kowalski take?", "Kowalski's potassium". None is
    sure: "Does Lasix have side effects?"."""
    for match in _ALONE.finditer(question):
        *before, word = match[match.lastgroup or 0].split()
        first, *others = _HYPHEN.split(_without_s(word))
        particle = bool(others) and first in PARTICLES
        word = others[-1] if particle else _without_s(word)
        if (
            len(word) > 1
            and word.lower() not in _EXAMINATIONS
            and not _DIGIT.search(word)
            and not _is_a_time(match)
            and (word.lower() not in _NO_ONE or word in ("May", "Will", "An", "Do"))
        ):
            start, end = match.span(match.lastgroup or 0)
            initials = [each[0] for each in before if each[0].isupper() and len(each.strip(".")) == 1]
            particle = particle or len(before) > len(initials)
            yield Name(
                (*initials, word),
                "",
                False,
                False,
                start,
                end,
                has_particle=particle,
                in_place=not initials,
                only_of_people=bool(_ONLY_OF_PEOPLE.search(match.group())),
            )


def _is_a_time(match: re.Match[str]) -> bool:
    """Whether it is "Monday's potassium" or "the potassium in May"."""
    word = _without_s(match[match.lastgroup or 0]).lower()
    if word in _DAYS:
        return match.lastgroup in ("whose", "owner")
    return word in _MONTHS and bool(_IN.search(match.string[: match.start(match.lastgroup or 0)]))


def _names_with_initial(question: str) -> Iterator[Name]:
    for match in _WITH_INITIAL.finditer(question):
        if _can_be_spoken_as_one(match[2]) and match[2].lower() not in _AFTER_A_GENUS:
            parts = _HYPHEN.split(match[2])
            yield Name((match[1], *parts), "", False, True, *match.span(), joined=len(parts))


def _surnames_first(question: str) -> Iterator[Name]:
    for match in _SURNAME_FIRST.finditer(question):
        if _are_a_name(match["first"], match["last"]):
            parts = _HYPHEN.split(match["last"])
            yield Name(
                (match["first"], *parts), "", False, True, *match.span(), joined=len(parts), unusual=True
            )


def _names_in_capitals(question: str) -> Iterator[Name]:
    """Two words that can be spoken, so that "PET CT" is none."""
    for match in _TITLE_IN_CAPITALS.finditer(question):
        if _can_be_spoken_as_one(match["last"]):
            parts = _HYPHEN.split(match["last"])
            title = TITLES[match["title"].lower()]
            yield Name((*parts,), title, True, True, *match.span(), joined=len(parts), unusual=True)
    for match in _IN_CAPITALS.finditer(question):
        first, last = match["first"], match["last"]
        if _are_a_name(first, last) and len(first + last) >= _IN_CAPITALS_MIN:
            parts = _HYPHEN.split(last)
            both = (*parts, first) if match["comma"] else (first, *parts)
            particle = bool(match["particles"])
            yield Name(both, "", False, True, *match.span(), joined=1, has_particle=particle, unusual=True)


def _names_in_small_letters(question: str) -> Iterator[Name]:
    small = question
    if question.isupper() and len(question.lower()) == len(question):
        small = question.lower()
    short = (_ONLY_A_NAME, _SMALL_SURNAME_FIRST) if len(question) <= _ONLY_A_NAME_MAX else ()
    for pattern in (_IN_SMALL_LETTERS, *short):
        for match in pattern.finditer(small):
            one, other = (number for number, group in enumerate(match.groups(), start=1) if group)
            start, end = match.start(one), match.end(other)
            if pattern is _SMALL_SURNAME_FIRST:
                one, other = other, one
            first, last = question[slice(*match.span(one))], question[slice(*match.span(other))]
            if _are_a_name(first, last) and not (is_doubtful(first) and is_doubtful(last)):
                particle = pattern is not _SMALL_SURNAME_FIRST and end - start > len(first) + 1 + len(last)
                yield Name((first, last), "", False, True, start, end, has_particle=particle, unusual=True)


def _are_a_name(first: str, last: str) -> bool:
    """Whether both may be names: "An" and "May" only beside one that is no other word."""
    if _can_be_spoken_as_one(first) and _can_be_spoken_as_one(last):
        return True
    one, other = (first, last) if first.lower() in _NAMES_AND_BEGINNINGS else (last, first)
    return one.lower() in _NAMES_AND_BEGINNINGS and _can_be_spoken_as_one(other) and not is_doubtful(other)


def _can_be_spoken_as_one(word: str) -> bool:
    """Whether it is no ordinary word, and can be spoken."""
    return may_be_a_name(word) and word.lower() not in _NO_ONE and bool(_VOWEL.search(word.lower()))


def _names_in_a_row(question: str) -> list[Name]:
    """Runs of capitalised words that may be a person's name, without what begins a question, and without the ordinary
    words at both ends ("Primary Care Providers" is none). In A Question Written Like A Heading one word is none."""
    words = list(_ASKED_WORD.finditer(question))
    heading = len(words) > _HEADING_MORE_THAN and not any(word.group()[0].islower() for word in words)
    found: list[Name] = []
    run, begins = _NameRun(heading, begins=True), True
    for word in words:
        if not run.takes(word) and not (run.empty and run.begins == begins):
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
    generation: str = ""
    has_particle: bool = False
    over: bool = False

    @property
    def empty(self) -> bool:
        return not self.parts and self.title is None

    def takes(self, word: re.Match[str]) -> bool:
        """Whether the word belongs to this run; the first word always asks an empty one."""
        if self.over:
            return False
        written = word.group()
        if self.parts and written.startswith(_OPENS):
            return bool(_NICKNAME.fullmatch(written))
        bare = _without_s(written)
        if not self.parts and bare.lower() in _ASKING_TITLES and self._is_title(written, bare):
            self.title, self.small = TITLES[bare.lower()], written.islower()
            self.start = word.start()
            return True
        if (self.parts or self.title is not None) and bare in PARTICLES:
            self.has_particle = True
            return True
        suffix = bool(self.parts) and bare.lower().strip(".") in SUFFIXES
        if not suffix and not self._like_a_name(bare):
            return False
        begin = word.start() + written.find(bare)
        if suffix:
            self.end = begin + len(bare)
            folded = bare.lower().strip(".")
            self.generation = folded if folded in GENERATIONS else self.generation
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
        letters = bare if bare.isalpha() else _INSIDE_NAMES.sub("", bare)
        begun = bool(self.parts) or self.title is not None
        if len(letters) < 2 or not letters.isalpha():
            return begun and len(letters) == 1 and letters.isupper() and letters != "I"
        if self.title is not None and not self.parts and (self.small or bare[0].isupper()):
            return bare[0].isupper() or bare not in BEGINNINGS
        if not bare[0].isupper() or (bare.isupper() and self.title is None):
            return False
        if self.title is None and _COMPOUND.match(bare):
            return False
        if bare.lower() in _BETWEEN_NAMES:
            return False
        never = _NEVER_IN_A_HEADING if self.heading else _NEVER_FIRST_NAMES
        return bool(self.parts) or bare.lower() not in (BEGINNINGS if self.begins else never)

    def names(self) -> Iterator[Name]:
        full = [part for part in self.parts if len(part.text) > 1]
        titled = self.title is not None
        kept = _without_ordinary_words(full, titled=titled)
        sure = titled or (len(full) > 1 and (len(kept) > 1 or not self.heading))
        if len(full) == 1 and not titled and full[0].text.lower() in _DAYS:
            return
        if not kept or not (sure or (self.possessive and len(full) == 1)):
            return
        asked_of = () if titled else _without_finding(kept, full)
        if asked_of:
            kept = asked_of
        elif len(kept) == 1 or (kept[-1] is not full[-1] and _may_begin_a_finding(kept[-1].text)):
            kept = full  # "Patience Nobody" is not Ms. Nobody, nor "Anna Allergies" someone called Anna
        if self.begins and not titled and len(kept) > 2 and is_ordinary(kept[0].text):
            kept = kept[1:]  # "Reason Anna Smith was seen" asks about Anna Smith
        start = self.start if titled else kept[0].start
        whole = kept[-1] is full[-1]
        yield Name(
            tuple(part.text for part in kept),
            self.title or "",
            titled,
            sure,
            start,
            max(self.end, kept[-1].end) if whole else kept[-1].end,
            self.generation if whole else "",
            sum(part.start == kept[-1].start for part in kept),
            self.has_particle,
        )


def _heads(written: str) -> list[str]:
    """The words of a hyphenated one, without what is said of the first: "Smith-Jones", but "Cue-induced"."""
    first, *others = _without_particle([part for part in _HYPHEN.split(written) if part])
    return [first, *(part for part in others if part[0].isupper() or not is_ordinary(part))]


def _without_particle(parts: list[str]) -> list[str]:
    """ "Rahman" of "al-Rahman"."""
    return parts[1:] if len(parts) > 1 and parts[0] in PARTICLES else parts


def _without_ordinary_words(parts: Sequence[_NamePart], *, titled: bool) -> Sequence[_NamePart]:
    """A name without the words at its ends that are no one's; after a title the first word stays. Nothing where one
    word is left that is a title itself, or the West of "West African"."""
    # One half of a hyphenated word is as much a name as the other.
    if not titled and (parts and _is_a_finding(parts)):
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


def _is_a_finding(parts: Sequence[_NamePart]) -> bool:
    """Whether it is made of ordinary words, with or without the first of "Blood Pressure"."""
    first, *others = parts
    begins = bool(others) and first.text.lower() in BEGIN_A_FINDING
    return (begins or is_ordinary(first.text)) and all(is_ordinary(part.text) for part in others)


def _without_finding(kept: Sequence[_NamePart], full: Sequence[_NamePart]) -> Sequence[_NamePart]:
    """Of "Anna Smith Heart Rate", whose last word is cut off, "Anna Smith"; nothing where that leaves no name."""
    cut = kept[-1] is not full[-1] and kept[-1].text.lower() in BEGIN_A_FINDING
    return kept[:-1] if cut and len(kept) > 2 else ()


def _may_begin_a_finding(word: str) -> bool:
    return word.lower() in BEGIN_A_FINDING or is_ordinary(word)


def _is_no_surname(part: _NamePart, following: Sequence[_NamePart]) -> bool:
    together = " ".join(each.text.lower() for each in (part, *following))
    return part.text.lower() in TITLES or together in _PART_OF_A_CONTINENT
