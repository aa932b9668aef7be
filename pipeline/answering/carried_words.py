"""Gives a question that carries parts of the turn before the words it lacks, before it is searched and answered.

Decides that a search by likeness, and a model, read "And for how long? (gout)": neither knows a plan. The asker sees
the question as it was asked. Refuses to know what is carried (`questions.carried_parts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.answering.flow import InnerAnswerer
from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.understood_parts import carried_words, with_carried
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.stages import Stopwatch
from pipeline.call_context.cancellation import end_early
from pipeline.records import AnswerEvent, Finished, Question, SearchResult


@dataclass(frozen=True)
class CarriedWords:
    """Implements ports.Answerer, and flow.InnerAnswerer."""

    inside: InnerAnswerer

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(with_carried_words(question))

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        words = _carried_words(question)
        if not words:
            yield from self.inside.stream(question, understood, watch)
            return
        asked = replace(question, text=question.text + words)
        if understood is not None:
            meant = understood.meant
            found = replace(meant.question, text=meant.question.text + words)
            topic = meant.topic + words
            meant = replace(meant, question=found, topic=topic)
            understood = UnderstoodQuestion(asked, meant, understood.evidence)
        events = self.inside.stream(asked, understood, watch)
        try:
            for event in events:
                if isinstance(event, Finished):
                    yield Finished(replace(event.answer, question=question.text))
                else:
                    yield event
        finally:
            end_early(events)


def with_carried_words(question: Question) -> Question:
    """The question with what it carries in brackets behind it; as it is where it carries no words."""
    words = _carried_words(question)
    return replace(question, text=question.text + words) if words else question


def _carried_words(question: Question) -> str:
    if not question.carried:
        return ""
    words = carried_words(with_carried(plan_of(question.text), question.carried), question.carried)
    return f" ({words})" if words else ""
