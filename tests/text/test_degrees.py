"""The degree of one finding is not said of another."""

from __future__ import annotations

import pytest

from pipeline.text.statements.entailment import SupportContext, carries
from pipeline.text.statements.facts import read

VALVES = "Severe aortic stenosis with mild regurgitation."
PAINS = "Chronic low back pain with acute ankle sprain."


def carried(source: str, claim: str) -> bool:
    reading = read(claim)
    return carries(read(source), reading, 0, len(reading.tokens), SupportContext)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (VALVES, "There is mild aortic stenosis"),
        (VALVES, "Severe regurgitation"),
        (PAINS, "She has acute low back pain"),
        ("Moderate anemia with severe thrombocytopenia.", "Severe anemia"),
        ("Mild asthma with severe eczema.", "Asthma is severe"),
    ],
)
def test_a_degree_is_not_said_of_another_finding(source: str, claim: str) -> None:
    assert not carried(source, claim)


@pytest.mark.parametrize(
    ("source", "claim"),
    [
        (VALVES, "There is severe aortic stenosis"),
        (VALVES, "Mild regurgitation with severe aortic stenosis"),
        (PAINS, "She has an acute ankle sprain and chronic low back pain"),
        ("Mild to moderate pain with severe swelling.", "Moderate pain"),
        ("Acute on chronic kidney disease.", "Acute on chronic kidney disease"),
        ("Mild pain at rest, severe pain with walking.", "Severe pain with walking"),
        ("Severe pain in the knee with mild swelling of the ankle.", "Mild swelling of the ankle"),
    ],
)
def test_a_degree_is_said_of_its_own(source: str, claim: str) -> None:
    assert carried(source, claim)
