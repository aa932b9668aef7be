"""How much one client may send: bytes of a body, seconds to send it, requests a minute.

Counts in this process only: a service of several processes would allow each of them as much. Knows no route.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope

from pipeline.service.errors import TooLarge, TooMany
from pipeline.service.problems import WrongHttp

BODY_SECONDS_MAX = 20.0
"""A body within the limit takes longer only from a client that means to hold a connection."""
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


async def whole_body(scope: Scope, receive: Receive, bytes_max: int) -> bytes:
    """The body of a request. Raises TooLarge, and WrongHttp (408) for one that takes too long."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > bytes_max:
            raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _read(receive, bytes_max)
    except TimeoutError:
        raise WrongHttp(
            f"The body of the request was not here within {BODY_SECONDS_MAX:.0f} s.",
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
