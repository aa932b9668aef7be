"""Headings in every way that people write them, and what is none."""

from __future__ import annotations

import pytest

from pipeline.text.structure.outline import outline, title_of_line


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("PAST MEDICAL HISTORY", "PAST MEDICAL HISTORY"),
        ("Past Medical History", "Past Medical History"),
        ("Past medical hx", "Past medical hx"),
        ("medications:", "medications"),
        ("1. PAST MEDICAL HISTORY", "PAST MEDICAL HISTORY"),
        ("II. Allergies", "Allergies"),
        ("3) Current medications:", "Current medications"),
        ("## Plan", "Plan"),
        ("**Allergies:**", "Allergies"),
        ("PMHx:", "PMHx"),
        ("2. Blood work", None),
        ("1. Hypertension", None),
        ("Surgery", None),
        ("Take the medications with food.", None),
        ("COYOTE, WILE", None),
    ],
)
def test_lines(line: str, title: str | None) -> None:
    assert title_of_line(line) == title


def titles_in(text: str) -> list[str]:
    return [block.title for block in outline(text) if block.title is not None]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("PMH: asthma. Meds: albuterol. Allergies: none.", ["PMH", "Meds", "Allergies"]),
        ("CC: cough\nHPI: three days\nPast Medical History: asthma", ["CC", "HPI", "Past Medical History"]),
        ("Stable.,PAST MEDICAL HISTORY:, Asthma.,ALLERGIES:, None.", ["PAST MEDICAL HISTORY", "ALLERGIES"]),
        (
            "Stable.,ALLERGIES,1. Iodine.,PHYSICAL EXAMINATION,NECK: , Supple.",
            ["ALLERGIES", "PHYSICAL EXAMINATION", "NECK"],
        ),
        ("He lists no allergies,MEDICATIONS,OR surgery.", []),
        ("1. Allergies: penicillin\n2. Medications: none", ["Allergies", "Medications"]),
        ("**Family History:** diabetes", ["Family History"]),
        # What is a label of an entry, or of a line of its own section, opens none.
        ("Metformin 500 mg\nInstructions: one tablet daily\nReason: diabetes", []),
        ("SOCIAL HISTORY\nTobacco use: never\nAlcohol use: rarely", ["SOCIAL HISTORY"]),
        ("She was given the following medications: aspirin.", []),
        ("Seen at 10:30. Ratio 1:2.", []),
        ("Blood pressure: 120/80", []),
    ],
)
def test_titles_before_text(text: str, titles: list[str]) -> None:
    assert titles_in(text) == titles


def test_two_spaces_after_a_label_or_a_full_stop_make_no_table() -> None:
    rows = "Sodium:  140  mmol/l  135-145\nPotassium:  4.1  mmol/l  3.5-5.0"
    prose = 'Both are normal.  No more is needed.  She asked "why?"  I said so.'
    assert [(block.form, block.start) for block in outline(f"{rows}\n\n{prose}")] == [
        ("table", 0),
        ("prose", len(rows) + 2),
    ]
