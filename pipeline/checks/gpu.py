"""The GPU: does the driver see it, and do the containers that were given one?

Asks NVIDIA's library by the monitor's own probe, and `docker`, and knows what that says when it fails. Starts no
container and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import ContainerWrong, GpuUnavailable
from pipeline.checks.machine import ProcessResult
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.monitoring.probes.gpu import GpuFault
from pipeline.monitoring.samples import Gpus
from pipeline.monitoring.thresholds import DRIVER_MIN, driver_level, gpu_level, no_gpu_level

PROGRAM_SECONDS_MAX = 20.0
LABEL = "chartwell.spec"
"""On every container that the deployment started (cloud-init/steps/lib.sh)."""

_CARD = (
    "Check that the instance type has one (g5, g6); a card that fell off the bus comes back with a stop and start of "
    "the instance, not with a reboot."
)
_MEBIBYTE = 2**20


def gpu_check(context: CheckContext) -> Finding:
    """Driver, card, memory and temperature as NVIDIA's library (NVML) tells them."""
    if reason := _not_here(context):
        return skipped(reason)
    found = context.machine.gpus()
    if not isinstance(found, GpuFault):
        return _judged(found)
    if no_gpu_level(context.settings.checks.gpu, absent=found.absent) is None:
        return skipped(f"{found}, and nothing here says that it needs a GPU")
    needed = " This machine must have a GPU." if found.absent else ""
    return failed(GpuUnavailable(f"{_sentence(found.what)}{needed}", remedy=found.cure))


def _sentence(what: str) -> str:
    return f"{what[0].upper()}{what[1:]}."


def _not_here(context: CheckContext) -> str:
    if context.settings.checks.gpu == "none":
        return "the settings say that there is no GPU (CHARTWELL_CHECKS__GPU=none)"
    return "seen from outside: the GPU can only be asked on the host" if context.vantage == "outside" else ""


def _judged(gpus: Gpus) -> Finding:
    if not gpus.cards:
        return failed(GpuUnavailable("The driver finds no GPU.", remedy=_CARD), cards=0, driver=gpus.driver)
    hottest = max(gpus.cards, key=lambda card: card.temperature_celsius or 0)
    measured: dict[str, str | int | float | bool | None] = {
        "cards": len(gpus.cards),
        "name": hottest.name,
        "driver": gpus.driver,
        "memory_total_mebibytes": _mebibytes(hottest.memory_total_bytes),
        "memory_used_mebibytes": _mebibytes(hottest.memory_used_bytes),
        "utilisation_percent": None if hottest.utilisation is None else round(100 * hottest.utilisation),
        "temperature_celsius": hottest.temperature_celsius,
    }
    for card in gpus.cards:
        if card.fault:
            return failed(GpuUnavailable(f"GPU {card.index}: {card.fault}.", remedy=_CARD), **measured)
    if driver_level(gpus.driver):
        return warned(
            GpuUnavailable(
                f"The driver is {gpus.driver}; NIM 2.x wants {DRIVER_MIN} or newer.",
                remedy="Install nvidia-headless-no-dkms-580-server with the module package of this kernel, "
                "and restart the host.",
            ),
            **measured,
        )
    if gpu_level(hottest.temperature_celsius):
        return warned(
            GpuUnavailable(
                f"The GPU is at {hottest.temperature_celsius} °C and slows itself down.",
                remedy="In a data centre of AWS this is a fault of the host: stop and start the instance.",
            ),
            **measured,
        )
    number = f"{len(gpus.cards)} x " if len(gpus.cards) > 1 else ""
    memory = f"{measured['memory_used_mebibytes']} of {measured['memory_total_mebibytes']} MiB in use"
    return passed(f"{number}{hottest.name}, driver {gpus.driver}, {memory}", **measured)


def _mebibytes(size: int | None) -> int | None:
    return None if size is None else size // _MEBIBYTE


def docker_gpu_check(context: CheckContext) -> Finding:
    """Are our containers up, and does each that was given a GPU see it? Asked inside the running container: a container
    of our own would need an image, and memory of the card."""
    if reason := _not_here(context):
        return skipped(reason)
    done = context.machine.run(
        ["docker", "ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}"], PROGRAM_SECONDS_MAX
    )
    if done is None or done.code:
        return _without_docker(context, done)
    names = done.output.split()
    if not names:
        if context.settings.checks.gpu == "auto":
            return skipped("no container of a deployment on this machine")
        return failed(
            ContainerWrong(
                "No container of the deployment is on this machine.",
                remedy="Bring them up: pulumi up, or on the host: sudo systemctl start chartwell-containers",
            )
        )
    return _inspected(context, sorted(names))


def _without_docker(context: CheckContext, done: ProcessResult | None) -> Finding:
    if done is not None and "permission denied" in done.output.lower():
        return skipped("this user may not use Docker: run it with sudo, or in the group docker")
    if context.settings.checks.gpu == "auto":
        return skipped("no Docker engine on this machine, and nothing here says that it needs one")
    said = "it is not installed" if done is None else f'it says "{done.first_line}"'
    return failed(
        ContainerWrong(
            f"Docker does not answer: {said}.",
            remedy="Start it: sudo systemctl start docker. Its data is on the data volume, which must be "
            "mounted first.",
        )
    )


def _inspected(context: CheckContext, names: Sequence[str]) -> Finding:
    done = context.machine.run(["docker", "inspect", *names], PROGRAM_SECONDS_MAX)
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
    if not with_gpu and context.settings.checks.gpu == "required":
        return failed(
            ContainerWrong(
                "No container was given the GPU.",
                remedy="Make them again: pulumi up, which gives each model's container the card (docker run --gpus).",
            ),
            containers=len(names),
            with_gpu=0,
        )
    for name in with_gpu:
        seen = context.machine.run(["docker", "exec", name, "nvidia-smi", "-L"], PROGRAM_SECONDS_MAX)
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
