"""Says with every answer what its question was understood to ask.

Decides that it is said first, with the passages, and again with the whole answer, whichever answerer is inside. What
is understood is decided by `questions`; each answerer asks there itself, so what is said is what was done. Refuses to
know how a question is answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.answering.questions.interpretation import plan_for
from pipeline.answering.questions.patient_meant import patient_meant
from pipeline.answering.questions.understood_parts import understood_parts
from pipeline.call_context.cancellation import end_early
from pipeline.ports import Answerer, Store
from pipeline.records import AnswerEvent, Finished, Question, Retrieved, SearchResult, UnderstoodPart


@dataclass(frozen=True)
class UnderstoodAnswering:
    """Implements ports.Answerer."""

    inside: Answerer
    store: Store

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        understood = self._understood(question)
        events = self.inside.stream(question)
        try:
            for event in events:
                match event:
                    case Retrieved():
                        yield replace(event, understood=understood)
                    case Finished(answer):
                        yield Finished(replace(answer, understood=understood))
                    case _:
                        yield event
        finally:
            end_early(events)

    def _understood(self, question: Question) -> tuple[UnderstoodPart, ...]:
        meant = patient_meant(question, self.store)
        filters = meant.question.filters
        plan = plan_for(question, meant.asked)
        return understood_parts(plan, filters.patient_ids, filters.scope, self.store, question.carried)
