"""Measuring retrieval: what a question is answered from is measured, and nothing where a part of the corpus lacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import evaluate
from pipeline.answering.retrieval import retrieve
from pipeline.config import load_settings
from pipeline.errors import InputUnusable
from pipeline.evaluation.beir import read_set
from pipeline.evaluation.retrieval import scores_by_query
from pipeline.records import Filters
from pipeline.wiring import open_corpus

COPY = "Metoprolol was stopped because of bradycardia."
TEXTS = [
    COPY,
    COPY,
    "Takes warfarin 5 mg daily.",
    "Sprained left ankle after a fall.",
    "Allergic to penicillin since 1998.",
]
QUERIES = {"q0": (COPY, "d1"), "q1": ("Takes warfarin 5 mg daily", "d2"), "q2": ("Sprained left ankle", "d3")}


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
