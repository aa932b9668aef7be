"""Containers: Docker's own words, the file that the host's timer writes, and what goes wrong with either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.monitoring.probes.containers import FORMAT, STALE_SECONDS, ContainerProbe
from pipeline.monitoring.samples import Containers, ContainerSample, Missing
from tests.servers import hardware

ROOT = Path(__file__).resolve().parents[2]
IRIS = {
    "name": "/iris",
    "status": "running",
    "restarts": 0,
    "started_at": "2026-11-20T18:00:01.123456789Z",
    "exit_code": 0,
    "killed_for_memory": False,
    "health": "healthy",
}
LLM = {
    **IRIS,
    "name": "/nim-llm",
    "status": "restarting",
    "restarts": 4,
    "exit_code": 137,
    "killed_for_memory": True,
}


def docker(folder: Path, inspected: str, *, listed: str = "aa11\nbb22\n", status: int = 0) -> str:
    (folder / "listed").write_text(listed)
    (folder / "inspected").write_text(inspected)
    body = (
        f'echo "$@" >>{folder}/asked\n'
        f"case $1 in ps) cat {folder}/listed ;; *) cat {folder}/inspected; exit {status} ;; esac"
    )
    return str(hardware.program(folder, "docker", body))


def lines(*containers: dict[str, object]) -> str:
    return "".join(json.dumps({**each, "health": each.get("health")}) + "\n" for each in containers)


def nowhere(tmp_path: Path) -> Path:
    return tmp_path / "absent.json"


def test_docker_is_asked_and_told_apart(tmp_path: Path) -> None:
    found = ContainerProbe(nowhere(tmp_path), program=docker(tmp_path, lines(LLM, IRIS)))()
    assert found == Containers(
        (
            ContainerSample("iris", "running", 0, "2026-11-20T18:00:01.123456789Z", 0, False, "healthy"),
            ContainerSample(
                "nim-llm", "restarting", 4, "2026-11-20T18:00:01.123456789Z", 137, True, "healthy"
            ),
        )
    )
    asked = (tmp_path / "asked").read_text()
    assert "inspect --format" in asked
    assert asked.rstrip().endswith("aa11 bb22")


def test_a_container_that_went_between_the_two_calls_is_no_fault(tmp_path: Path) -> None:
    found = ContainerProbe(nowhere(tmp_path), program=docker(tmp_path, lines(IRIS), status=1))()
    assert isinstance(found, Containers)
    assert [each.name for each in found.found] == ["iris"]


def test_none_is_none(tmp_path: Path) -> None:
    assert ContainerProbe(nowhere(tmp_path), program=docker(tmp_path, "", listed=""))() == Containers(())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "does not run",
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "may not ask Docker",
        ),
        ("Error response from daemon: something new", "something new"),
    ],
)
def test_docker_that_refuses(tmp_path: Path, words: str, said: str) -> None:
    program = hardware.printing(tmp_path, "docker", words + "\n", status=1, stream=2)
    found = ContainerProbe(nowhere(tmp_path), program=str(program))()
    assert isinstance(found, Missing)
    assert said in found.missing


@pytest.mark.parametrize("inspected", ["not json\n", '{"name": "/x"}\n', "[]\n"])
def test_an_answer_of_another_docker_is_no_reading(tmp_path: Path, inspected: str) -> None:
    found = ContainerProbe(nowhere(tmp_path), program=docker(tmp_path, inspected))()
    assert isinstance(found, Missing)
    assert "something else" in found.missing


def test_without_docker(tmp_path: Path) -> None:
    assert ContainerProbe(nowhere(tmp_path), program="no-such-docker")() == Missing(
        "Docker is not installed here"
    )


# --- the file of the host's timer


def written(tmp_path: Path, text: str, *, age: float = 0.0) -> ContainerProbe:
    path = tmp_path / "host-state.json"
    path.write_text(text)
    program = docker(tmp_path, lines(LLM))
    return ContainerProbe(path, program=program, clock=lambda: path.stat().st_mtime + age)


def test_the_hosts_file_is_believed_and_docker_left_alone(tmp_path: Path) -> None:
    found = written(tmp_path, json.dumps({"containers": [IRIS], "iris_bytes": 1}))()
    assert isinstance(found, Containers)
    assert [each.name for each in found.found] == ["iris"]
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("text", "age", "said"),
    [
        (json.dumps({"containers": []}), STALE_SECONDS + 1, "s old"),
        (json.dumps({"containers": []}), -STALE_SECONDS - 1, "s old"),
        ('{"containers": [', 0, "not whole"),
        ("[]", 0, "not an object"),
        (
            json.dumps({"docker_error": "Cannot connect to the Docker daemon at unix:///x."}),
            0,
            "does not run",
        ),
    ],
)
def test_a_file_that_cannot_be_trusted(tmp_path: Path, text: str, age: float, said: str) -> None:
    found = written(tmp_path, text, age=age)()
    assert isinstance(found, Missing)
    assert said in found.missing


def test_the_hosts_timer_asks_for_the_same_fields() -> None:
    script = (ROOT / "cloud-init" / "watch" / "host-state.sh").read_text(encoding="utf-8")
    assert FORMAT in script
    for secret in ("Env", "Args", "Cmd", "logs"):
        assert f".{secret}" not in FORMAT
