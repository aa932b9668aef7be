"""Measuring retrieval: what a question is answered from is measured, and nothing where a part of the corpus lacks."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import evaluate
from pipeline.answering.retrieval import retrieve
from pipeline.config import load_settings
from pipeline.errors import InputUnusable
from pipeline.evaluation.beir import read_set
from pipeline.evaluation.retrieval import Estimate, estimate, per_query, scores_by_query
from pipeline.records import DraftPiece, Filters, GeneratorModel, Prompt, Question
from pipeline.wiring import compose_answerer, open_corpus

COPY = "Metoprolol was stopped because of bradycardia."
TEXTS = [
    COPY,
    COPY,
    "Takes warfarin 5 mg daily.",
    "Sprained left ankle after a fall.",
    "Allergic to penicillin since 1998.",
    "Takes his warfarin daily, 5 mg or 7.5 mg by the day of the week.",
]
QUERIES = {"q0": (COPY, "d1"), "q1": ("Takes warfarin 5 mg daily", "d2"), "q2": ("Sprained left ankle", "d3")}


class SilentGenerator:
    """Of an answerer that is only asked to search."""

    @property
    def model(self) -> GeneratorModel:
        return GeneratorModel("silent", "m1", "nobody")

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        raise AssertionError("a search asks no generator")

    def check(self) -> None:
        return None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set in BEIR's layout, two of whose documents say the same."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    made = tmp_path / "ward"
    made.mkdir()
    rows = [{"_id": f"d{number}", "title": "", "text": text} for number, text in enumerate(TEXTS)]
    (made / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"_id": name, "text": text} for name, (text, _) in QUERIES.items()]
    (made / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    judged = [f"{name}\t{document}\t1" for name, (_, document) in QUERIES.items()]
    (made / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))
    return made


def measured(folder: Path, *arguments: str) -> dict[str, float]:
    told = CliRunner().invoke(evaluate.app, ["retrieval", "--set", str(folder), "--json", *arguments])
    assert told.exit_code == 0, told.output
    (result,) = json.loads(told.stdout)
    assert result["documents"] == len(TEXTS)
    return {mode["mode"]: mode["metrics"]["recall@10"]["mean"] for mode in result["modes"]}


def test_what_a_question_is_answered_from_is_measured(folder: Path, tmp_path: Path) -> None:
    recall = measured(folder, "--write", str(tmp_path / "table.md"))
    assert list(recall) == ["words", "vectors", "hybrid", "answering"]
    assert "| answering |" in (tmp_path / "table.md").read_text()
    assert recall["hybrid"] == 1.0
    settings = load_settings()
    own = settings.model_copy(update={"data_dir": settings.data_dir / "evaluation" / "ward"})
    with open_corpus(own) as corpus:
        found = {
            name: {
                hit.resource_id
                for hit in retrieve(
                    text,
                    corpus.embedder.embed([text], "query")[0],
                    Filters(),
                    top_k=settings.answering.top_k,
                    floor=corpus.embedder.space.similarity_floor,
                    store=corpus.store,
                    settings=settings.answering,
                )
            }
            for name, (text, _) in QUERIES.items()
        }
        per_query = scores_by_query(
            read_set(folder),
            ["answering"],
            embedder=corpus.embedder,
            store=corpus.store,
            settings=settings.answering,
        )
    shown = [QUERIES[name][1] in found[name] for name in sorted(QUERIES)]
    assert per_query["answering"]["recall@10"].tolist() == shown
    assert not {"d0", "d1"} <= found["q0"]  # of two that say the same, an answer has one


def test_what_is_measured_is_the_products_own_search(folder: Path) -> None:
    """Question by question, through the answerer that the command line and the service are given."""
    assert measured(folder)
    settings = load_settings()
    evaluation_set = read_set(folder)
    own = settings.model_copy(update={"data_dir": settings.data_dir / "evaluation" / "ward"})
    with open_corpus(own) as corpus:
        answerer = compose_answerer(corpus.embedder, corpus.store, SilentGenerator(), own)
        run = {
            name: {
                hit.resource_id: 1 / rank
                for rank, hit in reversed(list(enumerate(answerer.search(Question(text)).passages, start=1)))
            }
            for name, text in evaluation_set.queries.items()
        }
        found = scores_by_query(
            evaluation_set,
            ["answering"],
            embedder=corpus.embedder,
            store=corpus.store,
            settings=settings.answering,
        )
    for metric, values in per_query(evaluation_set.judgements, run).items():
        assert found["answering"][metric].tolist() == values.tolist()


def test_figures_by_hand() -> None:
    judged = {"a": {"d1": 1}, "b": {"d2": 1, "d3": 1}, "c": {"d4": 1}}
    run = {"a": {"d1": 0.9, "d2": 0.1}, "b": {"d9": 0.9, "d2": 0.5}}  # nothing was found for c
    found = per_query(judged, run)
    assert found["MRR@10"].tolist() == [1.0, 0.5, 0.0]
    assert found["recall@10"].tolist() == [1.0, 0.5, 0.0]
    second = 1 / math.log2(3)
    assert found["nDCG@10"].tolist() == pytest.approx([1.0, second / (1 + second), 0.0])


def test_an_interval_lies_around_its_mean_and_is_the_same_each_time() -> None:
    values = np.array([0.0, 0.25, 0.5, 1.0] * 25)
    found = estimate(values)
    assert found == estimate(values)
    assert found.low < found.mean == 0.4375 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.15)
    assert estimate(np.ones(5)) == Estimate(1.0, 1.0, 1.0)


def test_a_part_of_a_corpus_is_not_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def asked_to_stop() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    with monkeypatch.context() as stopped:
        stopped.setattr(evaluate, "stop_requests", asked_to_stop)
        told = CliRunner().invoke(
            evaluate.app, ["retrieval", "--set", str(folder), "--write", str(tmp_path / "table.md")]
        )
    assert told.exit_code == 130
    assert "nothing was measured" in told.output
    assert not (tmp_path / "table.md").exists()
    assert measured(folder)["hybrid"] == 1.0


def test_nor_is_one_of_which_documents_failed(folder: Path) -> None:
    read_set(folder).require_whole(0, ())
    with pytest.raises(InputUnusable, match="2 documents of ward could not be embedded"):
        read_set(folder).require_whole(2, ["The text is too long."])


def test_without_the_metrics_library_nothing_is_indexed_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    told = CliRunner().invoke(evaluate.app, ["retrieval", "--set", str(folder)])
    assert told.exit_code == 2
    assert "chartwell[evaluate]" in told.output
    assert "indexing" not in told.output
