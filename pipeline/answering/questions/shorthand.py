"""What clinicians type short, spelled out before a question's frame is read: "any fam hx", "what's", "path", "pts".

Decides only what is read in one way wherever it stands in a question. Notes are not touched: what a note may write
short is `text.vocabulary`'s. Refuses what is two things: "PT" may be a patient or a therapy, "Ca" calcium.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_WRITTEN = r"""
what is: whats|what['’]s(?! (?:been|changed|happened|become|had|got)\b)
what has: what['’]s(?= (?:been|changed|happened|become|had|got)\b)
who is: who['’]s
where is: wheres|where['’]s
when is: whens|when['’]s
how is: hows|how['’]s
will §: (?:is|are) § going to(?! (?:the|an?)\b)
patients: pts
please: pls|plz
penicillin: pen(?= allerg)|pcn
lumbar spine: l-?\s?spine
cervical spine: c-?\s?spine
thoracic spine: t-?\s?spine
the patient: (?:this|the|my|our) pt
family history: (?:fam(?:ily)?|fm) ?hx|fm?hx
social history: soc(?:ial)? hx
surgical history: surg(?:ical)? hx|pshx?
medical history: med(?:ical)? hx|pmhx?
history: hx
diagnosis: dx(?!['’])
diagnosed: dx['’]?d
prescribed: rx['’]?d
treatment: tx
fracture: fx
antibiotics: abx
with: w/
without: w/o(?:ut)?
pathology: path
recommendations: recs
dose: sig
blood sugar: (?<!blood )sugar(?! (?:intake|free|pills?)\b)
chemotherapy: chemo
epinephrine: epi(?![ -]?pen)
mammogram: mammo
chest x-ray: cxr
ultrasound: u/s
temperature: temp
heart rate: (?<!\d )(?<!\d)hr
respiratory rate: rr
oxygen saturation: (?<!o2 )(?<!oxygen )sats?
blood glucose: bgs?
platelets: plts?
tobacco: tob
IV drug use: ivdu|ivda
cancer: (?<=breast )ca|(?<=colon )ca|(?<=lung )ca|(?<=prostate )ca|(?<=ovarian )ca|(?<=thyroid )ca|(?<=skin )ca
operation: (?<=[a-z] )op(?! (?:note|report)\b)
blood pressure: (?<=§'s )pressures?(?= (?:in|at|on|today|now|when|during)\b|\W*$)
"""
"""What is meant before the colon, behind it the ways to type it."""


_MEANT = dict(line.split(": ", 1) for line in _WRITTEN.strip().splitlines())
_GROUPS = {f"g{number}": words for number, words in enumerate(_MEANT)}


def _alone(ways: Iterable[str]) -> str:
    return rf"(?<![\w§/-])(?:{'|'.join(ways)})(?![\w/-])"


_SHORT = re.compile(
    _alone(f"(?P<{group}>{_MEANT[words]})" for group, words in _GROUPS.items()), re.IGNORECASE
)
_ANY_SHORT = re.compile(_alone(_MEANT.values()))
"""Looked for first, in small letters: most questions write nothing short."""


@lru_cache(maxsize=64)
def spelled_out(question: str) -> str:
    """`question`, framed, with what it writes short in full."""
    if _ANY_SHORT.search(question.casefold()) is None:
        return question
    return _SHORT.sub(lambda match: _GROUPS[match.lastgroup or ""], question)
