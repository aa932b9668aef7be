"""The GPUs, through NVIDIA's management library (NVML), and their real activity through DCGM where it is there.

Decides what of both is read, and what its refusals mean: for the monitor, which shows them, and for the checks, which
tell what to do. A machine without a driver, a driver that does not match its library, a card that fell off the bus:
each is a reading of its own kind, never an exception.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pipeline.monitoring.probes.dcgm import Dcgm, GpuActivity
from pipeline.monitoring.samples import Gpu, Gpus, Missing, reason
from pipeline.monitoring.thresholds import GpuExpected, no_gpu_level

MILLI = 1000.0


@dataclass(frozen=True, slots=True)
class GpuFault:
    """Why the cards, or one of them, cannot be read."""

    what: str
    """As the second half of a sentence, or one of its own."""
    brief: str = ""
    """What to do, in a few words for a screen."""
    cure: str = "Look at `sudo dmesg | grep -i -e nvrm -e xid`; an Xid there names the fault."
    """What to do, in full."""
    absent: bool = False
    """There is nothing here to read, as on most machines; else what is here is broken."""

    def __str__(self) -> str:
        return f"{self.what}: {self.brief}" if self.brief else self.what


NOT_INSTALLED = GpuFault(
    "nvidia-ml-py is not installed",
    "pip install 'chartwell[observe]'",
    "Install what reads the GPU: pip install 'chartwell[observe]'.",
    absent=True,
)
FAULTS = {
    "LibraryNotFound": GpuFault(
        "no NVIDIA driver on this machine",
        cure="Install the driver with its library: nvidia-headless-no-dkms-580-server, nvidia-utils-580-server and the "
        "kernel's module package.",
        absent=True,
    ),
    "DriverNotLoaded": GpuFault(
        "the NVIDIA driver is not loaded",
        "nvidia-smi, then a reboot",
        "Load it (`sudo modprobe nvidia`); where that fails, the module for this kernel is missing: install "
        "linux-modules-nvidia-580-server-$(uname -r), or restart the host.",
    ),
    "LibRmVersionMismatch": GpuFault(
        "the NVIDIA driver does not fit its kernel module",
        "reboot the host",
        "They are of two versions, as after an unattended upgrade: restart the host (`sudo reboot`).",
    ),
    "NoPermission": GpuFault(
        "this user may not use the GPU",
        "it cannot open /dev/nvidia*",
        "Give it access to /dev/nvidia*: add the user to the group that owns them.",
    ),
    "GpuIsLost": GpuFault(
        "the card fell off the bus (Xid 79)",
        "stop and start the host",
        "It comes back with a stop and start of the instance, not with a reboot.",
    ),
    "Unknown": GpuFault(
        "the driver's library cannot be used here (NVML: unknown error)",
        "after systemctl daemon-reload a container loses its GPU: restart it",
        "A container that lost its GPU to `systemctl daemon-reload` gets it back with a restart: docker restart NAME.",
    ),
}
"""By the name of NVML's error."""


class GpuProbe:
    """Reads all cards. Keeps NVML open between looks, and opens it again after every failure: drivers are exchanged."""

    def __init__(self, dcgm: Dcgm | None = None, expected: GpuExpected = "auto") -> None:
        """`expected`: what the settings say of a GPU on this machine."""
        self._dcgm = dcgm
        self._expected = expected
        self._nvml: ModuleType | None = None

    def __call__(self) -> Gpus | Missing:
        found = self.read()
        if isinstance(found, GpuFault):
            return Missing(str(found), no_gpu_level(self._expected, absent=found.absent) or "")
        return found

    def read(self) -> Gpus | GpuFault:
        """All cards; one that is lost has its fault, and hides no other."""
        try:
            nvml = importlib.import_module("pynvml")
        except ModuleNotFoundError:
            return NOT_INSTALLED
        try:
            found = self._read(nvml)
        except nvml.NVMLError as error:
            self.close()
            return fault_of(error)
        if any(card.fault for card in found.cards):
            self.close()
        return found

    def close(self) -> None:
        """Let NVML go. The next reading opens it again."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            _value(nvml, nvml.nvmlShutdown)

    def _read(self, nvml: ModuleType) -> Gpus:
        if self._nvml is None:
            nvml.nvmlInit()
            self._nvml = nvml
        cards = tuple(_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        if not cards or self._dcgm is None:
            return Gpus(driver, cards, "" if not cards else "DCGM was not asked")
        activity = self._dcgm()
        if isinstance(activity, Missing):
            return Gpus(driver, cards, activity.missing)
        return Gpus(driver, tuple(_with_activity(card, activity) for card in cards))


def read_gpus() -> Gpus | GpuFault:
    """All cards, once."""
    probe = GpuProbe()
    try:
        return probe.read()
    finally:
        probe.close()


def fault_of(error: Exception) -> GpuFault:
    """An error of NVML's as something to act on."""
    name = type(error).__name__.removeprefix("NVMLError_")
    return FAULTS.get(name) or GpuFault(reason(f"NVML: {error}"))


def _card(nvml: ModuleType, index: int) -> Gpu:
    """One card; a card that is lost does not hide the others."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = _text(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        return Gpu(index, "unknown", fault=str(fault_of(error)))
    try:
        rates = nvml.nvmlDeviceGetUtilizationRates(handle)
        utilisation = rates.gpu / 100
    except nvml.NVMLError_NotSupported:
        utilisation = None
    except nvml.NVMLError as error:
        return Gpu(index, name, fault=str(fault_of(error)))
    memory = _value(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    power = _value(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    limit = _value(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return Gpu(
        index,
        name,
        utilisation=utilisation,
        memory_used_bytes=None if memory is None else int(memory.used),
        memory_total_bytes=None if memory is None else int(memory.total),
        power_watts=None if power is None else power / MILLI,
        power_limit_watts=None if limit is None else limit / MILLI,
        temperature_celsius=_value(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
    )


def _value(nvml: ModuleType, ask: Callable[..., Any], *arguments: Any) -> Any:
    """What a card reports, None where it does not: GPUs and hypervisors differ in what they show."""
    try:
        return ask(*arguments)
    except nvml.NVMLError:
        return None


def _with_activity(card: Gpu, activity: dict[int, GpuActivity]) -> Gpu:
    found = activity.get(card.index)
    if found is None:
        return card
    values = {name: getattr(card, name) for name in card.__slots__}
    return Gpu(**{**values, "dram_active": found.dram, "tensor_active": found.tensor})


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
