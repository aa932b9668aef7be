"""Orders the passages of a search by a model that reads question and passage together.

Decides their order and which of them stay, never which are admitted: it is handed what scope, floor, filters and names
let through, and hands a part of that on. A ranker that fails fails the question: another order would be another answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.errors import ResponseInvalid
from pipeline.ports import Ranker
from pipeline.records import Hit


def rerank(question: str, hits: Sequence[Hit], ranker: Ranker, *, top_k: int) -> list[Hit]:
    """The `top_k` hits that score best, best first; equal scores keep their order. Raises ProviderError."""
    if not hits:
        return []
    scores = ranker.rank(question, [hit.text for hit in hits])
    if len(scores) != len(hits):
        raise ResponseInvalid(
            f"The ranker gave {len(scores)} scores for {len(hits)} passages.",
            remedy="The server at CHARTWELL_RANKER__URL ranks another way than a NIM does: correct the address.",
        )
    if not all(map(math.isfinite, scores)):  # such scores have no order: it would be another one each time
        raise ResponseInvalid(
            "The ranker gave a score that is no number.",
            remedy="Ask again; if it stays so, restart the server at CHARTWELL_RANKER__URL and read its log.",
        )
    order = sorted(range(len(hits)), key=lambda at: -scores[at])
    return [hits[at] for at in order[:top_k]]
