"""What stands in the section that a question names: "EBL?", "complications of the hysterectomy", "discharge meds".

Decides which notes' sections are meant: those of the newest day that has one, of the operation or the examination that
the question names beside it. Where no note of that has such a section, sentences may still say it: others look for
them. Refuses to judge what a section says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.answering.questions.asked.section import asked_section
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.lists.kinds_in_prose import prose_mentions
from pipeline.answering.shapes.patient_notes import PatientNote, ReadPassage, patient_notes
from pipeline.answering.shapes.reply import Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.structure.list_items import items_of
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at

LINES_MAX = 24
_SHAPES = (None, AnswerShape.FACT, AnswerShape.YES_NO, AnswerShape.LIST)
_K = SectionKind
_BRIEF = frozenset([_K.ANESTHESIA, _K.BLOOD_LOSS, _K.COMPLICATIONS, _K.DISPOSITION, _K.SPECIMENS])
"""Sections of a few words: what follows on another line is no more of them."""
_IN_PASSING = re.compile(
    r"\b(?:any|all|used|use|list|done|have|had|get|during|of|with|dos(?:e|es|ages?)|details|current|admission|discharge)\b",
    re.IGNORECASE,
)
"""Words of a question that say nothing of which note is meant."""
_AT_DISCHARGE = frozenset([_K.PLAN, _K.INSTRUCTIONS, _K.DISPOSITION, _K.ASSESSMENT_AND_PLAN])
_LINE_END = re.compile(r"\n|[.,],(?=[A-Z])")
_LETTER = re.compile(r"[^\W\d_]")


class NamedSection:
    """Implements shapes.reply.ShapeAnswerer."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            len(patients) == 1
            and plan.shape in _SHAPES
            and plan.part is None
            and not (plan.negated or plan.time.relative or plan.time.stay or plan.time.order == "first")
            and asked_section(plan) is not None
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        named = asked_section(asked.plan)
        if named is None:
            return None
        about = AskedWords(_IN_PASSING.sub(" ", named.words))
        notes = patient_notes(asked).of(about)
        if named.of_report:
            reports = [note for note in notes if note.is_report and about.terms]
            notes = tuple(note for note in reports if note.day == reports[0].day)
        for title in named.titles:
            lines: list[ReplyLine] = []
            day = ""
            for note in notes:
                if not lines or note.day == day:
                    lines += _of_note(note, title)
                    day = note.day
            if lines:
                return Reply(tuple(lines[:LINES_MAX]))
        stays = [note for note in notes if note.is_of_a_stay] if named.drugs_at_discharge else []
        told = list(_drugs_told(stays[0])) if stays else []
        return Reply(tuple(told[:LINES_MAX])) if told else None


def _drugs_told(note: PatientNote) -> Iterator[ReplyLine]:
    """What sentences of the plan at discharge say is taken."""
    quoted = [
        Quotation(each.passage.hit, each.start, each.end)
        for each in prose_mentions(note, ThingKind.MEDICATION)
        if (section := section_at(each.passage.sections, each.start)) is not None
        and not _AT_DISCHARGE.isdisjoint(section.kinds)
    ]
    if quoted:
        yield Lead(f"Taken or ordered at discharge, as sentences say it ({note.called}):")
        yield from quoted


def _of_note(note: PatientNote, title: re.Pattern[str]) -> Iterator[ReplyLine]:
    for passage in note.passages:
        for section in passage.sections:
            if section.title is None or title.search(section.title) is None:
                continue
            if quoted := list(_quoted(passage, section)):
                yield Lead(f"{section.title} ({note.called}):")
                yield from quoted


def _quoted(passage: ReadPassage, section: Section) -> Iterator[Quotation]:
    text, end = passage.hit.text, section.end
    if not _BRIEF.isdisjoint(section.kinds):
        line_end = _LINE_END.search(text, section.text_start, end)
        end = line_end.start() + 1 if line_end else end
    for item in items_of(text, section.text_start, end):
        if _LETTER.search(text, item.start, item.end) and text[item.end - 1] != ":":
            yield Quotation(passage.hit, item.start, item.end)
