"""What is said of the other side is told apart from what is said of the side asked about."""

from __future__ import annotations

import pytest

from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.answerability.sides import is_of_other_side


@pytest.mark.parametrize(
    ("asked", "sentence", "other"),
    [
        ("left knee", "X-rays of the right knee show arthritis.", True),
        ("left knee", "Edema of the right knee, with pain.", True),
        ("left knee", "Right knee pain and a left ankle sprain.", True),
        ("right shoulder", "The left-sided shoulder pain is gone.", True),
        ("left knee", "The left knee is tender, the right hip is not.", False),
        ("left knee", "Bilateral knee pain, right worse than left.", False),
        ("left knee", "He is right-handed and his left knee hurts.", False),
        ("left knee", "The knee is tender right now.", False),
        ("left and right knee", "The right knee is tender.", False),
        ("knee", "The right knee is tender.", False),
    ],
)
def test_a_sentence_of_the_other_side(asked: str, sentence: str, other: bool) -> None:
    held = AskedWords(asked).held(sentence)
    places = [place for key, place in held.items() if key not in ("left", "right")]
    keys = [term.key for term in AskedWords(asked).terms]
    assert is_of_other_side(keys, sentence, 0, len(sentence), places) is other
