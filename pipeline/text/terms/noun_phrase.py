"""Whether two words of a sentence are of one term: "failure of the kidney", not "kidney stones and heart failure".

Decides it by what stands between them and around them. A part of the body may share what follows it ("chest and
abdominal pain"); a finding may not. Rather no term than one made of two: whoever asks then finds nothing. Refuses to
know which words they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection

WORDS_BETWEEN_MAX = 4
"""Words that describe, between two words of one term: "fracture of the left distal fifth metatarsal"."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SEPARATES = re.compile(
    r"[;:.!?]|\b(?:but|with|who|which|that|has|had|have|denies|denied|no|not|without|due|from|secondary|after|before|for"
    r"|because|by|versus|vs|if|than|while|when|since|until|causing|cause[ds]?|despite|although|plus|then|now"
    r"|takes?|took|reports?|states?|she|he|they|patient)\b",
    re.IGNORECASE,
)
_BETWEEN_PARTS = re.compile(r"\s*(?:,|/|&|\band\b|\bor\b|\band/or\b)+(?:\s*(?:and|or|&)\b)?", re.IGNORECASE)
_LISTS = re.compile(r",|/|&|\b(?:and|or)\b", re.IGNORECASE)
_PLACES = re.compile(r"\s*(?:of|in|to|on|at|over|around|within|along|involving)\b", re.IGNORECASE)
_SMALL = frozenset(
    "a an the of in to on at over around within along his her their this that is was are were be remains appears "
    "involving level both".split()
)
_HEAD = re.compile(
    r"\W*(?:diseases?|failure|stones?|injur(?:y|ies)|cancers?|infections?|pain|attacks?|syndromes?|insufficiency"
    r"|disorders?|transplant\w*|surger(?:y|ies)|function|masses|mass|tumou?rs?|bleed(?:ing)?|fractures?|patients?)\b",
    re.IGNORECASE,
)
"""Makes another thing of the word before it: "failure in chronic kidney disease" is no failure of the kidney."""
_PART = re.compile(
    r"(?:kidneys?|renal|liver|hepatic|heart|cardiac|lungs?|pulmonary|chest|abdom(?:en|inal)|back|neck|head|face|facial"
    r"|arms?|legs?|hands?|foot|feet|hips?|knees?|ankles?|shoulders?|elbows?|wrists?|fingers?|toes?|eyes?|ears?|nose"
    r"|throat|skin|breasts?|bowel|colon|rectal|stomach|gastric|bladder|prostate|spinal?|brain|bone|joint|muscle|hepatitis"
    r"|left|right|upper|lower|bilateral|mild|moderate|severe|acute|chronic|type|stage|grade"
    r"|\w{3,}(?:al|ar|ary|ous|oid|genic|atic|etic|itic|otic))",
    re.IGNORECASE,
)
"""What may share a word with another: a part of the body, or an adjective."""
_HANGS = re.compile(
    r"\b(?:of|in|to|on|at|from|with|for)\s+(?:(?:the|his|her|their|an?)\s+)?\Z", re.IGNORECASE
)
_TRANSPARENT = re.compile(
    r"\b(?:history|evidence|signs?|symptoms?|diagnosis|diagnoses|episodes?|complain\w*|presents?|diagnosed)\s+"
    r"(?:of|with|in)\s+(?:(?:the|his|her|their|an?)\s+)?\Z",
    re.IGNORECASE,
)


def is_one_term(
    text: str, first: tuple[int, int], second: tuple[int, int], own: Collection[str] = ()
) -> bool:
    """Whether the words at two places of a sentence, the first before the second, are words of one term. `own`: words
    of the term itself that may stand between them."""
    start, end = first[1], second[0]
    if end <= start:
        return True
    between = text[start:end]
    if any(each.group().lower() not in own for each in _SEPARATES.finditer(between)):
        return False
    described = [word for word in _WORD.findall(between) if word.lower() not in _SMALL]
    if _LISTS.search(between) is None:
        return len(described) <= WORDS_BETWEEN_MAX and not (
            _PLACES.match(between) and _HEAD.match(text, second[1])
        )
    if not _WORD.search(between):
        return True  # "Diabetes, type 2", "stenosis (aortic)"
    return _share(text, first, between)


def may_share(words: str) -> bool:
    """Whether words may be half of a term, the rest of which follows: "chest" in "chest and abdominal pain"."""
    return _PART.fullmatch(words.strip()) is not None


def _share(text: str, first: tuple[int, int], between: str) -> bool:
    """Whether the first word is one of several that share what the second says."""
    if _PART.fullmatch(text, *first) is None:
        return False
    before = text[: first[0]]
    if _HANGS.search(before) and not _TRANSPARENT.search(before):
        return False
    parts = _BETWEEN_PARTS.split(between)
    return not parts[0].strip() and all(
        1 <= len(_WORD.findall(part)) <= 2 and _PLACES.match(part) is None for part in parts[1:]
    )
