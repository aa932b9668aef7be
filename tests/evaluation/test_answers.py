"""Answers are measured through the product's own answerer: indexing, conversation, judgement and figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import evaluate
from pipeline.evaluation.answer_set import read_answer_set
from pipeline.evaluation.answers import sample, wilson
from tests.evaluation.answer_folder import question, write_answer_set

TENDER = [{"spans": [["n1", "Left knee is tender."]]}]
QUESTIONS = [
    question("fact", TENDER, id="knee", question="Is the left knee tender?", limited_to=["p1"]),
    question("fact", TENDER, id="no one", question="Is the left knee tender?", limited_to=["p9"]),
    question("fact", id="absent", question="Takes warfarin", limited_to=["p9"], traps=["unanswerable"]),
    question("fact", id="who is she", question="What is she taking?", expect="which_patient", patients=[]),
    question(
        "fact",
        [{"say": ["metformin"], "spans": [["n2", "Metformin 1 g twice daily."]]}],
        id="follow-up",
        earlier=["Is the left knee of Anna Mitchell tender?"],
        question="Does she take metformin twice daily?",
        traps=["follow_up"],
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return write_answer_set(tmp_path / "ward", QUESTIONS)


def _run(*options: str) -> str:
    done = CliRunner().invoke(evaluate.app, ["answers", *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_figures_by_shape_and_each_answer(folder: Path, tmp_path: Path) -> None:
    (result,) = json.loads(_run("--set", str(folder), "--json", "--save", str(tmp_path / "answers.jsonl")))
    verdicts = {
        row["id"]: row["verdict"]
        for row in map(json.loads, (tmp_path / "answers.jsonl").read_text().splitlines())
    }
    assert verdicts == {
        "knee": "right",
        "no one": "false_silence",
        "absent": "right",
        "who is she": "right",
        "follow-up": "right",
    }
    of_all = result["shapes"][-1]
    assert of_all["shape"] == "all"
    assert (of_all["right"]["part"], of_all["right"]["of"]) == (2, 3)
    assert of_all["false_answers"] | {"high": 0} == {"part": 0, "of": 2, "share": 0, "low": 0, "high": 0}
    assert result["traps"]["follow_up"]["part"] == 1
    assert not (tmp_path / "data").exists(), "the notes of a set are no notes of the user's"


def test_the_table_stands_between_its_markers(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = evaluate.ANSWERS_TABLE
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    assert "ward, development: 5 of 5 questions" in _run("--set", str(folder), "--write", str(page))
    written = page.read_text()
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert "old" not in written
    assert (
        "| fact | 5 | 4 | 0 | 0 | 0 | 1 | 0 | 0.67 (0.21-0.94) | 0.00 (0.00-0.43) | 0.00 (0.00-0.66) | - | - |"
        in written
    )


def test_a_split_that_lacks_is_told(folder: Path) -> None:
    done = CliRunner().invoke(evaluate.app, ["answers", "--set", str(folder), "--split", "held"])
    assert done.exit_code == 2
    assert "held/notes.jsonl does not exist" in done.stderr


def test_a_sample_has_every_shape_and_is_the_same_again(tmp_path: Path) -> None:
    rows = [question(shape, id=f"{shape}{each}") for shape in ("fact", "list") for each in range(20)]
    questions = read_answer_set(write_answer_set(tmp_path, rows), "development").questions
    chosen = sample(questions, 10, seed=1)
    assert [each.shape for each in chosen] == ["fact"] * 5 + ["list"] * 5
    assert chosen == sample(questions, 10, seed=1) != sample(questions, 10, seed=2)
    assert sample(questions, None, seed=1) == list(questions)


def test_intervals_are_wilsons() -> None:
    """81 of 263, as Newcombe 1998 computes it (table I, method 3); none of some and of none."""
    share = wilson(81, 263)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)
    none = wilson(0, 10)
    assert (none.low, round(none.high, 4)) == (0.0, 0.2775)
    assert wilson(0, 0).high == 0
