"""The subject of one clause is not given what another clause says."""

from __future__ import annotations

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import read

LABS = "Lactate was normal; lipase was elevated."
STAFF = "Dr. Osei assisted; Dr. Lindqvist gave sedation."
NAMES = "Jon Hale has psoriasis and John Hale has asthma."
TWINS = "Twin A weighs 1900 g, twin B weighs 2200 g."
DRUGS = "Off digoxin since May; remains on bisoprolol."
BOXES = "Syncope: N, palpitations: Y, edema: N."
SCANS = "CT of the neck ordered; MRI of the neck showed an abscess."
CERTAIN = "Possible abscess in the left lobe; definite cyst on the right."
ALLERGIC = "Daughter allergic to eggs, patient allergic to latex."
ORDER = "Radiotherapy was given before surgery."
CAUSE = "Delirium caused by sepsis."
REPORTED = "He reports that his AST and ALT were mildly elevated."
LISTED = "Ms. Roe has a history of asthma, depression, and hypertension who presents for her exam."


def carried(source: str, claim: str) -> bool:
    reading = read(claim)
    return carries(read(source), reading, 0, len(reading.tokens), SupportContext)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (LABS, "Lactate was elevated"),
        (LABS, "Lipase was normal"),
        (STAFF, "Dr. Lindqvist assisted"),
        (STAFF, "Dr. Osei gave sedation"),
        (NAMES, "John Hale has psoriasis"),
        (NAMES, "Jon Hale has asthma"),
        (TWINS, "Twin B weighs 1900 g"),
        (DRUGS, "Off bisoprolol since May"),
        (BOXES, "Syncope: Y"),
        (BOXES, "Palpitations: N"),
        (SCANS, "CT of the neck showed an abscess"),
        (CERTAIN, "Possible cyst"),
        (ALLERGIC, "Patient allergic to eggs"),
        (ALLERGIC, "Daughter allergic to latex"),
        (ORDER, "Surgery was given before radiotherapy"),
        (CAUSE, "Sepsis caused by delirium"),
    ],
)
def test_words_of_another_clause_are_not_lent(source: str, claim: str) -> None:
    assert not carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (LABS, "Lipase was elevated"),
        (LABS, "Lactate was normal and lipase was elevated"),
        (STAFF, "Dr. Lindqvist gave sedation"),
        (NAMES, "Jon Hale has psoriasis"),
        (TWINS, "Twin B weighs 2200 g"),
        (DRUGS, "Off digoxin since May"),
        (BOXES, "Palpitations: Y"),
        (SCANS, "MRI of the neck showed an abscess"),
        (CERTAIN, "Possible abscess"),
        (ALLERGIC, "Patient allergic to latex"),
        (ORDER, "Radiotherapy was given before surgery"),
        (CAUSE, "Delirium caused by sepsis"),
        (REPORTED, "AST and ALT were mildly elevated"),
        (LISTED, "She has asthma, depression and hypertension"),
    ],
)
def test_words_of_one_clause_leave(source: str, claim: str) -> None:
    assert carried(source, claim)
