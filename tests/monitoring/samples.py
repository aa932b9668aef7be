"""A deployed host in a sample: a well one and one in trouble, for what shows, judges and publishes samples."""

from __future__ import annotations

from dataclasses import replace

from pipeline.monitoring.samples import (
    Containers,
    ContainerSample,
    Disk,
    Gpu,
    Gpus,
    HostSample,
    Missing,
    QuestionCounts,
    Sample,
    Service,
    StoreSample,
    Work,
)
from pipeline.pricing import Prices, UsageWindow, cost_report

GIB = 1024**3
MIB = 1024**2


def container(name: str, **changes: object) -> ContainerSample:
    values: dict[str, object] = {
        "name": name,
        "status": "running",
        "restarts": 0,
        "started_at": "2026-11-21T06:02:11.5Z",
        "exit_code": 0,
        "killed_for_memory": False,
    }
    return ContainerSample(**{**values, **changes})  # type: ignore[arg-type]


CARD = Gpu(
    0,
    "NVIDIA A10G",
    utilisation=0.92,
    dram_active=0.61,
    tensor_active=0.08,
    memory_used_bytes=20_500 * MIB,
    memory_total_bytes=23_028 * MIB,
    power_watts=214.3,
    power_limit_watts=300.0,
    temperature_celsius=67,
)
WELL = Sample(
    at="2026-11-21T08:30:15+00:00",
    boot="3f2a9c01",
    elapsed_seconds=8_884.0,
    interval_seconds=15.0,
    took_seconds=1.2,
    clock_step_seconds=0.0,
    gpus=Gpus("580.95.05", (CARD,)),
    services=(
        Service("iris", "127.0.0.1:1972", "ok", seconds=0.038),
        Service("embedder", "127.0.0.1:8001", "ok", seconds=0.004, running=0, waiting=0),
        Service(
            "generator",
            "127.0.0.1:8000",
            "ok",
            seconds=0.003,
            running=3,
            waiting=1,
            cache_used=0.42,
            prompt_tokens=812_044,
            completion_tokens=90_211,
        ),
        Service("service", "127.0.0.1:8080", "ok", seconds=0.012),
    ),
    containers=Containers((container("iris"), container("nim-embedding"), container("nim-llm"))),
    store=StoreSample("iris", 84_211, 412_908, 412 * MIB, database_bytes=int(3.6 * GIB)),
    work=Work(pending=1_204, processing=32, completed=84_211, failed=0),
    asked=QuestionCounts(questions=1_812, prompt_tokens=812_044, completion_tokens=90_211),
    host=HostSample(
        name="ip-10-0-3-7",
        cpu=0.31,
        cores=8,
        load_1_minute=2.4,
        memory_used_bytes=int(24.1 * GIB),
        memory_total_bytes=int(30.9 * GIB),
        swap_used_bytes=0,
        disks=(
            Disk("/data/app/state", int(112.4 * GIB), int(195.8 * GIB), 0.02),
            Disk("/", int(9.1 * GIB), int(38.6 * GIB), 0.11),
        ),
        uptime_seconds=8_884.0,
    ),
)
assert isinstance(WELL.host, HostSample)
ILL = replace(
    WELL,
    clock_step_seconds=-3_600.0,
    gpus=Gpus(
        "580.95.05",
        (CARD, Gpu(1, "unknown", fault="the card fell off the bus (Xid 79): stop and start the host")),
    ),
    services=(
        Service(
            "iris",
            "127.0.0.1:1972",
            "down",
            "IRIS at 127.0.0.1:1972 cannot be reached [CW-STORE-UNAVAILABLE]",
        ),
        Service("embedder", "127.0.0.1:8001", "slow", seconds=1.9),
        Service("generator", "127.0.0.1:8000", "loading", "loads its model", seconds=0.01),
    ),
    containers=Containers(
        (
            container("iris", status="restarting", restarts=4, exit_code=1),
            container("nim-llm", status="exited", exit_code=137, killed_for_memory=True),
        )
    ),
    store=Missing("IRIS at 127.0.0.1:1972 cannot be reached [CW-STORE-UNAVAILABLE]"),
    work=Work(pending=0, processing=0, completed=84_211, failed=17),
    host=replace(WELL.host, disks=(Disk("/data/app/state", 194 * GIB, 196 * GIB, 0.02), WELL.host.disks[1])),
)
PICTURED = replace(
    WELL,
    services=(*WELL.services[:2], replace(WELL.services[2], state="slow", seconds=1.31), WELL.services[3]),
    containers=Containers(
        (
            container("iris"),
            container("nim-embedding"),
            container("nim-llm", restarts=1, started_at="2026-11-21T08:12:40Z"),
        )
    ),
)
COSTS = cost_report(
    Prices(1.2484, 0.0236, "AWS list prices of 2026-11, g5.2xlarge/on-demand/us-east-1/pause-volume"),
    UsageWindow(
        source="the monitor's samples",
        since="2026-11-14T08:30:00+00:00",
        until="2026-11-21T08:30:15+00:00",
        observed_hours=91.5,
        indexing_hours=12.0,
        idle_hours=61.0,
        gpu_hours=91.5,
        gpu_busy_hours=14.0,
        gpu_busy_indexing_hours=9.0,
        questions=1_812,
        notes=84_211,
        prompt_tokens=812_044,
        completion_tokens=90_211,
    ),
)
BARE = replace(
    WELL,
    gpus=Missing("no NVIDIA driver on this machine"),
    services=(),
    containers=Missing("Docker is not installed here"),
    store=Missing("nothing is indexed yet"),
    work=Missing("nothing is indexed yet"),
    asked=None,
)
