"""A finding that is asked for, and where a text speaks of it in whichever of its words.

Decides that a sentence speaks of "heart attack" where it has all of it, in one of the spellings that `text.vocabulary`
knows for each word ("MI", "myocardial infarction"), and never for a part: heart failure is another thing. Refuses to
know how it is said of whom (`text.structure.assertion`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pipeline.text.facts import read
from pipeline.text.sentences import passage_sentences
from pipeline.text.vocabulary import SAME_PHRASE, SAME_WORD, SIDES
from pipeline.text.wording import canonical

_SMALL = frozenset("a an the of in on at to for with and or his her their some any s".split())
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"
WORDS_MAX = 8
ABBREVIATION_MAX = 3
"""Letters of a word that is an abbreviation only in capitals: "MI", "AF", "PE"."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Where a text speaks of a finding; half-open offsets of the text."""

    start: int
    end: int
    """Of the word of it that stands last in the sentence."""
    sentence_start: int
    sentence_end: int


class Finding:
    """A finding in its words."""

    def __init__(self, words: str) -> None:
        self.text = words
        self.keys = _keys(words)
        self._patterns = [_pattern(key) for key in self.keys]
        self._asked = frozenset(words.lower().split())
        self._written = frozenset(" ".join(phrase) for key in self.keys for phrase in _spellings(key))

    @property
    def spellings(self) -> str:
        """Every word of every spelling, for a search by words."""
        listed = [self.text, *(" ".join(phrase) for key in self.keys for phrase in _spellings(key))]
        return " ".join(dict.fromkeys(word for each in listed for word in each.split()))

    @property
    def without_side(self) -> Finding | None:
        """What is asked of a side without that side; None where none is asked for."""
        left = [word for word in self.text.split() if word.lower() not in SIDES]
        kept = [word for word in left if word.lower() not in _SMALL and word.lower() != "side"]
        return Finding(" ".join(kept)) if kept and len(left) < len(self.text.split()) else None

    def mentions(self, text: str, title: str = "") -> Iterator[Mention]:
        """The sentences of `text` that have all of it; `title`, that of its section, may have a part."""
        if not self._patterns or not all(each.search(text) or each.search(title) for each in self._patterns):
            return
        for start, end in passage_sentences(text) or ((0, len(text)),):
            found = [self._last(each, text, start, end) for each in self._patterns]
            spans = [each.span() for each in found if each is not None]
            titled = all(
                each is not None or pattern.search(title)
                for each, pattern in zip(found, self._patterns, strict=True)
            )
            if spans and titled:
                yield Mention(*max(spans), start, end)

    def has_part(self, text: str) -> bool:
        """Whether the text has any word of it."""
        return any(self._last(pattern, text, 0, len(text)) for pattern in self._patterns)

    def _last(self, pattern: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
        return next((each for each in pattern.finditer(text, start, end) if self._is_it(each.group())), None)

    def _is_it(self, written: str) -> bool:
        """Not "prednisolone" for "prednisone", and no short word that only its capitals make an abbreviation."""
        if len(written) <= ABBREVIATION_MAX and written.lower() not in self._asked:
            return written.isupper()
        folded = " ".join(written.lower().replace("-", " ").split())
        return folded in self._written or not set(canonical(folded)).isdisjoint(self.keys)


@lru_cache(maxsize=256)
def _keys(words: str) -> tuple[str, ...]:
    """The canonical words of a finding, each once; none where it is too long to be one."""
    tokens = [token for token in read(words).tokens if token.kind not in ("break", "comma")]
    keys = [token.key or token.word for token in tokens if token.word not in _SMALL]
    if any(token.kind in ("figure", "negation", "hedge", "order", "relative") for token in tokens):
        return ()
    return tuple(dict.fromkeys(keys)) if len(keys) <= WORDS_MAX else ()


@lru_cache(maxsize=1024)
def _pattern(key: str) -> re.Pattern[str]:
    listed = sorted(_spellings(key), key=lambda phrase: -sum(map(len, phrase)))
    forms = [r"[\s-]+".join(map(re.escape, phrase)) for phrase in listed]
    if len(key) > 3 and key.isalpha():
        forms.append(rf"{re.escape(key)}(?=[^\W_]*(?![^\W_]))[a-z]{{0,6}}")
    else:
        forms.append(re.escape(key))
    return re.compile(rf"{_BEFORE}(?:{'|'.join(forms)}){_AFTER}", re.IGNORECASE)


@lru_cache(maxsize=1024)
def _spellings(key: str) -> tuple[tuple[str, ...], ...]:
    """The ways to write a canonical word, alone or with more: "CHF" says heart failure."""
    words = [(spelling,) for spelling, said in SAME_WORD.items() if key in said]
    phrases = [phrase for listed in SAME_PHRASE.values() for phrase, said in listed if key in said]
    return (*words, *phrases)
