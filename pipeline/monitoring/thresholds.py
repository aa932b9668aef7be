"""When a figure of the machine needs a person: one judgement for the checks, the monitor and its screen.

The Prometheus rules in `docs/monitoring/rules` hold the same figures; a test compares them, and another one holds what
`validate` says of a figure against what `monitor` says. What only one of them looks at has its limit here too.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Level: TypeAlias = Literal["fail", "warn"]
GpuExpected: TypeAlias = Literal["auto", "required", "none"]
"""What the settings say of a GPU on this machine; "auto": there may be one."""

DISK_WARN = 0.90
DISK_FAIL = 0.95
"""Used share of space or inodes. IRIS needs room for its journal and SQLite for its log: at the very end nothing can be
written at all."""
MEMORY_WARN = 0.95
DATABASE_BYTES_MAX = 10 * 1024**3
"""What a Community licence of IRIS lets a database hold."""
GPU_CELSIUS_WARN = 87
"""As the alert ChartwellGpuHot has it: an A10G slows down a little above, and its documented maximum is 95."""
DRIVER_MIN = 580
"""NIM for language models, 2.x (get-started pages of docs.nvidia.com/nim)."""
CLOCK_WARN_SECONDS = 1.0
CLOCK_FAIL_SECONDS = 30.0
"""AWS refuses signatures that are off by 5 minutes, sign-in tokens usually by 1. Nothing drifts this far by itself."""


def disk_level(used: float) -> Level | None:
    """How bad it is that this share (0 to 1) of a disk's space, or of its inodes, is used; None where it is not."""
    if used >= DISK_FAIL:
        return "fail"
    return "warn" if used >= DISK_WARN else None


def memory_level(used: float) -> Level | None:
    """The same for the machine's memory. Full memory alone fails nothing: a container that dies of it says so."""
    return "warn" if used >= MEMORY_WARN else None


def database_level(used_bytes: float) -> Level | None:
    """The same for IRIS's database. A full one refuses notes with CW-STORE-LIMIT, and goes on answering."""
    return "warn" if used_bytes >= DISK_WARN * DATABASE_BYTES_MAX else None


def gpu_level(celsius: float | None) -> Level | None:
    """The same for the temperature of a card; None too where it does not tell one."""
    return "warn" if celsius is not None and celsius >= GPU_CELSIUS_WARN else None


def no_gpu_level(expected: GpuExpected, *, absent: bool) -> Level | None:
    """The same where no card can be read. `absent`: there is no driver; else there is one, and it does not work."""
    return "fail" if expected == "required" or (expected == "auto" and not absent) else None


def driver_level(version: str) -> Level | None:
    """The same for the version of NVIDIA's driver, as "580.95.05"; None too where it is no number."""
    major = version.partition(".")[0]
    return "warn" if major.isdigit() and int(major) < DRIVER_MIN else None


def clock_level(off_seconds: float) -> Level | None:
    """The same for a clock that is wrong by at least so much, and for one that was set by so much."""
    if abs(off_seconds) > CLOCK_FAIL_SECONDS:
        return "fail"
    return "warn" if abs(off_seconds) > CLOCK_WARN_SECONDS else None
