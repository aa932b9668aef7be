"""What of an RTF file is seen: hidden, deleted and struck letters are taken out of its source, raised ones marked.

Decides what a run's switches mean. Knows no more of RTF than that: another library makes text of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

_TOKEN = re.compile(r"\\([a-zA-Z]+)(-?\d+)? ?|\\'[0-9a-fA-F]{2}|\\[^a-zA-Z]|[{}]|[^\\{}]+", re.DOTALL)
_SWITCHES = {"v": "hidden", "deleted": "hidden", "strike": "struck", "striked": "struck"}


@dataclass(frozen=True, slots=True)
class _Look:
    """How letters look from here to the end of the group."""

    hidden: bool = False
    struck: bool = False
    raised: bool = False


@dataclass
class SeenSource:
    """The source without what is not seen."""

    parts: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return "".join(self.parts)

    @property
    def hidden_words(self) -> int:
        return len("".join(self.hidden).split())

    @property
    def struck_words(self) -> int:
        return len("".join(self.struck).split())


def as_seen(source: str) -> SeenSource:
    """Of a whole file; what is raised begins with "^", so that 10^9 is not 109."""
    seen, look, outer = SeenSource(), _Look(), list[_Look]()
    for token in _TOKEN.finditer(source):
        written, word = token[0], token[1]
        if written == "{":
            outer.append(look)
        elif written == "}":
            look = outer.pop() if outer else _Look()
        elif word in ("plain", "super", "up", "nosupersub", "sub") or word in _SWITCHES:
            look = _changed(look, word, token[2])
        elif word is None or word == "u":
            look = _write_letters(seen, look, written)
            continue
        seen.parts.append(written)
    return seen


def _changed(look: _Look, word: str, value: str | None) -> _Look:
    on = value != "0"
    if word == "plain":
        return _Look()
    if word in _SWITCHES:
        return replace(look, **{_SWITCHES[word]: on})
    return replace(look, raised=word in ("super", "up") and on)


def _write_letters(seen: SeenSource, look: _Look, written: str) -> _Look:
    if look.hidden:
        seen.hidden.append(written)
        return look
    if look.struck:
        seen.struck.append(written)
        return look
    if look.raised and written.strip():
        seen.parts.append("^")
        look = replace(look, raised=False)
    seen.parts.append(written)
    return look
