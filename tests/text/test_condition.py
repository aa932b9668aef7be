"""What a note makes depend on something is not said without it."""

from __future__ import annotations

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import read

FEVER = "If she develops fever, start amoxicillin 500 mg three times a day."
RETURNS = "Start amoxicillin 500 mg three times a day if fever returns."
PAIN = "Should pain worsen, increase morphine to 10 mg."
RATIO = "Once INR is above 2, stop heparin."
BLEEDING = "Unless bleeding recurs, restart apixaban 5 mg twice daily."


def carried(source: str, claim: str) -> bool:
    reading = read(claim)
    return carries(read(source), reading, 0, len(reading.tokens), SupportContext)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (FEVER, "Start amoxicillin 500 mg three times a day"),
        (FEVER, "Amoxicillin 500 mg three times a day was started"),
        (RETURNS, "Start amoxicillin 500 mg three times a day"),
        (PAIN, "Increase morphine to 10 mg"),
        (RATIO, "Stop heparin"),
        (BLEEDING, "Restart apixaban 5 mg twice daily"),
        ("If unable to tolerate lisinopril, switch to losartan 50 mg.", "Switch to losartan 50 mg"),
        ("Would start insulin if HbA1c exceeds 9.", "Start insulin"),
    ],
)
def test_an_order_does_not_leave_without_its_condition(source: str, claim: str) -> None:
    assert not carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (FEVER, "If she develops fever, start amoxicillin 500 mg"),
        (RETURNS, "Start amoxicillin 500 mg if fever returns"),
        (RATIO, "Once the INR is above 2, stop heparin"),
        ("Started amoxicillin; call if fever.", "Amoxicillin was started"),
        ("Increase lisinopril to 20 mg; call if dizzy.", "Increase lisinopril to 20 mg"),
        ("When she came she had fever and ceftriaxone 1 g was given.", "Ceftriaxone 1 g was given"),
        ("Should follow up with cardiology, continue aspirin.", "Continue aspirin"),
        ("Gave furosemide 40 mg once.", "Furosemide 40 mg once"),
    ],
)
def test_what_depends_on_nothing_leaves(source: str, claim: str) -> None:
    assert carried(source, claim)
