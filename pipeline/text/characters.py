"""Characters that make a reader see something else than what is written.

Decides which text may not be shown as it is: characters without a width or that turn the direction of writing, marks
that strike a word out, digits and letters that only look like others. What a language needs (joiners in Persian and
Hindi, accents, its own digits next to its own letters) is left alone.
"""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\uffff"
    "\U000e0000-\U000e0fff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\ue000-\uf8ff\U000f0000-\U0010ffff\ud800-\udfff]"
)
_STRUCK = re.compile("[\u0334-\u0338\u20d2\u20d3\u20d8-\u20da\u20dd-\u20e0\u20e2-\u20e6\u20ea\u20eb]|~~")
_DISGUISED = re.compile("[\uff01-\uff5e\U0001d400-\U0001d7ff\u2460-\u24ff\u2070\u2074-\u208e]")
_JOINER = re.compile("[\u200c\u200d]")
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = re.compile(
    "(?P<latin>[A-Za-z\u00c0-\u024f])|(?P<other>[\u0370-\u03b4\u03b6-\u03bb\u03bd-\u052f\u0531-\u0587\u13a0-\u13ff])"
)
_PLAIN = re.compile(r"[\x09\x0a\x0d\x20-\x7d]*")
_USUAL = frozenset("°±×÷≤≥≈→←–—•‣◦…™®©£€$+<=>|~^`µ½¼¾²³")


def misleads(text: str, shown: str) -> bool:
    """Whether a reader of `text` may see something else than what it says. `shown` is what the notes say: signs and
    digits of other scripts that stand there may be repeated, hidden and striking characters never."""
    if _PLAIN.fullmatch(text):
        return False
    if _HIDDEN.search(text) or _STRUCK.search(text) or any(map(_joins_nothing, _joined(text))):
        return True
    if any(character not in shown for character in _DISGUISED.findall(text)):
        return True
    return any(
        _is_strange(character) and character not in shown for character in set(text)
    ) or _mixes_scripts(text)


def _joined(text: str) -> list[str]:
    return [text[match.start() - 1 : match.start()] for match in _JOINER.finditer(text)]


def _joins_nothing(before: str) -> bool:
    """A joiner has a use after letters of scripts from Arabic on, and after emoji."""
    return not before or ord(before) < 0x0600


def _is_strange(character: str) -> bool:
    """A sign, or a digit of another script."""
    if character.isascii() or character in _USUAL:
        return False
    category = unicodedata.category(character)
    return category in ("So", "Sm", "Sk", "Nd", "Nl", "No")


def _mixes_scripts(text: str) -> bool:
    """Whether one word has letters of Latin and of a script whose letters look like them (micro and beta are units)."""
    return any(
        len({match.lastgroup for match in _SCRIPTS.finditer(word)}) > 1
        for word in _WORD.findall(text)
        if not word.isascii()
    )
