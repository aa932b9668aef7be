"""Which kind of value a question asks for, and of what."""

from __future__ import annotations

import pytest

from pipeline.answering.questions.asked.value import asked_value
from pipeline.answering.questions.interpretation import plan_of
from pipeline.text.answerability.values import ValueKind


@pytest.mark.parametrize(
    ("question", "kind", "words"),
    [
        ("How big is the kidney stone?", ValueKind.SIZE, "is the kidney stone?"),
        ("How much metformin does she take?", ValueKind.DOSE, "metformin does § take?"),
        ("How much does she smoke?", ValueKind.AMOUNT, "does § smoke?"),
        ("What insurance does she have?", ValueKind.INSURER, "What does § have?"),
        ("Which blood pressure medicine should she take?", ValueKind.DRUG, "blood pressure should § take?"),
        ("What back operation has she had?", ValueKind.PROCEDURE, "back has § had?"),
        ("How long ago was the embolism?", ValueKind.TIME, "was the embolism?"),
        ("For how long has she taken Crestor?", ValueKind.DURATION, "has § taken Crestor?"),
        ("What was her blood pressure?", ValueKind.MEASUREMENT, "What was §'s blood pressure?"),
        ("lexapro mg for her", ValueKind.DOSE, "lexapro for §"),
        ("year of her bypass", ValueKind.TIME, "§'s bypass"),
        ("packs per day", ValueKind.TOBACCO_USE, ""),
        ("her ALT", ValueKind.MEASUREMENT, "§'s ALT"),
        ("What did the x-ray show?", None, "What did the x-ray show?"),
    ],
)
def test_the_kind_and_of_what(question: str, kind: ValueKind | None, words: str) -> None:
    asked = asked_value(plan_of(question))
    assert (asked.kind, " ".join(asked.words.split())) == (kind, words)


@pytest.mark.parametrize(
    ("question", "kind", "unit", "words"),
    [
        ("number of insulin units for her", ValueKind.DOSE, "unit", "insulin for §"),
        ("How many units of insulin does she take?", ValueKind.DOSE, "unit", "insulin does § take?"),
        ("her radiation dose (Gy)", ValueKind.DOSE, "gray", "§'s radiation"),
        ("radioactive iodine in mCi", ValueKind.AMOUNT, "curie", "radioactive iodine"),
        ("what gauge needle was used", ValueKind.AMOUNT, "gauge", "needle was used"),
        ("number of seizures", ValueKind.COUNT, "", "seizures"),
        ("swelling in her leg", None, "", "swelling in §'s leg"),
    ],
)
def test_the_unit_that_is_asked_for(question: str, kind: ValueKind | None, unit: str, words: str) -> None:
    asked = asked_value(plan_of(question))
    assert (asked.kind, asked.unit, " ".join(asked.words.split())) == (kind, unit, words)
