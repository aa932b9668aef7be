"""What a question says beside what it asks: what it is for, how short the answer should be, whose notes by the way.

Decides which words at its beginning and end are no part of what is asked: "Coding query:", "for my letter:", "yes or
no", "this one included", a patient who is only addressed ("§ - is § on insulin?"). What is to be told yes or no is
asked as whether there is any. Refuses to know what the rest asks.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PURPOSES = (
    r"(?:quer(?:y|ies)|questions?|one|letters?|records?|referrals?|hand-?(?:over|off)|rounds?|reports?|forms?|audit"
    r"|coding|billing|check|summary|clinic|review|meeting|mdt|reference|chart|notes?)"
)
_BEGINNING = re.compile(
    rf"^\s*(?:(?:(?:a\s+)?(?:quick|coding|billing|clinical|audit|short|simple|brief|another|next|last)\s+(?:[\w-]+\s+)?"
    rf"{_PURPOSES}|for\s+(?:the|my|our|his|her|a)\s+(?:[\w-]+\s+){{0,2}}{_PURPOSES}|(?:query|question))\s*[:,–—-]+\s+"
    r"|in\s+(?:the|this|that)\s+(?:[\w-]+\s+){1,4}case(?:\s+of)?(?:\s+§)?\s*,\s+)",
    re.IGNORECASE,
)
_WHETHER = r"(?:\(?(?:yes\s*(?:or|/)\s*no|y\s*/\s*n)\)?)"
_END = re.compile(
    r"[\s,;(–—-]*(?:please|thanks|thank you|(?:just|only) the (?:number|drug|name|date|dose|value)s?"
    r"|(?:drugs?|names?|numbers?|dates?|doses?) only|(?:with )?this (?:one|time|episode) included"
    r"|including this (?:one|time)"
    rf"|in (?:one|a) (?:word|line|sentence)|{_WHETHER})\)?(?=\s*[?.!]*\s*$)",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(rf"[\s,;:(–—-]+{_WHETHER}\)?\s*[?.!]*\s*$", re.IGNORECASE)
_ADDRESSED = re.compile(r"^\s*§\s*(?:[:;,]|\s[–—-]+\s)\s*(?=\S+\s*\S)|\s*[,;]\s*§(?=\s*[?.!]*\s*$)")
_PREDICATE = re.compile(
    r"^\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|should|will|would|any|what|which|who|when|where|why|how)\b",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?<=[?.!])\s*(?:i\s+need\s+(?:this|it)\s+for|(?:this|it)\s+is\s+for|asking\s+for|for)\s+[^?.!]*[.!]*\s*$",
    re.IGNORECASE,
)
"""A sentence behind the question that says what it is for."""
_SUBJECT = "§"


@lru_cache(maxsize=64)
def without_asides(question: str) -> str:
    """`question`, framed, without what it says beside what it asks."""
    text = _AFTER.sub("", _BEGINNING.sub("", question))
    whether = _ASKS_WHETHER.search(text) is not None
    while (shorter := _END.sub("", text, count=1)) != text:
        text = shorter
    text = _ADDRESSED.sub("", text)
    if whether and _PREDICATE.match(text) is None:
        rest = " ".join(text.replace("§'s ", " ").replace(_SUBJECT, " ").split()).strip(" :,;-?.!")
        return f"any {rest}?" if rest else question
    return text if text.strip(" ?.!,;:") not in ("", _SUBJECT) else question
