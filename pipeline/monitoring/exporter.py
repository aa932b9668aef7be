"""The last sample and the costs as Prometheus metrics, in a file for node_exporter and on a port of the loopback.

Decides the names. Labels are numbers of cards, names of services and containers, and paths of mount points: nothing
that a note or a question could get into.
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


class SampleMetrics(Collector):
    """What a registry shows of the last sample. `lost` and `costs` are set beside it."""

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


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"chartwell_{name}", text, value=value)


def _labelled(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"chartwell_{name}", text, labels=labels)


def _of_monitor(sample: Sample, lost: int) -> Iterator[Metric]:
    yield _gauge("monitor_look_seconds", "How long the last look took.", sample.took_seconds)
    yield CounterMetricFamily("chartwell_monitor_lost_samples", "Samples that could not be kept.", value=lost)
    yield _gauge("monitor_clock_step_seconds", "How far the clock jumped.", sample.clock_step_seconds)
    missing = _labelled("monitor_missing", "1 where a probe has no reading.", ["probe"])
    for name in SECTIONS:
        if (found := getattr(sample, name)) is not None:
            missing.add_metric([name], float(isinstance(found, Missing)))
    yield missing


def _of_gpus(gpus: Gpus) -> Iterator[Metric]:
    for field, name, text in (
        ("utilisation", "gpu_utilisation_ratio", "Share of time in which any kernel ran."),
        ("dram_active", "gpu_dram_active_ratio", "Share of cycles in which memory was busy (DCGM)."),
        ("tensor_active", "gpu_tensor_active_ratio", "Share of cycles in which tensor cores worked (DCGM)."),
        ("memory_used_bytes", "gpu_memory_used_bytes", "Memory in use."),
        ("memory_total_bytes", "gpu_memory_total_bytes", "Memory of the card."),
        ("power_watts", "gpu_power_watts", "Power drawn."),
        ("temperature_celsius", "gpu_temperature_celsius", "Temperature of the card."),
    ):
        family = _labelled(name, text, ["gpu"])
        for card in gpus.cards:
            if (value := getattr(card, field)) is not None:
                family.add_metric([str(card.index)], float(value))
        if family.samples:
            yield family
    faults = _labelled("gpu_fault", "1 where a card does not answer.", ["gpu"])
    for card in gpus.cards:
        faults.add_metric([str(card.index)], float(bool(card.fault)))
    yield faults


def _of_services(sample: Sample) -> Iterator[Metric]:
    up = _labelled("service_up", "1 where a server answered a short call as it should.", ["service"])
    seconds = _labelled("service_answer_seconds", "How long that call took.", ["service"])
    running = _labelled("model_requests_running", "Requests that a model works on.", ["service"])
    waiting = _labelled("model_requests_waiting", "Requests that wait for a model.", ["service"])
    cache = _labelled("model_cache_used_ratio", "KV cache in use.", ["service"])
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
    yield from (family for family in (up, seconds, running, waiting, cache) if family.samples)


def _of_containers(containers: Containers) -> Iterator[Metric]:
    running = _labelled("container_running", "1 where the container runs.", ["container"])
    killed = _labelled("container_killed_for_memory", "1 where its last end was for memory.", ["container"])
    restarts = CounterMetricFamily(
        "chartwell_container_restarts", "Restarts by Docker since it was made.", labels=["container"]
    )
    for each in containers.found:
        running.add_metric([each.name], float(each.status == "running"))
        killed.add_metric([each.name], float(each.killed_for_memory))
        restarts.add_metric([each.name], each.restarts)
    yield from (running, killed, restarts)


def _of_store(sample: Sample) -> Iterator[Metric]:
    if isinstance(store := sample.store, StoreSample):
        yield _gauge("store_notes", "Notes in the store.", store.notes)
        yield _gauge("store_chunks", "Passages in the store.", store.chunks)
        sizes = _labelled("store_bytes", "Size of the store.", ["part"])
        sizes.add_metric(["files"], store.files_bytes)
        if store.database_bytes is not None:
            sizes.add_metric(["database"], store.database_bytes)
        yield sizes
    if isinstance(work := sample.work, Work):
        notes = _labelled("ledger_notes", "Notes in the ledger.", ["state"])
        for state in ("pending", "processing", "completed", "failed"):
            notes.add_metric([state], getattr(work, state))
        yield notes


def _of_host(host: HostSample) -> Iterator[Metric]:
    yield _gauge("host_cpu_ratio", "Processors in use.", host.cpu)
    yield _gauge("host_memory_used_bytes", "Memory that programs hold.", host.memory_used_bytes)
    yield _gauge("host_memory_total_bytes", "Memory of the host.", host.memory_total_bytes)
    used = _labelled("disk_used_bytes", "Disk in use.", ["path"])
    size = _labelled("disk_total_bytes", "Size of the disk as df counts.", ["path"])
    for disk in host.disks:
        used.add_metric([disk.path], disk.used_bytes)
        size.add_metric([disk.path], disk.total_bytes)
    yield from (used, size)


def _of_costs(costs: CostReport) -> Iterator[Metric]:
    """Figures that are not known are absent: a zero would be a claim."""
    family = _labelled("cost", "Figures of pipeline.cost; the unit is a label.", ["figure", "unit"])
    for figure in costs:
        if figure.value is not None:
            family.add_metric([figure.name, figure.unit], figure.value)
    yield family
