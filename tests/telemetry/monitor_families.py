"""What the monitor shows of a sample in which nothing is missing, so that each of its metrics is there."""

from __future__ import annotations

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
