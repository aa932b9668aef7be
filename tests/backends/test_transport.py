"""The HTTP client against a server that misbehaves: each failure one error, retried or not, and no word of a note."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline import errors
from pipeline.backends.http import errors as http_errors
from pipeline.backends.http.errors import (
    Server,
    exception_error,
    quotable_detail,
    retry_after_seconds,
    status_error,
)
from pipeline.backends.http.transport import RATE_WAIT_SECONDS, Transport
from pipeline.call_context.cancellation import Cancellation
from pipeline.config import TransportSettings
from tests.servers.clock import ManualClock
from tests.servers.nim import NimServer
from tests.servers.nim_models import CHAT, EMBEDDER
from tests.servers.queueing import ServiceTime

NOTE = "Mrs Zanzibar, MRN 00817263, has gout in the left knee."
KEY = "nvapi-secret-0123456789"
EMBED: dict[str, Any] = {"model": EMBEDDER, "input": [NOTE], "input_type": "passage"}
PROMPT = f"Passages:\n\n[1] (note a)\n{NOTE}\n\nQuestion: Where is the gout?\n\nAnswer"
ASK: dict[str, Any] = {
    "model": CHAT,
    "messages": [{"role": "user", "content": PROMPT}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


@pytest.fixture(scope="module")
def nim() -> Iterator[NimServer]:
    with NimServer() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(nim: NimServer) -> None:
    nim.reset()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def transport_to(url: str, clock: ManualClock | None = None, **options: Any) -> Transport:
    settings = TransportSettings(**options.pop("settings", {}))
    server = Server("embedder", url, "EMBEDDER", EMBEDDER, "nvidia/nemotron-3-embed-1b")
    if clock is not None:
        options["clock"] = clock
    return Transport(server, settings, api_key=KEY, chance=lambda: 0.5, **options)


def refused_call(transport: Transport, **options: Any) -> errors.ProviderError:
    with pytest.raises(errors.ProviderError) as caught:
        transport.post("/embeddings", EMBED, **options)
    return caught.value


# --- every failure one error ---

STATUSES = [
    (400, errors.RequestInvalid),
    (401, errors.AuthenticationFailed),
    (402, errors.AuthenticationFailed),
    (403, errors.AuthenticationFailed),
    (404, errors.ModelNotFound),
    (408, errors.ProviderTimeout),
    (410, errors.ModelGone),
    (408, errors.ProviderTimeout),
    (425, errors.Overloaded),
    (499, errors.Overloaded),
    (422, errors.RequestInvalid),
    (425, errors.Overloaded),
    (499, errors.Overloaded),
    (307, errors.RequestInvalid),
    (429, errors.RateLimited),
    (500, errors.Overloaded),
    (502, errors.Overloaded),
    (503, errors.Overloaded),
    (504, errors.Overloaded),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_status_is_one_error_and_only_transient_ones_are_tried_again(
    nim: NimServer, clock: ManualClock, status: int, kind: type[errors.ProviderError]
) -> None:
    nim.faults.status = status
    error = refused_call(transport_to(nim.url, clock))
    assert type(error) is kind
    assert nim.calls.total() == (6 if kind.transient else 1)
    assert ("Given up after 6 attempts" in str(error)) is kind.transient
    assert error.remedy


@pytest.mark.parametrize("status", [status for status, _ in STATUSES])
def test_no_error_repeats_the_note_or_the_key(nim: NimServer, clock: ManualClock, status: int) -> None:
    nim.faults.status = status
    for echo in (
        NOTE,
        f"bad input: {NOTE[4:20]}",
        f"unknown key {KEY}",
        "patient 00817263 unknown",
        NOTE.upper(),
    ):
        nim.faults.detail = echo
        error = refused_call(transport_to(nim.url, clock), attempts_max=1)
        whole = f"{error} {error!r} {error.__cause__!r}".casefold()
        assert not any(word in whole for word in ("zanzibar", "00817263", "gout", "nvapi-secret"))


def test_a_short_harmless_detail_is_kept(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.status, nim.faults.detail = 400, "Unsupported encoding"
    assert 'It says: "Unsupported encoding".' in str(refused_call(transport_to(nim.url, clock)))


def test_what_may_be_quoted() -> None:
    request = {"input": [NOTE, "HIV"], "model": "a-model"}
    assert quotable_detail(b'{"detail": "the server is tired"}', request) == "the server is tired"
    assert quotable_detail(b'{"error": {"message": "unknown option"}}', request) == "unknown option"
    extra = (
        b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]}'
    )
    assert quotable_detail(extra, request) == "stream_options: Extra inputs"
    assert (
        quotable_detail(b'{"detail": [{"msg": "Field required", "input": "x"}]}', request) == "Field required"
    )
    assert quotable_detail(b"404 page not found", request) == "404 page not found"
    assert quotable_detail(b"<html>proxy</html>", request) == ""
    assert quotable_detail(json.dumps({"detail": "word " * 90}).encode(), request) == ""
    assert quotable_detail(b'{"detail": "bad text: HIV"}', request) == ""
    assert quotable_detail(b'{"detail": "a zanzibar-MRN"}', request) == ""
    assert quotable_detail(b'{"detail": "Authorization: Bearer abc"}', {}) == ""
    assert quotable_detail(b"", {}) == ""


INNER = {"error": {"message": "The maximum length is 8192 tokens.", "code": 400}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (  # LiteLLM passes on what another server said
            json.dumps(
                {"error": {"message": f"litellm.BadRequestError: Error code: 400 - {INNER}"}}
            ).encode(),
            "The maximum length is 8192 tokens.",
        ),
        (  # Mistral
            b'{"object": "error", "message": {"detail": [{"type": "x", "loc": ["body"], "msg": "Value error"}]}}',
            "Value error",
        ),
        (b'{"message": "First things. Mrs Zanzibar has gout in the left knee."}', "First things."),
        (b'{"message": "Mrs Zanzibar has gout in the left knee. Then this."}', ""),
    ],
)
def test_of_the_servers_words_those_are_kept_that_repeat_nothing(body: bytes, expected: str) -> None:
    """field case F9"""
    assert quotable_detail(body, {"input": [NOTE], "model": "a-model"}) == expected


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            500,
            b'{"error": {"message": "ContextWindowExceededError: context_length_exceeded"}}',
            errors.RequestInvalid,
        ),
        (500, b'{"error": {"message": "input is too large to process"}}', errors.RequestInvalid),
        (500, b'{"error": {"message": "worker gone"}}', errors.Overloaded),
        (429, b'{"error": {"code": "insufficient_quota", "message": "x"}}', errors.AuthenticationFailed),
    ],
)
def test_a_proxys_own_status_hides_no_refusal(status: int, body: bytes, kind: type[Exception]) -> None:
    server = Server("generator", "http://h/v1", "GENERATOR", "m")
    assert type(status_error(server, status, body, {})) is kind


def test_a_model_that_is_gone_says_when_and_what_instead(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.gone = {EMBEDDER: "2026-08-25"}
    error = refused_call(transport_to(nim.url, clock))
    assert type(error) is errors.ModelGone
    for words in ("2026-08-25", "nvidia/nemotron-3-embed-1b", "CHARTWELL_EMBEDDER__URL", "migrate"):
        assert words in str(error)
    assert requests.get(f"{nim.url}/models", timeout=5).json()["data"][0]["id"] == EMBEDDER


def test_a_function_of_another_account_is_not_found(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.forbidden = (EMBEDDER,)
    assert type(refused_call(transport_to(nim.url, clock))) is errors.ModelNotFound


def test_an_unknown_path_is_not_found(nim: NimServer, clock: ManualClock) -> None:
    with pytest.raises(errors.ModelNotFound, match="404 page not found"):
        transport_to(nim.url, clock).post("/nothing", EMBED)


def test_the_key_is_sent_and_a_netrc_is_not(
    nim: NimServer, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    nim.faults.api_key = KEY
    assert transport_to(nim.url, clock).post("/embeddings", EMBED)["data"]
    nim.faults.api_key = "another"
    assert type(refused_call(transport_to(nim.url, clock))) is errors.AuthenticationFailed


def test_a_proxy_of_the_environment_stays_that_of_its_server(
    nim: NimServer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The simulator stands for the proxy: it answers, and knows no path that begins with a host."""
    monkeypatch.setenv("http_proxy", nim.url)
    monkeypatch.setenv("no_proxy", "unproxied.invalid")
    proxied = transport_to("http://proxied.invalid/v1", clock)
    assert type(refused_call(proxied)) is errors.ModelNotFound
    assert type(refused_call(transport_to("http://unproxied.invalid/v1", clock))) is errors.ConnectionBroken
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert type(refused_call(proxied)) is errors.ModelNotFound
    assert type(refused_call(transport_to("http://proxied.invalid/v1", clock))) is errors.ConnectionBroken


def test_resource_exhausted_is_overload_whatever_the_status() -> None:
    server = Server("embedder", "http://h/v1", "EMBEDDER", "m")
    body = b'{"title": "ResourceExhausted", "detail": "Worker local total request limit reached (33/32)"}'
    assert type(status_error(server, 400, body, {})) is errors.Overloaded


# --- the exceptions of requests ---


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from subclasses(inner)


def test_every_exception_of_requests_has_its_place() -> None:
    server = Server("embedder", "http://h/v1", "EMBEDDER", "m")
    walked = set(subclasses(requests.RequestException)) - {requests.RequestException}
    assert len(walked) > 15
    for kind in walked:
        assert any(parent in http_errors.EXCEPTIONS for parent in kind.__mro__), (
            f"{kind.__name__} is not mapped"
        )
        bare = kind.__new__(kind)
        assert isinstance(exception_error(server, bare), errors.ProviderError)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (requests.ConnectTimeout, errors.ProviderTimeout),
        (requests.ReadTimeout, errors.ProviderTimeout),
        (requests.exceptions.SSLError, errors.ConnectionBroken),
        (requests.exceptions.ProxyError, errors.ConnectionBroken),
        (requests.exceptions.ChunkedEncodingError, errors.ConnectionBroken),
        (requests.exceptions.ContentDecodingError, errors.ResponseInvalid),
        (requests.exceptions.InvalidURL, errors.RequestInvalid),
    ],
)
def test_which_place(kind: type[Exception], expected: type[Exception]) -> None:
    server = Server("embedder", "http://h/v1", "EMBEDDER", "m")
    assert type(exception_error(server, kind())) is expected


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://a b/v1", "ftp://h/v1", "http://-.example:99999/v1"]
)
def test_an_impossible_address_is_our_fault_and_said_once(clock: ManualClock, url: str) -> None:
    with pytest.raises((errors.RequestInvalid, errors.ConnectionBroken)):
        transport_to(url, clock).post("/embeddings", EMBED, attempts_max=1)


def test_nobody_there(clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = refused_call(transport_to(f"http://127.0.0.1:{port}/v1", clock))
    assert type(error) is errors.ConnectionBroken
    assert "CHARTWELL_EMBEDDER__URL" in str(error)


def test_closed_without_a_word_and_cut_in_the_middle(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.refuse_share = 1.0
    assert type(refused_call(transport_to(nim.url, clock))) is errors.ConnectionBroken
    nim.faults.refuse_share, nim.faults.cut_share = 0.0, 1.0
    assert type(refused_call(transport_to(nim.url, clock))) is errors.ConnectionBroken


def test_no_byte_in_time(nim: NimServer) -> None:
    nim.faults.slow_seconds = 2.0
    transport = transport_to(nim.url, settings={"read_seconds": 0.1, "retry_seconds_max": 0.1})
    assert type(refused_call(transport)) is errors.ProviderTimeout


def test_an_answer_that_trickles(nim: NimServer) -> None:
    """Bytes come often enough for the read timeout, and would take 3 seconds to become an answer."""
    nim.faults.trickle_seconds = 0.05
    transport = transport_to(nim.url, settings={"read_seconds": 0.2, "retry_seconds_max": 0.2})
    began = time.monotonic()
    assert type(refused_call(transport)) is errors.ProviderTimeout
    assert time.monotonic() - began < 2
    nim.faults.trickle_seconds = 0.001
    assert transport_to(nim.url).post("/embeddings", EMBED)["data"]


class scripted_server:  # noqa: N801  used as a function
    """Answers each connection's first request by a function of the raw socket."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                with contextlib.suppress(OSError):
                    self._answer(connection)

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.mark.parametrize(
    "body", [b"[1, 2]", b"null", b"<html>", b"{", b"\xff\xfe", b'{"a": ' + b"[" * 100_000]
)
def test_an_answer_that_is_no_json_object(clock: ManualClock, body: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with scripted_server(answer) as url:
        assert type(refused_call(transport_to(url, clock))) is errors.ResponseInvalid


def test_an_answer_that_is_too_long(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, nim: NimServer
) -> None:
    monkeypatch.setattr("pipeline.backends.http.transport.ANSWER_BYTES_MAX", 1000)
    assert type(refused_call(transport_to(nim.url, clock))) is errors.ResponseInvalid


def test_a_body_that_claims_to_be_compressed(clock: ManualClock) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")

    with scripted_server(answer) as url:
        assert type(refused_call(transport_to(url, clock))) is errors.ResponseInvalid


# --- patience ---


def test_where_nobody_is_answered_the_waits_outlive_a_minute(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.status = 503
    refused_call(transport_to(nim.url, clock))
    assert nim.calls.total() == 6
    assert clock.now() == pytest.approx(0.5 + 2 + 8 + 32 + 60)


def test_where_others_are_answered_the_next_attempt_comes_soon(nim: NimServer) -> None:
    class Clock(ManualClock):
        """While one waits, another request is served."""

        def sleep(self, seconds: float, scope: Cancellation) -> None:
            super().sleep(seconds, scope)
            with transport.limiter.slot() as slot:
                slot.completed()

    clock = Clock()
    transport = transport_to(nim.url, clock)
    nim.faults.status = 500
    refused_call(transport)
    assert clock.now() == pytest.approx(0.5 * (1 + 1.5 + 1.5**2 + 1.5**3 + 1.5**4), rel=0.1)


def test_without_retry_after_ten_seconds_or_more(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.status = 429
    refused_call(transport_to(nim.url, clock))
    assert clock.waits[0] >= RATE_WAIT_SECONDS
    assert sum(clock.waits) <= 300


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(nim: NimServer, form: str) -> None:
    nim.faults.requests_per_minute, nim.faults.minute_seconds, nim.faults.retry_after = 2, 1.0, form
    clock = ManualClock()
    transport = transport_to(nim.url, clock)
    for _ in range(2):
        transport.post("/embeddings", EMBED)
    with pytest.raises(errors.RateLimited) as caught:
        transport.post("/embeddings", EMBED, attempts_max=1)
    assert caught.value.retry_after_seconds is not None
    assert 0.5 <= caught.value.retry_after_seconds <= 2.5


def overloaded(connection: socket.socket, retry_after: str) -> None:
    connection.sendall(
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n"
        b"Retry-After: %b\r\n\r\n" % retry_after.encode()
    )


def test_an_overloaded_server_is_left_alone_as_long_as_it_wants(clock: ManualClock) -> None:
    with scripted_server(lambda connection: overloaded(connection, "20")) as url:
        error = refused_call(transport_to(url, clock))
    assert isinstance(error, errors.Overloaded)
    assert error.retry_after_seconds == 20
    assert clock.now() == pytest.approx(20 + 20 + 20 + 32 + 60)


def test_a_short_retry_after_ends_no_patience_and_a_long_one_is_not_begun(clock: ManualClock) -> None:
    with scripted_server(lambda connection: overloaded(connection, "1")) as url:
        refused_call(transport_to(url, clock))
    assert clock.now() == pytest.approx(1 + 2 + 8 + 32 + 60)
    with scripted_server(lambda connection: overloaded(connection, "3600")) as url:
        assert "Given up" not in str(refused_call(transport_to(url, clock)))
    assert clock.now() == pytest.approx(1 + 2 + 8 + 32 + 60)


def test_retry_after_holds_although_others_are_answered() -> None:
    class Clock(ManualClock):
        """While one waits, another request is served."""

        def sleep(self, seconds: float, scope: Cancellation) -> None:
            super().sleep(seconds, scope)
            with transport.limiter.slot() as slot:
                slot.completed()

    clock = Clock()
    with scripted_server(lambda connection: overloaded(connection, "20")) as url:
        transport = transport_to(url, clock)
        refused_call(transport, attempts_max=2)
    assert clock.now() == pytest.approx(20)


def test_a_wait_longer_than_our_patience_is_not_begun(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.status = 429
    transport = transport_to(nim.url, clock, settings={"retry_seconds_max": 5})
    assert type(refused_call(transport)) is errors.RateLimited
    assert clock.waits == []
    assert nim.calls.total() == 1


def test_retry_after_in_every_form() -> None:
    now = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)
    assert retry_after_seconds("12") == 12
    assert retry_after_seconds("Sat, 21 Nov 2026 05:00:30 GMT", now) == 30
    assert retry_after_seconds("Sat, 21 Nov 2026 04:00:00 GMT", now) == 0
    assert retry_after_seconds("-3") == 0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None


def test_attempts_and_time_are_both_bounded(nim: NimServer) -> None:
    nim.faults.status = 500
    for settings, calls in (
        ({"attempts_max": 3}, 3),
        ({"retry_seconds_max": 3}, 3),
        ({"attempts_max": 1}, 1),
    ):
        nim.calls.clear()
        refused_call(transport_to(nim.url, ManualClock(), settings=settings))
        assert nim.calls.total() == calls


def test_random_failures_are_outlived(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.failure_share = 0.2
    nim.faults.cut_share = 0.05
    nim.faults.refuse_share = 0.05
    transport = transport_to(nim.url, clock)
    for _ in range(100):
        assert transport.post("/embeddings", EMBED)["data"]
    assert nim.calls.total() > 110


def test_refusals_halve_the_requests_in_flight_and_others_wait_too(
    nim: NimServer, clock: ManualClock
) -> None:
    transport = transport_to(nim.url, clock, in_flight_start=8)
    nim.faults.status = 429
    refused_call(transport, attempts_max=2)
    assert transport.limiter.limit == 2  # halved by each attempt
    nim.faults.status = 0
    transport.limiter.close_for(7)
    before = clock.now()
    transport.post("/embeddings", EMBED)
    assert clock.now() - before >= 7


def test_an_internal_error_does_not_slow_us_down(nim: NimServer, clock: ManualClock) -> None:
    transport = transport_to(nim.url, clock, in_flight_start=8)
    nim.faults.status = 500
    refused_call(transport)
    assert transport.limiter.limit == 8


def test_stopping_ends_a_wait_between_attempts(nim: NimServer) -> None:
    nim.faults.status = 429
    transport = transport_to(nim.url)
    threading.Timer(0.2, transport.stop).start()
    began = time.monotonic()
    assert "stopped while it waited" in str(refused_call(transport))
    assert time.monotonic() - began < 5


def test_connections_are_used_again(nim: NimServer, clock: ManualClock) -> None:
    transport = transport_to(nim.url, clock)
    before = nim.connections
    for _ in range(20):
        transport.post("/embeddings", EMBED)
    assert nim.connections - before == 1
    transport.close()


def test_a_server_that_comes_back(clock: ManualClock) -> None:
    with NimServer() as nim:
        transport = transport_to(nim.url)
        transport.post("/embeddings", EMBED)
        nim.vanish(0.3)
        assert transport.post("/embeddings", EMBED)["data"]


def test_a_server_that_is_loading() -> None:
    with NimServer(loading_seconds=0.4) as nim:
        assert requests.get(f"{nim.url}/health/live", timeout=5).status_code == 200
        assert requests.get(f"{nim.url}/health/ready", timeout=5).status_code == 503
        transport = transport_to(nim.url)
        assert type(refused_call(transport, attempts_max=1)) is errors.Overloaded
        assert transport.post("/embeddings", EMBED)["data"]
        assert requests.get(f"{nim.url}/health/ready", timeout=5).status_code == 200


# --- hosted: 202 and poll ---


def test_an_answer_that_is_not_ready_is_polled(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.polls = 3
    answer = transport_to(nim.url, clock, poll_url=nim.poll_url).post("/embeddings", EMBED)
    assert len(answer["data"]) == 1
    assert len(clock.waits) == 3


def test_polling_ends(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.polls = 10_000
    transport = transport_to(
        nim.url, clock, poll_url=nim.poll_url, settings={"read_seconds": 20, "retry_seconds_max": 20}
    )
    assert type(refused_call(transport)) is errors.ProviderTimeout
    assert sum(clock.waits) < 60


@pytest.mark.parametrize("number", [b"", b"NVCF-REQID: ../../elsewhere\r\n"])
def test_a_poll_without_a_proper_number(clock: ManualClock, number: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n" + number + b"\r\n")

    with scripted_server(answer) as url:
        assert type(refused_call(transport_to(url, clock))) is errors.ResponseInvalid


# --- streams ---


def test_a_stream_comes_event_by_event(nim: NimServer, clock: ManualClock) -> None:
    events = list(transport_to(nim.url, clock).stream("/chat/completions", ASK))
    text = "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])
    assert "gout in the left knee" in text
    assert events[-1]["usage"]["completion_tokens"] > 0


def test_the_first_event_does_not_wait_for_the_last() -> None:
    with NimServer(chat=ServiceTime(seconds_per_token=0.1), answer_tokens=10) as nim:
        began = time.monotonic()
        events = transport_to(nim.url).stream("/chat/completions", ASK)
        next(events)
        first = time.monotonic() - began
        list(events)
        assert first < (time.monotonic() - began) / 2


def test_closing_a_stream_reaches_the_server() -> None:
    with NimServer(chat=ServiceTime(seconds_per_token=0.02), answer_tokens=200) as nim:
        transport = transport_to(nim.url)
        events = transport.stream("/chat/completions", ASK)
        next(events)
        events.close()
        assert transport.limiter.in_flight == 0
        for _ in range(100):
            if nim.cancelled:
                break
            time.sleep(0.02)
        assert nim.cancelled == 1


def test_an_error_inside_the_stream_is_raised_and_not_retried(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.stream_error_after = 3
    events = transport_to(nim.url, clock).stream("/chat/completions", ASK)
    got = []
    with pytest.raises(errors.Overloaded):
        got.extend(events)
    assert nim.calls.total() == 1


def test_an_error_as_first_event_is_retried(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.stream_error_after = 0
    with pytest.raises(errors.Overloaded):
        list(transport_to(nim.url, clock).stream("/chat/completions", ASK))
    assert nim.calls.total() == 6


@pytest.mark.parametrize("fault", [{"stream_cut_after": 2}, {"stream_without_end": True}])
def test_a_stream_that_ends_too_early(nim: NimServer, clock: ManualClock, fault: dict[str, Any]) -> None:
    nim.faults.change(fault)
    with pytest.raises(errors.ConnectionBroken):
        list(transport_to(nim.url, clock).stream("/chat/completions", ASK))


def test_a_stream_is_tried_again_before_it_begins(nim: NimServer, clock: ManualClock) -> None:
    nim.faults.failure_share = 0.5
    for _ in range(20):
        assert list(transport_to(nim.url, clock).stream("/chat/completions", ASK, attempts_max=40))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'{"error": {"message": "slow down", "code": 429}}', errors.RateLimited),
        (b'{"error": {"message": "too long", "code": 400}}', errors.RequestInvalid),
        (b'{"error": "something"}', errors.Overloaded),
        (b"not json", errors.ResponseInvalid),
        (b"[1]", errors.ResponseInvalid),
    ],
)
def test_what_a_stream_may_hold(clock: ManualClock, event: bytes, kind: type[Exception]) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\r\n\r\ndata: "
            + event
            + b"\r\n\r\n"
        )

    with scripted_server(answer) as url, pytest.raises(kind):
        list(transport_to(url, clock).stream("/chat/completions", ASK, attempts_max=1))


def test_a_server_that_does_not_stream(clock: ManualClock, nim: NimServer) -> None:
    with pytest.raises(errors.ResponseInvalid, match="event stream"):
        list(transport_to(nim.url, clock).stream("/embeddings", EMBED))
