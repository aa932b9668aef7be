"""The sets in the repository hold together: nothing is quoted that no note says, no patient is in two splits."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.answers import synthea
from pipeline.evaluation.answer_set import SHAPES, AnswerSet, Split, read_answer_set

SETS = Path(synthea.__file__).parent
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = ("visits", "synthea")


def _read(name: str, split: Split) -> AnswerSet:
    return read_answer_set(SETS / name, split)


@pytest.mark.parametrize("name", NAMES)
def test_no_patient_is_in_both_splits(name: str) -> None:
    assert not _read(name, "development").people.keys() & _read(name, "held").people.keys()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["development", "held"])
def test_truths_are_of_the_patients_asked_about(name: str, split: Split) -> None:
    found = _read(name, split)
    assert max(Counter(question.id for question in found.questions).values()) == 1
    for question in found.questions:
        proving = frozenset[str]().union(*(item.patients for item in question.items))
        assert not question.patients or proving <= question.patients <= found.people.keys(), question.id
        assert set(question.limited_to) <= question.patients, question.id
        if question.shape == "yes_no":
            assert bool(question.verdict) == (question.expected == "answer"), question.id
        if question.shape == "count":
            assert question.count == len(question.items), question.id


@pytest.mark.parametrize(("name", "questions", "shapes"), [("visits", 250, 9), ("synthea", 2000, 10)])
def test_every_shape_is_asked(name: str, questions: int, shapes: int) -> None:
    asked = [question.shape for split in ("development", "held") for question in _read(name, split).questions]
    assert len(asked) >= questions
    assert len(set(asked)) >= shapes
    assert set(asked) <= set(SHAPES)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data is not part of the repository")
def test_the_generated_set_is_made_again_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["synthea", "--data", str(SHARED), "--out", str(tmp_path)])
    synthea.main()
    for made in sorted(tmp_path.rglob("*.jsonl")):
        assert made.read_bytes() == (SETS / "synthea" / made.relative_to(tmp_path)).read_bytes(), made.name


def test_a_note_that_no_template_wrote_ends_the_generator() -> None:
    note = {"resource_id": "n1", "date": "2020-01-01", "text_content": "2020-01-01\n\nShe feels well."}
    with pytest.raises(ValueError, match="n1: a line that no template"):
        synthea._visit(note)


def test_questions_that_notes_do_not_answer_are_there() -> None:
    lines = (SETS / "visits" / "development" / "questions.jsonl").read_text().splitlines()
    expected = Counter(json.loads(line)["expect"] for line in lines)
    assert expected["not_stated"] >= 20
    assert expected["which_patient"] >= 5
