"""Whose notes a question in a conversation is about.

No text goes from one question to the next: each is answered by itself. Then "What is she allergic to?", asked after an
answer about one patient, would be answered from anybody's notes. Decides that such a question keeps to the patient of
the answer before, unless it names somebody or asks about several, and that "she", where nothing says who that is, is
refused. Reads the question's words alone; knows no register of patients. Whoever asks can have every patient looked
at, and is told which one was kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from starlette.concurrency import run_in_threadpool

from pipeline.errors import BadRequest
from pipeline.records import AccessScope, Question
from pipeline.service.access.policy import Principal
from pipeline.service.parts import Parts
from pipeline.text.patient_names import names

About: TypeAlias = Literal["several", "named", "pronoun", "open"]

_PRONOUN = re.compile(
    r"\b(?:he|she|him|her|hers|his|himself|herself)\b(?!-)|(?:^|[.?!]\s+)(?:He|She|Him|Hers?|His(?!\s+bundle))\b(?!-)"
)
"""Not `HE` or `HER2`, and not the bundle of His."""
_SOMEBODY_BEFORE = re.compile(
    r"\b(?:patient|man|woman|gentleman|lady|boy|girl|child|baby|infant|newborn|teenager|person|mother|father)\b",
    re.IGNORECASE,
)
_ILLNESS = re.compile(
    r"\W*(?:disease|syndrome|palsy|sign|test|score|lymphoma|contracture|fracture|thyroiditis|o?esophagus|ulcer|dementia)\b"
)
"""What follows a name that stands for no patient: "Crohn's disease"."""
_PEOPLE = r"(?:patients|people|persons|men|women|children|infants|adults|cases|others)"
_SEVERAL = re.compile(
    rf"\b{_PEOPLE}\b|\b(?:which|what|any|every|each|another|no|some|whose)\s+(?:other\s+|single\s+)?patient\b"
    r"|\b(?:any|every|some|no)\s?(?:one|body)\b"
    r"|\bwho\s+(?:else|all|has|have|had|takes?|took|needs?|uses?|smokes?|drinks?|gets?|got|suffers?|are|were)\b"
    r"|\bwho\s+(?:is|was)\s+(?!the\b|her\b|his\b|their\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Context:
    """A question as it is asked, and the patient whom it keeps to although its filters named none."""

    question: Question
    kept_patient: str | None = None


async def in_context(
    parts: Parts, principal: Principal, question: Question, conversation_id: str | None, *, any_patient: bool
) -> Context:
    """The question with the patient of the answer before. `any_patient`: whoever asks wants every patient looked at.

    Raises BadRequest where the question says "she" or the like and nothing tells who that is, NotKnown where the
    conversation is not theirs.
    """
    if question.filters.patient_ids or any_patient:
        return Context(question)
    about = whom(question.text)
    if about in ("several", "named"):
        return Context(question)
    if conversation_id is not None:
        patients = await run_in_threadpool(parts.conversations.patients, principal, conversation_id)
        if len(patients) == 1:
            filters = replace(question.filters, patient_ids=patients)
            return Context(replace(question, filters=filters), patients[0])
    if about == "pronoun" and not await run_in_threadpool(_one_patient, parts, question.filters.scope):
        raise BadRequest(
            "The question says he or she, and nothing tells which patient that is.",
            remedy="Name the patient in the question, or choose one as a filter (in the interface: patient_ids).",
        )
    return Context(question)


def whom(question: str) -> About:
    """Whether a question is about several patients, names one, says he or she, or does none of it."""
    if _SEVERAL.search(question):
        return "several"
    # Also "Nguyen's potassium", of which nobody is sure: else the patient before would answer for Nguyen.
    named = next(
        (each for each in names(question) if each.sure or not _ILLNESS.match(question, each.end)), None
    )
    pronoun = _PRONOUN.search(question)
    if pronoun is None:
        return "named" if named else "open"
    if named and named.start < pronoun.start():
        return "named"
    return "open" if _SOMEBODY_BEFORE.search(question, 0, pronoun.start()) else "pronoun"


def _one_patient(parts: Parts, scope: AccessScope) -> bool:
    """Whether all notes that exist for somebody are of one patient; true while none can be read: asking says so."""
    if not parts.corpus.ready:
        return True
    with parts.corpus.answering() as answering:
        return len(answering.store.values("patient_id", scope, limit=2)) < 2
