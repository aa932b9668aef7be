"""Sections as spans with their kinds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import section_at, sections_of

NOTE = """Seen with her daughter.

CHIEF COMPLAINT

Cough.

PHYSICAL EXAM

HEENT: clear.

VITALS
BP 120/80

LUNGS
Clear.

FAMILY HISTORY

Mother had asthma.

Details
None.

PLAN: albuterol.
"""


def kinds_and_text(text: str) -> list[tuple[str | None, SectionKind | None, str]]:
    return [(each.title, each.kind, text[each.text_start : each.end]) for each in sections_of(text)]


def test_sections() -> None:
    assert kinds_and_text(NOTE) == [
        (None, None, "Seen with her daughter."),
        ("CHIEF COMPLAINT", SectionKind.REASON_FOR_VISIT, "Cough."),
        ("PHYSICAL EXAM", SectionKind.PHYSICAL_EXAM, "HEENT: clear."),
        ("VITALS", SectionKind.VITAL_SIGNS, "BP 120/80"),
        ("LUNGS", SectionKind.PHYSICAL_EXAM, "Clear."),
        ("FAMILY HISTORY", SectionKind.FAMILY_HISTORY, "Mother had asthma.\n\nDetails\nNone."),
        ("PLAN", SectionKind.PLAN, "albuterol."),
    ]


def test_a_lower_title_of_no_list_is_part_of_the_section_above() -> None:
    sections = sections_of("# Plan\n\n## Left knee\n\nRest.\n\n# Addendum\n\nSigned.")
    assert [(each.title, each.kind, each.part_of) for each in sections] == [
        ("Plan", SectionKind.PLAN, None),
        ("Left knee", SectionKind.PLAN, "Plan"),
        ("Addendum", None, None),
    ]


def test_what_follows_the_family_history_is_not_given_to_the_family() -> None:
    sections = sections_of("FAMILY HISTORY\nDiabetes.\n\nOther Findings Of Note:\nHer own asthma.")
    assert SectionKind.FAMILY_HISTORY not in sections[-1].kinds


def test_codes_of_the_source() -> None:
    text = "Medikamente:\n\nMetformin"
    assert sections_of(text)[0].kind is None
    assert sections_of(text, {"Medikamente": ["10160-0"]})[0].kind is SectionKind.MEDICATIONS


def test_section_at_a_place() -> None:
    sections = sections_of(NOTE)
    found = section_at(sections, NOTE.index("asthma"))
    assert found is not None
    assert found.kind is SectionKind.FAMILY_HISTORY
    assert section_at(sections, len(NOTE)) is None


@given(st.text(alphabet="aB:.,# \n1-", max_size=80) | st.sampled_from([NOTE, NOTE * 2]))
def test_sections_cover_everything_and_are_disjoint(text: str) -> None:
    sections = sections_of(text)
    covered = "".join(text[each.start : each.end] for each in sections)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(each.start <= each.text_start <= each.end for each in sections)


def test_a_passage_from_the_middle_of_a_section() -> None:
    first, second = sections_of("Mother had asthma.\n\nPLAN\n\nRest.", within="FAMILY HISTORY")
    assert (first.kind, first.text_start, second.kind) == (SectionKind.FAMILY_HISTORY, 0, SectionKind.PLAN)
