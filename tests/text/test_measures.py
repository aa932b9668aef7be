"""A unit that a note does not write may be said where it is the usual one of what was measured."""

from __future__ import annotations

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import read

VITALS = "Temp: 98.6, pulse 88 and regular, RR 18, BP 130/80, SpO2 97 on room air, weight 80."


def is_carried(source: str, claim: str) -> bool:
    said = read(claim)
    return carries(read(source), said, 0, len(said.tokens), SupportContext)


@pytest.mark.parametrize(
    ("source", "claim", "true"),
    [
        ("Pulse 88", "Pulse 88 bpm", True),
        ("Pulse 88", "Pulse 88 %", False),
        ("Pulse 88", "Pulse 88 mmHg", False),
        ("Pulse: 88, 92", "Pulse 92 beats per minute", True),
        (VITALS, "Pulse 88 beats per minute", True),
        (VITALS, "Temperature 98.6 F", True),
        (VITALS, "Temperature 98.6 degrees Celsius", False),
        (VITALS, "Respiratory rate 18 breaths per minute", True),
        (VITALS, "Respiratory rate 18 %", False),
        (VITALS, "Blood pressure 130/80 mmHg", True),
        (VITALS, "Blood pressure 130/80 %", False),
        (VITALS, "SpO2 97 % on room air", True),
        (VITALS, "SpO2 97 bpm", False),
        (VITALS, "Weight 80 mmHg", False),
        (VITALS, "Weight 80 kg", False),
        ("Temperature 38.2", "Temperature 38.2 °C", True),
        ("Temperature 38.2", "Temperature 38.2 °F", False),
        ("Temperature 99 to 101", "Temperature 99 to 101 °F", True),
        ("Heart rate of 72", "Heart rate of 72 bpm", True),
        ("Saturating 97 on room air", "Saturating 97 % on room air", True),
        ("A1c 7.2", "A1c 7.2 %", True),
        ("Pulse 88, glucose 98", "Glucose 98 bpm", False),
        ("Glucose 98", "Glucose 98 %", False),
        ("Pain 7", "Pain 7 %", False),
        ("Strength 5/5", "Strength 5/5 mmHg", False),
    ],
)
def test_a_unit_is_added_only_where_it_is_the_usual_one(source: str, claim: str, true: bool) -> None:
    assert is_carried(source, claim) == true


@pytest.mark.parametrize(
    ("source", "claim", "true"),
    [
        ("Mother had breast cancer at 52.", "Her mother had breast cancer at age 52", True),
        ("Mother had breast cancer at 52, aunt at 60.", "Her mother had breast cancer at age 60", False),
        ("She was diagnosed with lupus at 24.", "Diagnosed with lupus at age 24", True),
        ("She was diagnosed with lupus at 24 weeks.", "Diagnosed with lupus at age 24", False),
        ("She was diagnosed at 24 Elm Street.", "Diagnosed at age 24", False),
        ("Creatinine at 52.", "Creatinine at age 52", False),
        ("Mother had a pulse at 52.", "Her mother had a pulse at age 52", False),
    ],
)
def test_an_age_may_be_called_one(source: str, claim: str, true: bool) -> None:
    assert is_carried(source, claim) == true
