"""Passages of the section that is asked for come first, and nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace

from pipeline.answering.questions.plan import ThingKind
from pipeline.answering.section_preference import sections_first
from pipeline.records import Hit

HIT = Hit("c", "n", "p1", "Visit note", None, None, None, "text", 0, 4, 0.5)
SECTIONS = (None, "PLAN", "CURRENT MEDICATIONS", "HPI", "Medications")
HITS = [replace(HIT, chunk_id=str(number), section=title) for number, title in enumerate(SECTIONS)]


def test_the_sections_of_the_kinds_come_first_in_the_order_they_had() -> None:
    assert [each.chunk_id for each in sections_first(HITS, [ThingKind.MEDICATION])] == list("24013")
    both = sections_first(HITS, [ThingKind.MEDICATION, ThingKind.PLAN])
    assert [each.chunk_id for each in both] == list("12403")


def test_a_question_that_names_no_kind_changes_nothing() -> None:
    assert sections_first(HITS, []) == HITS
    assert sections_first(HITS, [ThingKind.WHOLE_VISIT]) == HITS
