"""Asks the questions of a set through the product's answerer and says how good the answers are.

A question is asked as a person would: after the questions of its conversation, by the rules that the page and the
terminal keep (`answering.follow_up`). Shares come with 95 % Wilson score intervals, means with bootstraps over
questions. Refuses to know how an answer is judged (`answer_judge`) and where notes are kept.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.answering.flow import answer as finished
from pipeline.answering.follow_up import (
    LastTurn,
    QuestionContext,
    in_conversation,
    needs_no_lookup,
    patients_of,
)
from pipeline.answering.questions.subject import subject_of
from pipeline.errors import BadRequest
from pipeline.evaluation.answer_judge import VERDICTS, Judgement, judge
from pipeline.evaluation.answer_set import SHAPES, AnswerSet, PosedQuestion
from pipeline.evaluation.retrieval import Estimate, estimate
from pipeline.ports import Answerer, Embedder, Store
from pipeline.records import Answer, Filters, Question

Z_95 = 1.959964
ALL = "all"


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `of`, with its 95 % Wilson interval; of nothing, all are zero."""

    part: int
    of: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ShapeResult:
    """How the questions of one shape were answered."""

    shape: str
    verdicts: Mapping[str, int]
    right: Share
    """Of the questions that notes answer."""
    false_answers: Share
    """Of the questions that no note answers."""
    wrong_patient: Share
    """Of all questions."""
    recall: Estimate | None
    """Of lists and the like, silence counting 0; None for other shapes."""
    precision: Estimate | None
    """Of those of them that list anything."""


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    question: PosedQuestion
    answer: Answer | None
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class AnswersResult:
    name: str
    split: str
    notes: int
    questions: int
    """How many the split holds; asked may be fewer."""
    asked: int
    shapes: Sequence[ShapeResult]
    """The last one is of all."""
    traps: Mapping[str, Share]
    """Trap to the share of right answers, silence where it is right among them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts that answer."""

    answerer: Answerer
    store: Store
    embedder: Embedder
    top_k: int


def sample(questions: Sequence[PosedQuestion], limit: int | None, seed: int) -> list[PosedQuestion]:
    """`limit` of the questions, of each shape its share, in their order; the same for the same seed."""
    if limit is None or limit >= len(questions):
        return list(questions)
    chosen: set[str] = set()
    chance = random.Random(seed)  # noqa: S311  a sample, no secret
    for shape in SHAPES:
        of_shape = [question.id for question in questions if question.shape == shape]
        chosen.update(chance.sample(of_shape, math.ceil(len(of_shape) * limit / len(questions))))
    return [question for question in questions if question.id in chosen]


def ask_all(answer_set: AnswerSet, questions: Sequence[PosedQuestion], asked: Asked) -> list[JudgedAnswer]:
    """Every answer with its judgement."""
    answers = ((question, ask(question, asked)) for question in questions)
    return [
        JudgedAnswer(question, answer, judge(question, answer, answer_set.people))
        for question, answer in answers
    ]


def ask(question: PosedQuestion, asked: Asked) -> Answer | None:
    """The answer, after those of its conversation; None where the question is refused, as one that says "she" and
    nothing says who."""
    conversation = _Conversation(asked)
    filters = Filters(patient_ids=question.limited_to)
    for text in question.earlier:
        conversation.answer(Question(text, filters, asked.top_k))
    return conversation.answer(Question(question.text, filters, asked.top_k))


@dataclass
class _Conversation:
    """What is kept from one question to the next, as the page and the terminal keep it."""

    asked: Asked
    last: LastTurn | None = None

    def answer(self, question: Question) -> Answer | None:
        try:
            context = self._in_context(question)
            question = context.question
            answer = finished(self.asked.answerer, question)
        except BadRequest:
            self.last = None if self.last is None else replace(self.last, unclear=True)
            return None
        cited = (citation.patient_id for citation in answer.citations)
        about = patients_of(question.filters.patient_ids, cited)
        self.last = LastTurn(question.text, about, answer.understood, context.is_unclear)
        return answer

    def _in_context(self, question: Question) -> QuestionContext:
        about = subject_of(question.text)
        if needs_no_lookup(question, about, goes_on=self.last is not None):
            return QuestionContext(question)
        return in_conversation(question, about, self.last, self.asked.store, self.asked.embedder)


def summary(answer_set: AnswerSet, judged: Sequence[JudgedAnswer]) -> AnswersResult:
    """The figures, by shape and of all."""
    shapes = [
        shape_result(shape, of_shape)
        for shape in SHAPES
        if (of_shape := [each for each in judged if each.question.shape == shape])
    ]
    return AnswersResult(
        answer_set.name,
        answer_set.split,
        len(answer_set.notes),
        len(answer_set.questions),
        len(judged),
        [*shapes, shape_result(ALL, judged)],
        _by_trap(judged),
    )


def shape_result(shape: str, judged: Sequence[JudgedAnswer]) -> ShapeResult:
    counts = Counter(each.judgement.verdict for each in judged)
    held = [each.judgement.verdict for each in judged if each.question.expected == "answer"]
    absent = [each.judgement.verdict for each in judged if each.question.expected != "answer"]
    return ShapeResult(
        shape,
        {verdict: counts[verdict] for verdict in VERDICTS},
        wilson(held.count("right"), len(held)),
        wilson(absent.count("false_answer"), len(absent)),
        wilson(counts["wrong_patient"], len(judged)),
        _mean([each.judgement.recall for each in judged]),
        _mean([each.judgement.precision for each in judged]),
    )


def wilson(part: int, of: int) -> Share:
    """The share with its Wilson score interval, which holds for small samples and for none or all of them."""
    if not of:
        return Share(0, 0, 0.0, 0.0, 0.0)
    share = part / of
    middle = share + Z_95**2 / (2 * of)
    reach = Z_95 * math.sqrt(share * (1 - share) / of + Z_95**2 / (4 * of**2))
    whole = 1 + Z_95**2 / of
    return Share(part, of, share, max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole))


def _mean(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return estimate(np.array(known)) if known else None


def _by_trap(judged: Sequence[JudgedAnswer]) -> dict[str, Share]:
    traps = sorted({trap for each in judged for trap in each.question.traps})
    by_trap = {
        trap: [each.judgement.verdict for each in judged if trap in each.question.traps] for trap in traps
    }
    return {trap: wilson(verdicts.count("right"), len(verdicts)) for trap, verdicts in by_trap.items()}
