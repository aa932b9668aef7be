"""Whether a mention is of the kind of thing asked for: a drug that is taken, or one that someone reacts to; and no more
than what an examination is to look for.

Decides it by section and sentence. Everything but drugs, allergies and vaccines is of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.answering.questions.plan import ThingKind
from pipeline.records import Hit
from pipeline.text.structure.assertion import AssertionKind
from pipeline.text.structure.section_kinds import SectionKind, kinds_of_title
from pipeline.text.structure.sections import Section, section_at
from pipeline.text.terms.finding import Mention

_REACTS = re.compile(
    r"allerg|intoleran|adverse (?:drug )?(?:reaction|effect)|anaphyla|\b(?:hyper)?sensitiv"
    r"|\breact(?:s|ion|ed)? (?:to|with)\b|NKDA"
    r"|\b(?:causes?|caused|gives?|gave|gets?|got|develop(?:s|ed)|broke out in)\b[^.;]{0,30}?"
    r"\b(?:hives|rash|urticaria|angioedema|itching)\b"
    r"|\b(?:hives|rash|urticaria|angioedema) (?:with|from|to|on|after)\b",
    re.IGNORECASE,
)


def is_of_kind(text: str, mention: Mention, sections: Sequence[Section], kind: ThingKind | None) -> bool:
    """`text`: of the passage; `sections`: its own."""
    if not mention.is_of_class:
        given = section_at(sections, mention.start)
        return given is not None and SectionKind.IMMUNIZATIONS in given.kinds
    if kind not in (ThingKind.ALLERGY, ThingKind.MEDICATION):
        return True
    section = section_at(sections, mention.start)
    listed = section is not None and SectionKind.ALLERGIES in section.kinds
    reacts = _REACTS.search(text, mention.sentence_start, mention.sentence_end) is not None
    return (listed or reacts) is (kind is ThingKind.ALLERGY)


_ASKS_FOR = frozenset([SectionKind.INDICATION, SectionKind.REASON_FOR_VISIT])


def is_only_looked_for(said: AssertionKind, sections: Sequence[Section], at: int) -> bool:
    """Whether what is possible is the question that an examination is to answer: "REASON FOR EXAM: rule out
    appendicitis". `at`: where the mention stands."""
    section = section_at(sections, at) if said is AssertionKind.POSSIBLE else None
    return section is not None and not _ASKS_FOR.isdisjoint(section.kinds)


def title_of(hit: Hit) -> str | None:
    """The title that a passage begins under: its section's, or the note's type where that is one ("Allergies")."""
    return hit.section or (hit.document_type if kinds_of_title(hit.document_type) else None)
