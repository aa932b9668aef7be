"""Can the service answer? Each dependency is really called, and each on its own.

Decides how long a finding is believed, and how long one waits for a new one. A dependency that hangs makes itself not
ready and nothing else: its call goes on in its own thread, and no second one is begun next to it. An answer that came
through proves its dependencies as well as a call made for the purpose, so that a busy model server is not asked to
prove itself in the queue behind all others. While the service runs it looks by itself as well, so that what is known
does not depend on who asks: always at what costs nothing; at a model only until it works, because its calls cost money
or keep a host from being idle. Refuses to know what the dependencies are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.call_context.cancellation import Cancellation, Cancelled, cancellation_scope
from pipeline.errors import ChartwellError, ProviderTimeout
from pipeline.service.errors import NotReady
from pipeline.service.problems import recorded

FAILED_KEPT_SECONDS = 0.5
"""Good news may be some seconds old. Bad news may not: a user waits for it to become better."""
AGAIN_SECONDS = 30.0
"""Between two looks that no one asked for."""
KNOWN_SECONDS = 300.0
"""After this a finding tells nothing about now."""


@dataclass(frozen=True, slots=True)
class DependencyState:
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


ReadinessCheck = Callable[[], None]
"""A real call. Raises a ChartwellError where the dependency does not work."""


class Readiness:
    """Its methods belong to the event loop, but for `mark_ready`."""

    def __init__(
        self,
        checks: Mapping[str, ReadinessCheck],
        *,
        seconds_max: float,
        kept_seconds: float,
        costly: Collection[str] = (),
    ) -> None:
        """`costly`: checks that are left alone once they worked, until they are asked for."""
        self._checks = dict(checks)
        self._costly = frozenset(costly)
        self._seconds_max = seconds_max
        self._kept_seconds = kept_seconds
        self._findings: dict[str, DependencyState] = {}
        self._calls: dict[str, Future[DependencyState]] = {}
        self._threads = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="check")
        self._scope = Cancellation(cuts=True)
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look again now and then, until it is closed."""
        self._watching = asyncio.create_task(self._watch())

    async def look(self) -> list[DependencyState]:
        """How each dependency is, no older than `kept_seconds` and after `seconds_max` at the latest."""
        await self._look([name for name in self._checks if not self._fresh(name)])
        return [self._finding(name) for name in self._checks]

    def mark_ready(self, *names: str) -> None:
        """These have just worked for a user. From any thread."""
        for name in names:
            if name in self._checks:
                self._findings[name] = DependencyState(name, True, None, 0.0, time.monotonic())

    def mark_suspect(self, *names: str) -> None:
        """These have just failed a user: the next look is at them as well. From any thread."""
        for name in names:
            self._findings.pop(name, None)

    def known(self) -> list[DependencyState]:
        """What is known without looking. What is old is not known any more."""
        findings = list(self._findings.values())
        return [finding for finding in findings if finding.age_seconds < KNOWN_SECONDS]

    def close(self) -> None:
        """Looks no more, and cuts calls in flight: they would keep the process from ending."""
        if self._watching is not None:
            self._watching.cancel()
        self._scope.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_SECONDS)
            try:
                await self._look([name for name in self._checks if self._unsure(name)])
            except Exception as error:  # noqa: BLE001  recorded there; the next turn tries again
                recorded(error, "readiness")

    def _unsure(self, name: str) -> bool:
        finding = self._findings.get(name)
        return finding is None or not finding.ready or name not in self._costly

    async def _look(self, names: Sequence[str]) -> None:
        """Looks at these; one that does not answer in time is found not to be ready."""
        calls = {name: self._call(name) for name in names}
        if calls:
            futures = [asyncio.wrap_future(call) for call in calls.values()]
            await asyncio.wait(futures, timeout=self._seconds_max)
        for name, call in calls.items():
            if not call.done() and not self._fresh(name):
                self._findings[name] = self._timed_out(name)

    def _fresh(self, name: str) -> bool:
        finding = self._findings.get(name)
        kept = self._kept_seconds
        if finding is not None and not finding.ready:
            kept = min(kept, FAILED_KEPT_SECONDS)
        return finding is not None and finding.age_seconds < kept

    def _call(self, name: str) -> Future[DependencyState]:
        """The call in flight, or a new one."""
        call = self._calls.get(name)
        if call is None or call.done():
            call = self._threads.submit(self._look_at, name)
            self._calls[name] = call
        return call

    def _look_at(self, name: str) -> DependencyState:
        began = time.monotonic()
        code: str | None = None
        try:
            with cancellation_scope(self._scope):
                self._checks[name]()
        except (NotReady, Cancelled):
            code = NotReady.code  # known, and nothing to report
        except Exception as error:  # noqa: BLE001  recorded there; the finding has its code
            code = recorded(error, f"readiness {name}").code
        now = time.monotonic()
        self._findings[name] = DependencyState(name, code is None, code, now - began, now)
        return self._findings[name]

    def _finding(self, name: str) -> DependencyState:
        """The finding, where it is fresh; else that there was no answer in time."""
        if self._fresh(name):
            return self._findings[name]
        call = self._calls.get(name)
        if call is not None and call.done() and not call.cancelled():
            return call.result()
        return self._timed_out(name)

    def _timed_out(self, name: str) -> DependencyState:
        return DependencyState(name, False, ProviderTimeout.code, self._seconds_max, time.monotonic())


def when_ready(ready: Callable[[], bool], failure: Callable[[], ChartwellError | None]) -> ReadinessCheck:
    """A check of whether something has been opened that is opened in the background."""

    def check() -> None:
        if ready():
            return
        error = failure()
        if error is not None:
            raise error
        raise NotReady("The models are not loaded yet.", remedy="Wait.")

    return check
