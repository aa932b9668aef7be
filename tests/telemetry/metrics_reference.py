"""`docs/metrics.md`: what the service and indexing runs count, and what the monitor samples.

The monitor makes its metrics from a sample; here it gets one in which nothing is missing, so that each is there.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from pipeline.monitoring.exporter import SampleMetrics
from pipeline.monitoring.samples import (
    Containers,
    ContainerSample,
    Disk,
    Gpu,
    Gpus,
    HostSample,
    Sample,
    Service,
    StoreSample,
    Work,
)
from pipeline.pricing import Prices, UsageWindow, cost_report
from pipeline.telemetry.definitions import reference

MONITOR_LABELS = {
    "probe": "gpus, containers, store, work, asked, host",
    "gpu": "number of the card",
    "service": "embedder, generator and the others of the settings",
    "container": "name of the container",
    "part": "files, database",
    "state": "pending, processing, completed, failed",
    "path": "mount point",
    "figure": "as `python -m pipeline.cost --json` names them",
    "unit": "USD, USD/hour, hours, ratio, questions, notes",
}


def whole_sample() -> Sample:
    """A look at a host on which everything answers."""
    card = Gpu(0, "NVIDIA A10G", 0.5, 0.4, 0.3, 1, 2, 150.0, 300.0, 60)
    return Sample(
        at="2026-01-01T00:00:00Z",
        boot="b",
        elapsed_seconds=1.0,
        interval_seconds=15.0,
        took_seconds=0.1,
        clock_step_seconds=0.0,
        gpus=Gpus("580", (card,)),
        services=(Service("generator", "127.0.0.1:8000", "ok", "", 0.1, 1.0, 0.0, 0.1, 1.0, 1.0),),
        containers=Containers((ContainerSample("iris", "running", 0, "2026-01-01T00:00:00Z", 0, False),)),
        store=StoreSample("iris", 1, 1, 1, 1),
        work=Work(0, 0, 1, 0),
        asked=None,
        host=HostSample("h", 0.1, 8, 0.1, 1, 2, 0, (Disk("/", 1, 2),), 1.0),
    )


def monitor_families() -> list[Metric]:
    """Every metric that the monitor can show."""
    metrics = SampleMetrics()
    metrics.sample = whole_sample()
    metrics.costs = cost_report(Prices(running_usd_per_hour=1.0), UsageWindow())
    return list(metrics.collect())


def text() -> str:
    lines = [
        "",
        "## Monitor",
        "",
        "What `python -m pipeline.monitor` samples; on a port or in a file, see [monitoring.md](monitoring.md).",
        "A reading that is not there is absent.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
        *_rows(),
    ]
    return reference() + "\n".join(lines) + "\n"


def _rows() -> Iterator[str]:
    for family in monitor_families():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels})
        told = "; ".join(f"`{label}`: {MONITOR_LABELS[label]}" for label in labels)
        yield f"| `{name}` | {family.type} | {told} | {family.documentation} |"
