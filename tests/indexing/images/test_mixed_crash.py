"""SIGKILL at random moments over notes and images side by side: nothing lost, nothing twice, verify clean."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.mixed_crash import BATCH, StoreKind, crash_test

THIRTY = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("kills", "each", "store"),
    [
        pytest.param(5, 16, "embedded", marks=pytest.mark.long),
        pytest.param(30, 40, "embedded", marks=THIRTY),
        pytest.param(30, 40, "iris", marks=THIRTY),
    ],
    ids=["five", "thirty", "thirty, IRIS"],
)
def test_killed_runs_over_both_kinds_lose_nothing_and_double_nothing(
    tmp_path: Path, kills: int, each: int, store: StoreKind
) -> None:
    """Five at the same moments in every run; thirty at others each time, by a seed that is printed."""
    seed = 7 if kills == 5 else random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    verdict = crash_test(tmp_path, kills=kills, notes=each, films=each, seed=seed, store=store)
    assert verdict.kills == kills
    assert verdict.problems == ()
    assert verdict.images_embedded <= each + kills * BATCH
