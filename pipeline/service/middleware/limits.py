"""How much one client may send: bytes of a body, seconds to send it, requests a minute.

Counts in this process only: a service of several processes would allow each of them as much. Knows no route.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope

from pipeline.config import ServiceSettings
from pipeline.service.errors import Busy, TooLarge, TooMany
from pipeline.service.problems import WrongHttp

BODY_SECONDS_MAX = 20.0
"""A body within the limit takes longer only from a client that means to hold a connection."""
UPLOAD_SECONDS_MAX = 60.0
"""For one with an image."""
TAKING_IMAGES = frozenset({"/v1/ask", "/v1/images/search", "/ask", "/films/search"})
_IMAGE_MARKS = (b'"content_base64"', b"image=")
KNOWN_MAX = 10_000
"""Principals remembered; who was heard least recently is forgotten, with a full share."""
BURST_SHARE = 0.5
"""Of a minute's requests, what may come in one burst: a page makes several."""


@dataclass(slots=True)
class _Share:
    tokens: float
    at: float


class RateLimit:
    """A token bucket for each principal or address."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = max(1.0, per_minute * BURST_SHARE)
        self._per_second = per_minute / 60
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    def take(self, who: str, now: float | None = None) -> None:
        """Count one request. Raises TooMany, with the seconds until the next is taken."""
        now = time.monotonic() if now is None else now
        share = self._shares.setdefault(who, _Share(self._capacity, now))
        self._shares.move_to_end(who)
        if len(self._shares) > KNOWN_MAX:
            self._shares.popitem(last=False)
        share.tokens = min(self._capacity, share.tokens + (now - share.at) * self._per_second)
        share.at = now
        if share.tokens < 1:
            raise TooMany(
                f"More than {self._per_second * 60:.0f} requests a minute came from you.",
                remedy="Wait as long as Retry-After says.",
                retry_after_seconds=(1 - share.tokens) / self._per_second,
            )
        share.tokens -= 1


async def whole_body(
    scope: Scope, receive: Receive, bytes_max: int, seconds_max: float = BODY_SECONDS_MAX
) -> bytes:
    """The body of a request. Raises TooLarge, and WrongHttp (408) for one that takes too long."""
    if (declared_bytes(scope) or 0) > bytes_max:
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(seconds_max):
            return await _read(receive, bytes_max)
    except TimeoutError:
        raise WrongHttp(
            f"The body of the request was not here within {seconds_max:.0f} s.",
            remedy="Send it without a pause.",
            status=408,
        ) from None


async def _read(receive: Receive, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # the client has left
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"The body of a request may have {bytes_max} bytes.", remedy="Send less.")


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out `body` first, and afterwards what really comes: that the client has left."""
    given = False

    async def again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def takes_documents(scope: Scope) -> bool:
    """Whether a request brings files that are written to disk as they come."""
    return (scope["method"], scope["path"]) == ("POST", "/v1/documents")


DOCUMENTS_BYTES_MAX = 256 * 2**20
"""Of all files of one request."""
DOCUMENTS_SECONDS_MAX = 600.0


def limited(receive: Receive, bytes_max: int, seconds_max: float) -> Receive:
    """A `receive` that ends a body that is too large or takes too long. Raises TooLarge, and WrongHttp (408)."""
    size, ends_at = 0, time.monotonic() + seconds_max

    async def receive_some() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout(max(0.0, ends_at - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise WrongHttp(
                f"The body of the request was not here within {seconds_max:.0f} s.",
                remedy="Send fewer files at a time.",
                status=408,
            ) from None
        size += len(message.get("body", b""))
        if size > bytes_max:
            raise _too_large(bytes_max)
        return message

    return receive_some


LARGE_AT_ONCE = 8
"""Bodies of megabytes, an image or a volume, that are held in memory at the same time, of all people."""
LARGE_EACH = 2
LARGE_RETRY_SECONDS = 2.0


class LargeBodies:
    """How many large bodies are held, and whose. Belongs to the event loop."""

    def __init__(self, are_being: str) -> None:
        """`are_being`: what happens to them, in words."""
        self._are_being = are_being
        self._each: Counter[str] = Counter()

    def require_room(self, who: str) -> None:
        """Raises TooMany, Busy."""
        if self._each[who] >= LARGE_EACH:
            raise TooMany(
                f"{LARGE_EACH} images of yours {self._are_being} already.",
                remedy="Wait for one of them.",
                retry_after_seconds=LARGE_RETRY_SECONDS,
            )
        if self._each.total() >= LARGE_AT_ONCE:
            raise Busy(f"Too many images {self._are_being}.", remedy="Try again in a few seconds.")

    @contextmanager
    def hold(self, who: str) -> Iterator[None]:
        """While one is held. Raises as `require_room`."""
        self.require_room(who)
        self._each[who] += 1
        try:
            yield
        finally:
            self._each[who] -= 1
            if not self._each[who]:
                del self._each[who]


def takes_image(scope: Scope) -> bool:
    """Whether a request may bring an image, and be as large as one."""
    return scope["method"] == "POST" and scope["path"] in TAKING_IMAGES


def declared_bytes(scope: Scope) -> int | None:
    """How large the body is by its header; None where that does not say."""
    found = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(found) if found.isdigit() else None


def upload_bytes_max(settings: ServiceSettings) -> int:
    """Of a body with an image: base64 takes a third more, and a form as much again for its signs."""
    return settings.image_mib_max * 2**20 * 3 // 2 + settings.body_bytes_max


def require_image(body: bytes, bytes_max: int) -> None:
    """Raises TooLarge for a large body without one."""
    if len(body) > bytes_max and not any(mark in body for mark in _IMAGE_MARKS):
        raise _too_large(bytes_max)
