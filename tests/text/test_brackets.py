"""What stands in brackets of one item of a list is not said of another."""

from __future__ import annotations

import pytest

from pipeline.answering.verification import check_statement
from pipeline.records import Document, Hit
from pipeline.text.statements.pairs import in_round_brackets

ALLERGIES = "Allergies: penicillin (rash), sulfa (anaphylaxis)."
DOSES = "He takes metoprolol (25 mg), lisinopril (40 mg) and buffered aspirin."
SIDES = "Knee pain (left), hip pain (right)."
DATES = "Prior stroke (2015), MI (March 2018)."
PRESSURES = "BP 120/80 (sitting), 110/70 (standing)."


def leaves(note: str, statement: str) -> bool:
    hit = Hit("c", "n", "p", "note", None, None, None, note, 0, len(note), 0.7)
    return (
        check_statement(f"{statement} [1].", (hit,), {"n": Document("n", "p", "note", note)}.get) is not None
    )


@pytest.mark.parametrize(
    ("note", "false"),
    [
        (ALLERGIES, "Penicillin (anaphylaxis)"),
        (ALLERGIES, "Penicillin: anaphylaxis"),
        (ALLERGIES, "She has an anaphylaxis to penicillin"),
        (ALLERGIES, "Penicillin (anaphylaxis), sulfa (rash)"),
        (ALLERGIES, "Allergies: penicillin (anaphylaxis), sulfa (rash)"),
        ("Allergies: penicillin, latex, sulfa (anaphylaxis).", "Penicillin (anaphylaxis)"),
        (DOSES, "He takes metoprolol 40 mg"),
        (DOSES, "He takes lisinopril (25 mg)"),
        (DOSES, "Buffered aspirin (40 mg)"),
        (SIDES, "Hip pain (left)"),
        (SIDES, "Left hip pain"),
        (DATES, "Stroke in 2018"),
        (DATES, "MI (2015)"),
        (PRESSURES, "BP 110/70 sitting"),
        ("Seen by Dr. Osei (renal) and Dr. Hill (cardiology).", "Seen by Dr. Hill (renal)"),
    ],
)
def test_brackets_are_not_taken_for_another_item(note: str, false: str) -> None:
    assert not leaves(note, false)


PAIRED = [
    ALLERGIES,
    "Allergies: penicillin [rash], sulfa [anaphylaxis].",
    "Allergic to penicillin {rash} and sulfa {anaphylaxis}.",
    "Allergies: penicillin - rash, sulfa - anaphylaxis.",
    "Allergies: penicillin – rash; sulfa – anaphylaxis.",
    "Allergies: penicillin—rash, sulfa—anaphylaxis",
    "Allergies: penicillin: rash; sulfa: anaphylaxis.",
    "Penicillin -> rash, sulfa -> anaphylaxis",
    "Penicillin = rash, sulfa=anaphylaxis.",
    "Penicillin causes rash, and sulfa causes anaphylaxis.",
    "Rash with penicillin, anaphylaxis with sulfa.",
]


@pytest.mark.parametrize("note", PAIRED)
@pytest.mark.parametrize(
    "false",
    [
        "Penicillin (anaphylaxis)",
        "Penicillin: anaphylaxis",
        "Penicillin - anaphylaxis",
        "Penicillin, anaphylaxis",
        "She has an anaphylaxis to penicillin",
        "Allergies: penicillin [anaphylaxis] and sulfa [rash]",
    ],
)
def test_a_list_says_of_each_item_its_own_however_it_is_written(note: str, false: str) -> None:
    assert not leaves(note, false)
    assert leaves(note, "Sulfa (anaphylaxis)")
    assert leaves(note, "Sulfa: anaphylaxis")
    assert leaves(note, "Rash to penicillin, anaphylaxis to sulfa")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Meds: metoprolol - 25 mg, lisinopril - 40 mg", "Meds: metoprolol (25 mg), lisinopril (40 mg)"),
        ("Sodium: 135, potassium: 4.1", "Sodium (135), potassium (4.1)"),
        ("[ ] smoker [x] drinker", "[ ] smoker [x] drinker"),
        ("Seen [1], [2]", "Seen [1], [2]"),
        ("Follow-up: in two weeks", "Follow-up: in two weeks"),
        ("Well-nourished, in no distress", "Well-nourished, in no distress"),
    ],
)
def test_only_lists_of_pairs_are_written_anew(text: str, same: str) -> None:
    assert in_round_brackets(text) == same


@pytest.mark.parametrize(
    ("note", "true"),
    [
        (ALLERGIES, "Sulfa (anaphylaxis)"),
        (ALLERGIES, "Sulfa: anaphylaxis"),
        (ALLERGIES, "Anaphylaxis to sulfa"),
        (ALLERGIES, "Allergies: penicillin (rash), sulfa (anaphylaxis)"),
        (ALLERGIES, "She is allergic to penicillin (rash) and sulfa (anaphylaxis)"),
        (ALLERGIES, "She is allergic to sulfa, with anaphylaxis, and to penicillin, with rash"),
        ("Rash and hives (both in 2015) with penicillin.", "Rash in 2015"),
        (DOSES, "He takes metoprolol 25 mg and lisinopril 40 mg"),
        (DOSES, "He takes lisinopril (40 mg)"),
        (SIDES, "Left knee pain"),
        (SIDES, "Right hip pain"),
        (DATES, "Prior MI in 2018"),
        (DATES, "MI in March 2018 and stroke in 2015"),
        (PRESSURES, "BP 110/70 standing"),
        ("Diabetes, type 2 (2015).", "Diabetes (2015)"),
        ("Myocardial infarction (MI), heart failure (CHF).", "She has had an MI"),
    ],
)
def test_what_stands_in_its_own_brackets_leaves(note: str, true: str) -> None:
    assert leaves(note, true)
