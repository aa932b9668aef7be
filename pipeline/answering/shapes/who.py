"""Which patients have a finding or take a drug: over the whole scope and not the best ten passages.

Decides how many passages are read, that a patient is one line, and who counts: those of whom it is said as present or
past; whom it is denied of, thought possible of, or whose relative has it, stand apart. Says that these are all, or that
there may be more. Of those who do not have something it lists whom a note says so of: that no note speaks of it is no
answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.other_words import is_told_by_others
from pipeline.answering.shapes.reply import (
    NOT_STATED,
    Counted,
    PlannedQuestion,
    Quotation,
    Reply,
    ReplyLine,
)
from pipeline.answering.shapes.said import HAS, RANK, AskedThing, Said, said_in
from pipeline.call_context import cancellation
from pipeline.records import Hit
from pipeline.text.finding import Finding
from pipeline.text.periods import Period
from pipeline.text.structure.assertion import AssertionKind

PASSAGES_MAX = 2_000
"""Passages that are read for one question, those that the search by words ranks first."""
PATIENTS_MAX = 200
"""Patients that are listed; more are counted."""
APART_MAX = 20
"""Patients of each other group that are listed."""
_K = AssertionKind
_APART: Mapping[AssertionKind, str] = {
    _K.PRESENT: "as theirs",
    _K.POSSIBLE: "not as his or hers, but as possible",
    _K.PLANNED: "not as his or hers, but as planned, feared or to be watched for",
    _K.HISTORICAL: "in a sentence about what was taken before, stopped or held",
    _K.ABSENT: "as denied",
    _K.FAMILY: "of the family",
}


class Who:
    """Implements shapes.reply.ShapeAnswerer for "which patients" and "how many patients"; and for "Any X?" where no
    patient is meant."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        time = plan.time
        return (
            (plan.shape in (AnswerShape.WHO, AnswerShape.COUNT) or is_open_question(plan))
            and plan.finding is not None
            and not (patients or plan.rest)
            and not (time.relative or time.stay or time.order)
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        thing = AskedThing.of(asked.plan)
        if not thing.finding.keys:
            return None
        hits, complete = _passages(asked, thing.finding)
        by_patient = _by_patient(hits, thing)
        if not by_patient:
            other_words = is_told_by_others(thing.finding.text) or (
                thing.kind is not ThingKind.MEDICATION and len(thing.finding.keys) > 1 and hits
            )
            return None if other_words or not complete else NOT_STATED
        return Reply(tuple(_lines(by_patient, thing, asked.plan, complete)))


def is_open_question(plan: QuestionPlan) -> bool:
    """Whether it is "Any allergies to penicillin?" of no one in particular."""
    return (
        plan.shape is AnswerShape.YES_NO
        and plan.patients.whom == "open"
        and plan.text.lower().lstrip().startswith("any ")
    )


def _passages(asked: PlannedQuestion, finding: Finding) -> tuple[list[Hit], bool]:
    """The passages that have a word of it, newest first, and whether that is all of them."""
    filters = asked.question.filters
    period = Period.of(asked.plan.time.since, asked.plan.time.until)
    found = asked.store.search_words(finding.spellings, PASSAGES_MAX, filters)
    hits = [
        hit
        for hit in asked.store.hits([match.chunk_id for match in found], asked.vector)
        if filters.scope.admits(hit.domain, hit.patient_id) and period.admits(hit.date)
    ]
    hits.sort(key=lambda hit: (hit.date or "", hit.resource_id, -hit.start), reverse=True)
    return hits, len(found) < PASSAGES_MAX


def _by_patient(hits: Sequence[Hit], thing: AskedThing) -> dict[str, Said]:
    """What stands for each patient. `hits`: the newest first."""
    by_patient: dict[str, Said] = {}
    for hit in hits:
        cancellation.check()
        for said in said_in(hit, thing):
            before = by_patient.get(hit.patient_id)
            if before is None or said.replaces(before, thing):
                by_patient[hit.patient_id] = said
    return by_patient


def _lines(
    by_patient: Mapping[str, Said], thing: AskedThing, plan: QuestionPlan, complete: bool
) -> Iterator[ReplyLine]:
    groups: dict[AssertionKind, list[Quotation]] = {}
    counted = (_K.ABSENT,) if thing.negated else (_K.PRESENT,) if thing.now else HAS
    for _, said in sorted(by_patient.items()):
        groups.setdefault(counted[0] if said.kind in counted else said.kind, []).append(said.quotation)
    has = groups.pop(counted[0], [])
    what = _called(thing, plan)
    if has:
        yield Counted(len(has), partial(_counted, what=what, whole=_whole(plan, complete)))
        yield from has[:PATIENTS_MAX]
    nobody = "" if has else f"No patient {what} {_whole(plan, complete, one=True)}, but "
    for kind in RANK:
        if listed := groups.get(kind):
            yield Counted(len(listed), partial(_apart, how=_APART[kind], more=bool(has), before=nobody))
            yield from listed[:APART_MAX]
            nobody = ""


def _called(thing: AskedThing, plan: QuestionPlan) -> str:
    """What is counted, in the question's words."""
    words = thing.finding.text
    if plan.is_attribute:
        return f'of whom it is {"denied" if thing.negated else "said"} to be "{words}"'
    return f"{'without' if thing.negated else 'with'} {'an allergy to ' if _is_of(thing) else ''}{words}"


def _is_of(thing: AskedThing) -> bool:
    return thing.kind is ThingKind.ALLERGY and "allergy" not in thing.finding.keys


def _whole(plan: QuestionPlan, complete: bool, *, one: bool = False) -> str:
    time = plan.time
    when = (
        f" of {' to '.join(dict.fromkeys(filter(None, (time.since, time.until))))}"
        if time.since or time.until
        else ""
    )
    if complete:
        return f"{'whose notes' if one else 'all whose notes'}{when} say so in these words"
    return f"of the {PASSAGES_MAX:,} passages{when} that were read; there may be more"


def _counted(number: int, what: str, whole: str) -> str:
    shown = f", the first {PATIENTS_MAX} listed" if number > PATIENTS_MAX else ""
    return f"{_patients(number)} {what}, {whole}{shown}:"


def _apart(number: int, how: str, more: bool, before: str) -> str:
    mention = "mentions" if number == 1 else "mention"
    shown = f", the first {APART_MAX} listed" if number > APART_MAX else ""
    return f"{before}{_patients(number, more=more)} {mention} it {how}{shown}:"


def _patients(number: int, *, more: bool = False) -> str:
    return f"{number:,}{' more' if more else ''} patient{'' if number == 1 else 's'}"
