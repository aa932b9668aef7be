"""Space, inodes and the data volume. Reads what the kernel tells; writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import DiskNearlyFull, VolumeWrong
from pipeline.checks.machine import VOLUME_MARK, Machine
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.monitoring.thresholds import disk_level

HOST_FOLDERS = ("/", "/var/lib/docker")
MOUNT_FIELDS = 5


@dataclass(frozen=True, slots=True)
class _Use:
    folder: Path
    free_share: float
    free_gibibytes: float
    free_inode_share: float

    @property
    def least(self) -> float:
        return min(self.free_share, self.free_inode_share)


def disk_check(bench: CheckContext) -> Finding:
    """Free space and inodes of the file systems that the deployment writes to."""
    if bench.vantage == "outside":
        return skipped("seen from outside: the host's disks can only be asked there")
    folders = [bench.base_settings.data_dir]
    if bench.vantage == "host":
        folders += [bench.machine.root / folder.lstrip("/") for folder in HOST_FOLDERS]
    uses = [_use(folder, bench.machine) for folder in _one_a_file_system(folders)]
    worst = min(uses, key=lambda use: use.least)
    measured: dict[str, str | int | float | bool | None] = {
        "folder": str(worst.folder),
        "used_percent": round(100 * (1 - worst.free_share), 1),
        "free_gibibytes": round(worst.free_gibibytes, 1),
        "inodes_used_percent": round(100 * (1 - worst.free_inode_share), 1),
        "file_systems": len(uses),
    }
    what = "inodes" if worst.free_inode_share < worst.free_share else "space"
    said = f"{worst.folder}: {100 * (1 - worst.least):.0f} % of its {what} is used"
    level = disk_level(1 - worst.least)
    if level is None:
        return passed(f"{said}, {worst.free_gibibytes:,.0f} GiB free", **measured)
    error = DiskNearlyFull(
        f"{said}, {worst.free_gibibytes:,.1f} GiB free.",
        remedy="Make room (docker image prune, old spaces: python -m pipeline.vectorize migrate --help), or "
        "enlarge the volume: pulumi config set volumeSizeGb NUMBER, then pulumi up.",
    )
    return failed(error, **measured) if level == "fail" else warned(error, **measured)


def _one_a_file_system(folders: list[Path]) -> list[Path]:
    """The first folder of each file system; of a folder that is not made yet, the nearest one above it."""
    found: dict[int, Path] = {}
    for folder in folders:
        there = folder.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        found.setdefault(os.stat(there).st_dev, there)  # noqa: PTH116  # Path.stat would be the same
    return list(found.values())


def _use(folder: Path, machine: Machine) -> _Use:
    space = machine.statvfs(folder)
    # Some file systems make inodes as they need them, and count none.
    inodes = space.f_favail / space.f_files if space.f_files else 1.0
    return _Use(
        folder,
        space.f_bavail / max(1, space.f_blocks),
        space.f_bavail * space.f_frsize / 2**30,
        inodes,
    )


@dataclass(frozen=True, slots=True)
class _Mount:
    device: str
    """major:minor"""
    kind: str


def volume_check(bench: CheckContext) -> Finding:
    """Is the data volume mounted where the settings say, is it the one they name, and does the data lie on it?

    Of encryption it says how it is known: dm-crypt is seen; EBS encrypts below the instance, where nothing can be seen,
    so what counts is that this is the very volume which the stack made, and the stack makes none unencrypted.
    """
    settings, machine = bench.settings.checks, bench.machine
    if settings.volume is None:
        return skipped("the settings name no data volume (CHARTWELL_CHECKS__VOLUME)")
    if bench.vantage == "outside":
        return skipped("seen from outside: the host's mounts can only be asked there")
    mount = _mount_at(settings.volume, machine)
    if mount is None:
        return failed(
            VolumeWrong(
                f"Nothing is mounted at {settings.volume}: what is written there lands on the root disk.",
                remedy="Stop the containers, then: sudo systemctl restart chartwell-boot. It mounts the "
                "volume and no other disk; journalctl -u chartwell-boot says why it did not.",
            ),
            mount=str(settings.volume),
            mounted=False,
        )
    if not (settings.volume / VOLUME_MARK).exists():
        return failed(
            VolumeWrong(
                f"What is mounted at {settings.volume} carries no mark of a Chartwell volume.",
                remedy="It is another disk. Unmount it and restart chartwell-boot.",
            ),
            mount=str(settings.volume),
            mounted=True,
        )
    data = bench.base_settings.data_dir.absolute()
    if not data.is_relative_to(settings.volume):
        return failed(
            VolumeWrong(
                f"The data folder {data} is not on the volume at {settings.volume}.",
                remedy="Set CHARTWELL_DATA_DIR to a folder below it, and move what is there already.",
            )
        )
    return _encryption(mount, settings.volume, settings.volume_id, machine)


def _mount_at(folder: Path, machine: Machine) -> _Mount | None:
    """The topmost mount at exactly this folder, by /proc/self/mountinfo (proc(5))."""
    found = None
    for line in machine.read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if len(fields) > MOUNT_FIELDS and fields[4].replace("\\040", " ") == str(folder) and "-" in fields:
            found = _Mount(fields[2], fields[fields.index("-") + 1])
    return found


def _encryption(mount: _Mount, folder: Path, volume_id: str, machine: Machine) -> Finding:
    block = f"/sys/dev/block/{mount.device}"
    measured: dict[str, str | int | float | bool | None] = {
        "mount": str(folder),
        "mounted": True,
        "file_system": mount.kind,
    }
    if machine.read(f"{block}/dm/uuid").startswith("CRYPT-"):
        return passed(
            f"{folder} is mounted and encrypted by dm-crypt",
            **measured,
            encryption="dm-crypt, seen on this machine",
        )
    serial = machine.read(f"{block}/device/serial") or machine.read(f"{block}/../device/serial")
    found_id = f"vol-{serial.removeprefix('vol').lstrip('-')}" if serial.startswith("vol") else ""
    if volume_id and found_id == volume_id:
        return passed(
            f"{folder} is {volume_id}, which the stack made encrypted",
            **measured,
            volume_id=found_id,
            encryption="by EBS, below this machine; known from the stack, which makes and takes no other volume",
        )
    if volume_id and found_id:
        return failed(
            VolumeWrong(
                f"At {folder} is {found_id}, and the stack's volume is {volume_id}.",
                remedy="Run pulumi up, which attaches its own; after a restore by hand look at "
                "docs/runbook.md#two-volumes.",
            ),
            **measured,
            volume_id=found_id,
        )
    return warned(
        VolumeWrong(
            f"{folder} is mounted; whether it is encrypted cannot be told here.",
            remedy="EBS: set CHARTWELL_CHECKS__VOLUME_ID (a stack's own job does); elsewhere put it on dm-crypt.",
        ),
        **measured,
        encryption="not known",
    )
