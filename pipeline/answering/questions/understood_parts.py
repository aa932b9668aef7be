"""What a question was understood to ask, part by part: as a person reads it, and as ids that are carried and removed.

Decides what each part is called and that a plan whose frame left words over shows no shape: it is not all that is
asked. A part has one id whichever words said it, so that the one that was removed is found again in the next question.
Refuses to know where plans come from (`interpretation`) and what a conversation carries (`carried_parts`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, cast, get_args

from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.condition_parts import also_id, condition_parts, with_condition
from pipeline.answering.questions.plan import (
    EVERYONE,
    AnswerShape,
    AskedThing,
    AskedTime,
    ListChange,
    ListPart,
    ListTopic,
    Order,
    QuestionPlan,
    ThingKind,
    VisitPair,
)
from pipeline.ports import Store
from pipeline.records import AccessScope, Question, UnderstoodPart

PATIENT, KIND, FINDING, TIME, SHAPE = "patient:", "kind:", "finding:", "time:", "shape:"
NEGATION = "negation"
_STAY, _SPAN = "last-admission", ".."
_S = AnswerShape
_SHAPES = MappingProxyType(
    {
        _S.FACT: "one fact",
        _S.YES_NO: "yes or no",
        _S.LIST: "list",
        _S.COUNT: "how many",
        _S.WHO: "which patients",
        _S.COMPARE: "comparison",
        _S.TREND: "over time",
        _S.SUMMARY: "summary",
    }
)
_K = ThingKind
_PLURALS = MappingProxyType(
    {
        _K.MEDICATION: "medications",
        _K.ALLERGY: "allergies",
        _K.PROBLEM: "problems",
        _K.PROCEDURE: "procedures",
        _K.IMMUNIZATION: "immunizations",
        _K.VITAL: "vital signs",
        _K.LABORATORY: "laboratory results",
    }
)
_IN_TIME = (_S.TREND, _S.COMPARE)
FACT_CHARACTERS_MAX = 60
_TESTS, _FOR = "tests", " for "
_AROUND = frozenset(
    "§ §'s what which is are was were has have had does do did will would can could should been being be the a an "
    "please tell me show give list and taking takes take".split()
)
_LINKS = frozenset("of for on in at to by with from about as".split())
_LAST = _LINKS | frozenset("made done given performed".split())
"""Words that no thing ends in."""
_NO_THING = _LINKS | frozenset(
    "how why when where who come came coming back brought bring brings ordered done made wrong going happened happen "
    "show shows showed there any other new".split()
)
"""Words that are about something and are no thing themselves: "ordered for"."""
_SAID_FIRST = (_S.WHO, _S.COUNT, _S.SUMMARY, _S.COMPARE)
"""Shapes that a line in words tells; of the others what is asked about says enough."""


def understood_parts(
    plan: QuestionPlan,
    patients: Sequence[str],
    scope: AccessScope,
    store: Store,
    question: Question,
) -> tuple[UnderstoodPart, ...]:
    """The parts of a plan, whom first. `patients`: whose notes the question is limited to. Of what it carries those are
    marked that its own words do not say: of "And hypertension?" only the frame is carried."""
    carried, said = question.carried, question.text.lower()
    parts = (*_patient_parts(patients, scope, store), *plan_parts(plan, carried))
    return tuple(
        replace(each, carried=True)
        if each.id in carried and not (each.part == "finding" and each.text.lower() in said)
        else each
        for each in parts
    )


def plan_parts(plan: QuestionPlan, carried: Collection[str] = ()) -> tuple[UnderstoodPart, ...]:
    """The same without the patients, none of them marked."""
    return tuple(_plan_parts(plan, carried))


def with_carried(plan: QuestionPlan, ids: Iterable[str]) -> QuestionPlan:
    """The plan of a question that lacks these parts, with them."""
    kinds: list[ThingKind] = []
    for each in ids:
        part, _, value = each.partition(":")
        match part:
            case "kind":
                kinds.append(ThingKind(value.replace("-", " ")))
            case "finding":
                plan = replace(plan, finding=value)
            case "time":
                plan = replace(plan, time=_time(value))
            case "shape":
                plan = replace(plan, shape=_shape(value), rest=())
            case "negation":
                plan = replace(plan, negated=True)
            case _:
                plan = with_condition(plan, each)
    if kinds:
        plan = replace(plan, kinds=tuple(kinds))
    if plan.finding and plan.shape is AnswerShape.LIST:
        return replace(plan, finding=None, part=_part(plan.finding))
    timed = plan.shape is AnswerShape.FACT and not plan.time.unlimited
    if plan.finding and (timed or plan.shape in _IN_TIME):
        return replace(plan, thing=AskedThing(plan.finding))
    return plan


def carried_words(plan: QuestionPlan, carried: Collection[str]) -> str:
    """What a question that carries these parts does not say itself: the finding, else the kinds; "" for nothing."""
    parts = [each for each in plan_parts(plan, carried) if each.id in carried]
    findings = [each.text for each in parts if each.part == "finding"]
    if findings:
        return "" if findings[0].lower() in plan.text.lower() else findings[0]
    return " ".join(each.text for each in parts if each.part == "kind")


def without_parts(plan: QuestionPlan, ids: Collection[str]) -> QuestionPlan:
    """The plan without these parts. Its patients are `patient_meant`'s."""
    gone = {each.id for each in plan_parts(plan, ids)}.intersection(ids)
    parts = {each.partition(":")[0] for each in gone}
    left = replace(
        plan,
        kinds=tuple(kind for kind in plan.kinds if kind_id(kind) not in gone),
        finding=None if "finding" in parts else plan.finding,
        thing=None if "finding" in parts else plan.thing,
        part=None if "finding" in parts else plan.part,
        time=AskedTime() if "time" in parts else plan.time,
        shape=None if "shape" in parts else plan.shape,
        negated=plan.negated and NEGATION not in gone,
        also=tuple(each for each in plan.also if also_id(each, any_of=plan.any_of) not in gone),
        group=EVERYONE if "group" in parts else plan.group,
    )
    return _with_the_next(left) if "finding" in parts and left.also else left


def _with_the_next(plan: QuestionPlan) -> QuestionPlan:
    """The plan whose first condition is gone, with the next one in its place."""
    first, *others = plan.also
    kinds = (first.kind,) if first.kind else ()
    return replace(
        plan,
        finding=first.finding,
        kinds=kinds,
        negated=first.negated,
        is_attribute=first.is_attribute,
        also=tuple(others),
    )


def patient_id_part(patient_id: str) -> str:
    """The id of the part that a patient is."""
    return f"{PATIENT}{patient_id}"


def kind_id(kind: ThingKind) -> str:
    """The id of the part that a kind is."""
    return f"{KIND}{kind.value.replace(' ', '-')}"


def shape_id(shape: AnswerShape) -> str:
    """The id of the part that a shape is."""
    return f"{SHAPE}{shape.value.replace('/', '-')}"


def removed_patients(ids: Iterable[str]) -> frozenset[str]:
    """Of the parts that were removed the patients, by id."""
    return frozenset(each.removeprefix(PATIENT) for each in ids if each.startswith(PATIENT))


def plan_in_words(parts: Sequence[UnderstoodPart]) -> str:
    """What was understood in one line: "medications of Anna Mitchell, latest"; "" where it is nothing."""
    told = {
        part: [
            f"{each.text} (as before)" if each.carried else each.text for each in parts if each.part == part
        ]
        for part in ("patient", "kind", "finding", "time", "negation")
    }
    shape = next((each for each in parts if each.part == "shape" and each.text in _told_shapes()), None)
    kinds = [each for each in told["kind"] if each != ThingKind.WHOLE_VISIT.value or shape is None]
    if kinds == [ThingKind.PLAN.value] and told["finding"] not in ([], [_TESTS]):
        told["finding"][0] = f"{ThingKind.PLAN.value} for {told['finding'][0]}"
    things = [each for each in (shape.text if shape else "", *(told["finding"] or kinds)) if each]
    of = " and ".join(told["patient"])
    about = ", ".join(things)
    subject = f"{about} of {of}" if about and of else about or of
    return ", ".join(each for each in (subject, *told["negation"], *told["time"]) if each)


def _told_shapes() -> frozenset[str]:
    return frozenset(_SHAPES[each] for each in _SAID_FIRST)


def _patient_parts(patients: Sequence[str], scope: AccessScope, store: Store) -> Iterator[UnderstoodPart]:
    if not patients:
        return
    found = store.patients(scope, ids=patients, limit=len(patients)) if store.has_register() else []
    names = {each.patient_id: each.name for each in found}
    for each in patients:
        yield UnderstoodPart(patient_id_part(each), "patient", names.get(each) or f"patient {each}")


def _plan_parts(plan: QuestionPlan, carried: Collection[str]) -> Iterator[UnderstoodPart]:
    for kind in plan.kinds:
        yield UnderstoodPart(kind_id(kind), "kind", _PLURALS.get(kind, kind.value))
    if finding := _finding_of(plan, carried):
        yield UnderstoodPart(f"{FINDING}{finding}", "finding", finding)
    if not plan.rest:
        yield from condition_parts(plan)
    if (time := _time_value(plan.time)) is not None:
        yield UnderstoodPart(f"{TIME}{time}", "time", _time_text(plan.time))
    if plan.shape is not None and (not plan.rest or _is_of_a_thing(plan)):
        yield UnderstoodPart(shape_id(plan.shape), "shape", _SHAPES[plan.shape])
    if plan.negated and not plan.rest:
        yield UnderstoodPart(NEGATION, "negation", "those who do not")


def _finding_of(plan: QuestionPlan, carried: Collection[str]) -> str | None:
    """What is asked about: a finding, the thing of a value in time, or, of a single fact, the words that ask for it."""
    if plan.finding and (not plan.rest or f"{FINDING}{plan.finding}" in carried):
        return plan.finding
    if plan.thing is not None and _is_of_a_thing(plan):
        return plan.thing.words
    if plan.part is not None:
        return _words_of_a_part(plan.part)
    if plan.rest and plan.finding is None and plan.shape in (None, AnswerShape.FACT, AnswerShape.LIST):
        return _words_of_a_fact(plan)
    return None


def _words_of_a_part(part: ListPart) -> str:
    listed = part.topic or (_TESTS if part.tests else "")
    if listed:
        return f"{listed}{_FOR}{part.purpose}" if part.purpose else listed
    return part.purpose or part.change or ""


def _part(words: str) -> ListPart:
    """The part of a list that these words are the understood part of."""
    listed, _, purpose = words.partition(_FOR)
    if listed == _TESTS:
        return ListPart(tests=True, purpose=purpose or None)
    if listed in get_args(ListTopic):
        tests = listed in ("labs ordered", "imaging ordered")
        return ListPart(tests=tests, topic=cast(ListTopic, listed), purpose=purpose or None)
    if words in get_args(ListChange):
        return ListPart(change=cast(ListChange, words))
    return ListPart(purpose=words)


def _is_of_a_thing(plan: QuestionPlan) -> bool:
    return bool(plan.thing and plan.thing.words) and plan.shape in (AnswerShape.FACT, *_IN_TIME)


def _words_of_a_fact(plan: QuestionPlan) -> str | None:
    """The question without whom, when and the words around them: "dose of allopurinol taking"."""
    _, left = asked_time(framed(plan.text, plan.patients))
    words = [word for word in left.strip(" ?.!").split() if word.lower() not in _AROUND]
    while words and words[-1].lower() in _LAST:
        words.pop()
    said = " ".join(words)
    names_a_thing = any(word.lower() not in _NO_THING for word in words)
    return said if names_a_thing and len(said) <= FACT_CHARACTERS_MAX else None


def _shape(value: str) -> AnswerShape:
    return AnswerShape(value.replace("-", "/"))


def _time_value(time: AskedTime) -> str | None:
    """A time as an id has it; None where there is none, or none that is resolved."""
    if time.order and not time.visits:
        return time.order
    if time.stay:
        return _STAY
    if time.visits:
        return time.visits
    if time.since or time.until:
        after, before = (
            mark if end in time.open_ends else "" for end, mark in (("since", ">"), ("until", "<"))
        )
        return f"{after}{time.since or ''}{_SPAN}{before}{time.until or ''}"
    return None


def _time(value: str) -> AskedTime:
    if value == _STAY:
        return AskedTime(stay=True)
    if value in get_args(VisitPair):
        return AskedTime(visits=cast(VisitPair, value))
    if _SPAN not in value:
        return AskedTime(cast(Order, value))
    after, _, before = value.partition(_SPAN)
    since, until = after.lstrip(">"), before.lstrip("<")
    open_ends: set[Literal["since", "until"]] = set()
    if since != after:
        open_ends.add("since")
    if until != before:
        open_ends.add("until")
    days = tuple(dict.fromkeys(day for day in (since, until) if day))
    return AskedTime(since=since or None, until=until or None, days=days, open_ends=frozenset(open_ends))


def _time_text(time: AskedTime) -> str:
    if time.order:
        return time.order
    if time.stay:
        return "last admission"
    if time.visits:
        return time.visits.replace("-", " ")
    if time.since == time.until:
        return time.since or ""
    if time.since and time.until:
        return f"{time.since} to {time.until}"
    since = "after" if "since" in time.open_ends else "since"
    until = "before" if "until" in time.open_ends else "until"
    return f"{since} {time.since}" if time.since else f"{until} {time.until}"
