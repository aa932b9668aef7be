"""Shows the watch that pauses an idle host that the service is used: a file whose time is that of the last work.

Decides how seldom the file is touched. Knows no user and no question; probes that no user waits for do not count.
"""

from __future__ import annotations

import time
from pathlib import Path

from pipeline.logs import LOGGER

EVERY_SECONDS = 10.0


class IdleSignal:
    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._last = float("-inf")
        self._failed = False

    def note(self) -> None:
        """A known user asks for something, or a job goes on. Touches the file, every ten seconds at most."""
        now = time.monotonic()
        if self._file is None or now - self._last < EVERY_SECONDS:
            return
        self._last = now
        try:
            self._file.touch(mode=0o640)
            self._failed = False
        except OSError as error:
            if not self._failed:
                LOGGER.warning(
                    "activity cannot be noted: an idle host may be paused under its people",
                    extra={"error": type(error).__name__, "errno": error.errno},
                )
            self._failed = True
