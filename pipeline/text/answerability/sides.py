"""Whether a sentence is of the other side than the one asked about.

Decides that one is which names the other side alone, or which has the other one before each word that is asked of a
side: "right knee pain and a left ankle sprain" is of no left knee. What is said of both sides is said of each. Refuses
to know what else is asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_OTHER = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(?P<side>left|right|bilateral|both)(?:ly|[ -]?sided)?\b", re.IGNORECASE)
_PART = re.compile(r"[,;:.!?]|\b(?:and|or|but|with|while)\b", re.IGNORECASE)
"""What stands between two things of different sides."""
_NO_SIDE = re.compile(
    r"right(?:\s+(?:away|now|after|before|handed)\b|-hand)|left\s+(?:the|his|her|without)\b", re.I
)


def is_of_other_side(
    asked: Collection[str],
    text: str,
    start: int,
    end: int,
    places: Iterable[tuple[int, int]] = (),
) -> bool:
    """Of `text[start:end]`. `asked`: words of the question, "left" and "right" among them where it names one; `places`:
    where the sentence has what is asked of a side."""
    wanted = [side for side in _OTHER if side in asked]
    if len(wanted) != 1:
        return False
    named = [
        (found.span(), found["side"].lower())
        for found in _SIDE.finditer(text, start, end)
        if _NO_SIDE.match(text, found.start()) is None
    ]
    sides = {side for _, side in named}
    if _OTHER[wanted[0]] not in sides:
        return False
    if sides == {_OTHER[wanted[0]]}:
        return True
    before = [_side_before(text, place, named) for place in places]
    told = {side for side in before if side is not None}
    return bool(told) and told == {_OTHER[wanted[0]]}


def _side_before(
    text: str, place: tuple[int, int], named: Iterable[tuple[tuple[int, int], str]]
) -> str | None:
    """The side that a word is said of: the last one before it in the same part of the sentence."""
    nearest = None
    for (start, end), side in named:
        if start < place[0] and _PART.search(text, end, max(end, place[0])) is None:
            nearest = side
    return nearest
