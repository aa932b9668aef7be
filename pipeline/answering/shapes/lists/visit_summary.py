"""The summary of one visit by template: reason, findings, diagnoses, medications, plan, each line a quotation.

Decides which note is the visit (the newest, or that of the day, the stay or the examination asked for) and which
sections stand for what. Refuses to sum up in words of its own, and to summarise several visits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.answering.questions.asked.kinds import PATTERNS
from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.lists.drug_sentences import drug_mentions
from pipeline.answering.shapes.patient_notes import PatientNote, patient_notes
from pipeline.answering.shapes.reply import Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.structure.section_kinds import SectionKind

_K = SectionKind
PARTS: tuple[tuple[str, frozenset[SectionKind], int], ...] = (
    ("Reason for the visit", frozenset([_K.REASON_FOR_VISIT]), 2),
    ("History", frozenset([_K.PRESENT_ILLNESS, _K.SUBJECTIVE]), 5),
    ("Allergies", frozenset([_K.ALLERGIES]), 3),
    ("Medications", frozenset([_K.MEDICATIONS]), 8),
    ("Vital signs", frozenset([_K.VITAL_SIGNS]), 6),
    ("Examination", frozenset([_K.PHYSICAL_EXAM, _K.OBJECTIVE, _K.MENTAL_STATUS]), 8),
    ("Results", frozenset([_K.RESULTS, _K.LABORATORY, _K.IMAGING]), 8),
    ("Procedures", frozenset([_K.PROCEDURES, _K.SURGICAL_HISTORY]), 4),
    ("Findings", frozenset([_K.FINDINGS]), 8),
    ("Complications", frozenset([_K.COMPLICATIONS]), 2),
    ("Hospital course", frozenset([_K.HOSPITAL_COURSE]), 8),
    ("Assessment and plan", frozenset([_K.ASSESSMENT, _K.ASSESSMENT_AND_PLAN, _K.DIAGNOSES, _K.PLAN]), 24),
    ("Instructions", frozenset([_K.INSTRUCTIONS, _K.DISPOSITION]), 6),
)
"""What a summary says in its order, where it is written, and how many sentences of it are shown."""
ONE_PART_MAX = 20
"""Sentences of a note that has one of the parts alone."""
WITHOUT_SECTIONS_MAX = 8
_EXAMINED = frozenset([ThingKind.IMAGING, ThingKind.PROCEDURE])
_STAY = re.compile(
    r"\b(?:(?:hospital )?(?:admission|stay|course)|hospitali[sz]ation|discharge)\b", re.IGNORECASE
)


class VisitSummary:
    """Implements shapes.reply.ShapeAnswerer."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            plan.shape is AnswerShape.SUMMARY
            and len(patients) == 1
            and not (plan.time.relative or plan.time.stay or plan.time.order == "first")
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        notes = _meant(patient_notes(asked).notes, asked.plan)
        if not notes or (len(notes) > 1 and not notes[0].day):
            return None  # which of several notes without a date is the last is not known
        lines = [line for note in notes if note.day == notes[0].day for line in _summary(note)]
        return Reply(tuple(lines)) if lines else None


def _meant(notes: Sequence[PatientNote], plan: QuestionPlan) -> Sequence[PatientNote]:
    """Those that are of the examination, the operation or the stay that a question names."""
    text = framed(plan.text, plan.patients)
    named = [
        found.group()
        for kind in _EXAMINED.intersection(plan.kinds)
        for found in PATTERNS[kind].finditer(text)
    ]
    words = " ".join((*plan.rest, *named))
    about, stay = AskedWords(_STAY.sub(" ", words)), _STAY.search(words) is not None
    meant = [note for note in notes if note.is_about(about) and (note.is_of_a_stay or not stay)]
    only = len(notes) == 1 and not stay
    return meant if meant or (plan.rest and not only) else notes


def _summary(note: PatientNote) -> Iterator[ReplyLine]:
    told: set[str] = set()
    parts = [(part, most, quoted) for part, kinds, most in PARTS if (quoted := _sentences(note, kinds, told))]
    for part, most, quoted in parts:
        yield Lead(f"{part} ({note.called}):")
        yield from quoted[: most if len(parts) > 1 else ONE_PART_MAX]
    if not parts:
        yield from _plainly(note, told)


def _sentences(note: PatientNote, kinds: frozenset[SectionKind], told: set[str]) -> list[Quotation]:
    quoted = []
    for passage, section in note.of_kinds(kinds):
        text = passage.hit.text
        for start, end in passage_sentences(text[section.text_start : section.end]):
            a, b = start + section.text_start, end + section.text_start
            if _says_something(text[a:b], told):
                quoted.append(Quotation(passage.hit, a, b))
    return quoted


def _plainly(note: PatientNote, told: set[str]) -> Iterator[ReplyLine]:
    """Of a note without sections its first sentences, and those that say a drug is taken."""
    spans = [
        (passage, start, end)
        for passage in note.passages
        for start, end in passage_sentences(passage.hit.text)
    ][:WITHOUT_SECTIONS_MAX]
    spans += [
        (passage, mention.start, mention.end)
        for passage in note.passages
        for mention in drug_mentions(passage.hit.text, passage.sections)
    ]
    quoted = [
        Quotation(passage.hit, start, end)
        for passage, start, end in spans
        if _says_something(passage.hit.text[start:end], told)
    ]
    if quoted:
        yield Lead(f"{note.called}:")
        yield from quoted


def _says_something(sentence: str, told: set[str]) -> bool:
    folded = " ".join(sentence.lower().split()).strip("-*• .")
    new = bool(folded) and any(map(str.isalpha, folded)) and folded not in told
    told.add(folded)
    return new and not is_heading(sentence)
