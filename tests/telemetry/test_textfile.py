"""Metrics of indexing runs: written whole, going on from run to run, several concurrently, and honest after a kill."""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from pipeline import vectorize
from pipeline.config import load_settings
from pipeline.storage.locks import exclusive_lock
from pipeline.telemetry import textfile
from pipeline.telemetry.metrics import Metrics
from pipeline.telemetry.setup import open_run_telemetry, open_service_telemetry
from pipeline.telemetry.textfile import TextfileCollector, read_file, write_periodically
from tests.telemetry.conftest import NOTES, Index


def values(path: Path) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in read_file(path)
        for sample in family.samples
    }


def test_a_run_leaves_its_numbers_and_the_next_goes_on(index: Index, tmp_path: Path) -> None:
    settings = index(NOTES)
    path = settings.data_dir / "ingestion.prom"
    stored = "chartwell_ingestion_notes_total[('outcome', 'embedded'), ('worker', '1')]"
    unchanged = "chartwell_ingestion_notes_total[('outcome', 'unchanged'), ('worker', '1')]"
    requests = "chartwell_embedder_request_duration_seconds_count[('kind', 'passage'), ('worker', '1')]"
    first = values(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (first[stored], first[unchanged], first[requests]) == (2, 0, 1)
    assert CliRunner().invoke(vectorize.app, ["notes", str(tmp_path / "notes.json")]).exit_code == 0
    second = values(path)
    assert (second[stored], second[unchanged], second[requests]) == (2, 2, 1)
    assert second["chartwell_ingestion_runs_total[('outcome', 'finished'), ('worker', '1')]"] == 2
    assert second["chartwell_ingestion_running[('worker', '1')]"] == 0
    text = path.read_text()
    assert not any(note[index] in text for note in NOTES for index in (0, 1, 3))


def test_the_service_shows_what_runs_counted_beside_its_own(index: Index) -> None:
    settings = index(NOTES)
    with open_service_telemetry(settings) as telemetry:
        assert telemetry.metrics is not None
        text = telemetry.metrics.exposition().decode()
    assert 'chartwell_ingestion_notes_total{outcome="embedded",worker="1"} 2.0' in text
    assert 'chartwell_questions_total{outcome="answered",reason="none"} 0.0' in text
    kinds = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds)), "a family may open only once"


def test_two_runs_at_once_write_two_files(tmp_path: Path) -> None:
    path = tmp_path / "ingestion.prom"
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.batch_stored()
    with write_periodically(first.registry, path, 60), write_periodically(second.registry, path, 60):
        second.batch_stored()
        second.batch_stored()
    shown = [
        (sample.labels["worker"], sample.value)
        for family in TextfileCollector(path).collect()
        for sample in family.samples
        if sample.name == "chartwell_ingestion_batches_total"
    ]
    assert shown == [("1", 1), ("2", 2)]


def test_what_a_killed_run_left_behind_says_no_more_than_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "ingestion.prom"
    metrics = Metrics(CollectorRegistry())
    metrics.run_began()
    metrics.notes("embedded", 3)
    with write_periodically(metrics.registry, path, 60):
        pass  # the file now says that a run is in progress, and no one holds its lock
    names = {family.name for family in TextfileCollector(path).collect()}
    assert "chartwell_ingestion_running" not in names
    assert "chartwell_ingestion_notes" in names
    with exclusive_lock(path.with_suffix(".lock")):
        assert "chartwell_ingestion_running" in {family.name for family in TextfileCollector(path).collect()}


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ingestion.prom"
    metrics = Metrics(CollectorRegistry())
    with write_periodically(metrics.registry, path, 0.001):
        complete = {len(read_file(path)) for _ in range(200)}
    assert len(complete) == 1


@pytest.mark.parametrize("content", ["", "no metric at all {", "# TYPE x counter\nx_total NaNaN\n"])
def test_a_file_that_is_none_breaks_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ingestion.prom"
    path.write_text(content)
    assert list(TextfileCollector(path).collect()) == []


def test_a_full_disk_does_not_end_the_run(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    path = tmp_path / "ingestion.prom"
    (tmp_path / ".ingestion.prom.new").mkdir()  # what cannot be written, whoever the user is
    with write_periodically(metrics.registry, path, 60):
        metrics.batch_stored()
    assert not path.exists()


def test_too_many_runs_go_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textfile, "WORKERS_MAX", 1)
    path = tmp_path / "ingestion.prom"
    metrics = Metrics(CollectorRegistry())
    with write_periodically(metrics.registry, path, 60), write_periodically(metrics.registry, path, 60):
        pass
    assert [each.name for each in tmp_path.glob("*.prom")] == ["ingestion.prom"]


def test_a_run_serves_its_metrics_on_a_port_of_the_loopback(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("CHARTWELL_METRICS__PORT", str(free_port))
    with open_run_telemetry(load_settings(None)) as telemetry:
        assert telemetry.metrics is not None
        telemetry.metrics.batch_stored()
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=10) as page:
            assert b"chartwell_ingestion_batches_total 1.0" in page.read()
    assert not [each for each in threading.enumerate() if "metrics" in each.name]


def test_metrics_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, index: Index) -> None:
    monkeypatch.setenv("CHARTWELL_METRICS__ENABLED", "false")
    settings = index(NOTES)
    assert not (settings.data_dir / "ingestion.prom").exists()
    with open_service_telemetry(settings) as telemetry:
        assert (telemetry.metrics, telemetry.tracing) == (None, None)
