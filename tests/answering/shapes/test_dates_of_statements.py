"""Whose date a statement has: its own before the note's, never that of another thing in its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.shapes import patient_notes
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.records import Document
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, lines

AUTUMN = """Rosa Marin is a 66-year-old female.

Labs: Hemoglobin A1c 8.1 (01/2020), 7.4 (06/2020), 7.0 (11/2020).

Medications:
1. Lisinopril 10 mg PO daily
2. Lantus 20 units at bedtime

Discontinued:
- metformin 500 mg BID (stopped 10/2020)

PMH: MI 2012, CABG 2013, appendectomy in 1979. Hypertension since 2001.
Family history: Father had an MI in 1990.
"""
SPRING = """Rosa Marin is a 67-year-old female.

Vitals
BP 138/80 | HR 72 | Wt 176 lb

Medications:
1. Lisinopril 20 mg PO daily
2. Lantus 24 units at bedtime
3. Amlodipine 5 mg daily

She denies smoking. She reports her weight was 190 lb two years ago. Last colonoscopy 2012, repeat colonoscopy
scheduled for 03/2022.

Plan: Increase amlodipine to 10 mg. If creatinine rises above 2.5, refer to nephrology. Call if temperature over 101.
"""
STAY = """Rosa Marin was admitted with pneumonia. Discharge weight 79 kg.

Discharge medications:
- Lisinopril 10 mg daily
- Levofloxacin 750 mg daily for 5 days
"""
MARCH = "Rosa Marin is a 67-year-old female. Temperature was 38.4 C."


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[EmbeddedStore]:
    documents = [
        Document("a", "q1", "Progress note", AUTUMN, "2020-11-20", "ward"),
        Document("s", "q1", "Discharge summary", STAY, "2020-12-15", "ward"),
        Document("b", "q1", "Progress note", SPRING, "2021-03-03", "ward"),
        Document("m", "q1", "Progress note", MARCH, "2021-04-03", "ward"),
    ]
    with stored(tmp_path, documents) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "When did Rosa Marin have her MI?",
            ['2012, in the note of 2020-11-20: "PMH: MI 2012, CABG 2013, appendectomy in 1979." [1]'],
        ),
        (
            "When was Rosa Marin's CABG?",
            ['2013, in the note of 2020-11-20: "PMH: MI 2012, CABG 2013, appendectomy in 1979." [1]'],
        ),
        (
            "Since when has Rosa Marin had hypertension?",
            ['2001, in the note of 2020-11-20: "Hypertension since 2001." [1]'],
        ),
        (
            "When was metformin stopped for Rosa Marin?",
            [
                '2020-10, in the note of 2020-11-20: "Discontinued: - metformin 500 mg BID (stopped 10/2020)" [1]'
            ],
        ),
        (
            "When was Rosa Marin's last colonoscopy?",
            [
                (
                    '2012, in the note of 2021-03-03: "Last colonoscopy 2012, repeat colonoscopy scheduled for'
                    ' 03/2022." [1]'
                )
            ],
        ),
        (
            "What is Rosa Marin's latest weight?",
            ['2021-03-03: "BP 138/80 | HR 72 | Wt 176 lb" [1]'],
        ),
        (
            "What was Rosa Marin's weight at the last admission?",
            ['2020-12-15: "Discharge weight 79 kg." [1]'],
        ),
        (
            "What was Rosa Marin's temperature on 03/04/2021?",
            ['2021-04-03: "Temperature was 38.4 C." [1]'],
        ),
        (
            "When was Rosa Marin started on Lantus?",
            [
                "When it began, no note says. First stated:",
                '2020-11-20: "Lantus 20 units at bedtime" [1]',
            ],
        ),
        (
            "What medications was Rosa Marin on at the first visit?",
            [
                "Medications (Progress note, 2020-11-20):",
                '"Lisinopril 10 mg PO daily" [1]',
                '"Lantus 20 units at bedtime" [2]',
                '"Discontinued: - metformin 500 mg BID (stopped 10/2020)" [3]',
            ],
        ),
    ],
)
def test_when_it_was(notes: EmbeddedStore, question: str, told: list[str]) -> None:
    assert lines(asked(question, notes)) == told


def test_a_row_of_values_has_all_its_dates(notes: EmbeddedStore) -> None:
    assert lines(asked("What is the trend of Rosa Marin's A1c?", notes)) == [
        "3 values from 2020-01 to 2020-11:",
        (
            "2020-01 and 2020-06 and 2020-11, in the note of 2020-11-20: "
            '"Labs: Hemoglobin A1c 8.1 (01/2020), 7.4 (06/2020), 7.0 (11/2020)." [1]'
        ),
    ]


def test_what_is_told_of_before_is_no_value_of_the_notes_day(notes: EmbeddedStore) -> None:
    told = lines(asked("How has Rosa Marin's weight changed?", notes))
    assert 'told in the note of 2021-03-03: "She reports her weight was 190 lb two years ago." [2]' in told


@pytest.mark.parametrize(
    "question",
    [
        "What is Rosa Marin's latest creatinine?",
        "When did Rosa Marin start smoking?",
        "What was Rosa Marin's temperature in 2020?",
        "What was Rosa Marin's weight before 2020-12-15?",
    ],
)
def test_a_condition_a_denial_and_another_time_are_no_values(notes: EmbeddedStore, question: str) -> None:
    told = asked(question, notes)
    assert not told.citations or lines(told)[0].startswith("Only as denied, planned")


def test_what_was_started_since_a_day_is_what_the_later_list_has_more(notes: EmbeddedStore) -> None:
    told = lines(asked("Which medications were started since 2021-01-01 for Rosa Marin?", notes))
    assert '2021-03-03: "Amlodipine 5 mg daily"' in " ".join(told)
    assert "Medication, listed on 2021-03-03 and not on 2020-12-15:" in told


def test_of_more_passages_than_are_read_those_with_its_words_are(
    notes: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient_notes, "PASSAGES_MAX", 2)
    told = lines(asked("What is Rosa Marin's latest temperature?", notes))
    assert told[-1] == '2021-04-03: "Temperature was 38.4 C." [1]'
    assert told[0].startswith("Of ")


def test_two_patients_whole_are_their_lists(tmp_path: Path) -> None:
    karl = "Karl Ott is a 50-year-old male. He takes lisinopril 40 mg daily."
    documents = [
        Document("b", "q1", "Progress note", SPRING, "2021-03-03", "ward"),
        Document("k", "q2", "Progress note", karl, "2021-01-01", "ward"),
    ]
    with stored(tmp_path, documents) as store:
        told = asked("Compare patients q1 and q2.", store)
    assert lines(told)[0] == "Medications, problems and allergies, side by side:"
    assert {citation.patient_id for citation in told.citations} == {"q1", "q2"}
    assert all(
        f"Patient {citation.patient_id}, " in statement.text
        for statement in told.statements
        for citation in statement.citations
    )
