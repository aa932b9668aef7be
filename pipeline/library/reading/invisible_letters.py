"""Letters that no one sees: tags, zero widths, and what turns the line round.

Decides that they are no text, and which of them a reviewer is told. Joiners between letters of scripts that need them
stay.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_JOINERS = "\u200c\u200d"
_SCRIPTS_FROM = "\u0590"
"""Hebrew, Arabic, and what stands behind them: there joiners change what is seen."""
_TURNING = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")


@dataclass(frozen=True, slots=True)
class SeenText:
    """A text without them."""

    text: str
    told: int
    """Of those left out, the ones that say something or turn the line: no program writes these by itself."""
    places: tuple[int, ...]
    """Where in the old text letters were left out, ascending."""

    def moved(self, place: int) -> int:
        """Where a place of the old text is now."""
        return place - sum(each < place for each in self.places)


def is_invisible(letter: str) -> bool:
    """Whether it is never seen, wherever it stands."""
    return unicodedata.category(letter) == "Cf" and letter not in _JOINERS


def without_invisible(text: str) -> SeenText:
    """Of any text; of most it is the very same."""
    if text.isascii():
        return SeenText(text, 0, ())
    places = tuple(at for at, letter in enumerate(text) if _is_left_out(text, at, letter))
    gone = set(places)
    kept = "".join(letter for at, letter in enumerate(text) if at not in gone) if gone else text
    told = sum(text[at] in _TURNING or text[at] >= "\U000e0000" for at in places)
    return SeenText(kept, told, places)


def _is_left_out(text: str, at: int, letter: str) -> bool:
    if letter in _JOINERS:
        around = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
        return not any(each >= _SCRIPTS_FROM for each in around)
    return is_invisible(letter)
