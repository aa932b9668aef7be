"""A host on which everything works, made of what runs anywhere, and ways to break one thing of it.

The three NIMs and IRIS are the simulators, each in a process of its own; the service
speaks TLS with a certificate of an authority made for the purpose; `docker` and `chronyc` are programs that print what
the real ones print, what NVIDIA's library says is written by hand (tests/checks/test_gpu.py asks the real binding);
mounts and devices are read from a folder laid out like /proc and /sys. The checks are the real ones, through the real
back-ends.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from iris import dbapi
from typer.testing import CliRunner

from pipeline import vectorize
from pipeline.checks.deployment import validate
from pipeline.checks.machine import VOLUME_MARK, Machine
from pipeline.checks.result import Report
from pipeline.config import Settings, load_settings
from pipeline.monitoring.probes.gpu import GpuFault
from pipeline.monitoring.probes.host import FileSystemNumbers
from pipeline.monitoring.samples import Gpu, Gpus
from tests.servers.iris import PASSWORD, IrisProcess, connect, iris_process
from tests.servers.nim import NimProcess, nim_process
from tests.servers.nim_models import CHAT, EMBEDDER
from tests.servers.tls import TlsService

NOTES = 24
VOLUME_ID = "vol-0a1b2c3d4e5f67890"
WARDS = ("cardiology", "surgery", "paediatrics")
FINDINGS = (
    "Blood pressure was 128 over 76 and the pulse was regular.",
    "The wound of the left knee is dry and heals well.",
    "Allopurinol 100 mg once daily is continued for gout.",
    "The chest film shows no infiltrate and no effusion.",
)

CARD = Gpu(
    0,
    "NVIDIA A10G",
    utilisation=0.0,
    memory_used_bytes=19_411 * 2**20,
    memory_total_bytes=23_028 * 2**20,
    power_watts=58.21,
    temperature_celsius=34,
)
ONE_CARD = Gpus("580.95.05", (CARD,))
DOCKER = """#!/bin/sh
case "$1" in
  ps) printf 'nim-llm\\nnim-embedding\\niris\\n' ;;
  inspect) cat {folder}/containers.json ;;
  exec) echo "GPU 0: NVIDIA A10G (UUID: GPU-0b7c1a52-7d1f-4f60-9d3c-5d0a0b1c2d3e)" ;;
esac
"""
CHRONYC = """#!/bin/sh
printf 'A9FEA97B,169.254.169.123,4,1795248960.218,{offset},0.000000391,0.000004,-6.512,0.000,0.011,'
echo '0.000412,0.000098,64.4,Normal'
"""


def container(name: str, *, gpu: bool, state: str = "running") -> dict[str, Any]:
    """What `docker inspect` says of a container, as far as anybody looks."""
    requests = [{"Driver": "", "Count": 0, "DeviceIDs": ["0"], "Capabilities": [["gpu"]]}] if gpu else None
    return {"Name": f"/{name}", "State": {"Status": state}, "HostConfig": {"DeviceRequests": requests}}


CONTAINERS = (
    container("nim-llm", gpu=True),
    container("nim-embedding", gpu=True),
    container("iris", gpu=False),
)


def space(free_share: float, *, free_inode_share: float = 0.9) -> Callable[[Path], FileSystemNumbers]:
    """`os.statvfs` of a file system of 100 GiB with so much of it free."""
    blocks, files = 100 * 2**18, 6_000_000
    found = SimpleNamespace(
        f_frsize=4096,
        f_blocks=blocks,
        f_bfree=int(blocks * free_share),
        f_bavail=int(blocks * free_share),
        f_files=files,
        f_favail=int(files * free_inode_share),
    )
    return lambda _: found  # type: ignore[return-value]  # the fields are all that anybody asks for


@dataclass
class SimulatedHost:
    """Everything that a fault may be planted in."""

    folder: Path
    embedding: NimProcess
    image: NimProcess
    llm: NimProcess
    iris: IrisProcess
    service: TlsService
    changes: dict[str, str] = field(default_factory=dict)
    """Variables other than those of the healthy host."""
    statvfs: Callable[[Path], FileSystemNumbers] = field(default_factory=lambda: space(0.6))
    gpus: Gpus | GpuFault = ONE_CARD

    @property
    def volume(self) -> Path:
        return self.folder / "data"

    @property
    def programs(self) -> Path:
        return self.folder / "bin"

    @property
    def machine(self) -> Machine:
        return Machine(root=self.folder / "root", statvfs=self.statvfs, gpus=lambda: self.gpus)

    def environment(self) -> dict[str, str]:
        """The variables of the deployed pipeline on this host."""
        return {
            "CHARTWELL_DATA_DIR": str(self.volume / "app" / "state"),
            **self.iris.environment(),
            "CHARTWELL_EMBEDDER__PROVIDER": "nim",
            "CHARTWELL_EMBEDDER__MODEL": EMBEDDER,
            "CHARTWELL_EMBEDDER__URL": self.embedding.url,
            "CHARTWELL_GENERATOR__PROVIDER": "nim",
            "CHARTWELL_GENERATOR__MODEL": CHAT,
            "CHARTWELL_GENERATOR__URL": self.llm.url,
            "CHARTWELL_IMAGE_EMBEDDER__PROVIDER": "nim",
            "CHARTWELL_IMAGE_EMBEDDER__URL": self.image.url,
            "CHARTWELL_CHECKS__GPU": "required",
            "CHARTWELL_CHECKS__VOLUME": str(self.volume),
            "CHARTWELL_CHECKS__VOLUME_ID": VOLUME_ID,
            "CHARTWELL_CHECKS__SERVICE_URL": self.service.url,
            "CHARTWELL_CHECKS__INDEX_PASSAGES_MIN": "10",
            **self.changes,
        }

    def settings(self) -> Settings:
        with mock.patch.dict(os.environ, self.environment()):
            return load_settings(None)

    def validate(self, **options: Any) -> Report:
        """One run of the checks, as `python -m pipeline.validate` does it on this host."""
        return validate(self.settings(), machine=self.machine, **options)

    def vectorize(self, *words: str) -> None:
        """Run `python -m pipeline.vectorize`."""
        done = CliRunner().invoke(vectorize.app, list(words), env=self.environment())
        assert done.exit_code == 0, done.output

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def containers(self, *found: Mapping[str, Any]) -> None:
        (self.folder / "containers.json").write_text(json.dumps(found))

    def sql(self, statement: str) -> None:
        """Run one statement on IRIS, as a user at its terminal would."""
        options = {"hostname": "127.0.0.1", "port": self.iris.port, "namespace": "DEMO", "timeout": 10}
        account = {"username": "chartwell", "password": PASSWORD, "sharedmemory": False, "autoCommit": False}
        with contextlib.closing(connect(**options, **account)) as connection:
            connection.cursor().execute(statement)
            connection.commit()

    def heal(self) -> None:
        """Programs, certificate, disk and settings as they were."""
        self.gpus = ONE_CARD
        self.program("docker", DOCKER.format(folder=self.folder))
        self.program("chronyc", CHRONYC.format(offset="0.000001174"))
        self.containers(*CONTAINERS)
        self.service.present("valid")
        self.service.ready = True
        self.statvfs = space(0.6)
        self.changes.clear()


def write_notes(path: Path, number: int = NOTES) -> Path:
    """Notes of no patient, one a line."""
    rows = [
        {
            "resource_id": f"note-{at:03}",
            "patient_id": f"patient-{at % 7}",
            "document_type": "Visit note",
            "date": f"2026-03-{at % 28 + 1:02}",
            "domain": WARDS[at % len(WARDS)],
            "text_content": f"Visit {at}. {FINDINGS[at % len(FINDINGS)]} Next visit in {at % 9 + 2} weeks.",
        }
        for at in range(number)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _lay_out(host: SimulatedHost) -> None:
    """The folders that stand for /, and the volume with its mark."""
    for folder in (host.programs, host.volume / "app" / "state", host.folder / "root" / "proc" / "self"):
        folder.mkdir(parents=True)
    (host.volume / VOLUME_MARK).write_text(f"stack=dev\nvolume={VOLUME_ID}\n")
    (host.folder / "root" / "proc" / "self" / "mountinfo").write_text(
        "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        f"61 22 259:4 / {host.volume} rw,noatime shared:33 - ext4 /dev/nvme1n1 rw\n"
    )
    device = host.folder / "root" / "sys" / "dev" / "block" / "259:4" / "device"
    device.mkdir(parents=True)
    (device / "serial").write_text(VOLUME_ID.replace("-", "") + "\n")
    (device / "model").write_text("Amazon Elastic Block Store              \n")


REAL_SPEED = ("--embed-seconds=0.02", "--chat-seconds=0.3", "--chat-token-seconds=0.033")
"""About what one A10G does: 30 tokens a second, the first after a third of a second."""


@contextmanager
def simulated_host(folder: Path, speed: tuple[str, ...] = ()) -> Iterator[SimulatedHost]:
    """A healthy host with its notes indexed, until the block ends. `speed`: options of the NIM simulators."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(dbapi, "connect", connect))
        host = SimulatedHost(
            folder,
            *(stack.enter_context(nim_process(*speed)) for _ in ("embedding", "image", "llm")),
            stack.enter_context(iris_process(folder / "iris.sqlite")),
            stack.enter_context(TlsService(folder / "tls")),
        )
        variables = {
            "PATH": f"{host.programs}{os.pathsep}{os.environ['PATH']}",
            "REQUESTS_CA_BUNDLE": str(host.service.authority),
        }
        stack.enter_context(mock.patch.dict(os.environ, variables))
        _lay_out(host)
        host.heal()
        host.vectorize("notes", str(write_notes(folder / "notes.jsonl")))
        host.vectorize("optimise")
        yield host
