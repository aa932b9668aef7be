"""Lets a language model word the lines of an answer whose shape is known; the answer itself is the shape's.

Decides that a model reads the passages that the shape chose, those of one patient at a time, and that what it writes
stands only in the place of a line that it tells (`model_wording`). Who is listed, how many they are, the order, the
dates and what is not stated are found without it: a model that obeys makes an answer read better, one that does not
changes nothing. Of many patients the first are asked of it, and the answer says how many. Refuses to know what a shape
is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.answering.carried_words import with_carried_words
from pipeline.answering.flow import Answering, Draft, InnerAnswerer
from pipeline.answering.prompts import build_prompt, prompt_template
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.shapes.model_wording import worded
from pipeline.answering.shapes.reply import Reply
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.stages import Stopwatch
from pipeline.records import (
    Answer,
    AnswerEvent,
    Finished,
    Hit,
    Question,
    Retrieved,
    SearchResult,
    Statement,
    Usage,
    Verified,
)

LINES = prompt_template("lines-v1")
_NUMBER = re.compile(r"(?<=[\[,;])\s*\d{1,3}(?=\s*[\],;])")


@dataclass(frozen=True)
class WordedAnswering:
    """Implements ports.Answerer, and flow.InnerAnswerer."""

    inside: InnerAnswerer
    """What answers questions of no known shape."""
    shaped: ShapedAnswering
    drafts: Answering
    patients_max: int
    """Patients whose notes the model is asked of, for one answer."""

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(question)

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        watch = watch or Stopwatch()
        understood = understood or UnderstoodQuestion.of(question, self.shaped.store)
        meant = understood.meant
        reply = self.shaped.reply_to(understood, watch)
        sure = None if reply is None else self.shaped.answer_of(meant.question, reply, watch)
        if reply is None or sure is None:
            yield from self.inside.stream(question, understood, watch)
            return
        yield Retrieved(sure.passages)
        answer = sure
        if sure.outcome == "answered":
            answer = self._worded(meant.question, understood.plan, reply, sure, watch)
        for statement in answer.statements:
            yield Verified(statement)
        yield Finished(answer)

    def _worded(
        self, question: Question, plan: QuestionPlan, reply: Reply, sure: Answer, watch: Stopwatch
    ) -> Answer:
        """The answer with what the model says in the place of lines."""
        text = _asked_of_one(question, plan)
        by_patient = _by_patient(reply.passages)
        numbers = {hit.chunk_id: number for number, hit in enumerate(reply.passages, start=1)}
        drafts: list[Draft] = []
        said: list[Statement] = []
        for hits in list(by_patient.values())[: self.patients_max]:
            draft, statements = self._draft(text, hits, question, watch)
            drafts.append(draft)
            cited = {number: numbers[hit.chunk_id] for number, hit in enumerate(draft.passages, start=1)}
            said += [replace(each, text=_renumbered(each.text, cited)) for each in statements]
        found = worded(reply, said, plan)
        answer = self.shaped.answer_of(question, found.reply, watch, found.sentences.get) or sure
        answer = replace(
            answer,
            passages=sure.passages,
            usage=_total(draft.usage for draft in drafts),
            withheld=answer.withheld + sum(draft.withheld for draft in drafts),
            seconds=watch.total(),
        )
        if not found.sentences:
            return answer
        answer = replace(answer, model=drafts[0].model, prompt_version=LINES.version)
        return _saying_how_many(answer, self.patients_max, len(by_patient))

    def _draft(
        self, text: str, hits: Sequence[Hit], question: Question, watch: Stopwatch
    ) -> tuple[Draft, list[Statement]]:
        with watch.stage("prompt"):
            prompt = build_prompt(
                text,
                hits,
                tokens_max=self.drafts.settings.context_tokens_max,
                count_tokens=self.drafts.embedder.count_tokens,
                template=LINES,
            )
        draft = self.drafts.begin_draft(prompt)
        return draft, list(self.drafts.draft(prompt, question.filters.scope, draft, watch, None))


def _asked_of_one(question: Question, plan: QuestionPlan) -> str:
    """The question as it is asked of one patient's passages."""
    if plan.shape in (AnswerShape.WHO, AnswerShape.COUNT) and plan.finding:
        return f"What do these passages say of {plan.finding}?"
    return with_carried_words(question).text


def _by_patient(passages: Sequence[Hit]) -> Mapping[str, list[Hit]]:
    found: dict[str, list[Hit]] = {}
    for hit in passages:
        found.setdefault(hit.patient_id, []).append(hit)
    return found


def _renumbered(text: str, numbers: Mapping[int, int]) -> str:
    """A sentence that cites the passages of its prompt, with their numbers in the answer. Numbers in a quotation that
    look like these are changed as well: then it does not pass, and the line is quoted."""
    return _NUMBER.sub(lambda match: str(numbers.get(int(match.group()), 0)), text)


def _saying_how_many(answer: Answer, asked: int, patients: int) -> Answer:
    if patients <= asked:
        return answer
    line = Statement(
        f"The notes of {asked} of {patients} patients were read by the model; of the others they are quoted.",
        (),
    )
    statements = (*answer.statements, line)
    return replace(answer, statements=statements, text=f"{answer.text}\n{line.text}")


def _total(usages: Iterator[Usage] | Sequence[Usage]) -> Usage:
    listed = list(usages)
    return Usage(sum(each.prompt_tokens for each in listed), sum(each.completion_tokens for each in listed))
