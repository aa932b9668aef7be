"""Which sentences of a note say a thing of a kind where no section lists it: a drug, a vaccine, an operation.

Decides it by the words that a kind is said in, and which kinds are not stated where a note has none of those words. A
relative's, what is denied and what is only thought of are left out. Refuses to know which of them a question is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from pipeline.answering.questions.asked.kinds import PATTERNS
from pipeline.answering.questions.plan import ThingKind
from pipeline.answering.shapes.lists.drug_sentences import drug_mentions
from pipeline.answering.shapes.patient_notes import PatientNote, ReadPassage
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.outcomes import is_not_done
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at
from pipeline.text.terms.finding import Finding
from pipeline.text.vocabulary import RELATIVES

_K = AssertionKind
_OPERATION = (
    r"\b(?:surg(?:ery|eries|ical\w*)|operat(?:ed|ion|ions)|\w+(?:ectom|plast|otom|ostom)(?:y|ies)|\w+scop(?:y|ies)|bypass"
    r"|c-?section|cesarean|caesarean|graft\w*|transplant\w*|amputat\w+|ablation|cardioversion|catheteri[sz]ation|stent\w*"
    r"|implant\w*|replacement|resect\w+|excis\w+|biops\w+|releases?|repair\w*|fusion|dialysis|pacemaker|reconstruction"
    r"|arthrodesis|removal|removed|procedures?|injections?|transfusions?|lasik|d&c|fixation|tubal)\b"
)
_LABORATORY = (
    r"\b(?:labs?|lab(?:oratory)?|h(?:a)?emoglobin|hgb|hb|h(?:b)?a1c|a1c|creatinine|potassium|sodium|glucose|cholesterol"
    r"|ldl|hdl|triglycerides|tsh|wbc|platelets?|inr|bilirubin|alt|ast|troponin|bnp|urinalysis|h(?:a)?ematocrit|calcium"
    r"|magnesium|psa|cultures?|cbc|cmp|bmp|bun|crp|esr|ferritin|panel|blood (?:test|work|count|sugar))s?\b"
    r"|\d\s?(?:m?g/d[lL]|mmol|m?eq/l|[uU]/[lL]|ng/m[lL])"
)
_VACCINE = (
    r"\b(?:immuni[sz]\w*|vaccin\w*|shots?|boosters?|tdap|dtap|mmr|bcg|shingrix|zostavax|pneumovax|prevnar|gardasil|fluzone"
    r"|flumist|boostrix|adacel|havrix|vaqta|twinrix|engerix|heplisav|recombivax|menactra|menveo|bexsero|trumenba"
    r"|comirnaty|varivax|rotateq)\b"
)
_PROBLEM = (
    r"\b(?:present(?:s|ed|ing)?|diagnosed|admitted|consistent|suffers?|known) (?:with|from|to have)\b"
    r"|\bdiagnos[ei]s\b"
)
_CAME_OUT = re.compile(
    r"(?<![\w.])\d|\b(?:normal|abnormal|elevated|high|low|raised|stable|unchanged|negative|positive|within|increased"
    r"|decreased|undetectable|unremarkable|borderline)\b",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"\b(?:will|order(?:ed|ing)?|repeat|recheck|obtain|schedul\w+|recommend\w*|pending|goal|target|due for)\b",
    re.IGNORECASE,
)
_COMES_FOR = re.compile(
    r"\b(?:presents?|presented|presenting|returns?|returned|comes? in|came in|is here|seen|referred|evaluated)\b"
    r"(?:\s+(?!(?:for|with|because|due|complaining)\b)[\w,'’-]+){0,8}?"
    r"\s+(?:for|with|because|due to|complaining of)\b",
    re.IGNORECASE,
)
SAID_IN = MappingProxyType(
    {
        ThingKind.PROCEDURE: re.compile(_OPERATION, re.IGNORECASE),
        ThingKind.LABORATORY: re.compile(_LABORATORY, re.IGNORECASE),
        ThingKind.IMMUNIZATION: re.compile(_VACCINE, re.IGNORECASE),
        ThingKind.ALLERGY: re.compile(r"allerg|\bNK(?:D|F)?A\b|anaphyla|intoleran|\breact", re.IGNORECASE),
        ThingKind.FAMILY: re.compile(
            rf"\b(?:{'|'.join(sorted(RELATIVES))}|hereditary|inherited)\b", re.IGNORECASE
        ),
    }
)
"""Words without any of which a note says nothing of the kind."""
NOT_STATED_KINDS = frozenset([ThingKind.MEDICATION, ThingKind.ALLERGY, *SAID_IN])
_NO_OPERATION = re.compile(
    r"\b(?:hormone|estrogen|testosterone|thyroid|nicotine|iron|fluid|volume|electrolyte|potassium|enzyme|insulin)\s+"
    r"(?:\w+\s+)?(?:replacement|injections?)\Z"
    r"|\b(?:nodes?|specimens?|tissue|polyps?|margins?)\s+removed\Z",
    re.IGNORECASE,
)
_NOT_ALLOWED = re.compile(
    r"(?:\bnot|n['’]t|\brefus\w+ to|\bdeclin\w+ to)\s+(?:allow|let|permit|consent|agree)\b", re.IGNORECASE
)
_LINE_ABOVE = re.compile(
    r"^(?P<line>[^\n]*):[ \t]*\n(?P<items>(?:[ \t]*[-*•][ \t]+[^\n]+(?:\n|\Z))+)", re.MULTILINE
)
_ITEM = re.compile(r"^[ \t]*[-*•][ \t]+(?P<item>[^\n]*[^\s.;])", re.MULTILINE)
_NONE_KNOWN = re.compile(r"\bNK(?:D|F)?A\b")
_HAPPENED = frozenset([_K.PRESENT, _K.HISTORICAL])
_DONE = frozenset([ThingKind.PROCEDURE, ThingKind.IMMUNIZATION])
_NOT_PROCEDURES = frozenset(
    [SectionKind.INSTRUCTIONS, SectionKind.PLAN, SectionKind.FAMILY_HISTORY, SectionKind.PHYSICAL_EXAM]
)
STEPS_MIN = 3
_STEP = re.compile(r"\b(?:was|were) (?:then |also )?\w+(?:ed|en|n|t|id|ght)\b", re.IGNORECASE)
_OF_ONE_OPERATION = frozenset(
    [SectionKind.PROCEDURE_DESCRIPTION, SectionKind.FINDINGS, SectionKind.SPECIMENS]
)
"""What was done step by step in an operation that the note names elsewhere."""


@dataclass(frozen=True, slots=True)
class ProseMention:
    """A sentence of a passage; half-open offsets of its text."""

    passage: ReadPassage
    start: int
    end: int
    word: str = ""
    """That tells one from another; nothing where the whole sentence does."""


def prose_mentions(note: PatientNote, kind: ThingKind) -> Iterator[ProseMention]:
    """The sentences of a note that say a thing of the kind; none for kinds that are said in any words."""
    if kind is ThingKind.MEDICATION:
        for passage in note.passages:
            for mention in drug_mentions(passage.hit.text, passage.sections):
                if not SAID_IN[ThingKind.IMMUNIZATION].search(passage.hit.text, mention.start, mention.end):
                    yield ProseMention(passage, mention.start, mention.end, mention.drug)
    elif kind is ThingKind.ALLERGY:
        yield from _of_finding(note, Finding("allergy"))
        yield from _none_known(note)
    elif kind in (ThingKind.IMMUNIZATION, ThingKind.PROCEDURE):
        yield from listed_under(note, kind)
        yield from _of_words(note, SAID_IN[kind], kind)
    elif kind is ThingKind.LABORATORY:
        yield from (each for each in _of_words(note, SAID_IN[kind], kind) if _is_measured(each))
    elif kind is ThingKind.REASON_FOR_VISIT:
        yield from islice(_of_words(note, _COMES_FOR, kind), 1)
    elif kind is ThingKind.PROBLEM:
        yield from _of_words(note, re.compile(_PROBLEM, re.IGNORECASE), kind)


def is_of_one_operation(text: str, section: Section) -> bool:
    """Whether a section tells the steps of an operation, whatever its title: each of them is no operation."""
    if not _OF_ONE_OPERATION.isdisjoint(section.kinds):
        return True
    if SectionKind.PROCEDURES not in section.kinds:
        return False
    return sum(1 for _ in _STEP.finditer(text, section.text_start, section.end)) >= STEPS_MIN


def _is_measured(mention: ProseMention) -> bool:
    """Whether a sentence about a laboratory test has what came out."""
    text = mention.passage.hit.text
    section = section_at(mention.passage.sections, mention.start)
    if section is not None and SectionKind.REASON_FOR_VISIT in section.kinds:
        return False
    return (
        _CAME_OUT.search(text, mention.start, mention.end) is not None
        and _ORDERS.search(text, mention.start, mention.end) is None
    )


def listed_under(
    note: PatientNote, kind: ThingKind, said: re.Pattern[str] | None = None
) -> Iterator[ProseMention]:
    """The items of a list whose line above names the kind: "The following procedures were done:". `said`: what that
    line must say too."""
    for passage in note.passages:
        text = passage.hit.text
        for line in _LINE_ABOVE.finditer(text):
            if PATTERNS[kind].search(line["line"]) is None or (said and said.search(line["line"]) is None):
                continue
            for item in _ITEM.finditer(text, line.start("items"), line.end("items")):
                start, end = item.span("item")
                if with_line_above(text, start, end)[0] == start:
                    yield ProseMention(passage, start, end)


def may_be_stated(note: PatientNote, kind: ThingKind) -> bool:
    """Whether the note has a word of the kind, so that nobody may say that it is not stated."""
    words = SAID_IN.get(kind)
    return words is not None and any(words.search(passage.hit.text) for passage in note.passages)


def _of_finding(note: PatientNote, finding: Finding) -> Iterator[ProseMention]:
    for passage in note.passages:
        text = passage.hit.text
        for mention in finding.mentions(text):
            said = NoteAssertions(text, passage.sections).of(mention.start, mention.end).kind
            if said is not _K.FAMILY and not is_heading(text[mention.sentence_start : mention.sentence_end]):
                yield ProseMention(passage, mention.sentence_start, mention.sentence_end)


def _none_known(note: PatientNote) -> Iterator[ProseMention]:
    for passage in note.passages:
        for found in _NONE_KNOWN.finditer(passage.hit.text):
            yield ProseMention(passage, *found.span())


def _first_of(
    words: re.Pattern[str], text: str, start: int, end: int, kind: ThingKind
) -> re.Match[str] | None:
    """The first of the words in a sentence; of an operation one that is none of a drug's, or of what was taken out."""
    found = words.finditer(text, start, end)
    if kind is not ThingKind.PROCEDURE:
        return next(found, None)
    return next(
        (
            each
            for each in found
            if not _NO_OPERATION.search(text[max(start, each.start() - 40) : each.end()])
        ),
        None,
    )


def _of_words(note: PatientNote, words: re.Pattern[str], kind: ThingKind) -> Iterator[ProseMention]:
    for passage in note.passages:
        text = passage.hit.text
        assertions: NoteAssertions | None = None
        for start, end in passage_sentences(text):
            section = section_at(passage.sections, start)
            if kind is ThingKind.PROCEDURE and section is not None and is_of_one_operation(text, section):
                continue
            if (
                is_heading(text[start:end])
                or text[start:end].endswith(":")
                or (
                    kind is not ThingKind.IMMUNIZATION
                    and section is not None
                    and not _NOT_PROCEDURES.isdisjoint(section.kinds)
                )
            ):
                continue
            found = _first_of(words, text, start, end, kind)
            if found is None:
                continue
            if kind is ThingKind.PROCEDURE and _NOT_ALLOWED.search(text, start, found.start()):
                continue
            assertions = assertions or NoteAssertions(text, passage.sections)
            place = found.span() if kind is not ThingKind.PROBLEM else (min(found.end(), end - 1), end)
            if assertions.of(*place).kind in _HAPPENED and not (
                kind in _DONE and is_not_done(text[start:end], place[0] - start, place[1] - start)
            ):
                yield ProseMention(passage, start, end)
