"""What the root disk of a host holds before it first boots, where it differs from this machine.

Decides what stands in for an Ubuntu image of EC2 with a GPU: each thing that is not the real one is in `STAND_INS`,
which the proof prints. Knows nothing of how machines run.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path

from infra.plan.catalog import CONTAINER_TOOLKIT_VERSION, DOCKER_VERSION, SSH_USER

STAND_INS = (
    "Debian 12 with Python 3.11 and systemd 252 instead of Ubuntu 24.04",
    "Docker as Debian has it, listed as the pinned version; no NVIDIA toolkit behind its hook",
    "GPU and driver: a library that answers as NVML does, and an nvidia-smi that prints",
    "IRIS and the NIMs: the project's simulators in containers; IRIS's driver is led to the simulator's own protocol",
    "the package index: a folder with the wheels of the lock, hashes checked; chrony: a program that prints",
)
GATEWAY = "10.213.0.1"
"""Where the registries and AWS answer, as seen from the host."""
ADDRESS = "10.213.0.2"
"""The host's private address. Every host has the same: each has a network of its own."""
DOOR = "127.213.0.2"
"""Where connections from outside come in: not 127.0.0.1, so that what listens there only is not reached."""
HOST_NAME = f"ip-{ADDRESS.replace('.', '-')}"
METADATA = "169.254.169.254"
AWS_PORT = 4566
REGISTRIES = ("nvcr.io", "containers.intersystems.com")
MORE_GATEWAYS = ("10.213.0.3",)
"""Where the registries after the first answer."""
WHEELS = "/opt/image/wheels"
SIMULATORS = "/opt/image/app"
DRIVER = f'''"""Leads IRIS's driver to the simulator, whose protocol is another one."""
import importlib.util
import sys

sys.path.append("{SIMULATORS}")


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "iris.dbapi":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            module.connect = _connect

        spec.loader.exec_module = exec_module
        return spec


def _connect(**options):
    from tests.servers.iris import connect

    return connect(**options)


sys.meta_path.insert(0, _Finder())
'''
SERVICES_NOT_WANTED = (
    *("postgresql", "prometheus", "nginx", "docker-registry", "systemd-networkd", "systemd-resolved"),
    *("console-getty", "e2scrub_reap", "networking", "systemd-timesyncd"),
)
NOT_WANTED = (
    *(f"{name}.service" for name in SERVICES_NOT_WANTED),
    *("cloud-init-hotplugd.socket", "apt-daily.timer", "apt-daily-upgrade.timer"),
)
"""Units that this machine has and a fresh host does not, or has no network for."""
CLOUD = f"""datasource_list: [NoCloud]
network: {{config: disabled}}
locale: false
system_info:
  default_user: {{name: {SSH_USER}, groups: [adm, sudo], sudo: ["ALL=(ALL) NOPASSWD:ALL"], shell: /bin/bash}}
"""
NVIDIA_SMI = """#!/bin/sh
case "$*" in
  *driver_version*) echo 580.95.05 ;;
  *utilization.gpu*) echo 0 ;;
  -L) echo "GPU 0: NVIDIA A10G (UUID: GPU-0b7c1a52-7d1f-4f60-9d3c-5d0a0b1c2d3e)" ;;
  *) exit 6 ;;
esac
"""
CHRONYC = """#!/bin/sh
printf 'A9FEA97B,169.254.169.123,4,1795248960.218,0.000001174,0.000000391,0.000004,-6.512,0.000,0.011,'
echo '0.000412,0.000098,64.4,Normal'
"""
FSTAB_GENERATOR = """#!/bin/sh
# systemd's own leaves devices of /etc/fstab out where /sys is read-only.
while read -r what where kind options _; do
  case $what in UUID=*) ;; *) continue ;; esac
  unit=$(systemd-escape --path --suffix=mount "$where")
  printf '[Unit]\\nBefore=local-fs.target\\n[Mount]\\nWhat=%s\\nWhere=%s\\nType=%s\\nOptions=%s\\n' \\
    "$what" "$where" "$kind" "$options" >"$1/$unit"
  mkdir -p "$1/local-fs.target.wants"
  ln -sf "../$unit" "$1/local-fs.target.wants/$unit"
done </etc/fstab
"""
PROGRAMS = {
    "nvidia-smi": NVIDIA_SMI,
    "chronyc": CHRONYC,
    "nvidia-container-runtime-hook": "#!/bin/sh\nexit 0\n",
}
PACKAGES = {
    "docker-ce": f"5:{DOCKER_VERSION}-1~debian.12~bookworm",
    "nvidia-container-toolkit": CONTAINER_TOOLKIT_VERSION,
}


def lay_out(root: Path, *, authority: str, nvml: Path | None) -> None:
    """Make of a copy of this machine's `/` a fresh host's root disk. `authority` is the registries' certificate."""
    _empty(root)
    for path in (
        *root.glob("usr/lib/python3*/sitecustomize.py"),
        *root.glob("etc/python3*/sitecustomize.py"),
    ):
        _write(path, DRIVER)
    for path, text in _texts(authority).items():
        _write(root / path, text)
    for name, text in PROGRAMS.items():
        _write(root / "usr/bin" / name, text, 0o755)
    _write(root / "etc/systemd/system-generators/fstab-devices", FSTAB_GENERATOR, 0o755)
    if nvml:
        shutil.copy(nvml / "libnvidia-ml.so.1", root / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1")
    with (root / "var/lib/dpkg/status").open("a") as status:
        for name, version in PACKAGES.items():
            status.write(_package(name, version))


def _empty(root: Path) -> None:
    """Without this machine's identity, services and leftovers."""
    for each in (*root.glob("etc/ssh/ssh_host_*"), root / "etc/machine-id", root / "etc/resolv.conf"):
        each.unlink(missing_ok=True)
    for each in ("data", "var/lib/cloud", "var/lib/chartwell", "etc/chartwell", "opt/chartwell"):
        shutil.rmtree(root / each, ignore_errors=True)
    for name in NOT_WANTED:
        unit = root / "etc/systemd/system" / name
        unit.unlink(missing_ok=True)
        unit.symlink_to("/dev/null")
    for name in ("docker.service", "docker.socket", "containerd.service"):
        for each in root.glob(f"etc/systemd/system/*.wants/{name}"):
            each.unlink()


def _texts(authority: str) -> dict[str, str]:
    places = zip(REGISTRIES, (GATEWAY, *MORE_GATEWAYS), strict=True)
    names = "".join(f"{address} {name}\n" for name, address in places)
    return {
        "etc/machine-id": "",
        "etc/fstab": "",
        "etc/hosts": f"127.0.0.1 localhost\n{ADDRESS} {HOST_NAME}\n{names}",
        "etc/resolv.conf": "",
        "etc/cloud/cloud.cfg.d/99_image.cfg": CLOUD,
        "etc/pip.conf": f"[global]\nno-index = true\nfind-links = {WHEELS}\n",
        "etc/docker/daemon.json": json.dumps({"iptables": False}),
        "etc/systemd/system.conf.d/10-image.conf": (
            f"[Manager]\nDefaultEnvironment=AWS_ENDPOINT_URL=http://{GATEWAY}:{AWS_PORT}\n"
        ),
        **{f"etc/docker/certs.d/{name}/ca.crt": authority for name in REGISTRIES},
    }


def _package(name: str, version: str) -> str:
    return textwrap.dedent(f"""
        Package: {name}
        Status: install ok installed
        Priority: optional
        Section: misc
        Maintainer: stand-in
        Architecture: all
        Version: {version}
        Description: stand-in
        """)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def seed(root: Path, *, instance_id: str, user_data: str, public_key: str) -> None:
    """What EC2 hands to cloud-init: the user data, and the key that may log in."""
    metadata = {"instance-id": instance_id, "local-hostname": HOST_NAME}
    folder = root / "var/lib/cloud/seed/nocloud"
    _write(folder / "meta-data", json.dumps({**metadata, "public-keys": [public_key]}))
    _write(folder / "user-data", user_data)
