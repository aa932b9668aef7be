"""Notes that their source took back, as tables and JSON say it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config import IndexingSettings
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.readers.retraction import retracted_by
from pipeline.records import Rejection

DATA = Path(__file__).parents[1] / "data" / "notes"


@pytest.mark.parametrize(
    "record",
    [
        {"ISERROR": "1"},
        {"is_error": True},
        {"Is Error": "Y"},
        {"entered_in_error": "true"},
        {"deleted": 1},
        {"deleted_at": "2024-03-10T10:00:00"},
        {"voided": "X"},
        {"date_voided": "2024-03-10"},
        {"retracted": 1.0},
        {"status": "entered-in-error"},
        {"Note Status": "Entered in Error"},
        {"document_status": "RETRACTED"},
        {"docStatus": "entered_in_error"},
        {"record_status": "Voided"},
        {"metadata": {"is_deleted": "yes"}},
        {"InErrorFlag": "1"},
        {"NoteInErrorInd": "Y"},
        {"VOID_REASON": "duplicate"},
        {"DELETED_DTTM": "2024-03-10 10:00"},
        {"deleted_by": "jsmith"},
        {"RESULT_STATUS_CD": "In Error"},
        {"note_status_desc": "In Error No View"},
        {"status": "Deleted (entered in error)"},
        {"status": "Retracted by author"},
    ],
)
def test_a_record_says_that_it_was_taken_back(record: dict[str, object]) -> None:
    assert retracted_by(record) is not None


@pytest.mark.parametrize(
    "record",
    [
        {"ISERROR": ""},
        {"ISERROR": "0"},
        {"is_error": False},
        {"deleted": 0},
        {"deleted_at": None},
        {"deleted_at": float("nan")},
        {"voided": "no"},
        {"voided": "0.0"},
        {"status": "final"},
        {"deleted_at": "0000-00-00 00:00:00"},
        {"deleted_at": "9999-12-31"},
        {"is_deleted": "-"},
        {"Void": "300 ml"},
        {"Last Void Time": "10:00"},
        {"status": "Voiding trial"},
        {"status": "Error-free"},
        {"order_status": "Cancelled"},
        {"status": "amended"},
        {"status": None},
        {"status": ["x"]},
        {"text": "entered in error", "error": "none found", "deletion": "5q deleted"},
    ],
)
def test_a_record_that_says_nothing_of_it_stands(record: dict[str, object]) -> None:
    assert retracted_by(record) is None


def test_mimics_erroneous_notes_are_withdrawn() -> None:  # field case 05c
    (found,) = read_sources([str(DATA / "05c-mimic-iserror.csv")], FieldMapping(), IndexingSettings())
    assert isinstance(found, Rejection)
    assert found.withdrawn
    assert (found.resource_id, found.patient_id) == ("175", "22533")
    assert found.reason == "The note was entered in error."


def test_a_retraction_needs_no_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps({"id": 1, "patient_id": 2, "type": "t", "text": None, "deleted": True}))
    (found,) = read_sources([str(path)], FieldMapping(), IndexingSettings())
    assert isinstance(found, Rejection)
    assert (found.withdrawn, found.resource_id, found.patient_id) == (True, "1", "2")
