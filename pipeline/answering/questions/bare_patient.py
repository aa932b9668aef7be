"""The name or id that a short follow-up consists of: "And Evan?", "What about K2's?", "and for park".

Decides which words of such a question may be a person, and which single word is a thing of medicine and no one's name.
Refuses to know who there is: `patient_meant` asks the register.
"""

from __future__ import annotations

import re

from pipeline.answering.questions.asked.kinds import asked_kinds
from pipeline.answering.questions.interpretation import without_opener
from pipeline.answering.questions.plan import WrittenPatient
from pipeline.text.ordinary_words import is_no_name
from pipeline.text.person_names.names import BEGIN_A_FINDING, BEGINNINGS, THINGS, may_begin_a_sentence
from pipeline.text.terms.drug_classes import all_drugs
from pipeline.text.vocabulary import NEGATIONS, RELATIVES, SAME_WORD, SUBJECTS

WORDS_MAX = 3
_BEFORE = re.compile(
    r"\s*(?:(?:now|then|ok|okay|so|please|the same|for|of|in|with|on|about|regarding"
    r"|does|did|is|has|was|had|can)\b,?\s*)*",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:['’]s)?(?:\s*,?\s*(?:too|as well|then|now|instead|please|also|does|have|is|has))*[\s?.!,;:]*\Z",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_](?:[\w'’./:-]*\w)?")
_CAPITALS_OF_PEOPLE = frozenset(["An", "Do", "May", "Will"])
_CAPITALISED = re.compile(
    r"(?<=[\w,:'’] )(?<!\b[Tt]he )(?<!\b[Aa] )(?<!\b[Aa]n )(?<!\b[Hh]is )(?<!\b[Hh]er )"
    r"[A-ZÀ-ÖØ-Þ][^\W\d_]+(?:-[^\W\d_]+)*"
    r"|^[A-ZÀ-ÖØ-Þ][^\W\d_]+(?=[:,]|\s+(?:has|had|is|was|takes)\b)"
)
OF_THE_CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december".split()
)
_IN_TIME = re.compile(r"\b(?:in|on)\s+\Z", re.IGNORECASE)
_THING_BEHIND = re.compile(rf"(?:['’]s)?\s+(?:{'|'.join(sorted(THINGS))})\b", re.IGNORECASE)
_A_NUMBER = re.compile(r"\d{1,4}|\d[\d./:-]*[./:-][\d./:-]*")
"""A year, a date, an amount: no id that stands alone."""
_NEVER = (
    frozenset(
        "me one ones you we there here yes no other others else all any both everyone he she they".split()
    )
    | RELATIVES
    | SUBJECTS
    | NEGATIONS
)


def bare_patient(question: str) -> WrittenPatient | None:
    """What the question consists of besides its beginning, where that may be a name or an id by its words alone."""
    text = without_opener(question)
    begin = _BEFORE.match(text)
    start = begin.end() if begin else 0
    ending = _AFTER.search(text, start)
    end = ending.start() if ending else len(text)
    words = list(_WORD.finditer(text, start, end))
    if not 0 < len(words) <= WORDS_MAX or text[start:end].count(",") > 1:
        return None
    if _IN_TIME.search(text, 0, start) and words[0].group().lower() in OF_THE_CALENDAR:
        return None
    if any(_begins_a_question(word.group()) for word in words):
        return None
    if len(words) == 1 and _A_NUMBER.fullmatch(words[0].group()):
        return None
    is_id = len(words) == 1 and any(map(str.isdecimal, words[0].group()))
    if not is_id and not all(_is_of_letters(word.group()) for word in words):
        return None
    written = tuple(word.group() for word in words)
    return WrittenPatient(written, words[0].start(), words[-1].end(), is_id=is_id, sure=is_id)


def words_with_a_capital(question: str) -> tuple[str, ...]:
    """Single words of the question that may be someone's name for their capital: "What happened to Smith?". None that
    is a thing of medicine, of the calendar, or called after someone: "the Foley catheter"."""
    return tuple(
        dict.fromkeys(
            match.group()
            for match in _CAPITALISED.finditer(question)
            if match.group().lower() not in OF_THE_CALENDAR | BEGINNINGS
            and not is_a_thing(match.group())
            and _THING_BEHIND.match(question, match.end()) is None
        )
    )


def is_a_thing(word: str) -> bool:
    """Whether notes mean a finding, a drug or the like by this word, whoever is called so: "gout", "Pain"."""
    folded = word.lower()
    return (
        folded in BEGIN_A_FINDING
        or folded in SAME_WORD
        or folded in all_drugs()
        or is_no_name(folded)
        or bool(asked_kinds(folded))
    )


def _begins_a_question(word: str) -> bool:
    folded = word.lower()
    if folded in _NEVER:
        return True
    return (folded in BEGINNINGS or may_begin_a_sentence(word)) and word not in _CAPITALS_OF_PEOPLE


def _is_of_letters(word: str) -> bool:
    return all(character.isalpha() or character in "'’-." for character in word)
