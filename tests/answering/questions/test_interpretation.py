"""What a question asks for, read from its words: many small questions, one line each."""

from __future__ import annotations

import time

import pytest

from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.plan import AnswerShape, AskedTime, ThingKind, Whom

WHO, YES_NO, LIST, FACT = AnswerShape.WHO, AnswerShape.YES_NO, AnswerShape.LIST, AnswerShape.FACT
MEDICATION, ALLERGY, PROBLEM = ThingKind.MEDICATION, ThingKind.ALLERGY, ThingKind.PROBLEM


@pytest.mark.parametrize(
    ("question", "whom", "written"),
    [
        ("What medications is Anna Mitchell on?", "name", ["Anna Mitchell"]),
        ("What was the blood pressure of patient D2N006?", "id", ["D2N006"]),
        ("Compare the heart rates of patients D2N045 and D2N060.", "id", ["D2N045", "D2N060"]),
        (
            "What is patient 14827fac-364b-9149-bb4f-840c3d51f23f allergic to?",
            "id",
            ["14827fac-364b-9149-bb4f-840c3d51f23f"],
        ),
        ("How has Isaura563 Turner526's insurance changed?", "name", ["Isaura563 Turner526"]),
        ("What is Ms. Russell allergic to?", "name", ["Russell"]),
        (
            "Compare the allergies of Sophia Jackson and Sophia Brown.",
            "name",
            ["Sophia Jackson", "Sophia Brown"],
        ),
        ("What is she allergic to?", "pronoun", []),
        ("Does the patient have chest pain?", "pronoun", []),
        ("Which patients have diabetes?", "everyone", []),
        ("Who takes lisinopril?", "everyone", []),
        ("How many patients have gout?", "everyone", []),
        ("Any allergies to penicillin?", "open", []),
        ("What did the x-ray of the knee show?", "open", []),
    ],
)
def test_whom(question: str, whom: Whom, written: list[str]) -> None:
    patients = plan_of(question).patients
    assert (patients.whom, [each.text for each in patients.written]) == (whom, written)


@pytest.mark.parametrize(
    ("question", "shape", "kind", "finding"),
    [
        ("Which patients have diabetes?", WHO, None, "diabetes"),
        ("List all patients with atrial fibrillation.", WHO, None, "atrial fibrillation"),
        ("Show me all patients who take metformin", WHO, MEDICATION, "metformin"),
        ("Patients with gout?", WHO, None, "gout"),
        ("Who takes lisinopril?", WHO, MEDICATION, "lisinopril"),
        ("Who is allergic to penicillin?", WHO, ALLERGY, "penicillin"),
        ("Which patients are on digoxin?", WHO, MEDICATION, "digoxin"),
        ("Which patients have had a heart attack?", WHO, None, "heart attack"),
        ("Which patients suffer from depression?", WHO, None, "depression"),
        ("Which patients were given a Td vaccine?", WHO, ThingKind.PROCEDURE, "Td vaccine"),
        ("How many patients take metformin?", AnswerShape.COUNT, MEDICATION, "metformin"),
        ("Has Martha Collins had a heart attack?", YES_NO, None, "heart attack"),
        ("Is Martha Collins taking metformin?", YES_NO, MEDICATION, "metformin"),
        ("Is he allergic to aspirin?", YES_NO, ALLERGY, "aspirin"),
        ("Does Bobbye345 Harris789 have an allergy to aspirin?", YES_NO, ALLERGY, "aspirin"),
        ("Any allergies to penicillin?", YES_NO, ALLERGY, "penicillin"),
        ("Does the patient have a fever?", YES_NO, None, "fever"),
        ("Has the patient ever been diagnosed with COPD?", YES_NO, PROBLEM, "COPD"),
        ("Is there papilledema?", YES_NO, None, "papilledema"),
        ("What medications is Anna Mitchell on?", LIST, MEDICATION, None),
        ("What does Sophia Brown take?", LIST, MEDICATION, None),
        ("List the current medications of Christine Hernandez.", LIST, MEDICATION, None),
        ("What is she allergic to?", LIST, ALLERGY, None),
        ("Does Ms. Russell have allergies?", LIST, ALLERGY, None),
        ("What are the diagnoses of Martha Collins?", LIST, PROBLEM, None),
        ("What operations has patient MTST0064 had?", LIST, ThingKind.PROCEDURE, None),
        ("What are the vital signs of patient D2N035?", LIST, ThingKind.VITAL, None),
        ("Summarise the visit of Anna Mitchell", AnswerShape.SUMMARY, ThingKind.WHOLE_VISIT, None),
        ("What happened at the visit of Sophia Brown?", AnswerShape.SUMMARY, ThingKind.WHOLE_VISIT, None),
        ("Compare the allergies of Sophia Jackson and Sophia Brown.", AnswerShape.COMPARE, ALLERGY, None),
        ("How has her insurance changed over the visits?", AnswerShape.TREND, ThingKind.SOCIAL, None),
        ("What was the blood pressure of patient D2N006?", FACT, ThingKind.VITAL, "blood pressure"),
        ("What is the A1c of John Brooks?", FACT, ThingKind.LABORATORY, "A1c"),
        ("What did the CT scan show?", FACT, ThingKind.IMAGING, None),
    ],
)
def test_shape_kind_and_finding(
    question: str, shape: AnswerShape, kind: ThingKind | None, finding: str | None
) -> None:
    plan = plan_of(question)
    assert (plan.shape, plan.kind, plan.finding) == (shape, kind, finding)


@pytest.mark.parametrize(
    "question",
    [
        "Which patients had a kidney transplant, and how is the transplanted kidney doing?",
        "Which patients have chest and abdominal pain?",
        "What heart medicines is Stephanie Diaz on?",
        "What was patient D2N015 prescribed for COPD?",
        "What was Bryan Smith started on?",
        "Is Anna Mitchell's left knee swollen?",
        "Which dose of ibuprofen was Anna Diaz given?",
    ],
)
def test_what_asks_for_more_than_its_frame_takes_has_words_left_over(question: str) -> None:
    plan = plan_of(question)
    assert plan.rest or plan.shape is None or plan.part


@pytest.mark.parametrize(
    "question", ["", "?", "§", "Hmm", "allergies and medications and everything else of note, please, thanks"]
)
def test_rather_unknown_than_a_wrong_guess(question: str) -> None:
    assert plan_of(question).finding is None


@pytest.mark.parametrize(
    ("question", "time"),
    [
        ("What is her latest weight?", AskedTime("latest")),
        ("What was his first blood pressure?", AskedTime("first")),
        ("What is she taking?", AskedTime()),
        ("What happened since 2020-01-05?", AskedTime(since="2020-01-05", days=("2020-01-05",))),
        ("Which labs were done before March 2021?", AskedTime(until="2021-03", days=("2021-03",))),
        (
            "Which labs were done between 2019 and 2020?",
            AskedTime(since="2019", until="2020", days=("2019", "2020")),
        ),
        (
            "Summarise the visit of Anna Mitchell on November 6, 2020.",
            AskedTime(since="2020-11-06", until="2020-11-06", days=("2020-11-06",)),
        ),
        ("What was she given during her last admission?", AskedTime(stay=True)),
        ("What did he take last week?", AskedTime(relative=True)),
        ("What was Ms. Hill taking before the accident?", AskedTime(relative=True)),
        ("What is his temperature on 03/04/2021?", AskedTime()),
    ],
)
def test_when(question: str, time: AskedTime) -> None:
    assert plan_of(question).time == time


@pytest.mark.parametrize(
    ("question", "negated"),
    [
        ("Which patients do not take aspirin?", True),
        ("Who denies chest pain?", True),
        ("Which patients have no fever?", False),
        ("Which patients take aspirin?", False),
    ],
)
def test_whether_those_who_do_not_are_asked_for(question: str, negated: bool) -> None:
    assert plan_of(question).negated is negated


def test_a_question_is_read_in_a_fraction_of_a_millisecond_however_it_is_built() -> None:
    hostile = (
        "which patients " + "have had " * 40,
        "how many visits " + "was § " * 60 + "!",
        "how many visits " + "of § " * 70,
        "is § " * 70,
        "what " + "a-" * 190,
        "the " * 99,
        "§'s " * 90,
    )
    began = time.process_time()
    for question in hostile:
        plan_of(question)
    assert time.process_time() - began < 0.5
