"""Which section of a note a question names by its title: the anesthesia, the blood loss, the discharge diagnoses.

Decides by the words that such titles have, in full or as people shorten them. What else the question says tells which
note is meant ("during the hysterectomy") and is kept apart. Refuses to know what stands in a section.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.plan import QuestionPlan

_DX = r"(?:dx|diagnos[ie]s)"
_PRE, _POST = r"pre-?\s?op(?:erative)?", r"post-?\s?op(?:erative)?"
_DISCHARGE = r"(?:discharge|d/c|dc)"
_LEFT = r"(?:discharged(?: home)?|sent home|go home|going home)"
_FACTS = r"""
an(?:a)?esthe: (?:(?:type|kind|sort) of )?an(?:a)?esth(?:esia|etics?)(?: type)?
blood loss|\bebl\b: ebl|(?:(?:est(?:imated|\.)?|total|operative) )?blood loss|how much blood (?:was|did §) los[et]
complication: (?:(?:intra-?\s?op(?:erative)?|operative|surgical|procedural) )?complications?
specimen: specimens?(?: (?:sent|removed|taken))?
"""
"""Words of a title before the colon, behind it what asks for it; notes without these words say nothing of it."""
_NAMES = rf"""
indication: indications?
\b{_PRE}.*diagnos: {_PRE} {_DX}
\b{_POST}.*diagnos: {_POST} {_DX}
admi(?:ssion|tting).*diagnos: (?:admission|admitting) {_DX}|{_DX} (?:at|on) admission
discharge.*diagnos > final.*diagnos: {_DISCHARGE} {_DX}|{_DX} (?:at|on) {_DISCHARGE}
final.*diagnos > discharge.*diagnos > {_POST}.*diagnos > ^diagnos > impression|assessment: final {_DX}
secondary.*diagnos: secondary {_DX}
(?:principal|primary).*diagnos: (?:principal|primary) {_DX}
discharge.*med|med.*discharge: {_DISCHARGE} (?:med(?:ication|icine)?s?|drugs|prescriptions)(?: list)?
    (?:med(?:ication|icine)?s?|drugs|prescriptions) (?:at|on|upon) {_DISCHARGE}
    (?:what|which)(?: (?:home )?(?:med(?:ication|icine)?s?|drugs))? (?:was|were|did|is|does) § {_LEFT} (?:on|with)
home.*med|admission.*med|med.*(?:home|admission) > (?:current|active|outpatient).*med|^med: home meds
    (?:home|admission|pre-?admission) (?:med(?:ication|icine)?s?|drugs)(?: list)?(?: (?:at|on|before) admission)?
    (?:med(?:ication|icine)?s?|drugs) (?:at|on|before|prior to) admission
discharge.*(?:instruction|follow): {_DISCHARGE} (?:instructions?|orders|advice)|instructions (?:at|on) {_DISCHARGE}
condition: (?:condition|state|status) (?:at|on|upon) {_DISCHARGE}|{_DISCHARGE} (?:condition|status)
impression|conclusion|interpretation: impressions?|conclusions?|(?:the )?read(?= (?:of|on)\b)
findings > impression|conclusion > {_POST}.*diagnos: (?:(?:intra-?\s?op(?:erative)?|operative|surgical|gross) )?findings
reason for (?:the )?(?:admission|hospital)|admi(?:ssion|tting).*diagnos > reason for|complaint: why admitted
    why (?:was|is|did) §(?: get)? (?:admitted|hospitali[sz]ed)|reason for (?:the )?(?:admission|hospitali[sz]ation)
hospital course: (?:hospital|inpatient) course
comparison: comparison
"""
"""Words of a title before the colon, the surest first; behind it what asks for it."""
_RESULTS = r"""
impression|conclusion|interpretation > findings > post-?\s?op.*diagnos: results?(?= (?:of|from)\b)
    (?:report|bottom line|gist)(?= (?:of|from)\b)
    what (?:did|does|do)(?= .*\b(?:show|reveal|find|demonstrate|say)\b)
    what (?:was|were) (?:found|seen|shown)(?= (?:at|on|during|in)\b)
"""
"""Asks what a test showed: what a report of that test concludes."""
_SHOWED = re.compile(r"\b(?:show|reveal|find|demonstrate|say)\b", re.IGNORECASE)
"""Words that ask for a section, and are none of what it is of."""
_NO_SECTION = re.compile(
    r"\b(?:exam(?:ination)?|lab(?:oratory)?) findings\b|\bfindings of the exam", re.IGNORECASE
)
"""Named by a title, and asked for as a list of another kind."""


@dataclass(frozen=True, slots=True)
class AskedSection:
    """A section that is asked for by its title."""

    titles: tuple[re.Pattern[str], ...]
    """Of which a title has one; the surest first."""
    words: str
    """The rest of the question; "§" stands for the patient."""
    of_report: bool
    """Whether only a report of the test that is named has it, and not a visit that tells of the test."""
    drugs_at_discharge: bool
    """Whether it lists what is taken after a stay, which sentences may say as well."""
    is_fact: bool
    """Whether notes that have none of its words say nothing of it."""


def _lexicon(listed: str) -> tuple[tuple[tuple[re.Pattern[str], ...], re.Pattern[str]], ...]:
    found = []
    for line in re.sub(r"\n +", "|", listed).strip().splitlines():
        titles, _, asks = line.partition(": ")
        asked = re.compile(rf"(?<![\w-])(?:{asks})(?![\w-])", re.IGNORECASE)
        found.append((tuple(re.compile(each, re.IGNORECASE) for each in titles.split(" > ")), asked))
    return tuple(found)


_OF_FACTS, _OF_RESULTS = _lexicon(_FACTS), _lexicon(_RESULTS)
_LEXICON = (*_OF_FACTS, *_lexicon(_NAMES), *_OF_RESULTS)


def asked_section(plan: QuestionPlan) -> AskedSection | None:
    """The section that a question names; None where it names none."""
    text = asked_time(framed(plan.text, plan.patients))[1]
    if _NO_SECTION.search(text) is not None:
        return None
    for place, (titles, asks) in enumerate(_LEXICON):
        if (found := asks.search(text)) is not None:
            return AskedSection(
                titles,
                _SHOWED.sub(" ", f"{text[: found.start()]} {text[found.end() :]}"),
                of_report=place >= len(_LEXICON) - len(_OF_RESULTS),
                drugs_at_discharge=titles[0].search("discharge medications") is not None,
                is_fact=place < len(_OF_FACTS),
            )
    return None
