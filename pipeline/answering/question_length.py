"""How long a question may be: everyone who refuses one for its length does it here.

There are two limits. How many characters it may have is a setting, and every entry point asks for it before anything is
looked up. How many tokens, only the embedding model knows: most of our counts are estimates, so a question is refused
for them after the model has refused it, and never before.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import BadRequest, RequestInvalid
from pipeline.ports import Embedder, text_tokens_max
from pipeline.records import Vector


def refuse_longer(question: str, characters_max: int) -> None:
    """Raises BadRequest for a question of more characters."""
    if len(question) > characters_max:
        raise _too_long(f"{len(question):,} characters, and {characters_max:,} are allowed")


def question_tokens_max(embedder: Embedder) -> int:
    """The longest question that the model reads, in tokens: what clients are told."""
    return text_tokens_max(embedder, "query")


def embed_question(question: str, embedder: Embedder) -> Vector:
    """Shape (dimension,), float32. Raises BadRequest where the model refuses the question for its length."""
    try:
        return np.asarray(embedder.embed([question], "query")[0], dtype=np.float32)
    except RequestInvalid as error:
        found, most = embedder.count_tokens([question])[0], question_tokens_max(embedder)
        if found <= most:
            raise
        raise _too_long(f"{found:,} tokens, and the embedding model reads {most:,}") from error


def _too_long(counts: str) -> BadRequest:
    return BadRequest(
        f"The question is too long: it has {counts}.",
        remedy="Shorten it: leave out what the notes need not say, or ask two questions.",
    )
