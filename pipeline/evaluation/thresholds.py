"""Where the cosines of an embedding model lie: what each floor of similarity keeps and stops, and how far they are
spread beside those of the model that the other thresholds were set with.

Decides the floor that it proposes: the highest that keeps nearly all questions of every set, since a floor too high
hides an answer from everyone behind it, and one too low costs a generator some passages to read. Changes no setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.beir import EvaluationSet
from pipeline.ports import Embedder, SimilarityScale, Store
from pipeline.records import Filters, Hit, Vector

KEPT_MIN = 0.99
FLOORS = np.round(np.arange(0.0, 0.96, 0.02), 2)
QUESTIONS_COMPARED = 100
"""Questions of a set whose passages are embedded by the other model too."""


@dataclass(frozen=True, slots=True)
class Cosines:
    """Of one set: of each question with the best passage of a document that answers it, and of each question that the
    set does not answer with the best passage there is; shape (questions,)."""

    own: NDArray[np.float64]
    unrelated: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FloorRow:
    floor: float
    kept: Mapping[str, float]
    """Share of a set's questions whose own passage stays, by set."""
    stopped: Mapping[str, float]
    """Share of the unrelated questions for which nothing is left."""


def cosines_of(
    evaluation_set: EvaluationSet, unrelated: Sequence[str], *, embedder: Embedder, store: Store
) -> Cosines:
    """The set's corpus must be indexed in `store`."""
    passages = passages_of(store)
    own = []
    for query, text in evaluation_set.queries.items():
        hits = _answering(evaluation_set, query, _vector(text, embedder), passages, store)
        if hits:
            own.append(max(hit.similarity for hit in hits))
    best = [store.search_vector(_vector(text, embedder), 1, Filters()) for text in unrelated]
    return Cosines(np.array(own), np.array([found[0].score for found in best if found]))


def passages_of(store: Store) -> dict[str, list[str]]:
    """Chunk ids by document."""
    found: dict[str, list[str]] = {}
    for resource_id, chunk_id in store.chunk_ids():
        found.setdefault(resource_id, []).append(chunk_id)
    return found


def floor_rows(cosines: Mapping[str, Cosines]) -> list[FloorRow]:
    """What every floor would do, the lowest first."""
    return [
        FloorRow(
            float(floor),
            {name: float(np.mean(each.own >= floor)) for name, each in cosines.items()},
            {
                name: float(np.mean(each.unrelated < floor))
                for name, each in cosines.items()
                if each.unrelated.size
            },
        )
        for floor in FLOORS
    ]


def proposed_floor(rows: Sequence[FloorRow]) -> float:
    """The highest that keeps `KEPT_MIN` of the questions of every set; 0 where none does."""
    return max((row.floor for row in rows if min(row.kept.values()) >= KEPT_MIN), default=0.0)


def compared_pairs(
    evaluation_set: EvaluationSet, *, embedder: Embedder, store: Store
) -> list[tuple[str, Sequence[str]]]:
    """Questions of the set, each with the passages that a scale is fitted on: those of the documents that answer it,
    and as many of what the question finds besides."""
    passages = passages_of(store)
    pairs: list[tuple[str, Sequence[str]]] = []
    for query, text in list(evaluation_set.queries.items())[:QUESTIONS_COMPARED]:
        vector = _vector(text, embedder)
        hits = _answering(evaluation_set, query, vector, passages, store)
        others = [match.chunk_id for match in store.search_vector(vector, 10 * len(hits), Filters())][::10]
        pairs.append((text, [hit.text for hit in [*hits, *store.hits(others, vector)]]))
    return pairs


def fitted_scale(
    pairs: Sequence[tuple[str, Sequence[str]]], embedder: Embedder, reference: Embedder
) -> SimilarityScale:
    """The scale on which the cosines of `embedder` have the mean and the deviation of those of `reference`."""
    of_model, of_reference = _cosines(pairs, embedder), _cosines(pairs, reference)
    factor = float(of_reference.std() / of_model.std())
    return SimilarityScale(factor, float(of_reference.mean() - factor * of_model.mean()))


def _cosines(pairs: Sequence[tuple[str, Sequence[str]]], embedder: Embedder) -> Vector:
    """In the order of the pairs."""
    found = [embedder.embed(texts, "passage") @ _vector(question, embedder) for question, texts in pairs]
    return np.asarray(np.concatenate(found), dtype=np.float32)


def _answering(
    evaluation_set: EvaluationSet,
    query: str,
    vector: Vector,
    passages: Mapping[str, Sequence[str]],
    store: Store,
) -> list[Hit]:
    judged = evaluation_set.judgements[query]
    ids = [each for document, grade in judged.items() if grade > 0 for each in passages.get(document, ())]
    return store.hits(ids, vector)


def _vector(text: str, embedder: Embedder) -> Vector:
    vector: Vector = embedder.embed([text], "query")[0]
    return vector
