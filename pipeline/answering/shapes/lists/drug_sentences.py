"""The sentences of a note that say a drug is taken, ordered or changed.

Decides it by a dose next to a word, or a word that is taken: "Continue omeprazole 40 mg", "doing well on Effexor". No
list of drugs is complete, so none is asked. A value per volume is no dose ("126 mg/dL"). Not what is denied, a
relative's, or only thought of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.text.sentences import passage_sentences
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at

_UNIT = r"(?:mg|mcg|µg|ug|g|grams?|units?|iu|meq|ml|cc|puffs?|tablets?|tabs?|capsules?|drops?|sprays?)"
_DOSED = re.compile(
    rf"\b(?P<drug>[^\W\d_][\w-]{{3,}})(?:,)?(?:\s+(?:to|from|at|of|dose|inhaler|hcl|xl|er|xr|sr|extended[- ]release))*"
    r"\s+"
    rf"(?:\d[\d.,/-]*|one|two|three|half)\s?-?{_UNIT}\b(?!\s*/\s*(?:d?l|ml|kg|min)|\s+per\b)",
    re.IGNORECASE,
)
_TAKEN = re.compile(
    r"\b(?:taking|takes|take|continu(?:e|es|ed|ing)(?:\s+(?:on|taking|with|to\s+take))?|start(?:ed|s|ing)?(?:\s+(?:on|taking))?"
    r"|restart(?:ed)?|prescrib(?:e|ed|ing)|placed\s+on|put\s+on|initiate[ds]?|(?:well|stable|controlled|managed|maintained)\s+on"
    r"|remains?\s+on|(?:is|he['’]s|she['’]s)\s+(?:(?:currently|also|now|still|only)\s+)?on(?!\s+(?:Medic|[A-Z][a-z]+day\b))|refill(?:ed)?(?:\s+of)?|increase[ds]?|decrease[ds]?|using|uses)\s+"
    r"(?:(?:her|his|their|the|an?|some|daily|home|on|patient|with|over-the-counter|low-dose|oral)\s+)*"
    r"(?P<drug>[A-Z][a-z]{3,}\b(?!\s+(?:Reasoning|Education))|[a-z]{3,}(?:ol|pril|artan|statin|azole|cillin|mycin|pam|lam|oxin|arin"
    r"|gliptin|formin|profen|oxone|codone|phylline|terol|sone|solone|semide|thiazide|dipine|zepam|triptan|cycline|floxacin"
    r"|caine|ine|ide|insulin|aspirin|tylenol))\b"
)
_GIVEN = re.compile(rf"\b\d[\d.,/-]*\s?{_UNIT}\s+of\s+(?P<drug>[A-Z][a-z]{{3,}})\b")
"""A dose before its drug: "0.5 mg of Ativan"."""
_NO_DRUG = frozenset(
    "medicine medicines routine exercise exercises alcohol caffeine vaccine dietary physical medication medications "
    "blood weight heart diet outside inside provide decline online spine machine guideline headline baseline "
    "determine include control school pool symptoms about least another last with twice daily every once take "
    "taking dose than approximately only from given received urine saline discipline combine examine confine "
    "deadline guide side wide beside aside pride slide ride hide divide decide inches times feet more lost gained "
    "drinks smokes packs protocol cholesterol stool tool additional patient total pain about over these there their "
    "this that those will would should other some".split()
)
_SAYS_TAKEN = frozenset(
    [AssertionKind.PRESENT, AssertionKind.PLANNED, AssertionKind.HISTORICAL, AssertionKind.POSSIBLE]
)
_NOT_READ = frozenset(
    [
        SectionKind.ALLERGIES,
        SectionKind.FAMILY_HISTORY,
        SectionKind.MEDICATIONS,
        SectionKind.RESULTS,
        SectionKind.LABORATORY,
    ]
)


@dataclass(frozen=True, slots=True)
class DrugMention:
    """A sentence that says so; half-open offsets of the passage."""

    drug: str
    start: int
    end: int


def drug_mentions(text: str, sections: Sequence[Section]) -> Iterator[DrugMention]:
    """Each sentence once, with the first drug in it that it says is taken."""
    assertions: NoteAssertions | None = None
    for start, end in passage_sentences(text):
        section = section_at(sections, start)
        if section is not None and not _NOT_READ.isdisjoint(section.kinds):
            continue
        found = (each.finditer(text, start, end) for each in (_DOSED, _GIVEN, _TAKEN))
        for match in chain.from_iterable(found):
            drug = match["drug"]
            if drug.lower() in _NO_DRUG:
                continue
            assertions = assertions or NoteAssertions(text, sections)
            if assertions.of(*match.span("drug")).kind in _SAYS_TAKEN:
                yield DrugMention(drug, start, end)
                break
