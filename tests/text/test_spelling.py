"""Mistyped words."""

from __future__ import annotations

import pytest

from pipeline.text.terms.spelling import nearest_known


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("depresion", "depression"),
        ("metforman", "metformin"),
        ("lisinorpil", "lisinopril"),
        ("warfrin", "warfarin"),
        ("warfarin", None),
        ("hypokalemia", None),
        ("dysphasia", None),
        ("dysphagai", "dysphagia"),
        ("cefixime", None),
        ("married", None),
        ("gaut", None),
    ],
)
def test_one_slip_away_from_one_known_word(word: str, known: str | None) -> None:
    assert nearest_known(word) == known
