"""Statements about notes that ship with the project, written by hand before the rules that judge them: true ones leave,
false ones do not."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from pipeline.answering.verification import check_statement
from pipeline.records import Document, Hit

TESTS = Path(__file__).resolve().parents[1]
NOTES = TESTS.parent / "pipeline" / "demo" / "notes" / "aci_bench.jsonl"
CASES = [json.loads(line) for line in (TESTS / "data" / "statements.jsonl").read_text("utf-8").splitlines()]
WITHHELD_THOUGH_TRUE = {
    "He should drink at least 48 ounces of water daily.",  # "increase water consumption"
}


@cache
def notes() -> dict[str, Document]:
    rows = map(json.loads, NOTES.read_text("utf-8").splitlines())
    return {
        row["resource_id"]: Document(
            row["resource_id"], row["patient_id"], row["document_type"], row["text_content"]
        )
        for row in rows
    }


def leaves(case: dict[str, str]) -> bool:
    note = notes()[case["note"]]
    text = note.text_content
    hit = Hit("c", case["note"], note.patient_id, "note", None, None, None, text, 0, len(text), 0.5)
    return check_statement(f"{case['statement']} [1]", (hit,), notes().get) is not None


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["kind"] != "true"],
    ids=lambda case: f"{case['kind']}: {case['statement'][:40]}",
)
def test_a_false_statement_does_not_leave(case: dict[str, str]) -> None:
    assert not leaves(case)


def test_true_statements_leave_but_for_few() -> None:
    true = [case for case in CASES if case["kind"] == "true"]
    assert {case["statement"] for case in true if not leaves(case)} == WITHHELD_THOUGH_TRUE
    assert len(true) > 60
