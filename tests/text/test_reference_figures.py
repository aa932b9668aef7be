"""A figure that a note only compares with is not taken for what is."""

from __future__ import annotations

import pytest

from tests.text.test_parallels import leaves

HALVED = "Bisoprolol 5 mg daily, reduced from 10 mg."
MEANT = "He was supposed to take 40 mg of furosemide but has been taking 20 mg."
LIMIT = "Maximum dose of tramadol 400 mg a day; he takes 150 mg a day."
DISPENSED = "Warfarin 5 mg was dispensed instead of the prescribed 2 mg."
SODIUM = "Sodium 128 (normal 135-145)."
WEIGHT = "Weight 61 kg, up from 58 kg."


@pytest.mark.parametrize(
    ("note", "false"),
    [
        (HALVED, "Bisoprolol 10 mg daily"),
        (MEANT, "He has been taking 40 mg of furosemide"),
        (LIMIT, "He takes 400 mg a day of tramadol"),
        (DISPENSED, "Warfarin 5 mg was prescribed"),
        (SODIUM, "Sodium normal"),
        (WEIGHT, "Weight down from 61 kg"),
        ("Predicted peak flow 450, measured 310.", "Measured peak flow 450"),
    ],
)
def test_a_figure_of_comparison_is_not_taken_for_what_is(note: str, false: str) -> None:
    assert not leaves(note, false)


@pytest.mark.parametrize(
    ("note", "true"),
    [
        (HALVED, "Bisoprolol 5 mg daily"),
        (MEANT, "He has been taking 20 mg"),
        (LIMIT, "Maximum dose of tramadol 400 mg a day"),
        (LIMIT, "He takes 150 mg a day"),
        (DISPENSED, "Warfarin 5 mg was dispensed"),
        (SODIUM, "Sodium 128"),
        (WEIGHT, "Weight 61 kg, up from 58 kg"),
        ("Metoprolol was increased from 25 mg to 50 mg.", "Metoprolol was increased from 25 mg to 50 mg"),
        ("He was prescribed a 7-day course 3 days ago.", "He was prescribed a 7-day course 3 days ago"),
        ("Sodium 140 (normal).", "Sodium normal"),
    ],
)
def test_what_is_leaves_as_it_stands(note: str, true: str) -> None:
    assert leaves(note, true)
