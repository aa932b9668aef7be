"""Which trace the work at hand belongs to, for code that sends a request onwards or writes a log line.

The W3C `traceparent` of the operation that is in progress in this context (thread or task), and nothing else of it: no
library of tracing, no span. A tracer sets it (`in_trace`), clients of servers send it (`outgoing_headers`),
and the log names its trace. Without a tracer it is empty.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_traceparent: contextvars.ContextVar[str] = contextvars.ContextVar("traceparent", default="")

TRACEPARENT = "traceparent"
"""Header name of https://www.w3.org/TR/trace-context/, whose value is version-trace id-span id-flags, in hex."""


@contextmanager
def in_trace(traceparent: str) -> Iterator[None]:
    """What is sent and logged inside belongs to this trace. Enter and leave in the same thread or task."""
    token = _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.reset(token)


def outgoing_headers() -> Mapping[str, str]:
    """Headers that let a server go on with the trace; empty where there is none."""
    traceparent = _traceparent.get()
    return {TRACEPARENT: traceparent} if traceparent else {}


def trace_id() -> str:
    """32 hex digits, or the empty string."""
    return _traceparent.get()[3:35]
