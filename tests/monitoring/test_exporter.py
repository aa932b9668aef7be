"""Samples as metrics: read back by Prometheus' own parser, from the file and over HTTP; the unknown is absent."""

from __future__ import annotations

import shutil
import stat
import subprocess
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.monitoring.exporter import MetricsSink
from pipeline.monitoring.samples import SECTIONS
from pipeline.pricing import Prices, UsageWindow, cost_report
from pipeline.telemetry.definitions import MONITOR, definitions
from tests.monitoring.samples import BARE, ILL, WELL
from tests.telemetry.monitor_families import monitor_families

COSTS = cost_report(
    Prices(1.25, 0.05, "list"), UsageWindow("samples", observed_hours=2.0, indexing_hours=0.0, questions=100)
)


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def published(tmp_path: Path) -> tuple[MetricsSink, Path]:
    path = tmp_path / "chartwell.prom"
    sink = MetricsSink(path, 0)
    sink.publish(WELL, lost=3, costs=COSTS)
    return sink, path


def test_every_section_is_there(tmp_path: Path) -> None:
    _, path = published(tmp_path)
    found = parsed(path.read_text())
    assert value(found, "chartwell_gpu_dram_active_ratio", gpu="0") == 0.61
    assert value(found, "chartwell_service_up", service="iris") == 1
    assert value(found, "chartwell_model_requests_waiting", service="generator") == 1
    assert value(found, "chartwell_container_running", container="nim-llm") == 1
    assert value(found, "chartwell_store_notes") == 84_211
    assert value(found, "chartwell_ledger_notes", state="pending") == 1_204
    assert value(found, "chartwell_disk_total_bytes", path="/") > 0
    assert value(found, "chartwell_monitor_lost_samples_total") == 3
    assert value(found, "chartwell_cost", figure="usd_per_question", unit="USD") == pytest.approx(0.025)


def test_what_is_shown_is_what_is_defined() -> None:
    defined = {each.name: each for each in MONITOR}
    shown = {
        f"{each.name}_total" if each.type == "counter" else each.name: each for each in monitor_families()
    }
    assert set(shown) == set(defined)
    for name, family in shown.items():
        for sample in family.samples:
            assert set(sample.labels) == set(defined[name].labels)
            for label, given in sample.labels.items():
                assert given in (defined[name].labels[label].values or (given,))
    assert defined["chartwell_monitor_missing"].labels["probe"].values == SECTIONS


def test_no_process_counts_what_only_the_monitor_samples() -> None:
    assert not {each.name for each in MONITOR} & {each.name for each in definitions()}


def test_what_is_unknown_is_absent_and_not_zero(tmp_path: Path) -> None:
    sink, _ = published(tmp_path)
    sink.publish(BARE, lost=0, costs=cost_report(Prices(), UsageWindow()))
    text = sink.text().decode()
    assert "chartwell_gpu_utilisation_ratio" not in text
    assert 'chartwell_monitor_missing{probe="gpus"} 1.0' in text
    assert 'figure="usd_per_question"' not in text


def test_trouble_shows(tmp_path: Path) -> None:
    sink, _ = published(tmp_path)
    sink.publish(ILL, lost=0, costs=None)
    found = parsed(sink.text().decode())
    assert value(found, "chartwell_service_up", service="iris") == 0
    assert value(found, "chartwell_service_up", service="generator") == 0
    assert value(found, "chartwell_gpu_fault", gpu="1") == 1
    assert value(found, "chartwell_container_killed_for_memory", container="nim-llm") == 1
    assert value(found, "chartwell_container_restarts_total", container="iris") == 4


def test_the_file_is_replaced_whole_and_readable_for_the_collector(tmp_path: Path) -> None:
    _, path = published(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["chartwell.prom"]


def test_a_file_that_cannot_be_written_is_no_crash(tmp_path: Path) -> None:
    sink = MetricsSink(tmp_path / "no-such-folder" / "chartwell.prom", 0)
    sink.publish(WELL, lost=0, costs=None)
    sink.publish(WELL, lost=0, costs=None)


def test_a_scrape_over_http_is_for_this_machine_only() -> None:
    with __import__("socket").socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sink = MetricsSink(None, port)
    try:
        sink.publish(WELL, lost=0, costs=COSTS)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            assert value(parsed(answer.read().decode()), "chartwell_store_chunks") == 412_908
        assert sink._server is not None
        assert sink._server.server_address[0] == "127.0.0.1"
    finally:
        sink.close()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    sink, _ = published(tmp_path)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=sink.text(), capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
