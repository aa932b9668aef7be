"""What is asked of several patients in other words than "have" and "take": "are married", "live alone", "never smoked".

Decides which words of it are the thing asked about, whether those are meant who are not so, and whether the patient is
it ("are retired") or has it. Refuses to know any of the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADVERB = r"(?:ever|still|also|already|currently|now|been|previously|recently|yet|actually|all|known to be)"
_AUXILIARY = r"(?:do|does|did|have|has|had|is|are|was|were|will|can|could)(?![^\W_])"
_NOT = r"(?:not|n['’]t|never|no longer)"
_ASKED = re.compile(
    rf"^(?:who|that)?\s*(?:(?P<be>is|are|was|were|be|been)\b|{_AUXILIARY})?(?P<no>\s*{_NOT}\b)?\s*(?:{_ADVERB}\s+)*"
    rf"(?P<never>{_NOT}\s+)?(?:{_ADVERB}\s+)*(?P<be_too>being\s+|be\s+)?(?P<words>[^,;?!]+?)\s*[?.!]*\s*$",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"^(?:given|treated|admitted|vaccinated|immuni[sz]ed|seen|referred|operated|diagnosed|screened|tested"
    r"|sent|put|taken|hospitali[sz]ed|waiting|awaiting|booked|due|being|followed|\w+ed\s+(?:for|"
    r"with|to|by|against|on|in|at|from))\b",
    re.IGNORECASE,
)
"""What was done to a patient is had, and not been."""
_AGAINST = re.compile(
    r"^(?:been\s+)?(?:vaccinated|immuni[sz]ed)\s+(?:against|for|with)\s+(?P<what>.+)$", re.IGNORECASE
)
_NOTHING = re.compile(r"(?:there|here|registered|known)(?: (?:are|here|in (?:the|all) \w+))?", re.IGNORECASE)
_INSURED = re.compile(
    r"^(?:been\s+)?(?:insured|covered)\s+(?:by|through|with|under)\s+(?P<what>.+?)(?:\s+insurance)?$",
    re.IGNORECASE,
)
_ARTICLES = re.compile(r"^(?:an?|the|any)\s+", re.IGNORECASE)
_AGAIN = re.compile(
    r",?\s+(?:or|and)\s+(?:ever\s+)?(?:(?:have|has)\s+)?(?:had|took|taken)\s+(?:them|it|one|any|some|§)"
    r"(?:\s+(?:before|fixed|repaired|removed|treated|done))?$"
    r"|,?\s+or\s+(?:is|are)\s+(?:about|going|scheduled|due|planning|waiting|booked)(?:\s+(?:to"
    r"|for)(?:\s+(?:have|get|it|one|have one"
    r"|have it))?)?$"
    r"|\s+(?:are|is) there(?: in all| in total)?$|\s+do (?:we|you) have$"
    r"|\s+(?:now\s+)?or\s+(?:in the past|before|previously|earlier)$|\s+(?:in the past|before)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AskedOfPeople:
    words: str
    negated: bool = False
    is_attribute: bool = False
    """Whether the patient is it: "are married", "are college graduates"."""


def asked_of_people(text: str) -> AskedOfPeople | None:
    """`text`: what follows "Which patients" or "How many patients"."""
    found = _ASKED.match(text.strip())
    if found is None or _NOTHING.fullmatch(found["words"]):
        return None
    words, more = without_again(found["words"].replace("§'s", "their"))
    negated = bool(found["no"] or found["never"])
    if (vaccine := _AGAINST.match(words)) is not None:
        return AskedOfPeople(f"{vaccine['what']} vaccine", negated)
    if (insurer := _INSURED.match(words)) is not None:
        return AskedOfPeople(f"{insurer['what']} insurance", negated)
    is_it = bool(found["be"] or found["be_too"]) and not _GIVEN.match(words) and not more
    return AskedOfPeople(_ARTICLES.sub("", words), negated, is_it)


def without_again(words: str) -> tuple[str, bool]:
    """What is asked about without "or had them", and whether that was there."""
    left = _AGAIN.sub("", words)
    return left, left != words
