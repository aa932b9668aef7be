"""What a sentence sets side by side is not joined."""

from __future__ import annotations

import pytest

from pipeline.text.facts import read
from pipeline.text.support import SupportContext, carries

HIP = "Right hip replaced 2015; left hip is painful."
STENOSIS = "Mild to moderate stenosis of the left ICA, severe on the right."
KNEE = "Pain improved in the right knee but worsened in the left."
SURGERY = "Cholecystectomy in 2010, appendectomy in 1998."
FRACTION = "EF 55% in 2019, 30% in 2023."
TROPONIN = "Troponin 0.04 at 08:00, 0.9 at 14:00."
TAPER = "Prednisone 40 mg x 3 days, 20 mg x 5 days."
SIZES = "Lung nodule stable at 6 mm; liver lesion 2.4 cm."
DRUGS = "She takes occasional ibuprofen, Norvasc 2.5 mg daily, and metformin 500 mg daily."
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
    ],
)
def test_what_stands_together_is_carried(source: str, claim: str) -> None:
    assert carried(source, claim)
