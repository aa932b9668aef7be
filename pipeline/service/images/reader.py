"""Originals and uploaded images, read in processes of their own that all people share.

Decides who waits: of one person one image is read at a time and a few wait, so that no one keeps the others from
theirs. A reading that has begun holds its person's turn until it ends, also where the client has left: leaving early
must buy no second one. Processes start when the first image is read. Knows no route, and not what is read.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from pipeline.config import Settings
from pipeline.errors import BadRequest, SettingsInvalid, UnreadableImage
from pipeline.records import AskedImage
from pipeline.service.errors import Busy, ImageRefused, NotInstalled, NotReady, TooLarge, TooMany
from pipeline.service.questions.streaming import ClientGone, while_connected
from pipeline.wiring import prepare_asked_image

if TYPE_CHECKING:
    from pipeline.imaging.reading_pool import ReadingPool

EACH_MAX = 8
"""Images of one person that are read or wait. A page with a slider asks for some at the same time."""
WAITING_MAX = 64
"""Of all."""
RETRY_SECONDS = 1.0

Result = TypeVar("Result")


class ImageReader:
    """The reading of one service. Its methods belong to the event loop."""

    def __init__(self, open_pool: Callable[[], AbstractContextManager[ReadingPool]], at_once: int) -> None:
        self._open_pool = open_pool
        self._threads = anyio.CapacityLimiter(at_once)
        self._each: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Lock] = {}
        self._opening = threading.Lock()
        self._stack = ExitStack()
        self._pool: ReadingPool | None = None
        self._closed = False

    async def read(self, request: Request, who: str, work: Callable[[ReadingPool], Result]) -> Result:
        """What `work` gives, in a thread. Raises TooMany, Busy, NotInstalled without the extra `images`, and ClientGone
        where the client leaves before its turn."""
        self._admit(who)
        self._each[who] += 1
        left = asyncio.Event()
        task = asyncio.ensure_future(self._in_turn(who, work, left))
        task.add_done_callback(functools.partial(self._ended, who))
        try:
            return await while_connected(request, asyncio.shield(task))
        finally:
            left.set()

    def _admit(self, who: str) -> None:
        if self._each[who] >= EACH_MAX:
            raise TooMany(
                f"{EACH_MAX} of your images are being read or wait already.",
                remedy="Wait for one of them.",
                retry_after_seconds=RETRY_SECONDS,
            )
        if self._each.total() >= WAITING_MAX:
            raise Busy("Too many images are being read.", remedy="Ask again in a few seconds.")

    async def _in_turn(self, who: str, work: Callable[[ReadingPool], Result], left: asyncio.Event) -> Result:
        """Is not cancelled: a thread cannot be, and its turn must last as long as it does."""
        async with self._turns.setdefault(who, asyncio.Lock()):
            if left.is_set():
                raise ClientGone
            return await anyio.to_thread.run_sync(lambda: work(self._opened()), limiter=self._threads)

    def _ended(self, who: str, task: asyncio.Future[Any]) -> None:
        self._each[who] -= 1
        if not self._each[who]:
            del self._each[who]
            self._turns.pop(who, None)
        if not task.cancelled():
            task.exception()  # where the client has left, no one else asks for it

    def _opened(self) -> ReadingPool:
        with self._opening:
            if self._closed:
                raise NotReady("The service is stopping.", remedy="Ask again in a minute.")
            if self._pool is None:
                try:
                    self._pool = self._stack.enter_context(self._open_pool())
                except SettingsInvalid as error:
                    raise NotInstalled(error.what, remedy=error.remedy) from error
            return self._pool

    def close(self) -> None:
        """Ends the processes; what they are reading is given up."""
        with self._opening:
            self._closed = True
            self._stack.close()


def refused_image(error: UnreadableImage) -> ImageRefused:
    """What a reading refuses, in its own fixed words, as a client is told."""
    return ImageRefused(error.what, remedy=error.remedy, kind=error.kind)


def prepare_sent_image(content_base64: str, settings: Settings, pool: ReadingPool) -> AskedImage:
    """The image of a request, read and cleaned; nothing of it is written anywhere. Raises BadRequest, TooLarge,
    ImageRefused."""
    try:
        content = base64.b64decode(content_base64, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(
            "The image is not base64.", remedy="Encode the file itself, without line breaks and data: prefix."
        ) from None
    mib_max = settings.service.image_mib_max
    if len(content) > mib_max * 2**20:
        raise TooLarge(f"The image has more than {mib_max} MiB.", remedy="Export it smaller.")
    try:
        return prepare_asked_image(content, settings, pool)
    except UnreadableImage as error:
        raise refused_image(error) from None
