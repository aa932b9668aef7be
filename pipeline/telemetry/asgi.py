"""Every request to the service, traced: a plain ASGI middleware that knows no framework and no route.

It takes the trace from the caller's `traceparent`, which the page sends with each click, and hands it to whatever runs
below. The route's template is read after the request, from where the router put it: an address may name a note or a
patient and is never looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from pipeline.telemetry.definitions import METHODS
from pipeline.telemetry.setup import Telemetry

Scope: TypeAlias = MutableMapping[str, Any]
AsgiMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
Send: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

UNROUTED = "unrouted"
FAILED = 500
LEFT = 499
"""As nginx counts a caller that left before there was an answer."""


class TracedRequests:
    """`app.add_middleware(TracedRequests, telemetry=...)`, as the outermost one."""

    def __init__(self, app: App, telemetry: Telemetry) -> None:
        self._app = app
        self._tracing = telemetry.tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._tracing is None:
            await self._app(scope, receive, send)
            return
        from pipeline.telemetry.tracing import served_request

        status = LEFT

        async def sending(message: AsgiMessage) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with served_request(self._tracing, scope["method"], traceparent(scope)) as tell:
            try:
                await self._app(scope, receive, sending)
            except Exception:
                status = FAILED
                raise
            finally:
                tell(route_of(scope), status)


def traceparent(scope: Scope) -> str:
    """The caller's header; empty where there is none, or more than one."""
    found = [value for name, value in scope["headers"] if name.lower() == b"traceparent"]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def method_of(scope: Scope) -> str:
    """The method as it may be written down: an invented one is a client's own text, and goes nowhere."""
    method = scope["method"]
    return method if method in METHODS else "other"


def route_of(scope: Scope) -> str:
    """The template of the route that answered, with its parameters' names and not their values."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else UNROUTED
