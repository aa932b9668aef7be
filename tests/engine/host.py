"""A hypervisor whose machines are real: systemd-nspawn hosts that the stack's user data and steps are run on.

Decides what each call of the cloud (hypervisor.py) means for a machine and its disks. Needs root, systemd-nspawn and a
few programs of Debian; `why_not` says which is missing. Everything it makes is below one folder and in namespaces of
its own, and is gone after `close`, or with this process.

    python -m tests.engine.host             # boot one, run every step of the roll-out on it over SSH, in order
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.engine.cloud.hypervisor import MachineState
from tests.engine.machines import containers, registry, root_disk
from tests.engine.machines.machine import Disk, Machine
from tests.engine.machines.metadata import Metadata
from tests.engine.machines.namespace import Forwarder, bound, cgroup2, connected
from tests.engine.machines.registry import Registry
from tests.servers import hardware

PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "sudo": "sudo",
    "cloud-init": "cloud-init",
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "nginx": "nginx",
    "mkfs.ext4": "e2fsprogs",
    "dbus-daemon": "dbus",
    "openssl": "openssl",
    "busybox": "busybox-static",
    "cc": "gcc",
}
"""What a host is made of, and its Debian package."""
OVERLAY = (
    "mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root"
    " && mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root"
)
TRIALS = {
    ("losetup", "--find"): "no free loop device",
    (
        str(containers.PYTHON),
        "-c",
        "import ensurepip",
    ): f"{containers.PYTHON} makes no environments (python3-venv)",
    (
        "unshare",
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "sh",
        "-c",
        OVERLAY,
    ): "no namespace with an overlay of /",
}
"""Commands that must end well, and what it means where they do not."""
PUBLIC_PORTS = (22, 443)
"""Ports of a host that are reached at its fixed address."""


def why_no_namespace() -> str:
    """Why nothing can be kept apart here, "" where it can."""
    if os.geteuid() != 0:
        return "making a host needs root"
    if cgroup2() is None:
        return "control groups of version 2 are not mounted"
    for words, reason in TRIALS.items():
        if (
            shutil.which(words[0]) is None
            or subprocess.run(words, capture_output=True, check=False).returncode
        ):
            return reason
    return ""


def why_not() -> str:
    """Why no host can be made here, "" where one can. Fetches the wheels that it is made of, once."""
    if reason := why_no_namespace():
        return reason
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for program, package in PROGRAMS.items():
        found = registry.program() if program == "docker-registry" else shutil.which(program, path=path)
        if found is None:
            return f"{program} is not installed (Debian's and Ubuntu's package {package})"
    try:
        containers.wheelhouse()
    except RuntimeError as problem:
        return f"the wheels of requirements/host.txt cannot be fetched: {problem}"
    return ""


class Outside:
    """What the hosts of one account meet: registries with the simulators' images, and AWS."""

    def __init__(self, folder: Path, *, ngc_key: str) -> None:
        """`ngc_key` is the one that NVIDIA's registry takes."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.aws_url = ""
        """Where AWS answers on this machine, once it does."""
        self.images: dict[str, str] = {}
        """References with their digests, by those without."""
        self.simulators = folder / "app"
        containers.unpack_simulators(self.simulators)
        self.nvml = hardware.nvml(folder / "nvml")
        certificate = _certificate(folder)
        self.authority = certificate.read_text()
        nvidia, intersystems = root_disk.REGISTRIES
        self.registries = {nvidia: Registry(folder / "nvidia", certificate, ("$oauthtoken", ngc_key))}
        self.registries[intersystems] = Registry(folder / "intersystems", certificate)

    def push(self, references: Sequence[str]) -> None:
        """Make the images that go by these references, without a digest."""
        self.images |= containers.push_images(self.registries, references, self.folder)

    def registry(self, name: str) -> socket.socket:
        return connected(socket.socket(), "127.0.0.1", self.registries[name].port)

    def cloud(self) -> socket.socket:
        place = urlsplit(self.aws_url)
        if place.port is None:
            raise OSError("there is no AWS")
        return connected(socket.socket(), str(place.hostname), place.port)

    def close(self) -> None:
        for each in self.registries.values():
            each.close()


def _certificate(folder: Path) -> Path:
    """Key and certificate of the registries in one file."""
    path = folder / "registry.pem"
    names = ",".join([*(f"DNS:{each}" for each in root_disk.REGISTRIES), "IP:127.0.0.1"])
    files = ["-keyout", str(path), "-out", str(folder / "public.pem")]
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "30"]
    subprocess.run(
        ["openssl", "req", *words, "-subj", "/CN=registry", "-addext", f"subjectAltName={names}", *files],
        check=True,
        capture_output=True,
    )
    with path.open("a") as file:
        file.write((folder / "public.pem").read_text())
    return path


class Hosts:
    """The `Hypervisor` of real machines. `public_key` may log in to each of them."""

    def __init__(self, folder: Path, outside: Outside, *, public_key: str) -> None:
        self.folder, self.outside, self.public_key = folder, outside, public_key
        self._wheels = containers.wheelhouse()
        self._machines: dict[str, Machine] = {}
        self._metadata: dict[str, Metadata] = {}
        self._inside: dict[str, list[Forwarder]] = {}
        self._disks: dict[str, Disk] = {}
        self._doors: dict[str, list[Forwarder]] = {}
        self._numbers = itertools.count(1)
        (folder / "disks").mkdir(parents=True)

    # --- addresses

    def allocate(self) -> str:
        """One that no other process of this machine has."""
        while True:
            address = f"127.21.{os.getpid() % 250}.{next(self._numbers) % 250 + 1}"
            with contextlib.suppress(OSError), bound(socket.socket(), address, PUBLIC_PORTS[0]):
                return address

    def release(self, address: str) -> None:
        self._close_doors(address)

    def associate(self, instance_id: str, address: str) -> None:
        self._close_doors(address)
        machine = self._machines[instance_id]

        def door(port: int) -> Forwarder:
            outside = bound(socket.socket(), address, port)
            return Forwarder(outside, lambda: connected(machine.namespace.socket(), root_disk.DOOR, port))

        self._doors[address] = [door(port) for port in PUBLIC_PORTS]

    def disassociate(self, instance_id: str, address: str) -> None:
        self._close_doors(address)

    @contextmanager
    def network_cut(self, address: str) -> Iterator[None]:
        """Nothing passes between here and the machine at the address until the block ends; connections stay."""
        doors = self._doors[address]
        for each in doors:
            each.flows.clear()
        try:
            yield
        finally:
            for each in doors:
                each.flows.set()

    def _close_doors(self, address: str) -> None:
        for each in self._doors.pop(address, []):
            each.close()

    # --- machines

    def run(self, instance_id: str, *, user_data: str, instance_type: str, zone: str) -> str:
        binds = {self._wheels: root_disk.WHEELS, self.outside.simulators: root_disk.SIMULATORS}
        machine = Machine(instance_id, self.folder / instance_id, binds)
        self._machines[instance_id] = machine
        root_disk.lay_out(machine.root, authority=self.outside.authority, nvml=self.outside.nvml)
        root_disk.seed(machine.root, instance_id=instance_id, user_data=user_data, public_key=self.public_key)
        self._wire(instance_id, machine)
        machine.boot()
        return root_disk.ADDRESS

    def _wire(self, instance_id: str, machine: Machine) -> None:
        """The addresses of its network, and what answers there."""
        inside, outside = machine.namespace, self.outside
        first, *others = root_disk.REGISTRIES
        places = {first: root_disk.GATEWAY, **dict(zip(others, root_disk.MORE_GATEWAYS, strict=True))}
        for address in (root_disk.ADDRESS, root_disk.METADATA, *places.values()):
            inside.run(f"ip address add {address}/32 dev lo")
        self._inside[instance_id] = [
            Forwarder(bound(inside.socket(), root_disk.GATEWAY, root_disk.AWS_PORT), outside.cloud),
            *(
                Forwarder(bound(inside.socket(), address, 443), functools.partial(outside.registry, name))
                for name, address in places.items()
            ),
        ]
        self._metadata[instance_id] = Metadata(bound(inside.socket(), root_disk.METADATA, 80), instance_id)

    def spot_notice(self, instance_id: str) -> None:
        """Tell a spot machine that it ends, as EC2 does two minutes ahead."""
        self._metadata[instance_id].spot_notice = '{"action":"stop","time":"2026-01-01T00:00:00Z"}'

    def start(self, instance_id: str) -> None:
        self._machines[instance_id].boot()

    def stop(self, instance_id: str) -> None:
        self._machines[instance_id].power_off()

    def cut_power(self, instance_id: str) -> None:
        """The machine is off at once, as where its hardware dies."""
        self._machines[instance_id].cut_power()

    def terminate(self, instance_id: str) -> None:
        if instance_id in self._machines:
            self._machines[instance_id].power_off()
            self._remove(instance_id)

    def _remove(self, instance_id: str) -> None:
        self._metadata.pop(instance_id).close()
        for each in self._inside.pop(instance_id):
            each.close()
        self._machines.pop(instance_id).remove()

    def state(self, instance_id: str) -> MachineState:
        machine = self._machines.get(instance_id)
        if machine is None:
            return "terminated"
        return "running" if machine.running else "stopped"

    def console(self, instance_id: str) -> str:
        return self._machines[instance_id].console()

    # --- disks

    def create_volume(self, volume_id: str, *, size_gb: int, snapshot_id: str | None) -> None:
        copy_of = self.image(snapshot_id) if snapshot_id else None
        self._disks[volume_id] = Disk(self.image(volume_id), size_gb=size_gb, copy_of=copy_of)

    def resize_volume(self, volume_id: str, *, size_gb: int) -> None:
        self._disks[volume_id].resize(size_gb)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        self._machines[instance_id].plug(volume_id, self._disks[volume_id])

    def detach(self, volume_id: str, instance_id: str) -> None:
        self._machines[instance_id].unplug(volume_id)

    def delete_volume(self, volume_id: str) -> None:
        self._disks.pop(volume_id)
        self.image(volume_id).unlink()

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        self._disks[volume_id].copy(self.image(snapshot_id))

    def delete_snapshot(self, snapshot_id: str) -> None:
        self.image(snapshot_id).unlink()

    def image(self, disk_id: str) -> Path:
        """The file that is the disk, or the snapshot."""
        return self.folder / "disks" / disk_id

    def close(self) -> None:
        """Pull every plug; disks stay in the folder."""
        for address in list(self._doors):
            self._close_doors(address)
        for instance_id in list(self._machines):
            self._remove(instance_id)


def key_pair(folder: Path) -> tuple[str, str]:
    """Private and public key of the person who deploys."""
    path = folder / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "proof", "-f", str(path)], check=True
    )
    return path.read_text(), path.with_suffix(".pub").read_text().strip()


def main() -> int:
    """Boot a host, run every step on it, say of each whether it went well."""
    from tests.engine.machines.demonstration import demonstration  # noqa: PLC0415  (it needs this module)

    if reason := why_not():
        sys.stdout.write(f"host: skipped: {reason}\n")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for each in root_disk.STAND_INS:
        sys.stdout.write(f"not the real one: {each}\n")
    with (
        tempfile.TemporaryDirectory(prefix="chartwell-host-") as folder,
        demonstration(Path(folder)) as shown,
    ):
        began = time.monotonic()
        shown.boot()
        failed = ""
        for step in shown.steps():
            word = "ok" if step.exit == 0 else f"FAILED ({step.exit})"
            sys.stdout.write(f"{step.seconds:6.1f} s  {step.name:32} {word}\n")
            sys.stdout.flush()
            if step.exit or os.environ.get("HOST_VERBOSE"):
                sys.stdout.write(f"{step.output[-6000:]}\n")
            failed = step.name if step.exit else ""
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  in all\n")
        if os.environ.get("HOST_KEEP"):
            sys.stdout.write(f"ssh -i {folder}/key ubuntu@{shown.address}\n")
            sys.stdout.flush()
            time.sleep(float(os.environ["HOST_KEEP"]))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
