"""One form for the words that say the same: endings off, abbreviations and lay words told from `vocabulary`.

Decides what counts as the same word. Two words that share a beginning only ("prednisone", "prednisolone") never do.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from pipeline.text.vocabulary import SAME_WORD

_ENDINGS = (
    "ations", "ation", "ities", "ments", "ment", "ions", "ness", "ally", "ings", "ical",
    "ion", "ing", "ity", "ies", "ive", "ous", "ied", "ers",
    "ed", "es", "er", "ly", "al", "ic", "s", "y", "e",
)  # fmt: skip
_STEM_MIN = 4
_WHOLE = frozenset(
    "positive position lateral medial series serial rectal united unit later never over under other former latter "
    "order during bring thing being nothing morning evening red bed need feed speed diabetes does less".split()
)
"""Words that their ending belongs to."""


@lru_cache(maxsize=30_000)
def canonical(word: str) -> tuple[str, ...]:
    """The canonical words of one word in small letters, for example ("hypertension",) for "htn"."""
    word = word.removesuffix("'s").strip("'")
    if not word.isascii():
        word = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return SAME_WORD.get(word) or (_stem(word),)


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
