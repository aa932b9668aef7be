"""What these tests share: an observed process, and notes in a real embedded store."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from pipeline import vectorize
from pipeline.config import Settings, load_settings
from pipeline.telemetry.metrics import Metrics
from pipeline.telemetry.setup import Telemetry
from pipeline.telemetry.tracing import Tracing
from tests.telemetry.collector import Collector

NOTES = [
    ("n1", "p1", "2020-01-01", "Allergies: penicillin causes a rash. Blood pressure was 120/80 today."),
    ("n2", "p2", "2022-02-02", "The patient started lisinopril 20 mg daily for high blood pressure."),
]
TEN_QUESTIONS = (
    "What dose of allopurinol is taken for gout?",
    "Which patients had a kidney transplant?",
    "What did the x-ray of the knee show?",
    "Is there any fever?",
    "Who takes lisinopril?",
    "What is the plan for diabetes?",
    "Is there chest pain?",
    "Was an MRI ordered?",
    "Which antibiotics were given?",
    "Where do zebras graze in autumn?",
)
QUESTION = "Which dose of lisinopril was started for blood pressure?"


@dataclass(frozen=True)
class Watched:
    """Telemetry whose spans and samples a test can read."""

    telemetry: Telemetry
    metrics: Metrics
    tracing: Tracing
    exporter: InMemorySpanExporter

    def spans(self) -> list[ReadableSpan]:
        self.tracing.flush()
        return list(self.exporter.get_finished_spans())

    def span(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans() if span.name == name]
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """One sample."""
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def watched() -> Iterator[Watched]:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    metrics = Metrics(CollectorRegistry())
    yield Watched(Telemetry(metrics, tracing), metrics, tracing, exporter)
    tracing.close()


Index = Callable[[Sequence[tuple[str, str, str, str]]], Settings]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Indexes (note, patient, date, text) by the command, without weights, and gives the settings that answer."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")

    def indexed(notes: Sequence[tuple[str, str, str, str]]) -> Settings:
        rows = [
            {"resource_id": i, "patient_id": p, "date": d, "document_type": "note", "text_content": t}
            for i, p, d, t in notes
        ]
        source = tmp_path / "notes.json"
        source.write_text(json.dumps(rows))
        result = CliRunner().invoke(vectorize.app, ["notes", str(source)])
        assert result.exit_code == 0, result.output
        return load_settings(None)

    return indexed


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running
