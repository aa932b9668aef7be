"""The topics of the benchmark: no document in both halves, and a topic's documents told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import relevance
from pipeline.backends.local.onnx_embedder import LocalEmbedder
from pipeline.config import EmbedderSettings

TOPICS = relevance.read_topics()
with_data = pytest.mark.skipif(not relevance.DATA.is_dir(), reason="the developers' data is not here")


def test_no_document_is_in_both_halves() -> None:
    of = {
        half: {
            name for topic in TOPICS if topic.half == half for ids in topic.documents.values() for name in ids
        }
        for half in ("development", "held")
    }
    assert not of["development"] & of["held"]
    assert [sum(topic.half == half for topic in TOPICS) for half in of] == [10, 10]


def test_a_document_is_of_one_kind_for_a_topic() -> None:
    for topic in TOPICS:
        names = [name for ids in topic.documents.values() for name in ids]
        assert len(names) == len(set(names)), topic.name


@with_data
def test_every_document_is_in_the_data() -> None:
    here = {each.id for each in relevance.read_texts()}
    assert {name for topic in TOPICS for ids in topic.documents.values() for name in ids} <= here


@with_data
def test_the_documents_of_a_topic_are_told_apart() -> None:
    topic = replace(TOPICS[0], documents={kind: ids[:5] for kind, ids in TOPICS[0].documents.items()})
    library = relevance.TopicLibrary([topic], LocalEmbedder(EmbedderSettings()), None)
    cases = library.cases(topic.half, 0)
    related, other = (
        np.array([relevance.BASELINES["regression"](case) for case in cases if case.related is side])
        for side in (True, False)
    )
    assert relevance.auroc(related, other) >= 0.9


def test_a_fit_finds_the_figure_that_tells() -> None:
    topic = TOPICS[0]
    figures = relevance.RelevanceFigures(0, 0, 0, 0, 0, 0, 0)
    cases = [
        relevance.Case(
            topic, 0, str(at), "related" if at % 2 else "others", replace(figures, words=at % 2), 0, 0
        )
        for at in range(40)
    ]
    intercept, weights = relevance.fit(cases, np.ones(len(cases)))
    assert intercept < 0 < weights[3]
    assert np.abs(np.delete(weights, 3)).max() < 1e-6
