"""Space, inodes and the data volume. Reads what the kernel tells; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import DiskNearlyFull, VolumeWrong
from pipeline.checks.machine import VOLUME_MARK, Machine
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.monitoring.probes.host import disk_of, one_a_file_system, watched_folders
from pipeline.monitoring.samples import Disk
from pipeline.monitoring.thresholds import disk_level

MOUNT_FIELDS = 5


def disk_check(context: CheckContext) -> Finding:
    """Free space and inodes of the file systems that the deployment writes to."""
    if context.vantage == "outside":
        return skipped("seen from outside: the host's disks can only be asked there")
    folders = watched_folders(context.base_settings.data_dir, context.machine.root)
    disks = [disk_of(str(place), context.machine.statvfs(place)) for _, place in one_a_file_system(folders)]
    worst = max(disks, key=_fullest)
    inodes = worst.inodes_used or 0.0
    free = (worst.total_bytes - worst.used_bytes) / 2**30
    measured: dict[str, str | int | float | bool | None] = {
        "folder": worst.path,
        "used_percent": round(100 * worst.used, 1),
        "free_gibibytes": round(free, 1),
        "inodes_used_percent": round(100 * inodes, 1),
        "file_systems": len(disks),
    }
    what = "inodes" if inodes > worst.used else "space"
    said = f"{worst.path}: {100 * _fullest(worst):.0f} % of its {what} is used"
    level = disk_level(_fullest(worst))
    if level is None:
        return passed(f"{said}, {free:,.0f} GiB free", **measured)
    error = DiskNearlyFull(
        f"{said}, {free:,.1f} GiB free.",
        remedy="Make room (docker image prune, old spaces: python -m pipeline.vectorize migrate --help), or "
        "enlarge the volume: pulumi config set volumeSizeGb NUMBER, then pulumi up.",
    )
    return failed(error, **measured) if level == "fail" else warned(error, **measured)


def _fullest(disk: Disk) -> float:
    return max(disk.used, disk.inodes_used or 0.0)


@dataclass(frozen=True, slots=True)
class _Mount:
    device: str
    """major:minor"""
    kind: str


def volume_check(context: CheckContext) -> Finding:
    """Is the data volume mounted where the settings say, is it the one they name, and does the data lie on it?

    Of encryption it says how it is known: dm-crypt is seen; EBS encrypts below the instance, where nothing can be seen,
    so what counts is that this is the very volume which the stack made, and the stack makes none unencrypted.
    """
    settings, machine = context.settings.checks, context.machine
    if settings.volume is None:
        return skipped("the settings name no data volume (CHARTWELL_CHECKS__VOLUME)")
    if context.vantage == "outside":
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
    data = context.base_settings.data_dir.absolute()
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
