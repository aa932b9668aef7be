"""Where a text speaks of a finding, in whichever of its words, and where it speaks of another."""

from __future__ import annotations

import pytest

from pipeline.text.finding import Finding


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("heart attack", "She had an MI in 2010."),
        ("heart attack", "History of myocardial infarction."),
        ("heart failure", "CHF, stable."),
        ("atrial fibrillation", "He has AF and takes warfarin."),
        ("diabetes", "Type 2 diabetic."),
        ("kidney stones", "Nephrolithiasis on the right."),
        ("chest pain", "Pain in the chest since noon."),
        ("penicillin", "Allergic to PCN."),
        ("lisinopril", "Continue Lisinopril 10 mg."),
    ],
)
def test_a_sentence_that_has_all_of_it_speaks_of_it(finding: str, text: str) -> None:
    (mention,) = Finding(finding).mentions(text)
    assert (mention.sentence_start, mention.sentence_end) == (0, len(text))


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        ("heart attack", "Congestive heart failure."),
        ("heart attack", "Attack of gout. The heart is normal."),
        ("prednisone", "Prednisolone eye drops."),
        ("pulmonary embolism", "The pe teacher."),
        ("left knee pain", "Pain in the right knee."),
        ("metformin", "Metoprolol 25 mg."),
        ("gout", "A ragout for dinner."),
    ],
)
def test_a_sentence_that_has_a_part_or_another_word_does_not(finding: str, text: str) -> None:
    assert list(Finding(finding).mentions(text)) == []


def test_a_title_may_have_a_part() -> None:
    assert list(Finding("allergy to penicillin").mentions("Penicillin.", "Allergies"))
    assert not list(Finding("penicillin").mentions("None.", "Penicillin"))


def test_what_is_no_finding_has_no_words() -> None:
    assert Finding("").keys == ()
    assert Finding("not 5 mg of anything whatever it may be called by anyone").keys == ()


def test_the_side_may_be_left_out() -> None:
    without = Finding("tenderness on the left").without_side
    assert without is not None
    assert without.text == "tenderness"
    assert Finding("tenderness").without_side is None
