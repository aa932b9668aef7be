"""Damaged files of every format among good ones; `python -m tests.fuzz_readers` tries thousands."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.fuzz_readers import DAMAGES, WORDS, fuzz


def test_damaged_files_are_accepted_or_rejected_and_cost_no_other_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    found = fuzz(130, seed=7)
    assert not [(case.name, case.damage, case.problems) for case in found if case.problems]
    assert {case.damage for case in found} == set(DAMAGES)
    assert {Path(case.name).suffix for case in found} >= {
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".txt",
        ".html",
        ".gz",
    }
    assert any(case.rejected for case in found)
    assert any(case.accepted > 6 for case in found)
    assert not [word for word in WORDS if word in caplog.text]
