"""The containers of the host as Docker sees them: state, restarts, why the last one ended.

Decides which fields are read: never a container's environment, arguments or log. Docker's socket is as good as root, so
on a deployed host a timer of root writes the same fields to a file (cloud-init/watch/host-state.sh) and nothing else
asks Docker; elsewhere `docker` is asked with the user's own rights.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.monitoring.samples import Containers, ContainerSample, Missing, reason

FORMAT = (
    '{"name":{{json .Name}},"status":{{json .State.Status}},"restarts":{{.RestartCount}},'
    '"started_at":{{json .State.StartedAt}},"exit_code":{{.State.ExitCode}},'
    '"killed_for_memory":{{.State.OOMKilled}},'
    '"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}}}'
)
"""Fields of `docker inspect`, one JSON object a container. cloud-init/watch/host-state.sh asks for the same."""
CONTAINERS_MAX = 50
DOCKER_SECONDS_MAX = 5.0
STALE_SECONDS = 180.0
"""The host's timer writes every minute."""


class ContainerProbe:
    """Reads the host's file where there is one, else asks Docker."""

    def __init__(
        self, state_file: Path, *, program: str = "docker", clock: Callable[[], float] = time.time
    ) -> None:
        self._file = HostState(state_file, clock)
        self._program = program

    def __call__(self) -> Containers | Missing:
        state = self._file.read()
        if state is None:
            return self._of_docker()
        if isinstance(state, Missing):
            return state
        if isinstance(error := state.get("docker_error"), str):
            return Missing(docker_meaning(error))
        return of_lines(json.dumps(each) for each in state.get("containers", ()))

    def _of_docker(self) -> Containers | Missing:
        if shutil.which(self._program) is None:
            return Missing("Docker is not installed here")
        listed = self._docker("ps", "--all", "--quiet", "--no-trunc")
        if isinstance(listed, Missing):
            return listed
        ids = listed.split()[:CONTAINERS_MAX]
        if not ids:
            return Containers(())
        inspected = self._docker("inspect", "--format", FORMAT, *ids)
        # A container that is removed between the two calls is missing in the answer, and no fault.
        return inspected if isinstance(inspected, Missing) else of_lines(inspected.splitlines())

    def _docker(self, *words: str) -> str | Missing:
        try:
            done = subprocess.run(
                [self._program, *words],
                capture_output=True,
                text=True,
                check=False,
                timeout=DOCKER_SECONDS_MAX,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            return Missing(f"the Docker daemon did not answer within {DOCKER_SECONDS_MAX:.0f} s")
        except OSError as error:
            return Missing(reason(f"docker: {error.strerror}"))
        if done.returncode and not done.stdout.strip():
            return Missing(docker_meaning(done.stderr))
        return done.stdout


class HostState:
    """What the host's timer wrote: an object, None where there is no such file, Missing where it cannot be trusted."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def read(self) -> Mapping[str, Any] | Missing | None:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
            written = self._path.stat().st_mtime
        except FileNotFoundError:
            return None
        except OSError as error:
            return Missing(reason(f"{self._path.name}: {error.strerror}"))
        age = self._clock() - written
        if abs(age) > STALE_SECONDS:
            return Missing(f"{self._path.name} is {age:.0f} s old: systemctl status chartwell-state.timer")
        try:
            found = json.loads(text)
        except ValueError:
            return Missing(f"{self._path.name} is not whole: systemctl status chartwell-state.timer")
        return found if isinstance(found, dict) else Missing(f"{self._path.name} is not an object")


def docker_meaning(text: str) -> str:
    """Docker's complaint as something to act on."""
    if "permission denied" in text.lower():
        return "this user may not ask Docker (its socket is as good as root)"
    if "Cannot connect to the Docker daemon" in text or "failed to connect to the docker API" in text:
        return "the Docker daemon does not run"
    return reason(f"docker: {text}" if text.strip() else "docker failed and gave no reason")


def of_lines(lines: Any) -> Containers | Missing:
    """Containers from lines of FORMAT, sorted by name."""
    found = []
    for line in lines:
        if not line.strip():
            continue
        try:
            each = json.loads(line)
            found.append(
                ContainerSample(
                    name=str(each["name"]).lstrip("/"),
                    status=str(each["status"]),
                    restarts=int(each["restarts"]),
                    started_at=str(each["started_at"]),
                    exit_code=int(each["exit_code"]),
                    killed_for_memory=bool(each["killed_for_memory"]),
                    health=each.get("health"),
                )
            )
        except (ValueError, KeyError, TypeError):
            return Missing(reason(f"docker inspect printed something else: {line}"))
    return Containers(tuple(sorted(found, key=lambda each: each.name)))
