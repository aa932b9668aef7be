"""One look after the other: asks every probe that is due, side by side, each with a deadline, and makes a `Sample`.

Decides how long a look may take and what becomes of a probe that fails or hangs: a reading that says so. A driver that
does not come back from a call keeps one thread, and is not asked again until it does.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config import Settings
from pipeline.errors import ChartwellError
from pipeline.logs import LOGGER, fault_fields
from pipeline.monitoring.probes.containers import ContainerProbe
from pipeline.monitoring.probes.dcgm import Dcgm
from pipeline.monitoring.probes.gpu import GpuProbe
from pipeline.monitoring.probes.host import HostProbe, watched_folders
from pipeline.monitoring.probes.model_servers import services_of
from pipeline.monitoring.probes.questions import ServiceCounters
from pipeline.monitoring.probes.store import StoreProbe, WorkProbe
from pipeline.monitoring.samples import SECTIONS, Missing, QuestionCounts, Sample, Service, reason
from pipeline.monitoring.thresholds import clock_level

DEADLINE_SECONDS = 9.0
"""Of a whole look. dcgmi alone may take 8."""
SELDOM_SECONDS = 60.0
"""Between two looks at what costs the store a query or a connection."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
OF_THE_HOST = "of the host itself: run this command there"


class LastValues:
    """The last reading of everything: what was not due at a look stands as it was."""

    def __init__(self) -> None:
        self._last: Sample | None = None

    def take(self, sample: Sample) -> Sample:
        """The sample, filled up with what is known from before."""
        if (before := self._last) is not None:
            kept = {name: getattr(before, name) for name in SECTIONS if getattr(sample, name) is None}
            now = {service.name: service for service in (*before.services, *sample.services)}
            sample = dataclasses.replace(sample, **kept, services=tuple(now.values()))
        self._last = sample
        return sample


@dataclass(frozen=True, slots=True)
class SampleClock:
    """Both clocks; tests turn them. `elapsed` counts from the boot, sleep included, and cannot be set."""

    wall: Callable[[], float] = time.time
    elapsed: Callable[[], float] = field(default=lambda: time.clock_gettime(time.CLOCK_BOOTTIME))


class ProbeRunner:
    """One probe, asked in a thread of its own."""

    def __init__(self, name: str, ask: Callable[[], Any], every_seconds: float = 0.0) -> None:
        self.name = name
        self._ask = ask
        self._every_seconds = every_seconds
        self._asked_at: float | None = None
        self._thread: threading.Thread | None = None
        self._answer: Any = None
        self.due = False

    def begin(self, now: float) -> None:
        """Ask, if it is time and the last question is answered."""
        waiting = self._thread is not None and self._thread.is_alive()
        early = self._asked_at is not None and now - self._asked_at < self._every_seconds
        self.due = waiting or not early
        if self.due and not waiting:
            self._asked_at = now
            self._thread = threading.Thread(target=self._run, name=f"probe {self.name}", daemon=True)
            self._thread.start()

    def answer(self, seconds: float) -> Any:
        """The reading, waiting this long at most; None where it was not due."""
        if not self.due or self._thread is None:
            return None
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            return Missing(f"no answer within {DEADLINE_SECONDS:.0f} s; it is not asked again until it comes")
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except ChartwellError as error:
            self._answer = Missing(reason(f"{error.what} [{error.code}]"))
        except Exception as error:  # noqa: BLE001 (recorded: one broken probe must not blind the others)
            LOGGER.warning("a probe failed", extra={"probe": self.name, **fault_fields(error)})
            self._answer = Missing(f"the probe failed: {type(error).__name__}")


class Sampler:
    """Looks again and again. Not to be used from two threads."""

    def __init__(
        self,
        probes: Mapping[str, ProbeRunner],
        services: Mapping[str, ProbeRunner],
        interval: float,
        clock: SampleClock,
    ) -> None:
        self._probes = probes
        self._services = services
        self._interval = interval
        self._clock = clock
        self._boot = boot_id()
        self._ahead: float | None = None

    def sample(self) -> Sample:
        """One look; DEADLINE_SECONDS at most."""
        begun = self._clock.elapsed()
        step = self._clock_step(begun)
        until = time.monotonic() + DEADLINE_SECONDS
        every = [*self._probes.values(), *self._services.values()]
        for probe in every:
            probe.begin(begun)
        found = {
            name: probe.answer(until - time.monotonic())
            for name, probe in (*self._probes.items(), *self._services.items())
        }
        services = tuple(
            Service(name, "", "slow", answer.missing) if isinstance(answer, Missing) else answer
            for name in self._services
            if (answer := found[name]) is not None
        )
        return Sample(
            at=datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="seconds"),
            boot=self._boot,
            elapsed_seconds=begun,
            interval_seconds=self._interval,
            took_seconds=self._clock.elapsed() - begun,
            clock_step_seconds=step,
            services=services,
            **{name: found.get(name) for name in SECTIONS},
        )

    def _clock_step(self, elapsed: float) -> float:
        ahead = self._clock.wall() - elapsed
        step = 0.0 if self._ahead is None else ahead - self._ahead
        self._ahead = ahead
        return step if clock_level(step) else 0.0


def open_sampler(
    settings: Settings,
    *,
    remote: bool = False,
    asked: Callable[[], QuestionCounts | Missing] | None = None,
    clock: SampleClock | None = None,
) -> Sampler:
    """Everything that these settings name. `remote`: they are those of a host elsewhere, whose machine is not here.
    `asked` counts questions where the service's own page of metrics is not to be read."""
    monitor = settings.monitor
    services = {
        name: ProbeRunner(name, ask, SELDOM_SECONDS if name == "iris" else 0.0)
        for name, ask in services_of(settings)
    }
    own: dict[str, Callable[[], Any]] = {
        "gpus": GpuProbe(Dcgm(monitor.dcgm_url), settings.checks.gpu),
        "containers": ContainerProbe(monitor.host_state_file),
        "host": HostProbe(watched_folders(settings.data_dir)),
    }
    if remote:
        own = dict.fromkeys(own, _elsewhere)
    probes = {name: ProbeRunner(name, ask) for name, ask in own.items()}
    probes["store"] = ProbeRunner("store", StoreProbe(settings), SELDOM_SECONDS)
    probes["work"] = ProbeRunner("work", _elsewhere if remote else WorkProbe(settings), SELDOM_SECONDS)
    key = monitor.service_key.get_secret_value()
    if monitor.service_url and key:
        asked = ServiceCounters(monitor.service_url, key)
    if asked is not None:
        probes["asked"] = ProbeRunner("asked", asked, SELDOM_SECONDS)
    return Sampler(probes, services, monitor.interval_seconds, clock or SampleClock())


def _elsewhere() -> Missing:
    return Missing(OF_THE_HOST)


def boot_id() -> str:
    """Tells two boots apart; "" on systems that have none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()[:8]
    except OSError:
        return ""


def samples(
    watching: Sampler,
    *,
    interval_seconds: float,
    stop: Callable[[], bool],
    duration_seconds: float | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Sample]:
    """Samples, one an interval, until `stop` or the duration. A look that took longer than the interval is followed by
    the next immediately; the missed ones are not made up for."""
    begun = time.monotonic()
    number = 0
    while not stop():
        yield watching.sample()
        number += 1
        passed = time.monotonic() - begun
        number = max(number, int(passed / interval_seconds))
        due = number * interval_seconds
        if duration_seconds is not None and due > duration_seconds:
            return
        while not stop() and (left := due - (time.monotonic() - begun)) > 0:
            wait(min(left, 0.5))
