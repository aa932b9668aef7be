"""What the headings above a stretch of a note say of everything in it: the family's, denied, doubted, or no more.

Decides by the words of the labels alone: of a section, and of the line that a list hangs on. Refuses to read what
stands under them: `pipeline.text.statements.facts` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pipeline.text.statements.facts import Over

_FAMILY = re.compile(r"\bfamily\b|\bfamilial\b|\bFHX?\b", re.IGNORECASE)
_SHARED = re.compile(r"\bsocial\b|\bSHX?\b|\bpast\b|\bPMHX?\b", re.IGNORECASE)
"""A heading that names the family along with other things."""
_OF_THE_PAST = re.compile(
    r"\b(?:past|previous|prior)\s+(?:medical|surgical|psychiatric|obstetric(?:al)?|history)|\bP[MS]HX?\b",
    re.IGNORECASE,
)
_DENYING_LEAD = re.compile(
    r"\b(?:denies|denied|negative for|no|not|without|absent|none of)\b[^:\n]*:$"
    r"|\bnegatives?:$",
    re.IGNORECASE,
)
_DOUBTING_LABEL = re.compile(
    r"\bdifferential|\brule[- ]?outs?\b|\br/o\b|\brisks\b|\b(?:possible|potential)\b|\breturn precautions\b|"
    r"\bwarning signs\b|\b(?:call|return|go|seek|come)\b.*\b(?:if|for|when)\b",
    re.IGNORECASE,
)
_ENDING_LABEL = re.compile(
    r"^\W*(?:discontinued|stop(?:ped|\s+taking)?|hold|held|on hold|resolved|inactive"
    r"|no longer (?:tak(?:es?|ing)|us(?:es?|ing)|on))\W*$"
    r"|\b(?:discontinued|stopped|held|former|previous|past)\s+(?:home\s+)?(?:med(?:ication|icine)?s?|drugs?|prescriptions?)\b"
    r"|\b(?:resolved|inactive)\s+(?:problem|diagnos|condition|med)"
    r"|\b(?:medications?|medicines?|meds|drugs?|prescriptions?|problems?|diagnos[ei]s|conditions?)\s+(?:to\s+)?"
    r"(?:discontinued|stop(?:ped)?|resolved|inactive|hold|held|on hold)\b",
    re.IGNORECASE,
)
"""Headings under which nothing is any more: "Discontinued medications", "STOP TAKING:", "Problems resolved"."""
_HELD = re.compile(r"\bh(?:o|e)ld\b", re.IGNORECASE)


@lru_cache(maxsize=4096)
def over_labels(labels: tuple[str, ...]) -> Over:
    """What stands over everything under these headings: a family's history, "Denies:"."""
    return Over(
        denied=int(any(map(_DENYING_LEAD.search, labels))),
        relatives=any(_FAMILY.search(label) and not _SHARED.search(label) for label in labels),
        doubted=any(map(_DOUBTING_LABEL.search, labels)),
        order=next(
            (
                "hold" if _HELD.search(match.group()) else "stop"
                for match in map(_ENDING_LABEL.search, labels)
                if match
            ),
            "",
        ),
    )


def are_of_the_past(labels: Iterable[str]) -> bool:
    """Whether one of these headings says that what stands under it was: whether it still is, is not said."""
    return any(map(_OF_THE_PAST.search, labels))
