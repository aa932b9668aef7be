"""Statements as a model writes them, in its own order and its own words, over real notes that do not ship with the
project; each set was written before the rules were looked at, and the rules were corrected by what it found."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from pipeline.answering.verification import check_statement
from pipeline.indexing.chunking import chunk_document
from pipeline.records import Document, Hit

TESTS = Path(__file__).resolve().parents[1]
NOTES = TESTS.parents[1] / "shared" / "data" / "notes"
CASES = [
    json.loads(line) for line in (TESTS / "data" / "free_statements.jsonl").read_text("utf-8").splitlines()
]
CAUGHT_MIN = 0.98
WITHHELD_MAX = 0.18
"""Too many, and known: what follows from a sentence without standing in it is not let out."""

pytestmark = pytest.mark.skipif(
    not NOTES.is_dir(), reason="the developers' notes are not next to this checkout"
)


@cache
def notes() -> dict[str, Document]:
    found = {}
    for name in ("aci_bench", "mts_dialog", "mtsamples"):
        for line in (NOTES / f"{name}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            text = row.get("note") or row.get("text") or row["section_text"]
            found[row["id"]] = Document(row["id"], "p1", "note", text)
    return found


@cache
def passages(note: str) -> tuple[Hit, ...]:
    chunks = chunk_document(
        notes()[note], count_tokens=lambda texts: [len(text.split()) for text in texts], tokens_max=180
    )
    return tuple(
        Hit(
            each.chunk_id,
            note,
            "p1",
            "note",
            None,
            None,
            each.section,
            each.text,
            each.start,
            each.end,
            0.7,
            0,
            each.offsets,
        )
        for each in chunks
    )


def leaves(case: dict[str, str]) -> bool:
    found = passages(case["note"])
    cited = next(hit for hit in found if case["at"] in hit.text)
    return check_statement(case["statement"], (cited, *found), notes().get) is not None


def test_what_is_false_is_caught_and_most_of_what_is_true_leaves() -> None:
    false = [case for case in CASES if case["kind"] != "true"]
    true = [case for case in CASES if case["kind"] == "true"]
    assert sum(not leaves(case) for case in false) >= CAUGHT_MIN * len(false)
    assert sum(not leaves(case) for case in true) <= WITHHELD_MAX * len(true)
    assert len(false) > 390
    assert len(true) > 260
