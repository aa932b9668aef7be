"""The last sample and the costs as Prometheus metrics, in a file for node_exporter and on a port of the loopback.

Decides which reading goes into which metric of `telemetry.definitions`. Labels are numbers of cards, names of services
and containers, and paths of mount points: nothing that a note or a question could get into.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.logs import LOGGER
from pipeline.monitoring.samples import (
    SECTIONS,
    Containers,
    Gpus,
    HostSample,
    Missing,
    Sample,
    StoreSample,
    Work,
)
from pipeline.pricing import CostReport
from pipeline.telemetry.definitions import MONITOR

_DEFINED = {each.name: each for each in MONITOR}
_SERVICE = (
    "service_up",
    "service_answer_seconds",
    "model_requests_running",
    "model_requests_waiting",
    "model_cache_used_ratio",
)
_CONTAINER = ("container_running", "container_killed_for_memory", "container_restarts_total")


class SampleMetrics(Collector):
    """What a registry shows of the last sample. `lost` and `costs` are set separately."""

    def __init__(self) -> None:
        self.sample: Sample | None = None
        self.costs: CostReport | None = None
        self.lost = 0

    def collect(self) -> Iterator[Metric]:
        if (sample := self.sample) is None:
            return
        yield from _of_monitor(sample, self.lost)
        if isinstance(sample.gpus, Gpus):
            yield from _of_gpus(sample.gpus)
        yield from _of_services(sample)
        if isinstance(sample.containers, Containers):
            yield from _of_containers(sample.containers)
        yield from _of_store(sample)
        if isinstance(sample.host, HostSample):
            yield from _of_host(sample.host)
        if self.costs is not None:
            yield from _of_costs(self.costs)


class MetricsSink:
    """Publishes samples. A file that cannot be written is logged once, and tried again."""

    def __init__(self, textfile: Path | None, port: int) -> None:
        self.metrics = SampleMetrics()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self.metrics)
        self._textfile = textfile
        self._problem = ""
        self._server = None
        if port:
            # Loopback only: who may read it from elsewhere is for a proxy with a login to decide.
            self._server, _ = start_http_server(port, addr="127.0.0.1", registry=self._registry)

    def publish(self, sample: Sample, *, lost: int, costs: CostReport | None) -> None:
        self.metrics.sample, self.metrics.lost, self.metrics.costs = sample, lost, costs
        if self._textfile is not None:
            self._write(self._textfile)

    def text(self) -> bytes:
        """The metrics as a scrape would read them."""
        return generate_latest(self._registry)

    def _write(self, path: Path) -> None:
        """Replaced whole: the collector reads at any moment. Numbers only, so others of the machine may read it."""
        draft = path.with_name(f".{path.name}.new")
        try:
            draft.write_bytes(self.text())
            draft.chmod(0o644)
            draft.replace(path)
        except OSError as error:
            if self._problem != str(error):
                LOGGER.warning("the metrics file cannot be written", extra={"errno": error.errno})
            self._problem = str(error)
        else:
            self._problem = ""

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    """A metric of the definitions without a value; raises KeyError for one that they do not have."""
    each = _DEFINED[f"chartwell_{name}"]
    kind = CounterMetricFamily if each.kind == "counter" else GaugeMetricFamily
    return kind(each.name.removesuffix("_total"), each.help, labels=tuple(each.labels))


def _one(name: str, value: float) -> Metric:
    family = _family(name)
    family.add_metric([], value)
    return family


def _of_monitor(sample: Sample, lost: int) -> Iterator[Metric]:
    yield _one("monitor_look_seconds", sample.took_seconds)
    yield _one("monitor_lost_samples_total", lost)
    yield _one("monitor_clock_step_seconds", sample.clock_step_seconds)
    missing = _family("monitor_missing")
    for name in SECTIONS:
        if (found := getattr(sample, name)) is not None:
            missing.add_metric([name], float(isinstance(found, Missing)))
    yield missing


def _of_gpus(gpus: Gpus) -> Iterator[Metric]:
    for field, name in (
        ("utilisation", "gpu_utilisation_ratio"),
        ("dram_active", "gpu_dram_active_ratio"),
        ("tensor_active", "gpu_tensor_active_ratio"),
        ("memory_used_bytes", "gpu_memory_used_bytes"),
        ("memory_total_bytes", "gpu_memory_total_bytes"),
        ("power_watts", "gpu_power_watts"),
        ("temperature_celsius", "gpu_temperature_celsius"),
    ):
        family = _family(name)
        for card in gpus.cards:
            if (value := getattr(card, field)) is not None:
                family.add_metric([str(card.index)], float(value))
        if family.samples:
            yield family
    faults = _family("gpu_fault")
    for card in gpus.cards:
        faults.add_metric([str(card.index)], float(bool(card.fault)))
    yield faults


def _of_services(sample: Sample) -> Iterator[Metric]:
    up, seconds, running, waiting, cache = families = [_family(name) for name in _SERVICE]
    for each in sample.services:
        if each.state == "not asked":
            continue
        up.add_metric([each.name], float(each.state in {"ok", "slow"} and each.seconds is not None))
        for family, value in (
            (seconds, each.seconds),
            (running, each.running),
            (waiting, each.waiting),
            (cache, each.cache_used),
        ):
            if value is not None:
                family.add_metric([each.name], value)
    yield from (family for family in families if family.samples)


def _of_containers(containers: Containers) -> Iterator[Metric]:
    running, killed, restarts = families = [_family(name) for name in _CONTAINER]
    for each in containers.found:
        running.add_metric([each.name], float(each.status == "running"))
        killed.add_metric([each.name], float(each.killed_for_memory))
        restarts.add_metric([each.name], each.restarts)
    yield from families


def _of_store(sample: Sample) -> Iterator[Metric]:
    if isinstance(store := sample.store, StoreSample):
        yield _one("store_notes", store.notes)
        yield _one("store_chunks", store.chunks)
        sizes = _family("store_bytes")
        sizes.add_metric(["files"], store.files_bytes)
        if store.database_bytes is not None:
            sizes.add_metric(["database"], store.database_bytes)
        yield sizes
    if isinstance(work := sample.work, Work):
        notes = _family("ledger_notes")
        for state in ("pending", "processing", "completed", "failed"):
            notes.add_metric([state], getattr(work, state))
        yield notes


def _of_host(host: HostSample) -> Iterator[Metric]:
    yield _one("host_cpu_ratio", host.cpu)
    yield _one("host_memory_used_bytes", host.memory_used_bytes)
    yield _one("host_memory_total_bytes", host.memory_total_bytes)
    used, size = _family("disk_used_bytes"), _family("disk_total_bytes")
    for disk in host.disks:
        used.add_metric([disk.path], disk.used_bytes)
        size.add_metric([disk.path], disk.total_bytes)
    yield from (used, size)


def _of_costs(costs: CostReport) -> Iterator[Metric]:
    """Figures that are not known are absent: a zero would be a claim."""
    family = _family("cost")
    for figure in costs:
        if figure.value is not None:
            family.add_metric([figure.name, figure.unit], figure.value)
    yield family
