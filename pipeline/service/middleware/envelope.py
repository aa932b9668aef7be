"""What every request and response has, whatever it is about: a number, security headers, a log line, a problem.

The outermost layer. Decides what a browser may do with a page of ours, how many requests are in flight at the same
time, and that no exception reaches a client as anything but a problem. A log line has method, route, status and time,
never a path with ids in it, a query, a body or an invented method. Refuses to know who asks.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.logs import LOGGER
from pipeline.service.errors import Busy
from pipeline.service.problems import Respond, in_json, recorded
from pipeline.service.questions.streaming import ClientGone
from pipeline.telemetry.asgi import method_of

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing inline, nothing from elsewhere: a note that holds markup can do nothing even if it were not escaped."""
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"
ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz"})
CLIENT_CLOSED = 499
"""In log and metrics only: the client left before there was a status."""
UNROUTED = "unrouted"

Observe = Callable[[str, str, int, float], None]
"""Method, route, status, seconds."""


class RequestEnvelope:
    """ASGI middleware around everything."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        connections_max: int,
        send_seconds_max: float,
        secure: bool,
        observe: Observe,
        respond: Respond = in_json,
    ) -> None:
        """`secure`: browsers reach us by https and shall never do otherwise again."""
        self._app = app
        self._send_seconds_max = send_seconds_max
        self._connections_max = connections_max
        self._secure = secure
        self._observe = observe
        self._respond = respond
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = number
        began = time.perf_counter()
        status = CLIENT_CLOSED

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._complete(MutableHeaders(scope=message), number)
            try:
                async with asyncio.timeout(self._send_seconds_max):
                    await send(message)  # waits where the client does not take what was sent before
            except TimeoutError:
                raise ClientGone from None

        self._under_way += 1
        try:
            await self._answered(scope, receive, framed, number, lambda: status != CLIENT_CLOSED)
        finally:
            self._under_way -= 1
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", UNROUTED)
            method = method_of(scope)
            self._observe(method, route, status, seconds)
            LOGGER.info(
                "request",
                extra={
                    "request": number,
                    "method": method,
                    "route": route,
                    "status": status,
                    "seconds": round(seconds, 4),
                },
            )

    async def _answered(
        self, scope: Scope, receive: Receive, send: Send, number: str, started: Callable[[], bool]
    ) -> None:
        try:
            if self._under_way > self._connections_max and scope["path"] not in ALWAYS_ANSWERED:
                raise Busy("Too many requests are in flight.", remedy="Ask again in a few seconds.")
            await self._app(scope, receive, send)
        except ClientGone:
            pass
        except Exception as error:  # noqa: BLE001  recorded there; the client gets a problem
            failure = recorded(error, number)
            if not started():
                await self._respond(scope, failure, number)(scope, receive, send)
            # Else the connection ends in the middle, which tells the client that something is missing.

    def _complete(self, headers: MutableHeaders, number: str) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Request-Id"] = number
        if self._secure:
            headers["Strict-Transport-Security"] = HSTS
