"""How many of a thing a sentence says that there were."""

from __future__ import annotations

import pytest

from pipeline.text.structure.told_numbers import told_number


@pytest.mark.parametrize(
    ("number", "sentence", "thing"),
    [
        (4, "She has had four back surgeries.", "back surgeries"),
        (2, "He had 2 previous left knee surgeries.", "knee surgeries"),
        (3, "Cardiac ablation x3, left knee surgery.", "ablation"),
        (3, "Kidney stones, this being her third episode.", "Kidney stones"),
        (2, "This is her second stroke.", "stroke"),
        (5, "He was cardioverted five times; cardioversion 5 times.", "cardioversion"),
        (None, "She had a stroke 2 years ago.", "stroke"),
        (None, "Two years after the stroke he fell.", "stroke"),
        (None, "There is a 2 cm kidney stone.", "kidney stone"),
        (None, "Grade 2 tear.", "tear"),
        (None, "Type 2 diabetes.", "diabetes"),
        (None, "She has three children and had a stroke.", "stroke"),
    ],
)
def test_the_number_is_of_the_thing_alone(number: int | None, sentence: str, thing: str) -> None:
    assert told_number(sentence, thing) == number
