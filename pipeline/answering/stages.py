"""The stages of an answer: how long each took, and the wrappers around them.

Decides that a wrapper of an answerer can observe its stages although it only sees its events: what stands around them
is set in the context of the thread, as a cancellation is. Several may stand there, the outermost wrapper outside. Knows
no span and no metric.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias, TypeVar

from pipeline.call_context.cancellation import end_early

Stage: TypeAlias = Literal["embed", "search", "rank", "prompt", "generate", "verify"]
AroundStage: TypeAlias = Callable[[Stage], AbstractContextManager[object]]
"""What stands around a stage each time that it is worked on: "generate" and "verify" take turns."""
Event = TypeVar("Event")

_around: ContextVar[tuple[AroundStage, ...]] = ContextVar("around_stages", default=())


@contextmanager
def observing_stages(around: AroundStage) -> Iterator[None]:
    """`around` stands around every stage of this context while inside."""
    token = _around.set((*_around.get(), around))
    try:
        yield
    finally:
        _around.reset(token)


def observed_stages(events: Iterator[Event], around: AroundStage) -> Iterator[Event]:
    """`events` as they are, `around` standing around the stages in which they are made. Only while an event is made:
    the reader of the stream, on whichever thread, keeps its own. Closing this closes them."""
    try:
        while True:
            with observing_stages(around):
                event = next(events, None)
            if event is None:
                return
            yield event
    finally:
        end_early(events)


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        observers = _around.get()
        started = time.perf_counter()
        try:
            if not observers:
                yield
            else:
                with ExitStack() as stack:
                    for around in observers:
                        stack.enter_context(around(name))
                    yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": time.perf_counter() - self._started}
