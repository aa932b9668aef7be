"""The real service: a click's trace through every layer to the model servers, and the page of metrics."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind
from playwright.sync_api import expect, sync_playwright

from pipeline.config import Settings
from pipeline.logs import LOGGER, JsonFormatter
from pipeline.telemetry.definitions import definitions
from pipeline.telemetry.setup import SILENT
from tests.servers.nim import NimServer
from tests.service.browser import CHROMIUM, MISSING, launched
from tests.service.running import Running, events_of, index, running, settings_in, until
from tests.telemetry.conftest import Watched

CLICK_TRACE = "0af7651916cd43dd8448eb211c80319c"
CLICK_SPAN = "b7ad6b7169203331"
CLICK = {
    "traceparent": f"00-{CLICK_TRACE}-{CLICK_SPAN}-00",
    "tracestate": "jane=roe",
    "baggage": "patient=D2N006",
}
QUESTION = "Is the patient taking allopurinol 100 mg once daily for gout?"
NOTES = Path(__file__).resolve().parents[2] / "pipeline" / "demo" / "notes" / "aci_bench.jsonl"


@pytest.fixture(scope="module")
def nim() -> Iterator[NimServer]:
    with NimServer() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, nim: NimServer) -> Settings:
    served = {"provider": "nim", "url": nim.url}
    found = settings_in(tmp_path / "data", embedder=served, generator=served, log_level="info")
    some = tmp_path / "notes.jsonl"
    some.write_text("\n".join(NOTES.read_text(encoding="utf-8").splitlines()[:6]), encoding="utf-8")
    index(found, some)
    return found


@pytest.fixture
def service(settings: Settings, watched: Watched) -> Iterator[Running]:
    with running(settings, telemetry=watched.telemetry) as found:
        yield found


def test_a_click_is_one_trace_down_to_the_store_and_the_models(
    service: Running, watched: Watched, nim: NimServer
) -> None:
    nim.traceparents.clear()
    client = service.client(service.key())
    with client.stream("POST", "/v1/ask", json={"question": QUESTION},
                       headers={**CLICK, "Accept": "text/event-stream"}) as response:  # fmt: skip
        names = [name for name, _ in events_of(response)]
    assert names[-1] == "done"
    until(lambda: [span for span in watched.spans() if span.kind is SpanKind.SERVER])
    spans = [
        span for span in watched.spans() if span.context and f"{span.context.trace_id:032x}" == CLICK_TRACE
    ]
    by_name = {span.name: span for span in spans}
    (served,) = [span for span in spans if span.kind is SpanKind.SERVER]
    assert served.parent is not None
    assert f"{served.parent.span_id:016x}" == CLICK_SPAN
    assert served.name == "POST /v1/ask"
    assert dict(served.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/ask",
        "http.response.status_code": 200,
    }
    assert served.context is not None
    assert by_name["answer"].parent.span_id == served.context.span_id
    assert {"retrieval notes", "search_vector notes", "search_words notes", "hits notes", "prompt"} <= set(
        by_name
    )
    kinds = {path: header.split("-")[1] for path, header in nim.traceparents}
    assert kinds == {"/v1/embeddings": CLICK_TRACE, "/v1/chat/completions": CLICK_TRACE}
    assert all(not span.context.trace_state for span in spans if span.context)


@pytest.mark.parametrize(
    "header", ["", "00-0-0-01", "not a trace", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "\xff" * 40]
)
def test_a_header_that_is_none_begins_a_trace_of_our_own(
    service: Running, watched: Watched, header: str
) -> None:
    response = service.client().get("/healthz", headers=[(b"traceparent", header.encode("latin-1"))])
    assert response.status_code == 200
    until(watched.spans)
    span = watched.span("GET /healthz")
    assert span.parent is None


def test_addresses_with_ids_in_them_become_routes(service: Running, watched: Watched) -> None:
    client = service.client(service.key())
    client.get("/v1/notes/aci-D2N006")
    client.get("/no/such/jane-roe")
    names = {"GET /v1/notes/{resource_id:path}", "GET unrouted"}
    until(lambda: names <= {span.name for span in watched.spans()})
    text = watched.metrics.exposition().decode()
    assert 'route="/v1/notes/{resource_id:path}"' in text
    assert "jane-roe" not in text
    assert "D2N006" not in text


def test_a_log_line_of_a_request_names_its_trace(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    level = LOGGER.level
    LOGGER.setLevel("INFO")
    service.client(service.key()).post("/v1/ask", json={"question": "Is there any fever?"}, headers=CLICK)
    until(lambda: "/v1/ask" in written.getvalue())
    LOGGER.setLevel(level)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    (asked,) = [line for line in lines if line.get("route") == "/v1/ask"]
    assert asked["trace_id"] == CLICK_TRACE


def test_metrics_need_their_right_and_show_every_stage(service: Running) -> None:
    client = service.client(service.key())
    for number in range(3):
        assert client.post("/v1/ask", json={"question": f"{QUESTION} {number}"}).status_code == 200
    assert service.client().get("/metrics").status_code == 401
    assert client.get("/metrics").status_code == 403
    text = service.client(service.key("administrator")).get("/metrics").text
    for stage in ("embed", "search", "prompt", "generate", "verify"):
        assert f'chartwell_question_stage_duration_seconds_count{{stage="{stage}"}} 3.0' in text
    assert 'chartwell_ready{dependency="store"}' in text
    assert "chartwell_questions_waiting 0.0" in text
    assert 'chartwell_server_requests_limit{role="generator"}' in text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE chartwell_")}
    assert families == {each.name for each in definitions()}


def test_a_client_that_leaves_counts_as_gone(service: Running, watched: Watched, nim: NimServer) -> None:
    nim.faults.slow_seconds = 1.0
    try:
        client = service.client(service.key())
        with client.stream("POST", "/v1/ask", json={"question": QUESTION},
                           headers={"Accept": "text/event-stream"}) as response:  # fmt: skip
            next(events_of(response))
        until(lambda: watched.value("chartwell_questions_total", outcome="abandoned", reason="none") == 1)
    finally:
        nim.faults.slow_seconds = 0.0
    assert watched.value("chartwell_questions_in_progress") == 0


def test_without_telemetry_the_service_serves_and_says_so(settings: Settings) -> None:
    with running(settings, telemetry=SILENT) as service:
        response = service.client(service.key("administrator")).get("/metrics")
        assert response.status_code == 404
        assert "CHARTWELL_METRICS__ENABLED" in response.text


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_a_click_on_the_page_begins_the_trace(settings: Settings, watched: Watched) -> None:
    """In a real browser: the page's own script makes the header, and two clicks are two traces."""
    demo = settings.model_copy(update={"service": settings.service.model_copy(update={"demo": True})})
    with (
        sync_playwright() as playwright,
        running(demo, telemetry=watched.telemetry) as service,
        closing(launched(playwright)) as browser,
    ):
        page = browser.new_page(base_url=service.url)
        page.goto("/")
        for number in (1, 2):
            page.fill("#question", QUESTION)
            page.press("#question", "Enter")
            expect(page.locator(".turn .answer-foot")).to_have_count(number)
        until(lambda: len([span for span in watched.spans() if span.name == "POST /ask"]) == 2)
        clicks = [span for span in watched.spans() if span.name == "POST /ask"]
        answers = [span for span in watched.spans() if span.name == "answer"]
    assert len(answers) == 2
    assert all(span.parent is not None and span.parent.is_remote for span in clicks)
    traces = {span.context.trace_id for span in clicks if span.context}
    assert traces == {span.context.trace_id for span in answers if span.context}
    assert len(traces) == 2
