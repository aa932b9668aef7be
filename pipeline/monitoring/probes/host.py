"""The machine: processors, memory, disks. Through psutil, which knows every system's way to say it."""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.monitoring.samples import Disk, HostSample, Missing


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
        found: dict[int, Disk] = {}
        for folder in self._folders:
            try:
                place = _existing(folder)
                device, numbers = place.stat().st_dev, os.statvfs(place)
            except OSError:  # not mounted or not ours to see; the others still count
                continue
            if device in found:
                continue
            size = numbers.f_frsize
            inodes_used = 1 - numbers.f_ffree / numbers.f_files if numbers.f_files else None
            found[device] = Disk(
                str(folder),
                used_bytes=(numbers.f_blocks - numbers.f_bfree) * size,
                # As df counts: what root keeps for itself is no space.
                total_bytes=(numbers.f_blocks - numbers.f_bfree + numbers.f_bavail) * size,
                inodes_used=inodes_used,
            )
        return list(found.values())


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there: its disk is the one that will be written to."""
    return next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
