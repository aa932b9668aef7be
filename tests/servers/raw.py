"""A model server that says, byte for byte, what a test tells it to: for what no proper server would ever send."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import suppress
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n"
STREAM = b"text/event-stream"


class RawServer:
    """Answers every request with the same bytes, and counts the requests."""

    def __init__(self) -> None:
        self.answer = b""
        self.requests: list[dict[str, Any]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self.requests.append(_body_of(connection))
                connection.sendall(self.answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def _body_of(connection: socket.socket) -> dict[str, Any]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while len(body) < int(length[1] if length else 0):
        body += connection.recv(65536)
    found: dict[str, Any] = json.loads(body)
    return found


def frame(event: object) -> str:
    return f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n"


def said(text: object, **more: Any) -> str:
    return frame({"choices": [{"index": 0, "delta": {"content": text}, **more}]})
