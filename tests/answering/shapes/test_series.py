"""Values and events in time, over notes in a real store: each with its date, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.records import Document
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, lines

FIRST_VISIT = """Nora Lindqvist is a 58-year-old female.

VITAL SIGNS

Blood pressure: 148/92 mmHg. Weight: 81 kg.

SOCIAL HISTORY

She smokes one pack a day. She has Medicaid.

MEDICATIONS

- ramipril 2.5 mg daily

RESULTS

- Creatinine 1.1 mg/dL

PROCEDURES

She was given a tetanus vaccine.
"""
SECOND_VISIT = """Nora Lindqvist is a 59-year-old female. Her mother's creatinine was 4.0 mg/dL.

VITAL SIGNS

Blood pressure: 139/85 mmHg.

SOCIAL HISTORY

She smokes one pack a day. She is covered by Aetna.

RESULTS

- Creatinine 1.4 mg/dL
- Creatinine on 2018-11-30: 0.9 mg/dL
"""
THIRD_VISIT = """Nora Lindqvist is a 61-year-old female.

HISTORY OF PRESENT ILLNESS

She quit smoking. She had a colonoscopy in 03/2020.
Her next colonoscopy is scheduled for 04/2025. She denies chest pain.

VITAL SIGNS

Blood pressure: 131/79 mmHg. Blood pressure, repeated: 128/80 mmHg.

MEDICATIONS

- ramipril 2.5 mg daily

ASSESSMENT AND PLAN

Increase ramipril to 5 mg daily. Goal creatinine below 1.3 mg/dL. Repeat potassium next week.
"""
OTHER = (
    "Pavel Horak is a 40-year-old male. Blood pressure: 150/100 mmHg. Creatinine 7.7 mg/dL. He has Humana."
)


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[EmbeddedStore]:
    documents = [
        Document("n1", "q1", "Visit note", FIRST_VISIT, "2019-03-04", "ward"),
        Document("n2", "q1", "Visit note", SECOND_VISIT, "2020-06-01", "ward"),
        Document("n3", "q1", "Visit note", THIRD_VISIT, "2021-09-15", "ward"),
        Document("u1", "q1", "Letter", "Nora Lindqvist. Ferritin 12 ng/mL.", None, "ward"),
        Document("o1", "q2", "Visit note", OTHER, "2022-01-05", "ward"),
    ]
    with stored(tmp_path, documents) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (
            "What is the latest blood pressure of Nora Lindqvist?",
            [
                '2021-09-15: "Blood pressure: 131/79 mmHg." [1]',
                '2021-09-15: "Blood pressure, repeated: 128/80 mmHg." [2]',
            ],
        ),
        ("Latest creatinine of Nora Lindqvist?", ['2020-06-01: "Creatinine 1.4 mg/dL" [1]']),
        (
            "What was Nora Lindqvist's first creatinine?",
            ['2018-11-30, in the note of 2020-06-01: "Creatinine on 2018-11-30: 0.9 mg/dL" [1]'],
        ),
        (
            "How old was Nora Lindqvist at the first visit?",
            ['2019-03-04: "Nora Lindqvist is a 58-year-old female." [1]'],
        ),
        ("Which insurance does Nora Lindqvist have now?", ['2020-06-01: "She is covered by Aetna." [1]']),
        (
            "What insurance did Nora Lindqvist have on 2019-03-04?",
            ['2019-03-04: "She has Medicaid." [1]'],
        ),
        ("What was Nora Lindqvist's first insurance?", ['2019-03-04: "She has Medicaid." [1]']),
        ("How much does Nora Lindqvist smoke now?", ['2021-09-15: "She quit smoking." [1]']),
        (
            "When was Nora Lindqvist last given a tetanus vaccine?",
            ['2019-03-04: "She was given a tetanus vaccine." [1]'],
        ),
        (
            "When was the last colonoscopy of Nora Lindqvist?",
            ['2020-03, in the note of 2021-09-15: "She had a colonoscopy in 03/2020." [1]'],
        ),
        (
            "What was the blood pressure of Nora Lindqvist in 2020?",
            ['2020-06-01: "Blood pressure: 139/85 mmHg." [1]'],
        ),
        (
            "What was the weight of Nora Lindqvist before 2020-01-01?",
            ['2019-03-04: "Weight: 81 kg." [1]'],
        ),
        ("What is the latest ferritin of Nora Lindqvist?", ['undated note: "Ferritin 12 ng/mL." [1]']),
        (
            "What dose of ramipril is Nora Lindqvist on now?",
            [
                '2021-09-15: "Increase ramipril to 5 mg daily." [1]',
                '2021-09-15: "ramipril 2.5 mg daily" [2]',
            ],
        ),
    ],
)
def test_a_value_is_that_of_its_time_with_its_date(
    notes: EmbeddedStore, question: str, told: list[str]
) -> None:
    answer = asked(question, notes)
    assert lines(answer) == told
    assert {citation.patient_id for citation in answer.citations} == {"q1"}


@pytest.mark.parametrize(
    "question",
    [
        "What is the latest potassium of Nora Lindqvist?",
        "What is the latest troponin of Nora Lindqvist?",
        "What was the weight of Nora Lindqvist on 2021-09-15?",
        "What was the blood pressure of Nora Lindqvist in 2017?",
        "What was the creatinine of Nora Lindqvist after 2022-01-01?",
        "Which immunizations was Nora Lindqvist given on 2015-05-05?",
        "When was Nora Lindqvist last given a rabies vaccine?",
        "When did Nora Lindqvist last have chest pain?",
    ],
)
def test_what_no_note_states_of_that_time_is_not_shown_as_if_it_did(
    notes: EmbeddedStore, question: str
) -> None:
    told = asked(question, notes)
    assert not told.citations or told.statements[0].text.startswith("Only as denied, planned")


def test_a_trend_is_every_value_in_time_order_without_a_verdict(notes: EmbeddedStore) -> None:
    told = lines(asked("What is the trend of Nora Lindqvist's creatinine?", notes))
    assert told == [
        "3 values from 2018-11-30 to 2020-06-01:",
        '2018-11-30, in the note of 2020-06-01: "Creatinine on 2018-11-30: 0.9 mg/dL" [1]',
        '2019-03-04: "Creatinine 1.1 mg/dL" [2]',
        '2020-06-01: "Creatinine 1.4 mg/dL" [3]',
    ]


PAINS = """Ola Brink is a 40-year-old male.

HISTORY OF PRESENT ILLNESS

The LBP started on 12/3/2019. His headaches were 3 out of 10. They have worsened and now he rates them at 6/10. Rest
does not change the headaches. He has had four back surgeries.

RESULTS

Triglycerides were as high as 265 mg/dL. Triglycerides 145 mg/dL.
"""


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("How has the severity of Ola Brink's headaches changed since they began?", ["3 out of 10", "6/10"]),
        ("How do Ola Brink's triglycerides compare: highest ever vs now?", ["265", "145"]),
        ("When did Ola Brink's low back pain first start?", ["12/3/2019"]),
        ("How many back operations has Ola Brink had?", ["four back surgeries"]),
    ],
)
def test_what_one_note_tells_of_several_times(tmp_path: Path, question: str, quoted: list[str]) -> None:
    with stored(tmp_path, [Document("o1", "ola", "Visit note", PAINS, None, "ward")]) as store:
        told = asked(question, store)
    cited = [citation.quote for citation in told.citations]
    assert len(cited) == len(quoted)
    assert all(words in quote for words, quote in zip(quoted, cited, strict=True))
    assert not question.startswith("How many") or lines(told)[0] == "4, as the note counts it:"


def test_a_trend_keeps_to_the_time_asked_for(notes: EmbeddedStore) -> None:
    told = lines(asked("How has the blood pressure of Nora Lindqvist changed since 2020-01-01?", notes))
    assert told[0] == "3 values from 2020-06-01 to 2021-09-15:"
    assert len(told) == 4


def test_what_is_said_again_in_each_note_is_shown_where_it_changes(notes: EmbeddedStore) -> None:
    told = lines(asked("How has Nora Lindqvist's smoking changed over the visits?", notes))
    assert told == [
        "3 statements from 2019-03-04 to 2021-09-15, each shown where it changes:",
        '2019-03-04: "She smokes one pack a day." [1]',
        '2021-09-15: "She quit smoking." [2]',
    ]


def test_when_someone_was_last_seen_is_the_day_of_the_newest_note(notes: EmbeddedStore) -> None:
    told = lines(asked("When was the last visit of Nora Lindqvist?", notes))
    assert told == ['2021-09-15: "Nora Lindqvist is a 61-year-old female." [1]']
