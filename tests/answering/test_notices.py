"""What filters did that the user may not expect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.answering.notices import not_final, notices_of, sentence
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import StoreSettings
from pipeline.records import AccessScope, Document, Filters, NearValue, Notice
from pipeline.storage.sqlite import Database
from tests.contracts.store import SPACE, axis, note


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    opened = EmbeddedStore(Database(tmp_path / "notes.sqlite"), StoreSettings())
    opened.prepare(SPACE)
    rows = (
        ("1", "p3", "progress note", "neurology", "2024-04-01"),
        ("2", "p3", "Progress note", "Neurology", "2024-04-02"),
        ("3", "p4", "Letter", "neurology", None),
        ("4", "007", "Letter", None, None),
        ("5", "Patient/9", "Letter", None, "2023"),
    )
    opened.upsert(
        [
            note(name, ("finding", axis(0)), patient_id=patient, document_type=kind, domain=domain, date=day)
            for name, patient, kind, domain, day in rows
        ]
    )
    return opened


def told(store: EmbeddedStore, filters: Filters, *, found: bool = False) -> list[str]:
    return [sentence(each) for each in notices_of(filters, store, found=found)]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (Filters(patient_ids=("P3",)), ["No note has patient P3 (p3 has 2)."]),
        (Filters(patient_ids=("Patient/p3",)), ["No note has patient Patient/p3 (p3 has 2)."]),
        (Filters(patient_ids=(" p3 ",)), ["No note has patient  p3  (p3 has 2)."]),
        (Filters(patient_ids=("MRN: p3",)), ["No note has patient MRN: p3 (p3 has 2)."]),
        (Filters(patient_ids=("http://a.example/fhir/Patient/p3",)), None),
        (Filters(patient_ids=("p-3",)), ["No note has patient p-3 (p3 has 2)."]),
        (Filters(patient_ids=("9",)), ["No note has patient 9 (Patient/9 has 1)."]),
        (Filters(patient_ids=("7",)), ["No note has patient 7 (007 has 1)."]),
        (Filters(patient_ids=("p5",)), ["No note has patient p5."]),
        (Filters(patient_ids=("p",)), ["No note has patient p."]),
        (
            Filters(domains=("NEUROLOGY",)),
            ["No note has domain NEUROLOGY (Neurology has 1, neurology has 2)."],
        ),
        (Filters(domains=("Neurolgy",)), ["No note has domain Neurolgy (Neurology has 1, neurology has 2)."]),
        (Filters(domains=("surgery",)), ["No note has domain surgery."]),
        (
            Filters(document_types=("Progress Notes",)),
            ["No note has type Progress Notes (Progress note has 1, progress note has 1)."],
        ),
        (Filters(since="2025-01-01"), None),
        (
            Filters(patient_ids=("p4",), since="2020-01-01"),
            ["1 of 1 notes has no date and is left out by the dates given."],
        ),
        (
            Filters(patient_ids=("p3",), until="2020-01-01"),
            ["No note is of the dates given; 2 are of other dates."],
        ),
        (
            Filters(patient_ids=("p4",), document_types=("Progress note",)),
            [
                "Only type Progress note was looked at; other notes have type progress note (1).",
                "Each filter admits notes, but no note passes all of them.",
            ],
        ),
        (
            Filters(patient_ids=("p4",), domains=("Neurology",), document_types=("Letter",)),
            [
                "Only domain Neurology was looked at; other notes have domain neurology (2).",
                "Each filter admits notes, but no note passes all of them.",
            ],
        ),
        (
            Filters(patient_ids=("007",), document_types=("Letter",), domains=("nobody",)),
            ["No note has domain nobody."],
        ),
        (Filters(), []),
    ],
    ids=str,
)
def test_a_filter_that_admits_nothing_is_explained(
    store: EmbeddedStore, filters: Filters, words: list[str] | None
) -> None:  # field case 17
    said = told(store, filters)
    assert said if words is None else said == words


def test_an_answered_question_is_told_what_its_filters_left_out(store: EmbeddedStore) -> None:
    assert notices_of(Filters(since="2020-01-01"), store, found=True) == (
        Notice("undated_left_out", "date", notes=2, of=5),
    )
    assert notices_of(Filters(document_types=("Progress note",)), store, found=True) == (
        Notice(
            "value_written_otherwise", "document_type", "Progress note", near=(NearValue("progress note", 1),)
        ),
    )
    assert told(store, Filters(patient_ids=("p3", "P4")), found=True) == [
        "No note has patient P4 (p4 has 1)."
    ]
    assert notices_of(Filters(patient_ids=("p3",), since="2020-01-01"), store, found=True) == ()


@pytest.mark.parametrize(
    ("hidden", "invented", "scope"),
    [
        (
            Filters(patient_ids=("P3",)),
            Filters(patient_ids=("P8",)),
            AccessScope(patient_ids=frozenset({"p4"})),
        ),
        (
            Filters(patient_ids=("p3",)),
            Filters(patient_ids=("p8",)),
            AccessScope(patient_ids=frozenset({"p4"})),
        ),
        (
            Filters(domains=("neurolgy",)),
            Filters(domains=("invented",)),
            AccessScope(domains=frozenset({"surgery"})),
        ),
        (
            Filters(document_types=("Progress Notes",)),
            Filters(document_types=("Invented",)),
            AccessScope(patient_ids=frozenset({"p4"})),
        ),
        (
            Filters(document_types=("Letter",), since="2020-01-01"),
            Filters(document_types=("Letter",), since="2021-01-01"),
            AccessScope(patient_ids=frozenset({"nobody"})),
        ),
    ],
)
def test_what_is_out_of_sight_is_not_hinted_at(
    store: EmbeddedStore, hidden: Filters, invented: Filters, scope: AccessScope
) -> None:
    def said(filters: Filters) -> list[Notice]:
        found = notices_of(replace(filters, scope=scope), store, found=False)
        return [replace(each, value=None) for each in found]

    assert said(hidden) == said(invented)
    assert not any(each.near for each in said(hidden))


def test_no_filter_costs_nothing_and_one_patient_found_costs_nothing(store: EmbeddedStore) -> None:
    store.close()
    assert notices_of(Filters(), store, found=True) == ()
    assert notices_of(Filters(patient_ids=("p3",)), store, found=True) == ()


def test_cited_notes_that_are_not_final_are_named() -> None:  # field case A3
    def of(name: str, **metadata: str) -> Document:
        return Document(name, "p1", "Letter", "Text.", metadata=metadata)

    notices = not_final(
        [
            of("1", status="current", doc_status="preliminary"),
            of("2", status="final"),
            of("3", status="current", doc_status="amended"),
            of("4", status="Superseded"),
            of("5", status="active"),
            of("6", status="preliminary"),
            of("7"),
        ]
    )
    assert [sentence(notice) for notice in notices] == [
        "2 notes cited are not final (preliminary): 1, 6.",
        "1 note cited is not final (superseded): 4.",
    ]
    assert sentence(replace(notices[0], near=())) == "2 notes cited are not final (preliminary)."
