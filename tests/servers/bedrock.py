"""Amazon Bedrock's runtime on loopback: Titan embeddings and ConverseStream, in AWS's own binary event frames.

Real botocore speaks to it, so that signing, parsing and the errors of a cut connection are the real ones. It checks no
signature, and its vectors and answers are those of the NIM simulator.
"""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.servers.nim_models import bag_of_words, count_tokens, quoting_answer

TOKENS_MAX = 8192


class BedrockServer:
    """Serves from threads until the block ends. `answers` may script what comes next: (status, code, message)."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[tuple[int, str, str]] = []
        self.stream_error: str = ""
        """Code of an error event after the first piece."""
        self.cut = False
        self.narrow = False
        self.stop_reason = "end_turn"
        self.deltas: list[Mapping[str, Any]] = []
        """Deltas that come before the answer."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> BedrockServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                operation = self.path.rpartition("/")[2]
                outer.requests.append((unquote(self.path), asked))
                if outer.refusals:
                    self.refuse(*outer.refusals.pop(0))
                elif operation == "invoke" and count_tokens(asked["inputText"]) > TOKENS_MAX:
                    self.refuse(400, "ValidationException", "Too many input tokens.")
                elif operation == "invoke":
                    self.answer(outer.embedding(asked))
                else:
                    self.stream(asked)

            def refuse(self, status: int, code: str, message: str) -> None:
                content = json.dumps({"message": message}).encode()
                self.send_response(status)
                self.send_header("x-amzn-ErrorType", code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def answer(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def stream(self, asked: Mapping[str, Any]) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.amazon.eventstream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(outer.frames(asked))

            def log_message(self, *_: object) -> None:
                return

        return Handler

    def frames(self, asked: Mapping[str, Any]) -> bytes:
        """A whole answer as events, or as much of it as the faults let through."""
        text = quoting_answer(asked["messages"][-1]["content"][0]["text"])
        pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
        events = [
            frame("contentBlockDelta", {"delta": {"text": piece}, "contentBlockIndex": 0}) for piece in pieces
        ]
        events = [
            frame("contentBlockDelta", {"delta": each, "contentBlockIndex": 0}) for each in self.deltas
        ] + events
        if self.stream_error:
            return events[0] + frame(self.stream_error, {"message": "no more"}, kind="exception")
        if self.cut:
            return events[0] + events[0][:-9]
        usage = {"inputTokens": 7, "outputTokens": len(pieces), "totalTokens": 7 + len(pieces)}
        events.append(frame("messageStop", {"stopReason": self.stop_reason}))
        events.append(frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
        return b"".join(events)

    def embedding(self, asked: Mapping[str, Any]) -> bytes:
        """Titan's answer, or a width that was not asked for where `narrow`."""
        tokens = count_tokens(asked["inputText"])
        vector = bag_of_words(asked["inputText"], 8 if self.narrow else asked["dimensions"])
        return json.dumps({"embedding": vector.tolist(), "inputTextTokenCount": tokens}).encode()


def frame(event: str, payload: Mapping[str, Any], kind: str = "event") -> bytes:
    """One message of AWS's event stream encoding: lengths, headers, payload, and a CRC-32 of each part."""
    names = {":message-type": kind, f":{kind}-type": event, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    content = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(content), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + content
    return message + struct.pack("!I", zlib.crc32(message))
