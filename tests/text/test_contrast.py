"""What a sentence sets side by side is not joined."""

from __future__ import annotations

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import read

HIP = "Right hip replaced 2015; left hip is painful."
STENOSIS = "Mild to moderate stenosis of the left ICA, severe on the right."
KNEE = "Pain improved in the right knee but worsened in the left."
SURGERY = "Cholecystectomy in 2010, appendectomy in 1998."
FRACTION = "EF 55% in 2019, 30% in 2023."
TROPONIN = "Troponin 0.04 at 08:00, 0.9 at 14:00."
TAPER = "Prednisone 40 mg x 3 days, 20 mg x 5 days."
SIZES = "Lung nodule stable at 6 mm; liver lesion 2.4 cm."
DRUGS = "She takes occasional ibuprofen, Norvasc 2.5 mg daily, and metformin 500 mg daily."
STAYS = "Admitted 2 May, discharged 9 May."
DOCTORS = "Seen by Dr. Osei on 2 May; discharged by Dr. Lindqvist on 9 May."
DIURETIC = "Gave furosemide 40 mg IV once, then 20 mg PO every morning."
ALLERGY = "Allergic to penicillin but tolerates cephalexin."
STENT = "No chest pain since the stent; chest pain before."


def carried(source: str, claim: str) -> bool:
    reading = read(claim)
    return carries(read(source), reading, 0, len(reading.tokens), SupportContext)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (HIP, "Left hip replaced in 2015"),
        (STENOSIS, "Severe stenosis of the left ICA"),
        (KNEE, "Pain worsened in the right knee"),
        (SURGERY, "Appendectomy in 2010"),
        (FRACTION, "EF was 55% in 2023"),
        (TROPONIN, "Troponin was 0.9 at 08:00"),
        (TAPER, "Prednisone 20 mg for 3 days"),
        (SIZES, "The liver lesion is stable at 6 mm"),
        (DRUGS, "She takes daily ibuprofen"),
        (DRUGS, "She takes metformin only occasionally"),
        (STENT, "Chest pain since the stent"),
        (STAYS, "Admitted 9 May"),
        (STAYS, "Discharged 2 May"),
        (DOCTORS, "Discharged by Dr. Osei on 9 May"),
        (DIURETIC, "Furosemide 40 mg every morning"),
        (ALLERGY, "Tolerates penicillin"),
        (ALLERGY, "Allergic to cephalexin"),
    ],
)
def test_what_is_said_of_one_is_not_said_of_the_other(source: str, claim: str) -> None:
    assert not carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (HIP, "Right hip replaced in 2015"),
        (STENOSIS, "Stenosis of the left ICA is mild to moderate"),
        (KNEE, "Pain worsened in the left"),
        (SURGERY, "Appendectomy in 1998"),
        (FRACTION, "EF was 30% in 2023"),
        (TROPONIN, "Troponin was 0.04 at 08:00"),
        (TAPER, "Prednisone 20 mg for 5 days"),
        (SIZES, "The liver lesion is 2.4 cm"),
        (DRUGS, "She takes metformin daily and ibuprofen occasionally"),
        (STENT, "No chest pain since the stent"),
        (STAYS, "Admitted on 2 May"),
        (DOCTORS, "Discharged by Dr. Lindqvist on 9 May"),
        (DIURETIC, "Furosemide 40 mg IV once"),
        (ALLERGY, "Tolerates cephalexin"),
        (ALLERGY, "Allergic to penicillin"),
        ("Penicillin allergy; cephalexin tolerated.", "Cephalexin is tolerated"),
    ],
)
def test_what_stands_together_is_carried(source: str, claim: str) -> None:
    assert carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim", "true"),
    [
        ("No known drug allergies other than sulfa.", "She has no allergy to sulfa", False),
        ("No known drug allergies other than sulfa.", "She has no known drug allergies", False),
        ("No known drug allergies other than sulfa.", "No drug allergies other than sulfa", True),
        ("All but one of the lymph nodes were negative.", "All lymph nodes were negative", False),
        ("Allergies: penicillin (rash), tolerates cephalexin.", "She is allergic to cephalexin", False),
        ("Allergies: penicillin (rash), tolerates cephalexin.", "She is allergic to penicillin", True),
        ("Not only does she have asthma but also eczema.", "She does not have asthma", False),
        ("Three of twelve lymph nodes were positive.", "Twelve lymph nodes were positive", False),
        ("Three of twelve lymph nodes were positive.", "Three of twelve lymph nodes were positive", True),
        ("Some of her fingers are numb.", "All of her fingers are numb", False),
        ("He has neuropathy in one leg.", "He has neuropathy in both legs", False),
        ("He has neuropathy in both legs.", "He has neuropathy in both legs", True),
        ("She was on dialysis until her transplant in 2018.", "She is on dialysis", False),
        ("She was on dialysis until her transplant in 2018.", "She was on dialysis until 2018", True),
        ("The DNR order was rescinded on admission.", "There is a DNR order", False),
        ("ER positive, PR negative, HER2 equivocal.", "PR positive", False),
        ("ER positive, PR negative, HER2 equivocal.", "HER2 positive", False),
        ("ER positive, PR negative, HER2 equivocal.", "ER positive", True),
        ("Return to the ED for chest pain or fever.", "The patient has chest pain", False),
        ("Return to the ED for chest pain or fever.", "Return to the ED for fever", True),
        ("We may consider treatment such as a lithotripsy.", "She will have a lithotripsy", False),
        ("Lasix increased from 20 mg to 40 mg.", "Lasix was increased to 40 mg", True),
        ("Lasix increased from 20 mg to 40 mg.", "Lasix was decreased to 40 mg", False),
    ],
)
def test_what_a_few_words_take_away_is_not_left_out(source: str, claim: str, true: bool) -> None:
    assert carried(source, claim) == true


@pytest.mark.parametrize(
    ("source", "claim", "true"),
    [
        ("His roommate smokes two packs a day.", "He smokes two packs a day", False),
        ("Her daughter takes warfarin.", "She takes warfarin", False),
        ("The donor was CMV positive.", "The patient is CMV positive", False),
        ("The dog was vaccinated against rabies.", "He was vaccinated against rabies", False),
        ("The other driver was unrestrained.", "The patient was unrestrained", False),
        ("The other vehicle ran a traffic signal.", "The patient ran a traffic signal", False),
        ("The other vehicle ran a traffic signal.", "The other vehicle ran a traffic signal", True),
        ("His wife takes him to dialysis.", "He is taken to dialysis", True),
        ("The driver was restrained.", "The driver was restrained", True),
    ],
)
def test_what_others_do_is_not_the_patients(source: str, claim: str, true: bool) -> None:
    assert carried(source, claim) == true
