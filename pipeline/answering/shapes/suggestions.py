"""Questions that somebody may want to ask, each of which the notes answer.

Decides which are tried, and that only those are kept which the shapes of answers do answer from notes inside the scope:
names, findings and numbers of other notes cannot show in a list of questions. Of one patient all; of nobody in
particular a few about patients here and one about a finding that several have. No model is asked and nothing is
embedded. The same notes and scope give the same questions. Refuses to know who asks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.patient_meant import patient_meant
from pipeline.answering.questions.plan import AnswerShape, ThingKind
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.answering.stages import Stopwatch
from pipeline.patients import RegisteredPatient
from pipeline.ports import Store
from pipeline.records import (
    AccessScope,
    Answer,
    AnswerEvent,
    EmbeddingSpace,
    Filters,
    Finished,
    Question,
    SearchResult,
    TextKind,
    Vector,
)
from pipeline.text.structure.list_items import without_mark

ABOUT_A_PATIENT = (
    "Summarise the last visit of {}",
    "What medications is {} taking?",
    "What is {} allergic to?",
    "What problems does {} have?",
    "What is the plan for {}?",
    "What are the vital signs of {}?",
    "What are the lab results of {}?",
    "Which procedures has {} had?",
    "What is the social history of {}?",
    "What is the family history of {}?",
)
"""In the order in which they are offered."""
_PROBLEMS = "What problems does {} have?"
SUGGESTIONS_MAX = 6
PATIENTS_MAX = 3
"""Patients who are asked about where no one in particular is meant."""
PATIENTS_READ_MAX = 12
"""Patients whose problems are looked at for a finding that several have."""
KINDS_TURNED = 4
"""Kinds of question among which patients take turns."""
ID_SHOWN_MAX = 24
FINDINGS_TRIED_MAX = 4
FINDING_WORDS_MAX = 3
_FINDING = re.compile(r"[A-Za-z]{3,}(?:[ -][A-Za-z]{2,}){0,2}")


@dataclass(frozen=True, slots=True)
class SuggestedQuestion:
    """A question that notes inside the scope answer."""

    text: str
    patient_id: str | None = None
    """Whom it is to be limited to; None where it is about several."""


def suggested_questions(
    store: Store,
    space: EmbeddingSpace,
    scope: AccessScope,
    patient_ids: Sequence[str] = (),
) -> list[SuggestedQuestion]:
    """Questions about these patients, the first ones first; or, where none is given, a few to begin with."""
    if not store.has_register():
        return []
    tried = _Tried(store, space, scope)
    if len(patient_ids) == 1:
        patients = store.patients(scope, ids=patient_ids)
        return [each for patient in patients for each in tried.about(patient)]
    if patient_ids:
        return list(tried.one_each(store.patients(scope, ids=list(patient_ids)[:PATIENTS_MAX])))
    return list(tried.to_begin_with(store.patients(scope, limit=PATIENTS_READ_MAX)))


def not_asked_yet(suggested: Sequence[SuggestedQuestion], asked: Collection[str]) -> list[SuggestedQuestion]:
    """At most SUGGESTIONS_MAX of them, without what asks for the same as one of `asked`."""
    gists = {_gist(question) for question in asked}
    left = [each for each in suggested if _gist(each.text) not in gists]
    return left[:SUGGESTIONS_MAX]


class _Tried:
    """Questions tried on the notes of one scope."""

    def __init__(self, store: Store, space: EmbeddingSpace, scope: AccessScope) -> None:
        self._store = store
        self._scope = scope
        self._answering = ShapedAnswering(_NoOneElse(), store, _AnyDirection(space), SHAPES)

    def about(self, patient: RegisteredPatient) -> Iterator[SuggestedQuestion]:
        """All that the notes of one patient answer."""
        called = self._called(patient, "this patient")
        for form in ABOUT_A_PATIENT:
            text = form.format(called)
            if self._answer(text, patient) is not None:
                yield SuggestedQuestion(text, patient.patient_id)

    def one_each(self, patients: Sequence[RegisteredPatient]) -> Iterator[SuggestedQuestion]:
        """One about each patient, another kind each time as far as notes allow."""
        for number, patient in enumerate(patients):
            texts = [form.format(self._called(patient)) for form in ABOUT_A_PATIENT[:KINDS_TURNED]]
            turn = number % len(texts)
            answered = (text for text in [*texts[turn:], *texts[:turn]] if self._answer(text, patient))
            if (text := next(answered, None)) is not None:
                yield SuggestedQuestion(text, patient.patient_id)

    def to_begin_with(self, patients: Sequence[RegisteredPatient]) -> Iterator[SuggestedQuestion]:
        """About patients with a full name first, then about a finding that several have."""
        named = sorted(patients, key=lambda patient: not _has_full_name(patient))
        yield from self.one_each(named[:PATIENTS_MAX])
        yield from self._about_a_finding(patients)

    def _about_a_finding(self, patients: Sequence[RegisteredPatient]) -> Iterator[SuggestedQuestion]:
        problems = Counter(finding for patient in patients for finding in self._problems(patient))
        often = sorted(problems, key=lambda finding: (-problems[finding], finding))
        best, most = "", 1
        for finding in often[:FINDINGS_TRIED_MAX]:
            text = f"Which patients have {finding}?"
            answer = self._answer(text)
            number = len({each.patient_id for each in answer.citations}) if answer else 0
            if number > most:
                best, most = text, number
        if best:
            yield SuggestedQuestion(best)

    def _problems(self, patient: RegisteredPatient) -> set[str]:
        answer = self._answer(_PROBLEMS.format(self._called(patient)), patient)
        quotes = [citation.quote for citation in answer.citations] if answer else []
        return {finding for quote in quotes if (finding := _finding(quote))}

    def _called(self, patient: RegisteredPatient, otherwise: str = "") -> str:
        """The name where it means this patient and no one else, else the id, or `otherwise` where that is long."""
        if patient.name:
            question = Question(_PROBLEMS.format(patient.name), Filters(scope=self._scope))
            if patient_meant(question, self._store).question.filters.patient_ids == (patient.patient_id,):
                return patient.name
        short = len(patient.patient_id) <= ID_SHOWN_MAX
        return f"patient {patient.patient_id}" if short or not otherwise else otherwise

    def _answer(self, text: str, patient: RegisteredPatient | None = None) -> Answer | None:
        """None where notes do not answer it."""
        only = (patient.patient_id,) if patient is not None else ()
        filters = Filters(patient_ids=only, scope=self._scope)
        for event in self._answering.stream(Question(text, filters)):
            if isinstance(event, Finished) and event.answer.outcome == "answered":
                return event.answer
        return None


def _gist(question: str) -> tuple[AnswerShape | None, tuple[ThingKind, ...], str | None] | str:
    """What two questions have in common that ask for the same; the question itself where that is not known."""
    plan = plan_of(question)
    return (plan.shape, plan.kinds, plan.finding) if plan.shape is not None and not plan.rest else question


def _has_full_name(patient: RegisteredPatient) -> bool:
    return any(name.given and name.family for name in patient.names[:1])


def _finding(quote: str) -> str | None:
    """What a line of a list of problems names, where it is no more than a few words."""
    start, end = without_mark(quote, 0, len(quote))
    text = quote[start:end].strip(" .")
    if _FINDING.fullmatch(text) is None or len(text.split()) > FINDING_WORDS_MAX:
        return None
    return text if text.isupper() else text.lower()


class _AnyDirection:
    """Implements ports.Embedder for shapes, which read all passages of a patient or find them by words: any direction
    will do."""

    def __init__(self, space: EmbeddingSpace) -> None:
        self.space = space
        self.texts_at_once = self.calls_at_once = 1

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [0] * len(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        return np.eye(1, self.space.dimension, dtype=np.float32).repeat(len(texts), axis=0)

    def check(self) -> None:
        """Nothing can fail."""


class _NoOneElse:
    """Implements flow.InnerAnswerer: a question that no shape takes is not suggested."""

    def search(self, question: Question) -> SearchResult:
        raise NotImplementedError("suggestions are not searched")

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        return iter(())
