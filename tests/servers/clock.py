"""A clock that waits for no one: sleeping moves it, and every wait is on record."""

from __future__ import annotations

import threading

from pipeline.call_context.cancellation import Cancellation, Cancelled


class ManualClock:
    def __init__(self) -> None:
        self.time = 0.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float, scope: Cancellation) -> None:
        if scope.cancelled:
            raise Cancelled
        with self._lock:
            self.waits.append(seconds)
            self.time += max(0.0, seconds)
