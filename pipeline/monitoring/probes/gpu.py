"""The GPUs, through NVIDIA's management library (NVML), and their real activity through DCGM where it is there.

Decides what of both is read. A machine without a driver, a driver that does not match its library, a card that fell off
the bus: each is a reading of its own kind, never an exception.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pipeline.monitoring.probes.dcgm import Dcgm, GpuActivity
from pipeline.monitoring.samples import Gpu, Gpus, Missing, reason

MILLI = 1000.0
ADVICE = {
    "LibraryNotFound": "no NVIDIA driver on this machine",
    "DriverNotLoaded": "the NVIDIA driver is installed and not loaded: nvidia-smi, then a reboot",
    "LibRmVersionMismatch": "driver and library are of two versions since an upgrade: reboot the host",
    "NoPermission": "this user may not open /dev/nvidia*",
    "GpuIsLost": "the card fell off the bus (Xid 79): stop and start the host",
    "Unknown": "NVML: unknown error (after systemctl daemon-reload a container loses its GPU: restart it)",
}
"""By the name of NVML's error."""


class GpuProbe:
    """Reads all cards. Keeps NVML open between looks, and opens it anew after every failure: drivers are exchanged."""

    def __init__(self, dcgm: Dcgm | None = None) -> None:
        self._dcgm = dcgm
        self._open = False

    def __call__(self) -> Gpus | Missing:
        try:
            nvml = importlib.import_module("pynvml")
        except ModuleNotFoundError:
            return Missing("nvidia-ml-py is not installed: pip install 'chartwell[observe]'")
        try:
            found = self._read(nvml)
        except nvml.NVMLError as error:
            self._close(nvml)
            return Missing(meaning(nvml, error))
        if any(card.fault for card in found.cards):
            self._close(nvml)
        return found

    def _read(self, nvml: ModuleType) -> Gpus:
        if not self._open:
            nvml.nvmlInit()
            self._open = True
        cards = tuple(_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount()))
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        if not cards or self._dcgm is None:
            return Gpus(driver, cards, "" if not cards else "DCGM was not asked")
        activity = self._dcgm()
        if isinstance(activity, Missing):
            return Gpus(driver, cards, activity.missing)
        return Gpus(driver, tuple(_with_activity(card, activity) for card in cards))

    def _close(self, nvml: ModuleType) -> None:
        if self._open:
            self._open = False
            _value(nvml, nvml.nvmlShutdown)


def meaning(nvml: ModuleType, error: Any) -> str:
    """NVML's error as something to act on."""
    name = type(error).__name__.removeprefix("NVMLError_")
    return ADVICE.get(name) or reason(f"NVML: {error}")


def _card(nvml: ModuleType, index: int) -> Gpu:
    """One card; a card that is lost does not hide the others."""
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name = _text(nvml.nvmlDeviceGetName(handle))
    except nvml.NVMLError as error:
        return Gpu(index, "unknown", fault=meaning(nvml, error))
    try:
        rates = nvml.nvmlDeviceGetUtilizationRates(handle)
        utilisation = rates.gpu / 100
    except nvml.NVMLError_NotSupported:
        utilisation = None
    except nvml.NVMLError as error:
        return Gpu(index, name, fault=meaning(nvml, error))
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
