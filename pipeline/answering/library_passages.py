"""Which questions passages of the library may answer: those about nobody.

"Patients take warfarin" in a guideline says nothing of any patient, and a letter in the library may name somebody.
Decides by the words of the question and of the passage alone, and rather leaves a passage out. Knows no store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.records import Hit, is_of_library
from pipeline.text.person_names.names import may_be_a_name

_SOMEBODY = re.compile(
    r"\b(?:she|he|hers?|him|his|mrs?|ms|miss)\b"
    r"|\b(?:the|this|that|my|our|her|his) (?:\d\S* )?(?:patient|pt|woman|man|lady|gentleman|girl|boy|child|baby)\b"
    r"|\b(?:patient|pt)\s+(?:\S*\d|born|called|named|(?-i:[A-Z])\w)"
    r"|\b\d{1,3}[- ]?(?:year|yr|y|month|week)s?[- ]?(?:old|o)\b|\by/?o\b|\b(?:born|dob|mrn|date of birth)\b",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"\b(?:who|whom|whose|(?:which|how many|what|list|show|find|any|all|our|my|the|of|do|does) "
    r"(?:me )?(?:all )?(?:the )?(?:patients?|pts?|people|persons?|men|women|children)|any(?:one|body)|some(?:one|body)"
    r"|every(?:one|body))\b|^\W*(?:all |any |list |show |the )*(?:patients?|pts?|people|persons?)\b",
    re.IGNORECASE,
)
_RULE = re.compile(
    r"\b(?:should|shall|must|may|can|could|ought|recommended|recommend|indicated|contraindicated|defined)\b",
    re.IGNORECASE,
)
"""Asks what is to be done, not what was: "Who should not take ketamine?"."""
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx|Master|Herr|Frau|Sr|Sra|Mme)\.?\s+([A-ZÀ-Þ][\w’'-]+)(?:\s+([A-ZÀ-Þ][\w’'-]+))?"
)
_TWO_NAMES = re.compile(
    r"\b([A-ZÀ-Þ][a-zà-ÿ’'-]+)\s+(?:[A-ZÀ-Þ]\.?\s+)?([A-ZÀ-Þ][a-zà-ÿ’'-]+)\b"
    r"(?!['’]?s?\s+(?:syndrome|disease|disorder|sign|test|score|criteria|scale|classification|method|technique|procedure"
    r"|purpura|law|palsy|tumou?r|lymphoma|index|formula|manoeuvre|maneuver))"
)
_WORD = re.compile(r"[^\W\d_][\w’'-]*")


def asks_about_somebody(question: str) -> bool:
    """Whether a question is about a person, or about which persons something is true of."""
    if _SOMEBODY.search(question):
        return True
    return _WHO.search(question) is not None and _RULE.search(question) is None


def names_in_question(question: str, passage: str) -> bool:
    """Whether the question has a word of a name of somebody whom the passage names."""
    asked = {_bare(word) for word in _WORD.findall(question)}
    return any(_bare(name) in asked for name in names_in(passage))


def names_in(text: str) -> set[str]:
    """Words of names of persons, as a text writes them: behind a title, or two names together."""
    found = {name for titled in _TITLED.findall(text) for name in titled if name}
    for one, other in _TWO_NAMES.findall(text):
        if may_be_a_name(one) and may_be_a_name(other):
            found |= {one, other}
    return found


def without_library(question: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits that may answer: those of notes, and of the library where the question is about nobody."""
    about = asks_about_somebody(question)
    return [
        hit
        for hit in hits
        if not is_of_library(hit.resource_id) or not (about or names_in_question(question, hit.text))
    ]


def _bare(word: str) -> str:
    return word.casefold().removesuffix("’s").removesuffix("'s")
