"""CloudWatch's lines: valid by its own specification, growth and not totals, and shipped as they are."""

from __future__ import annotations

import importlib.util
import io
import json
import threading
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
from prometheus_client import CollectorRegistry

from pipeline.telemetry.definitions import definitions
from pipeline.telemetry.emf import SENT, EmbeddedMetrics, emit_periodically
from pipeline.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
UNITS = ["Seconds", "Count", "None", "Bytes", "Percent"]
SPECIFICATION = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "maxItems": 30, "items": {"type": "string"}},
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "properties": {"Name": {"type": "string"}, "Unit": {"enum": UNITS}},
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""As in "Specification: Embedded metric format" of the CloudWatch user guide."""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def test_a_line_is_as_specified_and_every_metric_has_its_value(metrics: Metrics) -> None:
    line = EmbeddedMetrics(metrics).line(1_700_000_000.5)
    event = json.loads(line)
    jsonschema.validate(event, SPECIFICATION)
    (described,) = event["_aws"]["CloudWatchMetrics"]
    assert event["_aws"]["Timestamp"] == 1_700_000_000_500
    for name in [each["Name"] for each in described["Metrics"]]:
        assert isinstance(event[name], float)
    for dimensions in described["Dimensions"]:
        assert all(isinstance(event[name], str) for name in dimensions)
    assert "\n" not in line
    assert len(line) < 8_000


def test_what_grows_is_sent_once_and_what_is_is_sent_as_it_is(metrics: Metrics) -> None:
    lines = EmbeddedMetrics(metrics)
    metrics.notes("embedded", 5)
    metrics.notes_waiting(7)
    first, second = json.loads(lines.line()), json.loads(lines.line())
    assert (first["NotesEmbedded"], second["NotesEmbedded"]) == (5, 0)
    assert (first["NotesWaiting"], second["NotesWaiting"]) == (7, 7)


def test_only_metrics_that_exist_are_sent() -> None:
    known = {each.name for each in definitions()} | {
        f"{each.name}_sum" for each in definitions() if each.buckets
    }
    labels = {each.name: set(each.labels) for each in definitions()}
    for each in SENT:
        assert each.sample in known
        assert set(each.labels) <= labels[each.sample.removesuffix("_sum")]


def test_a_line_comes_at_the_end_too(metrics: Metrics) -> None:
    out = io.StringIO()
    with emit_periodically(metrics, 60, out):
        metrics.notes("embedded", 2)
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["NotesEmbedded"] == 2


def test_a_line_that_cannot_be_written_costs_neither_the_next_one_nor_the_work(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    out = io.StringIO()
    line, failed, written = EmbeddedMetrics.line, threading.Event(), threading.Event()

    def sometimes(lines: EmbeddedMetrics) -> str:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError("words of a note")
        written.set()
        return line(lines)

    monkeypatch.setattr(EmbeddedMetrics, "line", sometimes)
    with caplog.at_level("WARNING", "chartwell"), emit_periodically(metrics, 0.01, out):
        assert written.wait(20)
    (told,) = [each for each in caplog.records if each.getMessage() == "metrics cannot be written"]
    assert vars(told)["error"] == "ZeroDivisionError"
    assert vars(told)["place"].startswith("test_emf.py:")
    assert "words of a note" not in str(vars(told))


def shipper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ship_logs", ROOT / "cloud-init" / "watch" / "ship_logs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_log_shipper_leaves_such_a_line_alone(metrics: Metrics) -> None:
    pytest.importorskip("boto3", reason="needs boto3, as the host has it")
    line = EmbeddedMetrics(metrics).line()
    entry = {
        "MESSAGE": line,
        "_SYSTEMD_UNIT": "chartwell-service.service",
        "__REALTIME_TIMESTAMP": "1700000000000000",
    }
    assert shipper().event_of(entry) == {"timestamp": 1_700_000_000_000, "message": line}
    plain = {**entry, "MESSAGE": "started"}
    assert shipper().event_of(plain)["message"] == "chartwell-service: started"
