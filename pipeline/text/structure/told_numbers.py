"""How many of a thing a sentence says that there were: "four back surgeries", "ablation x3", "her third episode".

Decides which numbers are of the thing and of nothing next to it. Refuses to add up.
"""

from __future__ import annotations

import re

_CARDINALS = {
    word: number
    for number, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(), start=2
    )
}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "second third fourth fifth sixth seventh eighth ninth tenth".split(), start=2
    )
}
_ORDINALS |= {"2nd": 2, "3rd": 3, **{f"{number}th": number for number in range(4, 21)}}
_COUNT = rf"(?P<count>\d{{1,2}}|{'|'.join(_CARDINALS)})"
_NTH = rf"(?P<nth>{'|'.join(_ORDINALS)})"
_NO_COUNT = (
    r"(?!(?:years?|months?|weeks?|days?|hours?|minutes?|mg|cm|mm|ml|of|to|and|or|ago|times?|week|month|year"
    r"|day|hour)\b)"
)
_FORMS = (
    (
        r"(?<![\w./:#-])(?<!stage )(?<!grade )(?<!type )(?<!class )(?<!level )"
        rf"{_COUNT}(?:\s+{_NO_COUNT}[a-z][a-z-]*){{0,2}}\s+THING"
    ),
    rf"THING\b[^,.;]{{0,20}}?[\s(](?:x|×)\s?{_COUNT}\b",
    rf"THING\b[^,.;]{{0,20}}?(?<![\w./-]){_COUNT}\s+times\b",
    rf"\b{_NTH}\s+(?:[a-z]+\s+)?(?:THING|episode|attack|bout|occurrence|recurrence)\b",
)


def told_number(sentence: str, thing: str) -> int | None:
    """The number; None where the sentence says none. `thing`: as the sentence writes it."""
    for form in _FORMS:
        found = re.search(form.replace("THING", re.escape(thing)), sentence, re.IGNORECASE)
        if found is not None:
            return _value(found)
    return None


def _value(found: re.Match[str]) -> int:
    said = found.groupdict()
    if said.get("nth"):
        return _ORDINALS[said["nth"].lower()]
    word = said["count"].lower()
    return int(word) if word.isdecimal() else _CARDINALS[word]
