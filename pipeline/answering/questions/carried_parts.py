"""What a follow-up takes over from the turn before besides its patient: the thing that was asked about, and the time.

Decides it by what the question lacks: "And Martha Collins?" has no thing of its own, "And in 2021?" no thing, "And
hypertension?" no frame. A question that is whole takes over nothing: a time that no one sees would hide facts.
Refuses to know whose notes are meant (`follow_up`) and how a conversation is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pipeline.answering.questions.asked.patients import asked_patients, framed
from pipeline.answering.questions.asked.shape import meaning_words
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.bare_patient import bare_patient
from pipeline.answering.questions.condition_parts import ALSO, GROUP, also_id
from pipeline.answering.questions.interpretation import OF_THOSE, OPENER, plan_of, without_opener
from pipeline.answering.questions.plan import (
    AnswerShape,
    AskedCondition,
    AskedPatients,
    QuestionPlan,
    ThingKind,
)
from pipeline.answering.questions.understood_parts import (
    FINDING,
    kind_id,
    shape_id,
    with_carried,
)
from pipeline.records import Question, UnderstoodPart

MEASURED = frozenset([ThingKind.VITAL, ThingKind.LABORATORY])
"""Kinds of which one is asked for its value: "And her blood pressure?"."""
WORDS_MAX = 6
"""Of a finding that stands alone: a longer text is a question of its own."""
_ASKING_WHEN = frozenset("when why how long often much many where since ago did it that this".split())
_OTHERS = frozenset(
    "other others else who everyone everybody anyone anybody rest patients patient people all".split()
)
_AS_WELL = frozenset("too instead please".split())
_OF_A_FINDING = frozenset(
    map(shape_id, (AnswerShape.YES_NO, AnswerShape.WHO, AnswerShape.COUNT, AnswerShape.FACT))
)
_WHOLE = (AnswerShape.LIST, AnswerShape.SUMMARY, AnswerShape.COMPARE, AnswerShape.TREND)
"""Shapes that need no finding."""
_OF_PATIENTS = frozenset(map(shape_id, (AnswerShape.WHO, AnswerShape.COUNT)))
_FOR = re.compile(r"\s*for\b", re.IGNORECASE)
"""Asks for the part of a list that is for something: "And for his reflux?"."""
_POINTS_BACK = re.compile(
    r"\bit\b(?!-)|\b(?:last|latest|first|previous|earlier|other|new|old) ones?\b|\bthe ones? before\b(?! \w)"
    r"|\b(?:this|that|these|those)\b(?=\s*[?.!]*$|\s+(?:start|begin|beg[au]n|happen|done|given|found|treat|stop|go|get|help|work|hurt"
    r"|for|from|when|at|in|on)\w*\b)",
    re.IGNORECASE,
)
"""Says what is meant by pointing at the turn before: "Is she still taking it?"."""
_OF_A_PERSON = re.compile(r"\b(?:he|she|they|him|her|his|their|the patient|the pt)\b")
_ASKED_OF_IT = frozenset(
    """
    a all also always an and any are at back be been before being better but by can cause caused changed continue
    continued controlled could date did do does doing done dosage dose ever for found from get given go going had
    has have help helped helping here how if in increased is last long many may more much need needed now of off
    often ok okay on or order ordered out over put reason repeated resolved restarted result results ruled safe said
    say should show showed shown since so sometimes start started still stop stopped supposed take taken takes
    taking than that the then there to treat treated treating try up use used using was we well were what when where
    which who why will with work worked working worse would yet
    """.split()
)
"""Words that ask of a thing and are none."""
_ASKED_BEFORE = re.compile(
    r"^(?:(?:why|how|when|where|what|who|which|much|many|long|often|next|last|latest|likely|current|new|dose|dosage|doses"
    r"|strength|cause|reason|results?|size|date|year|start(?:ed)?|stop(?:ped)?|on|of|for|in|the|§'s|an?|taking|takes?"
    r"|level|value|given|started)\s+)+",
    re.IGNORECASE,
)
_ASKED_AFTER = re.compile(
    r"(?:\s+(?:due|when|done|taking|on|for|shows?|showed|given|doses?|changed?|ordered|started|stopped|mg|used|why))+$",
    re.IGNORECASE,
)
_FIRST_TO_LAST = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def may_carry(question: str, patients: AskedPatients | None = None) -> bool:
    """Whether a question is none without the one before. Touches nothing. `patients`: whom its words mean, where that
    was read already."""
    if OPENER.match(question) or OF_THOSE.match(question) or _points_back(question) or bare_patient(question):
        return True
    return _is_bare(_own_words(question, patients or asked_patients(question)))


def carried_parts(
    question: Question, patients: AskedPatients | None, before: Callable[[], Sequence[UnderstoodPart]]
) -> tuple[str, ...]:
    """Ids of the parts that `question` takes over, without those its asker removed; a finding of its own, where only
    the frame is taken over, is among them. `before`: what the last question was understood to ask."""
    patients = patients or asked_patients(question.text)
    if OF_THOSE.match(question.text) is not None:
        return _narrowed([each for each in before() if each.id not in question.without])
    words = _own_words(question.text, patients)
    points_back = _points_back(question.text)
    if OPENER.match(question.text) is None and not (points_back or _is_bare(words)):
        return ()
    told = [each for each in before() if each.id not in question.without]
    if not told:
        return ()
    plan = plan_of(without_opener(question.text), patients)
    if points_back and (pointed_at := _pointed_at(plan, told)):
        carried = pointed_at
    else:
        carried = [*_thing(plan, words, told), *_time(plan, told)]
    return tuple(each for each in carried if each not in question.without)


def _narrowed(told: Sequence[UnderstoodPart]) -> tuple[str, ...]:
    """What was asked of patients before, as conditions that hold on; nothing where nothing was asked of several."""
    shape = next((each.id for each in told if each.part == "shape"), "")
    if shape not in _OF_PATIENTS or any(each.id.startswith(f"{ALSO}or") for each in told):
        return ()
    plan = with_carried(QuestionPlan(""), [each.id for each in told])
    if plan.finding is None:
        return ()
    first = AskedCondition(plan.finding, plan.kind, plan.negated, plan.is_attribute)
    kept = [each.id for each in told if each.part == "time" or each.id.startswith(GROUP)]
    return (*map(also_id, (first, *plan.also)), *kept, shape_id(AnswerShape.WHO))


def asks_of_several(carried: Sequence[str]) -> bool:
    """Whether what is carried asks which patients, or how many."""
    return not _OF_PATIENTS.isdisjoint(carried)


def _points_back(question: str) -> bool:
    """Whether nothing but a word such as "it" says what is asked about: not "Which stage is it?"."""
    if _POINTS_BACK.search(question) is None:
        return False
    words = _POINTS_BACK.sub(" ", _OF_A_PERSON.sub(" ", question.lower()))
    return _ASKED_OF_IT.issuperset(_FIRST_TO_LAST.findall(words))


def _pointed_at(plan: QuestionPlan, told: Sequence[UnderstoodPart]) -> list[str]:
    """What "it" is: the finding before, without the words that asked for something of it."""
    finding = next((each.text for each in told if each.part == "finding"), "")
    thing = _ASKED_AFTER.sub("", _ASKED_BEFORE.sub("", finding))
    kinds = [] if plan.kinds else [each.id for each in told if each.part == "kind"]
    if not thing:
        return kinds if kinds == [kind_id(ThingKind.IMAGING)] else []  # "the one before" is a film
    return [*kinds, f"{FINDING}{thing}"]


def _thing(plan: QuestionPlan, words: str, told: Sequence[UnderstoodPart]) -> list[str]:
    of_part = {
        name: [each.id for each in told if each.part == name] for name in ("kind", "finding", "negation")
    }
    shape = next((each.id for each in told if each.part == "shape"), "")
    if plan.shape in _WHOLE or (words and plan.finding is not None):
        return []
    if not words:
        if len(of_part["kind"]) == 1 and not (shape or of_part["finding"]):
            shape = shape_id(AnswerShape.LIST)  # what else was asked of it is not known any more
        shape = _shape_for(plan, shape)
        return [*of_part["kind"], *of_part["finding"], *([shape] if shape else []), *of_part["negation"]]
    if words.lower() == "how many" and shape in _OF_PATIENTS:
        return [*of_part["kind"], *of_part["finding"], shape_id(AnswerShape.COUNT), *of_part["negation"]]
    if _is_bare(words):
        return [*of_part["kind"], *of_part["finding"]]
    if _FOR.match(plan.text) and of_part["kind"] and shape == shape_id(AnswerShape.LIST):
        return [*of_part["kind"], f"{FINDING}{words}", shape]
    if (
        plan.shape is None
        and len(plan.kinds) == 1
        and plan.kinds[0] in MEASURED
        and shape not in _OF_PATIENTS
    ):
        return [f"{FINDING}{words}", shape_id(AnswerShape.FACT)]
    if (
        plan.shape is None
        and of_part["finding"]
        and shape in _OF_A_FINDING
        and len(words.split()) <= WORDS_MAX
    ):
        kinds = [] if plan.kinds else of_part["kind"]
        return [*kinds, f"{FINDING}{words}", _shape_for(plan, shape), *of_part["negation"]]
    return []


def _is_bare(words: str) -> bool:
    """Whether nothing is asked about but when, why or how many."""
    return _ASKING_WHEN.issuperset(words.lower().split())


def _shape_for(plan: QuestionPlan, shape: str) -> str:
    """Of one patient it is not asked which patients, and of all of them not whether one has it."""
    if shape in _OF_PATIENTS and plan.patients.whom in ("id", "name", "pronoun"):
        return shape_id(AnswerShape.YES_NO)
    if shape in _OF_A_FINDING and plan.patients.whom == "everyone":
        return shape if shape in _OF_PATIENTS else shape_id(AnswerShape.WHO)
    return shape


def _time(plan: QuestionPlan, told: Sequence[UnderstoodPart]) -> list[str]:
    return [each.id for each in told if each.part == "time"] if plan.time.unlimited else []


def _own_words(question: str, patients: AskedPatients) -> str:
    """What a question asks about in its own words; "" where it names no more than a patient and a time."""
    _, left = asked_time(framed(question, patients))
    left = without_opener(left).strip()
    told = [
        word
        for word in meaning_words(left)
        if word.lower() not in _AS_WELL and (word.lower() not in _OTHERS or patients.whom != "everyone")
    ]
    if not told:
        return ""
    places = [match for match in _FIRST_TO_LAST.finditer(left) if match.group() in told]
    return left[places[0].start() : places[-1].end()] if places else " ".join(told)
