"""Measures retrieval on one evaluation set: what a question is answered from, by the product's own search, and words,
vectors and both by themselves, to see what each of them is worth.

A document's rank is that of its best passage. Metrics are computed by ir-measures, the trec_eval code that published
figures come from; intervals are 95 % percentile bootstraps over queries (Sakai 2006 uses the same resampling).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.answering.fusion import fuse, weight_of_words
from pipeline.answering.search import search
from pipeline.config import AnsweringSettings
from pipeline.errors import InputUnusable
from pipeline.evaluation.beir import EvaluationSet
from pipeline.ports import Embedder, Ranker, Store, similarity_scale
from pipeline.records import Filters, Match, Question, Vector

MODES = ("words", "vectors", "hybrid", "answering")
METRICS = ("nDCG@10", "MRR@10", "recall@10")
DEPTH = 100
"""Passages a query of one retriever alone; several may belong to one document, and ten documents are judged."""

BOOTSTRAP_SAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModeResult:
    mode: str
    metrics: Mapping[str, Estimate]
    milliseconds_p50: float
    milliseconds_p95: float
    """Wall time of the search alone; embedding the question is reported once for the set."""


@dataclass(frozen=True, slots=True)
class SetResult:
    name: str
    documents: int
    passages: int
    queries: int
    modes: Sequence[ModeResult]
    embedding_milliseconds_p50: float
    embedding_milliseconds_p95: float


def evaluate(
    evaluation_set: EvaluationSet,
    *,
    embedder: Embedder,
    store: Store,
    settings: AnsweringSettings,
    ranker: Ranker | None = None,
) -> SetResult:
    """Run every query in every mode. The set's corpus must be indexed in `store`."""
    vectors, embedding_seconds = _embed(evaluation_set.queries.values(), embedder)
    counts = store.counts()
    owner = _owners(store)
    modes = [
        _mode_result(mode, evaluation_set, vectors, _searcher(mode, embedder, store, settings, ranker), owner)
        for mode in MODES
    ]
    return SetResult(
        evaluation_set.name,
        counts.documents,
        counts.chunks,
        len(evaluation_set.queries),
        modes,
        *_percentiles(embedding_seconds),
    )


def scores_by_query(
    evaluation_set: EvaluationSet,
    modes: Sequence[str],
    *,
    embedder: Embedder,
    store: Store,
    settings: AnsweringSettings,
    ranker: Ranker | None = None,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Mode to metric to its value for each query, shape (queries,), in the order of the set's queries."""
    vectors, _ = _embed(evaluation_set.queries.values(), embedder)
    owner = _owners(store)
    return {
        mode: per_query(
            evaluation_set.judgements,
            _run(evaluation_set, vectors, _searcher(mode, embedder, store, settings, ranker), owner)[0],
        )
        for mode in modes
    }


def _owners(store: Store) -> dict[str, str]:
    """Chunk id to the document it belongs to."""
    return {chunk_id: resource_id for resource_id, chunk_id in store.chunk_ids()}


Searcher = Callable[[str, Vector], Mapping[str, float]]


def _searcher(
    mode: str, embedder: Embedder, store: Store, settings: AnsweringSettings, ranker: Ranker | None
) -> Searcher:
    def by_vector(vector: Vector, depth: int = DEPTH) -> list[Match]:
        return store.search_vector(vector, depth, Filters())

    def by_words(text: str, depth: int = DEPTH) -> list[Match]:
        return store.search_words(text, depth, Filters())

    def as_answered(text: str, vector: Vector) -> Mapping[str, float]:
        """What a question is answered from: above the floor, without near-duplicates, of the patients it names, top_k
        passages and no more."""
        question = Question(text, top_k=settings.top_k)
        found = search(
            question, embedder=embedder, store=store, settings=settings, ranker=ranker, vector=vector
        )
        return {hit.chunk_id: 1 / rank for rank, hit in enumerate(found.passages, 1)}

    searchers: dict[str, Searcher] = {
        "words": lambda text, _: {match.chunk_id: match.score for match in by_words(text)},
        "vectors": lambda _, vector: {match.chunk_id: match.score for match in by_vector(vector)},
        "hybrid": lambda text, vector: fuse(
            by_vector(vector, settings.candidates),
            by_words(text, settings.candidates),
            word_weight=weight_of_words(text, settings.word_weight),
            scale=similarity_scale(embedder),
        ),
        "answering": as_answered,
    }
    return searchers[mode]


def _embed(texts: Iterable[str], embedder: Embedder) -> tuple[list[Vector], list[float]]:
    vectors, seconds = [], []
    for text in texts:
        started = time.perf_counter()
        vectors.append(embedder.embed([text], "query")[0])
        seconds.append(time.perf_counter() - started)
    return vectors, seconds


def _mode_result(
    mode: str,
    evaluation_set: EvaluationSet,
    vectors: Sequence[Vector],
    search: Searcher,
    owner: Mapping[str, str],
) -> ModeResult:
    run, seconds = _run(evaluation_set, vectors, search, owner)
    return ModeResult(mode, measure(evaluation_set.judgements, run), *_percentiles(seconds))


def _run(
    evaluation_set: EvaluationSet, vectors: Sequence[Vector], search: Searcher, owner: Mapping[str, str]
) -> tuple[dict[str, dict[str, float]], list[float]]:
    run: dict[str, dict[str, float]] = {}
    seconds = []
    for (query, text), vector in zip(evaluation_set.queries.items(), vectors, strict=True):
        started = time.perf_counter()
        scores = search(text, vector)
        seconds.append(time.perf_counter() - started)
        run[query] = _by_document(scores, owner)
    return run, seconds


def _by_document(scores: Mapping[str, float], owner: Mapping[str, str]) -> dict[str, float]:
    """A document scores as its best passage."""
    best: dict[str, float] = {}
    for chunk_id, score in scores.items():
        document = owner.get(chunk_id)
        if document is not None:  # else it was stored since the measurement began
            best[document] = max(score, best.get(document, score))
    return best


def measure(
    judgements: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]
) -> dict[str, Estimate]:
    """Every metric with its interval; a query that found nothing counts as 0."""
    return {name: estimate(values) for name, values in per_query(judgements, run).items()}


def metrics_library() -> Any:
    """The module. Raises InputUnusable where it is not installed: indexing and asking do without it."""
    try:
        import ir_measures  # noqa: PLC0415  # an extra: the demo does not install it
    except ImportError:
        raise InputUnusable(
            "The metrics library ir-measures is not installed.",
            remedy="Install it: `make test` in a checkout, `pip install 'chartwell[evaluate]'` elsewhere.",
        ) from None
    return ir_measures


def per_query(
    judgements: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]
) -> dict[str, NDArray[np.float64]]:
    """Every metric of each query, in the order of `judgements`, shape (queries,). Raises as `metrics_library` does."""
    ir_measures = metrics_library()
    measures = (ir_measures.nDCG @ 10, ir_measures.RR @ 10, ir_measures.R @ 10)
    names = dict(zip(measures, METRICS, strict=True))
    found = {name: dict.fromkeys(judgements, 0.0) for name in METRICS}
    for value in ir_measures.iter_calc(list(measures), judgements, run):
        found[names[value.measure]][value.query_id] = value.value
    return {name: np.array(list(values.values())) for name, values in found.items()}


def estimate(values: NDArray[np.float64]) -> Estimate:
    """The mean of `values`, one a query, with its interval. Of paired differences: the interval of the difference."""
    generator = np.random.default_rng(0)
    samples = values[generator.integers(0, len(values), (BOOTSTRAP_SAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return float(p50), float(p95)
