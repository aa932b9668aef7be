"""What counts as found, on a real store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.answering.retrieval import retrieve
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import AnsweringSettings, StoreSettings
from pipeline.records import Filters
from pipeline.storage.sqlite import Database
from tests.contracts.store import SPACE, axis, leaning, note


@pytest.mark.parametrize("copies", [12, 60, 200])
def test_however_often_a_note_is_copied_forward_the_one_that_says_otherwise_is_found(
    tmp_path: Path, copies: int
) -> None:
    store = EmbeddedStore(Database(tmp_path / "notes.sqlite"), StoreSettings())
    store.prepare(SPACE)
    words = "Copied forward. Patient takes metoprolol 50 mg twice daily. Day"
    copied = [
        note(f"n{day:03}", (f"{words} {day}.", leaning(0.9)), date=f"2024-01-01T00:00:{day % 60:02}")
        for day in range(copies)
    ]
    store.upsert([*copied, note("new", ("Metoprolol was stopped.", leaning(0.5)), date="2024-02-01")])
    hits = retrieve(
        "Is the patient still on metoprolol?",
        axis(0),
        Filters(),
        top_k=10,
        floor=0.2,
        store=store,
        settings=AnsweringSettings(),
    )
    assert len(hits) == 10
    assert "new" in [hit.resource_id for hit in hits]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What is the ejection fraction?", ["heart"]),
        ("What is the ejection fraction of the left ventricle?", []),
        ("What is it?", []),
    ],
)
def test_what_has_every_word_of_the_question_is_found_below_the_floor(
    tmp_path: Path, question: str, found: list[str]
) -> None:
    store = EmbeddedStore(Database(tmp_path / "notes.sqlite"), StoreSettings())
    store.prepare(SPACE)
    store.upsert(
        [
            note("heart", ("She was seen today. Ejection fraction is 45 %.", leaning(0.1))),
            note("lung", ("A fraction of the lung.", leaning(0.15))),
        ]
    )
    hits = retrieve(
        question, axis(0), Filters(), top_k=10, floor=0.2, store=store, settings=AnsweringSettings()
    )
    assert [hit.resource_id for hit in hits] == found
