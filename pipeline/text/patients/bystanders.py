"""Who else stands in a patient's note: relatives, staff, contacts.

Decides by the words around a place whether what stands there is said of someone else than the patient. Better nothing
than another person's name or age. Refuses to know names.
"""

from __future__ import annotations

import re

RELATIVE = (
    r"(?:(?:step|grand|half-?|god|great-?)*-?(?:daughter|son|mother|father|sister|brother)(?:-in-law)?|wife|husband"
    r"|spouse|partner|fianc[ée]e?|aunt|uncle|cousin|niece|nephew|mom|mum|dad|parent|child|twin|girlfriend|boyfriend"
    r"|friend|neighbou?r|roommate|caregiver|caretaker|carer|guardian|next of kin|(?:emergency )?contact|proxy|poa"
    r"|sibling|donor|partner|witness|interpreter|informant|baby|infant)"
)
STAFF = (
    r"(?:physician|doctor|surgeon|provider|attending|pcp|consultant|resident|fellow|nurse|midwife|therapist|pharmacist"
    r"|radiologist|pathologist|cardiologist|oncologist|neurologist|author|signed|dictated|transcribed|cc|dr|prof)"
)
_BEFORE = re.compile(
    rf"(?:\b(?:{RELATIVE}|{STAFF})s?\b(?:['’]s)?(?:[\s,:.(]+(?:is|was|named|called|name|dob|age|sex|a|an))*[\s,:.(]*"
    r"|\b(?:by|with|to|from|for|of|and)\s+)$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"\s*(?:,\s*(?:who (?:is|was) )?|\(\s*|\s(?:is|was)\s+|[^.;\n]{{0,60}}?\bwho (?:is|was) )"
    rf"(?:(?:his|her|their|the|pt['’]s|patient['’]s|the patient['’]s)\s+)(?:\w+\s+)?(?:{RELATIVE}|{STAFF})\b"
    rf"|\s*\(\s*(?:{RELATIVE}|{STAFF})\b|\s*,\s*(?:{RELATIVE}|{STAFF})\b"
    rf"|[^.;\n]{{0,40}}?\b{RELATIVE} of (?:the patient|this patient|our patient)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\W*(?:family(?: (?:medical )?history)?|fam(?:ily)? hx|fhx?|social(?: history)?|shx?|contacts?|emergency contacts?"
    r"|next of kin|informants?|guarantor|insur(?:ed|ance)|subscriber|(?:referring |attending |primary (?:care )?)?"
    r"(?:physician|provider)s?|genetic\w*|pedigree|donor|mother|father|maternal history)\b",
    re.IGNORECASE,
)
_HEADING = re.compile(r"[ \t#*]*[A-Za-z][A-Za-z &/'’()-]{1,50}(?::|[ \t]*$)")
_INLINE = re.compile(r"[A-Z][A-Za-z /&]{1,40}:")
LINES_MAX = 40
INLINE_CHARACTERS = 400
LOOK_BACK = 60


def is_of_someone_else(text: str, start: int, end: int) -> bool:
    """Whether the words before or after `[start, end)` say that it is about a relative or someone of the staff."""
    before = text[max(0, start - LOOK_BACK) : start]
    return bool(_BEFORE.search(before) or _AFTER.match(text, end))


def is_among_others(text: str, start: int) -> bool:
    """Whether the nearest heading above is of a section about others: family, contacts, the physician."""
    line_start = text.rfind("\n", 0, start) + 1
    inline = _INLINE.findall(text, max(line_start, start - INLINE_CHARACTERS), start)
    if inline:
        return bool(_OTHERS.match(inline[-1]))
    end = line_start
    for _ in range(LINES_MAX):
        if end <= 0:
            return False
        begin = text.rfind("\n", 0, end - 1) + 1
        line = text[begin : end - 1]
        if _HEADING.match(line):
            return bool(_OTHERS.match(line))
        end = begin
    return False
