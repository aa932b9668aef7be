"""SIGKILL at random moments over documents that come in, are approved and withdrawn: nothing lost, nothing twice, and
never anything searched that is not approved."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.documents_crash import StoreKind, crash_test


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kills", "documents", "store"),
    [(12, 200, "embedded"), (6, 60, "iris")],
    ids=["two hundred", "sixty, IRIS"],
)
def test_killed_runs_over_documents_lose_nothing_and_double_nothing(
    tmp_path: Path, kills: int, documents: int, store: StoreKind
) -> None:
    """At other moments each time, by a seed that is printed."""
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    verdict = crash_test(tmp_path, kills=kills, documents=documents, seed=seed, store=store)
    assert verdict.problems == ()
