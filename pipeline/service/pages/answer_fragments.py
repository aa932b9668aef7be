"""An answer as it comes, as pieces of the page.

Decides what a waiting user is told. A statement appears once its citations are checked; until then the page says what
is being waited for, immediately and again after some seconds. What was understood is shown before the first statement.
Knows nothing of how an answer is made.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from pipeline.answering.follow_up import patients_of
from pipeline.records import Retrieved, Verified
from pipeline.service.dependencies import Services
from pipeline.service.middleware.authentication import Caller
from pipeline.service.pages.errors import ProblemView
from pipeline.service.pages.film_views import data_address
from pipeline.service.pages.films import films_shown
from pipeline.service.pages.register import names_of, patient_view
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.view_models import (
    AnswerView,
    Exchange,
    FilterValues,
    PatientView,
    goes_without_saying,
    statement_view,
)
from pipeline.service.pages.wording import why_nothing
from pipeline.service.questions.queue import (
    AnswerEnded,
    AnswerFailed,
    QuestionAccepted,
    QueueEvent,
    RunningAnswer,
)
from pipeline.service.questions.streaming import whole_of
from pipeline.service.schemas.ask import CitationOut, UnderstoodPartOut

SLOW_SECONDS = (4.0, 6.0, 10.0, 20.0)
"""Pauses between words about what is waited for; the last one again and again."""


class AnswerFragments:
    """An answer as events of HTML: unnamed ones are put into the page, `accepted` and `ended` are for its script."""

    def __init__(
        self,
        services: Services,
        renderer: Renderer,
        caller: Caller,
        filters: FilterValues,
        *,
        chosen: bool,
    ) -> None:
        self._services = services
        self._renderer = renderer
        self._scope = caller.principal.scope
        self._csrf_token = caller.csrf_token
        self._filters = filters
        self._chosen = chosen
        self._statements = 0
        self._passages = 0
        self._notes = 0
        self._found = False

    async def events(self, answer: RunningAnswer) -> AsyncIterator[ServerSentEvent]:
        image = answer.asked.question.image
        turn = Exchange(
            answer.asked.question_id,
            answer.turn.conversation_id,
            answer.asked.question.text,
            self._filters.words,
            dt.datetime.now(dt.UTC),
            again=self._filters
            if image is None
            else None,  # it is kept nowhere: the same cannot be asked again
            asked_film=data_address(image.content) if image else "",
        )
        try:
            async for event in self._with_pauses(answer, turn):
                yield event
        finally:
            answer.cancel()  # does nothing to an answer that has ended

    async def _with_pauses(self, answer: RunningAnswer, turn: Exchange) -> AsyncIterator[ServerSentEvent]:
        """What comes, and, while nothing comes, what is waited for."""
        began = time.monotonic()
        coming = answer.events()
        pauses = iter(SLOW_SECONDS)
        pause = next(pauses)
        following = asyncio.ensure_future(anext(coming, None))
        try:
            while True:
                await asyncio.wait({following}, timeout=pause)
                if not following.done():
                    pause = next(pauses, pause)
                    yield self._html("working", turn, words=self._waiting(answer, time.monotonic() - began))
                    continue
                event = following.result()
                if event is None:
                    return
                turn = await self._with_names(answer, turn, event)
                patient = await self._patient_of(answer, event)
                for said in self._said(answer, turn, event, patient):
                    yield said
                following = asyncio.ensure_future(anext(coming, None))
        finally:
            following.cancel()

    async def _with_names(self, answer: RunningAnswer, turn: Exchange, event: QueueEvent) -> Exchange:
        """What patients are called, where it does not go without saying whose passages these are; always for films."""
        if isinstance(event, AnswerEnded) and event.answer.images:
            films = await run_in_threadpool(
                films_shown, self._services, self._scope, event.answer.images, _meant(answer, event)
            )
            return replace(turn, films=films)
        if not isinstance(event, Retrieved):
            return turn
        patients = {hit.patient_id for hit in event.passages}
        if goes_without_saying(patients, UnderstoodPartOut.all(event.understood)):
            return turn
        return replace(turn, names=await run_in_threadpool(names_of, self._services, self._scope, patients))

    async def _patient_of(self, answer: RunningAnswer, event: QueueEvent) -> PatientView | None:
        """The patient to whom the next question keeps, as the page names one."""
        if not isinstance(event, AnswerEnded):
            return None
        patient_id = _going_on_with(answer, AnswerView.of(whole_of(answer, event)))
        if not patient_id:
            return None
        return await run_in_threadpool(patient_view, self._services, self._scope, patient_id)

    def _said(
        self, answer: RunningAnswer, turn: Exchange, event: QueueEvent, patient: PatientView | None
    ) -> Iterator[ServerSentEvent]:
        match event:
            case QuestionAccepted(conversation_id=conversation_id):
                yield self._html("accepted", turn, words=self._waiting(answer, 0))
                yield ServerSentEvent(f"/conversations/{conversation_id}", event="accepted")
            case Retrieved(passages, understood):
                if understood:
                    parts = UnderstoodPartOut.all(understood)
                    yield self._html("understood", turn, parts=parts, csrf_token=self._csrf_token)
                self._found = True
                self._passages, self._notes = len(passages), len({hit.resource_id for hit in passages})
                yield self._html("working", turn, words=self._waiting(answer, 0))
            case Verified(statement):
                self._statements += 1
                cited = [CitationOut.of(each) for each in statement.citations]
                view = statement_view(self._statements, statement.text, cited)
                yield self._html("statement", turn, view=view)
            case AnswerEnded():
                whole = AnswerView.of(whole_of(answer, event))
                yield self._html(
                    "ended",
                    replace(turn, answer=whole),
                    words=self._summary(whole),
                    csrf_token=self._csrf_token,
                    going_on_with=_going_on_with(answer, whole),
                    patient=patient,
                    chosen=self._chosen,
                )
                yield ServerSentEvent(turn.key, event="ended")
            case AnswerFailed(error):
                problem = ProblemView.of(error, answer.asked.question_id)
                yield self._html("failed", turn, problem=problem)
                yield ServerSentEvent(turn.key, event="ended")

    def _html(self, part: str, turn: Exchange, **values: Any) -> ServerSentEvent:
        return ServerSentEvent(self._renderer.text("stream.html", part=part, turn=turn, **values))

    def _waiting(self, answer: RunningAnswer, seconds: float) -> str:
        """What is waited for, in words."""
        if self._found and not self._passages:
            words = "No passage was found for this question."
        elif self._found:
            words = f"Found {_many(self._passages, 'passage')} in {_many(self._notes, 'note')}. "
            words += "The answer is being written; each statement is shown once its citations are checked."
        elif answer.waiting and seconds:
            words = (
                f"Waiting for a free slot; {_many(self._services.queue.waiting, 'question')} in the queue."
            )
        else:
            words = "Searching the notes that you can see."
        return f"{words} {seconds:.0f} s so far." if seconds else words

    def _summary(self, whole: AnswerView) -> str:
        """For those who listen: that it is over, and what there is."""
        if whole.outcome != "answered":
            return f"{why_nothing(whole.reason)[0]}."
        said = f"Answered: {_many(self._statements, 'statement')}, {_many(len(whole.citations), 'source')}."
        return f"{said} {whole.missing}" if whole.missing else said


def _meant(answer: RunningAnswer, ended: AnswerEnded) -> tuple[str, ...]:
    """Whose films are the ones that were asked for: the patient's of whom the answer is, or of the film asked with."""
    patient_id = _going_on_with(answer, AnswerView.of(whole_of(answer, ended)))
    image = answer.asked.question.image
    return tuple(each for each in (patient_id or (image.patient_id if image else ""),) if each)


def _going_on_with(answer: RunningAnswer, whole: AnswerView) -> str:
    """The patient to whom the next question keeps."""
    cited = (citation.patient_id for citation in whole.citations)
    patients = patients_of(answer.asked.question.filters.patient_ids, cited)
    return patients[0] if len(patients) == 1 else ""


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"
