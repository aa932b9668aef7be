"""What clinicians type short is read as what it stands for, and what is two things is left."""

from __future__ import annotations

import pytest

from pipeline.answering.questions.asked.patients import asked_patients, framed
from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.plan import AnswerShape, ThingKind
from pipeline.answering.questions.shorthand import spelled_out


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("any fam hx of breast ca?", "any family history of breast cancer?"),
        ("whats § on, what's been stopped", "what is § on, what has been stopped"),
        ("who is § going to stay with", "who will § stay with"),
        ("is § going to the clinic", "is § going to the clinic"),
        ("§'s pressure in the ER", "§'s blood pressure in the ER"),
        ("§'s pressure ulcer", "§'s pressure ulcer"),
        ("is the polyp path back", "is the polyp pathology back"),
        ("pts w/o dx'd asthma", "patients without diagnosed asthma"),
        ("24 hr Holter, PT and Ca level", "24 hr Holter, PT and Ca level"),
        ("§'s EpiPen and epi-pen", "§'s EpiPen and epi-pen"),
    ],
)
def test_what_is_typed_short(typed: str, read: str) -> None:
    assert spelled_out(typed) == read


def test_patients_typed_short_are_several_and_this_one_is_a_pronoun() -> None:
    plan = plan_of("which pts are on allopurinol")
    assert (plan.shape, plan.patients.whom, plan.finding) == (AnswerShape.WHO, "everyone", "allopurinol")
    assert framed("does this pt smoke", asked_patients("does this pt smoke")) == "does § smoke"


@pytest.mark.parametrize(
    ("question", "kind", "purpose", "change"),
    [
        ("what's she taking for her back?", ThingKind.MEDICATION, "back", None),
        ("what did we decide about her renal arteries?", ThingKind.PLAN, "renal arteries", None),
        ("what are we doing about her gout", ThingKind.PLAN, "gout", None),
        ("BP meds she takes", ThingKind.MEDICATION, "BP", None),
        ("what was stopped at discharge?", ThingKind.MEDICATION, None, "stopped"),
    ],
)
def test_parts_of_lists_as_they_are_typed(
    question: str, kind: ThingKind, purpose: str | None, change: str | None
) -> None:
    plan = plan_of(question)
    assert plan.part is not None
    assert (plan.kind, plan.part.purpose, plan.part.change) == (kind, purpose, change)
