"""Retrieval of two embedding spaces side by side, on the same questions of the same notes.

What is reported is the difference of each question, not of two means: its interval is much narrower, because a hard
question is hard in both spaces (paired bootstrap, as Smucker, Allan and Carterette 2007 compare retrieval systems).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import AnsweringSettings
from pipeline.evaluation.beir import EvaluationSet
from pipeline.evaluation.retrieval import METRICS, Estimate, estimate, scores_by_query
from pipeline.ports import Embedder, Ranker, Store

MODES = ("vectors", "answering")
"""Words are the same in every space."""
DECIDING = ("answering", "nDCG@10")
"""What answers are made from, by the metric that retrieval work reports first."""


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    mode: str
    metric: str
    now: Estimate
    then: Estimate
    difference: Estimate
    """`then` minus `now`, of each question."""


@dataclass(frozen=True, slots=True)
class Comparison:
    set_name: str
    queries: int
    now: str
    """Id of the space that serves."""
    then: str
    """Id of the space that would."""
    rows: Sequence[ComparisonRow]

    @property
    def worse(self) -> bool:
        """The whole interval of the deciding difference lies below zero."""
        return any((row.mode, row.metric) == DECIDING and row.difference.high < 0 for row in self.rows)


@dataclass(frozen=True)
class Side:
    embedder: Embedder
    store: Store


def compare(
    evaluation_set: EvaluationSet,
    *,
    now: Side,
    then: Side,
    settings: AnsweringSettings,
    ranker: Ranker | None = None,
) -> Comparison:
    """Ask every question of both. The set's documents must be in both stores."""
    before, after = (
        scores_by_query(
            evaluation_set,
            MODES,
            embedder=side.embedder,
            store=side.store,
            settings=settings,
            ranker=ranker,
        )
        for side in (now, then)
    )
    rows = [
        ComparisonRow(
            mode,
            metric,
            estimate(before[mode][metric]),
            estimate(after[mode][metric]),
            estimate(after[mode][metric] - before[mode][metric]),
        )
        for mode in MODES
        for metric in METRICS
    ]
    return Comparison(
        evaluation_set.name,
        len(evaluation_set.queries),
        now.embedder.space.id,
        then.embedder.space.id,
        rows,
    )
