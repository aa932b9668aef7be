"""What observes this process, as the settings say: metrics, traces, both or nothing.

Decides which wrapper goes around which port. Where nothing observes, each port is handed back as it came, so that
being watched costs only those who want it. The libraries are imported here when they are wanted, and nowhere else
than below `pipeline/telemetry`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipeline.config import Settings
from pipeline.errors import SettingsInvalid
from pipeline.indexing.flow import Observer
from pipeline.ports import Answerer, Embedder, Generator, Store
from pipeline.pricing import answer_usd, prices_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from prometheus_client import CollectorRegistry

    from pipeline.telemetry.metrics import AnswerPrice, Metrics
    from pipeline.telemetry.tracing import Tracing

TRACES_FILE = "traces.jsonl"
INGESTION_FILE = "ingestion.prom"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Telemetry:
    """The observers of one process; None for what is off."""

    metrics: Metrics | None = None
    tracing: Tracing | None = None
    store_kind: str = "embedded"

    def embedder(self, embedder: Embedder) -> Embedder:
        if self.metrics is not None:
            from pipeline.telemetry.counted_ports import MeteredEmbedder

            embedder = MeteredEmbedder(embedder, self.metrics)
        if self.tracing is not None:
            from pipeline.telemetry.tracing import traced_embedder

            embedder = traced_embedder(embedder, self.tracing)
        return embedder

    def generator(self, generator: Generator) -> Generator:
        if self.metrics is not None:
            from pipeline.telemetry.counted_ports import MeteredGenerator

            generator = MeteredGenerator(generator, self.metrics)
        if self.tracing is not None:
            from pipeline.telemetry.tracing import TracedGenerator

            generator = TracedGenerator(generator, self.tracing)
        return generator

    def store(self, store: Store) -> Store:
        if self.metrics is not None:
            from pipeline.telemetry.counted_ports import metered_store

            store = metered_store(store, self.metrics)
        if self.tracing is not None:
            from pipeline.telemetry.tracing import traced_store

            store = traced_store(store, self.tracing, self.store_kind)
        return store

    def answerer(self, answerer: Answerer, space_id: str) -> Answerer:
        """`answerer`, its answers and their stages observed besides the ports under it."""
        if self.tracing is not None:
            from pipeline.telemetry.tracing import TracedAnswerer

            answerer = TracedAnswerer(answerer, self.tracing, space_id)
        if self.metrics is not None:
            from pipeline.telemetry.counted_ports import MeteredAnswerer

            answerer = MeteredAnswerer(answerer, self.metrics)
        return answerer

    @contextmanager
    def indexing(self, observer: Observer) -> Iterator[Observer]:
        """The observer of one indexing run, which ends with the block."""
        with ExitStack() as stack:
            if self.tracing is not None:
                stack.enter_context(self.tracing.run("index"))
            if self.metrics is not None:
                from pipeline.telemetry.counted_ports import metered_run

                observer = stack.enter_context(metered_run(observer, self.metrics))
            yield observer


SILENT = Telemetry()
"""Observes nothing."""


@contextmanager
def open_telemetry(settings: Settings) -> Iterator[Telemetry]:
    """What the settings ask for; what is left of the traces is exported on leaving.

    Metrics are on by default, and silently absent where prometheus-client is not installed. Traces are off by default;
    asking for them without OpenTelemetry raises SettingsInvalid.
    """
    with ExitStack() as stack:
        tracing = None
        if settings.tracing.exporter != "none":
            exporter = stack.enter_context(_exporter(settings))
            from pipeline.telemetry.tracing import Tracing

            tracing = Tracing(exporter, ratio=settings.tracing.ratio)
            stack.callback(tracing.close)
        metrics = None
        if settings.metrics.enabled and importlib.util.find_spec("prometheus_client") is not None:
            from prometheus_client import CollectorRegistry

            from pipeline.telemetry.metrics import Metrics

            metrics = Metrics(CollectorRegistry(), price=_price(settings))
        yield Telemetry(metrics, tracing, settings.store.kind)


def _price(settings: Settings) -> AnswerPrice:
    prices = prices_of(settings)
    return lambda answer: answer_usd(prices, answer.usage.prompt_tokens, answer.usage.completion_tokens).value


def ingestion_file(settings: Settings) -> Path:
    """Where an indexing run writes its metrics, and the service reads them."""
    return settings.metrics.textfile or settings.data_dir / INGESTION_FILE


@contextmanager
def open_service_telemetry(settings: Settings) -> Iterator[Telemetry]:
    """As `open_telemetry`, for a process that serves `/metrics`: what indexing runs of this host counted is there too,
    and CloudWatch's log lines are written where the settings ask for them."""
    with open_telemetry(settings) as telemetry, ExitStack() as stack:
        if telemetry.metrics is not None:
            from pipeline.telemetry.textfile import TextfileCollector

            telemetry.metrics.add(TextfileCollector(ingestion_file(settings)))
            if settings.metrics.emf_seconds:
                from pipeline.telemetry.emf import emit_periodically

                stack.enter_context(emit_periodically(telemetry.metrics, settings.metrics.emf_seconds))
        yield telemetry


@contextmanager
def open_run_telemetry(settings: Settings) -> Iterator[Telemetry]:
    """As `open_telemetry`, for an indexing run: its metrics are in a file, and on a port where one is set."""
    with open_telemetry(settings) as telemetry, ExitStack() as stack:
        if telemetry.metrics is not None:
            from pipeline.telemetry.textfile import write_periodically

            registry, wanted = telemetry.metrics.registry, settings.metrics
            path, named = ingestion_file(settings), wanted.textfile is not None
            stack.enter_context(write_periodically(registry, path, wanted.textfile_seconds, shared=named))
            if wanted.port:
                stack.enter_context(_served(registry, wanted.port))
        yield telemetry


@contextmanager
def _served(registry: CollectorRegistry, port: int) -> Iterator[None]:
    from prometheus_client import start_http_server

    from pipeline.telemetry.metrics import Together

    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=Together([registry]))
    except OSError as error:
        raise SettingsInvalid(
            f"The metrics of this run cannot be served on port {port}: {error.strerror}.",
            remedy="Set CHARTWELL_METRICS__PORT to a free port, or to 0: they are in a file as well.",
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _exporter(settings: Settings) -> Iterator[SpanExporter]:
    if importlib.util.find_spec("opentelemetry") is None:
        raise SettingsInvalid(
            "CHARTWELL_TRACING__EXPORTER is set, and OpenTelemetry is not installed.",
            remedy="Install the extra `observe` (requirements/serve.txt has it), or set it to none.",
        )
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    if settings.tracing.exporter == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        yield OTLPSpanExporter(endpoint=settings.tracing.endpoint)
        return
    with _lines(settings) as out:
        yield ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")


@contextmanager
def _lines(settings: Settings) -> Iterator[TextIO]:
    if settings.tracing.exporter == "console":
        with nullcontext(sys.stderr) as out:
            yield out
        return
    path = settings.tracing.file or settings.data_dir / TRACES_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        yield file
