"""Items of lists, with their numbers apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.statements.facts import read, signature
from pipeline.text.structure.list_items import items_of, opens_an_item


def texts(text: str) -> list[str]:
    return [text[item.start : item.end] for item in items_of(text)]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (
            "1. Asthma.\n2. Gout, controlled.\n   On allopurinol.\n3. Obesity",
            ["Asthma", "Gout, controlled.\n   On allopurinol", "Obesity"],
        ),
        (
            "1.  Hypermenorrhea.,2.  Uterine fibroids.,3.  Pain.",
            ["Hypermenorrhea", "Uterine fibroids", "Pain"],
        ),
        ("1) Asthma 2) Gout", ["Asthma", "Gout"]),
        ("- Metformin 500 mg\n- Aspirin 81 mg", ["Metformin 500 mg", "Aspirin 81 mg"]),
        (
            "Lisinopril 10 mg daily, as needed, metformin 1,000 mg twice daily, and aspirin.",
            ["Lisinopril 10 mg daily, as needed", "metformin 1,000 mg twice daily", "aspirin"],
        ),
        ("Penicillin (hives, rash); sulfa", ["Penicillin (hives, rash)", "sulfa"]),
        ("Hypertension.\nGastric ulcers.", ["Hypertension", "Gastric ulcers"]),
        (
            "She takes no aspirin. We reviewed risks, benefits, and alternatives.",
            ["She takes no aspirin", "We reviewed risks, benefits, and alternatives"],
        ),
        ("1. Asthma.\n2. Gout.\n\nShe sleeps well.", ["Asthma", "Gout", "She sleeps well"]),
        ("", []),
    ],
)
def test_items(text: str, items: list[str]) -> None:
    assert texts(text) == items


def test_numbers_stand_apart() -> None:
    assert [item.number for item in items_of("1. Asthma 2. Gout")] == [1, 2]
    assert [item.number for item in items_of("- Asthma\n- Gout")] == [None, None]


@pytest.mark.parametrize(
    "text",
    [
        "No fever, chills, cough",
        "Mother: diabetes, asthma",
        "Possible gout, cellulitis",
        "Denies pain, swelling",
    ],
)
def test_what_stands_over_a_list_is_not_cut_from_it(text: str) -> None:
    assert texts(text) == [text]


def test_the_line_that_a_list_hangs_on() -> None:
    text = "Denies:\n- fever\n- chills\n\nWell otherwise."
    found = [(text[i.start : i.end], i.under and text[slice(*i.under)]) for i in items_of(text)]
    assert found == [("fever", "Denies:"), ("chills", "Denies:"), ("Well otherwise", None)]
    led = "Past history is significant for asthma, gout."
    assert [led[slice(*item.under)] for item in items_of(led) if item.under] == [
        "Past history is significant for "
    ] * 2


def test_a_list_number_is_no_amount() -> None:
    assert read("1. Right upper lobe lung nodule").of("figure") == []
    assert signature("(2) Asthma") == signature("Asthma")
    assert len(read("1 nodule").of("figure")) == len(read("1.5 cm nodule").of("figure")) == 1


@given(st.text(alphabet="aB1.,;:-() \n", max_size=60))
def test_items_are_in_order_and_disjoint(text: str) -> None:
    ends = 0
    for item in items_of(text):
        assert ends <= item.start < item.end
        ends = item.end


@pytest.mark.parametrize("line", ["- fever", "• fever", "1. fever", "  12) fever", "(2) fever"])
def test_a_line_that_opens_an_item(line: str) -> None:
    assert opens_an_item(line)
    assert opens_an_item(f"x {line}", 2)


@pytest.mark.parametrize("line", ["fever", "-fever", "1.5 mg daily", "120) fever", ""])
def test_a_line_that_opens_none(line: str) -> None:
    assert not opens_an_item(line)
