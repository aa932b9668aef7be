"""Brings the results of the two retrievers, by vector and by words, into one order.

Decides the order of candidates from their scores and dates alone. Knows no store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.ports import AS_IT_IS, SimilarityScale
from pipeline.records import Hit, Match

WORDS_USUAL = 20
"""A question of so many words or fewer names what it is about; a longer one tells a story besides."""


def weight_of_words(question: str, weight: float) -> float:
    """The share of the words in the fusion: `weight`, and less of it the more words beyond the usual a question has."""
    return weight * min(1.0, WORDS_USUAL / max(len(question.split()), 1))


def fuse(
    by_vector: Sequence[Match],
    by_words: Sequence[Match],
    *,
    word_weight: float,
    scale: SimilarityScale = AS_IT_IS,
) -> dict[str, float]:
    """Fused score by chunk id, best first.

    Cosines are read on `scale`: where those of a model lie close together, no difference would be left to weigh. Each
    retriever's scores are scaled by its best, so that 1 is the best it found; a chunk that a retriever did not
    return scores 0 there. The fused score is the weighted mean, `word_weight` of it from the words. Weighted means of
    scaled scores keep how far apart candidates are, which ranks alone (reciprocal rank fusion) forget; both were
    measured, see docs/evaluation.md.
    """
    vector_scores = _scaled(_read_on(scale, by_vector))
    word_scores = _scaled(by_words)
    fused = {
        chunk_id: (1 - word_weight) * vector_scores.get(chunk_id, 0.0)
        + word_weight * word_scores.get(chunk_id, 0.0)
        for chunk_id in [*vector_scores, *word_scores]
    }
    return dict(sorted(fused.items(), key=lambda entry: (-entry[1], entry[0])))


def _read_on(scale: SimilarityScale, matches: Sequence[Match]) -> Sequence[Match]:
    if scale == AS_IT_IS:
        return matches
    return [Match(match.chunk_id, scale.usual(match.score)) for match in matches]


def _scaled(matches: Sequence[Match]) -> dict[str, float]:
    best = max((match.score for match in matches), default=0.0)
    return {match.chunk_id: max(match.score, 0.0) / best if best > 0 else 0.0 for match in matches}


def newest_first_within(hits: Sequence[Hit], margin: float) -> list[Hit]:
    """Hits in the order given, except that a run whose neighbours' scores differ by less than `margin` from the
    run's best is ordered newest first; undated notes come last in their run."""
    ordered: list[Hit] = []
    run: list[Hit] = []
    for hit in hits:
        if run and run[0].score - hit.score >= margin:
            ordered += _newest_first(run)
            run = []
        run.append(hit)
    return ordered + _newest_first(run)


def _newest_first(run: Sequence[Hit]) -> list[Hit]:
    return sorted(run, key=lambda hit: hit.date or "", reverse=True)


def scored(hits: Sequence[Hit], scores: dict[str, float]) -> list[Hit]:
    """The hits with their fused score, best first."""
    return sorted(
        (replace(hit, score=scores[hit.chunk_id]) for hit in hits), key=lambda hit: (-hit.score, hit.chunk_id)
    )
