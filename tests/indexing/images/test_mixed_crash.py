"""SIGKILL at random moments over notes and images side by side: nothing lost, nothing twice, verify clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mixed_crash import BATCH, crash_test


@pytest.mark.parametrize(
    ("kills", "each"),
    [(5, 16), pytest.param(30, 40, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
    ids=["five", "thirty"],
)
def test_killed_runs_over_both_kinds_lose_nothing_and_double_nothing(
    tmp_path: Path, kills: int, each: int
) -> None:
    verdict = crash_test(tmp_path, kills=kills, notes=each, films=each)
    assert verdict.kills == kills
    assert verdict.problems == ()
    assert verdict.images_embedded <= each + kills * BATCH
