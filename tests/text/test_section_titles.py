"""What names a section, and what could be a person's name."""

from __future__ import annotations

import pytest

from pipeline.text.section_titles import is_section_title, may_be_a_name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("COYOTE", True),
        ("Wile Coyote", True),
        ("ALLERGIES (COYOTE", True),  # half of a bracket
        ("PATIENT MRN", True),
        ("ALLERGIES", False),
        ("MSK", False),
        ("GUNSHOT WOUND OF THE LEFT THIGH", False),
    ],
)
def test_what_could_be_a_name(title: str, name: bool) -> None:
    assert may_be_a_name(title) is name


def test_words_of_sections_in_a_sentence_are_no_title() -> None:
    assert is_section_title("Reason for Exam")
    assert not is_section_title("Reason for exam given")
