"""Lanes: threads of their own for work that a client that has not signed in can ask for, with a short queue each.

A password hash takes long on purpose, and an identity provider may take long to answer. In the threads that all routes
share, a crowd of strangers would leave none for anyone else. Decides how many of them are worked on at the same time,
how many wait, and that nothing is begun for a client that has left. A browser that has signed in to the account before,
and holders of a link that works, have another lane: a crowd cannot shut them out. Knows no password and no page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from pipeline.service.access.passwords import HASHES_AT_ONCE
from pipeline.service.errors import Busy
from pipeline.service.questions.streaming import while_connected

STRANGERS_AT_ONCE = 2
KNOWN_AT_ONCE = HASHES_AT_ONCE - STRANGERS_AT_ONCE
PROVIDER_AT_ONCE = 8
"""These wait for the provider, and compute nothing."""
WAITING_MAX = 16
"""For each lane: a second or two of hashes. A request beyond that is told to come again."""

Result = TypeVar("Result")


class Lane:
    """Runs functions in threads, a few at a time. Belongs to the event loop."""

    def __init__(self, at_once: int, waiting_max: int = WAITING_MAX) -> None:
        self._threads = anyio.CapacityLimiter(at_once)
        self._slots = at_once + waiting_max
        self._taken = 0

    async def run(self, request: Request, work: Callable[[], Result]) -> Result:
        """What `work` gives. Raises Busy where the queue is full, and ClientGone where the client leaves it."""
        if self._taken >= self._slots:
            raise Busy("Too many sign-ins are in progress.", remedy="Try again in a few seconds.")
        self._taken += 1
        task = asyncio.ensure_future(anyio.to_thread.run_sync(work, limiter=self._threads))
        task.add_done_callback(self._ended)
        return await while_connected(request, task)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._taken -= 1
        if not task.cancelled():
            task.exception()  # where the client has left, no one else asks for it


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of one service."""

    strangers: Lane = field(default_factory=lambda: Lane(STRANGERS_AT_ONCE))
    known: Lane = field(default_factory=lambda: Lane(KNOWN_AT_ONCE))
    provider: Lane = field(default_factory=lambda: Lane(PROVIDER_AT_ONCE))
