"""Other words for what is asked that verification does not know: "ASA" for aspirin, "Lantus" for insulin, "K 4.1".

Decides only that nothing is called not stated where a note has one of them. Refuses to call two words the same: no
answer is made of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from pipeline.answering.shapes.patient_notes import PatientNotes
from pipeline.text.terms.finding import Finding

_NEVER = r"(?!)"
_LISTED = MappingProxyType(
    {
        "aspirin": r"\bASA\b|acetylsalicylic|\bEcotrin\b",
        "insulin": r"(?i:lantus|glargine|humalog|lispro|novolog|aspart|levemir|detemir|tresiba|degludec|toujeo|humulin"
        r"|novolin)|\bNPH\b",
        "heart attack": r"N?STEMI\b",
        "myocardial infarction": r"N?STEMI\b",
        "tobacco": r"(?i:smok|cigar|nicotine|vap(?:es|ing))",
        "alcohol": r"(?i:drink|wine|beer|liquor|etoh)",
        "potassium": r"\bK\+?[:=]?\s*\d",
        "sodium": r"\bNa\+?[:=]?\s*\d",
        "weight": r"(?i:\bweigh|\b\d+\s?(?:kg|lbs?|pounds)\b)",
        "fever": r"(?i:febrile|pyrexia)",
    }
)
_CLASS = re.compile(
    r"\b(?:antibiotics?|blood thinners?|anticoagulants?|anticoagulation|steroids?|corticosteroids?"
    r"|statins?|pain ?killers?|nsaids?|opioids?|narcotics?|antidepressants?|antipsychotics?|diuretics?"
    r"|beta[ -]blockers?|inhalers?|inhaled \w+|vitamins?|supplements?|contracepti\w+|birth control"
    r"|chemotherapy|immunosuppress\w+|water pills?|sedatives?|anti\w{4,}s|surgery|surgeries|operations?"
    r"|transfusions?|cancer|arrhythmia|heart disease|infections?)\b",
    re.IGNORECASE,
)
"""What a note says by naming one of it."""
_SURGICAL = re.compile(r"(?:ectomy|plasty|otomy|ostomy|oscopy)\b", re.IGNORECASE)
_OPERATED = r"(?i:\bremov|\bsurg|\boperat|\bresect|\breplace|\bexcis|\bscope)"


def is_told_by_others(finding: str) -> bool:
    """Whether it is known to be said in other words, or by naming one of its class."""
    folded = finding.lower()
    return _CLASS.search(folded) is not None or " ".join(folded.split()) in _LISTED


@lru_cache(maxsize=256)
def may_be_called(finding: str) -> re.Pattern[str]:
    """What a passage has that may say `finding` in other words; anything at all for the name of a class."""
    folded = " ".join(finding.lower().split())
    if _CLASS.search(folded):
        return re.compile("")
    listed = [said for word, said in _LISTED.items() if word in folded]
    if _SURGICAL.search(folded):
        listed.append(_OPERATED)
    if " " not in folded and len(folded) > 4 and folded.isalpha():
        listed.append(rf"(?i:\w{{2,}}{folded}\b)")  # "osteoarthritis"
        listed.append(rf"\b{folded[0].upper()}[A-Za-z]{{0,4}}[:=]?\s+\d+[.,]\d")  # "Hgb 12.1"
    return re.compile("|".join(listed) or _NEVER)


def is_spoken_of(read: PatientNotes, finding: Finding) -> bool:
    """Whether any passage has a part of it, the rest of which may be said in other words: "suicidal ideation" for
    "suicidal thoughts". Of one word there is no part: "heart failure" says nothing of a heart attack."""
    other = may_be_called(finding.text)
    return any(
        (len(finding.keys) > 1 and finding.has_part(passage.hit.text)) or other.search(passage.hit.text)
        for note in read.notes
        for passage in note.passages
    )
