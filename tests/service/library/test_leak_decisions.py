"""A short run of `python -m tests.leak_decisions`, and that it finds leaks where enforcement is taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.leak_decisions import run

CHANNELS = (
    *("search", "answers", "streams", "history", "receipts", "notes", "documents", "lists", "changes"),
    *("numbers", "pages", "page answers", "audit", "prompts", "logs", "passages", "documents in the store"),
)


@pytest.mark.parametrize("operations", [100, pytest.param(500, marks=pytest.mark.long)])
def test_no_document_that_is_not_approved_or_out_of_sight_reaches_anybody(
    tmp_path: Path, operations: int
) -> None:
    found = run(tmp_path, operations)
    assert found.leaks == {}, found.examples
    assert {name for name in CHANNELS if not found.looked_at[name]} == set()
    assert found.answered > 0
    assert not found.statuses[422]


@pytest.mark.long
@pytest.mark.parametrize(
    ("removed", "channels"), [("removal", {"store", "search"}), ("desk", {"documents", "lists", "counts"})]
)
def test_without_enforcement_leaks_are_found(tmp_path: Path, removed: str, channels: set[str]) -> None:
    assert channels <= set(run(tmp_path, 75, removed=removed).leaks)
