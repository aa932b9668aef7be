"""What a newcomer types first, over notes that ship with the demo, with the embedded default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import ask as ask_door
from pipeline import vectorize
from pipeline.demo.__main__ import NOTES

PATIENTS = ("D2N001", "D2N005", "D2N006", "D2N022", "D2N025", "D2N031", "D2N032", "D2N069")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexed once."""
    folder = tmp_path_factory.mktemp("demo")
    rows = [json.loads(line) for line in (NOTES / "aci_bench.jsonl").read_text("utf-8").splitlines()]
    source = folder / "notes.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows if row["patient_id"] in PATIENTS), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARTWELL_DATA_DIR", str(folder / "data"))
        assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0
    return folder / "data"


@pytest.mark.long
@pytest.mark.parametrize(
    ("question", "exit_code", "shown", "never"),
    [
        (
            "What medications is Anna Mitchell on?",
            0,
            ["allopurinol 100 mg once daily", "omeprazole 40 mg"],
            [],
        ),
        (
            "Summarise the visit of Anna Mitchell",
            0,
            [
                "Reason for the visit",
                "Follow-up of chronic problems.",
                '"Gout."',
                "Continue omeprazole 40 mg",
            ],
            [],
        ),
        ("What was the blood pressure of patient D2N006?", 3, ["Not stated in the notes."], ["mmHg"]),
        ("Any allergies to penicillin?", 0, ["Patient D2N031, undated, ALLERGIES:"], []),
        (
            "Which patients have diabetes?",
            0,
            [
                "Patient D2N025",
                "1 more patient mentions it as denied:",
                "Patient D2N022",
                "of the family:",
                "Patient D2N032",
            ],
            [],
        ),
        (
            "List all patients with atrial fibrillation",
            0,
            ["2 patients with atrial fibrillation, all whose", "Patient D2N005", "Patient D2N069"],
            [],
        ),
        ("Has Martha Collins had a heart attack?", 3, ["Not stated in the notes."], ["Congestive"]),
        ("What is Anna Mitchell allergic to?", 3, ["Not stated in the notes."], ["Penicillin"]),
    ],
)
def test_what_is_typed_first(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    question: str,
    exit_code: int,
    shown: list[str],
    never: list[str],
) -> None:
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(folder))
    told = CliRunner().invoke(ask_door.app, [question])
    assert told.exit_code == exit_code
    said = " ".join(told.output.split())
    assert all(each in said for each in shown), told.output
    assert not any(each in said for each in never), told.output
