"""The post-deploy job: ships the pipeline that this checkout holds, gives it its settings, indexes the bucket
and checks that the whole works.

Decides what is shipped, which settings the deployed pipeline reads, and how long an up waits for the
ingestion. Refuses to know what indexing and checking do: it hands a source to `python -m pipeline.vectorize`,
runs `python -m pipeline.validate`, and reads exit codes and last lines. A further job is a `Step` in `steps`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import pulumi
from pulumi_command import remote

from infra.plan.catalog import (
    DATA_MOUNT,
    IRIS_SUPERSERVER_PORT,
    SERVICE_PORT,
    SERVICE_PROCESS_PORT,
)
from infra.plan.config import HostedVision
from infra.rollout.reverse_proxy import Front
from infra.rollout.reverse_proxy import steps as service_steps
from infra.rollout.steps import Nim, SshConnection, Step, run_steps, script

CHECKOUT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = CHECKOUT / "requirements" / "host.txt"
INBOX: Final = "/home/ubuntu/chartwell-inbox"
IRIS_NAMESPACE: Final = "DEMO"  # the pipeline's own default; cloud-init/steps/iris_merge.py makes it
IRIS_USER: Final = "chartwell"
WAIT_SECONDS: Final = 1800
SETUPTOOLS_MIN: Final = 80  # as [build-system] of pyproject.toml


SETTINGS_GROUPS: Final[Mapping[str, str]] = {
    "llm": "GENERATOR",
    "embedding": "EMBEDDER",
    "image": "IMAGE_EMBEDDER",
}


class WheelError(Exception):
    """The wheel of this checkout cannot be built. Carries the builder's last lines; nothing was created."""


@dataclass(frozen=True)
class JobSettings:
    """What the job indexes and what the pipeline is told. `wait_seconds` 0 starts it and does not wait."""

    source: pulumi.Input[str]
    """Such as s3://bucket/prefix."""
    region: str
    environment: Mapping[str, pulumi.Input[str]]
    wheel: Path
    log_groups: Mapping[str, str]
    """Names by role: host, service."""
    front: Front
    """How the service is reached."""
    lock: Path = LOCK
    wait_seconds: int = WAIT_SECONDS


def pipeline_environment(
    models: Sequence[Nim],
    model_names: Mapping[str, str],
    iris_password: pulumi.Input[str],
    *,
    public_url: pulumi.Input[str],
    data: str = DATA_MOUNT,
    gpu: bool = True,
    volume_id: pulumi.Input[str] | None = None,
) -> dict[str, pulumi.Input[str]]:
    """The variables of the deployed pipeline: IRIS for storage, the models that run on the host.

    `model_names` maps a role (llm, embedding, image) to the model's id. A role that does not run keeps the
    pipeline's own local default, which needs no server. `gpu` and `volume_id`: what the checks must find.
    """
    found: dict[str, pulumi.Input[str]] = {
        "CHARTWELL_DATA_DIR": f"{data}/app/state",
        "CHARTWELL_LOG_LEVEL": "info",
        "CHARTWELL_STORE__KIND": "iris",
        "CHARTWELL_IRIS__HOST": "127.0.0.1",
        "CHARTWELL_IRIS__PORT": str(IRIS_SUPERSERVER_PORT),
        "CHARTWELL_IRIS__NAMESPACE": IRIS_NAMESPACE,
        "CHARTWELL_IRIS__USERNAME": IRIS_USER,
        "CHARTWELL_IRIS__PASSWORD": iris_password,
        "CHARTWELL_CHECKS__GPU": "required" if gpu else "none",
        "CHARTWELL_CHECKS__VOLUME": data,
        # From inside, the host cannot reach its own public address.
        "CHARTWELL_CHECKS__SERVICE_ADDRESS": f"127.0.0.1:{SERVICE_PORT}",
        "CHARTWELL_SERVICE__PORT": str(SERVICE_PROCESS_PORT),
        "CHARTWELL_SERVICE__PUBLIC_URL": public_url,
        "CHARTWELL_SERVICE__INBOX": f"{data}/app/documents",
        # Where the watch of an idle host looks (cloud-init/watch/idle.sh).
        "CHARTWELL_SERVICE__ACTIVITY_FILE": f"{data}/app/leases/service",
        "CHARTWELL_MONITOR__SERVICE_URL": f"http://127.0.0.1:{SERVICE_PROCESS_PORT}",
    }
    if volume_id is not None:
        found["CHARTWELL_CHECKS__VOLUME_ID"] = volume_id
    for nim in models:
        group = SETTINGS_GROUPS[nim.role]
        found[f"CHARTWELL_{group}__PROVIDER"] = "nim"
        found[f"CHARTWELL_{group}__MODEL"] = model_names[nim.role]
        found[f"CHARTWELL_{group}__URL"] = f"http://127.0.0.1:{nim.host_port}/v1"
    return found


def vision_environment(vision: HostedVision | None) -> dict[str, pulumi.Input[str]]:
    """The variables of a vision-language model elsewhere; none where there is none."""
    if vision is None:
        return {}
    found: dict[str, pulumi.Input[str]] = {
        "CHARTWELL_VISION__PROVIDER": "openai",
        "CHARTWELL_VISION__URL": vision.url,
        "CHARTWELL_VISION__MODEL": vision.model,
    }
    if vision.key:
        found["CHARTWELL_VISION__API_KEY"] = pulumi.Output.secret(vision.key.reveal())
    return found


def environment_text(environment: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """The settings file, one VARIABLE=value a line, as a secret."""
    lines = [pulumi.Output.concat(name, "=", value, "\n") for name, value in sorted(environment.items())]
    return pulumi.Output.secret(pulumi.Output.concat(*lines))


def build_wheel(folder: Path, checkout: Path = CHECKOUT) -> Path:
    """Builds the wheel of `checkout` into `folder` and returns its path; found again when nothing changed.

    The name of its folder is a hash of what goes in, and dates inside are fixed, so an unchanged checkout
    is not shipped twice. Raises WheelError with the builder's last lines.
    """
    target = folder / sources_hash(checkout)
    if found := sorted(target.glob("*.whl")):
        return found[0]
    target.mkdir(parents=True, exist_ok=True)
    words = ["pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(checkout)]
    done = subprocess.run(
        [sys.executable, "-m", *words, *isolation_flags()],
        capture_output=True,
        text=True,
        check=False,
        # The earliest date that a zip file can hold.
        env={**os.environ, "SOURCE_DATE_EPOCH": "315532800", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if done.returncode:
        raise WheelError(
            "The wheel of this checkout does not build (docs/troubleshooting-aws.md#job):\n"
            + done.stderr[-1500:]
        )
    return next(target.glob("*.whl"))


def isolation_flags() -> list[str]:
    """With a fit setuptools at hand the build needs no network; else pip fetches one for the build."""
    try:
        have = int(metadata.version("setuptools").split(".")[0])
    except metadata.PackageNotFoundError:
        return []
    return ["--no-build-isolation"] if have >= SETUPTOOLS_MIN else []


def sources_hash(checkout: Path = CHECKOUT) -> str:
    """16 hexadecimal digits over the name and content of every file that the wheel is made of."""
    digest = hashlib.sha256()
    files = [checkout / "pyproject.toml", *sorted((checkout / "pipeline").rglob("*"))]
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(checkout)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def steps(settings: JobSettings) -> list[Step]:
    """Install, logs, settings, monitor, service, ingestion, validation. Each may run again: what is there is found,
    what is stored is skipped, what is checked is left as it was. The service comes before the ingestion: it answers
    from what is indexed while the rest follows."""
    install = script(
        "pipeline.sh", "install", f"{INBOX}/{settings.wheel.name}", f"{INBOX}/{settings.lock.name}"
    )
    source = pulumi.Output.from_input(settings.source)
    text = environment_text(settings.environment)
    wait = str(settings.wait_seconds)
    return [
        Step("pipeline", install),
        Step("logs", script("logs.sh"), stdin=_log_settings(settings)),
        Step("pipeline-settings", script("pipeline.sh", "settings"), stdin=text, secret=True),
        Step("monitor", script("monitor.sh"), depends_on_secrets=(text,)),
        *service_steps(settings.front, settings=text),
        Step(
            "ingestion",
            source.apply(lambda uri: script("job.sh", uri, wait, settings.region)),
            depends_on_secrets=(text,),
        ),
        Step("validation", script("validate.sh"), depends_on_secrets=(text,)),
    ]


def _log_settings(settings: JobSettings) -> str:
    """What cloud-init/watch/ship_logs.py reads; containers' own output stays on the host, see there."""
    groups = {f"HOST_LOG_GROUP_{role.upper()}": settings.log_groups[role] for role in ("host", "service")}
    values = {**groups, "AWS_DEFAULT_REGION": settings.region}
    return "".join(f"{name}={value}\n" for name, value in values.items())


def last_status(output: str | None, unknown: str = "state") -> dict[str, object]:
    """The object that a script printed last; where there is none, as in a preview, its field `unknown` says so."""
    for line in reversed((output or "").splitlines()):
        if line.startswith("{"):
            return dict(json.loads(line))
    return {unknown: "unknown"}


class PipelineRollout(pulumi.ComponentResource):
    """Ships and runs the job after `after`. `status` has state (finished, incomplete, running, failed), exit,
    source, seconds; `service` has state (ready, starting), certificate (given, self-signed), its sha256 and the day it
    expires; `validation` has verdict (pass, warn), failed, warned, seconds, at: a failed check fails the up."""

    status: pulumi.Output[dict[str, object]]
    service: pulumi.Output[dict[str, object]]
    validation: pulumi.Output[dict[str, object]]

    def __init__(
        self,
        name: str,
        *,
        connection: SshConnection,
        settings: JobSettings,
        after: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:jobs:Job", name, None, opts)
        copies = [
            self._copy(f"{name}-{kind}", path, connection, after)
            for kind, path in (("wheel", settings.wheel), ("lock", settings.lock))
        ]
        content = [_digest(settings.wheel), _digest(settings.lock)]
        todo = steps(settings)
        commands = run_steps(name, todo, connection, parent=self, after=copies, more_triggers=content)
        said = {
            step.name: command.stdout
            for step, command in zip(todo, commands, strict=True)
            if step.name in ("front", "service", "ingestion", "validation")
        }
        self.status = said["ingestion"].apply(last_status)
        self.validation = said["validation"].apply(lambda printed: last_status(printed, "verdict"))
        self.service = pulumi.Output.all(said["front"], said["service"]).apply(
            lambda both: {**last_status(both[0]), **last_status(both[1])}
        )
        self.register_outputs({"status": self.status, "service": self.service, "validation": self.validation})

    def _copy(
        self, name: str, path: Path, connection: SshConnection, after: pulumi.Input[str]
    ) -> remote.CopyToRemote:
        return remote.CopyToRemote(
            name,
            connection=connection.args(),
            source=pulumi.FileAsset(str(path)),
            remote_path=f"{INBOX}/{path.name}",
            # The provider alone would not copy an unchanged file to a new host.
            triggers=[connection.instance_id, _digest(path), after],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
