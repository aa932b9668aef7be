"""BERT's uncased WordPiece tokenizer over the vocabulary that ships with this file.

Decides how a text becomes token ids, exactly as the models were trained: all-MiniLM-L6-v2 locally and NVIDIA's
e5-v5 family behind NIM read the same 30,522 tokens. It refuses to know any model or length limit. The algorithm is
that of Devlin et al. 2018 (arXiv 1810.04805) and of the reference library `tokenizers`, which is not used at run time
because it installs a model hub's client; a test holds the two together token for token.

One difference is meant: "[SEP]" or "[MASK]" written in a note is read as text, never as a control token.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from importlib import resources

from pipeline.errors import ModelFileError

VOCABULARY = "bert-base-uncased.txt"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

PAD, UNKNOWN, CLS, SEP = 0, 100, 101, 102
"""Ids of the special tokens: their line numbers in the vocabulary."""

SPECIAL_TOKENS = 2
"""[CLS] before and [SEP] after each text; part of a model's `tokens_max`."""

_WORD_CHARACTERS_MAX = 100
"""A longer word is one unknown token (the reference's `max_input_chars_per_word`)."""
_CACHED_WORDS_MAX = 50_000
"""Distinct words remembered; about 15 MB. A hospital's running vocabulary fits, and a full cache starts over."""
_CACHED_CHARACTERS_MAX = 40

# Deleted by the model like every control character, yet str.split() would part words there.
_CONTROL_SPACES = dict.fromkeys(map(ord, "\x0b\x0c\x1c\x1d\x1e\x1f\x85"))
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Token ids of texts. Safe to share between threads; loading checks the vocabulary's hash (ModelFileError)."""

    def __init__(self) -> None:
        self._ids = {token: number for number, token in enumerate(_vocabulary())}
        self._words = _Words(self._ids)

    def encode(self, text: str) -> list[int]:
        """Ids of `text` without special tokens. Pieces of a text split at white space encode to the same ids."""
        found: list[int] = []
        for word in _words(text):
            found += self._words[word]
        return found

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text, without special tokens."""
        ids = self._words.__getitem__
        return [sum(map(len, map(ids, _words(text)))) for text in texts]


class _Words(dict[str, tuple[int, ...]]):
    """Ids by word as written, computed on first sight. Bounded: full means empty again."""

    def __init__(self, ids: dict[str, int]) -> None:
        super().__init__()
        self._ids = ids

    def __missing__(self, word: str) -> tuple[int, ...]:
        ids = tuple(number for part in _parts(word) for number in _pieces(part, self._ids))
        if len(word) <= _CACHED_CHARACTERS_MAX:
            if len(self) >= _CACHED_WORDS_MAX:
                self.clear()
            self[word] = ids
        return ids


def _vocabulary() -> list[str]:
    content = resources.files("pipeline.backends.local").joinpath("vocabulary", VOCABULARY).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != VOCABULARY_SHA256:
        raise ModelFileError(
            f"The tokenizer's vocabulary {VOCABULARY} has SHA-256 {found}, expected {VOCABULARY_SHA256}.",
            remedy="Restore the file from the repository, with its line ends unchanged, or install Chartwell again.",
        )
    return content.decode().removesuffix("\n").split("\n")


def _words(text: str) -> list[str]:
    if not text.isascii() or not text.isprintable():
        text = text.translate(_CONTROL_SPACES)
    return text.split()


def _parts(word: str) -> list[str]:
    """The normalised parts of a word: lower case, no accents, punctuation and ideographs on their own."""
    if not word.isascii():
        word = unicodedata.normalize("NFD", word)
    return word.translate(_NORMALISED).split()


def _pieces(part: str, ids: dict[str, int]) -> list[int]:
    """Greedy longest match from the left; one unknown token where any rest has no match."""
    if part in ids:
        return [ids[part]]
    if len(part) > _WORD_CHARACTERS_MAX:
        return [UNKNOWN]
    found: list[int] = []
    start = 0
    while start < len(part):
        prefix = "##" if start else ""
        end = next((end for end in range(len(part), start, -1) if prefix + part[start:end] in ids), None)
        if end is None:
            return [UNKNOWN]
        found.append(ids[prefix + part[start:end]])
        start = end
    return found


class _Normalised(dict[int, str]):
    """What each character becomes: nothing, a space, itself in lower case, or itself between spaces."""

    def __missing__(self, point: int) -> str:
        self[point] = result = _normalised(chr(point))
        return result


_NORMALISED = _Normalised()


def _normalised(character: str) -> str:
    point = ord(character)
    category = unicodedata.category(character)
    if character in "\t\n\r" or category in ("Zs", "Zl", "Zp"):
        return " "
    if point == 0xFFFD or category in ("Cc", "Cf", "Co", "Cs", "Mn"):
        return ""
    if any(first <= point <= last for first, last in _IDEOGRAPHS):
        return f" {character} "
    if category[0] == "P" or (character.isascii() and category[0] == "S"):
        return f" {character} "
    # Letter by letter: str.lower() of a whole word would turn a final sigma into another letter than training did.
    return character.lower()
