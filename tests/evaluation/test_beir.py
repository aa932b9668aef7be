"""An evaluation set is read whole, or refused with the file and the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputMissing, InputUnusable
from pipeline.evaluation.beir import read_set
from tests.evaluation.beir_folder import write_set

DOCUMENTS = {"d1": "Gout.", "d2": "Knee."}
JUDGED = {"gout?": {"d1": 2, "d2": 0}, "knee?": {"d2": 1}}


@pytest.mark.parametrize("qrels", ["qrels.tsv", "qrels/test.tsv"])
def test_questions_grades_and_documents(tmp_path: Path, qrels: str) -> None:
    found = read_set(write_set(tmp_path / "ward", DOCUMENTS, JUDGED, qrels))
    assert found.name == "ward"
    assert found.queries == {"q0": "gout?", "q1": "knee?"}
    assert found.judgements == {"q0": {"d1": 2, "d2": 0}, "q1": {"d2": 1}}
    assert [record.fields["resource_id"] for record in found.records()] == ["d1", "d2"]
    assert {record.fields["patient_id"] for record in found.records()} == {"evaluation"}


def test_a_question_without_a_judgement_is_left_out(tmp_path: Path) -> None:
    found = read_set(write_set(tmp_path / "ward", DOCUMENTS, {"gout?": {"d1": 1}, "hip?": {}}))
    assert found.queries == {"q0": "gout?"}


def test_titles_are_read_with_their_texts(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "ward", DOCUMENTS, JUDGED)
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": "Gout", "text": "Painful."}')
    (record,) = read_set(folder).records()
    assert record.fields["text_content"] == "Gout\nPainful."


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_a_file_that_lacks_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_set(tmp_path / "ward", DOCUMENTS, JUDGED)
    (folder / missing).unlink()
    with pytest.raises(InputMissing, match=missing):
        read_set(folder)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        (
            "queries.jsonl",
            '{"_id": "q0"}',
            r"Line 1 of .*queries\.jsonl is not a JSON object with _id and text",
        ),
        ("queries.jsonl", "[]", r"Line 1 of .*queries\.jsonl"),
        ("queries.jsonl", '{"_id": "other", "text": "?"}', "No query of .* has a judgement"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\nq0\td1", r"Line 2 of .*qrels\.tsv"),
        ("qrels.tsv", "q0\td1\t1\nq1\td2\tyes", r"Line 2 of .*qrels\.tsv"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, text: str, what: str) -> None:
    folder = write_set(tmp_path / "ward", DOCUMENTS, JUDGED)
    (folder / name).write_text(text)
    with pytest.raises(InputUnusable, match=what):
        read_set(folder)
