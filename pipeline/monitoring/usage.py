"""What a host was used for, out of the monitor's samples: hours watched, busy, indexing and idle; notes and questions.

Decides what counts as watched: the time between two samples of one boot, unless it is longer than a monitor that
works would leave. Times come from the clock that cannot be set, so a clock step costs nothing. Counters that fall have
restarted and count from zero, as Prometheus' `increase` does.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.commands.naming import as_typed
from pipeline.config import Settings
from pipeline.monitoring.sample_log import kept_samples
from pipeline.pricing import CostReport, UsageWindow, cost_report, prices_of

GAP_INTERVALS = 4
"""A longer silence than so many intervals (or a minute) was not watched: the host or the monitor was off."""
GAP_SECONDS_MIN = 120.0
IDLE_GPU = 0.05
"""As the host's idle watch has it (cloud-init/watch/idle.sh)."""
SECONDS_PER_HOUR = 3600.0

WINDOW_DAYS = 7
"""What "at present" means: one window for the command line, the metrics and the page, so that they agree."""

NOTHING = "no samples: python -m pipeline.monitor keeps them, and on a deployed host runs by itself"
NO_QUESTIONS = (
    "no service was watched: the monitor counts receipts in its data folder, or the service's metrics "
    "(CHARTWELL_MONITOR__SERVICE_URL and _KEY)"
)
NO_TOKENS = "the service that counts tokens was not watched"
NO_NOTES = "no ledger was seen"


@dataclass
class _Stretch:
    """What was seen since the ledger was asked last: whether it was indexing is known only at its next answer."""

    seconds: float = 0.0
    gpu_seconds: float = 0.0
    busy_seconds: float = 0.0
    quiet_seconds: float = 0.0


@dataclass
class _Totals:
    since: str = ""
    until: str = ""
    watched: float = 0.0
    indexing: float = 0.0
    idle: float = 0.0
    gpu: float = 0.0
    busy: float = 0.0
    busy_indexing: float = 0.0
    notes: int = 0
    questions: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    saw_gpu: bool = False
    saw_work: bool = False
    saw_questions: bool = False
    saw_tokens: bool = False
    why_no_gpu: str = "no GPU was read"
    stretch: _Stretch = field(default_factory=_Stretch)


class UsageMeter:
    """Adds up samples as they come, oldest first; `usage` may be asked at any time."""

    def __init__(self) -> None:
        self._totals = _Totals()
        self._before: Mapping[str, Any] | None = None
        self._work: Mapping[str, Any] = {}
        self._asked: Mapping[str, Any] = {}

    def take(self, sample: Mapping[str, Any]) -> None:
        """One sample as it is kept: a JSON object."""
        totals = self._totals
        totals.since = totals.since or str(sample["at"])
        totals.until = str(sample["at"])
        _add_time(totals, sample, _watched_seconds(self._before, sample))
        questions = _add_questions(totals, self._asked, sample)
        self._asked = _section(sample, "asked") or self._asked
        found = _section(sample, "work")
        if found or (not self._work and totals.stretch.seconds >= GAP_SECONDS_MIN):
            _settle(totals, self._work, found, busy_with_questions=questions)
            self._work = found or self._work
        elif questions:
            totals.stretch.quiet_seconds = 0.0
        self._before = sample

    def usage(self) -> UsageWindow:
        """All that was taken so far."""
        totals = dataclasses.replace(self._totals, stretch=dataclasses.replace(self._totals.stretch))
        _settle(totals, {}, {}, busy_with_questions=False)
        return _usage(totals)


def usage_of(samples: Iterable[Mapping[str, Any]], *, since: str = "") -> UsageWindow:
    """The usage since a moment (ISO 8601, UTC; empty: since the first sample)."""
    meter = UsageMeter()
    for sample in samples:
        if str(sample.get("at", "")) >= since:
            meter.take(sample)
    return meter.usage()


def window_begin(now: datetime | None = None) -> str:
    """The moment where the window begins that all commands show by default, ISO 8601 in UTC."""
    return ((now or datetime.now(UTC)) - timedelta(days=WINDOW_DAYS)).isoformat(timespec="seconds")


def present_usage(data_dir: Path) -> UsageWindow:
    """The usage of the window, out of the samples that a monitor keeps in this data folder.

    Reads all kept samples: a second for a week of them. Ask it once in minutes, not at every request.
    """
    return usage_of(kept_samples(data_dir), since=window_begin())


class PresentCosts:
    """The figures of the window for a process that shows them often, such as the service. Safe between threads.

    Reads the samples again after `kept_seconds`; a caller that comes meanwhile gets the figures of before.
    """

    def __init__(self, settings: Settings, *, kept_seconds: float = 300.0) -> None:
        self._settings = settings
        self._kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._report: CostReport | None = None
        self._read_at = 0.0

    def report(self) -> CostReport:
        """The first call, and one in `kept_seconds`, reads files: a second for a week of samples."""
        with self._lock:
            if self._report is None or time.monotonic() - self._read_at > self._kept_seconds:
                usage = present_usage(self._settings.data_dir)
                self._report = cost_report(prices_of(self._settings), usage)
                self._read_at = time.monotonic()
            return self._report


def _watched_seconds(before: Mapping[str, Any] | None, sample: Mapping[str, Any]) -> float:
    if before is None or before.get("boot") != sample.get("boot"):
        return 0.0
    seconds = float(sample["elapsed_seconds"]) - float(before["elapsed_seconds"])
    longest = max(GAP_SECONDS_MIN, GAP_INTERVALS * float(before.get("interval_seconds", 0)))
    return seconds if 0 < seconds <= longest else 0.0


def _section(sample: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = sample.get(name)
    return found if isinstance(found, dict) and "missing" not in found else {}


def _add_time(totals: _Totals, sample: Mapping[str, Any], seconds: float) -> None:
    cards = _section(sample, "gpus").get("cards", [])
    used = [float(card["utilisation"]) for card in cards if "utilisation" in card]
    if cards:
        totals.saw_gpu = totals.saw_gpu or bool(used)
        totals.why_no_gpu = "" if used else "the GPU does not report its utilisation"
    elif isinstance(gpus := sample.get("gpus"), dict) and "missing" in gpus:
        totals.why_no_gpu = str(gpus["missing"])
    stretch = totals.stretch
    totals.watched += seconds
    stretch.seconds += seconds
    stretch.gpu_seconds += seconds * len(used)
    stretch.busy_seconds += seconds * sum(used)
    if max(used, default=0.0) <= IDLE_GPU:
        stretch.quiet_seconds += seconds


def _add_questions(totals: _Totals, before: Mapping[str, Any], sample: Mapping[str, Any]) -> bool:
    """Counts what the service answered since the sample before; whether it was anything."""
    found = _section(sample, "asked")
    if not found:
        return False
    totals.saw_questions = True
    if not before:
        return False
    new = _increase(before, found, "questions")
    totals.questions += new
    if "prompt_tokens" in found:
        totals.saw_tokens = True
        totals.prompt_tokens += _increase(before, found, "prompt_tokens")
        totals.completion_tokens += _increase(before, found, "completion_tokens")
    return new > 0


def _increase(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> int:
    first, last = int(before.get(name, 0)), int(now.get(name, 0))
    return last - first if last >= first else last


def _settle(
    totals: _Totals, before: Mapping[str, Any], now: Mapping[str, Any], *, busy_with_questions: bool
) -> None:
    """Book the stretch that ends here, as indexing or not."""
    stretch, totals.stretch = totals.stretch, _Stretch()
    new = max(0, int(now.get("completed", 0)) - int(before.get("completed", 0))) if before else 0
    totals.saw_work = totals.saw_work or bool(now)
    totals.notes += new
    totals.gpu += stretch.gpu_seconds
    totals.busy += stretch.busy_seconds
    if new:
        totals.indexing += stretch.seconds
        totals.busy_indexing += stretch.busy_seconds
    elif not busy_with_questions:
        totals.idle += stretch.quiet_seconds


def _usage(totals: _Totals) -> UsageWindow:
    if not totals.since:
        return UsageWindow(source="the monitor's samples", unknown={"*": as_typed(NOTHING)})
    hours = {
        name: getattr(totals, name) / SECONDS_PER_HOUR
        for name in ("watched", "indexing", "idle", "gpu", "busy", "busy_indexing")
    }
    watched = totals.watched > 0
    unknown = {
        **({} if totals.saw_gpu else dict.fromkeys(("gpu_hours", "gpu_busy_hours"), totals.why_no_gpu)),
        **({} if totals.saw_work else {"notes": NO_NOTES}),
        **({} if totals.saw_questions else {"questions": NO_QUESTIONS}),
        **({} if totals.saw_tokens else {"prompt_tokens": NO_TOKENS, "completion_tokens": NO_TOKENS}),
        **({} if watched else {"*": "only one sample was seen"}),
    }
    return UsageWindow(
        source=f"the monitor's samples from {totals.since} to {totals.until}",
        since=totals.since,
        until=totals.until,
        observed_hours=hours["watched"] if watched else None,
        indexing_hours=hours["indexing"] if watched and totals.saw_work else (0.0 if watched else None),
        idle_hours=hours["idle"] if watched and (totals.saw_gpu or totals.saw_questions) else None,
        gpu_hours=hours["gpu"] if totals.saw_gpu else None,
        gpu_busy_hours=hours["busy"] if totals.saw_gpu else None,
        gpu_busy_indexing_hours=hours["busy_indexing"] if totals.saw_gpu else None,
        questions=totals.questions if totals.saw_questions else None,
        notes=totals.notes if totals.saw_work else None,
        prompt_tokens=totals.prompt_tokens if totals.saw_tokens else None,
        completion_tokens=totals.completion_tokens if totals.saw_tokens else None,
        unknown=unknown,
    )
