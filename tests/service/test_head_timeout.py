"""How long the head of a request may take: over real sockets, to the real service."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from http.client import HTTPResponse

import pytest

from tests.service.running import Running

SECONDS = 0.6
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.service.head_timeout.HEAD_SECONDS_MAX", SECONDS)


def connected(service: Running) -> socket.socket:
    host, _, port = service.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def closed_after(connection: socket.socket) -> float:
    """Seconds until the service has closed it, whatever it said before."""
    began = time.monotonic()
    while connection.recv(4096):
        pass
    return time.monotonic() - began


def status_of(connection: socket.socket) -> int:
    """Of an answer that is read as a whole."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


@pytest.mark.parametrize("sent", [b"", b"GET", HEAD])
def test_who_never_sends_the_whole_head_is_let_go(service: Running, sent: bytes) -> None:
    with closing(connected(service)) as connection:
        connection.sendall(sent)
        assert closed_after(connection) < SECONDS + 2


def test_a_byte_now_and_then_buys_no_time(service: Running) -> None:
    with closing(connected(service)) as connection:
        connection.sendall(HEAD)
        began = time.monotonic()
        connection.settimeout(0.1)
        with suppress(ConnectionError):  # reset, where a byte came after the end
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                with suppress(TimeoutError):
                    assert connection.recv(1) == b""
                    break
        assert time.monotonic() - began < SECONDS + 2


def test_a_second_request_has_the_same_limit_and_not_less(service: Running) -> None:
    """An idle connection is kept as long as ever; the time begins with the first byte of the next request."""
    with closing(connected(service)) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert status_of(connection) == 200
        time.sleep(2 * SECONDS)
        connection.sendall(HEAD)
        time.sleep(SECONDS / 2)
        connection.sendall(b"\r\n")
        assert status_of(connection) == 200
        connection.sendall(HEAD)
        assert closed_after(connection) < SECONDS + 2


def test_a_body_may_take_longer(service: Running) -> None:
    body = b'{"question": "gout?"}'
    lines = [
        "POST /v1/search HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {service.key()}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    with closing(connected(service)) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body[:5])
        time.sleep(2 * SECONDS)
        connection.sendall(body[5:])
        assert status_of(connection) == 200
