"""Whose notes a question in a conversation is about.

No text goes from one question to the next: each is answered by itself. Then "What is she allergic to?", asked after an
answer about one patient, would be answered from anybody's notes. Decides that such a question keeps to the patient of
the answer before, unless it names somebody or asks about several, and that "she", where nothing says who that is, is
refused, as are a word that is in the notes the name of others alone, and "And allergies?" after a question about
somebody of whom nothing was found. Knows no register of patients. Whoever asks can have every patient looked at, and
is told which one was kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from starlette.concurrency import run_in_threadpool

from pipeline.answering.question_length import embed_question
from pipeline.answering.question_patient import of_its_patient, writes_an_id
from pipeline.errors import BadRequest
from pipeline.records import AccessScope, Filters, Question
from pipeline.service.access.policy import Principal
from pipeline.service.dependencies import Services
from pipeline.text.patient_names import ILLNESSES, names

About: TypeAlias = Literal["several", "named", "pronoun", "open"]

_PERSON = "(?:patient|man|woman|gentleman|lady|boy|girl)"
_PRONOUN = re.compile(
    r"\b(?:he|she|him|her|hers|his|himself|herself)\b(?!-)|(?:^|[.?!]\s+)(?:He|She|Him|Hers?|His(?!\s+bundle))\b(?!-)"
    rf"|\b(?:[Tt]his|[Mm]y|[Oo]ur|[Tt]he other|[Tt]he next) {_PERSON}\b"
    r"|^(?:(?:And|and|So|so) )?(?:(?:[Ww]hat|[Ww]hen|[Ww]here|[Ww]hy|[Hh]ow) )?"
    r"(?:[Aa]re|[Ww]ere|[Dd]o|[Dd]id|[Hh]ave|[Hh]ad|[Cc]an) (?:they|their)\b"
)
"""Not `HE` or `HER2`, and not the bundle of His; "they" where nothing before it can be meant."""
_ANOTHER = re.compile(
    rf"\b(?:the (?:other|next)|another) {_PERSON}\b|\ban? (?:\w+ )?{_PERSON}\b|\b\d+[ -]?year[ -]?old\b"
    r"|\bpatient (?:who|whose|named|called|in (?:room|bed|ward)|with (?:an?|the))\b|\b(?:mrn|patient (?:id|number))\b",
    re.IGNORECASE,
)
"""Somebody else than the patient of the answer before."""
_MAY_BE_A_NAME = re.compile(
    r"(?<=[\w,] )[A-Z][^\W\d_]{2,}|^[A-Z][^\W\d_]{2,}(?=[:,]| (?:has|had|is|was|takes)\b)"
)
_GOES_ON = re.compile(r"(?:and|also|any|what about|how about|what else)\b", re.IGNORECASE)
"""How a question begins that is none without the one before."""
_INTRODUCED = (
    r"(?:\b(?:Mr|Mrs|Ms|Miss|Mx)\.? (?:[A-Z][\w'’-]+ ){{0,2}}{name}\b"
    r"|\b{name}(?: [A-Z][\w'’-]+){{0,2}},? (?:is|was) an?\b[^.\n]{{0,40}}"
    r"\b(?:year|male|female|man|woman|gentleman|lady|boy|girl|infant)\b)"
)
"""How a note says who somebody is."""
PASSAGES_WITH_A_NAME = 20
_SOMEBODY_BEFORE = re.compile(
    r"\b(?:patient|man|woman|gentleman|lady|boy|girl|child|baby|infant|newborn|teenager|person|mother|father"
    r"|female|male)\b",
    re.IGNORECASE,
)
_ILLNESS = re.compile(rf"\W*(?:{'|'.join(sorted(ILLNESSES))})\b")
"""What follows a name that stands for no patient. Not a drain or a line: those may be the patient's."""
_PEOPLE = r"(?:patients|people|persons|men|women|children|infants|adults|cases|others)"
_SEVERAL = re.compile(
    rf"\b{_PEOPLE}\b|\bhow many (?:have|had|are|were|take|took|need|use|smoke|of)\b|\ball (?:with|who|taking)\b"
    r"|\b(?:which|what|any|every|each|another|no|some|whose)\s+(?:other\s+|single\s+)?patient\b"
    r"|\b(?:any|every|some|no)\s?(?:one|body)\b"
    r"|\bwho\s+(?:else|all|has|have|had|takes?|took|needs?|uses?|smokes?|drinks?|gets?|got|suffers?|are|were)\b"
    r"|\bwho\s+(?:is|was)\s+(?!the\b|her\b|his\b|their\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class QuestionContext:
    """A question as it is asked, and the patient whom it keeps to although its filters named none."""

    question: Question
    kept_patient: str | None = None


async def in_context(
    parts: Services,
    principal: Principal,
    question: Question,
    conversation_id: str | None,
    *,
    any_patient: bool,
) -> QuestionContext:
    """The question with the patient of the answer before. `any_patient`: whoever asks wants every patient looked at.

    Raises BadRequest where the question says "she" or the like and nothing tells who that is, NotKnown where the
    conversation is not theirs.
    """
    if question.filters.patient_ids:
        return QuestionContext(question)
    about: About = "several" if any_patient else subject_of(question.text)
    if conversation_id is None and about != "pronoun" and not writes_an_id(question):
        return QuestionContext(question)  # most questions: nothing to look up, so no thread is waited for
    return await run_in_threadpool(_in_context, parts, principal, question, conversation_id, about)


def _in_context(
    parts: Services, principal: Principal, question: Question, conversation_id: str | None, about: About
) -> QuestionContext:
    question = _by_id(parts, question)
    if question.filters.patient_ids or about in ("several", "named"):
        return QuestionContext(question)
    if conversation_id is not None and not _ANOTHER.search(question.text):
        patients = parts.conversations.patients(principal, conversation_id)
        if len(patients) == 1:
            if _somebody_else(parts, question, patients[0]):
                raise BadRequest(
                    "The question seems to name somebody else than the patient of the answer before.",
                    remedy="Give the full name, or choose a patient as a filter (in the interface: patient_ids).",
                )
            filters = replace(question.filters, patient_ids=patients)
            return QuestionContext(replace(question, filters=filters), patients[0])
        if not patients and _GOES_ON.match(question.text):
            before = parts.conversations.last_question(principal, conversation_id)
            about = "pronoun" if subject_of(before) in ("named", "pronoun") else about
    if about == "pronoun" and not _one_patient(parts, question.filters.scope):
        raise BadRequest(
            "The question says he, she, they or this patient, and nothing tells which patient that is.",
            remedy="Name the patient in the question, or choose one as a filter (in the interface: patient_ids).",
        )
    return QuestionContext(question)


def subject_of(question: str) -> About:
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


def _by_id(parts: Services, question: Question) -> Question:
    """Limited to the patients whose ids it writes; as it is while no note can be read."""
    if not parts.corpus.ready:
        return question
    with parts.corpus.answering() as answering:
        return of_its_patient(question, answering.store)


def _somebody_else(parts: Services, question: Question, patient: str) -> bool:
    """Whether a single word of the question, a first name for example, is in the notes the name of others alone."""
    words = dict.fromkeys(_MAY_BE_A_NAME.findall(question.text))
    if not (words and parts.corpus.ready):
        return False
    scope = question.filters.scope
    with parts.corpus.answering() as answering:
        vector = embed_question(
            question.text, answering.embedder
        )  # `hits` wants one; how near they are is not asked
        for word in words:
            matches = answering.store.search_words(word, PASSAGES_WITH_A_NAME, Filters(scope=scope))
            hits = answering.store.hits([match.chunk_id for match in matches], vector)
            name = re.compile(_INTRODUCED.format(name=word.capitalize()))
            if patient not in {hit.patient_id for hit in hits} and any(name.search(hit.text) for hit in hits):
                return True
    return False


def _one_patient(parts: Services, scope: AccessScope) -> bool:
    """Whether all notes that exist for somebody are of one patient; true while none can be read: asking says so."""
    if not parts.corpus.ready:
        return True
    with parts.corpus.answering() as answering:
        return len(answering.store.values("patient_id", scope, limit=2)) < 2
