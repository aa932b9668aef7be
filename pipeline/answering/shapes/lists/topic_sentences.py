"""Which sentences of a note say what no section lists: referrals, advice, tests to be done, what was given or tried.

Decides it by the words that such a thing is said in, and by the sections that it may stand in. A relative's and what is
denied are left out. Refuses to know which illness a sentence is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.answering.questions.plan import ListTopic, ThingKind
from pipeline.answering.shapes.lists.drug_sentences import drug_mentions
from pipeline.answering.shapes.lists.kinds_in_prose import ProseMention
from pipeline.answering.shapes.lists.section_list import REASONING, SECTIONS
from pipeline.answering.shapes.patient_notes import PatientNote
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import section_at

_S = SectionKind
PLANNED_IN = SECTIONS[ThingKind.PLAN] | {_S.ASSESSMENT}
_TOLD_IN = PLANNED_IN | {_S.INSTRUCTIONS, _S.DISPOSITION}
_HISTORY = frozenset(
    [_S.PRESENT_ILLNESS, _S.SUBJECTIVE, _S.REASON_FOR_VISIT, _S.REVIEW_OF_SYSTEMS, _S.HISTORY]
)
_NOT_DONE = frozenset([AssertionKind.FAMILY, AssertionKind.ABSENT])
_NOT_READ = frozenset([_S.FAMILY_HISTORY, _S.ALLERGIES])

_LAB = (
    r"(?:labs?|blood ?work|panel|cbc|cmp|bmp|a1c|hemoglobin|cultures?|urinalysis|urine|titers?|western blot"
    r"|levels?|count|lipids?|psa|tsh|profile|creatinine|electrolytes|troponin|inr|blood tests?|swab)"
)
_IMAGING = (
    r"(?:x-?rays?|cts?|mris?|ultrasound|sonogram|echo\w*|mammogram|scans?|imaging|films?|radiographs?|doppler"
    r"|dexa)"
)
_TEST = (
    rf"(?:tests?|testing|{_LAB[3:-1]}|{_IMAGING[3:-1]}|ekg|ecg|biops\w+|colonoscopy|endoscopy|stud(?:y|ies)|screening"
    r"|spirometry|holter|monitor|collection|pulmonary function)"
)
TESTS = re.compile(
    r"\b(?:order\w*|repeat\w*|schedul\w+|obtain|check\w*|send|get|recheck\w*|will need|recommend\w*)\b[^.;\n]*?"
    rf"\b{_TEST}\b"
    rf"|\b{_TEST}\b[^.;\n]{{0,60}}?\b(?:(?:was|were|is|are)\s+)?(?:also\s+)?(?:ordered|scheduled|requested)\b"
    rf"|\b{_TEST}\b[^.;\n]{{0,60}}?\bwill (?:also )?be "
    r"(?:ordered|obtained|sent|drawn|done|checked|repeated|scheduled)\b",
    re.IGNORECASE,
)
_SPECIALISTS = (
    r"(?:\w+ologists?|\w+iatrists?|orthopa?edists?|geneticists?|di[ae]ti[ct]ians?|nutritionists?|surgeons?|allergists?"
    r"|specialists?|audiologists?|optometrists?|therapists?|gi|ent|obstetricians?|podiatry|\w+ology"
    r"|orthopa?edics|genetics|neurosurgery|physical therapy|occupational therapy|speech therapy"
    r"|pain (?:clinic|management))"
)
_REFERRED = re.compile(
    r"\brefer(?:red|rals?|ring)?\b(?! (?:pain|to as))|\bconsult(?:ation|ed|s)?\s+(?:with|to|by|placed|for)\b"
    rf"|\b(?:send|sent|schedule[d]?|appointment|follow(?:ing)? ?-?up|see)\b[^.;\n]{{0,40}}?\b"
    rf"(?:to|with|see|an?|the|by)\s+"
    rf"(?:(?:an?|the|his|her)\s+)?(?:\w+\s+)?{_SPECIALISTS}\b",
    re.IGNORECASE,
)
_SEEN = re.compile(
    r"\b(?:seen|saw|sees|seeing|visited|followed|follows|evaluated|treated|consulted|care of)\b"
    rf"[^.;\n]*?\b{_SPECIALISTS}\b"
    rf"|\b{_SPECIALISTS}\b[^.;\n]{{0,30}}?\b"
    r"(?:saw|diagnosed|evaluated|informed|told|recommended|prescribed|performed|advised|ordered|started|who)\b"
    rf"|\breferred\b[^.;\n]*\bby\s+{_SPECIALISTS}\b|\b(?:his|her)\s+{_SPECIALISTS}\b",
    re.IGNORECASE,
)
_ADVISED = re.compile(
    r"\b(?:advis\w+|encourag\w+|recommend\w*|counsel\w*|instruct\w+|urged|educated|reminded|cautioned"
    r"|(?:told|asked) (?:(?:him|her|them|the (?:patient|family|\w+)) )?(?:not )?to"
    r"|(?:patient|he|she|they) (?:should|needs? to|must|is to|was to|can|may)|should (?:continue|avoid|call"
    r"|return|seek)"
    r"|(?:want|like) (?:him|her|them|the patient|you) to)\b",
    re.IGNORECASE,
)
_ORDERS_LINE = re.compile(
    r"\s*(?:[-*•]\s*)?(?:Medical Treatment|Additional (?:Testing|Workup)|Specialist Referrals?)\b",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"\b(?:den(?:y|ies|ied|ying)|negative for|no (?:complaints?|history) of)\b", re.IGNORECASE
)
_REPORTS = re.compile(
    r"\b(?:reports?|reported|endorses?|endorsed|complain\w*|presents? (?:with|for|today)|presenting|experienc\w+|c/o"
    r"|positive for|admits to|states (?:that )?(?:she|he|they) (?:has|have|had)|suffer\w*|began|onset)\b",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"\b(?:given|gave|received?|administered|loaded with|treated with|bolus(?:ed)?|infused)\b", re.IGNORECASE
)
_TRIED = re.compile(
    r"\b(?:tried|trying|trial of|attempted|has been (?:taking|using)|(?:treated|treating|managed) with"
    r"|(?:no|little|some|any|without|with|significant|much|provid\w+|for) (?:\w+ )?relief|alleviat\w+"
    r"|(?:did not|has not|not) help"
    r"|helps?|used)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b(?:start\w*|initiat\w+|begin\w*|add(?:ed|ing)?|stop\w*|discontinu\w+|increas\w+|decreas\w+|reduc\w+"
    r"|switch\w*|titrat\w+"
    r"|chang\w+|hold|held|prescrib\w+|taper\w*|restart\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Saying:
    pattern: re.Pattern[str]
    kinds: frozenset[SectionKind] | None = None
    """Of which sections; None: of all but the family's and the allergies'."""
    also: Callable[[str], bool] = lambda sentence: True
    """What else holds of the sentence."""
    of_drugs: bool = False
    """Whether the sentence names a drug with its dose, or that is taken."""
    denied: bool = False


def _has(words: str) -> Callable[[str], bool]:
    pattern = re.compile(rf"\b{words}\b", re.IGNORECASE)
    return lambda sentence: pattern.search(sentence) is not None


_NO_ADVICE = re.compile(
    r"\brefer|\border\b|\bprescri|\brecommend(?:ed)? (?:that )?we\b|\bwill recommend\b|\bwe (?:will|can) consider\b",
    re.IGNORECASE,
)
_NOT_ADVISED = re.compile(
    r"\b(?:not|never|nor|n['’]t|no) (?:been )?(?:advis|recommend|encourag|counsel|instruct|told|asked)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\s*(?:[-*•]\s*)?[A-Z][A-Za-z ]{2,40}:")


_AVOIDS = re.compile(
    r"\b(?:avoid\w*|abstain\w*|refrain\w*|stop(?:ping)?|cease|quit|cut (?:down|back)|limit\w*|reduc(?:e|ing)"
    r"|restrict\w*|not to"
    r"|no longer|should not|stay away|hold off|do not|decreas(?:e|ing)|less|without)\b",
    re.IGNORECASE,
)


def is_to_avoid(sentence: str) -> bool:
    """Whether an advice says what not to do, or to do less of."""
    return _AVOIDS.search(sentence) is not None


def _is_advice(sentence: str) -> bool:
    if _ORDERS_LINE.match(sentence) or _NO_ADVICE.search(sentence) or _NOT_ADVISED.search(sentence):
        return False
    return _ADVISED.search(_LABEL.sub("", sentence, count=1)) is not None


_SAID_IN = MappingProxyType[ListTopic, _Saying](
    {
        "labs ordered": _Saying(TESTS, PLANNED_IN, _has(_LAB)),
        "imaging ordered": _Saying(TESTS, PLANNED_IN, _has(_IMAGING)),
        "referrals": _Saying(_REFERRED),
        "specialists": _Saying(_SEEN),
        "advice": _Saying(_ADVISED, _TOLD_IN, _is_advice, denied=True),
        "denied symptoms": _Saying(_DENIES, denied=True),
        "reported symptoms": _Saying(_REPORTS, _HISTORY, lambda sentence: not _DENIES.search(sentence)),
        "drugs given": _Saying(_GIVEN, of_drugs=True),
        "treatments tried": _Saying(_TRIED, _HISTORY | {_S.PAST_HISTORY, _S.MEDICATIONS}),
        "medication changes": _Saying(_CHANGES, _TOLD_IN | _HISTORY, of_drugs=True),
    }
)


def of_topic(note: PatientNote, topic: ListTopic) -> Iterator[ProseMention]:
    """The sentences that say it, in their order."""
    said = _SAID_IN[topic]
    drugs = (
        {
            (passage.hit.chunk_id, each.start)
            for passage in note.passages
            for each in drug_mentions(passage.hit.text, passage.sections)
        }
        if said.of_drugs
        else set()
    )
    for each in sentences_with(note, said.pattern, said.kinds, denied=said.denied):
        sentence = each.passage.hit.text[each.start : each.end]
        if said.also(sentence) and (not said.of_drugs or (each.passage.hit.chunk_id, each.start) in drugs):
            yield each


def sentences_with(
    note: PatientNote,
    pattern: re.Pattern[str],
    kinds: frozenset[SectionKind] | None,
    *,
    denied: bool = False,
) -> Iterator[ProseMention]:
    """Sentences that match, of sections of these kinds; None: of all but the family's and the allergies'. `denied`:
    whether what is denied counts. A note without sections is read as a whole."""
    whole = all(section.kinds == () for passage in note.passages for section in passage.sections)
    for passage in note.passages:
        text = passage.hit.text
        assertions: NoteAssertions | None = None
        for start, end in passage_sentences(text):
            section = section_at(passage.sections, start)
            of_section = frozenset(section.kinds) if section is not None else frozenset()
            other = kinds is not None and kinds.isdisjoint(of_section) and not whole
            if other or not _NOT_READ.isdisjoint(of_section):
                continue
            found = pattern.search(text, start, end)
            if found is None or is_heading(text[start:end]) or REASONING.match(text, start):
                continue
            assertions = assertions or NoteAssertions(text, passage.sections)
            said = assertions.of(found.end() - 1, found.end()).kind
            if said not in _NOT_DONE or (denied and said is AssertionKind.ABSENT):
                yield ProseMention(passage, start, end)
