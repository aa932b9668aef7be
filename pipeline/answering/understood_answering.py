"""Says with every answer what its question was understood to ask.

Decides that it is said first, with the passages, and again with the whole answer, whichever answerer is inside. What
is understood is decided by `questions` and handed on, so what is said is what was done.
Refuses to know how a question is answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.answering.flow import InnerAnswerer
from pipeline.answering.questions.understood_parts import understood_parts
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.stages import Stopwatch
from pipeline.call_context.cancellation import end_early
from pipeline.ports import Store
from pipeline.records import AnswerEvent, Finished, Question, Retrieved, SearchResult, UnderstoodPart


@dataclass(frozen=True)
class UnderstoodAnswering:
    """Implements ports.Answerer."""

    inside: InnerAnswerer
    store: Store

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        watch = Stopwatch()
        understood = UnderstoodQuestion.of(question, self.store)
        parts = self._parts(understood)
        events = self.inside.stream(question, understood, watch)
        try:
            for event in events:
                match event:
                    case Retrieved():
                        yield replace(event, understood=event.understood or parts)
                    case Finished(answer):
                        yield Finished(replace(answer, understood=answer.understood or parts))
                    case _:
                        yield event
        finally:
            end_early(events)

    def _parts(self, understood: UnderstoodQuestion) -> tuple[UnderstoodPart, ...]:
        filters = understood.meant.question.filters
        return understood_parts(
            understood.plan, filters.patient_ids, filters.scope, self.store, understood.question
        )
