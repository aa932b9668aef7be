"""What the GPUs of this host are doing, read from NVIDIA's management library at the moment of asking.

Knows NVML and the names of our metrics. A host without the library, a driver or a card has no GPUs: that is no error.
A value that this card does not report is left out, and so is a card that is lost, until it comes back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.observe.definitions import COLLECTED, GPUS_MAX, definitions

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One card now; None for what it does not report."""

    index: int
    name: str
    driver: str
    utilization_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    temperature_celsius: float | None = None


class Gpus:
    """Reads all cards. Opens the library with the first reading, and again where the driver was away."""

    def __init__(self, library: Any = None) -> None:
        """`library`: stands in for pynvml."""
        self._nvml = library or _pynvml()
        self._open = False
        self._lock = threading.Lock()

    def read(self) -> list[GpuReading]:
        if self._nvml is None:
            return []
        with self._lock:
            try:
                if not self._open:
                    self._nvml.nvmlInit()
                    self._open = True
                driver = str(self._nvml.nvmlSystemGetDriverVersion())
                number = min(GPUS_MAX, self._nvml.nvmlDeviceGetCount())
            except self._nvml.NVMLError:
                self._open = False
                return []
            found = (self._reading(index, driver) for index in range(number))
            return [reading for reading in found if reading is not None]

    def _reading(self, index: int, driver: str) -> GpuReading | None:
        nvml = self._nvml
        card = self._asked(lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        name = self._asked(lambda: nvml.nvmlDeviceGetName(card)) if card is not None else None
        if name is None:
            return None
        memory = self._asked(lambda: nvml.nvmlDeviceGetMemoryInfo(card))
        utilization = self._asked(lambda: nvml.nvmlDeviceGetUtilizationRates(card).gpu)
        milliwatts = self._asked(lambda: nvml.nvmlDeviceGetPowerUsage(card))
        return GpuReading(
            index=index,
            name=str(name),
            driver=driver,
            utilization_ratio=None if utilization is None else utilization / 100,
            memory_used_bytes=None if memory is None else int(memory.used),
            memory_total_bytes=None if memory is None else int(memory.total),
            power_watts=None if milliwatts is None else milliwatts / 1000,
            temperature_celsius=self._asked(
                lambda: float(nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU))
            ),
        )

    def _asked(self, question: Callable[[], Value]) -> Value | None:
        try:
            return question()
        except self._nvml.NVMLError:
            return None  # not supported by this card, or the card is lost


def _pynvml() -> Any:
    try:
        import pynvml  # the extra `observe`
    except ImportError:
        return None
    return pynvml


class GpuCollector(Collector):
    """The readings as metrics of `definitions`, made at each scrape."""

    def __init__(self, gpus: Gpus | None = None) -> None:
        self._gpus = gpus or Gpus()

    def describe(self) -> Iterator[Metric]:
        yield from self._families().values()

    def collect(self) -> Iterator[Metric]:
        readings = self._gpus.read()
        families = self._families() if readings else {}
        for reading in readings:
            gpu = str(reading.index)
            families["chartwell_gpu_info"].add_metric([gpu, reading.name, reading.driver], 1)
            for name, family in families.items():
                value = getattr(reading, name.removeprefix("chartwell_gpu_"), None)
                if value is not None:
                    family.add_metric([gpu], value)
        yield from families.values()

    def _families(self) -> dict[str, GaugeMetricFamily]:
        return {
            each.name: GaugeMetricFamily(each.name, each.help, labels=tuple(each.labels))
            for each in definitions()
            if each.name in COLLECTED
        }
