"""The ports, counted: what passes through them is told to `Metrics`.

Decides what is counted where. Changes no argument and no result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.call_context.cancellation import Cancelled, end_early
from pipeline.indexing.flow import Observer, RunCounts
from pipeline.ports import Answerer, Embedder, Generator, Store
from pipeline.records import AnswerEvent, DraftPiece, Finished, Prompt, Question, SearchResult, Verified
from pipeline.telemetry.metrics import Metrics
from pipeline.telemetry.wrappers import GeneratorWrapper, ObservedEmbedder, ObservedStore


class MeteredEmbedder(ObservedEmbedder):
    def __init__(self, embedder: Embedder, metrics: Metrics) -> None:
        super().__init__(embedder, metrics.embedding)
        metrics.embedder_in_use(embedder.space)
        metrics.watch_server("embedder", embedder)


class MeteredGenerator(GeneratorWrapper):
    def __init__(self, generator: Generator, metrics: Metrics) -> None:
        super().__init__(generator)
        self._metrics = metrics
        metrics.generator_in_use(generator.model)
        metrics.watch_server("generator", generator)

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        with self._metrics.drafting() as arrived:
            pieces = self._generator.stream(prompt)
            try:
                for piece in pieces:
                    arrived()
                    yield piece
            finally:
                end_early(pieces)


def metered_store(store: Store, metrics: Metrics) -> Store:
    return ObservedStore(store, lambda operation, _: metrics.storing(operation))


class MeteredAnswerer:
    """An answerer whose answers are counted; searches are counted where they reach the store."""

    def __init__(self, answerer: Answerer, metrics: Metrics) -> None:
        self._answerer = answerer
        self._metrics = metrics

    def search(self, question: Question) -> SearchResult:
        return self._answerer.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        return metered_answer(self._answerer.stream(question), self._metrics)


def metered_answer(events: Iterator[AnswerEvent], metrics: Metrics) -> Iterator[AnswerEvent]:
    """The events of one answer as they are, counted. Closing this closes them."""
    started = time.perf_counter()
    first_statement_seconds: float | None = None
    with metrics.question():
        try:
            for event in events:
                if isinstance(event, Verified) and first_statement_seconds is None:
                    first_statement_seconds = time.perf_counter() - started
                if isinstance(event, Finished):
                    # Before it is handed on: no caller need come back for more after the last event.
                    metrics.question_answered(event.answer, first_statement_seconds)
                    yield event
                    return
                yield event
        except GeneratorExit:
            if not isinstance(event, Finished):
                metrics.question_abandoned()
            raise
        except Cancelled:
            metrics.question_abandoned()
            raise
        except BaseException as error:
            metrics.question_failed(error)
            raise
        finally:
            end_early(events)


@dataclass
class _Counted:
    """What of a tally has been counted already."""

    unchanged: int = 0
    duplicates: int = 0
    rejected: int = 0
    embedded: int = 0
    failed: int = 0
    pruned: int = 0
    withdrawn: int = 0
    chunks_embedded: int = 0
    chunks_reused: int = 0


_NOTES = {
    "unchanged": "unchanged",
    "duplicates": "duplicate",
    "rejected": "rejected",
    "embedded": "embedded",
    "failed": "failed",
    "pruned": "pruned",
    "withdrawn": "withdrawn",
}
_PASSAGES = {"chunks_embedded": "embedded", "chunks_reused": "reused"}


class CountingObserver:
    """An observer of an indexing run around another one. Reader and worker call it from two threads."""

    def __init__(self, observer: Observer, metrics: Metrics) -> None:
        self._observer = observer
        self._metrics = metrics
        self._counted = _Counted()
        self._tally: RunCounts | None = None
        self._lock = threading.Lock()

    def read(self, tally: RunCounts) -> None:
        self._count(tally)
        self._observer.read(tally)

    def working(self, waiting: int, done: int) -> None:
        self._metrics.notes_waiting(waiting)
        self._observer.working(waiting, done)

    def batch(self, tally: RunCounts) -> None:
        self._metrics.batch_stored()
        self._count(tally)
        self._observer.batch(tally)

    def ended(self, error: BaseException | None) -> None:
        """The run is over: count what came after the last batch, and how it ended."""
        if self._tally is not None:
            self._count(self._tally)
        interrupted = self._tally is not None and self._tally.interrupted
        self._metrics.run_ended("failed" if error else "interrupted" if interrupted else "finished")

    def _count(self, tally: RunCounts) -> None:
        with self._lock:
            self._tally = tally
            for name, outcome in _NOTES.items():
                self._metrics.notes(outcome, self._grown(tally, name))
            for name, vectors in _PASSAGES.items():
                self._metrics.passages(vectors, self._grown(tally, name))
            self._metrics.notes_waiting(max(0, tally.waiting - tally.embedded - tally.failed))

    def _grown(self, tally: RunCounts, name: str) -> int:
        now: int = getattr(tally, name)
        before: int = getattr(self._counted, name)
        setattr(self._counted, name, now)
        return now - before


@contextmanager
def metered_run(observer: Observer, metrics: Metrics) -> Iterator[Observer]:
    """An observer for one indexing run, which ends with the block."""
    counting = CountingObserver(observer, metrics)
    metrics.run_began()
    try:
        yield counting
    except BaseException as error:
        counting.ended(error)
        raise
    counting.ended(None)
