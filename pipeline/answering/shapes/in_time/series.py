"""What a thing was at one time, and how it went: the latest value, the first, that of a day, all of them in time order.

Decides which of a patient's dated statements answer, and that each is shown with its date. What stands on one day is
shown whole where it differs. Refuses an adjective: whether five values rise is for who reads them. Where every passage
was read and none has it, or none of the time asked for, it is not stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from pipeline.answering.questions.plan import LISTED_KINDS, AnswerShape, AskedTime, QuestionPlan, ThingKind
from pipeline.answering.shapes.in_time.dated_statements import (
    DatedStatement,
    StatementsInTime,
    ThingInTime,
    statements_in_time,
)
from pipeline.answering.shapes.in_time.visit_changes import changes_of_lists
from pipeline.answering.shapes.lists.part_of_list import PartOfList
from pipeline.answering.shapes.lists.section_list import SECTIONS, SectionList
from pipeline.answering.shapes.other_words import is_spoken_of, may_be_called
from pipeline.answering.shapes.patient_notes import (
    PASSAGES_MAX,
    PatientNotes,
    notes_with,
    patient_notes,
    stay_of,
)
from pipeline.answering.shapes.reply import NOT_STATED, Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.records import Hit
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.terms.finding import Finding

SAME_DAY_MAX = 4
"""Statements of one day that are shown."""
DATES_MAX = 10
"""Statements that are shown where it is asked when something was, and no more."""
LINES_MAX = 60
APART_MAX = 3
APART = "Only as denied, planned, doubted or of the family:"
_GENERAL = re.compile(
    r"(?:vaccin\w+|immuni\w+|shots?|boosters?|tests?|scans?|screenings?|panels?|surger(?:y|ies)|procedures?|operations?"
    r"|therap(?:y|ies)|treatments?|injections?|infusions?|medications?|drugs?|pills?|tablets?)",
    re.IGNORECASE,
)
"""Words that name a sort of thing, and not which."""
_HOW_LONG = re.compile(
    r"\b(?:no|not|n['’]t|never|without|free)\b[^.;]*\b(?:in|for|over|during|since|within)\b[^.;]{0,25}?"
    r"\b(?:days?|weeks?|months?|years?|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
NOT_BEGUN = "When it began, no note says. First stated:"
PARTLY = f"Of {PASSAGES_MAX} passages that were read; the notes have more:"
UNDATED = "In notes without a date, whose order is not known:"


class AtATime:
    """Implements shapes.reply.ShapeAnswerer for "her latest A1c", "when was the first stent?", "his weight in 2019"."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return plan.shape is AnswerShape.FACT and _is_in_time(plan, patients)

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        if not _thing_of(asked.plan):
            return _visit(asked)
        read, found = found_in_time(asked)
        if asked.plan.time.stay:
            return _of_the_stay(asked, read, found)
        dated = within(found.dated, asked.plan.time)
        thing = asked.plan.thing
        if dated and thing and thing.change == "start" and not any(each.starts for each in dated):
            oldest = replace(asked.plan, time=replace(asked.plan.time, order="first"))
            return Reply((Lead(NOT_BEGUN), *(each.quotation for each in _chosen(dated, oldest))))
        if dated:
            return Reply((*_partly(read), *(each.quotation for each in _chosen(dated, asked.plan))))
        return nothing_dated(asked, read, found)


class ListOfPeriod:
    """Implements shapes.reply.ShapeAnswerer for lists of a day or a period, or of the first visit: of a time that no
    note is of, nothing is stated, and what sections do not list ("which immunizations") sentences may say."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        limited = plan.time.since or plan.time.until or plan.time.order == "first"
        return (
            plan.shape is AnswerShape.LIST
            and bool(limited)
            and len(patients) == 1
            and ThingKind.FAMILY not in plan.kinds
            and not (plan.negated or plan.time.relative or plan.time.stay)
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        if asked.plan.time.order == "first":
            asked = _of_the_first_day(asked)
        read, found = found_in_time(asked)
        period = asked.plan.time.period
        dated = within(found.dated, asked.plan.time)
        of_period = any(period.admits(note.day or None) for note in read.notes)
        if not (of_period or dated):
            return NOT_STATED if read.complete and read.notes and not found.undated else None
        patients = asked.question.filters.patient_ids
        whole = next(
            (each for each in (SectionList(), PartOfList()) if each.takes(asked.plan, patients)), None
        )
        listed = whole.reply(asked) if whole is not None else None
        if whole is None and dated:
            listed = Reply(tuple(each.quotation for each in distinct(dated)[:LINES_MAX]))
        part = asked.plan.part
        if part is not None and part.change in ("started", "stopped") and asked.plan.kind in LISTED_KINDS:
            listed = _with_changes(listed, asked, read)
        return listed


class Trend:
    """Implements shapes.reply.ShapeAnswerer."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return plan.shape is AnswerShape.TREND and _is_in_time(plan, patients) and bool(_thing_of(plan))

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        read, found = found_in_time(asked)
        found = found.of_ratings
        dated = within(found.dated, asked.plan.time)
        if not dated:
            return nothing_dated(asked, read, found)
        shown = changes(dated, ThingInTime(asked.plan))
        lines: list[ReplyLine] = [
            *_partly(read),
            Lead(_span(dated, shown)),
            *(each.quotation for each in shown[-LINES_MAX:]),
        ]
        if found.undated and asked.plan.time == AskedTime():
            lines += [Lead(UNDATED), *(each.quotation for each in distinct(found.undated)[:SAME_DAY_MAX])]
        return Reply(tuple(lines))


def _with_changes(listed: Reply | None, asked: PlannedQuestion, read: PatientNotes) -> Reply | None:
    """What sentences say was started or stopped in a period, and what the lists before it and in it differ in."""
    kind = asked.plan.kinds[0]
    period = asked.plan.time.period
    days = sorted({note.day for note in read.notes if note.day and any(note.of_kinds(SECTIONS[kind]))})
    before = [day for day in days if period.since and day < period.since]
    during = [day for day in days if period.admits(day)]
    if not (before and during):
        return listed
    differ = changes_of_lists(asked, (kind,), before[-1], during[-1], alike=False)
    lines = (*(listed.lines if listed else ()), *(differ.lines if differ else ()))
    return Reply(lines) if lines else listed


def _of_the_first_day(asked: PlannedQuestion) -> PlannedQuestion:
    """The same of the oldest note's day."""
    days = [
        note.day for note in patient_notes(replace(asked, plan=replace(asked.plan, time=AskedTime()))).notes
    ]
    day = min(filter(None, days), default=None)
    return replace(asked, plan=replace(asked.plan, time=AskedTime(since=day, until=day)))


def found_in_time(asked: PlannedQuestion) -> tuple[PatientNotes, StatementsInTime]:
    """All of the patient's notes, whatever their dates, and what they state of the thing."""
    thing = ThingInTime(asked.plan)
    whole = replace(asked, plan=replace(asked.plan, time=AskedTime()))
    read = patient_notes(whole)
    if not read.complete and thing.fact is None:
        read = notes_with(thing.finding.spellings, whole)
    return read, statements_in_time(read, thing)


def _partly(read: PatientNotes) -> tuple[Lead, ...]:
    """That there is more than was read, where there is."""
    return () if read.complete else (Lead(PARTLY),)


def within(statements: Sequence[DatedStatement], time: AskedTime) -> list[DatedStatement]:
    """Those of the time that a question names."""
    if time.either:
        return [each for each in statements if each.day in time.either]
    return [each for each in statements if time.period.admits(each.day)]


def nothing_dated(asked: PlannedQuestion, read: PatientNotes, found: StatementsInTime) -> Reply | None:
    """What is said where no statement has a date of the time asked for."""
    limited = asked.plan.time.since or asked.plan.time.until or asked.plan.time.either
    when = asked.plan.thing is not None and asked.plan.thing.when
    if when and found.undated and asked.plan.time.order is None:
        return None  # a note without a date does not say when; a sentence of it may
    if found.undated and not limited:
        return _undated(found.undated, asked.plan)
    if found.undated or not (read.complete and read.notes):
        return None
    thing = ThingInTime(asked.plan)
    if not found.dated and thing.fact is None and _may_be_said_otherwise(read, thing.words, found.apart):
        return None
    if found.apart and not found.dated and not limited:
        if asked.plan.time.order == "latest" and (
            spans := [each for each in found.apart if _says_how_long(each)]
        ):
            return Reply(tuple(spans[:APART_MAX]))
        return Reply((Lead(APART), *found.apart[:APART_MAX]))
    return NOT_STATED


def _says_how_long(line: Quotation) -> bool:
    """Whether it says since when, or for how long, there was none: "no seizures in six months"."""
    return _HOW_LONG.search(line.hit.text, line.start, line.end) is not None


def _may_be_said_otherwise(read: PatientNotes, words: str, apart: Sequence[Quotation]) -> bool:
    """Whether notes may have it in other words. That they speak of vaccines says nothing of one against rabies."""
    if apart:
        other = may_be_called(words)
        return any(other.search(passage.hit.text) for note in read.notes for passage in note.passages)
    own = " ".join(word for word in words.split() if not _GENERAL.fullmatch(word))
    return is_spoken_of(read, Finding(own or words))


def _undated(statements: Sequence[DatedStatement], plan: QuestionPlan) -> Reply:
    """Of notes whose order is not known; within a note what is said of today comes first, but for a first time."""
    newest = plan.time.order != "first" and plan.shape is not AnswerShape.TREND
    in_order = sorted(statements, key=lambda each: each.order, reverse=newest)
    quoted = tuple(each.quotation for each in distinct(in_order)[:SAME_DAY_MAX])
    begun = plan.thing is None or plan.thing.change != "start" or any(each.starts for each in statements)
    return Reply(quoted if begun else (Lead(NOT_BEGUN), *quoted))


def changes(statements: Sequence[DatedStatement], thing: ThingInTime) -> list[DatedStatement]:
    """Statements in their order, without days that only say again what the day before them says. A value that is
    measured is shown each time."""
    shown: list[DatedStatement] = []
    said: set[str] = set()
    for _, group in groupby(statements, key=lambda each: each.day):
        of_day = distinct(list(group))
        measured = thing.fact is None and any(each.valued for each in of_day)
        if measured or {each.words for each in of_day} != said:
            shown += of_day
        said = {each.words for each in of_day}
    return shown


def distinct(statements: Sequence[DatedStatement]) -> list[DatedStatement]:
    """Each of a day once, in the order given."""
    found: dict[tuple[str, str, str], DatedStatement] = {}
    for each in statements:
        own_day = each.day == each.note_day  # two notes of a day are two; what was copied forward is one
        note = each.quotation.hit.resource_id if own_day else ""
        found.setdefault((each.day, each.words, note), each)
    return list(found.values())


def _of_the_stay(asked: PlannedQuestion, read: PatientNotes, found: StatementsInTime) -> Reply | None:
    stay = stay_of(read)
    if stay is None:
        return None
    during = [each for each in found.dated if stay.admits(each.day) and not each.past]
    if during:
        newest = sorted(during, key=lambda each: each.when, reverse=True)
        return Reply(tuple(each.quotation for each in distinct(newest)[:SAME_DAY_MAX]))
    return NOT_STATED if read.complete else None


def _is_in_time(plan: QuestionPlan, patients: Sequence[str]) -> bool:
    thing = ThingInTime(plan)
    visit = plan.thing is not None and plan.thing.when and plan.time.order is not None
    return (
        plan.thing is not None
        and len(patients) == 1
        and (thing.known or (not plan.thing.words and visit))
        and ThingKind.FAMILY not in plan.kinds
        and not plan.time.relative
        and not (plan.time.stay and plan.shape is not AnswerShape.FACT)
    )


def _thing_of(plan: QuestionPlan) -> str:
    return plan.thing.words if plan.thing else ""


def _chosen(dated: Sequence[DatedStatement], plan: QuestionPlan) -> list[DatedStatement]:
    """The newest or the oldest day's, or all that are asked for, the newest first."""
    order = plan.time.order
    if order == "first":
        oldest = [each for each in dated if each.day == dated[0].day]
        return distinct(oldest)[:SAME_DAY_MAX]
    newest = sorted(dated, key=lambda each: each.when, reverse=True)
    newest = [each for each in newest if not each.past] or newest
    if order == "latest" or not (plan.time.days or (plan.thing and plan.thing.when)):
        newest = [each for each in newest if each.day == newest[0].day]
        return distinct(newest)[:SAME_DAY_MAX]
    return distinct(newest)[:DATES_MAX]


def _span(dated: Sequence[DatedStatement], shown: Sequence[DatedStatement]) -> str:
    """What is shown: "5 values from 2015-03-02 to 2019-06-11:"."""
    kind = "value" if all(each.valued for each in dated) else "statement"
    days = sorted(day for each in dated for day in each.days or (each.day,))
    first, last = days[0], days[-1]
    number = sum(len(each.days) or 1 for each in distinct(dated))
    said = f"{number:,} {kind}{'' if number == 1 else 's'}"
    when = f"of {first}" if first == last else f"from {first} to {last}"
    less = "" if len(shown) == len(distinct(dated)) else ", each shown where it changes"
    more = f", the last {LINES_MAX} of them" if len(shown) > LINES_MAX else ""
    return f"{said} {when}{less}{more}:"


def _visit(asked: PlannedQuestion) -> Reply | None:
    """When the patient was last, or first, seen: the day of that note, with its first sentence."""
    read = patient_notes(replace(asked, plan=replace(asked.plan, time=AskedTime())))
    period = asked.plan.time.period
    days = sorted({note.day for note in read.notes if note.day and period.admits(note.day)})
    if not (days and read.complete):
        return None
    day = days[0] if asked.plan.time.order == "first" else days[-1]
    lines = [line for note in read.notes if note.day == day for line in _opening(note.passages[0].hit, day)]
    return Reply(tuple(lines[:SAME_DAY_MAX])) if lines else None


def _opening(hit: Hit, day: str) -> Iterator[Quotation]:
    for start, end in passage_sentences(hit.text):
        if not is_heading(hit.text[start:end]):
            yield Quotation(hit, start, end, dated=day)
            return
