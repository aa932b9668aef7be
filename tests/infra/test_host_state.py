"""What root's timer writes for the monitor, with stand-ins for docker; and the step and units that keep it running."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CLOUD_INIT = Path(__file__).resolve().parents[2] / "cloud-init"
UNITS = ("chartwell-monitor.service", "chartwell-state.service", "chartwell-state.timer")
CONTAINER = (
    '{"name":"/iris","status":"running","restarts":0,"started_at":"2026-11-20T18:00:01Z","exit_code":0,'
    '"killed_for_memory":false,"health":null}'
)


def program(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
        "HOST_MOUNT_POINT": str(tmp_path / "data"),
        "HOST_UNITS": str(tmp_path / "units"),
        "HOST_ETC": str(tmp_path / "etc"),
    }


def written(tmp_path: Path, docker: str) -> dict[str, object]:
    program(tmp_path / "bin", "docker", docker)
    done = subprocess.run(
        ["bash", str(CLOUD_INIT / "watch" / "host-state.sh")],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "run" / "host.json"
    assert path.stat().st_mode & 0o777 == 0o644
    return dict(json.loads(path.read_text()))


def test_containers_and_the_size_of_the_database(tmp_path: Path) -> None:
    for name, size in (("mgr", 1000), ("demo", 234)):
        folder = tmp_path / "data" / "iris" / "data" / name
        folder.mkdir(parents=True)
        (folder / "IRIS.DAT").write_bytes(b"x" * size)
    said = f"case $1 in ps) printf 'a\\nb\\n' ;; *) printf '%s\\n%s\\n' '{CONTAINER}' '{CONTAINER}' ;; esac"
    found = written(tmp_path, said)
    assert found == {"containers": [json.loads(CONTAINER)] * 2, "iris_bytes": 1234}


def test_a_database_of_many_gigabytes_has_its_size(tmp_path: Path) -> None:
    """mawk of 2020 (Ubuntu 22.04) has no whole number above 2 GiB."""
    folder = tmp_path / "data" / "iris" / "data"
    folder.mkdir(parents=True)
    with (folder / "IRIS.DAT").open("wb") as file:
        file.truncate(9 << 30)
    assert written(tmp_path, "case $1 in ps) ;; esac")["iris_bytes"] == 9 << 30


@pytest.mark.parametrize(
    ("docker", "wanted"),
    [
        ("case $1 in ps) ;; *) exit 1 ;; esac", {"containers": []}),
        (
            "case $1 in ps) echo a ;; *) echo 'Error: No such object: a' >&2; exit 1 ;; esac",
            {"containers": []},
        ),
        (
            'echo "Cannot connect to the \\"Docker\\" daemon" >&2; exit 1',
            {"docker_error": "Cannot connect to the Docker daemon"},
        ),
    ],
)
def test_a_docker_without_containers_or_without_an_answer(
    tmp_path: Path, docker: str, wanted: dict[str, object]
) -> None:
    found = written(tmp_path, docker)
    assert found.pop("iris_bytes", 0) == 0
    assert found == wanted


def test_the_step_installs_and_restarts_and_may_run_again(tmp_path: Path) -> None:
    program(tmp_path / "bin", "systemctl", f'echo "$@" >>{tmp_path}/asked')
    for _ in range(2):
        done = subprocess.run(
            ["bash", str(CLOUD_INIT / "steps" / "monitor.sh")],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "unchanged" in done.stdout
    assert sorted(path.name for path in (tmp_path / "units").iterdir()) == sorted(UNITS)
    asked = (tmp_path / "asked").read_text()
    assert asked.count("restart chartwell-monitor.service") == 2
    assert "enable -q --now chartwell-state.timer" in asked


def test_the_monitor_is_nobody_special() -> None:
    """No root, no Docker group, no device but the GPU's; it writes below /data/app alone."""
    text = (CLOUD_INIT / "units" / "chartwell-monitor.service").read_text()
    assert re.search(r"^User=chartwell$", text, re.MULTILINE)
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "DevicePolicy=closed",
        "ReadWritePaths=/data/app",
    ):
        assert re.search(rf"^{re.escape(line)}$", text, re.MULTILINE), line
    assert "docker" not in text.lower().replace("docker.service", "")


def test_prometheus_looks_where_the_monitor_shows_its_metrics() -> None:
    text = (CLOUD_INIT / "units" / "chartwell-monitor.service").read_text()
    (port,) = re.findall(r"METRICS_PORT=(\d+)", text)
    scraped = (CLOUD_INIT.parent / "docs" / "monitoring" / "prometheus.yml").read_text()
    assert f"127.0.0.1:{port}" in scraped


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_the_units(unit: str, tmp_path: Path) -> None:
    """All that it may miss here is what only a deployed host has."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(CLOUD_INIT / "units" / unit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{CLOUD_INIT / 'units'}:"},
    )
    said = [
        line
        for line in done.stderr.splitlines()
        if "is not executable" not in line and "not found" not in line
    ]
    assert not [
        line for line in said if "Unknown" in line or "Failed to parse" in line or "Invalid" in line
    ], said
