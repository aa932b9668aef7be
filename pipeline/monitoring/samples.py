"""What one look at a deployment found, as plain records: numbers, names and states, never text of notes or questions.

Ratios are in [0, 1], sizes in bytes, times in seconds. Where there is no reading, `Missing` says why: a machine without
a GPU is a normal machine.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

REASON_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Missing:
    """No reading, and why."""

    missing: str
    level: Literal["", "warn", "fail"] = ""
    """How bad it is that there is none; empty where that is no fault, as of a GPU on most machines."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card. None: the card or its driver does not report that."""

    index: int
    name: str
    utilisation: float | None = None
    """Share of time in which any kernel ran. One stream of decoding already fills it: judge work by the next two."""
    dram_active: float | None = None
    """Share of cycles in which memory was read or written (DCGM)."""
    tensor_active: float | None = None
    """Share of cycles in which tensor cores worked (DCGM)."""
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    temperature_celsius: int | None = None
    fault: str = ""
    """Why this card does not answer, for example that it is lost."""


@dataclass(frozen=True, slots=True)
class Gpus:
    driver: str
    cards: tuple[Gpu, ...]
    activity: str = ""
    """Why DRAM and tensor activity are not there; empty where they are."""


ServiceState: TypeAlias = Literal["ok", "loading", "slow", "failing", "down", "not asked"]


@dataclass(frozen=True, slots=True)
class Service:
    """One server that Chartwell needs, as it answered a short call."""

    name: str
    address: str
    """Host and port, without user or path."""
    state: ServiceState
    detail: str = ""
    seconds: float | None = None
    running: float | None = None
    """Requests that a model works on."""
    waiting: float | None = None
    cache_used: float | None = None
    """Ratio of a language model's KV cache."""
    prompt_tokens: float | None = None
    """Since the server's start."""
    completion_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class ContainerSample:
    name: str
    status: str
    """Docker's own word: running, restarting, exited, dead, created, paused, removing."""
    restarts: int
    started_at: str
    exit_code: int
    killed_for_memory: bool
    health: str | None = None


@dataclass(frozen=True, slots=True)
class Containers:
    found: tuple[ContainerSample, ...]


@dataclass(frozen=True, slots=True)
class StoreSample:
    """How large the store is."""

    kind: str
    notes: int
    chunks: int
    files_bytes: int
    """Of the data folder: an embedded store, the ledger, kept vectors."""
    database_bytes: int | None = None
    """Of IRIS, where the host's own timer told it."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done so far: counters, so that two looks give a rate."""

    pending: int
    processing: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class QuestionCounts:
    """Questions since the service's start, from its own counters."""

    questions: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    path: str
    used_bytes: int
    total_bytes: int
    inodes_used: float | None = None
    """Ratio; None where the file system makes inodes as it needs them, and counts none."""

    @property
    def used(self) -> float:
        """Ratio of the space, as df has it: what root keeps for itself is no space."""
        return self.used_bytes / self.total_bytes if self.total_bytes else 0.0


@dataclass(frozen=True, slots=True)
class HostSample:
    name: str
    cpu: float
    """Ratio over all cores since the last look."""
    cores: int
    load_1_minute: float
    memory_used_bytes: int
    memory_total_bytes: int
    swap_used_bytes: int
    disks: tuple[Disk, ...]
    uptime_seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `elapsed_seconds` runs from the boot and knows no clock step; two samples of one `boot` may be
    subtracted. Sections that were not due at this look are None."""

    at: str
    boot: str
    elapsed_seconds: float
    interval_seconds: float
    took_seconds: float
    clock_step_seconds: float
    """How far the wall clock moved against the elapsed time since the last look; 0 within a second."""
    gpus: Gpus | Missing | None
    services: tuple[Service, ...]
    containers: Containers | Missing | None
    store: StoreSample | Missing | None
    work: Work | Missing | None
    asked: QuestionCounts | Missing | None
    host: HostSample | Missing | None

    def plain(self) -> dict[str, Any]:
        """As JSON types. A field without a value is left out."""
        found = _plain(self)
        assert isinstance(found, dict)
        return found

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(self.plain(), ensure_ascii=False, separators=(",", ":"))


SECTIONS = ("gpus", "containers", "store", "work", "asked", "host")
"""The fields of a sample that a probe each fills, alone."""


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _plain(each) for name, each in found.items() if each is not None and each != ""}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def reason(text: str) -> str:
    """A reason in one line, cut to a length that a table and a log can bear."""
    flat = " ".join(text.split())
    return flat if len(flat) <= REASON_CHARACTERS_MAX else f"{flat[: REASON_CHARACTERS_MAX - 1]}…"
