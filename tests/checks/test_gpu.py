"""The GPU, by what NVIDIA's library says, and the containers that use it, by what docker really says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pynvml
import pytest

from pipeline.checks.gpu import docker_gpu_check, gpu_check
from pipeline.checks.machine import ProcessResult, run_program
from pipeline.checks.result import Finding
from pipeline.monitoring.probes.gpu import GpuFault, fault_of
from pipeline.monitoring.samples import Gpus
from tests.checks.contexts import Answer, bench
from tests.servers import hardware
from tests.simulated_host import CARD, ONE_CARD, container

ROOT = Path(__file__).resolve().parents[2]


def gpu(folder: Path, found: Gpus | GpuFault, **checks: str) -> Finding:
    return gpu_check(bench(folder, machine={"gpus": lambda: found}, checks={"gpu": "required"} | checks))


def test_a_card_is_described(tmp_path: Path) -> None:
    found = gpu(tmp_path, ONE_CARD)
    assert found.status == "pass"
    assert found.measured["memory_total_mebibytes"] == 23028
    assert "NVIDIA A10G, driver 580.95.05, 19411 of 23028 MiB" in found.reason


@pytest.mark.parametrize(
    ("code", "what", "cure"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "not loaded", "modprobe nvidia"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "kernel module", "restart the host"),
        (pynvml.NVML_ERROR_UNKNOWN, "cannot be used", "docker restart"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not use", "/dev/nvidia"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "must have a GPU", "nvidia-utils-580-server"),
        (pynvml.NVML_ERROR_RESET_REQUIRED, "NVML: ", "dmesg"),
        (139, "NVML: ", "dmesg"),
    ],
)
def test_what_the_library_says_when_it_fails_has_its_cure(
    tmp_path: Path, code: int, what: str, cure: str
) -> None:
    found = gpu(tmp_path, fault_of(pynvml.NVMLError(code)))
    assert found.status == "fail"
    assert what in found.reason
    assert found.error is not None
    assert found.error.code == "CW-CHECK-GPU"
    assert cure in found.error.remedy


@pytest.mark.parametrize(
    ("found", "status", "what"),
    [
        (replace(ONE_CARD, driver="535.183.01"), "warn", "535.183.01; NIM 2.x wants 580"),
        (Gpus("580.95.05", (replace(CARD, temperature_celsius=91),)), "warn", "91 °C"),
        (Gpus("580.95.05", (CARD, replace(CARD, index=1, temperature_celsius=91))), "warn", "91 °C"),
        (
            Gpus("580.95.05", (replace(CARD, utilisation=None, power_watts=None, temperature_celsius=None),)),
            "pass",
            "19411 of 23028",
        ),
        (
            Gpus("580.95.05", (CARD, replace(CARD, index=1, fault="it fell off"))),
            "fail",
            "GPU 1: it fell off.",
        ),
        (Gpus("580.95.05", ()), "fail", "finds no GPU"),
    ],
)
def test_an_old_driver_a_hot_card_and_one_that_does_not_answer(
    tmp_path: Path, found: Gpus, status: str, what: str
) -> None:
    judged = gpu(tmp_path, found)
    assert judged.status == status
    assert what in judged.reason


def test_a_machine_without_a_driver_fails_only_where_it_must_have_one(tmp_path: Path) -> None:
    absent = fault_of(pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    assert gpu(tmp_path, absent).status == "fail"
    assert gpu(tmp_path, absent, gpu="auto").status == "skip"
    broken = fault_of(pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED))
    assert gpu(tmp_path, broken, gpu="auto").status == "fail"
    assert gpu(tmp_path, broken, gpu="none").status == "skip"


SCRIPT = """
import json, os, sys
from pipeline.checks.gpu import gpu_check
from tests.checks.contexts import bench
found = {}
for mode in sys.argv[2:]:
    os.environ["FAKE_NVML"] = mode
    finding = gpu_check(bench(__import__("pathlib").Path(sys.argv[1]), checks={"gpu": "required"}))
    found[mode] = [finding.status, finding.reason]
print(json.dumps(found))
"""


def test_the_real_binding_is_asked(tmp_path: Path) -> None:
    """By nvidia-ml-py, on a stand-in for the library below it; each mode after the other, in one process."""
    library = hardware.nvml(tmp_path / "nvml")
    if library is None:
        pytest.skip("no C compiler for the stand-in library")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "fine", "mismatch", "lost", "sparse", "not_loaded"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "LD_LIBRARY_PATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found == {
        "fine": ["pass", "2 x NVIDIA A10G, driver 580.95.05, 20500 of 23028 MiB in use"],
        "mismatch": ["fail", "The NVIDIA driver does not fit its kernel module."],
        "lost": ["fail", "GPU 1: the card fell off the bus (Xid 79): stop and start the host."],
        "sparse": ["pass", "2 x NVIDIA A10G, driver 580.95.05, 20500 of 23028 MiB in use"],
        "not_loaded": ["fail", "The NVIDIA driver is not loaded."],
    }


# --- containers


def docker(**answers: ProcessResult | Callable[[Sequence[str]], ProcessResult]) -> Answer:
    def answer(words: Sequence[str]) -> ProcessResult | None:
        found = answers[words[1]]
        return found(words) if callable(found) else found

    return answer


def containers(folder: Path, answer: Answer, **checks: str) -> Finding:
    return docker_gpu_check(bench(folder, programs={"docker": answer}, checks={"gpu": "required"} | checks))


def inspected(*found: object) -> ProcessResult:
    return ProcessResult(0, json.dumps(found))


LIST = ProcessResult(0, "nim-llm\niris\n")
BOTH = inspected(container("nim-llm", gpu=True), container("iris", gpu=False))


def test_only_containers_that_were_given_the_gpu_are_asked_for_it(tmp_path: Path) -> None:
    asked: list[str] = []

    def seen(words: Sequence[str]) -> ProcessResult:
        asked.append(words[2])
        return ProcessResult(0, "GPU 0: NVIDIA A10G (UUID: GPU-1)\n")

    found = containers(tmp_path, docker(ps=LIST, inspect=BOTH, exec=seen))
    assert found.status == "pass"
    assert asked == ["nim-llm"]
    assert found.measured == {"containers": 2, "with_gpu": 1}


def test_a_host_that_needs_a_gpu_and_gave_it_to_no_container_fails(tmp_path: Path) -> None:
    none = inspected(container("nim-llm", gpu=False), container("iris", gpu=False))
    found = containers(tmp_path, docker(ps=LIST, inspect=none))
    assert found.status == "fail"
    assert "No container was given the GPU" in found.reason
    assert containers(tmp_path, docker(ps=LIST, inspect=none), gpu="auto").status == "pass"


@pytest.mark.parametrize(
    "said",
    [
        ProcessResult(255, "Failed to initialize NVML: Unknown Error\n"),
        ProcessResult(
            126, 'OCI runtime exec failed: exec failed: "nvidia-smi": executable file not found in $PATH\n'
        ),
        ProcessResult(0, "No devices were found\n"),
    ],
)
def test_a_container_that_lost_the_gpu_is_named(tmp_path: Path, said: ProcessResult) -> None:
    found = containers(tmp_path, docker(ps=LIST, inspect=BOTH, exec=said))
    assert found.status == "fail"
    assert "Container nim-llm does not see the GPU" in found.reason
    assert found.error is not None
    assert "docker restart nim-llm" in found.error.remedy


def test_a_container_that_is_down_is_named_with_its_state(tmp_path: Path) -> None:
    down = inspected(container("nim-llm", gpu=True, state="exited"), container("iris", gpu=False))
    found = containers(tmp_path, docker(ps=LIST, inspect=down))
    assert found.status == "fail"
    assert "nim-llm is exited" in found.reason


@pytest.mark.parametrize(
    ("answer", "required", "auto"),
    [
        (None, "fail", "skip"),
        (
            ProcessResult(1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."),
            "fail",
            "skip",
        ),
        (
            ProcessResult(1, "permission denied while trying to connect to the Docker daemon socket"),
            "skip",
            "skip",
        ),
        (ProcessResult(0, ""), "fail", "skip"),
    ],
)
def test_without_docker_or_containers(
    tmp_path: Path, answer: ProcessResult | None, required: str, auto: str
) -> None:
    assert containers(tmp_path, answer).status == required
    assert containers(tmp_path, answer, gpu="auto").status == auto


def test_what_is_not_json_is_a_failure_and_no_traceback(tmp_path: Path) -> None:
    assert containers(tmp_path, docker(ps=LIST, inspect=ProcessResult(0, "<html>"))).status == "fail"


# --- programs


def test_a_program_is_run_or_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "speaks"
    program.write_text("#!/bin/sh\necho out; echo err >&2; [ -t 0 ] || exit 3\n")
    program.chmod(0o755)
    sleeper = tmp_path / "sleeps"
    sleeper.write_text("#!/bin/sh\nexec sleep 30\n")
    sleeper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert run_program(["speaks"], 10) == ProcessResult(3, "out\nerr\n")
    assert run_program(["no-such-program-anywhere"], 10) is None
    slow = run_program(["sleeps"], 0.1)
    assert slow is not None
    assert slow.code == 124
