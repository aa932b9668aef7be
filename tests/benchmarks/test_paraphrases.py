"""The measurement of verification: same seed, same statements; and a small one of them, on the notes that ship."""

from __future__ import annotations

import json
from functools import cache

import pytest

from benchmarks.paraphrases import DEMO, FALSE, TRUE, Case, Corpus, cases, leaves
from pipeline.records import Document


@cache
def corpus() -> Corpus:
    rows = map(json.loads, (DEMO / "aci_bench.jsonl").read_text("utf-8").splitlines()[:40])
    return Corpus(
        [
            Document(row["resource_id"], row["patient_id"], row["document_type"], row["text_content"])
            for row in rows
        ]
    )


def made(true: bool) -> list[Case]:
    return cases(corpus(), TRUE if true else FALSE, seed=4, count=120)


@pytest.mark.parametrize("true", [True, False])
def test_the_same_seed_makes_the_same_statements(true: bool) -> None:
    assert made(true) == made(true)
    assert len({case.kind for case in made(true)}) >= 0.8 * len(TRUE if true else FALSE)


def test_false_ones_are_caught_and_true_ones_leave() -> None:
    assert sum(leaves(case, corpus()) for case in made(False)) <= 0.02 * 120
    assert sum(not leaves(case, corpus()) for case in made(True)) <= 0.04 * 120
