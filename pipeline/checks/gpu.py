"""The GPU: does the driver see it, and do the containers that were given one?

Asks `nvidia-smi` and `docker`, and knows what they say when they fail. Starts no container and changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import ContainerWrong, GpuUnavailable
from pipeline.checks.machine import ProcessResult
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.monitoring.thresholds import gpu_level

QUERY = "name,driver_version,memory.total,memory.used,utilization.gpu,temperature.gpu,power.draw"
DRIVER_MIN = 580
"""NIM for language models, 2.x (get-started pages of docs.nvidia.com/nim)."""
PROGRAM_SECONDS_MAX = 20.0
LABEL = "chartwell.spec"
"""On every container that the deployment started (cloud-init/steps/lib.sh)."""

_REBOOT = "They are of two versions, as after an unattended upgrade: restart the host (`sudo reboot`)."
_MODULE = (
    "Load it (`sudo modprobe nvidia`); where that fails, the module for this kernel is missing: install "
    "linux-modules-nvidia-580-server-$(uname -r), or restart the host."
)
_CARD = (
    "Check that the instance type has one (g5, g6); a card that fell off the bus comes back with a stop and start of "
    "the instance, not with a reboot."
)
_SAYINGS = (
    (r"Driver/library version mismatch", "The NVIDIA driver does not fit its kernel module", _REBOOT),
    (
        r"couldn't communicate with the NVIDIA driver|driver is not loaded|NVIDIA driver is not (loaded|installed)",
        "The NVIDIA driver is not loaded",
        _MODULE,
    ),
    (
        r"No devices were found",
        "The driver finds no GPU",
        _CARD,
    ),
    (
        r"Failed to initialize NVML: Unknown Error",
        "The driver's library cannot be used here",
        "A container that lost its GPU to `systemctl daemon-reload` gets it back with a restart: docker restart NAME.",
    ),
    (
        r"Insufficient Permissions",
        "This user may not use the GPU",
        "Give it access to /dev/nvidia*: add the user to the group that owns them.",
    ),
)


def gpu_check(bench: CheckContext) -> Finding:
    """Driver, card, memory and temperature as `nvidia-smi` tells them."""
    if reason := _not_here(bench):
        return skipped(reason)
    done = bench.machine.run(
        ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"], PROGRAM_SECONDS_MAX
    )
    if done is None:
        if bench.settings.checks.gpu == "auto":
            return skipped("no NVIDIA driver on this machine, and nothing here says that it needs one")
        return failed(
            GpuUnavailable(
                "nvidia-smi is not installed, and this machine must have a GPU.",
                remedy="Install the driver with its tools: nvidia-utils-580-server and the kernel's module package.",
            )
        )
    if done.code:
        return failed(_translated(done), exit_code=done.code)
    return _judged([[part.strip() for part in line.split(",")] for line in done.output.splitlines() if line])


def _not_here(bench: CheckContext) -> str:
    if bench.settings.checks.gpu == "none":
        return "the settings say that there is no GPU (CHARTWELL_CHECKS__GPU=none)"
    return "seen from outside: the GPU can only be asked on the host" if bench.vantage == "outside" else ""


def _translated(done: ProcessResult) -> GpuUnavailable:
    for pattern, what, remedy in _SAYINGS:
        if re.search(pattern, done.output, re.IGNORECASE):
            return GpuUnavailable(f'{what}: nvidia-smi says "{done.first_line}".', remedy=remedy)
    return GpuUnavailable(
        f'nvidia-smi failed with {done.code}: "{done.first_line}".',
        remedy="Look at `sudo dmesg | grep -i -e nvrm -e xid`; an Xid there names the fault.",
    )


def _judged(cards: Sequence[Sequence[str]]) -> Finding:
    """Each card: name, driver, memory in MiB (total, used), utilisation in percent, temperature, power in watts."""
    if not cards or any(len(card) != len(QUERY.split(",")) for card in cards):
        return failed(
            GpuUnavailable(
                "nvidia-smi answers something that is not understood.",
                remedy="Run it by hand; a card that is falling off the bus answers in fragments: stop and "
                "start the instance.",
            )
        )
    name, driver, total, used, busy, hot, _ = max(
        cards, key=lambda card: _number(card[5]) or 0.0
    )  # the hottest
    measured: dict[str, str | int | float | bool | None] = {
        "cards": len(cards),
        "name": name,
        "driver": driver,
        "memory_total_mebibytes": _number(total),
        "memory_used_mebibytes": _number(used),
        "utilisation_percent": _number(busy),
        "temperature_celsius": _number(hot),
    }
    if (major := _number(driver.partition(".")[0])) is not None and major < DRIVER_MIN:
        return warned(
            GpuUnavailable(
                f"The driver is {driver}; NIM 2.x wants {DRIVER_MIN} or newer.",
                remedy="Install nvidia-headless-no-dkms-580-server with the module package of this kernel, "
                "and restart the host.",
            ),
            **measured,
        )
    if gpu_level(degrees := _number(hot)):
        return warned(
            GpuUnavailable(
                f"The GPU is at {degrees:g} °C and slows itself down.",
                remedy="In a data centre of AWS this is a fault of the host: stop and start the instance.",
            ),
            **measured,
        )
    number = f"{len(cards)} x " if len(cards) > 1 else ""
    return passed(f"{number}{name}, driver {driver}, {used} of {total} MiB in use", **measured)


def _number(text: str) -> float | None:
    """A number of nvidia-smi's, None for its "[N/A]"."""
    try:
        return float(text)
    except ValueError:
        return None


def docker_gpu_check(bench: CheckContext) -> Finding:
    """Are our containers up, and does each that was given a GPU see it? Asked inside the running container: a container
    of our own would need an image, and memory of the card."""
    if reason := _not_here(bench):
        return skipped(reason)
    done = bench.machine.run(
        ["docker", "ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}"], PROGRAM_SECONDS_MAX
    )
    if done is None or done.code:
        return _without_docker(bench, done)
    names = done.output.split()
    if not names:
        if bench.settings.checks.gpu == "auto":
            return skipped("no container of a deployment on this machine")
        return failed(
            ContainerWrong(
                "No container of the deployment is on this machine.",
                remedy="Bring them up: pulumi up, or on the host: sudo systemctl start chartwell-containers",
            )
        )
    return _inspected(bench, sorted(names))


def _without_docker(bench: CheckContext, done: ProcessResult | None) -> Finding:
    if done is not None and "permission denied" in done.output.lower():
        return skipped("this user may not use Docker: run it with sudo, or in the group docker")
    if bench.settings.checks.gpu == "auto":
        return skipped("no Docker engine on this machine, and nothing here says that it needs one")
    said = "it is not installed" if done is None else f'it says "{done.first_line}"'
    return failed(
        ContainerWrong(
            f"Docker does not answer: {said}.",
            remedy="Start it: sudo systemctl start docker. Its data is on the data volume, which must be "
            "mounted first.",
        )
    )


def _inspected(bench: CheckContext, names: Sequence[str]) -> Finding:
    done = bench.machine.run(["docker", "inspect", *names], PROGRAM_SECONDS_MAX)
    containers = _json_list(done.output) if done is not None and not done.code else []
    down = {
        str(each["Name"]).lstrip("/"): str(each["State"]["Status"])
        for each in containers
        if each["State"]["Status"] != "running"
    }
    if len(containers) != len(names) or down:
        listed = ", ".join(f"{name} is {state}" for name, state in down.items()) or "one went away meanwhile"
        first = next(iter(down), names[0])
        return failed(
            ContainerWrong(
                f"Not every container runs: {listed}.",
                remedy=f"Its own log says why: sudo docker logs --tail 50 {first}. Then: sudo docker start {first}",
            ),
            containers=len(names),
            down=", ".join(down),
        )
    with_gpu = [
        str(each["Name"]).lstrip("/")
        for each in containers
        if (each.get("HostConfig") or {}).get("DeviceRequests")
    ]
    if not with_gpu and bench.settings.checks.gpu == "required":
        return failed(
            ContainerWrong(
                "No container was given the GPU.",
                remedy="Make them anew: pulumi up, which gives each model's container the card (docker run --gpus).",
            ),
            containers=len(names),
            with_gpu=0,
        )
    for name in with_gpu:
        seen = bench.machine.run(["docker", "exec", name, "nvidia-smi", "-L"], PROGRAM_SECONDS_MAX)
        if seen is None or seen.code or "GPU 0" not in seen.output:
            return failed(_blind(name, seen), containers=len(names), with_gpu=len(with_gpu))
    return passed(
        f"{len(names)} containers run, {len(with_gpu)} of them see the GPU",
        containers=len(names),
        with_gpu=len(with_gpu),
    )


def _blind(name: str, seen: ProcessResult | None) -> ContainerWrong:
    said = seen.first_line if seen is not None else "nothing"
    return ContainerWrong(
        f'Container {name} does not see the GPU: "{said}".',
        remedy=f"Restart it: sudo docker restart {name}. Where that does not help: sudo nvidia-ctk runtime configure "
        "--runtime=docker, then sudo systemctl restart docker.",
    )


def _json_list(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
