"""Amazon Bedrock's runtime on loopback: Titan embeddings of texts and images, and ConverseStream, in AWS's own binary
event frames. What Titan Multimodal Embeddings G1 takes and refuses is that of its page in the user guide.

Real botocore speaks to it, so that signing, parsing and the errors of a cut connection are the real ones. It checks no
signature, and its vectors and answers are those of the NIM simulator.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import threading
import zlib
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from PIL import Image

from tests.servers.nim_models import bag_of_words, count_tokens, quoting_answer
from tests.servers.nim_models import content as content_of

TOKENS_MAX = 8192
IMAGE_MODEL = "amazon.titan-embed-image-v1"
IMAGE_TOKENS_MAX = 256
IMAGE_SIDE_MAX = 2048
IMAGE_CHARACTERS_MAX = 25 * 1024**2
IMAGE_WIDTHS = (256, 384, 1024)
MALFORMED = "Malformed input request: {}, please reformat your input and try again."


class RefusedRequest(Exception):
    """Status, code and message of an answer that is an error."""


class BedrockServer:
    """Serves from threads until the block ends. `answers` may script what comes next: (status, code, message)."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[tuple[int, str, str]] = []
        self.stream_error: str = ""
        """Code of an error event after the first piece."""
        self.cut = False
        self.narrow = False
        self.throttled_every = 0
        """Each so-manieth request is answered with ThrottlingException; 0: none."""
        self.message: str | None = None
        """What Titan's image model says of itself in an answer that is otherwise a success."""
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
                try:
                    outer.refuse(len(outer.requests))
                    if operation == "invoke":
                        self.answer(outer.embedding(unquote(self.path).split("/")[2], asked))
                    else:
                        self.stream(asked)
                except RefusedRequest as refused:
                    self.refuse(*refused.args)

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

    def refuse(self, number: int) -> None:
        """What is refused whatever it asks. Raises RefusedRequest."""
        if self.refusals:
            raise RefusedRequest(*self.refusals.pop(0))
        if self.throttled_every and number % self.throttled_every == 0:
            raise RefusedRequest(
                429, "ThrottlingException", "Too many requests, please wait before trying again."
            )

    def embedding(self, model: str, asked: Mapping[str, Any]) -> bytes:
        """Titan's answer, or a width that was not asked for where `narrow`. Raises RefusedRequest."""
        if model == IMAGE_MODEL:
            return self._image_embedding(asked)
        tokens = count_tokens(asked["inputText"])
        if tokens > TOKENS_MAX:
            raise _invalid("Too many input tokens.")
        vector = bag_of_words(asked["inputText"], 8 if self.narrow else asked["dimensions"])
        return json.dumps({"embedding": vector.tolist(), "inputTextTokenCount": tokens}).encode()

    def _image_embedding(self, asked: Mapping[str, Any]) -> bytes:
        """The mean of the vectors of text and image where both are given, as with the real model."""
        width = _image_width(asked)
        vectors = []
        text, image = asked.get("inputText"), asked.get("inputImage")
        if text:
            vectors.append(bag_of_words(text, width))
            if count_tokens(text) > IMAGE_TOKENS_MAX:
                raise _invalid(
                    f"400 Bad Request: Too many input tokens. Max input tokens: {IMAGE_TOKENS_MAX}, request input "
                    f"token count: {count_tokens(text)}"
                )
        if image:
            vectors.append(bag_of_words(content_of(f"data:,{_checked_image(image)}"), width))
        mean = sum(vectors) / len(vectors)
        return json.dumps(
            {
                "embedding": None if self.message else mean[: 8 if self.narrow else width].tolist(),
                "inputTextTokenCount": count_tokens(text or ""),
                "message": self.message,
            }
        ).encode()


def _image_width(asked: Mapping[str, Any]) -> int:
    """The width that a request asks for. Raises RefusedRequest where the request has another form than the API's."""
    if extra := sorted(set(asked) - {"inputText", "inputImage", "embeddingConfig"}):
        raise _invalid(MALFORMED.format(f"#: extraneous key [{extra[0]}] is not permitted"))
    if not (asked.get("inputText") or asked.get("inputImage")):
        raise _invalid(MALFORMED.format("#: required key [inputText] not found"))
    width = asked.get("embeddingConfig", {}).get("outputEmbeddingLength", 1024)
    if width not in IMAGE_WIDTHS:
        raise _invalid(
            MALFORMED.format(f"#/embeddingConfig/outputEmbeddingLength: {width} is not a valid enum value")
        )
    return int(width)


def _checked_image(encoded: str) -> str:
    if len(encoded) > IMAGE_CHARACTERS_MAX:
        raise _invalid("The image is larger than 25 MB.")
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(encoded, validate=True)), formats=("PNG", "JPEG")
        ) as image:
            image.load()
    except (ValueError, OSError, SyntaxError):
        raise _invalid("Unable to process provided image.") from None
    if max(image.size) > IMAGE_SIDE_MAX:
        raise _invalid(f"Provided image dimensions exceed {IMAGE_SIDE_MAX} x {IMAGE_SIDE_MAX} pixels.")
    return encoded


def _invalid(message: str) -> RefusedRequest:
    return RefusedRequest(400, "ValidationException", message)


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
