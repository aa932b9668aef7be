"""The machine: processors, memory, disks. Through psutil, which knows every system's way to say it."""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipeline.monitoring.samples import Disk, HostSample, Missing

DOCKER_FOLDER = Path("var/lib/docker")


class FileSystemNumbers(Protocol):
    """The fields of `os.statvfs_result` that matter."""

    @property
    def f_frsize(self) -> int: ...
    @property
    def f_blocks(self) -> int: ...
    @property
    def f_bfree(self) -> int: ...
    @property
    def f_bavail(self) -> int: ...
    @property
    def f_files(self) -> int: ...
    @property
    def f_favail(self) -> int: ...


class HostProbe:
    """Reads the machine; `folders` are the places whose disks matter, each file system once."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._begun = False

    def __call__(self) -> HostSample | Missing:
        try:
            psutil = importlib.import_module("psutil")
        except ModuleNotFoundError:
            return Missing("psutil is not installed: pip install 'chartwell[observe]'")
        # psutil counts since the call before; the first one has none, and takes a moment instead.
        cpu = psutil.cpu_percent(interval=None if self._begun else 0.2)
        self._begun = True
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return HostSample(
            name=platform.node(),
            cpu=cpu / 100,
            cores=psutil.cpu_count() or 1,
            load_1_minute=psutil.getloadavg()[0],
            # What programs cannot get: the kernel gives its cache back.
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            swap_used_bytes=swap.used,
            disks=tuple(self._disks()),
            uptime_seconds=time.clock_gettime(time.CLOCK_BOOTTIME),
        )

    def _disks(self) -> list[Disk]:
        return [disk_of(str(folder), os.statvfs(place)) for folder, place in one_a_file_system(self._folders)]


def watched_folders(data_dir: Path, root: Path = Path("/")) -> tuple[Path, ...]:
    """The folders whose disks a deployment writes to. `root`: where the machine's own are."""
    return (data_dir, root, root / DOCKER_FOLDER)


def one_a_file_system(folders: Sequence[Path]) -> list[tuple[Path, Path]]:
    """(folder, what of it is there) for the first folder of each file system; what cannot be seen is left out."""
    found: dict[int, tuple[Path, Path]] = {}
    for folder in folders:
        try:
            place = _existing(folder.absolute())
            found.setdefault(place.stat().st_dev, (folder, place))
        except OSError:  # not mounted or not ours to see; the others still count
            continue
    return list(found.values())


def disk_of(path: str, numbers: FileSystemNumbers) -> Disk:
    """What `os.statvfs` says of a file system, as every command judges it."""
    used = numbers.f_blocks - numbers.f_bfree
    return Disk(
        path,
        used_bytes=used * numbers.f_frsize,
        # As df counts: what root keeps for itself is no space.
        total_bytes=(used + numbers.f_bavail) * numbers.f_frsize,
        inodes_used=1 - numbers.f_favail / numbers.f_files if numbers.f_files else None,
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there: its disk is the one that will be written to."""
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
