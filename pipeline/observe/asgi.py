"""Every request to the service, counted and traced: a plain ASGI middleware that knows no framework and no route.

It takes the trace from the caller's `traceparent`, which the page sends with each click, and hands it to whatever runs
below. The route's template is read after the request, from where the router put it: an address may name a note or a
patient and is never looked at.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from pipeline.observe.telemetry import Telemetry

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

UNMATCHED = "unmatched"
BROKEN = 500
LEFT = 499
"""As nginx counts a caller that left before there was an answer."""


class ObservedRequests:
    """`app.add_middleware(ObservedRequests, telemetry=...)`, as the outermost one."""

    def __init__(self, app: App, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._telemetry.silent:
            await self._app(scope, receive, send)
            return
        status = LEFT

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with self._counted(), self._traced(scope) as tell:
            try:
                await self._app(scope, receive, sending)
            except Exception:
                status = BROKEN
                raise
            finally:
                route = route_of(scope)
                tell(route, status)
                if self._telemetry.metrics is not None:
                    seconds = time.perf_counter() - started
                    self._telemetry.metrics.request_ended(scope["method"], route, status, seconds)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._telemetry.metrics is None:
            yield
            return
        with self._telemetry.metrics.request():
            yield

    @contextmanager
    def _traced(self, scope: Scope) -> Iterator[Callable[[str, int], None]]:
        if self._telemetry.tracing is None:
            yield lambda route, status: None
            return
        from pipeline.observe.tracing import served_request

        with served_request(self._telemetry.tracing, scope["method"], traceparent(scope)) as tell:
            yield tell


def traceparent(scope: Scope) -> str:
    """The caller's header; empty where there is none, or more than one."""
    found = [value for name, value in scope["headers"] if name.lower() == b"traceparent"]
    return found[0].decode("latin-1") if len(found) == 1 else ""


def route_of(scope: Scope) -> str:
    """The template of the route that answered, with its parameters' names and not their values."""
    route = scope.get("route")
    path = getattr(route, "path", None) or getattr(route, "path_format", None)
    return scope.get("root_path", "") + path if isinstance(path, str) and path else UNMATCHED
