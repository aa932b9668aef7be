"""A server's capacity: how long it works on a request, on how many at the same time, and so what it can serve at
most."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.servers.wire import Refusal


@dataclass(frozen=True)
class ServiceTime:
    """How long a server works on a request, and on how many at the same time."""

    seconds_per_request: float = 0.0
    seconds_per_token: float = 0.0
    """Of the input for embedding and ranking, of the answer for chat."""
    concurrency: int = 8
    waiting_max: int | None = None
    """Requests that may wait beyond those; one more is refused with 503. None: no limit."""

    def seconds(self, tokens: float) -> float:
        return self.seconds_per_request + self.seconds_per_token * tokens

    def ceiling_requests_per_second(self, tokens: float) -> float:
        """What this server can serve at most, for requests of that many tokens."""
        return self.concurrency / max(self.seconds(tokens), 1e-9)


AT_ONCE = ServiceTime()
"""No service time: a server as fast as this process."""


class Queue:
    """`concurrency` slots with a service time each, kept on a virtual clock.

    A request that had to wait starts at the instant its slot became free, not when this process noticed: lateness of
    timers does not add up, and the ceiling is what the numbers say.
    """

    def __init__(self, service: ServiceTime) -> None:
        self.service = service
        self.running = 0
        self.waiting = 0
        self._free = [0.0] * service.concurrency
        """When each idle slot became free."""
        self._turns: deque[asyncio.Future[float]] = deque()

    @contextlib.asynccontextmanager
    async def slot(self, tokens: float) -> AsyncIterator[tuple[float, float]]:
        """(start, end) of the service; the holder waits for the end by itself."""
        arrived = time.monotonic()
        free_since = await self._taken()
        start = max(arrived, free_since)
        end = start + self.service.seconds(tokens)
        try:
            yield start, end
        finally:
            self._give_back(min(end, time.monotonic()))

    async def _taken(self) -> float:
        if self._free:
            self.running += 1
            return self._free.pop()
        limit = self.service.waiting_max
        if limit is not None and self.waiting >= limit:
            total = self.service.concurrency + limit
            raise Refusal(
                503,
                {
                    "status": 503,
                    "title": "ResourceExhausted",
                    "detail": f"Worker local total request limit reached ({total + 1}/{total})",
                },
            )
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        self.waiting += 1
        try:
            return await turn
        finally:
            self.waiting -= 1
            self.running += 1

    def _give_back(self, at: float) -> None:
        self.running -= 1
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(at)
                return
        self._free.append(at)
