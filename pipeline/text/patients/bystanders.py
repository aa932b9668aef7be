"""Who else stands in a patient's note: relatives, staff, contacts.

Decides by the words around a place whether what stands there is said of someone else than the patient. Better nothing
than another person's name or age. Refuses to know names.
"""

from __future__ import annotations

import re

NEVER_THE_PATIENT = (
    r"(?:(?:step|grand|half-?|god|great-?)*-?(?:daughter|son|mother|father|sister|brother)(?:-in-law)?|wife|husband"
    r"|spouse|partner|fianc[ée]e?|aunt|uncle|cousin|niece|nephew|mom|mum|dad|parent|twin|girlfriend|boyfriend"
    r"|friend|neighbou?r|roommate|caregiver|caretaker|carer|guardian|next of kin|(?:emergency )?contact|proxy|poa"
    r"|sibling|donor|witness|interpreter|informant)"
)
RELATIVE = rf"(?:{NEVER_THE_PATIENT}|child|baby|infant)"
"""A patient may be a child: whoever must not miss one asks for less."""
STAFF = (
    r"(?:physician|doctor|surgeon|provider|attending|pcp|consultant|resident|fellow|nurse|midwife|therapist|pharmacist"
    r"|radiologist|pathologist|cardiologist|oncologist|neurologist|author|signed|dictated|transcribed|cc|dr|prof)"
)
_BEFORE = re.compile(
    rf"(?:\b(?:{RELATIVE}|{STAFF})s?\b(?:['’]s)?(?:[\s,:.(]+(?:is|was|named|called|name|dob|age|sex|a|an))*[\s,:.(]*)$",
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
_SOMEONE = re.compile(
    r"daughter|son\b|sons\b|mother|father|sister|brother|wife|husband|spouse|partner|fianc|aunt|uncle|cousin|niece|nephew"
    r"|mom|mum|dad|parent|child|twin|friend|neighb|roommate|care|guardian|next of kin|contact|proxy|poa|sibling|donor"
    r"|witness|interpreter|informant|baby|infant|physician|doctor|surgeon|provider|attending|pcp|consultant|resident"
    r"|fellow|nurse|midwife|therapist|pharmacist|ologist|author|signed|dictated|transcribed|cc|dr|prof"
)
"""Looked for first: a fifth of the time of the whole expressions, and mostly nothing is found."""
_PREPOSITION = re.compile(r"\b(?:by|with|to|from|for|of|and)\s+$", re.IGNORECASE)
LOOK_AHEAD = 80
LINES_MAX = 40
INLINE_CHARACTERS = 400
LOOK_BACK = 48


def is_of_someone_else(text: str, start: int, end: int, behind: re.Pattern[str] | None = None) -> bool:
    """Whether the words before or after `[start, end)` say that it is about a relative or someone of the staff.
    `behind`: what may say so directly behind it, besides."""
    before = text[max(0, start - LOOK_BACK) : start]
    if _PREPOSITION.search(before, max(0, len(before) - 8)):
        return True
    if _SOMEONE.search(before.lower()) and _BEFORE.search(before):
        return True
    if not _SOMEONE.search(text[end : end + LOOK_AHEAD].lower()):
        return False
    return bool(_AFTER.match(text, end) or (behind and behind.match(text, end)))


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
