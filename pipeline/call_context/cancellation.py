"""Work that is no longer wanted: a scope that a thread enters, and that another thread may cancel.

Decides how what waits inside a scope learns of it: by looking, by being woken, or by having its connection cut.
Refuses to know who cancels and why, and what is being waited for.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakSet


class Cancelled(Exception):
    """The work this thread was doing is no longer wanted. For the opener of the scope, and no one else."""


class Cancellation:
    """Wakes every thread that waits within its scope, and those of the scopes opened inside it."""

    def __init__(self, *parents: Cancellation | None, cuts: bool = False) -> None:
        """`cuts`: requests on the wire are cut too. Else they end by themselves, because they are paid for."""
        self.cuts = cuts
        self._event = threading.Event()
        self._children: WeakSet[Cancellation] = WeakSet()
        self._lock = threading.Lock()
        self._calls: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()
        for parent in parents:
            if parent is not None:
                parent._adopt(self)

    def _adopt(self, child: Cancellation) -> None:
        with self._lock:
            self._children.add(child)
        if self.cancelled:
            child.cancel()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def cancel(self) -> None:
        """From any thread; more than once is as good as once."""
        self._event.set()
        with self._lock:
            children = list(self._children)
            calls = list(self._calls.values())
            self._calls.clear()
        for child in children:
            child.cancel()
        for call in calls:
            call()

    def check(self) -> None:
        """Raises Cancelled where the scope is cancelled."""
        if self.cancelled:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleep; raises Cancelled as soon as the scope is cancelled."""
        if self._event.wait(max(0.0, seconds)):
            raise Cancelled

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Have `call` made, by the thread that cancels, if that happens inside the block; immediately where it already
        has. It must not block, and must not raise."""
        with self._lock:
            number = next(self._numbers)
            self._calls[number] = call
        if self.cancelled:
            call()
        try:
            yield
        finally:
            with self._lock:
                self._calls.pop(number, None)


_scope: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar("cancellation", default=None)


def current() -> Cancellation | None:
    """The scope that this thread works in, None where it cannot be cancelled."""
    return _scope.get()


def check() -> None:
    """Raises Cancelled where this thread's scope is cancelled."""
    scope = _scope.get()
    if scope is not None:
        scope.check()


def end_early(stream: object) -> None:
    """Close a stream that its reader takes nothing more from, where it can be closed: what makes it then cuts its
    request. Does nothing to one that has ended."""
    close = getattr(stream, "close", None)
    if close is not None:
        close()


@contextmanager
def cancellation_scope(scope: Cancellation) -> Iterator[Cancellation]:
    """Work of this thread inside the block belongs to `scope`."""
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)
