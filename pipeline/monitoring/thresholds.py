"""When a figure of the machine needs a person: one judgement for the checks, the monitor and its screen.

The Prometheus rules in `docs/monitoring/rules` hold the same figures; a test compares them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Level: TypeAlias = Literal["fail", "warn"]

DISK_WARN = 0.90
DISK_FAIL = 0.95
"""Used share of space or inodes. IRIS needs room for its journal and SQLite for its log: at the very end nothing can be
written at all."""
MEMORY_WARN = 0.95
GPU_CELSIUS_WARN = 87
"""As the alert ChartwellGpuHot has it: an A10G slows down a little above, and its documented maximum is 95."""


def disk_level(used: float) -> Level | None:
    """How bad it is that this share (0 to 1) of a disk's space, or of its inodes, is used; None where it is not."""
    if used >= DISK_FAIL:
        return "fail"
    return "warn" if used >= DISK_WARN else None


def memory_level(used: float) -> Level | None:
    """The same for the machine's memory. Full memory alone fails nothing: a container that dies of it says so."""
    return "warn" if used >= MEMORY_WARN else None


def gpu_level(celsius: float | None) -> Level | None:
    """The same for the temperature of a card; None too where it does not tell one."""
    return "warn" if celsius is not None and celsius >= GPU_CELSIUS_WARN else None
