"""Whether a sentence says a word of the patient ("is single", "an Asian man") or of a thing ("a single dose").

Decides it by what stands before and behind the word. Rather not: a word that only describes a thing is nobody's.
"""

from __future__ import annotations

import re

_PERSON = (
    r"(?:patient|man|woman|male|female|gentleman|lady|person|individual|boy|girl|child|adult|teenager|infant|mother|father"
    r"|veteran|smoker)\b"
)
_BEFORE_PERSON = re.compile(rf"(?:[\s,/-]+[\w-]+){{0,3}}?[\s,/-]+{_PERSON}", re.IGNORECASE)
_SAID_OF = re.compile(
    r"(?:\b(?:patient|pt|he|she|they|mr\.?|mrs\.?|ms\.?|who|man|woman|male|female|gentleman|lady)\b[^.;:]{0,40}?"
    r"\b(?:is|was|remains|became|currently|identifies as|lives)\b|\b(?:status|race|ethnicity|occupation|employment"
    r"|marital|relationship|identity|orientation)\b[^.;\n]{0,20}?[:\s])\s*(?:[\w-]+,?\s+){0,4}?\Z",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\s*(?:[.,;:)\n/]|\Z|(?:and|or|but|with|who|since|for|at|from|in|because|as|by|after|without)\b)",
    re.IGNORECASE,
)
_IS_ALL = re.compile(r"\s*[.;]?\s*(?:\n|\Z|[A-Z])")
_STARTS = re.compile(r"(?:^|[\n.;:,])\s*(?:[-*•]\s*)?\Z")


def is_said_of_person(text: str, start: int, end: int, *, in_social_history: bool) -> bool:
    """Whether what stands at `[start, end)` is said of the patient."""
    if _BEFORE_PERSON.match(text, end):
        return True
    if _ENDS.match(text, end) is None:
        return False
    line = text[max(0, start - 90) : start]
    if _STARTS.search(line) is not None and _IS_ALL.match(text, end) is not None:
        return True
    return _SAID_OF.search(line) is not None or (in_social_history and _STARTS.search(line) is not None)
