"""A set of answers is read whole, or refused with the line that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputMissing, InputUnusable
from pipeline.evaluation.answer_set import read_answer_set
from tests.evaluation.answer_folder import NOTES, question, write_answer_set


def test_a_quotation_is_found_in_its_note(tmp_path: Path) -> None:
    row = question("fact", [{"say": [["40 mg", "forty"], "daily"], "spans": [["n2", "40 mg once daily"]]}])
    found = read_answer_set(write_answer_set(tmp_path / "ward", [row]), "development")
    (item,) = found.questions[0].items
    (span,) = item.spans
    assert NOTES["n2", "p1"][span.start : span.end] == "40 mg once daily"
    assert item.say == (("40 mg", "forty"), ("daily",))
    assert found.name == "ward"
    assert found.people == {"p1": ("p1",), "p2": ("p2",)}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (question("fact", [{"spans": [["n1", "Takes aspirin."]]}]), "quotes what note n1 does not say"),
        (question("fact", [{"spans": [["n9", "Takes"]]}]), "quotes what note n9 does not say"),
        (question("fact", [{"spans": [["n2", "daily"]]}]), "quotes of note n2 what stands there 2 times"),
        (question("fact", [{"spans": [["n2", ""]]}]), "quotes what note n2"),
        (question("story"), "has shape story"),
        (question("fact", expect="answer"), "expects an answer and has no item"),
        ({"id": "q"}, "is not a JSON object with id, shape, question, expect"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(row: dict[str, Any], fault: str, tmp_path: Path) -> None:
    folder = write_answer_set(tmp_path, [question("fact"), row])
    with pytest.raises(InputUnusable, match=rf"Line 2 of .*questions\.jsonl {fault}"):
        read_answer_set(folder, "development")


@pytest.mark.parametrize("name", ["notes.jsonl", "questions.jsonl"])
def test_a_file_that_lacks_is_named(name: str, tmp_path: Path) -> None:
    folder = write_answer_set(tmp_path, [question("fact")])
    (folder / "development" / name).unlink()
    with pytest.raises(InputMissing, match=name):
        read_answer_set(folder, "development")


def test_names_of_patients_may_stand_next_to_the_notes(tmp_path: Path) -> None:
    folder = write_answer_set(tmp_path, [question("fact")])
    people = folder / "development" / "people.jsonl"
    people.write_text('{"patient_id": "p1", "names": ["Anna Mitchell"]}\n')
    assert read_answer_set(folder, "development").people["p1"] == ("p1", "Anna Mitchell")
    people.write_text('{"patient_id": "p7", "names": ["Anna Mitchell"]}\n')
    with pytest.raises(InputUnusable, match=r"Line 1 of .* names a patient who has no note"):
        read_answer_set(folder, "development")
