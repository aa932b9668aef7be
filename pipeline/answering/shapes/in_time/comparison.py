"""Two patients, or two visits of one, side by side: what each has of a thing, and what is new, gone or changed.

Decides that a group is headed by whose or when it is, that every line in it is of that patient's notes, or of that
day's, and that where a group has nothing it says so: never what the other has. Of lists (medications, allergies,
problems) two visits are told apart item by item. Refuses to say which is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.answering.questions.plan import LISTED_KINDS, AnswerShape, AskedTime, QuestionPlan, ThingKind
from pipeline.answering.shapes.in_time.dated_statements import DatedStatement, ThingInTime, statements_in_time
from pipeline.answering.shapes.in_time.series import SAME_DAY_MAX, distinct, found_in_time, within
from pipeline.answering.shapes.in_time.visit_changes import changes_of_lists
from pipeline.answering.shapes.lists.section_list import SectionList
from pipeline.answering.shapes.patient_notes import PatientNotes, patient_notes
from pipeline.answering.shapes.reply import NOT_STATED, Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.text.periods import Period

PATIENTS_MAX = 6
"""Patients that are put side by side."""
LINES_MAX = 20
"""Of each group."""
NOTHING = "not stated"


class PatientComparison:
    """Implements shapes.reply.ShapeAnswerer for the comparison of patients."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            plan.shape is AnswerShape.COMPARE
            and 1 < len(patients) <= PATIENTS_MAX
            and (_is_of_a_thing(plan) or listed_kind(plan) is not None or _is_of_everything(plan))
            and not (plan.time.relative or plan.time.stay)
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        groups = [(patient, self._group(asked, patient)) for patient in asked.question.filters.patient_ids]
        if any(group is None for _, group in groups):
            return None
        if not any(group for _, group in groups):
            return NOT_STATED
        lines: list[ReplyLine] = [Lead(_called(asked.plan), alone=True)]
        for patient, group in groups:
            head = self._head(asked, patient)
            if group:
                lines += [Lead(f"{head}:"), *group]
            else:
                lines.append(Lead(f"{head}: {NOTHING}.", alone=True))
        return Reply(tuple(lines))

    def _group(self, asked: PlannedQuestion, patient: str) -> list[Quotation] | None:
        """What the notes of this patient have; empty where they have nothing, None where that cannot be said."""
        filters = replace(asked.question.filters, patient_ids=(patient,))
        own = replace(asked, question=replace(asked.question, filters=filters), embed=lambda: asked.vector)
        kind = listed_kind(own.plan)
        if _is_of_everything(own.plan):
            return _of_everything(own, patient)
        found = _listed(own, kind) if kind is not None else _stated(own)
        return found and [
            replace(each, names_patient=True) for each in found[:LINES_MAX] if each.hit.patient_id == patient
        ]

    def _head(self, asked: PlannedQuestion, patient: str) -> str:
        scope = asked.question.filters.scope
        known = asked.store.patients(scope, ids=[patient], limit=1) if asked.store.has_register() else []
        name = known[0].name if known else None
        return f"{name} ({patient})" if name else f"Patient {patient}"


class VisitComparison:
    """Implements shapes.reply.ShapeAnswerer for the comparison of visits of one patient."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            plan.shape is AnswerShape.COMPARE
            and len(patients) == 1
            and (_is_of_a_thing(plan) or listed_kind(plan) is not None or _is_of_everything(plan))
            and not (plan.time.relative or plan.time.stay)
            and sum(each.is_id or each.sure for each in plan.patients.written) < 2
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        days = _days(asked)
        if len(days) < 2:
            return None
        if _is_of_everything(asked.plan):
            return changes_of_lists(asked, LISTED_KINDS, days[0], days[-1])
        kind = listed_kind(asked.plan)
        if kind is not None:
            return changes_of_lists(asked, (kind,), days[0], days[-1])
        return _by_day(asked, days)


def listed_kind(plan: QuestionPlan) -> ThingKind | None:
    """The kind whose list is compared; None where one thing of it is asked for."""
    words = plan.thing.words.lower().split() if plan.thing else []
    named = [word for word in words if word not in _LIST_WORDS]
    return plan.kind if plan.kind in LISTED_KINDS and not named else None


_LIST_WORDS = frozenset(
    "medication medications medicine medicines meds med drugs drug pills prescriptions therapy list lists allergy"
    " allergies allergic problem problems diagnosis diagnoses condition conditions illness illnesses disease diseases"
    " comorbidities disorders known drug-allergies food home current active medical".split()
)


@dataclass(frozen=True, slots=True)
class _Day:
    """A day that is compared, as it is written in the question or in the note."""

    day: str

    def has(self, statement: DatedStatement) -> bool:
        return Period.of(self.day, self.day).admits(statement.day)


def _is_of_a_thing(plan: QuestionPlan) -> bool:
    return plan.thing is not None and bool(plan.thing.words) and ThingInTime(plan).known


def _is_of_everything(plan: QuestionPlan) -> bool:
    return plan.thing is not None and not plan.thing.words


def _days(asked: PlannedQuestion) -> list[str]:
    """The days that are compared: those that the question names; the first and the last visit's; or the last two."""
    time = asked.plan.time
    if len(time.days) > 1:
        return sorted(dict.fromkeys(time.days))
    read = patient_notes(replace(asked, plan=replace(asked.plan, time=AskedTime())))
    days = sorted({note.day for note in read.notes if note.day})
    if len(time.days) == 1:
        later = [day for day in days if not day.startswith(time.days[0])]
        return sorted([time.days[0], later[-1]]) if later else []
    if not read.complete:
        return []
    return [days[0], days[-1]] if time.visits == "first-and-last-visit" and len(days) > 1 else days[-2:]


def _by_day(asked: PlannedQuestion, days: Sequence[str]) -> Reply | None:
    read, found = found_in_time(asked)
    groups = [(day, [each for each in found.dated if _Day(day).has(each)]) for day in days]
    if not any(group for _, group in groups):
        return NOT_STATED if read.complete and read.notes and not found.undated else None
    lines: list[ReplyLine] = [Lead(_called(asked.plan), alone=True)]
    for day, group in groups:
        if group:
            lines.append(Lead(f"{day}:"))
            lines += [each.quotation for each in distinct(group)[:LINES_MAX]]
        else:
            lines.append(Lead(f"{day}: {NOTHING}.", alone=True))
    return Reply(tuple(lines))


def _stated(own: PlannedQuestion) -> list[Quotation] | None:
    """The newest day's statements of one patient, or those of the time asked for."""
    read: PatientNotes = patient_notes(replace(own, plan=replace(own.plan, time=AskedTime())))
    found = statements_in_time(read, ThingInTime(own.plan))
    dated = within(found.dated, own.plan.time)
    newest = sorted(dated, key=lambda each: each.when, reverse=True)
    newest = [each for each in newest if each.day == newest[0].day]
    undated = sorted(found.undated, key=lambda each: -each.order) if not newest else []
    shown = distinct([*newest, *undated])[:SAME_DAY_MAX]
    if not shown and not (read.complete and read.notes):
        return None
    return [each.quotation for each in shown]


def _of_everything(own: PlannedQuestion, patient: str) -> list[Quotation]:
    """The lists of one patient: medications, problems, allergies."""
    found = [each for kind in LISTED_KINDS for each in (_listed(own, kind) or ())]
    return [replace(each, names_patient=True) for each in found if each.hit.patient_id == patient]


def _listed(own: PlannedQuestion, kind: ThingKind) -> list[Quotation] | None:
    """As the question for the list of one patient is answered."""
    plan = replace(own.plan, shape=AnswerShape.LIST, kinds=(kind,), finding=None, rest=())
    reply = SectionList().reply(replace(own, plan=plan))
    return None if reply is None else list(reply.quotations)


def _called(plan: QuestionPlan) -> str:
    """What is put side by side."""
    kind = listed_kind(plan)
    words = kind.value if kind is not None else plan.thing.words if plan.thing else ""
    if not words:
        words = "medications, problems and allergies"
    return f"{words[:1].upper()}{words[1:]}, side by side:"
