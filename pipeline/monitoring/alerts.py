"""What of a sample needs a person, each with what to do. The limits are those of `pipeline.monitoring.thresholds`.

Decides the words. Knows no screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.monitoring.samples import Containers, Gpus, HostSample, Missing, Sample, StoreSample, Work
from pipeline.monitoring.thresholds import (
    DRIVER_MIN,
    Level,
    database_level,
    disk_level,
    driver_level,
    gpu_level,
    memory_level,
)

GPU_LOST = "docs/operations.md#the-gpu-is-lost"


@dataclass(frozen=True, slots=True)
class Alert:
    level: Level
    what: str
    do: str


def alerts_of(sample: Sample, before: Sample | None = None) -> list[Alert]:
    """Everything that needs attention, the worst first. `before`: an earlier sample, to tell what has changed."""
    found = [
        *_services(sample),
        *_gpus(sample),
        *_containers(sample, before),
        *_host(sample),
        *_store(sample),
    ]
    if sample.clock_step_seconds:
        found.append(
            Alert("warn", f"the clock jumped by {sample.clock_step_seconds:+.0f} s", "timedatectl status")
        )
    return sorted(found, key=lambda each: each.level)


def _services(sample: Sample) -> Iterator[Alert]:
    for each in sample.services:
        if each.state in {"down", "failing"}:
            yield Alert("fail", f"{each.name} is {each.state}: {each.detail}", "python -m pipeline.validate")
        elif each.state in {"slow", "loading"}:
            took = each.detail or f"took {each.seconds or 0:.1f} s"
            yield Alert("warn", f"{each.name} is {each.state}: {took}", "wait, then pipeline.validate")


def _gpus(sample: Sample) -> Iterator[Alert]:
    if isinstance(sample.gpus, Missing) and sample.gpus.level:
        yield Alert(sample.gpus.level, sample.gpus.missing, GPU_LOST)
    if not isinstance(sample.gpus, Gpus):
        return
    if not sample.gpus.cards:
        yield Alert("fail", "the driver finds no GPU", GPU_LOST)
    if level := driver_level(driver := sample.gpus.driver):
        yield Alert(level, f"the NVIDIA driver is {driver}; NIM 2.x wants {DRIVER_MIN} or newer", GPU_LOST)
    for card in sample.gpus.cards:
        if card.fault:
            yield Alert("fail", f"GPU {card.index}: {card.fault}", GPU_LOST)
        elif level := gpu_level(card.temperature_celsius):
            yield Alert(level, f"GPU {card.index} has {card.temperature_celsius} °C", "it slows down")


def _containers(sample: Sample, before: Sample | None) -> Iterator[Alert]:
    if not isinstance(sample.containers, Containers):
        return
    earlier = before.containers if before is not None else None
    known = {each.name: each for each in earlier.found} if isinstance(earlier, Containers) else {}
    for each in sample.containers.found:
        look = f"docker logs --tail 50 {each.name}"
        if each.killed_for_memory:
            yield Alert("fail", f"{each.name} ran out of memory", look)
        elif each.status != "running" and (each.exit_code or each.status in {"restarting", "dead"}):
            yield Alert("fail", f"{each.name} is {each.status}, exit code {each.exit_code}", look)
        elif each.health == "unhealthy":
            yield Alert("fail", f"{each.name} is unhealthy", look)
        last = known.get(each.name)
        if last is not None and (each.restarts > last.restarts or each.started_at != last.started_at):
            yield Alert("warn", f"{each.name} was restarted", look)


def _host(sample: Sample) -> Iterator[Alert]:
    if not isinstance(sample.host, HostSample):
        return
    for disk in sample.host.disks:
        if level := disk_level(disk.used):
            yield Alert(level, f"{disk.path} is {disk.used:.0%} full", "docs/operations.md#the-disk-fills")
        if level := disk_level(disk.inodes_used or 0.0):
            yield Alert(level, f"{disk.path} has few inodes left", "docs/operations.md#the-disk-fills")
    memory = sample.host.memory_used_bytes / max(1, sample.host.memory_total_bytes)
    if level := memory_level(memory):
        yield Alert(level, f"memory is {memory:.0%} used", "docs/operations.md#memory-runs-out")


def _store(sample: Sample) -> Iterator[Alert]:
    if isinstance(sample.store, StoreSample) and (level := database_level(sample.store.database_bytes or 0)):
        yield Alert(
            level, "IRIS nears the 10 GB of a Community licence", "docs/troubleshooting.md#cw-store-limit"
        )
    if isinstance(sample.work, Work) and sample.work.failed:
        yield Alert("warn", f"{sample.work.failed:,} notes failed", "python -m pipeline.vectorize status")
