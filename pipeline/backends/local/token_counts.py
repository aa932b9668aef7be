"""How many tokens a text costs a model whose tokenizer we have, or do not have.

Every embedder server here shares this: NIM's e5 reads BERT's WordPiece and is counted exactly; all other models are
estimated, on the high side, so that a chunk made to measure is never refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

WORD_CHARACTERS_MAX = 40


class TokenCounter(Protocol):
    """Tokens of each text without special tokens, additive over pieces split at white space."""

    def count(self, texts: Sequence[str]) -> list[int]: ...


class EstimatedTokens:
    """An upper estimate for byte-pair and SentencePiece vocabularies, from WordPiece counts.

    On English prose WordPiece's 30,522 tokens give at least as many pieces as the larger vocabularies of today's
    embedding models (100,000 and more). Where that does not hold, in words that are long (sequences, encoded data) or
    not ASCII, a word costs its UTF-8 bytes, which no byte-level vocabulary exceeds. Additive over words.
    """

    def __init__(self, wordpiece: TokenCounter) -> None:
        self._wordpiece = wordpiece

    def count(self, texts: Sequence[str]) -> list[int]:
        unusual = [self._unusual_words(text) for text in texts]
        counts = self._wordpiece.count(texts)
        pieces = self._wordpiece.count([" ".join(words) for words in unusual])
        return [
            total - piece + sum(len(word.encode("utf-8", "surrogatepass")) for word in words)
            for total, piece, words in zip(counts, pieces, unusual, strict=True)
        ]

    def _unusual_words(self, text: str) -> list[str]:
        return [word for word in text.split() if len(word) > WORD_CHARACTERS_MAX or not word.isascii()]
