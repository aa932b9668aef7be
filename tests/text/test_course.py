"""What is ahead, doubted, replaced or another's is not said to be the patient's, done or taken."""

from __future__ import annotations

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import read


def carried(source: str, claim: str) -> bool:
    reading = read(claim)
    return carries(read(source), reading, 0, len(reading.tokens), SupportContext)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Bone scan pending.", "Bone scan was performed"),
        ("She has yet to have a mammogram.", "She has had a mammogram"),
        ("Dialysis to begin Tuesday.", "Dialysis began Tuesday"),
        ("Told to quit drinking.", "He quit drinking"),
        ("Methotrexate would be an option.", "She is on methotrexate"),
        ("Discussed insulin; wants to wait.", "She takes insulin"),
        ("He was given a prescription for varenicline but has not filled it.", "He takes varenicline"),
        ("Weaned off oxygen.", "On oxygen"),
        ("Last used albuterol in 2019.", "Uses albuterol"),
        ("Tried citalopram without benefit, switched to venlafaxine 75 mg.", "He takes citalopram"),
        ("He used to smoke.", "He smokes"),
        ("It is doubtful that he has sarcoidosis.", "He has sarcoidosis"),
        ("Low likelihood of sepsis.", "Sepsis"),
        ("Abscess versus seroma.", "Abscess"),
        ("Cannot rule out fracture.", "Fracture was ruled out"),
        ("FHx melanoma, PMH asthma.", "She has melanoma"),
        ("Husband reports that he himself has epilepsy.", "The patient has epilepsy"),
        ("Syncope: N, palpitations: Y, edema: N.", "She has edema"),
        ("The donor was EBV positive, the recipient EBV negative.", "The donor was EBV negative"),
    ],
)
def test_what_is_not_so_is_not_said(source: str, claim: str) -> None:
    assert not carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("Bone scan pending; chest X-ray done.", "Chest X-ray done"),
        ("Dialysis began Tuesday.", "Dialysis began Tuesday"),
        ("Told to quit drinking.", "Told to quit drinking"),
        ("Tried citalopram without benefit, switched to venlafaxine 75 mg.", "Switched to venlafaxine 75 mg"),
        ("Last used albuterol in 2019.", "Last used albuterol in 2019"),
        ("He used to smoke.", "He used to smoke"),
        ("It is doubtful that he has sarcoidosis.", "It is doubtful that he has sarcoidosis"),
        ("Cannot rule out fracture.", "Cannot rule out fracture"),
        ("FHx melanoma, PMH asthma.", "PMH asthma"),
        ("Syncope: N, palpitations: Y, edema: N.", "Palpitations: Y."),
    ],
)
def test_what_is_so_is_said(source: str, claim: str) -> None:
    assert carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("She used to take sertraline for anxiety.", "She takes sertraline"),
        ("She used to be on warfarin.", "She is on warfarin"),
        ("She used to have migraines.", "She has migraines"),
        ("He previously took sertraline.", "He takes sertraline"),
        ("He was formerly on lithium.", "He is on lithium"),
        ("He took sertraline in the past.", "He takes sertraline"),
        ("He was started on lisinopril but stopped it.", "He takes lisinopril"),
        ("Hypertension, resolved after weight loss.", "He has hypertension"),
        ("Acute kidney injury resolved with fluids.", "He has acute kidney injury"),
        ("Hepatitis C, cured with sofosbuvir.", "He has hepatitis C"),
        ("Rash, now cleared.", "She has a rash"),
    ],
)
def test_what_was_is_not_said_to_be(source: str, claim: str) -> None:
    assert not carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        ("She used to take sertraline.", "She used to take sertraline"),
        ("Previously took sertraline, now takes fluoxetine.", "She takes fluoxetine"),
        ("Previously on 10 mg of lisinopril, currently on 20 mg of lisinopril.", "She is on lisinopril"),
        ("Metformin is used to treat her diabetes.", "She has diabetes"),
        ("Hypertension resolved after weight loss.", "Hypertension resolved after weight loss"),
        ("Has asthma, cough resolved with prednisone.", "She has asthma"),
        ("Patient with asthma whose cough resolved with prednisone.", "She has asthma"),
        ("Patient has diabetes, cleared for surgery.", "She has diabetes"),
        ("Her rash cleared with steroids but returned.", "She has a rash"),
        ("Takes metformin and was on lisinopril but stopped it.", "She takes metformin"),
    ],
)
def test_what_is_still_so_is_said(source: str, claim: str) -> None:
    assert carried(source, claim)
