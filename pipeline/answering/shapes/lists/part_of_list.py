"""A part of a list: what was started or stopped, what is planned for an illness and which drugs, which tests.

Decides by the sentence that says so, or by the headline that it stands under: what stands under "COPD." in an
assessment is for COPD. Refuses to know which drug is for what; where no note says so, the question is asked as any
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.answering.questions.asked.topic import TO_AVOID
from pipeline.answering.questions.plan import AnswerShape, ListPart, ListTopic, QuestionPlan, ThingKind
from pipeline.answering.shapes.lists.kinds_in_prose import ProseMention, listed_under, prose_mentions
from pipeline.answering.shapes.lists.section_list import (
    LINES_MAX,
    REASONING,
    SECTIONS,
    ends_problem,
    is_problem,
)
from pipeline.answering.shapes.lists.topic_sentences import (
    PLANNED_IN,
    TESTS,
    is_to_avoid,
    of_topic,
    sentences_with,
)
from pipeline.answering.shapes.patient_notes import PatientNote, ReadPassage, patient_notes
from pipeline.answering.shapes.reply import Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.structure.list_items import items_of, without_mark
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import Section, section_at
from pipeline.text.terms.finding import Finding

_STARTS = re.compile(
    r"\b(?:start\w*|initiat\w+|beg[iau]n\w*|prescrib\w+|add(?:ed|ing)?|placed on|put on|trial of|new prescription)\b",
    re.IGNORECASE,
)
_NO_DRUG = (
    r"(?:smok\w+|tobacco|alcohol|drink\w*|exercis\w+|activit\w+|work\w*|lifting|sports?|eating|breast\w*|physical"
    r"|therapy)"
)
_STOPS = re.compile(
    r"\b(?:stop(?:ped|ping)?|discontinu\w+|d/c(?:'?d)?|held|hold|no longer tak\w+|taken off|quit)\s+"
    rf"(?:(?:taking|using|the|use|of|her|his|their|all|any)\s+)*(?!{_NO_DRUG}\b)[a-z][\w-]{{3,}}"
    r"|\b[\w-]{4,}\s+(?:was|were|has been|is)\s+(?:stopped|discontinued|held|withdrawn)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b(?:increas|decreas|reduc|chang|adjust|titrat|switch|raise|lower)\w*\s+(?:\w+\s+){0,5}?(?:to|from|by|dose)\b",
    re.IGNORECASE,
)
_ALSO = {
    "blood pressure": "hypertension",
    "bp": "hypertension",
    "cholesterol": "hyperlipidemia",
    "blood sugar": "diabetes",
}
"""Illnesses that drugs are named for by what they lower."""
_NUMBER = re.compile(r"[ \t]*(?:#\s*)?\d{1,2}[.)][ \t]+")
_HEAD_END = re.compile(r"(?<=\D)[.:;,]\s|\s[-–—]+\s")
_FAMILYS = re.compile(r"\bfamily\b|\bfhx?\b", re.IGNORECASE)


class PartOfList:
    """Implements shapes.reply.ShapeAnswerer."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            plan.shape is AnswerShape.LIST
            and plan.part is not None
            and len(patients) == 1
            and not (plan.rest or plan.negated)
            and not (plan.time.relative or plan.time.stay or plan.time.order == "first")
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        part = asked.plan.part
        if part is None:
            return None
        read = patient_notes(asked)
        planned = asked.plan.kind is ThingKind.PLAN
        newest_alone = part.change is None or asked.plan.time.order == "latest"
        lines: list[ReplyLine] = []
        told: set[str] = set()
        day = None
        for note in read.notes:
            if lines and newest_alone and note.day != day:
                break
            by_plan = planned and part.purpose and not part.tests
            found = plan_for(note, part.purpose or "") if by_plan else _of_part(note, part)
            quoted = list(_new(found, told))
            if quoted:
                day = note.day
                lines += [Lead(f"{_called(part, planned=planned)} ({note.called}):"), *quoted]
            elif newest_alone and asked.plan.time.order == "latest" and note.day != read.notes[0].day:
                break
        return Reply(tuple(lines[:LINES_MAX])) if lines else None


def _called(part: ListPart, *, planned: bool) -> str:
    purpose = f" for {part.purpose}" if part.purpose else ""
    if part.purpose == TO_AVOID:
        purpose = f" on {TO_AVOID}"
    if part.topic:
        return f"{part.topic.capitalize()}{purpose}, as sentences say it"
    if planned and purpose:
        return f"Plan{purpose}, as the note has it"
    if part.tests:
        return f"Tests to be done{purpose}, as sentences say it"
    if part.change:
        return f"{part.change.capitalize()}{purpose}, as sentences say it"
    return f"Taken or ordered{purpose}, as the note has it"


def _new(mentions: Iterator[ProseMention], told: set[str]) -> Iterator[Quotation]:
    for mention in mentions:
        start, end = without_mark(mention.passage.hit.text, mention.start, mention.end)
        text = " ".join(mention.passage.hit.text[start:end].lower().split())
        if text not in told:
            told.add(text)
            yield Quotation(mention.passage.hit, mention.start, mention.end)


def _of_part(note: PatientNote, part: ListPart) -> Iterator[ProseMention]:
    if part.tests:
        return _tests(note, part)
    if part.topic is not None:
        return _of_topic(note, part.topic, part.purpose)
    drugs = _changed(note, part) if part.change else None
    if part.purpose is None:
        return iter(drugs or ())
    places = {(each.passage.hit.chunk_id, each.start) for each in drugs} if drugs is not None else None
    return (
        each
        for each in _for_purpose(note, part.purpose)
        if places is None or (each.passage.hit.chunk_id, each.start) in places
    )


def _changed(note: PatientNote, part: ListPart) -> list[ProseMention]:
    if part.change == "started":
        drugs = prose_mentions(note, ThingKind.MEDICATION)
        said = [each for each in drugs if _STARTS.search(each.passage.hit.text, each.start, each.end)]
        return [*said, *listed_under(note, ThingKind.MEDICATION, _STARTS)]
    pattern = _STOPS if part.change == "stopped" else _CHANGES
    return list(sentences_with(note, pattern, None))


def _tests(note: PatientNote, part: ListPart) -> Iterator[ProseMention]:
    """The tests to be done; of an illness those that its plan has."""
    tests = list(of_topic(note, part.topic) if part.topic else sentences_with(note, TESTS, PLANNED_IN))
    if part.purpose is None:
        return iter(tests)
    planned = {(each.passage.hit.chunk_id, each.start) for each in plan_for(note, part.purpose)}
    return (each for each in tests if (each.passage.hit.chunk_id, each.start) in planned)


def _of_topic(note: PatientNote, topic: ListTopic, purpose: str | None) -> Iterator[ProseMention]:
    """All of it; for an illness what says it, or stands in its plan."""
    said = of_topic(note, topic)
    if purpose is None:
        return said
    if purpose == TO_AVOID:
        return (each for each in said if is_to_avoid(each.passage.hit.text[each.start : each.end]))
    findings = _findings(purpose)
    planned = {(each.passage.hit.chunk_id, each.start) for each in plan_for(note, purpose)}
    return (
        each
        for each in said
        if (each.passage.hit.chunk_id, each.start) in planned
        or _says(each.passage, each.start, each.end, findings)
    )


def _findings(purpose: str) -> list[Finding]:
    """An illness as it is asked for, and in the word that it is treated under."""
    return [Finding(words) for words in (purpose, _ALSO.get(purpose.lower(), "")) if words]


def _for_purpose(note: PatientNote, purpose: str) -> Iterator[ProseMention]:
    """Drugs in a sentence that says the illness, in an item of a list that does, or under its headline."""
    findings = _findings(purpose)
    drugs = {
        (each.passage.hit.chunk_id, each.start): each for each in prose_mentions(note, ThingKind.MEDICATION)
    }
    under = False
    for passage in note.passages:
        yield from _items_for(passage, findings)
        for start, end in passage_sentences(passage.hit.text):
            section = section_at(passage.sections, start)
            if section is None or SECTIONS[ThingKind.PROBLEM].isdisjoint(section.kinds):
                under = under and section is not None and not section.kinds
            elif ends_problem(passage.hit.text, start, end):
                under = _is_of(passage, start, end, findings)
            mention = drugs.get((passage.hit.chunk_id, start))
            if mention is not None and (under or _says(passage, start, end, findings)):
                yield mention


def _is_of(passage: ReadPassage, start: int, end: int, findings: Sequence[Finding]) -> bool:
    """Whether a headline is of the illness."""
    return is_problem(passage.hit.text, start, end) and _says(passage, start, end, findings)


def plan_for(note: PatientNote, purpose: str) -> Iterator[ProseMention]:
    """What stands under the headline of an illness, without what is only thought of it where there is more; where no
    headline is of it, the sentences of a plan that say it."""
    findings = _findings(purpose)
    under = list(_under_headline(note, findings))
    done = [each for each, reasoned in under if not reasoned]
    yield from (
        done
        or [each for each, _ in under]
        or _of_plan(note, findings, whole=_is_only_problem(note, findings))
    )


def _under_headline(note: PatientNote, findings: Sequence[Finding]) -> Iterator[tuple[ProseMention, bool]]:
    """With whether it stands on a line that says what is thought. An illness heads the lines under it, the item of a
    list that it opens ("1. Asthma - start albuterol"), or a section of its own among those of an assessment."""
    under = by_item = assessed = False
    for passage in note.passages:
        text = passage.hit.text
        for start, end in passage_sentences(text):
            section = section_at(passage.sections, start)
            if section is None or not (
                PLANNED_IN.intersection(section.kinds) or (assessed and _is_own(section))
            ):
                under = assessed = False
                continue
            assessed = True
            line = text.rfind("\n", 0, start) + 1
            if _is_own(section):
                under, by_item = _heads(section.title or "", findings), False
            elif (
                _opens_item(text, line, start)
                and len(head := _HEAD_END.split(text[start:end], maxsplit=1)) > 1
            ):
                if by_item or not under:
                    under = by_item = _heads(head[0], findings)
            elif ends_problem(text, start, end):
                under, by_item = _is_of(passage, start, end, findings), _opens_item(text, line, start)
                continue
            elif by_item and _opens_item(text, line, start):
                under = False
            if under and start >= section.text_start and not is_heading(text[start:end]):
                yield ProseMention(passage, start, end), REASONING.match(text, line) is not None


def _is_own(section: Section) -> bool:
    """Whether a section is of one illness: its title is of no kind."""
    return section.title is not None and not section.kinds


def _heads(title: str, findings: Sequence[Finding]) -> bool:
    """Whether a title is of the illness, and not of the family's."""
    ours = _FAMILYS.search(title) is None
    return ours and any(True for finding in findings for _ in finding.mentions(title))


def _opens_item(text: str, line: int, start: int) -> bool:
    """Whether a sentence is the first of a numbered item."""
    number = _NUMBER.match(text, line)
    return number is not None and start <= number.end()


def _is_only_problem(note: PatientNote, findings: Sequence[Finding]) -> bool:
    """Whether the note assesses this illness and no other: then all of its plan is for it."""
    assessed = [
        _says(passage, start, end, findings)
        for passage in note.passages
        for start, end in passage_sentences(passage.hit.text)
        if (section := section_at(passage.sections, start)) is not None
        and not SECTIONS[ThingKind.PROBLEM].isdisjoint(section.kinds)
        and SectionKind.PAST_HISTORY not in section.kinds
        and not is_heading(passage.hit.text[start:end])
    ]
    return bool(assessed) and all(assessed)


def _of_plan(note: PatientNote, findings: Sequence[Finding], *, whole: bool) -> Iterator[ProseMention]:
    for passage in note.passages:
        for start, end in passage_sentences(passage.hit.text):
            section = section_at(passage.sections, start)
            if (
                section is not None
                and SectionKind.PLAN in section.kinds
                and not is_problem(passage.hit.text, start, end)
                and not is_heading(passage.hit.text[start:end])
                and (whole or _says(passage, start, end, findings))
            ):
                yield ProseMention(passage, start, end)


def _items_for(passage: ReadPassage, findings: Sequence[Finding]) -> Iterator[ProseMention]:
    for section in passage.sections:
        if SectionKind.MEDICATIONS in section.kinds:
            for item in items_of(passage.hit.text, section.text_start, section.end):
                if _says(passage, item.start, item.end, findings):
                    yield ProseMention(passage, item.start, item.end)


def _says(passage: ReadPassage, start: int, end: int, findings: Sequence[Finding]) -> bool:
    return any(True for finding in findings for _ in finding.mentions(passage.hit.text[start:end]))
