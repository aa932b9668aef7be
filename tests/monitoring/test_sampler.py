"""Looks: probes side by side with a deadline, what was not due, clock steps, and the pace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from pipeline.config import load_settings
from pipeline.errors import StoreUnavailable
from pipeline.monitoring import sampler
from pipeline.monitoring.sampler import LastValues, ProbeRunner, SampleClock, Sampler, open_sampler, samples
from pipeline.monitoring.samples import Missing, Sample, Service, Work


class Clocks:
    def __init__(self) -> None:
        self.elapsed = 1000.0
        self.ahead = 1_795_000_000.0

    @property
    def clock(self) -> SampleClock:
        return SampleClock(wall=lambda: self.elapsed + self.ahead, elapsed=lambda: self.elapsed)


def watching(clocks: Clocks, **asks: Callable[[], object]) -> Sampler:
    probes = {name: ProbeRunner(name, ask, 60.0 if name == "work" else 0.0) for name, ask in asks.items()}
    return Sampler(probes, {}, 15.0, clocks.clock)


def test_a_probe_that_raises_is_a_reading() -> None:
    def away() -> None:
        raise StoreUnavailable("IRIS cannot be reached.", remedy="Start it.")

    def broken() -> None:
        raise KeyError("a surprise")

    sample = watching(Clocks(), store=away, gpus=broken).sample()
    assert sample.store == Missing("IRIS cannot be reached. [CW-STORE-UNAVAILABLE]")
    assert sample.gpus == Missing("the probe failed: KeyError")


def test_a_probe_that_hangs_delays_the_look_by_the_deadline_and_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampler, "DEADLINE_SECONDS", 0.5)
    go, asked = threading.Event(), []

    def hang() -> Missing:
        asked.append(1)
        go.wait(30)
        return Missing("late")

    watch_ = watching(Clocks(), gpus=hang, host=lambda: Missing("quick"))
    for _ in range(3):
        sample = watch_.sample()
        assert isinstance(sample.gpus, Missing)
        assert "no answer" in sample.gpus.missing
        assert sample.host == Missing("quick")
    assert asked == [1]
    go.set()
    assert watch_.sample().gpus == Missing("late")


def test_what_is_asked_seldom_is_left_out_and_filled_up() -> None:
    clocks, counted = Clocks(), iter(range(10))
    watch_ = watching(clocks, work=lambda: Work(0, 0, next(counted), 0))
    latest = LastValues()
    found = []
    for _ in range(9):
        sample = watch_.sample()
        found.append((sample.work is not None, latest.take(sample).work))
        clocks.elapsed += 15
    assert [due for due, _ in found] == [True, False, False, False, True, False, False, False, True]
    assert [work.completed for _, work in found if isinstance(work, Work)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_services_that_were_not_due_stand_as_they_were() -> None:
    clocks = Clocks()
    asks = {
        "iris": ProbeRunner("iris", lambda: Service("iris", "x", "ok"), 60.0),
        "llm": ProbeRunner("llm", lambda: Service("llm", "y", "down")),
    }
    watch_, latest = Sampler({}, asks, 15.0, clocks.clock), LastValues()
    latest.take(watch_.sample())
    clocks.elapsed += 15
    sample = watch_.sample()
    assert [each.name for each in sample.services] == ["llm"]
    assert [each.name for each in latest.take(sample).services] == ["iris", "llm"]


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 40 * 86_400.0])
def test_a_clock_step_is_told_once(step: float) -> None:
    clocks = Clocks()
    watch_ = watching(clocks)
    steps = []
    for number in range(4):
        if number == 2:
            clocks.ahead += step
        steps.append(watch_.sample().clock_step_seconds)
        clocks.elapsed += 15
    assert steps == [0.0, 0.0, pytest.approx(step), 0.0]


def test_a_slow_clock_drift_is_no_step() -> None:
    clocks = Clocks()
    watch_ = watching(clocks)
    for _ in range(20):
        clocks.ahead += 0.01
        clocks.elapsed += 15
        assert watch_.sample().clock_step_seconds == 0


def paced(
    took: float, interval: float, duration: float | None, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """When looks begin, by a clock that only they and the waiting move."""
    now = [0.0]
    begun: list[float] = []

    class Slow:
        def sample(self) -> str:
            begun.append(now[0])
            now[0] += took
            return "sample"

    def wait(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(sampler.time, "monotonic", lambda: now[0])
    stop = lambda: len(begun) >= 5  # noqa: E731
    found: Iterator[Sample] = samples(
        Slow(),  # type: ignore[arg-type]
        interval_seconds=interval,
        stop=stop,
        duration_seconds=duration,
        wait=wait,
    )
    list(found)
    return begun


def test_looks_keep_their_pace_and_do_not_make_up_for_missed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paced(1.0, 15.0, None, monkeypatch) == pytest.approx([0, 15, 30, 45, 60])
    assert paced(20.0, 15.0, None, monkeypatch) == pytest.approx([0, 20, 40, 60, 80])


def test_a_duration_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert paced(0.1, 10.0, 25.0, monkeypatch) == pytest.approx([0, 10, 20])
    assert paced(0.1, 10.0, 0.0, monkeypatch) == pytest.approx([0])


def test_from_outside_the_machine_here_is_not_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(None, embedder={"provider": "hashing"})
    sample = open_sampler(settings, remote=True).sample()
    for section in (sample.gpus, sample.containers, sample.host, sample.work):
        assert section == Missing(sampler.OF_THE_HOST)
