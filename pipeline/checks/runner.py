"""Runs checks side by side: each as soon as those that it needs are done, each with its own deadline.

Decides when a check is not tried because of another one, what a check that overruns or breaks is worth, and that what
it wrote is removed all the same. Knows no check by name.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pipeline import version
from pipeline.call_context.cancellation import Cancellation, Cancelled, cancellation_scope
from pipeline.checks.context import CheckContext
from pipeline.checks.errors import CheckUnfinished
from pipeline.checks.result import CheckResult, Finding, Report, failed, skipped, verdict_of
from pipeline.commands.naming import as_typed
from pipeline.errors import ChartwellError, InputUnusable
from pipeline.logs import LOGGER, fault_fields

CLEARING_SECONDS = 3.0
"""What a check that is cut off has to undo what it did, such as taking back a note of its own; and, where it hangs,
the function that does that in its place."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the catalogue."""

    name: str
    find: Callable[[CheckContext], Finding]
    """May raise a ChartwellError, which is a failure with that error's cure."""
    deadline_seconds: float
    needs: tuple[str, ...] = ()
    """Checks without which this one cannot tell anything: it waits for them, and is not tried where one failed."""
    after: tuple[str, ...] = ()
    """Checks that this one would disturb: it waits for them, whatever they find."""
    purpose: str = ""
    clear: Callable[[CheckContext], None] | None = None
    """Removes what a check that was cut off has written, where that check itself hangs."""


class CheckObserver(Protocol):
    """Who wants to see how a run is going."""

    def waiting_for(self, names: Sequence[str], done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _Running:
    check: Check
    started: float
    thread: threading.Thread
    scope: Cancellation

    @property
    def ends(self) -> float:
        return self.started + self.check.deadline_seconds


def chosen(checks: Sequence[Check], only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """Those to run, in the order of the catalogue. Raises InputUnusable for a name that is none of theirs."""
    known = [check.name for check in checks]
    if unknown := sorted({*only, *skip} - set(known)):
        raise InputUnusable(
            f"There is no check named {', '.join(unknown)}.", remedy=f"The checks are: {', '.join(known)}."
        )
    return [check for check in checks if (not only or check.name in only) and check.name not in skip]


def run_checks(
    context: CheckContext,
    checks: Sequence[Check],
    *,
    stack: str | None = None,
    observer: CheckObserver | None = None,
) -> Report:
    """Run `checks`; never raises for what one of them finds or does."""
    started, wall = time.monotonic(), datetime.now(UTC)
    results = _CheckRun(context, checks, observer).results()
    ordered = tuple(results[check.name] for check in checks)
    return Report(
        verdict=verdict_of(ordered),
        started_at=wall.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 3),
        vantage=context.vantage,
        stack=stack,
        version=version(),
        results=ordered,
    )


class _CheckRun:
    """The state of one run."""

    def __init__(
        self, context: CheckContext, checks: Sequence[Check], observer: CheckObserver | None
    ) -> None:
        self._context = context
        self._checks = checks
        self._observer = observer
        self._waiting = {check.name: check for check in checks}
        self._running: dict[str, _Running] = {}
        self._done: dict[str, CheckResult] = {}
        self._blocked_by: dict[str, frozenset[str] | None] = {}
        """Failed checks, with the names of those that each of them blocks."""
        self._ended: queue.Queue[tuple[str, Finding]] = queue.Queue()

    def results(self) -> Mapping[str, CheckResult]:
        try:
            while len(self._done) < len(self._checks):
                self._start_ready()
                if self._observer is not None:
                    self._observer.waiting_for(list(self._running), len(self._done), len(self._checks))
                if self._running:
                    self._await_one()
        finally:
            for running in self._running.values():  # the process was told to end
                running.scope.cancel()
                if running.check.clear is not None:
                    self._clear_up(running)
        return self._done

    def _start_ready(self) -> None:
        """Start what can start, and skip what a failure has made pointless; until nothing changes any more."""
        changed = True
        while changed:
            changed = False
            for check in list(self._waiting.values()):
                if self._unfinished(check):
                    continue
                del self._waiting[check.name]
                changed = True
                cause = self._cause(check)
                if cause is not None:
                    self._record(check, skipped(f"Not tried: {cause} failed."), 0.0, because_of=cause)
                else:
                    self._start(check)

    def _unfinished(self, check: Check) -> bool:
        return any(name in self._waiting or name in self._running for name in (*check.needs, *check.after))

    def _cause(self, check: Check) -> str | None:
        """The check whose failure is why this one is not tried."""
        for need in check.needs:
            result = self._done.get(need)
            if result is None:
                continue  # it was not asked for
            if result.because_of is not None:
                return result.because_of
            if result.status == "fail":
                blocks = self._blocked_by[need]
                if blocks is None or check.name in blocks:
                    return need
        return None

    def _start(self, check: Check) -> None:
        scope = Cancellation(cuts=True)
        # A daemon: a server that hangs must not keep the program from ending.
        thread = threading.Thread(target=self._find, args=(check, scope), name=check.name, daemon=True)
        self._running[check.name] = _Running(check, time.monotonic(), thread, scope)
        thread.start()

    def _find(self, check: Check, scope: Cancellation) -> None:
        try:
            with cancellation_scope(scope):
                finding = check.find(self._context)
        except Cancelled:
            finding = failed(_overdue(check))
        except ChartwellError as error:
            finding = failed(error)
        except Exception as error:  # noqa: BLE001  # recorded as this check's result, which is where people look
            finding = failed(_broken(check, error))
        self._ended.put((check.name, finding))

    def _await_one(self) -> None:
        ends = min(running.ends for running in self._running.values())
        try:
            name, finding = self._ended.get(timeout=max(0.0, ends - time.monotonic()))
        except queue.Empty:
            late = [each for each in self._running.values() if each.ends <= time.monotonic()]
            for running in late:
                running.scope.cancel()
            for running in late:
                self._clear_up(running)
                self._finish(running, failed(_overdue(running.check)))
            return
        if name in self._running:  # else it came after its deadline
            self._finish(self._running[name], finding)

    def _clear_up(self, running: _Running) -> None:
        """A check that is cut off removes what it wrote as it ends; where it does not end, another thread does."""
        running.thread.join(CLEARING_SECONDS)
        clear = running.check.clear
        if clear is not None and running.thread.is_alive():
            clearing = threading.Thread(target=self._clear, args=(clear,), daemon=True)
            clearing.start()
            clearing.join(CLEARING_SECONDS)

    def _clear(self, clear: Callable[[CheckContext], None]) -> None:
        try:
            clear(self._context)
        except Exception as error:  # noqa: BLE001  logged by its class; the next run finds what is left
            LOGGER.error("what a check wrote is not removed", extra=fault_fields(error))

    def _finish(self, running: _Running, finding: Finding) -> None:
        del self._running[running.check.name]
        self._record(running.check, finding, time.monotonic() - running.started)

    def _record(
        self, check: Check, finding: Finding, seconds: float, *, because_of: str | None = None
    ) -> None:
        error = finding.error
        self._blocked_by[check.name] = finding.blocks
        self._done[check.name] = CheckResult(
            name=check.name,
            status=finding.status,
            reason=finding.reason,
            seconds=round(seconds, 3),
            measured=finding.measured,
            remedy=as_typed(error.remedy) if error else None,
            code=error.code if error else None,
            section=error.section if error else None,
            because_of=because_of,
        )


def _overdue(check: Check) -> CheckUnfinished:
    return CheckUnfinished(
        f"No result within {check.deadline_seconds:g} s.",
        remedy="What it asks does not answer. Try it alone: python -m pipeline.validate --only "
        f"{check.name}; then look at the log of the server that it asks.",
    )


def _broken(check: Check, error: Exception) -> CheckUnfinished:
    # The class and the place: a foreign exception's message may quote what it was given.
    fault = fault_fields(error)
    LOGGER.error("a check broke", extra={"check": check.name, **fault})
    return CheckUnfinished(
        f"The check broke: {fault['error']} at {fault['place']}.",
        remedy="This is a fault of the check, not of what it looks at: report it with this line.",
    )
