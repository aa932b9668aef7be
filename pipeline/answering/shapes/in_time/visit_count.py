"""How many visits a patient had, and how many times something was done, by the days of the notes that say so.

Decides that a number which the newest note says goes before one that is counted here, that a day counts once, and
that what a note tells as history is not counted again. Says what was counted: a number of notes is none of events
where several notes tell of one. Refuses notes without a date, of which no one knows whether they are of one day,
unless there is only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from pipeline.answering.questions.asked.count import asked_count
from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.lists.kinds_in_prose import SAID_IN
from pipeline.answering.shapes.other_words import may_be_called
from pipeline.answering.shapes.patient_notes import PatientNote, PatientNotes, patient_notes
from pipeline.answering.shapes.reply import NOT_STATED, Counted, Lead, PlannedQuestion, Quotation, Reply
from pipeline.answering.shapes.said import HAS, AskedThing, Said, said_in
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.structure.assertion import AssertionKind
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.told_numbers import told_number

DAYS_MAX = 100
"""Days that are shown; more are counted."""


class VisitCount:
    """Implements shapes.reply.ShapeAnswerer for "How many visits?" and "How many times?" of one patient."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            plan.shape is AnswerShape.COUNT
            and len(patients) == 1
            and (plan.finding is not None or plan.kind is ThingKind.WHOLE_VISIT)
            and not (plan.rest or plan.negated)
            and not (plan.time.relative or plan.time.stay or plan.time.order)
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        read = patient_notes(asked)
        if not (read.notes and read.complete):
            return None
        if asked.plan.finding is None:
            return _counted([line for note in read.notes if (line := _of_visit(note))], _visits)
        thing = AskedThing.of(asked.plan)
        if not thing.finding.keys:
            return None
        if (told := _told_number(read, thing)) is not None:
            return told
        counted = asked_count(asked_time(framed(asked.plan.text, asked.plan.patients))[1])
        if counted is not None and counted.by_number:
            return None  # a sentence may say it otherwise
        mentioned = [line for note in read.notes if (line := _done_in(note, thing))]
        if mentioned:
            return _counted(mentioned, partial(_times, what=asked.plan.finding))
        return None if _may_be_told(read, thing) else NOT_STATED


def _told_number(read: PatientNotes, thing: AskedThing) -> Reply | None:
    """The number that the newest note which counts says; None where none does, or it says two."""
    for note in read.notes:
        counted = {
            number: said.quotation
            for passage in note.passages
            for said in said_in(passage.hit, thing)
            if said.kind in HAS and (number := _number(said)) is not None
        }
        if counted:
            number, quotation = next(iter(counted.items()))
            line = replace(quotation, names_patient=False)
            return Reply((Lead(f"{number}, as the note counts it:"), line)) if len(counted) == 1 else None
    return None


def _number(said: Said) -> int | None:
    line = said.quotation
    return told_number(line.hit.text[line.start : line.end], said.words)


def _counted(lines: Sequence[Quotation], say: Callable[[int], str]) -> Reply | None:
    days: dict[str, Quotation] = {}
    for line in lines:
        days.setdefault((line.hit.date or "")[:10], line)
    if "" in days and len(lines) > 1:
        return None
    return Reply((Counted(len(days), say), *list(days.values())[:DAYS_MAX]))


def _visits(number: int) -> str:
    return f"{number:,} visit{'' if number == 1 else 's'}, by the days that there are notes of:"


def _times(number: int, what: str) -> str:
    return (
        f"{number:,} note{' says' if number == 1 else 's, each of another day, say'} so of {what} "
        "(what several notes tell of one event counts for each):"
    )


def _of_visit(note: PatientNote) -> Quotation | None:
    """Why the patient came, or the first sentence that the note has."""
    reason = [
        (passage, section.text_start, section.end)
        for passage, section in note.of_kinds([SectionKind.REASON_FOR_VISIT])
    ]
    whole = [(passage, 0, len(passage.hit.text)) for passage in note.passages]
    for passage, begin, stop in (*reason, *whole):
        for start, end in passage_sentences(passage.hit.text[begin:stop]):
            said = passage.hit.text[begin + start : begin + end]
            if any(map(str.isalpha, said)) and not is_heading(said):
                return Quotation(passage.hit, begin + start, begin + end, names_patient=True)
    return None


def _done_in(note: PatientNote, thing: AskedThing) -> Quotation | None:
    """Where the note says that it was done, or is there, at its own time."""
    return next(
        (
            said.quotation
            for passage in note.passages
            for said in said_in(passage.hit, thing)
            if said.kind is AssertionKind.PRESENT
        ),
        None,
    )


def _may_be_told(read: PatientNotes, thing: AskedThing) -> bool:
    """Whether a passage has it in another way, or may have it in other words."""
    other = [may_be_called(thing.finding.text)]
    other += [said for said in SAID_IN.values() if said.search(thing.finding.text)]
    texts: Iterator[str] = (passage.hit.text for note in read.notes for passage in note.passages)
    return any(thing.finding.has_part(text) or any(words.search(text) for words in other) for text in texts)
