"""Reads a question into its plan: whom, when, what kind of thing, what shape, which finding.

Decides nothing that its parts do not; here is only their order: who is meant is taken out first, then when, so that a
frame sees neither. Deterministic: no model and no store. What is not certain stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pipeline.answering.questions.asked.kinds import asked_kinds
from pipeline.answering.questions.asked.patients import asked_patients, framed
from pipeline.answering.questions.asked.shape import asked_shape, names_a_list
from pipeline.answering.questions.asked.thing import asked_thing
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.condition_parts import ALSO
from pipeline.answering.questions.plan import (
    LISTED_KINDS,
    AnswerShape,
    AskedPatients,
    ListPart,
    QuestionPlan,
    ThingKind,
)
from pipeline.answering.questions.proposed_parts import with_proposed
from pipeline.answering.questions.purpose import without_purpose
from pipeline.answering.questions.understood_parts import (
    SHAPE,
    carried_words,
    with_carried,
    without_parts,
)
from pipeline.records import Question
from pipeline.text.structure.personal_facts import PERSONAL_FACTS

OPENER = re.compile(
    r"\A\s*(?:(?:(?:and|also|or|so|ok|okay|then)\b[,\s]*)*(?:what about|how about|what of|(?:the )?same for)\b"
    r"|(?:and|also|or)\b,?)",
    re.IGNORECASE,
)
"""How a question begins that goes on with the one before."""
OF_THOSE = re.compile(
    r"\A\s*(?:(?:and|so|ok(?:ay)?)\b[,\s]*)*(?:(?:which|who|how many|(?:are |do |have |is )?any)"
    r"\s+(?:ones?\s+)?(?:of|among|amongst|from)"
    r"\s+(?:them|these|those)(?:\s+(?:patients|people|ones))?|(?:which|what)\s+ones)\b",
    re.IGNORECASE,
)
"""How a question begins that asks of the patients of the answer before."""
CHARACTERS_MAX = 400
"""A longer question tells a story, and is not one frame."""
_ONE_VALUE = re.compile(
    r"(?:what|which)\s+(?:\w+\s+)?(?:dos(?:e|age)|strength|amount|level|value)\b", re.IGNORECASE
)
"""Asks for a value although its verb is one of a list: "What dose of ramipril is she on now?"."""


_OF_THIS_VISIT = re.compile(
    r"(?<=here|seen)\s+today\b|(?<=come in|came in)\s+today\b|\btoday(?=\s*[?.!]*$)(?<=in today)"
    r"|(?<=§ in) today\b",
    re.IGNORECASE,
)
"""What brought someone "in today" is asked of the visit that is told, whenever it was."""
_ALONE = (ThingKind.FAMILY, ThingKind.REASON_FOR_VISIT, ThingKind.EXAMINATION, ThingKind.LABORATORY)
"""Kinds of a frame that say all that is asked: other kinds are named in passing."""
_SINCE_ONSET = re.compile(
    r"\s+\bsince\s+(?:(?:§|it|they|these|those|the|first|its|their)\s+)*(?:began|started|begun|onset"
    r"|beginning|start)\b",
    re.IGNORECASE,
)
"""Of how something changed that is all of its time."""
_EXTREME = re.compile(r"\b(?:highest|lowest|peak|maximum|minimum|worst|best|most|least)\b", re.IGNORECASE)
"""Held against now it asks for all values: which is the highest, no one computes."""
_CHANGES = re.compile(
    r"\b(?:than|compar\w+|vs|versus|differ\w*|chang\w+|higher|lower|more|less|gain\w*|los[est]\w*|new)\b",
    re.IGNORECASE,
)
"""How one time is held against another."""


def plan_for(question: Question, patients: AskedPatients | None = None) -> QuestionPlan:
    """What `question` asks for with what it carries from the turn before, and without what its asker removed.
    `patients`: as in `plan_of`."""
    if OF_THOSE.match(question.text) and any(each.startswith(ALSO) for each in question.carried):
        people = "how many patients" if "how many" in question.text.lower() else "which patients"
        conditions = [each for each in question.carried if not each.startswith(SHAPE)]
        plan = with_carried(plan_of(OF_THOSE.sub(people, question.text)), conditions)
    elif question.carried:
        plan = with_carried(plan_of(without_opener(question.text), patients), question.carried)
        if words := carried_words(plan, question.carried):
            plan = replace(plan, text=f"{plan.text.rstrip(' ?.!')} {words}?")
    else:
        plan = plan_of(question.text, patients)
    if question.proposed:
        plan = with_proposed(plan, question.proposed)
    return without_parts(plan, question.without) if question.without else plan


def without_opener(question: str) -> str:
    """The question with blanks for "And", "What about": every other word stays at its place."""
    return OPENER.sub(lambda opener: " " * len(opener.group()), question)


def plan_of(question: str, patients: AskedPatients | None = None) -> QuestionPlan:
    """What `question` asks for. Never raises; of a long one only the patients are read.

    `patients`: whom it means, where someone knows more than its words say: that "Mitchell" is a person's name.
    """
    patients = patients or asked_patients(question)
    if len(question) > CHARACTERS_MAX or question.strip().count("\n"):
        return QuestionPlan(question, patients)
    time, text = asked_time(
        _all_of_its_time(_OF_THIS_VISIT.sub("", without_purpose(framed(question, patients))))
    )
    kinds = asked_kinds(text)
    read = asked_shape(text, patients.whom, kinds)
    kinds = kinds if read.kinds is None else read.kinds
    if read.kind is not None and (read.part is not None or read.kind in _ALONE):
        kinds = (read.kind,)
    elif read.kind is not None and not (read.kind is ThingKind.MEDICATION and ThingKind.PROCEDURE in kinds):
        kinds = tuple(dict.fromkeys((read.kind, *kinds)))
    plan = QuestionPlan(
        question,
        patients,
        read.shape,
        kinds,
        read.finding,
        read.rest,
        time,
        negated=read.negated,
        is_attribute=read.is_attribute,
        part=read.part,
        also=read.also,
        any_of=read.any_of,
        group=read.group,
    )
    return _in_time(plan, text)


def _all_of_its_time(text: str) -> str:
    """How something "changed since it began" without since when."""
    return _SINCE_ONSET.sub("", text) if "since" in text.lower() and _CHANGES.search(text) else text


def _compared(plan: QuestionPlan) -> QuestionPlan:
    """What is asked of two visits, or of two patients at once, is told of each."""
    several = sum(each.is_id or each.sure for each in plan.patients.written) > 1
    single = plan.shape in (None, AnswerShape.FACT, AnswerShape.LIST, AnswerShape.YES_NO)
    if plan.patients.whom != "everyone" and single and (several or plan.time.visits):
        return replace(plan, shape=AnswerShape.COMPARE)
    if plan.shape is AnswerShape.TREND and plan.time.visits:
        return replace(plan, shape=AnswerShape.COMPARE)
    if plan.shape is AnswerShape.COMPARE and not (several or plan.time.visits) and _EXTREME.search(plan.text):
        return replace(plan, shape=AnswerShape.TREND)
    two_days = len(plan.time.days) > 1
    listed = plan.kind in LISTED_KINDS and bool(plan.time.since) and plan.time.since != plan.time.until
    if single and (two_days or listed) and _CHANGES.search(plan.text):
        return replace(plan, shape=AnswerShape.COMPARE)
    return plan


def _is_one_value(plan: QuestionPlan, text: str) -> bool:
    """Whether a value is asked for in the words of a list: "Show me the latest creatinine"."""
    if plan.time.unlimited or plan.part is not None:
        return False
    if _ONE_VALUE.match(text):
        return True
    shown = re.match(r"(?:please\s+)?(?:list|show|name|give|tell)\b", text, re.IGNORECASE)
    return shown is not None and plan.time.order is not None and not names_a_list(text)


def _in_time(plan: QuestionPlan, text: str) -> QuestionPlan:
    """The plan with what a question about values or events in time is of; as it is where it asks for none."""
    plan = _compared(plan)
    several = plan.shape in (AnswerShape.TREND, AnswerShape.COMPARE)
    if plan.shape is AnswerShape.LIST and _is_one_value(plan, text):
        plan = replace(plan, shape=AnswerShape.FACT)
    limited = plan.time.since or plan.time.until or plan.time.order == "first"
    listed = plan.shape is AnswerShape.LIST and bool(limited)
    one = plan.shape in (AnswerShape.FACT, None) and plan.patients.whom != "everyone"
    if not (several or listed or one):
        return plan
    thing = asked_thing(text)
    if thing is None:
        return plan
    timeless = not (several or thing.when or plan.time.either) and plan.time.unlimited
    if timeless and thing.words not in PERSONAL_FACTS:  # of those, what is so now is asked
        return plan
    dated = plan.time.order or plan.time.since or plan.time.until or plan.time.either
    if plan.shape is None and not (thing.when or dated):
        return plan
    begun = plan.kind is ThingKind.MEDICATION and thing.change is not None and not thing.when
    if begun and one and (plan.time.since or plan.time.until) and names_a_list(thing.words):
        part = ListPart("started" if thing.change == "start" else "stopped")
        return replace(plan, shape=AnswerShape.LIST, thing=thing, part=part, rest=())
    return replace(plan, shape=plan.shape or AnswerShape.FACT, thing=thing)
