"""In which language a text is written: English, German, French, Spanish, Portuguese, Italian, Dutch, or one of its own
script.

Decides by the words that every text of a language is full of, and by scripts. A text of another language, of too few
words, or in two languages has none: no answer is better than a wrong one, and a person fills it in. Serbian is not told
from Russian by its script, nor Persian from Arabic, so that Cyrillic has no answer and Arabic script is a guess.
"""

from __future__ import annotations

import re
from collections import Counter

_STOP_WORDS = {
    language: frozenset(words.split())
    for language, words in (
        (
            "en",
            """the of and to in is that for it was with as be are by this from or have an at not which you should if
            over than does do no into more how what will may can their has been were these who when your on""",
        ),
        (
            "de",
            """der die und das den ist von zu mit sich auf für nicht ein eine einer eines im dem des als auch werden
            wird bei nach oder sind aus zur zum durch kann über vor sie wenn einen einem""",
        ),
        (
            "fr",
            """le la les des et est une dans pour que qui sur par au aux avec ne pas plus ce cette sont ou son ses vous
            être il elle en un du peut nous l d""",
        ),
        (
            "es",
            """el la los las de y es en que una por con para del se su al como más no o lo un sus este esta son pero si
            está ha fue entre muy desde""",
        ),
        (
            "pt",
            """o a os as de e é em que uma por com para do da dos das no na nos nas se ao um não mais como ou são foi
            ser pelo pela muito à até está mas""",
        ),
        (
            "it",
            """il lo la gli le di e è in che una per con del della dei delle nel nella non si un da al alla sono come
            più o essere ha dal dalla questo può""",
        ),
        (
            "nl",
            """de het een en van is in te dat op voor met zijn niet aan er om ook als door bij naar uit of worden wordt
            kan over deze maar dan heeft tot""",
        ),
    )
}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
"""Japanese before Chinese, whose characters it has as well."""
WORDS_READ = 2_000
HITS_MIN, SHARE_MIN, LEAD_MIN = 3, 0.15, 1.25
"""Stop words that must be there, their share of all words, and their number over that of the next language. Latin
filler text stays below 0.1."""
SCRIPT_SHARE_MIN = 0.3
"""Of the letters. Japanese has its own next to Chinese ones."""
_WORD = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str | None:
    """A BCP 47 code, or None where it is not plain."""
    words = [match.group().lower() for _, match in zip(range(WORDS_READ), _WORD.finditer(text), strict=False)]
    return _by_script("".join(words)) or _by_stop_words(words)


def _by_script(letters: str) -> str | None:
    for language, pattern in _SCRIPTS:
        found = len(pattern.findall(letters))
        least = SCRIPT_SHARE_MIN / 3 if language == "ja" else SCRIPT_SHARE_MIN
        if found and found / len(letters) >= least:
            return language
    return None


def _by_stop_words(words: list[str]) -> str | None:
    counted = Counter(words)
    hits = sorted(
        ((sum(counted[word] for word in listed), language) for language, listed in _STOP_WORDS.items()),
        reverse=True,
    )
    (most, language), (next_most, _) = hits[0], hits[1]
    plain = most >= HITS_MIN and most / len(words) >= SHARE_MIN and most >= LEAD_MIN * next_most
    return language if plain else None
