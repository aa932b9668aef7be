"""What a heading says of all that stands under it."""

from __future__ import annotations

import pytest

from pipeline.answering.verification import check_statement
from pipeline.indexing.chunking import chunk_document
from pipeline.records import Document, Hit

SECTIONS = """FAMILY HISTORY

Breast cancer at 40.

ALLERGIES

Aspirin.

MEDICATIONS

Clopidogrel 75 mg daily."""
STOPPED = "Discontinued medications:\n- Metformin 500 mg\n\nCurrent medications:\n- Amlodipine 5 mg"


def leaves(note: str, statement: str) -> bool:
    """Whether it may cite the last passage of the note."""
    document = Document("n", "p", "note", note)
    chunks = chunk_document(
        document, count_tokens=lambda texts: [len(text.split()) for text in texts], tokens_max=180
    )
    hits = [
        Hit(
            one.chunk_id,
            "n",
            "p",
            "note",
            None,
            None,
            one.section,
            one.text,
            one.start,
            one.end,
            0.6,
            0,
            one.offsets,
        )
        for one in chunks
    ]
    return check_statement(f"{statement} [{len(hits)}].", hits, {"n": document}.get) is not None


@pytest.mark.parametrize(
    ("note", "statement"),
    [
        (STOPPED, "She takes metformin 500 mg"),
        ("Medications on hold:\n- Metformin 500 mg", "She takes metformin 500 mg"),
        ("STOP TAKING:\nMetformin 500 mg\nLisinopril 10 mg", "She takes lisinopril 10 mg"),
        ("No longer takes:\n- Metformin 500 mg", "She takes metformin 500 mg"),
        ("DIFFERENTIAL DIAGNOSIS\n\nPulmonary embolism. Pneumonia.", "She has pulmonary embolism"),
        ("Rule out:\n- Pulmonary embolism\n- Aortic dissection", "She has an aortic dissection"),
        ("Problems resolved\n(1) Pneumonia\n(2) Delirium", "She has delirium"),
        ("Problems resolved:\n1. Pneumonia\n2. Delirium", "She has delirium"),
        ("RISKS OF THE PROCEDURE\n\nBleeding and infection were discussed.", "She had bleeding"),
        ("Negative:\n- hypertension", "She has hypertension"),
        (SECTIONS, "She has breast cancer"),
        (SECTIONS, "She takes aspirin"),
        (SECTIONS, "She is allergic to clopidogrel"),
        ("PAST MEDICAL HISTORY\n\nStroke. Gallstones.", "She is having a stroke now"),
        ("PMH:\n- Stroke\n- Gallstones", "She is having a stroke"),
        ("PMH:\n- Stroke\n- Gallstones", "She currently has gallstones"),
    ],
)
def test_what_its_heading_takes_away_is_not_said(note: str, statement: str) -> None:
    assert not leaves(note, statement)


@pytest.mark.parametrize(
    ("note", "statement"),
    [
        (STOPPED, "Metformin 500 mg was discontinued"),
        (STOPPED, "She takes amlodipine 5 mg"),
        (SECTIONS, "She takes clopidogrel 75 mg daily"),
        (SECTIONS, "She is allergic to aspirin"),
        ("PAST MEDICAL HISTORY\n\nHypertension. Gallstones.", "She has a history of gallstones"),
        ("RISK FACTORS\n\nHypertension, smoking.", "She has hypertension"),
        ("PAST MEDICAL HISTORY\n\nStroke. Gallstones.", "She has gallstones"),
        (
            "PAST MEDICAL HISTORY\n\nAsthma, currently well controlled.",
            "Her asthma is currently well controlled",
        ),
    ],
)
def test_a_heading_takes_nothing_else_away(note: str, statement: str) -> None:
    assert leaves(note, statement)


@pytest.mark.parametrize("line", ["Discontinued:", "No longer takes:", "Denies:", "Ruled out:"])
@pytest.mark.parametrize("statement", ['"item 60 of the list"', "She has item 60 of the list"])
def test_an_item_that_is_cut_from_its_line_is_not_stated(line: str, statement: str) -> None:
    items = "\n".join(f"- item {number} of the list" for number in range(61))
    assert not leaves(f"{line}\n{items}", statement)
    assert leaves(f"Current:\n{items}", statement)
