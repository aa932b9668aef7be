"""Reading alongside the work: a function in a thread of its own, whose progress and end another thread can wait for.

Decides how the two end together. Knows nothing of notes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

LEAVE_SECONDS = 5.0
"""After an error or a stop: how long to wait for the reader. It may be reading from a source that sends nothing."""


class BackgroundReader:
    """Runs `read` in a thread while the block is entered. Leaving waits for its end and raises its error.

    Where the block ends with an error, or before the reader does, `unwanted` turns true: `read` is to ask for it.
    """

    def __init__(self, read: Callable[[BackgroundReader], None]) -> None:
        self._read = read
        self._changed = threading.Condition()
        self._news = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="read", daemon=True)
        self.unwanted = False

    @property
    def failed(self) -> bool:
        return self._error is not None

    @property
    def ended(self) -> bool:
        return self._ended

    def tell(self) -> None:
        """Called by the reader: there is something new."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait for news, at most that long. False once the reader has ended and nothing new can come."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._ended, seconds)
            more = self._news or not self._ended
            self._news = False
            return more

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unwanted = True
        self._thread.join(LEAVE_SECONDS)
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._read(self)
        except BaseException as error:  # noqa: BLE001  raised where the block ends
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
