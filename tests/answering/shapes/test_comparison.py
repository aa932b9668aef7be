"""Two patients, and two visits of one, side by side, over notes in a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.records import Document
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, lines

SPRING = """Nora Lindqvist is a 58-year-old female.

VITAL SIGNS

Weight: 81 kg.

MEDICATIONS

- ramipril 2.5 mg daily
- metformin 500 mg twice daily
- aspirin 81 mg daily

ALLERGIES

Penicillin.
"""
AUTUMN = """Nora Lindqvist is a 58-year-old female.

VITAL SIGNS

Weight: 77 kg.

MEDICATIONS

- ramipril 5 mg daily
- metformin 500 mg twice daily
- atorvastatin 20 mg nightly

ALLERGIES

Penicillin.
"""
EARLIEST = """Nora Lindqvist is a 50-year-old female.

VITAL SIGNS

Weight: 90 kg.
"""
PAVEL = """Pavel Horak is a 40-year-old male. His mother weighs 60 kg.

VITAL SIGNS

Blood pressure: 150/100 mmHg.

ALLERGIES

No known allergies.

MEDICATIONS

- lisinopril 10 mg daily
"""
IDA = """Ida Berg is a 33-year-old female.

VITAL SIGNS

Weight: 66 kg.

MEDICATIONS

- lisinopril 20 mg daily
"""


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[EmbeddedStore]:
    documents = [
        Document("n0", "q1", "Visit note", EARLIEST, "2011-02-03", "ward"),
        Document("n1", "q1", "Visit note", SPRING, "2019-03-04", "ward"),
        Document("n2", "q1", "Visit note", AUTUMN, "2019-10-01", "ward"),
        Document("o1", "q2", "Visit note", PAVEL, "2022-01-05", "ward"),
        Document("i1", "q3", "Visit note", IDA, "2021-01-05", "ward"),
    ]
    with stored(tmp_path, documents) as store:
        yield store


def test_each_patient_has_a_group_of_lines_of_that_patients_notes(notes: EmbeddedStore) -> None:
    told = asked("Compare the lisinopril doses of Pavel Horak and Ida Berg.", notes)
    assert lines(told) == [
        "Lisinopril, side by side:",
        "Pavel Horak (q2):",
        'Patient q2, 2022-01-05: "lisinopril 10 mg daily" [1]',
        "Ida Berg (q3):",
        'Patient q3, 2021-01-05: "lisinopril 20 mg daily" [2]',
    ]


@pytest.mark.parametrize(
    "question",
    [
        "Compare the weight of Pavel Horak and Ida Berg.",
        "Who weighs more, Pavel Horak or Ida Berg?",
        "What are the weights of patients q2 and q3?",
        "Ida Berg versus Pavel Horak: weight",
    ],
)
def test_who_has_none_is_said_to_have_none_and_not_given_the_others(
    notes: EmbeddedStore, question: str
) -> None:
    told = asked(question, notes)
    assert "Pavel Horak (q2): not stated." in lines(told)
    assert 'Patient q3, 2021-01-05: "Weight: 66 kg." [1]' in lines(told)
    assert [citation.patient_id for citation in told.citations] == ["q3"]


def test_lists_of_two_patients_are_those_of_each(notes: EmbeddedStore) -> None:
    told = lines(asked("How do the allergies of Nora Lindqvist and Pavel Horak differ?", notes))
    assert told == [
        "Allergy, side by side:",
        "Nora Lindqvist (q1):",
        'Patient q1, 2019-10-01: "Penicillin" [1]',
        "Pavel Horak (q2):",
        'Patient q2, 2022-01-05: "No known allergies" [2]',
    ]


def test_of_a_thing_that_neither_has_nothing_is_stated(notes: EmbeddedStore) -> None:
    told = asked("Compare the ferritin of Pavel Horak and Ida Berg.", notes)
    assert (told.reason, told.statements) == ("not_stated", ())


@pytest.mark.parametrize(
    "question",
    [
        "What changed in Nora Lindqvist's medications since the last visit?",
        "Compare Nora Lindqvist's medications on 2019-03-04 and on 2019-10-01.",
        "How do Nora Lindqvist's medications differ between the last two visits?",
        "Which of Nora Lindqvist's medications are new since her previous visit?",
    ],
)
def test_two_visits_lists_are_told_apart_item_by_item(notes: EmbeddedStore, question: str) -> None:
    assert lines(asked(question, notes)) == [
        "Medication, listed on 2019-10-01 and not on 2019-03-04:",
        '2019-10-01: "atorvastatin 20 mg nightly" [1]',
        "Medication, listed on 2019-03-04 and not on 2019-10-01:",
        '2019-03-04: "aspirin 81 mg daily" [2]',
        "Medication, listed differently on 2019-03-04 and on 2019-10-01:",
        '2019-03-04: "ramipril 2.5 mg daily" [3]',
        '2019-10-01: "ramipril 5 mg daily" [4]',
        "Medication, listed alike on 2019-03-04 and on 2019-10-01:",
        '2019-10-01: "metformin 500 mg twice daily" [5]',
    ]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "Compare Nora Lindqvist's weight on 2019-03-04 and on 2019-10-01.",
            [
                "Weight, side by side:",
                "2019-03-04:",
                '2019-03-04: "Weight: 81 kg." [1]',
                "2019-10-01:",
                '2019-10-01: "Weight: 77 kg." [2]',
            ],
        ),
        (
            "Has Nora Lindqvist gained weight since the first visit?",
            [
                "Weight, side by side:",
                "2011-02-03:",
                '2011-02-03: "Weight: 90 kg." [1]',
                "2019-10-01:",
                '2019-10-01: "Weight: 77 kg." [2]',
            ],
        ),
        (
            "Compare Nora Lindqvist's weight on 2018-03-04 and on 2019-10-01.",
            [
                "Weight, side by side:",
                "2018-03-04: not stated.",
                "2019-10-01:",
                '2019-10-01: "Weight: 77 kg." [1]',
            ],
        ),
    ],
)
def test_values_of_two_visits_stand_under_their_days(
    notes: EmbeddedStore, question: str, told: list[str]
) -> None:
    assert lines(asked(question, notes)) == told


def test_a_list_that_one_visit_does_not_have_is_not_called_new(notes: EmbeddedStore) -> None:
    told = lines(asked("Compare Nora Lindqvist's medications at the first and the last visit.", notes))
    assert told[0] == "Medication, listed on 2019-10-01; the notes of 2011-02-03 have no list:"
