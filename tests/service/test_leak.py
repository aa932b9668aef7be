"""A short run of `python -m tests.leak`, and that it finds leaks where enforcement is taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.leak import run

CHANNELS = (
    *(
        "search",
        "answers",
        "streams",
        "notes",
        "notices",
        "status",
        "history",
        "audit",
        "metrics",
        "logs",
        "prompts",
    ),
    *(
        "pages",
        "page answers",
        "suggestions",
        "suggested questions",
        "register",
        "patients",
        "errors of patients",
        "errors of notes",
        "matches by vector",
        "matches by words",
        "matches by all words",
        "lists and counts",
        "numbers told",
    ),
    "images",
    "errors of images",
    "lists of images",
    "searches by image",
    "answers with images",
    "films told",
    "matches by image",
    "documents",
    "errors of documents",
    "pages of documents",
)


@pytest.mark.parametrize(
    ("operations", "codes"),
    [(190, False), pytest.param(50, True, marks=pytest.mark.long)],
    ids=["exact", "by codes"],
)
def test_nothing_out_of_sight_reaches_anybody(tmp_path: Path, operations: int, codes: bool) -> None:
    found = run(tmp_path, operations, notes=80, codes=codes)
    assert found.leaks == {}, found.examples
    if not codes:
        assert {name for name in CHANNELS if not found.looked_at[name]} == set()
        assert found.answered > 5


@pytest.mark.long
def test_without_enforcement_leaks_are_found_everywhere(tmp_path: Path) -> None:
    found = run(tmp_path, 150, seed=2, notes=60, removed="all")
    assert {"search", "answers", "streams", "notes", "counts", "register", "images"} <= set(found.leaks)


@pytest.mark.long
def test_a_register_that_forgets_its_scope_is_found(tmp_path: Path) -> None:
    found = run(tmp_path, 170, seed=2, notes=40, removed="register")
    assert {"register", "patients", "pages"} <= set(found.leaks)


@pytest.mark.long
def test_a_retriever_that_forgets_its_scope_is_found_although_what_it_finds_goes_no_further(
    tmp_path: Path,
) -> None:
    found = run(tmp_path, 40, seed=2, notes=60, removed="legs")
    assert set(found.leaks) - {"retriever by all words"} == {"retriever by vector", "retriever by words"}
