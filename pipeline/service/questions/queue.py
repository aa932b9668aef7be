"""Questions in flight: who gets a slot, who waits, who is refused, and that no one's reading speed costs a slot.

Each answer is worked on by a thread of a bounded pool. The thread never waits for a reader: what it finds goes into
the answer's own list, which an answer's length bounds, and readers take it from there at their pace. When the last
reader has gone the answer's scope is cancelled, which cuts the request to the model. However an answer ends, what
became of it is recorded before anyone is told that it has ended. Refuses to know HTTP, and how it is recorded.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TypeAlias, cast

from pipeline.call_context.cancellation import Cancellation, Cancelled, cancellation_scope
from pipeline.config import ServiceSettings
from pipeline.errors import ChartwellError
from pipeline.logs import LOGGER, fault_fields
from pipeline.pricing import Prices, answer_usd
from pipeline.records import Answer, AnswerEvent, Finished, Question, Retrieved, Usage, Verified
from pipeline.service.access.policy import Principal
from pipeline.service.audit.receipts import AnswerRecord
from pipeline.service.conversations.store import Conversations, FinishedTurn, StartedTurn
from pipeline.service.errors import Busy, NotReady, TooMany
from pipeline.service.problems import recorded
from pipeline.service.questions.corpus import LiveCorpus

RETRY_SECONDS = 2.0
RECORDER_THREADS = 2
"""For what became of questions whose asker left before their turn."""
CUT_OFF_SECONDS = 5.0
"""How long a stop waits, after it has cut off what was in flight, for that to be recorded."""


@dataclass(frozen=True, slots=True)
class QuestionRequest:
    """A question, and who asked it."""

    question_id: str
    principal: Principal
    question: Question
    conversation_id: str | None
    """The conversation that it goes on; None begins one."""
    kept_patient: str | None = None
    """The patient of the answer before, to whom the question keeps although the asker named none."""


@dataclass(frozen=True, slots=True)
class QuestionAccepted:
    """The question has a slot, or waits for one."""

    question_id: str
    conversation_id: str
    kept_patient: str | None = None
    """As in QuestionRequest."""


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The whole answer, which has been recorded."""

    answer: Answer
    turn: FinishedTurn


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """There will be no answer."""

    error: ChartwellError


QueueEvent: TypeAlias = QuestionAccepted | Retrieved | Verified | AnswerEnded | AnswerFailed


class RunningAnswer:
    """One question in progress. Its methods belong to the event loop, but for `publish`."""

    def __init__(self, asked: QuestionRequest, turn: StartedTurn) -> None:
        self.asked = asked
        self.turn = turn
        self.cancellation = Cancellation(cuts=True)
        self.record = AnswerRecord(asked.question_id, asked.question)
        self.task: asyncio.Task[None] | None = None
        self.waiting = True
        self.queued_seconds = 0.0
        """How long it waited for a slot."""
        self._began = time.perf_counter()
        self._loop = asyncio.get_running_loop()
        self._events: list[QueueEvent] = [
            QuestionAccepted(asked.question_id, turn.conversation_id, asked.kept_patient)
        ]
        self._news = asyncio.Event()
        self._ended = False

    def starts(self) -> None:
        """It has its slot."""
        self.waiting = False
        self.queued_seconds = time.perf_counter() - self._began

    def publish(self, event: QueueEvent) -> None:
        """From the thread that answers."""
        with suppress(RuntimeError):  # the loop has gone with the whole service
            self._loop.call_soon_threadsafe(self._append, event)

    def _append(self, event: QueueEvent) -> None:
        self._events.append(event)
        self._ended = isinstance(event, AnswerEnded | AnswerFailed)
        self._news.set()

    async def events(self) -> AsyncIterator[QueueEvent]:
        """Everything from the beginning; ends after AnswerEnded or AnswerFailed. Leaving it early leaves the answer
        running."""
        at = 0
        while True:
            while at < len(self._events):
                yield self._events[at]
                at += 1
            if self._ended:
                return
            self._news.clear()
            await self._news.wait()

    async def result(self) -> AnswerEnded:
        """The answer. Raises the error where there is none."""
        async for event in self.events():
            if isinstance(event, AnswerEnded):
                return event
            if isinstance(event, AnswerFailed):
                raise event.error
        raise AssertionError("the events of an answer end with AnswerEnded or AnswerFailed")

    def cancel(self) -> None:
        """No one wants it any more: cut the model's request, or leave the queue."""
        if self._ended:
            return
        self.cancellation.cancel()
        if self.waiting and self.task is not None:
            self.task.cancel()


class AnswerQueue:
    """Where questions are handed in. One for each service; its methods belong to the event loop."""

    def __init__(
        self, corpus: LiveCorpus, conversations: Conversations, prices: Prices, settings: ServiceSettings
    ) -> None:
        self._corpus = corpus
        self._conversations = conversations
        self._prices = prices
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.answers_at_once)
        self._threads = ThreadPoolExecutor(settings.answers_at_once, thread_name_prefix="answer")
        self._recorder_threads = ThreadPoolExecutor(RECORDER_THREADS, thread_name_prefix="record")
        self._in_flight: dict[str, RunningAnswer] = {}
        self._handed_in = 0
        """Questions accepted and not yet ended; those still being written down are not yet in progress."""
        self._empty = asyncio.Event()
        self._empty.set()
        self._each: Counter[str] = Counter()
        self.draining = False
        self._cutting_off = False
        self.on_ended: Callable[[AnswerRecord], None] = lambda record: None
        """Told of every question that has ended, in the thread that answered it."""

    @property
    def running(self) -> int:
        return sum(not answer.waiting for answer in self._in_flight.values())

    @property
    def waiting(self) -> int:
        return sum(answer.waiting for answer in self._in_flight.values())

    async def ask(
        self,
        principal: Principal,
        question: Question,
        conversation_id: str | None,
        *,
        kept_patient: str | None = None,
    ) -> RunningAnswer:
        """Accept a question. Raises NotReady, TooMany, Busy, or NotKnown for a conversation that is not theirs."""
        self._admit(principal)
        self._handed_in += 1
        self._empty.clear()
        self._each[principal.id] += 1
        try:
            asked = QuestionRequest(uuid.uuid4().hex, principal, question, conversation_id, kept_patient)
            turn = await asyncio.get_running_loop().run_in_executor(
                self._recorder_threads, self._begin, asked
            )
            answer = RunningAnswer(asked, turn)
            self._in_flight[asked.question_id] = answer
            answer.task = asyncio.create_task(self._run(answer))
            if self._cutting_off:
                answer.cancellation.cancel()  # it was written down too late
        except BaseException:
            self._let_go(principal)
            raise
        return answer

    def _admit(self, principal: Principal) -> None:
        settings = self._settings
        if self.draining:
            raise NotReady("The service is stopping.", remedy="Ask again in a minute.")
        if not self._corpus.ready:
            with self._corpus.answering():  # raises, and says why
                pass
        if self._each[principal.id] >= settings.answers_each_max:
            raise TooMany(
                f"{settings.answers_each_max} of your questions are being answered already.",
                remedy="Wait for one of them.",
                retry_after_seconds=RETRY_SECONDS,
            )
        if self._handed_in >= settings.answers_at_once + settings.answers_waiting_max:
            raise Busy(
                "Every place for an answer is taken, and every place in the queue.",
                remedy="Ask again in a few seconds.",
            )

    def _let_go(self, principal: Principal) -> None:
        self._handed_in -= 1
        if not self._handed_in:
            self._empty.set()
        self._each[principal.id] -= 1
        if not self._each[principal.id]:
            del self._each[principal.id]

    async def _run(self, answer: RunningAnswer) -> None:
        loop = asyncio.get_running_loop()
        try:
            try:
                await self._slots.acquire()
            except asyncio.CancelledError:
                await loop.run_in_executor(self._recorder_threads, self._end, answer)
                return
            answer.starts()
            try:
                # In the context of the asker: the answer belongs to the trace of their request.
                await loop.run_in_executor(self._threads, contextvars.copy_context().run, self._work, answer)
            finally:
                self._slots.release()
        finally:
            self._in_flight.pop(answer.asked.question_id, None)
            self._let_go(answer.asked.principal)

    # --- in a thread of the pool

    def _work(self, answer: RunningAnswer) -> None:
        record = answer.record
        try:
            with cancellation_scope(answer.cancellation):
                self._answer(answer, record)
        except Cancelled:
            record.ending = "cut_off"
        except Exception as error:  # noqa: BLE001  recorded there, and told to the asker
            record.ending = "failed"
            record.error = recorded(error, answer.asked.question_id)
        self._end(answer)

    def _answer(self, answer: RunningAnswer, record: AnswerRecord) -> None:
        question = answer.asked.question
        answer.cancellation.check()
        with self._corpus.answering() as answering:
            stream = cast(Generator[AnswerEvent], answering.stream(question))
            with closing(stream):  # a client that leaves cancels the request to the model
                for event in stream:
                    answer.cancellation.check()
                    match event:
                        case Retrieved(passages, understood, images):
                            record.passages, record.understood = passages, understood
                            record.images = images
                            answer.publish(event)
                        case Verified(statement):
                            record.statements = (*record.statements, statement)
                            answer.publish(event)
                        case Finished(whole):
                            record.answer, record.images = whole, whole.images
                            record.ending = whole.outcome
                            record.cost_usd = self._cost(whole.usage)

    def _begin(self, asked: QuestionRequest) -> StartedTurn:
        return self._conversations.begin(
            asked.principal, asked.question, asked.question_id, asked.conversation_id
        )

    def _cost(self, usage: Usage) -> float | None:
        return answer_usd(self._prices, usage.prompt_tokens, usage.completion_tokens).value

    def _end(self, answer: RunningAnswer) -> None:
        """Record what became of it, then say so. An answer that cannot be recorded counts as none."""
        record = answer.record
        last: QueueEvent
        try:
            turn = self._conversations.end(answer.asked.principal, answer.turn.conversation_id, record)
        except Exception as error:  # noqa: BLE001  recorded there, and told to the asker
            last = AnswerFailed(recorded(error, answer.asked.question_id))
        else:
            last = AnswerEnded(record.answer, turn) if record.answer else AnswerFailed(_failure(record))
        try:
            self.on_ended(record)
        except Exception as error:  # noqa: BLE001  logged by its class: what was recorded is told in any case
            LOGGER.error(
                "the end of a question could not be noted",
                extra={"question": record.question_id, **fault_fields(error)},
            )
        answer.publish(last)

    # --- the end

    async def drain(self, seconds: float) -> None:
        """Take no further question, wait that long for those handed in, then cut them off."""
        self.draining = True
        if await self._emptied(seconds):
            return
        self._cutting_off = True
        for answer in list(self._in_flight.values()):
            answer.cancel()
        await self._emptied(CUT_OFF_SECONDS)

    async def _emptied(self, seconds: float) -> bool:
        """Whether within that time nothing is handed in any more, also nothing that is only being written down."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._recorder_threads.shutdown(wait=False, cancel_futures=True)


def _failure(record: AnswerRecord) -> ChartwellError:
    return record.error or NotReady("The answer was cut off.", remedy="Ask again.")
