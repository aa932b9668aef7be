"""What is done on the host over SSH, in order: one named, idempotent step each.

Decides the steps and their order, and what a container is started with. Refuses to know how the host came
to be, what fits on it (`sizing`) and what the scripts do inside (`cloud-init/steps`). A further container
is a `Container` and its `container_step`; a further unit or script is a file in `cloud-init/` and a `Step`.

Rules that every step keeps, because the remote command provider has no others: no secret in the command
text (it is printed when a step fails), secrets by standard input; no `delete` script (a dead host would
block a pause); lines short; run again when the host, the scripts, the input or a secret it depends on
changes, and harmless when run again.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import io
import shlex
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pulumi
from pulumi_command import remote

from infra.plan.catalog import (
    DATA_MOUNT,
    IRIS_SUPERSERVER_PORT,
    IRIS_WEB_PORT,
    NIM_CONTAINER_PORT,
    SSH_USER,
)

HOST_FILES: Final = Path(__file__).resolve().parents[2] / "cloud-init"
SHIPPED: Final = ("front", "steps", "units", "watch")
HOME: Final = "/opt/chartwell"
SECRETS: Final = "/etc/chartwell/secrets"
NGC_REGISTRY: Final = "nvcr.io"
NGC_USER: Final = "$oauthtoken"  # literally: NGC takes the key as this user's password

BOOT_SECONDS_MAX: Final = 2700
REBOOT_SECONDS_MAX: Final = 900
# Ten tries of the provider's default last about 15 s, less than a host needs to boot; a hundred last 5-8
# minutes.
DIAL_TRIES_MAX: Final = 100
DIAL_SECONDS_MAX: Final = 15

COMMUNITY_CORES_MAX: Final = 20  # IRIS Community Edition refuses to start on more
IRIS_STOP_SECONDS: Final = 120  # Docker's 10 s end in a recovery at the next start
IRIS_FATAL: Final = "Invalid Community Edition license|exceeded core limit|[Ll]icense.*expired|not writeable"
NIM_FATAL: Final = (
    "CUDA out of memory|ManifestDownloadError|No available memory for the cache blocks"
    "|less than desired GPU memory|Authorization failed|401 Unauthorized"
)
MODEL_READY_SECONDS: Final = 2700  # first start: 16 GB of weights, then 3-5 minutes of loading
NIM_STOP_SECONDS: Final = 30
# Said aloud, whatever a vendor's default is: nothing that is asked or indexed is counted anywhere else.
TELEMETRY_OFF: Final = (("NIM_TELEMETRY_MODE", "0"), ("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1"))


@dataclass(frozen=True)
class SshConnection:
    """How the host is reached. `instance_id` and `attachment_id` make the steps run again on another host,
    and keep them from running before the data volume is attached."""

    address: pulumi.Input[str]
    private_key: pulumi.Input[str]
    instance_id: pulumi.Input[str]
    attachment_id: pulumi.Input[str]
    host_key: pulumi.Input[str] | None = None
    """Public key that the host must have; None accepts any."""
    user: str = SSH_USER
    dial_tries_max: int = DIAL_TRIES_MAX

    def args(self) -> remote.ConnectionArgs:
        return remote.ConnectionArgs(
            host=self.address,
            user=self.user,
            private_key=pulumi.Output.secret(self.private_key),
            host_key=self.host_key,
            dial_error_limit=self.dial_tries_max,
            per_dial_timeout=DIAL_SECONDS_MAX,
        )


@dataclass(frozen=True)
class Step:
    """One remote command. `command` is shown in previews and errors, so it holds no secret.

    `stdin` is delivered encrypted and kept encrypted in the state when `secret`; `depends_on_secrets` are
    values whose change must run the step again although its own text stays the same.
    """

    name: str
    command: pulumi.Input[str]
    stdin: pulumi.Input[str] = ""
    secret: bool = False
    depends_on_secrets: tuple[pulumi.Input[str], ...] = ()


@dataclass(frozen=True)
class Container:
    """A container as `cloud-init/steps/container.sh` reads it. Paths are the host's; ports bind to
    `bind_address`."""

    name: str
    image: str
    ports: tuple[tuple[int, int], ...]
    """(host, container) pairs."""
    volumes: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    environment_file: str | None = None
    directories: tuple[str, ...] = ()
    """path:uid:gid:mode, made before the start."""
    inputs: tuple[str, ...] = ()
    gpu_index: int | None = None
    shm_gib: int | None = None
    memory_gib: float | None = None
    extra: tuple[str, ...] = ()
    """Further arguments of `docker run`."""
    command: tuple[str, ...] = ()
    ready_url: str | None = None
    ready_exec: str | None = None
    ready_match: str | None = None
    ready_seconds: int = 600
    stop_seconds: int = NIM_STOP_SECONDS
    fatal: str | None = None
    bind_address: str = "127.0.0.1"

    def description(self) -> str:
        """The lines that container.sh reads. Raises ValueError for a value that would break a line."""
        lines = [
            ("image", self.image),
            *(("directory", each) for each in self.directories),
            *(("input", each) for each in self.inputs),
            *(("run", each) for each in self._arguments()),
            *(("command", each) for each in self.command),
            ("ready_url", self.ready_url),
            ("ready_exec", self.ready_exec),
            ("ready_match", self.ready_match),
            ("ready_seconds", str(self.ready_seconds)),
            ("stop_seconds", str(self.stop_seconds)),
            ("fatal", self.fatal),
        ]
        for key, value in lines:
            if value and ("\n" in value or "\0" in value):
                raise ValueError(f"{self.name}: the value of {key} has more than one line.")
        return "".join(f"{key}={value}\n" for key, value in lines if value)

    def _arguments(self) -> list[str]:
        found = [f"--publish={self.bind_address}:{host}:{inside}" for host, inside in self.ports]
        found += [f"--volume={host}:{inside}" for host, inside in self.volumes]
        found += [f"--env={name}={value}" for name, value in self.environment]
        if self.environment_file:
            found.append(f"--env-file={self.environment_file}")
        if self.gpu_index is not None:
            found.append(f"--gpus=device={self.gpu_index}")
        if self.shm_gib:
            found.append(f"--shm-size={self.shm_gib}g")
        if self.memory_gib:
            found.append(f"--memory={int(self.memory_gib * 1024)}m")
        return [*found, *self.extra]


@dataclass(frozen=True)
class IrisService:
    """What the database is started with. `image` is a reference by digest; sizes from `sizing.Plan`."""

    image: str
    password: pulumi.Input[str]
    global_buffers_mb: int
    memory_gib: float
    vcpus: int
    bind_address: str = "127.0.0.1"


@dataclass(frozen=True)
class Nim:
    """One model container, as `sizing.ModelPlacement` has it. `gpu_index` None runs it on the CPU."""

    role: str
    image: str
    host_port: int
    gpu_index: int | None
    container_uid: int | None
    shm_gib: int
    context_tokens: int | None = None
    concurrent_sequences: int | None = None
    gpu_memory_fraction: float | None = None
    bind_address: str = "127.0.0.1"

    @property
    def name(self) -> str:
        return f"nim-{self.role}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.host_port}/v1/metrics"


@dataclass(frozen=True)
class HostWatch:
    """What runs inside the host without anyone logged in. `idle_minutes` 0 switches the auto-pause off."""

    idle_minutes: int
    spot: bool
    gpu: bool


@dataclass(frozen=True)
class HostServices:
    """Everything that is to run on the host. `models` start in this order, each ready before the next."""

    volume_id: pulumi.Input[str]
    ngc_api_key: pulumi.Input[str]
    iris: IrisService
    models: tuple[Nim, ...]
    watch: HostWatch
    more: tuple[Step, ...] = field(default=())
    """Steps after the models, before the units: where a later service goes."""


def iris_container(iris: IrisService, *, data: str = DATA_MOUNT) -> Container:
    """IRIS with its data, databases included, in a folder of the volume ('durable %SYS')."""
    limits = (
        (f"--cpuset-cpus=0-{COMMUNITY_CORES_MAX - 1}", f"--cpus={COMMUNITY_CORES_MAX}")
        if iris.vcpus > COMMUNITY_CORES_MAX
        else ()
    )
    return Container(
        name="iris",
        image=iris.image,
        ports=((IRIS_SUPERSERVER_PORT, IRIS_SUPERSERVER_PORT), (IRIS_WEB_PORT, IRIS_WEB_PORT)),
        # A folder below the mount, so that the mount itself can belong to the image's user.
        volumes=((f"{data}/iris", "/dur"), (f"{data}/iris-merge", "/merge:ro")),
        environment=(("ISC_DATA_DIRECTORY", "/dur/data"), ("ISC_CPF_MERGE_FILE", "/merge/merge.cpf")),
        directories=(f"{data}/iris:51773:51773:0770",),
        inputs=(f"{data}/iris-merge/merge.cpf",),
        memory_gib=iris.memory_gib,
        extra=limits,
        command=("--check-caps", "false"),
        ready_exec="iris qlist IRIS",
        ready_match="running",
        ready_seconds=600,
        stop_seconds=IRIS_STOP_SECONDS,
        fatal=IRIS_FATAL,
        bind_address=iris.bind_address,
    )


def nim_container(nim: Nim, *, data: str = DATA_MOUNT, secrets: str = SECRETS) -> Container:
    """A NIM with its model cache on the volume.

    NV-CLIP cannot run as another user than its own (release notes 2.0.0), so no user is ever set: the
    folder is made fit for the image's user instead, and open to all when that user is unknown.
    """
    cache = f"{data}/nim/{nim.role}"
    uid = nim.container_uid
    owner = f"{uid}:{uid}:0750" if uid is not None else "1000:1000:0777"
    return Container(
        name=nim.name,
        image=nim.image,
        ports=((nim.host_port, NIM_CONTAINER_PORT),),
        volumes=((cache, "/opt/nim/.cache"),),
        environment=tuple(_nim_environment(nim)),
        environment_file=f"{secrets}/ngc.env",
        directories=(f"{data}/nim:0:0:0755", f"{cache}:{owner}"),
        gpu_index=nim.gpu_index,
        shm_gib=nim.shm_gib,
        ready_url=f"http://127.0.0.1:{nim.host_port}/v1/health/ready",
        ready_seconds=MODEL_READY_SECONDS,
        fatal=NIM_FATAL,
        bind_address=nim.bind_address,
    )


def _nim_environment(nim: Nim) -> list[tuple[str, str]]:
    """Variables for both generations: 1.x images read NIM_KVCACHE_PERCENT and NIM_MAX_NUM_SEQS, 2.x images
    take the engine's own arguments; each ignores the other's."""
    found: list[tuple[str, str]] = list(TELEMETRY_OFF)
    if nim.gpu_index is None:
        found.append(("NIM_CPU_ONLY", "1"))
    if nim.context_tokens and nim.role == "llm":
        found += [
            ("NIM_MAX_MODEL_LEN", str(nim.context_tokens)),
            ("NIM_SDK_MAX_PARALLEL_DOWNLOAD_REQUESTS", "4"),
        ]
    passthrough = []
    if nim.gpu_memory_fraction is not None:
        found.append(("NIM_KVCACHE_PERCENT", f"{nim.gpu_memory_fraction:.3f}"))
        passthrough += ["--gpu-memory-utilization", f"{nim.gpu_memory_fraction:.3f}"]
    if nim.concurrent_sequences and nim.role == "llm":
        found.append(("NIM_MAX_NUM_SEQS", str(nim.concurrent_sequences)))
        passthrough += ["--max-num-seqs", str(nim.concurrent_sequences)]
    if passthrough:
        found.append(("NIM_PASSTHROUGH_ARGS", " ".join(passthrough)))
    return found


def script(name: str, *arguments: str) -> str:
    """The command that runs a shipped script as root, arguments quoted."""
    return shlex.join(["sudo", "-n", "bash", f"{HOME}/steps/{name}", *arguments])


def container_step(container: Container, *, depends_on_secrets: tuple[pulumi.Input[str], ...] = ()) -> Step:
    """Brings one container to its description and waits until it is ready."""
    return Step(
        name=container.name,
        command=script("container.sh", container.name),
        stdin=container.description(),
        depends_on_secrets=depends_on_secrets,
    )


def secret_step(name: str, value: pulumi.Input[str]) -> Step:
    """Puts a secret on the host, readable by root only."""
    return Step(name=name.replace(".", "-"), command=script("secret.sh", name), stdin=value, secret=True)


def wait_step(name: str, seconds: int) -> Step:
    """Waits for the boot. The script goes by standard input, since nothing has been shipped yet."""
    text = (HOST_FILES / "steps" / "wait.sh").read_text(encoding="utf-8")
    return Step(name=name, command=f"sudo -n bash -s {seconds}", stdin=text)


def steps(services: HostServices, *, data: str = DATA_MOUNT, secrets: str = SECRETS) -> list[Step]:
    """All steps, in the order in which they run."""
    iris = services.iris
    key = services.ngc_api_key
    containers = [nim_container(nim, data=data, secrets=secrets) for nim in services.models]
    found = [
        wait_step("boot", BOOT_SECONDS_MAX),
        # When the driver needed a reboot, `boot` ends with it, and this one finds the host coming up again.
        wait_step("boot-settled", REBOOT_SECONDS_MAX),
        ship_step(),
        _mount_step(services),
        secret_step("iris.password", iris.password),
    ]
    if services.models:
        found.append(secret_step("ngc.env", pulumi.Output.concat("NGC_API_KEY=", key, "\n")))
        found.append(Step("ngc-login", script("login.sh", NGC_REGISTRY, NGC_USER), stdin=key, secret=True))
    found.append(
        Step(
            "iris",
            script("iris.sh", str(iris.global_buffers_mb)),
            stdin=iris_container(iris, data=data).description(),
            depends_on_secrets=(iris.password,),
        )
    )
    found += [container_step(each, depends_on_secrets=(key,)) for each in containers]
    found += services.more
    found.append(_units_step(services, ["iris", *(each.name for each in containers)]))
    return found


def _mount_step(services: HostServices) -> Step:
    volume_id = pulumi.Output.from_input(services.volume_id)
    return Step("data-volume", command=volume_id.apply(lambda each: script("mount.sh", each)))


def _units_step(services: HostServices, order: Sequence[str]) -> Step:
    watch = services.watch
    settings = {
        "HOST_IDLE_MINUTES": str(watch.idle_minutes),
        "HOST_SPOT": "yes" if watch.spot else "no",
        "HOST_GPU": "yes" if watch.gpu else "no",
        "HOST_METRICS_URLS": " ".join(nim.metrics_url for nim in services.models),
        "HOST_ORDER": " ".join(order),
    }
    return Step("units", script("units.sh"), stdin="".join(f"{k}={v}\n" for k, v in settings.items()))


def ship_step() -> Step:
    """Puts the scripts and units on the host, in place of those that were there."""
    fresh = f"{HOME}.new"
    unpack = (
        f"rm -rf {fresh} && mkdir -p {fresh} && base64 -d | tar -xz -C {fresh}"
        f" && rm -rf {HOME} && mv {fresh} {HOME} && echo 'scripts: shipped'"
    )
    return Step("scripts", shlex.join(["sudo", "-n", "sh", "-c", unpack]), stdin=packed_scripts())


def packed_scripts(root: Path = HOST_FILES) -> str:
    """The host's scripts as base64 of a tar.gz, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(each for name in SHIPPED for each in (root / name).iterdir() if each.is_file()):
            entry = tarfile.TarInfo(path.relative_to(root).as_posix())
            content = path.read_bytes()
            entry.size = len(content)
            entry.mode = 0o755 if path.suffix == ".sh" else 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed = base64.b64encode(gzip.compress(buffer.getvalue(), mtime=0)).decode()
    # In lines: some line readers on the way have a limit.
    return "\n".join(packed[at : at + 76] for at in range(0, len(packed), 76)) + "\n"


class HostSteps(pulumi.ComponentResource):
    """Runs the steps on the host, one after the other. `done` is known when the last of them has ended
    well."""

    done: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        connection: SshConnection,
        steps: Sequence[Step],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:services:Services", name, None, opts)
        commands = run_steps(name, steps, connection, parent=self)
        self.done = commands[-1].id
        self.register_outputs({"done": self.done})


def run_steps(
    prefix: str,
    steps: Sequence[Step],
    connection: SshConnection,
    *,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource] = (),
    more_triggers: Sequence[pulumi.Input[str]] = (),
) -> list[remote.Command]:
    """One `command:remote:Command` a step, each after the one before. Shared with the post-deploy job."""
    scripts = hashlib.sha256(packed_scripts().encode()).hexdigest()
    commands: list[remote.Command] = []
    previous: Sequence[pulumi.Resource] = after
    for step in steps:
        command = remote.Command(
            f"{prefix}-{step.name}",
            connection=connection.args(),
            create=step.command,
            stdin=pulumi.Output.secret(step.stdin) if step.secret else step.stdin,
            logging=remote.Logging.NONE if step.secret else remote.Logging.STDOUT_AND_STDERR,
            add_previous_output_in_env=False,
            triggers=[
                connection.instance_id,
                connection.attachment_id,
                scripts,
                *more_triggers,
                *(_fingerprint(each, connection.private_key) for each in step.depends_on_secrets),
            ],
            opts=pulumi.ResourceOptions(
                parent=parent,
                depends_on=list(previous),
                delete_before_replace=True,
                additional_secret_outputs=["stdout", "stderr"] if step.secret else None,
            ),
        )
        commands.append(command)
        previous = [command]
    return commands


def _fingerprint(value: pulumi.Input[str], key: pulumi.Input[str]) -> pulumi.Output[str]:
    """64 hexadecimal digits that change with a secret: its HMAC-SHA256 under `key`, itself a secret of the stack.

    Plain on purpose. A list of inputs that holds a secret which is not known yet (the first preview of a stack: the
    volume has no id) is refused by the engine as "malformed secret: missing value". Without the key no one can try
    passwords against it, as they could against a plain hash. A new key runs the step again, which is harmless.
    """
    digest = pulumi.Output.all(value, key).apply(
        lambda both: hmac.new(both[1].encode(), both[0].encode(), hashlib.sha256).hexdigest()
    )
    return pulumi.Output.unsecret(digest)
