"""HTTP/1.1 as uvicorn speaks it, with a limit to how long the head of a request may take.

A client that sends half a head and then nothing, or a byte now and then, holds a connection that no limit of ours
counts: there is no request yet. Such a connection is closed. Between two requests uvicorn's own keep-alive applies.
Refuses to know what is asked.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS_MAX = 10.0
"""As nginx gives it, which stands before the service on AWS. Elsewhere another server may stand there, or none."""


class HeadTimeoutProtocol(H11Protocol):
    """Named in uvicorn's settings: with its own choice a library that happens to be installed would leave us out."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answers:
            self._stop_waiting()
        else:
            self._wait_for_head()  # it has begun, or what is left of a body comes after the answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _answers(self) -> bool:
        return not getattr(self.cycle, "response_complete", True)  # None before the first request

    def _wait_for_head(self) -> None:
        """From the first byte on, however many follow."""
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEAD_SECONDS_MAX, self._too_late)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if not self._answers:
            self.transport.close()
