"""What is counted of one patient: visits, or the times that something was done.

Decides it by how a question is built: "How many visits of § are there?", "How many times was § given X?". Amounts ("How
many cigarettes?", "How many children?") are single facts and no counts of notes. Refuses to know what X is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VISITS = r"(?:visits?|encounters?|appointments?|consultations?|notes)"
_NOTES = (
    r"(?:,?\s*(?:in|by|according to)\s+(?:(?:the|§'s|all|of)\s+)*(?:notes?|record|chart)"
    r"|\s+(?:so far|in all|in total|altogether)){0,2}"
)
_DONE = r"(?:been\s+)?(?:given|had|have|has|got|gotten|get|received|receive|undergone|undergo|underwent|treated with)"
_AUXILIARY = r"(?:was|were|is|has|have|had|did|does)"
_OF_VISITS = (
    re.compile(
        rf"^(?:how many|number of)\s+{_VISITS}(?:\s+(?:(?:of|for|by|with)\s+§|§\s+{_AUXILIARY}"
        rf"|{_AUXILIARY}\s+(?:§|there)(?:\s+(?:have|had|made|make)\b)?|(?:are|were)\s+(?:there|in)\b)){{0,3}}"
        rf"(?:\s+(?:the|§'s)\s+notes)?{_NOTES}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^how (?:often|many times)\s+{_AUXILIARY}\s+§\s+(?:been\s+)?(?:seen|visit(?:ed)?|come|came|attend(?:ed)?)"
        rf"(?:\s+(?:here|the clinic|us|in clinic|in the clinic))?{_NOTES}\s*[?.!]*$",
        re.IGNORECASE,
    ),
)
_OF_TIMES = re.compile(
    rf"^how (?:often|many times)\s+{_AUXILIARY}\s+§\s+{_DONE}\s+(?P<what>[^,;?!]+?){_NOTES}\s*[?.!]*$",
    re.IGNORECASE,
)
_OF_THINGS = re.compile(
    r"^(?:how many|number of)\s+(?P<what>[^,;?!]*?(?:vaccin|immuni[sz]|shot|booster|scop(?:y|ies)\b|biops|transfusion"
    r"|ectom|injection|infusion|cardioversion|surger|operation|x-?rays?\b|scans?\b|mris?\b|echo)[\w-]*)"
    rf"\s+{_AUXILIARY}\s+§\s*(?:{_DONE})?{_NOTES}\s*[?.!]*$",
    re.IGNORECASE,
)
_ARTICLES = re.compile(r"^(?:an?|the|any)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AskedCount:
    what: str | None
    """None: visits."""


def asked_count(text: str) -> AskedCount | None:
    """`text`: framed, without its time; None where it counts nothing of this."""
    if any(pattern.match(text) for pattern in _OF_VISITS):
        return AskedCount(None)
    found = _OF_TIMES.match(text) or _OF_THINGS.match(text)
    return AskedCount(_ARTICLES.sub("", found["what"])) if found else None
