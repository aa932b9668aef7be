"""What needs attention: each fault of a sample is named with what to do, and a well host has none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.monitoring.alerts import alerts_of
from pipeline.monitoring.samples import Containers, Gpus, HostSample, Sample, Service, StoreSample
from pipeline.monitoring.thresholds import DATABASE_BYTES_MAX
from tests.monitoring.samples import BARE, CARD, ILL, WELL, container

ROOT = Path(__file__).resolve().parents[2]


def named(sample: Sample, before: Sample | None = None) -> str:
    return "\n".join(f"{each.level} {each.what} | {each.do}" for each in alerts_of(sample, before))


def test_a_well_host_needs_nobody_and_neither_does_a_laptop() -> None:
    assert alerts_of(WELL, WELL) == []
    assert alerts_of(BARE) == []


@pytest.mark.parametrize(
    "said",
    [
        "fail iris is down",
        "warn embedder is slow: took 1.9 s",
        "warn generator is loading",
        "fail GPU 1: the card fell off the bus",
        "fail iris is restarting, exit code 1",
        "fail nim-llm ran out of memory",
        "fail /data/app/state is 99% full",
        "warn 17 notes failed",
        "warn the clock jumped by -3600 s",
        "warn iris was restarted",
    ],
)
def test_every_fault_is_named(said: str) -> None:
    assert said in named(ILL, WELL)


def test_the_worst_comes_first() -> None:
    levels = [each.level for each in alerts_of(ILL, WELL)]
    assert levels == sorted(levels)


def test_limits_are_where_they_are_said_to_be() -> None:
    assert isinstance(WELL.host, HostSample)
    disk = WELL.host.disks[0]

    def filled(share: float) -> str:
        assert isinstance(WELL.host, HostSample)
        used = replace(disk, used_bytes=int(disk.total_bytes * share) + 1)
        return named(replace(WELL, host=replace(WELL.host, disks=(used,))))

    assert filled(0.89) == ""
    assert filled(0.90).startswith("warn")
    assert filled(0.98).startswith("fail")
    hot = replace(WELL, gpus=Gpus("580", (replace(CARD, temperature_celsius=91),)))
    assert "GPU 0 has 91 °C" in named(hot)
    full = replace(WELL.host, memory_used_bytes=WELL.host.memory_total_bytes)
    assert "memory is 100% used" in named(replace(WELL, host=full))
    assert isinstance(WELL.store, StoreSample)
    big = replace(WELL.store, database_bytes=int(0.95 * DATABASE_BYTES_MAX))
    assert "10 GB of a Community licence" in named(replace(WELL, store=big))


def test_a_container_that_ended_well_is_no_fault_and_one_that_is_unhealthy_is() -> None:
    ended = Containers((container("job", status="exited", exit_code=0),))
    assert alerts_of(replace(WELL, containers=ended)) == []
    unhealthy = Containers((container("iris", health="unhealthy"),))
    assert "fail iris is unhealthy" in named(replace(WELL, containers=unhealthy))


def test_a_hosted_model_that_is_not_asked_is_no_fault() -> None:
    assert alerts_of(replace(WELL, services=(Service("generator", "hosted", "not asked"),))) == []


def test_a_page_that_is_named_has_that_section() -> None:
    """Every docs/…#section of the judge is a heading."""
    text = (ROOT / "pipeline" / "monitoring" / "alerts.py").read_text(encoding="utf-8")
    places = set(re.findall(r"docs/([\w-]+\.md)#([\w-]+)", text))
    assert places
    for page, anchor in places:
        headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"docs/{page} has no #{anchor}"
