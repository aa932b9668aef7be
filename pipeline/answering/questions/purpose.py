"""A question without what it says of its own purpose: "Who takes warfarin? I need it for the INR clinic."

Decides which sentences beside the one that asks tell only why it is asked. What narrows the question ("Only women.",
"Not those on aspirin.") is none. Refuses to know what is asked.
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(
    r"(?<=[?!])\s+|(?<=[a-z0-9)]{2}\.)\s+(?=[A-Z§])|(?<=\.)\s+(?=(?i:who|which|what|how)\b)"
)
_TELLS_WHY = re.compile(
    r"(?:so\s+)?(?:i|we|it|this|that|they)(?:['’](?:m|re|s|d|ll|ve)|\s+(?:am|are|is|was|were|need|needs"
    r"|want|have|has|had|will|would"
    r"|must|should|can|do|run|hold|see))\b"
    r"|(?:for|to|seeing|meeting|because|as|since|just|doing|preparing|planning|writing|auditing|checking"
    r"|asking|needed|need|want|trying|going"
    r"|thanks?|thank you|thx|cheers|hi|hello|hey|good (?:morning|afternoon|evening))\b",
    re.IGNORECASE,
)
_NARROWS = re.compile(
    r"\b(?:only|not|no|exclud\w*|except|without|instead|who|whom|which|whose|what|how|when|why|mean|meant"
    r"|includ\w*|over|under"
    r"|women|men|last|since|before|after|latest|those|ones|but|older|younger)\b|n['’]t\b|\?",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"^(?:(?:for|re|regarding|about|doing|preparing|planning|auditing)\b"
    r"|[\w -]*\b(?:audit|recall|campaign|clinic|list|round))"
    r"[^:?§]{0,60}(?::|\s[-–—])\s+(?=(?:who|which|what|list|how|any|show|give|does|do|is|are|patients)\b)",
    re.IGNORECASE,
)
"""A purpose before a colon: "For the recall: who has had a colonoscopy?"."""


_BEFORE_A_VISIT = re.compile(
    r"^(?:(?:i|we)(?:['’](?:m|re|ll|ve))?\s+(?:(?:am|are|will|have|see|got|going|be|to)\s+)*(?:seeing|see"
    r"|meeting|having|(?<=have )|(?<=see ))|seeing)"
    r"[^,:?]{1,60},\s+(?=(?:give|show|tell|what|who|list|summar|key|any|can|could|please)\b)",
    re.IGNORECASE,
)
"""A visit to come, before a comma: "I have § in clinic tomorrow, give me the highlights"."""


_MEANS_A_HABIT = re.compile(r"i mean (?:alcohol|tobacco|cigarettes|smoking|drinking)\W*\Z", re.IGNORECASE)
"""Says again what "drinkers" says."""


def without_purpose(question: str) -> str:
    """The sentences that ask; the whole question where each of them may tell why, or none does."""
    question = question.strip()
    if ":" in question or " - " in question or "–" in question or "—" in question:
        question = _ANNOUNCED.sub("", question)
    if "," in question:
        question = _BEFORE_A_VISIT.sub("", question)
    if not any(f"{end} " in question for end in ".?!"):
        return question
    sentences = _SENTENCE_END.split(question)
    if len(sentences) < 2:
        return question
    asking = [each for each in sentences if not _is_purpose(each)]
    return " ".join(asking) if asking else question


def _is_purpose(sentence: str) -> bool:
    if _MEANS_A_HABIT.match(sentence):
        return True
    return _TELLS_WHY.match(sentence) is not None and _NARROWS.search(sentence) is None
