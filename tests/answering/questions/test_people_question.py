"""Questions about several patients, however they are typed."""

from __future__ import annotations

import pytest

from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.people_question import people_question
from pipeline.answering.questions.plan import (
    Ages,
    AnswerShape,
    AskedCondition,
    AskedGroup,
    QuestionPlan,
    ThingKind,
)

MEDICATION, ALLERGY = ThingKind.MEDICATION, ThingKind.ALLERGY


@pytest.mark.parametrize(
    ("question", "finding", "kind"),
    [
        ("gout pts?", "gout", None),
        ("anybody w/ gout", "gout", None),
        ("Could you list everyone on digoxin, please?", "digoxin", MEDICATION),
        ("I'd like a list of patients with gout.", "gout", None),
        ("do we have any patients on digoxin", "digoxin", MEDICATION),
        ("who's allergic to latex", "latex", ALLERGY),
        ("show me all asthmatics", "asthma", None),
        ("gout: who has it?", "gout", None),
        ("Has anyone here had a splenectomy?", "splenectomy", None),
        ("pts s/p splenectomy", "splenectomy", None),
        ("fam hx of lung ca, who", "family history of lung cancer", ThingKind.FAMILY),
    ],
)
def test_is_read_as_which_patients(question: str, finding: str, kind: ThingKind | None) -> None:
    plan = plan_of(question)
    assert (plan.shape, plan.finding, plan.kind) == (AnswerShape.WHO, finding, kind)
    assert plan.patients.whom == "everyone"


@pytest.mark.parametrize(
    "question",
    [
        "Who is she?",
        "Who prescribed the digoxin?",
        "Who is the patient's cardiologist?",
        "What is the patient on?",
        "Does anyone in her family have diabetes?",
        "Did anyone in the family have gout?",
        "How many visits did the patient have?",
        "What medications are patients with diabetes on?",
        "List the medications of patient P12",
        "allergies - list",
    ],
)
def test_a_question_about_one_patient_is_none(question: str) -> None:
    assert people_question(question) is None


def conditions(plan: QuestionPlan) -> list[tuple[str | None, bool]]:
    return [(plan.finding, plan.negated), *((each.finding, each.negated) for each in plan.also)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("diabetics with heart failure", [("diabetes", False), ("heart failure", False)]),
        ("Who takes warfarin and aspirin?", [("warfarin", False), ("aspirin", False)]),
        ("who is on warfarin but not aspirin", [("warfarin", False), ("aspirin", True)]),
        ("patients with asthma but no COPD", [("asthma", False), ("COPD", True)]),
        ("patients with gout on allopurinol", [("gout", False), ("allopurinol", False)]),
        ("Who has gout, diabetes and asthma?", [("gout", False), ("diabetes", False), ("asthma", False)]),
        ("on lisinopril but not on a beta blocker", [("lisinopril", False), ("beta blocker", True)]),
        ("of those on lisinopril, who has diabetes?", [("lisinopril", False), ("diabetes", False)]),
        ("who smokes but doesn't drink", [("smokes", False), ("drink", True)]),
        ("gout and asthma - list", [("gout", False), ("asthma", False)]),
        ("Who is allergic to latex or other antibiotics?", [("latex", False), ("antibiotics", False)]),
        ("anyone with pain on exertion", [("pain on exertion", False)]),
    ],
)
def test_each_condition_is_told_apart(question: str, expected: list[tuple[str, bool]]) -> None:
    plan = plan_of(question)
    assert conditions(plan) == expected
    assert not plan.rest


def test_a_clause_keeps_the_verb_of_the_one_before() -> None:
    assert plan_of("Who is allergic to latex and penicillin?").also == (
        AskedCondition("penicillin", ALLERGY),
    )


@pytest.mark.parametrize(
    "question", ["Which patients have head and neck cancer?", "Who has gout or asthma and diabetes?"]
)
def test_what_cannot_be_parted_is_left_over(question: str) -> None:
    assert plan_of(question).rest


@pytest.mark.parametrize(
    ("question", "finding", "group"),
    [
        ("hypertensives over 60", "hypertension", AskedGroup(None, Ages(61))),
        ("women over 50 with osteoporosis", "osteoporosis", AskedGroup("female", Ages(51))),
        ("patients with gout who are at least 65", "gout", AskedGroup(None, Ages(65))),
        ("Patients aged 40 to 50 with gout", "gout", AskedGroup(None, Ages(40, 50))),
        ("men under 40 on lithium", "lithium", AskedGroup("male", Ages(None, 39))),
        ("pts with BP over 140", "BP over 140", AskedGroup()),
    ],
)
def test_the_group_is_told_from_what_they_have(question: str, finding: str, group: AskedGroup) -> None:
    plan = plan_of(question)
    assert (plan.finding, plan.group) == (finding, group)
