"""What one of two clauses that are built alike says is not said of the other's thing."""

from __future__ import annotations

import pytest

from pipeline.answering.verification import check_statement
from pipeline.records import Document, Hit


def leaves(note: str, statement: str) -> bool:
    hit = Hit("c", "n", "p", "note", None, None, None, note, 0, len(note), 0.7)
    return (
        check_statement(f"{statement} [1].", (hit,), {"n": Document("n", "p", "note", note)}.get) is not None
    )


CLOTS = "DVT three years ago; PE five months ago."
TROUGHS = "Tobramycin peak 22, amikacin peak 4."
HABITS = "She gave up chewing tobacco in 1999 and vaping in 2021."
SISTERS = "Mara has psoriasis; Marta has a latex allergy."
GAVE = "Codeine, which gave him nausea, and latex, which gave him hives."
FIELDS = "Allergen: Latex Reaction: Hives; Allergen: Codeine Reaction: Nausea"
WITH = "Allergic to aspirin with wheeze, codeine with nausea, and latex with hives."
YEARS = "Aspirin (1998) - wheeze; codeine (2004) - nausea"


@pytest.mark.parametrize(
    ("note", "false", "true"),
    [
        (CLOTS, "DVT five months ago", "PE five months ago"),
        (TROUGHS, "Tobramycin peak 4", "Amikacin peak 4"),
        (HABITS, "She gave up chewing tobacco in 2021", "She gave up vaping in 2021"),
        (SISTERS, "Mara has a latex allergy", "Marta has a latex allergy"),
        (SISTERS, "Marta has psoriasis", "Mara has psoriasis"),
        (GAVE, "Codeine gave him hives", "Latex gave him hives"),
        (FIELDS, "Codeine: hives", "Codeine: nausea"),
        (WITH, "Aspirin with nausea", "Latex with hives"),
        (YEARS, "Aspirin: nausea", "Codeine: nausea"),
        ("Allergies: aspirin/wheeze, latex/hives.", "Latex: wheeze", "Aspirin: wheeze"),
        (
            "Aspirin and latex cause wheeze and hives, respectively.",
            "Latex causes wheeze",
            "Latex causes hives",
        ),
        ("Second stent in 2014, last stent in 2019.", "Second stent in 2019", "Last stent in 2019"),
        ("Dr. Ruiz sutured; Dr. Webb gave propofol.", "Dr. Webb sutured", "Dr. Webb gave propofol"),
        (
            "Aspirin gave her wheeze whereas codeine was tolerated.",
            "Codeine gave her wheeze",
            "Codeine was tolerated",
        ),
        ("Aspirin: wheeze; latex: hives; tolerates cefazolin.", "Tolerates aspirin", "Tolerates cefazolin"),
        (
            "Numbness in the left hip spreading to the right foot.",
            "Numbness in the right hip",
            "Numbness in the left hip",
        ),
        ("aspirin ~ wheeze, latex ~ hives", "Latex: wheeze", "Latex: hives"),
    ],
)
def test_a_claim_does_not_cross_clauses_built_alike(note: str, false: str, true: str) -> None:
    assert not leaves(note, false)
    assert leaves(note, true)


@pytest.mark.parametrize(
    ("note", "true"),
    [
        ("Warfarin 5 mg at noon, 2.5 mg in the evening.", "Warfarin 5 mg at noon"),
        ("Lisinopril was started in May; it was raised in June.", "Lisinopril was raised in June"),
        ("Pain in the right knee, worse on the stairs.", "Right knee pain on the stairs"),
        ("Cefazolin was given and tolerated well; rash was absent.", "Cefazolin was tolerated well"),
        ("Weakness on the left, worse to the right.", "Weakness on the left"),
        (CLOTS, "DVT three years ago and PE five months ago"),
        ("She takes metformin for diabetes and lisinopril for hypertension.", "She takes lisinopril"),
        ("Chest pain, worse with exertion.", "Chest pain with exertion"),
    ],
)
def test_what_clauses_share_is_said_of_both(note: str, true: str) -> None:
    assert leaves(note, true)
