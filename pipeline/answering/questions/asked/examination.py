"""Within which examination or operation a fact is asked for: "on the renal ultrasound", "at the stress test".

Decides which words of a question name one, and what is left of the question without them. Refuses to know which notes
are of it.
"""

from __future__ import annotations

import re

from pipeline.answering.questions.asked.shape import TESTS

_OPERATIONS = (
    r"(?:surger(?:y|ies)|operations?|procedures?|deliver(?:y|ies)|\w{3,}(?:ectomy|plasty|otomy|ostomy|oscopy|centesis"
    r"|rrhaphy)|\w+ repair|catheteri[sz]ation|stress test|spect|eeg|emg|cta|mra|pet|angiogra(?:m|phy)|spirometry)"
)
_NAMED = rf"(?:(?!(?:of|the|on|at|in|for|was|were|is|and)\b)[\w-]+\s+){{0,3}}?(?:{TESTS}|{_OPERATIONS})"
_WITHIN = re.compile(
    rf"(?:\b(?:on|at|in|during|from|per|after|by)\s+|(?=§'s\s))(?:(?:the|this|that|an?|§'s|§|repeat|post-?\w*)\s+)*"
    rf"(?P<words>{_NAMED}(?:\s+(?:of\s+)?(?:the\s+)?(?!(?:for|in|on|at)\b)[a-z]+)?)(?=\s*(?:[?.!,]|$|(?:for|in|of)\s+§))",
    re.IGNORECASE,
)


_SHOWN = re.compile(
    rf"^\s*(?:and\s+)?what\s+(?:did|does|do)\s+(?:(?:the|that|this|§'s)\s+)*(?P<words>{_NAMED})(?:\s+(?:of|for|on)\s+§)?\s+"
    r"(?:show|reveal|say|find)\s+(?:(?:about|at|in|of|for|regarding|on)\s+)?(?=\S*[^\W\d_]{3})",
    re.IGNORECASE,
)
"""Asks of one thing that a test showed: "What did the CT show at the gallbladder?"."""


def examination_in(words: str) -> tuple[str, str]:
    """What names an examination or an operation in `words`, and the words without it; "" and all of them where nothing
    does. `words`: of a question, framed."""
    found = _SHOWN.match(words) or _WITHIN.search(words)
    if found is None:
        return "", words
    return found["words"], f"{words[: found.start()]} {words[found.end() :]}"
