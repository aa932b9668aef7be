"""A short version of `python -m tests.crash`: SIGKILL at random moments loses nothing, doubles nothing and
tells no note as done that is not."""

from __future__ import annotations

import json
from pathlib import Path

from tests.crash import crash_test


def test_killed_runs_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    notes = tmp_path / "notes.jsonl"
    with notes.open("w") as file:
        for number in range(40):
            note = {
                "resource_id": f"n{number}",
                "patient_id": f"p{number % 7}",
                "document_type": "note",
                "text_content": f"HISTORY\n\nVisit {number}.\n\n" + f"PLAN\n\nDrug {number} daily. " * 30,
            }
            file.write(json.dumps(note) + "\n")
    verdict = crash_test(notes, tmp_path, kills=3, provider="hashing", batch_size=4, pause=0.02)
    assert verdict.kills == 3
    assert (verdict.lost, verdict.doubled, verdict.problems) == (0, 0, [])
    assert (verdict.told_early, verdict.told_twice, verdict.untold) == (0, 0, 0)
    assert verdict.embedded_again_most <= verdict.batch_texts_most
