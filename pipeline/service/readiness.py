"""Can the service answer? Each dependency is really called, and each on its own.

Decides how long a finding is believed, and how long one waits for a new one. A dependency that hangs makes itself not
ready and nobody else: its call goes on in its own thread, and no second one is begun beside it. An answer that came
through proves its dependencies as well as a call made for the purpose, so that a busy model server is not asked to
prove itself in the queue behind everybody. Refuses to know what the dependencies are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.errors import ChartwellError, NotReady, ProviderTimeout
from pipeline.service.problems import recorded

FAILED_KEPT_SECONDS = 0.5
"""Good news may be some seconds old. Bad news may not: somebody waits for it to become better."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How a dependency was when it was last looked at."""

    name: str
    ready: bool
    code: str | None
    """Of the error, where it is not ready."""
    seconds: float
    """How long the call took."""
    at: float
    """When it ended, on the clock of `time.monotonic`."""

    @property
    def age_seconds(self) -> float:
        return max(0.0, time.monotonic() - self.at)


Check = Callable[[], None]
"""A real call. Raises a ChartwellError where the dependency does not work."""


class Readiness:
    """Its methods belong to the event loop, but for `proved`."""

    def __init__(self, checks: Mapping[str, Check], *, seconds_max: float, kept_seconds: float) -> None:
        self._checks = dict(checks)
        self._seconds_max = seconds_max
        self._kept_seconds = kept_seconds
        self._findings: dict[str, Finding] = {}
        self._calls: dict[str, Future[Finding]] = {}
        self._threads = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="check")

    async def look(self) -> list[Finding]:
        """How each dependency is, no older than `kept_seconds` and after `seconds_max` at the latest."""
        late = [name for name in self._checks if not self._fresh(name)]
        calls = {name: self._call(name) for name in late}
        if calls:
            futures = [asyncio.wrap_future(call) for call in calls.values()]
            await asyncio.wait(futures, timeout=self._seconds_max)
        return [self._finding(name) for name in self._checks]

    def proved(self, *names: str) -> None:
        """These have just worked for somebody. From any thread."""
        for name in names:
            if name in self._checks:
                self._findings[name] = Finding(name, True, None, 0.0, time.monotonic())

    def known(self) -> list[Finding]:
        """What is known without looking."""
        return list(self._findings.values())

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fresh(self, name: str) -> bool:
        finding = self._findings.get(name)
        kept = self._kept_seconds
        if finding is not None and not finding.ready:
            kept = min(kept, FAILED_KEPT_SECONDS)
        return finding is not None and finding.age_seconds < kept

    def _call(self, name: str) -> Future[Finding]:
        """The call under way, or a new one."""
        call = self._calls.get(name)
        if call is None or call.done():
            call = self._threads.submit(self._look_at, name)
            self._calls[name] = call
        return call

    def _look_at(self, name: str) -> Finding:
        began = time.monotonic()
        code: str | None = None
        try:
            self._checks[name]()
        except NotReady as error:
            code = error.code  # known, and nothing to report
        except Exception as error:  # noqa: BLE001  recorded there; the finding has its code
            code = recorded(error, f"readiness {name}").code
        now = time.monotonic()
        self._findings[name] = Finding(name, code is None, code, now - began, now)
        return self._findings[name]

    def _finding(self, name: str) -> Finding:
        """The finding, where it is fresh; else that there was no answer in time."""
        if self._fresh(name):
            return self._findings[name]
        call = self._calls.get(name)
        if call is not None and call.done() and not call.cancelled():
            return call.result()
        return Finding(name, False, ProviderTimeout.code, self._seconds_max, time.monotonic())


def opened(ready: Callable[[], bool], failure: Callable[[], ChartwellError | None]) -> Check:
    """A check of whether something has been opened that is opened in the background."""

    def check() -> None:
        if ready():
            return
        error = failure()
        if error is not None:
            raise error
        raise NotReady("The models are not loaded yet.", remedy="Wait.")

    return check
