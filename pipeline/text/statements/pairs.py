"""The ways in which a list says one thing of each of its items, in one notation: "penicillin - rash, sulfa - hives",
"penicillin [rash], sulfa [hives]", "penicillin: rash; sulfa: hives", "rash with penicillin, hives with sulfa" and
"penicillin and sulfa cause rash and hives, respectively" are "penicillin (rash), sulfa (hives)".

Decides what is such a list: two items or more that are written alike, each of few words. Knows no reaction, dose or
organ, and what is in no list stays as it was written.
"""

from __future__ import annotations

import re

_WORDS_MAX = 5
_WORD = r"(?!->|-+(?: |$))[^\s:=()\u2192]+"
_SIDE = rf"{_WORD}(?: {_WORD}){{0,{_WORDS_MAX - 1}}}?"
_SAYING = "causes?|caused|causing|gives|gave|produces|produced|leads to|led to"
_PAIRS = (
    re.compile(rf"(?P<head>{_SIDE})(?: -+ | ?-> ?| ?=+>? ?| ?\u2192 ?)(?P<said>{_SIDE})"),
    re.compile(rf"(?P<head>{_SIDE}) ?: ?(?P<said>{_SIDE})"),
    re.compile(rf"(?P<head>{_SIDE}) (?:{_SAYING}) (?P<said>{_SIDE})"),
    re.compile(rf"(?P<said>{_SIDE}) (?:with|to|from|after|on) (?P<head>{_SIDE})"),
)
_PARTED = re.compile(r"([,;\n]\s*(?:(?:and|but) )?| and | but |\.\s*$)")
_ANOTHER = re.compile(r"[\[{]([^\[\]{}]*[^\W\d_]{2}[^\[\]{}]*)[\]}]")
"""Brackets with a word in them: no box to tick, and no number of a citation."""
_HINT = re.compile(
    r"[\[{=\u2192:]|[-\u2013\u2014] | [-\u2013\u2014]|->|\b(?:caus|g[ai]ve|produce|le[ad]d?s? to|with|to|from|after|on)"
)
_DASHES = str.maketrans({"\u2013": " - ", "\u2014": " - "})
_RESPECTIVELY = re.compile(
    r"(?P<one>[\w-]+) and (?P<other>[\w-]+)(?P<link>(?: [\w-]+){0,6}?) (?P<first>[\w.%-]+(?: mg| mcg| units)?) and "
    r"(?P<second>[\w.%-]+(?: mg| mcg| units)?),? respectively\b",
    re.IGNORECASE,
)
_HEADING = re.compile(r"\s*[^\W\d_][\w /&]{0,40}: ?")


def in_round_brackets(text: str) -> str:
    """`text` with the pairs of its lists as "item (what is said of it)"; the same text where it has none."""
    if "respectively" in text:
        text = _RESPECTIVELY.sub(r"\g<one> (\g<first>), \g<other> (\g<second>)", text)
    if not _HINT.search(text):
        return text
    plain = _ANOTHER.sub(r"(\1)", text)
    spaced = " ".join(plain.translate(_DASHES).split())
    heading = _HEADING.match(spaced)
    for start in (heading.end(), 0) if heading is not None else (0,):
        parts = _PARTED.split(spaced[start:])
        for pair in _PAIRS:
            found = [pair.fullmatch(part.strip()) for part in parts[::2]]
            if sum(each is not None for each in found) > 1:
                parts[::2] = [
                    part if each is None else f"{each['head']} ({each['said']})"
                    for part, each in zip(parts[::2], found, strict=True)
                ]
                return spaced[:start] + "".join(parts)
    return plain
