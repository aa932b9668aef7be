"""Whether a question is about several patients, names one, says "he" or "she", or does none of it.

Decides it by the words of the question alone. Knows no conversation and no notes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from pipeline.answering.questions.people_question import people_question
from pipeline.text.person_names.names import ILLNESSES, Name
from pipeline.text.person_names.question_names import names

About: TypeAlias = Literal["several", "named", "pronoun", "open"]

PERSON = "(?:patient|pt|man|woman|gentleman|lady|boy|girl)"
_PRONOUN = re.compile(
    r"\b(?:he|she|him|her|hers|his|himself|herself)\b(?!-)|(?:^|[.?!]\s+)(?:He|She|Him|Hers?|His(?!\s+bundle))\b(?!-)"
    rf"|\b(?:[Tt]his|[Mm]y|[Oo]ur|[Tt]he other|[Tt]he next) {PERSON}\b"
    r"|^(?:(?:And|and|So|so) )?(?:(?:[Ww]hat|[Ww]hen|[Ww]here|[Ww]hy|[Hh]ow) )?"
    r"(?:[Aa]re|[Ww]ere|[Dd]o|[Dd]id|[Hh]ave|[Hh]ad|[Cc]an) (?:they|their)\b"
)
"""Not `HE` or `HER2`, and not the bundle of His; "they" where nothing before it can be meant."""
_SOMEBODY_BEFORE = re.compile(
    r"\b(?:patient|man|woman|gentleman|lady|boy|girl|child|baby|infant|newborn|teenager|person|mother|father"
    r"|female|male)\b",
    re.IGNORECASE,
)
_ILLNESS = re.compile(rf"\W*(?:{'|'.join(sorted(ILLNESSES))})\b")
"""What follows a name that stands for no patient. Not a drain or a line: those may be the patient's."""
_PEOPLE = r"(?:patients|pts|people|persons|men|women|children|infants|adults|cases|others)"
_SOMEBODY = r"(?:he|she|him|his|her|hers|their)\b"
"""Whom "Who is she?" and "Who has he seen?" are about: not several."""
_SEVERAL = re.compile(
    rf"\b{_PEOPLE}\b(?!\s+(?:does|do|did|has|have|had)\s+{_SOMEBODY})"
    r"|\bhow many (?:have|had|are|were|take|took|need|use|smoke|of)\b|\ball (?:with|who|taking)\b"
    r"|\b(?:which|what|any|every|each|another|no|some|whose)\s+(?:other\s+|single\s+)?patient\b"
    r"|\b(?:any|every|some|no)\s?(?:one|body)\b"
    r"|\bwho\s+(?:else|all|has|have|had|takes?|took|needs?|uses?|smokes?|drinks?|gets?|got|suffers?|are|were)\b"
    rf"(?!\s+(?:(?:care\s+of|has|have|had|is|was)\s+)?{_SOMEBODY})"
    rf"|\bwho\s+(?:is|was)\s+(?!the\b|{_SOMEBODY})",
    re.IGNORECASE,
)


def subject_of(question: str, written: Sequence[Name] | None = None) -> About:
    """Whether a question is about several patients, names one, says he or she, or does none of it. `written`: its names
    as `question_names.names` gives them, where they were read already."""
    if _SEVERAL.search(question) or people_question(question) is not None:
        return "several"
    # Also "Nguyen's potassium", where nothing is sure: otherwise the patient before would answer for Nguyen.
    shaped = names(question) if written is None else written
    named = next((each for each in shaped if each.sure or not _ILLNESS.match(question, each.end)), None)
    pronoun = _PRONOUN.search(question)
    if pronoun is None:
        return "named" if named else "open"
    if named and named.start < pronoun.start():
        return "named"
    return "open" if _SOMEBODY_BEFORE.search(question, 0, pronoun.start()) else "pronoun"
