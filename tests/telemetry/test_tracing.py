"""Traces: what is a span, whose child it is, how much of an answer they explain, and how far a trace reaches."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as conventions
from opentelemetry.trace import SpanKind, StatusCode
from typer.testing import CliRunner

from pipeline import ask as ask_door
from pipeline import vectorize
from pipeline.call_context.trace_context import in_trace, outgoing_headers, trace_id
from pipeline.config import load_settings
from pipeline.errors import Overloaded, SettingsInvalid
from pipeline.logs import JsonFormatter
from pipeline.records import Question
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.telemetry import setup as telemetry_module
from pipeline.telemetry.setup import SILENT, open_telemetry
from pipeline.telemetry.tracing import ALLOWED, Tracing, allowed
from tests.servers.nim import NimServer
from tests.telemetry.collector import Collector
from tests.telemetry.conftest import NOTES, QUESTION, TEN_QUESTIONS, Index, Watched

COVERED_MIN = 0.95
DEMO = Path(vectorize.__file__).parent / "demo" / "notes"


def covered(spans: Sequence[ReadableSpan], root: ReadableSpan) -> float:
    """Share of the root's time that its direct children explain."""
    assert root.context is not None
    inside = sorted(
        (span.start_time or 0, span.end_time or 0)
        for span in spans
        if span.parent is not None and span.parent.span_id == root.context.span_id
    )
    explained, until = 0, root.start_time or 0
    for start, end in inside:
        explained += max(0, end - max(start, until))
        until = max(until, end)
    return explained / ((root.end_time or 0) - (root.start_time or 0))


def tree(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    """Names of spans by the name of their parent."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    return {span.name: names.get(span.parent.span_id, "?") if span.parent else "" for span in spans}


@pytest.fixture
def nim(monkeypatch: pytest.MonkeyPatch) -> Iterator[NimServer]:
    with NimServer() as server:
        for role in ("EMBEDDER", "GENERATOR"):
            monkeypatch.setenv(f"CHARTWELL_{role}__PROVIDER", "nim")
            monkeypatch.setenv(f"CHARTWELL_{role}__URL", server.url)
        yield server


@pytest.mark.long
def test_the_spans_of_an_answer_explain_its_time(watched: Watched) -> None:
    """Ten questions of the demo's notes, with the model that embeds by default."""
    notes = (DEMO / "aci_bench.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    Path("notes.jsonl").write_text("\n".join(notes), encoding="utf-8")
    assert CliRunner().invoke(vectorize.app, ["notes", "notes.jsonl"]).exit_code == 0
    explained, whole = 0.0, 0.0
    with ServingAnswering(load_settings(None), watched.telemetry) as answering:
        for question in TEN_QUESTIONS:
            answering.answer(Question(question))
        spans = watched.spans()
    roots = [span for span in spans if span.name == "answer"]
    for root in roots:
        seconds = 1e-9 * ((root.end_time or 0) - (root.start_time or 0))
        whole += seconds
        explained += seconds * covered(spans, root)
    print(f"{len(roots)} answers, {whole:.2f} s, {explained / whole:.2%} of it inside a span of a stage")
    assert len(roots) == 10
    assert explained / whole >= COVERED_MIN


def test_each_span_lies_under_the_one_that_caused_it(watched: Watched, index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, watched.telemetry) as answering:
        answering.answer(Question(QUESTION, top_k=3))
    found = tree(watched.spans())
    model = answering.space_id.split("/")[1]
    assert found["answer"] == ""
    assert found["retrieval notes"] == "answer"
    assert found["prompt"] == "answer"
    assert found["chat sentence-selection"] == "answer"
    assert found["verify"] == "answer"
    assert {found[f"{query} notes"] for query in ("search_vector", "search_words", "hits")} == {
        "retrieval notes"
    }
    assert found["document notes"] == "verify"
    assert [span for span in watched.spans() if span.name == f"embeddings {model}"]
    assert watched.span("retrieval notes").attributes["gen_ai.request.top_k"] == 3  # type: ignore[index]


def test_the_genai_attributes_are_those_of_the_conventions() -> None:
    known = {
        value
        for name, value in vars(conventions).items()
        if name.startswith("GEN_AI_") and isinstance(value, str)
    }
    assert {name for name in ALLOWED if name.startswith("gen_ai.")} <= known
    content = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
               "gen_ai.completion", "gen_ai.retrieval.documents", "gen_ai.retrieval.query.text"}  # fmt: skip
    assert content <= known, "the conventions have other names for texts now"
    assert not content & ALLOWED


def test_a_span_that_would_say_more_is_not_made() -> None:
    with pytest.raises(ValueError, match=r"gen_ai\.input\.messages"):
        allowed({"gen_ai.input.messages": "Jane Roe"})


def test_a_trace_reaches_the_model_servers(watched: Watched, nim: NimServer, tmp_path: Path) -> None:
    source = tmp_path / "notes.jsonl"
    rows = [
        {"resource_id": i, "patient_id": p, "document_type": "note", "text_content": t}
        for i, p, _, t in NOTES
    ]
    source.write_text("\n".join(json.dumps(row) for row in rows))
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0
    assert {header for _, header in nim.traceparents} == {""}, "no one traces by default"
    nim.traceparents.clear()
    with ServingAnswering(load_settings(None), watched.telemetry) as answering:
        answer = answering.answer(Question(QUESTION))
    assert answer.usage.prompt_tokens > 0
    spans = {f"{span.context.span_id:016x}": span for span in watched.spans() if span.context}
    (root,) = [span for span in spans.values() if span.name == "answer"]
    assert root.context is not None
    sent = [(path, *header.split("-")[1:3]) for path, header in nim.traceparents]
    assert [path for path, _, _ in sent] == ["/v1/embeddings", "/v1/chat/completions"]
    assert {trace for _, trace, _ in sent} == {f"{root.context.trace_id:032x}"}
    assert [spans[span].name.split()[0] for _, _, span in sent] == ["embeddings", "chat"]
    chat = next(span for span in spans.values() if span.name.startswith("chat "))
    assert chat.attributes is not None
    assert chat.attributes["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert chat.attributes["gen_ai.provider.name"] == "nim"


def test_many_texts_keep_their_trace_in_the_threads_that_send_them(watched: Watched, nim: NimServer) -> None:
    from pipeline.wiring import open_embedder  # noqa: PLC0415

    embedder = watched.telemetry.embedder(open_embedder(load_settings(None)))
    with watched.tracing.span("answer", {}):
        embedder.embed([f"text {number}" for number in range(200)], "passage")
    assert len(nim.traceparents) > 3
    span = watched.span(f"embeddings {embedder.space.model}")
    assert span.context is not None
    assert {header.split("-")[2] for _, header in nim.traceparents} == {f"{span.context.span_id:016x}"}


def test_an_error_is_marked_by_its_code_and_not_by_its_words(watched: Watched) -> None:
    with pytest.raises(Overloaded), watched.tracing.span("answer", {}):
        raise Overloaded("Jane Roe waits.", remedy="Wait.")
    span = watched.span("answer")
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "CW-PROVIDER-OVERLOADED"}
    assert span.status.description is None
    assert not span.events


def test_a_stream_may_be_read_from_another_thread_at_each_step(watched: Watched, index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, watched.telemetry) as answering:
        stream = iter(answering.stream(Question(QUESTION)))
        steps = 0
        while True:
            with ThreadPoolExecutor(1) as fresh:
                event = fresh.submit(copy_context().run, next, stream, None).result()
            if event is None:
                break
            steps += 1
            assert trace_id() == "", "the reader keeps its own context"
    assert steps >= 3
    assert set(tree(watched.spans()).values()) >= {"", "answer", "retrieval notes"}


def test_who_leaves_ends_the_spans_without_an_error(watched: Watched, index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, watched.telemetry) as answering, answering.answering() as parts:
        stream = parts.stream(Question(QUESTION))
        with closing(stream):  # type: ignore[type-var]
            next(stream)
            next(stream)
    assert watched.span("answer").status.status_code is StatusCode.UNSET
    assert watched.span("chat sentence-selection").end_time is not None


def test_a_run_of_indexing_is_one_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Index
) -> None:
    monkeypatch.setenv("CHARTWELL_TRACING__EXPORTER", "file")
    settings = index(NOTES)
    file = settings.data_dir / "traces.jsonl"
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    assert file.stat().st_mode & 0o777 == 0o600
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    (root,) = [span for span in spans if span["parent_id"] is None]
    assert root["name"] == "index"
    assert {span["name"].split()[0] for span in spans} >= {"index", "embeddings", "upsert", "vectors"}


def test_a_share_of_traces_is_recorded_and_the_whole_of_each() -> None:
    exporter = InMemorySpanExporter()
    with closing(Tracing(exporter, ratio=0.3)) as tracing:
        for _ in range(400):
            with tracing.span("answer", {}), tracing.span("verify", {}):
                pass
        tracing.flush()
        spans = exporter.get_finished_spans()
    assert 60 <= len(spans) / 2 <= 180
    roots = {span.context.trace_id for span in spans if span.name == "answer" and span.context}
    assert roots == {span.context.trace_id for span in spans if span.name == "verify" and span.context}


def test_a_callers_wish_to_be_recorded_is_not_believed() -> None:
    exporter = InMemorySpanExporter()
    with closing(Tracing(exporter, ratio=0.0)) as tracing:
        header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        span = tracing.begin("GET", {}, kind=SpanKind.SERVER, traceparent=header)
        span.end()
        tracing.flush()
        assert exporter.get_finished_spans() == ()
        assert span.get_span_context().trace_id == 0x0AF7651916CD43DD8448EB211C80319C


def test_a_caller_cannot_choose_trace_ids_that_are_always_drawn() -> None:
    exporter = InMemorySpanExporter()
    with closing(Tracing(exporter, ratio=0.02)) as tracing:
        for number in range(1, 301):  # ids so low that a share by id takes every one
            tracing.begin(
                "GET", {}, kind=SpanKind.SERVER, traceparent=f"00-{number:032x}-{number:016x}-01"
            ).end()
        tracing.flush()
        assert len(exporter.get_finished_spans()) < 60


@pytest.mark.parametrize(("flag", "spans"), [("01", 20), ("00", 0)])
def test_what_the_service_began_is_recorded_where_the_service_is(flag: str, spans: int) -> None:
    """An indexing job goes on with the trace of who started it, which was drawn there."""
    exporter = InMemorySpanExporter()
    with closing(Tracing(exporter, ratio=0.5)) as tracing:
        for number in range(20):
            header = f"00-{(number << 120) + 1:032x}-{number + 1:016x}-{flag}"
            tracing.begin("index", {}, traceparent=header).end()
        tracing.flush()
        assert len(exporter.get_finished_spans()) == spans


def test_off_means_that_nothing_stands_between(index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, SILENT) as answering, answering.answering() as parts:
        assert type(parts.embedder).__module__ == "pipeline.backends.local.hashing"
        assert type(parts.store).__module__ == "pipeline.backends.embedded.store"
        assert type(parts.answerer).__name__ == "UnderstoodAnswering"
    with open_telemetry(settings) as telemetry:
        assert telemetry.tracing is None


def test_traces_without_the_library_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_TRACING__EXPORTER", "otlp")
    monkeypatch.setattr(telemetry_module.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(SettingsInvalid, match="OpenTelemetry is not installed"),
        open_telemetry(load_settings(None)),
    ):
        pass


def test_spans_go_to_a_collector_over_http(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, index: Index
) -> None:
    settings = index(NOTES)
    monkeypatch.setenv("CHARTWELL_TRACING__EXPORTER", "otlp")
    monkeypatch.setenv("CHARTWELL_TRACING__ENDPOINT", f"{collector.url}/v1/traces")
    result = CliRunner().invoke(ask_door.app, [QUESTION])
    assert result.exit_code == 0, result.output
    names = {span.name for request in collector.requests for resource in request.resource_spans
             for scope in resource.scope_spans for span in scope.spans}  # fmt: skip
    assert {"answer", "retrieval notes", "search_vector notes", "prompt", "verify"} <= names
    assert settings.tracing.exporter == "none"


def test_a_collector_that_is_away_costs_no_answer(
    monkeypatch: pytest.MonkeyPatch, index: Index, free_port: int
) -> None:
    index(NOTES)
    monkeypatch.setenv("CHARTWELL_TRACING__EXPORTER", "otlp")
    monkeypatch.setenv("CHARTWELL_TRACING__ENDPOINT", f"http://127.0.0.1:{free_port}/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    result = CliRunner().invoke(ask_door.app, [QUESTION])
    assert result.exit_code == 0, result.output


def test_a_log_line_names_its_trace() -> None:
    record = logging.LogRecord("chartwell", logging.INFO, "", 0, "asked", (), None)
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with in_trace(header):
        assert json.loads(JsonFormatter().format(record))["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert outgoing_headers() == {"traceparent": header}
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(outgoing_headers()))
        thread.start()
        thread.join()
        assert seen == [{}], "a thread has its own context unless it is carried over"
    assert "trace_id" not in json.loads(JsonFormatter().format(record))
    assert outgoing_headers() == {}
