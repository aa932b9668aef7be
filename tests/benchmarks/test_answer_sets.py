"""The sets in the repository hold together: nothing is quoted that no note says, no patient is in two splits."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.answers import synthea
from benchmarks.answers.synthea_notes import visit_of
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


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data is not part of the repository")
def test_what_is_read_out_of_notes_is_what_the_bundles_hold() -> None:
    records = {record["encounter_id"]: visit_of(record) for record in synthea.note_records(SHARED)}
    compared = 0
    for path in sorted((SHARED / "fhir").glob("*.json")):
        given: dict[str, list[str]] = {}
        for entry in json.loads(path.read_text())["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] == "Immunization":
                encounter = resource["encounter"]["reference"].rpartition("/")[2].removeprefix("urn:uuid:")
                given.setdefault(encounter, []).append(_plain(resource["vaccineCode"]["text"]))
        for encounter in given.keys() & records.keys():
            assert sorted(given[encounter]) == sorted(map(_plain, records[encounter].vaccines))
            compared += 1
    assert compared >= 20


def _plain(vaccine: str) -> str:
    """Without case and marks: notes and resources write the names a little differently."""
    return "".join(filter(str.isalnum, vaccine.lower()))


def test_a_note_that_no_template_wrote_ends_the_generator() -> None:
    note = {"resource_id": "n1", "date": "2020-01-01", "text_content": "2020-01-01\n\nShe feels well."}
    with pytest.raises(ValueError, match="n1: a line that no template"):
        visit_of(note)


def test_questions_that_notes_do_not_answer_are_there() -> None:
    lines = (SETS / "visits" / "development" / "questions.jsonl").read_text().splitlines()
    expected = Counter(json.loads(line)["expect"] for line in lines)
    assert expected["not_stated"] >= 20
    assert expected["which_patient"] >= 5
