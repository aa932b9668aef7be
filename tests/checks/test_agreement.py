"""What `validate` says of a figure, `monitor` says too: for every limit that both look at, on either side of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.checks.disks import disk_check
from pipeline.checks.gpu import gpu_check
from pipeline.checks.result import Finding
from pipeline.monitoring import thresholds
from pipeline.monitoring.alerts import alerts_of
from pipeline.monitoring.probes import gpu
from pipeline.monitoring.probes.host import HostProbe, disk_of, watched_folders
from pipeline.monitoring.samples import Gpus, HostSample, Sample
from tests.checks.contexts import bench
from tests.monitoring.samples import WELL
from tests.simulated_host import CARD, space

NOT_BOTH = {
    "memory_level": "only monitor looks at memory",
    "database_level": "only monitor knows how large IRIS's database is, from the host's timer",
    "clock_level": "validate measures how far the clock is off, monitor sees that it was set",
}


@dataclass(frozen=True)
class Limit:
    function: str
    values: Sequence[Any]
    validated: Callable[[Path, Any], Finding]
    watched: Callable[[Any], Sample]


def disk(used: float, inodes: float = 0.1) -> Callable[[Path], Any]:
    return space(1 - used, free_inode_share=1 - inodes)


def on_disk(numbers: Callable[[Path], Any]) -> Sample:
    assert isinstance(WELL.host, HostSample)
    return replace(WELL, host=replace(WELL.host, disks=(disk_of("/data", numbers(Path("/"))),)))


def card(folder: Path, found: Gpus | gpu.GpuFault, expected: str = "auto") -> Finding:
    return gpu_check(bench(folder, machine={"gpus": lambda: found}, checks={"gpu": expected}))


class Scripted(gpu.GpuProbe):
    """The monitor's probe, where the library says this."""

    def __init__(self, found: Gpus | gpu.GpuFault, expected: thresholds.GpuExpected = "auto") -> None:
        super().__init__(expected=expected)
        self.found = found

    def read(self) -> Gpus | gpu.GpuFault:
        return self.found


def heated(celsius: int | None) -> Gpus:
    return Gpus("580.95.05", (CARD, replace(CARD, index=1, temperature_celsius=celsius)))


def driven(version: str) -> Gpus:
    return Gpus(version, (CARD,))


SHARES = (0.0, 0.5, 0.899, 0.9001, 0.949, 0.9501, 0.96, 0.98, 1.0)
LIMITS = {
    "space": Limit(
        "disk_level",
        SHARES,
        lambda folder, used: disk_check(bench(folder, machine={"statvfs": disk(used)})),
        lambda used: on_disk(disk(used)),
    ),
    "inodes": Limit(
        "disk_level",
        SHARES,
        lambda folder, used: disk_check(bench(folder, machine={"statvfs": disk(0.1, used)})),
        lambda used: on_disk(disk(0.1, used)),
    ),
    "temperature": Limit(
        "gpu_level",
        (None, 0, 34, 86, 87, 88, 91, 110),
        lambda folder, celsius: card(folder, heated(celsius)),
        lambda celsius: replace(WELL, gpus=Scripted(heated(celsius))()),
    ),
    "driver": Limit(
        "driver_level",
        ("535.183.01", "579.99", "580", "580.95.05", "605.1", "unknown"),
        lambda folder, version: card(folder, driven(version)),
        lambda version: replace(WELL, gpus=Scripted(driven(version))()),
    ),
    "no card": Limit(
        "no_gpu_level",
        [
            (found, expected)
            for found in (*gpu.FAULTS.values(), gpu.NOT_INSTALLED, gpu.GpuFault("NVML: something new"))
            for expected in ("auto", "required", "none")
        ],
        lambda folder, case: card(folder, *case),
        lambda case: replace(WELL, gpus=Scripted(*case)()),
    ),
}


def level_of(finding: Finding) -> str | None:
    return finding.status if finding.status in ("warn", "fail") else None


@pytest.mark.parametrize("name", LIMITS)
def test_validate_and_monitor_agree(name: str, tmp_path: Path) -> None:
    limit = LIMITS[name]
    said = {}
    for value in limit.values:
        alerts = alerts_of(limit.watched(value))
        said[str(value)] = (level_of(limit.validated(tmp_path, value)), alerts[0].level if alerts else None)
    assert {value: each for value, each in said.items() if each[0] != each[1]} == {}
    assert len({each for each, _ in said.values()}) > 1, "no limit lies between these values"


def test_every_limit_is_walked() -> None:
    functions = {name for name in vars(thresholds) if name.endswith("_level")}
    walked = {limit.function for limit in LIMITS.values()}
    assert functions == walked | set(NOT_BOTH)
    assert not walked & set(NOT_BOTH)


def test_both_measure_the_same_of_a_real_disk(tmp_path: Path) -> None:
    """Of a file system that keeps a part for root, too."""
    checked = disk_check(bench(tmp_path, vantage="local")).measured
    sample = HostProbe(watched_folders(tmp_path / "data", tmp_path / "root"))()
    assert isinstance(sample, HostSample)
    fullest = max(max(each.used, each.inodes_used or 0.0) for each in sample.disks)
    seen = max(float(str(checked["used_percent"])), float(str(checked["inodes_used_percent"])))
    assert seen == pytest.approx(100 * fullest, abs=0.5)
