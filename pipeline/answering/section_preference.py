"""Puts the passages of the sections that a question asks for before the others that were found.

Decides it by the titles that passages keep: what is asked of medications is written under "MEDICATIONS" before it is
anywhere else, and a model's budget of passages is spent from the front. Nothing is found or left out by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.answering.questions.plan import ThingKind
from pipeline.answering.shapes.lists.section_list import SECTIONS
from pipeline.records import Hit
from pipeline.text.structure.section_kinds import kinds_of_title


def sections_first(hits: Sequence[Hit], kinds: Sequence[ThingKind]) -> list[Hit]:
    """The hits, those of a section in which one of `kinds` is listed first; among equals in the order they had."""
    asked = frozenset[object]().union(*(SECTIONS.get(kind, frozenset()) for kind in kinds))
    return sorted(hits, key=lambda hit: asked.isdisjoint(kinds_of_title(hit.section) if hit.section else ()))
