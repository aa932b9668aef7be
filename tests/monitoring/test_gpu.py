"""GPUs through the real nvidia-ml-py, on a stand-in for the library below it; and without any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import hardware

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, os, sys
from pipeline.monitoring.probes.gpu import GpuProbe
from pipeline.monitoring.probes.dcgm import GpuActivity
from pipeline.monitoring.samples import Missing
import dataclasses
probe = GpuProbe(lambda: {0: GpuActivity(0.61, 0.03)})
found = {}
for mode in sys.argv[1:]:
    os.environ["FAKE_NVML"] = mode
    found[mode] = dataclasses.asdict(probe())
print(json.dumps(found))
"""
MODES = ("fine", "not_loaded", "mismatch", "lost", "fine", "forbidden", "sparse", "unknown")


def readings(library: Path | None, *modes: str) -> dict[str, Any]:
    """What one probe says under each mode, in one process: it must recover from every fault."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modes],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LD_LIBRARY_PATH": str(library or "")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = hardware.nvml(tmp_path_factory.mktemp("nvml"))
    if found is None:
        pytest.skip("no C compiler for the stand-in library")
    return found


@pytest.fixture(scope="module")
def found(library: Path) -> dict[str, Any]:
    return readings(library, *MODES)


def test_a_card_is_read_in_full(found: dict[str, Any]) -> None:
    first, second = found["fine"]["cards"]
    assert found["fine"]["driver"] == "580.95.05"
    assert first == {
        "index": 0,
        "name": "NVIDIA A10G",
        "utilisation": 0.92,
        "dram_active": 0.61,
        "tensor_active": 0.03,
        "memory_used_bytes": 20500 * 2**20,
        "memory_total_bytes": 23028 * 2**20,
        "power_watts": 214.3,
        "power_limit_watts": 300.0,
        "temperature_celsius": 67,
        "fault": "",
    }
    assert (second["utilisation"], second["dram_active"]) == (0.0, None)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("not_loaded", "not loaded"),
        ("mismatch", "reboot the host"),
        ("forbidden", "/dev/nvidia*"),
        ("unknown", "daemon-reload"),
    ],
)
def test_a_driver_that_does_not_answer_is_a_reading(found: dict[str, Any], mode: str, said: str) -> None:
    assert said in found[mode]["missing"]


def test_a_lost_card_does_not_hide_the_other(found: dict[str, Any]) -> None:
    first, second = found["lost"]["cards"]
    assert first["utilisation"] == 0.92
    assert "fell off the bus" in second["fault"]
    assert second["utilisation"] is None


def test_a_card_that_reports_little_shows_little(found: dict[str, Any]) -> None:
    card = found["sparse"]["cards"][0]
    assert card["fault"] == ""
    assert {card["utilisation"], card["power_watts"], card["temperature_celsius"]} == {None}
    assert card["memory_total_bytes"] == 23028 * 2**20


def test_a_machine_without_a_gpu_says_so(tmp_path: Path) -> None:
    (said,) = {reading["missing"] for reading in readings(tmp_path, "fine").values()}
    if said != "no NVIDIA driver on this machine":
        pytest.skip("this machine has a driver of its own")


@pytest.mark.long
def test_a_driver_that_hangs_costs_one_probe_and_no_look(library: Path, tmp_path: Path) -> None:
    """The rest of the look comes, with what hangs named; the process still ends."""
    code = "import pipeline.monitoring.sampler as looking; looking.DEADLINE_SECONDS = 5.0\n"
    code += (
        "import sys; sys.argv = ['monitor', '--once', '--json']\nfrom pipeline.monitor import app; app()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LD_LIBRARY_PATH": str(library),
            "FAKE_NVML": "hang",
            "CHARTWELL_DATA_DIR": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    sample = json.loads(done.stdout)
    assert "no answer" in sample["gpus"]["missing"]
    assert sample["host"]["cores"] >= 1
    assert done.returncode == 0, done.stderr
