"""What a sentence that orders several drugs orders of one of them.

Decides where the order of another drug begins ("discontinue glipizide and start metformin") and that one who may
continue a drug takes it. Refuses to know which words are drugs, and whether an order was carried out.
"""

from __future__ import annotations

import re

_ANOTHER_BEFORE = re.compile(
    r"(?:;|\b(?:and|then|but)\b)"
    r"(?:\s+(?:then|also|now|we|i|will|['’]ll|am|are|going|to|she|he|they|patient|should|may|can|go|ahead|instead|just))*"
    r"\s+(?:(?:re-?)?start|begin|initiat|add|resum|continu|increas|decreas|prescrib|switch|tak|put|plac|us(?:e|ing)\b|giv)",
    re.IGNORECASE,
)
_ANOTHER_BEHIND = re.compile(
    r"\b(?:stop(?:ping)?|discontinu(?:e|ing)|hold(?:ing)?|consider(?:ing)?|discuss(?:ed)?|offer(?:ed)?)\s+"
    r"(?:(?:the|his|her|their|its|an?|use of|adding|starting)\s+)*"
    r"(?!(?:it|this|that|them|both|all|taking|using|use|today|here|with|due|because|after|before|in|on|when|if"
    r"|secondary|for|about|as|at|by|prior|until|and|or|but|once)\b)[a-z]{3,}"
    r"(?:(?!\b(?:but|which|he|she|they)\b)[^.;,])*",
    re.IGNORECASE,
)
"""Said of another thing: "and stop lisinopril", "and we discussed its side effects"."""
_MAY_GO_ON = re.compile(
    r"\b(?:may|can|could)\s+(?:still\s+)?(?:continue|resume|remain|stay|keep)\b[^.;,]{0,40}\Z", re.IGNORECASE
)
_GOES_ON = re.compile(
    r"[^.;]{0,30}?\b(?:will|should|to)\s+(?:just\s+|simply\s+)?(?:continue|keep|stay on|remain on)\s+"
    r"(?:that|it|this|taking (?:it|this))\b",
    re.IGNORECASE,
)
_IF = re.compile(
    r"\b(?:if(?! (?:s?he|they) (?:wish|want|like|need|prefer))|whether|when|unless)\b", re.IGNORECASE
)


def of_one_drug(sentence: str, start: int, end: int) -> str:
    """The sentence with blanks for what it orders of others than the drug at `[start, end)`; places stay."""
    others = list(_ANOTHER_BEFORE.finditer(sentence, 0, start))
    begins = others[-1].start() if others else 0
    after = _ANOTHER_BEHIND.sub(lambda other: " " * len(other.group()), sentence[end:])
    return " " * begins + sentence[begins:end] + after


def is_taken_on(sentence: str, start: int, end: int) -> bool:
    """Whether the drug is taken on, whatever else is doubted: "he may continue Tylenol"."""
    if _IF.search(sentence) is not None:
        return False
    return _MAY_GO_ON.search(sentence, 0, start) is not None or _GOES_ON.match(sentence, end) is not None
