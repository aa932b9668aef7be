"""What a model proposes that a question asks for, as far as the question says it.

Decides what of a proposal holds: kinds and shapes that there are, a finding in the question's own words, a denial that
stands in it; and that a proposal which passes over a word with a meaning answers nothing. What the words said by
themselves stays. Refuses to know models, and who there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from pipeline.answering.questions.asked.kinds import without_kinds
from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.asked.shape import meaning_words
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.questions.understood_parts import FINDING, KIND, NEGATION, SHAPE, kind_id, shape_id

FINDING_WORDS_MAX = 6
_DENIAL = re.compile(
    r"\b(?:no|not|none|never|without|den(?:y|ies|ied|ying)|lacks?|free of|negative)\b|n['’]t\b", re.IGNORECASE
)
_ASKING = frozenset(
    "able about anybody anyone can case cases check could did do documented does ever everybody everyone find get "
    "getting got had happen has have having help if info information know known look looking may me mention "
    "mentioned might need note noted notes patient patients people person pull recorded see seen she he tell want "
    "somebody someone whether who whom whose wonder would written you i".split()
)
"""Words of a question that only ask."""
_DENYING = frozenset("no not none never without deny denies denied lack lacks free negative".split())
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


class ProposedPlan(BaseModel):
    """A model's reading of a question, before any of it is believed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kinds: list[str] = Field(default=[], max_length=4)
    finding: str = Field(default="", max_length=200)
    shape: str = Field(default="", max_length=40)
    negated: bool = False
    patients: list[str] = Field(default=[], max_length=4)


def proposed_parts(plan: QuestionPlan, proposed: ProposedPlan) -> tuple[str, ...]:
    """Ids of the parts that hold and that the plan lacks; empty where the proposal leaves out a denial, or adds one."""
    if proposed.negated is not (_DENIAL.search(plan.text) is not None):
        return ()
    found = (
        [kind_id(ThingKind(each)) for each in proposed.kinds if each in set(ThingKind)]
        if not plan.kinds
        else []
    )
    finding = " ".join(proposed.finding.split())
    if plan.finding is None and finding and _stands_in(finding, plan):
        found.append(f"{FINDING}{finding}")
    if proposed.shape in set(AnswerShape) and (plan.shape is None or plan.shape == proposed.shape):
        found.append(shape_id(AnswerShape(proposed.shape)))
    if proposed.negated and not plan.negated:
        found.append(NEGATION)
    return tuple(found)


def with_proposed(plan: QuestionPlan, ids: Iterable[str]) -> QuestionPlan:
    """The plan with these parts; words that none of them says, and that do not only ask, are left over."""
    kinds = list(plan.kinds)
    for each in ids:
        value = each.partition(":")[2]
        if each.startswith(KIND):
            kinds.append(ThingKind(value.replace("-", " ")))
        elif each.startswith(FINDING):
            plan = replace(plan, finding=value)
        elif each.startswith(SHAPE):
            plan = replace(plan, shape=AnswerShape(value.replace("-", "/")))
        elif each == NEGATION:
            plan = replace(plan, negated=True)
    said = _ASKING.union(_words(plan.finding or ""), _DENYING if plan.negated else ())
    _, left = asked_time(framed(plan.text, plan.patients))
    rest = tuple(word for word in meaning_words(without_kinds(left)) if not said.issuperset(_words(word)))
    return replace(plan, kinds=tuple(dict.fromkeys(kinds)), rest=rest)


def _stands_in(finding: str, plan: QuestionPlan) -> bool:
    """Whether these are words of the question in a row, and none of them names a patient."""
    words = _words(finding)
    text = _words(plan.text)
    names = {name for written in plan.patients.written if written.sure for name in _words(written.text)}
    in_a_row = any(text[at : at + len(words)] == words for at in range(len(text) - len(words) + 1))
    return 0 < len(words) <= FINDING_WORDS_MAX and in_a_row and names.isdisjoint(words)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]
