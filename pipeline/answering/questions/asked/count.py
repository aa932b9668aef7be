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
_COUNTED = (
    r"(?:operations?|surger(?:y|ies)|procedures?|ablations?|stents?|strokes?|heart attacks?|seizures?"
    r"|falls?|pregnanc(?:y|ies)"
    r"|miscarriages?|hospitali[sz]ations?|admissions?|fractures?|concussions?|deliver(?:y|ies)|births?|transfusions?"
    r"|\w+ectom(?:y|ies)|\w+plast(?:y|ies)|infections?|stones?|relapses?|surgical procedures?)"
)
_OF_A_PATIENT = (
    rf"(?:\s+(?:(?:in|for|of|on|by|with)\s+§|{_AUXILIARY}\s+§(?:\s+(?:had|have|has|experienced|undergone"
    rf"|suffered|been through))?))"
)
_SO_FAR = r"(?:,?\s*(?:this one included|including this one|so far|in total|in all|altogether|to date|ever))?"
_BY_NUMBER = (
    re.compile(
        r"^(?:how many|(?:total )?number of|count of)\s+(?:(?:prior|previous|past|total|different|separate)\s+)*"
        r"(?:episodes?|attacks?|bouts?|occurrences?|instances?|recurrences?|cases?)\s+of\s+(?P<what>[^,;?!§]+?)"
        rf"{_OF_A_PATIENT}{_SO_FAR}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        rf"^how (?:often|many times)\s+{_AUXILIARY}\s+(?:§'s\s+|an?\s+|the\s+)?(?P<what>[^,;?!§]+?)\s+(?:been\s+)?"
        rf"(?:done|performed|carried out|repeated)(?:\s+(?:on|in|for|to)\s+§)?{_SO_FAR}\s*[?.!]*$",
        re.IGNORECASE,
    ),
    re.compile(
        r"^(?:how many|(?:total )?number of|count of)\s+(?:(?:prior|previous|past|total|different|separate)\s+)*"
        rf"(?P<what>(?:[\w-]+\s+){{0,3}}?{_COUNTED}){_OF_A_PATIENT}{_SO_FAR}\s*[?.!]*$",
        re.IGNORECASE,
    ),
)
"""How many of something a note may say itself: "her third episode", "four back surgeries", "ablation x3"."""
_ARTICLES = re.compile(r"^(?:an?|the|any)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AskedCount:
    what: str | None
    """None: visits."""
    by_number: bool = False
    """Whether only a number that a note says answers."""


def asked_count(text: str) -> AskedCount | None:
    """`text`: framed, without its time; None where it counts nothing of this."""
    if any(pattern.match(text) for pattern in _OF_VISITS):
        return AskedCount(None)
    found = _OF_TIMES.match(text) or _OF_THINGS.match(text)
    if found is not None:
        return AskedCount(_ARTICLES.sub("", found["what"]))
    numbered = next((said for pattern in _BY_NUMBER if (said := pattern.match(text)) is not None), None)
    return AskedCount(_ARTICLES.sub("", numbered["what"]), by_number=True) if numbered else None
