"""One form for the words that say the same: endings off, abbreviations and lay words told from `vocabulary`.

Decides what counts as the same word. Two words that share a beginning only ("prednisone", "prednisolone") never do.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

from pipeline.text.vocabulary import SAME_WORD

_ENDINGS = (
    "ations", "ation", "ities", "ments", "ment", "ions", "ness", "ally", "ings", "ical",
    "ion", "ing", "ity", "ies", "ive", "ous", "ied", "ers",
    "ed", "es", "er", "ly", "al", "ic", "s", "y", "e",
)  # fmt: skip
_STEM_MIN = 4
_INFLECTED = ("ing", "ed", "s")
_WHOLE = frozenset(
    "positive position lateral medial series serial rectal united unit later never over under other former latter "
    "order during bring thing being nothing morning evening red bed need feed speed diabetes does less sugars "
    "likes films".split()
)
"""Words that their ending belongs to."""


@lru_cache(maxsize=30_000)
def canonical(word: str) -> tuple[str, ...]:
    """The canonical words of one word in small letters, for example ("hypertension",) for "htn"."""
    word = word.removesuffix("'s").strip("'")
    if not word.isascii():
        word = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    found = SAME_WORD.get(word)
    if found is None:
        stem = _stem(word)
        found = (word.endswith(_INFLECTED) and _same_stem().get(stem)) or (stem,)
    return found


@cache
def _same_stem() -> dict[str, tuple[str, ...]]:
    """Canonical words by what the endings leave of a spelling ("removing" as "removed"), where it is of one only."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for spelling, said in SAME_WORD.items():
        if len(spelling) > _STEM_MIN and spelling not in _WHOLE and spelling.endswith(_INFLECTED):
            found.setdefault(_stem(spelling), set()).add(said)
    return {stem: said.pop() for stem, said in found.items() if len(said) == 1}


def _stem(word: str) -> str:
    if word in _WHOLE or any(map(str.isdigit, word)):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_MIN and not word.endswith("ss"):
            stem = word[: -len(ending)]
            return (
                stem[:-1]
                if len(stem) > _STEM_MIN and stem[-1] == stem[-2] and stem[-1] not in "aeiouls"
                else stem
            )
    return word
