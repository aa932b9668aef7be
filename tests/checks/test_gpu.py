"""The GPU and the containers that use it, by what nvidia-smi and docker really say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.checks.gpu import docker_gpu_check, gpu_check
from pipeline.checks.machine import ProcessResult, run_program
from pipeline.checks.result import Finding
from tests.checks.contexts import Answer, bench
from tests.simulated_host import container

GOOD = "NVIDIA A10G, 580.95.05, 23028, 19411, 0, 34, 58.21\n"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n"
)


def gpu(folder: Path, answer: Answer, **checks: str) -> Finding:
    return gpu_check(bench(folder, programs={"nvidia-smi": answer}, checks={"gpu": "required"} | checks))


def test_a_card_is_described(tmp_path: Path) -> None:
    found = gpu(tmp_path, ProcessResult(0, GOOD))
    assert found.status == "pass"
    assert found.measured["memory_total_mebibytes"] == 23028
    assert "NVIDIA A10G, driver 580.95.05, 19411 of 23028 MiB" in found.reason


@pytest.mark.parametrize(
    ("output", "code", "what", "cure"),
    [
        (
            NO_DRIVER,
            9,
            "not loaded",
            "modprobe nvidia",
        ),
        (
            "Failed to initialize NVML: Driver/library version mismatch\n",
            18,
            "kernel module",
            "restart the host",
        ),
        ("No devices were found\n", 6, "finds no GPU", "stop and start"),
        ("Failed to initialize NVML: Unknown Error\n", 255, "cannot be used", "docker restart"),
        ("Failed to initialize NVML: Insufficient Permissions\n", 4, "may not use", "/dev/nvidia"),
        ("Segmentation fault\n", 139, "failed with 139", "dmesg"),
        ("", 1, "it said nothing", "dmesg"),
    ],
)
def test_what_nvidia_smi_says_when_it_fails_has_its_cure(
    tmp_path: Path, output: str, code: int, what: str, cure: str
) -> None:
    found = gpu(tmp_path, ProcessResult(code, output))
    assert found.status == "fail"
    assert what in found.reason
    assert found.error is not None
    assert found.error.code == "CW-CHECK-GPU"
    assert cure in found.error.remedy


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("NVIDIA A10G, 535.183.01, 23028, 0, 0, 34, 58.21", "warn"),
        ("NVIDIA A10G, 580.95.05, 23028, 0, 100, 91, 300.0", "warn"),
        (
            "NVIDIA A10G, 580.95.05, 23028, 0, 9, 30, 50.0\nNVIDIA A10G, 580.95.05, 23028, 0, 9, 91, 50.0",
            "warn",
        ),
        ("NVIDIA A10G, 580.95.05, 23028, 0, [N/A], [N/A], [N/A]", "pass"),
        ("NVIDIA A10G, 580.95.05", "fail"),
    ],
)
def test_an_old_driver_a_hot_card_and_fragments(tmp_path: Path, line: str, status: str) -> None:
    assert gpu(tmp_path, ProcessResult(0, line + "\n")).status == status


def test_a_machine_without_a_driver_fails_only_where_it_must_have_one(tmp_path: Path) -> None:
    assert gpu(tmp_path, None).status == "fail"
    assert gpu(tmp_path, None, gpu="auto").status == "skip"
    assert gpu(tmp_path, ProcessResult(9, "broken"), gpu="none").status == "skip"


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
