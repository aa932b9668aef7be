"""What kind of section a title or a code names."""

from __future__ import annotations

import re

import pytest

from pipeline.text.section_titles import is_of_the_family
from pipeline.text.structure.section_kinds import (
    KIND_BY_CODE,
    KIND_BY_TITLE,
    LOINC,
    SectionKind,
    kinds_of,
    kinds_of_title,
    plain,
)


@pytest.mark.parametrize(
    ("title", "kinds"),
    [
        ("PAST MEDICAL HISTORY", [SectionKind.PAST_HISTORY]),
        ("Past medical history:", [SectionKind.PAST_HISTORY]),
        ("PMHx", [SectionKind.PAST_HISTORY]),
        ("## Assessment & Plan", [SectionKind.ASSESSMENT_AND_PLAN]),
        ("A/P", [SectionKind.ASSESSMENT_AND_PLAN]),
        ("Assessment / Plan", [SectionKind.ASSESSMENT_AND_PLAN]),
        ("Meds", [SectionKind.MEDICATIONS]),
        ("Current Medications (reviewed)", [SectionKind.MEDICATIONS]),
        ("Pertinent past surgical history", [SectionKind.SURGICAL_HISTORY]),
        ("Pre-operative Diagnoses", [SectionKind.DIAGNOSES]),
        ("Family/Social History", [SectionKind.FAMILY_HISTORY, SectionKind.SOCIAL_HISTORY]),
        ("Labs and Imaging", [SectionKind.LABORATORY, SectionKind.IMAGING]),
        ("Reason for Exam", [SectionKind.REASON_FOR_VISIT]),
        ("ALLERGIES, ADVERSE REACTIONS, ALERTS", [SectionKind.ALLERGIES]),
        ("Medical (General) History", [SectionKind.PAST_HISTORY]),
        ("Mother", []),
        ("HEENT", []),
        ("Family meeting", []),
    ],
)
def test_titles(title: str, kinds: list[SectionKind]) -> None:
    assert list(kinds_of_title(title)) == kinds


def test_a_code_counts_before_the_words() -> None:
    assert kinds_of("Medikamente", ["10160-0"]) == (SectionKind.MEDICATIONS,)
    assert kinds_of("History", ["10157-6"]) == (SectionKind.FAMILY_HISTORY,)
    assert kinds_of("Medications", ["99999-9"]) == (SectionKind.MEDICATIONS,)
    assert kinds_of(None) == ()


def test_every_kind_has_a_code_of_its_own_and_a_title() -> None:
    assert set(LOINC) == set(SectionKind) == set(KIND_BY_TITLE.values())
    assert len({code.code for code in LOINC.values()}) == len(SectionKind)
    assert all(_is_loinc(code) for code in KIND_BY_CODE)


def _is_loinc(code: str) -> bool:
    """LOINC's check digit (mod 10, Luhn): a code mistyped is a code of something else."""
    number, _, check = code.partition("-")
    if not re.fullmatch(r"\d{4,5}-\d", code):
        return False
    doubled = int("".join(reversed(number[::-1][::2]))) * 2
    rest = "".join(reversed(number[::-1][1::2]))
    total = sum(map(int, f"{rest}{doubled}"))
    return (10 - total % 10) % 10 == int(check)


def test_the_lists_are_written_as_they_are_looked_up() -> None:
    assert [title for title in KIND_BY_TITLE if plain(title) != title] == []


def test_the_family_is_judged_here_too() -> None:
    assert is_of_the_family("FHx")
    assert is_of_the_family("Antecedentes", ["10157-6"])
    assert not is_of_the_family("Social history")
