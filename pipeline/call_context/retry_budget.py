"""How often a request may be tried, where the caller knows better than the settings.

Decides nothing: a thread that enters the scope has its requests tried that often at most, whichever back-end sends
them. For finding out which of many texts a server fails on; trying each for minutes would take hours.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager

_attempts: contextvars.ContextVar[int | None] = contextvars.ContextVar("attempts", default=None)


def attempts_allowed() -> int | None:
    """None where the settings decide."""
    return _attempts.get()


@contextmanager
def attempts_at_most(number: int | None) -> Iterator[None]:
    """Requests of this thread inside the block are tried so often at most; None leaves it to the settings."""
    token = _attempts.set(number)
    try:
        yield
    finally:
        _attempts.reset(token)
