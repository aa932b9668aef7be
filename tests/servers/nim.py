"""A NIM that runs anywhere: the documented surface of NVIDIA's model servers, their failures, and a known ceiling.

One process plays an embedding NIM, NV-CLIP, a language model NIM and a reranking NIM, on one port. Vectors are hashed
bags of words, so similar texts are near each other; answers quote the numbered passages of the prompt. It counts every
text it embeds, so that a crash test can prove what was embedded twice.

    with NimServer(embedding=ServiceTime(seconds_per_request=0.02, concurrency=8)) as server:
        server.url                                          # http://127.0.0.1:PORT/v1
        server.faults.requests_per_minute = 40              # failures can be switched at any time

    python -m tests.servers.nim --port 8001 --embed-seconds 0.05    # or by hand: make nim-simulator

Over HTTP the same switches are at /control/faults (GET, POST a JSON object of fields to change, DELETE to reset all),
the counters at /control/counts, /control/embedded and /control/running; /control/vanish closes the port for a while.

It does not compute with a model, and what is unknown of the real servers (NVIDIA's limits on request sizes, the
tokenizers of the newer models) is unknown here too: tokens are words and punctuation marks.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import email.utils
import hashlib
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import numpy as np

from tests.servers.faults import Faults, standard_refusal
from tests.servers.nim_models import (
    DIMENSIONS,
    IMAGE_DIMENSION,
    IMAGE_EMBEDDER,
    MODELS,
    STOP_WORDS,
    WORD,
    check_images,
    checked_tokens,
    count_tokens,
    encoded,
    model_list,
    quoting_answer,
    usage,
)
from tests.servers.nim_models import (
    content as content_of,
)
from tests.servers.nim_models import (
    embedding as embedding_of,
)
from tests.servers.queueing import AT_ONCE, Queue, ServiceTime
from tests.servers.wire import Cut, Refusal, Request, chunk, encode, event, read_request, reason, until

ROOT = Path(__file__).resolve().parents[2]
STREAM_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"


class NimServer:
    """The simulator. As a context manager it serves from a thread of its own until the block ends."""

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        embedding: ServiceTime = AT_ONCE,
        chat: ServiceTime = AT_ONCE,
        ranking: ServiceTime = AT_ONCE,
        dimension: int = 0,
        answer_tokens: int = 0,
        loading_seconds: float = 0.0,
        seed: int = 0,
        faults: Faults | None = None,
        answers: Callable[[str], str] = quoting_answer,
    ) -> None:
        """`answers`: what the language model writes to the last message of a prompt. `dimension`: width of every text
        vector, 0: the model's own. `answer_tokens`: length of every answer, 0: as long as its quotation."""
        self.host = host
        self.port = port
        self.embedding = Queue(embedding)
        self.chat = Queue(chat)
        self.ranking = Queue(ranking)
        self.dimension = dimension
        self.answer_tokens = answer_tokens
        self.answers = answers
        self.faults = faults or Faults()
        self.embedded: Counter[str] = Counter()
        """How often each text was embedded, by the first 16 hex digits of its SHA-256."""
        self.calls: Counter[str] = Counter()
        """Calls of the API by path and status: "/v1/embeddings 200"."""
        self.traceparents: deque[tuple[str, str]] = deque(maxlen=1000)
        """Path and `traceparent` of the latest calls; the empty string where a call carried none."""
        self.cancelled = 0
        """Streams whose reader went away."""
        self.connections = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._loading_seconds = loading_seconds
        self._chance = random.Random(seed)
        self._recent: deque[float] = deque()
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._polled: Counter[str] = Counter()
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._socket: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    # --- for tests ---

    @property
    def url(self) -> str:
        """Base URL, as settings want it."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def poll_url(self) -> str:
        return f"http://{self.host}:{self.port}/v2/nvcf/pexec/status"

    def ceiling_texts_per_second(self, tokens: float, texts: int = 1) -> float:
        """Texts a second that the embedding server can serve at most: `tokens` tokens a text, `texts` a request."""
        return self.embedding.service.ceiling_requests_per_second(tokens * texts) * texts

    def ceiling_answers_per_second(self, tokens: float) -> float:
        """Answers of `tokens` tokens a second that the chat server can serve at most."""
        return self.chat.service.ceiling_requests_per_second(tokens)

    def repeated(self) -> dict[str, int]:
        """Texts that were embedded more than once, by hash."""
        return {digest: times for digest, times in self.embedded.items() if times > 1}

    def reset(self) -> None:
        """No faults, nothing counted, no memory of recent calls."""
        self.faults = Faults()
        self.embedded.clear()
        self.calls.clear()
        self.cancelled = 0
        self._recent.clear()

    def vanish(self, seconds: float) -> None:
        """Close the port and every connection, and come back on the same port after that long."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._vanish(seconds), self._loop).result(5)

    def __enter__(self) -> NimServer:
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self.serve(self._started.set)), name="nim-simulator", daemon=True
        )
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the simulator did not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self.stop)
        self._thread.join(10)

    def stop(self) -> None:
        """End `serve`; to be called on its own loop."""
        assert self._stop is not None
        self._stop.set()

    # --- the server ---

    async def serve(self, announce: Callable[[], None] | None = None) -> None:
        """Serve until stopped; `announce` is called once the port is open."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if self._loading_seconds:
            self.faults.loading_until = time.monotonic() + self._loading_seconds
        await self._listen()
        if announce is not None:
            announce()
        await self._stop.wait()
        self._close_all()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._socket = await asyncio.start_server(
            self._connection, self.host, self.port, backlog=1024, reuse_address=True, limit=1 << 20
        )
        self.port = self._socket.sockets[0].getsockname()[1]

    def _close_all(self) -> None:
        assert self._socket is not None
        self._socket.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _vanish(self, seconds: float) -> None:
        self._close_all()
        assert self._loop is not None
        self._loop.call_later(seconds, lambda: asyncio.ensure_future(self._listen()))

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                request = await read_request(reader)
                if request is None:
                    return
                await self._serve_one(request, writer)
        except (Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve_one(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            await self._route(request, writer)
        except Refusal as refusal:
            self._count(request, refusal.status)
            await self._send(writer, refusal.status, refusal.body, refusal.headers)

    def _count(self, request: Request, status: int) -> None:
        """Before the answer leaves, so that a client that has it finds itself counted."""
        if not request.path.startswith("/control"):
            self.calls[f"{request.path} {status}"] += 1
            self.traceparents.append((request.path, request.headers.get("traceparent", "")))

    async def _route(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path = request.path
        if path.startswith("/control/"):
            return await self._send(writer, 200, self._control(request))
        if path == "/v1/health/live":
            return await self._send(writer, 200, {"object": "health.response", "message": "live"})
        self._refuse_while_loading()
        if path == "/v1/health/ready":
            return await self._send(writer, 200, {"object": "health.response", "message": "ready"})
        if path == "/v1/models":
            return await self._send(writer, 200, model_list())  # dead models included, as NVIDIA's own list
        if path == "/v1/metadata":
            return await self._send(
                writer, 200, {"version": "simulator", "modelInfo": [{"shortName": name} for name in MODELS]}
            )
        if path in ("/v1/metrics", "/metrics"):
            return await self._send(writer, 200, self._metrics())
        if path.startswith("/v2/nvcf/pexec/status/"):
            return await self._poll(path.rpartition("/")[2], writer)
        await self._api(request, writer)
        return None

    async def _api(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """A call that costs something: everything that can be refused, counted or cut."""
        call = self._calls().get(hosted_ranking_path(request.path))
        if call is None or request.method != "POST":
            raise Refusal(404, "404 page not found")
        self._refuse_by_faults(request)
        try:
            asked = json.loads(request.body)
        except ValueError:
            raise Refusal(400, {"error": "the body is not JSON"}) from None
        self._refuse_model(asked.get("model"))
        self._refuse_options(asked)
        if self.faults.slow_seconds:
            await asyncio.sleep(self.faults.slow_seconds)
        if request.path == "/v1/chat/completions" and asked.get("stream"):
            self._count(request, 200)
            return await self._stream(asked, writer)
        answer = await call(asked)
        self._count(request, 202 if self.faults.polls else 200)
        if self.faults.not_json:
            answer = "<html>proxy error</html>"
        if self.faults.polls:
            return await self._keep(answer, writer)
        await self._send(writer, 200, answer)
        return None

    def _calls(self) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
        return {
            "/v1/embeddings": self._embeddings,
            "/v1/chat/completions": self._chat,
            "/v1/ranking": self._ranking,
        }

    # --- refusals ---

    def _refuse_while_loading(self) -> None:
        if time.monotonic() < self.faults.loading_until:
            raise Refusal(503, {"object": "health.response", "message": "Service is not ready"})

    def _refuse_by_faults(self, request: Request) -> None:
        faults = self.faults
        if faults.refuse_share and self._chance.random() < faults.refuse_share:
            self._count(request, 0)
            raise Cut
        if faults.api_key and request.headers.get("authorization") != f"Bearer {faults.api_key}":
            raise Refusal(401, {"status": 401, "title": "Unauthorized", "detail": "Authentication failed"})
        if faults.status:
            raise standard_refusal(faults.status, faults.detail)
        self._refuse_by_rate()
        if faults.failure_share and self._chance.random() < faults.failure_share:
            raise standard_refusal(self._chance.choice(faults.failure_statuses), "")

    def _refuse_by_rate(self) -> None:
        limit, now = self.faults.requests_per_minute, time.monotonic()
        if not limit:
            return
        while self._recent and self._recent[0] <= now - self.faults.minute_seconds:
            self._recent.popleft()
        if len(self._recent) >= limit:
            wait = self._recent[0] + self.faults.minute_seconds - now
            headers = {}
            if self.faults.retry_after == "seconds":
                headers["Retry-After"] = str(int(wait) + 1)
            elif self.faults.retry_after == "date":
                headers["Retry-After"] = email.utils.formatdate(time.time() + wait + 1, usegmt=True)
            raise Refusal(429, {"status": 429, "title": "Too Many Requests"}, headers)
        self._recent.append(now)

    def _refuse_model(self, model: object) -> None:
        if model in self.faults.gone:
            date = self.faults.gone[str(model)]
            raise Refusal(
                410,
                {
                    "status": 410,
                    "title": "Gone",
                    "detail": f"The model '{model}' has reached its end of life on {date} and is no longer available.",
                },
            )
        if model in self.faults.forbidden:
            raise Refusal(
                404,
                {
                    "status": 404,
                    "title": "Not Found",
                    "detail": f"Function '{uuid.UUID(int=7)}': Not found for account",
                },
            )
        if model not in MODELS:
            raise Refusal(404, "404 page not found")

    def _refuse_options(self, asked: Mapping[str, Any]) -> None:
        for option in self.faults.unsupported:
            if option in asked:
                said = f"Unsupported parameter: '{option}' is not supported with this model."
                raise Refusal(
                    400, {"error": {"message": said, "type": "invalid_request_error", "param": option}}
                )

    # --- embeddings ---

    async def _embeddings(self, asked: Mapping[str, Any]) -> Any:
        model = str(asked["model"])
        inputs = asked.get("input")
        texts = [inputs] if isinstance(inputs, str) else inputs
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(text, str) and text.strip() for text in texts)
        ):
            raise Refusal(400, {"error": "input must be a non-empty string or a list of non-empty strings"})
        if any(word in text for word in self.faults.failing_on for text in texts):
            raise Refusal(500, {"error": "failed to encode response: json: unsupported value: NaN"})
        image = model == IMAGE_EMBEDDER
        if image:
            check_images(texts, self.faults)
            tokens = [64] * len(texts)
        else:
            tokens = checked_tokens(model, asked, texts)
        async with self.embedding.slot(sum(tokens)) as (_, end):
            width = (
                IMAGE_DIMENSION if image else asked.get("dimensions") or self.dimension or DIMENSIONS[model]
            )
            entries = self._entries(texts, width, asked)
            await until(end)
        for text in texts:
            self.embedded[hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]] += 1
        self.prompt_tokens += sum(tokens)
        usage = f'{{"prompt_tokens": {sum(tokens)}, "total_tokens": {sum(tokens)}}}'
        return f'{{"object": "list", "data": [{", ".join(entries)}], "model": "{model}", "usage": {usage}}}'

    def _entries(self, texts: list[str], width: int, asked: Mapping[str, Any]) -> list[str]:
        faults = self.faults
        width = faults.wrong_width or width
        entries = []
        for index, text in enumerate(texts):
            vector = embedding_of(content_of(text), width, asked.get("input_type"))
            if faults.zeros:
                vector = np.zeros_like(vector)
            if faults.not_finite:
                vector[index % width] = np.nan
            place = 0 if faults.duplicate_index else index
            numbers = encoded(vector, asked.get("encoding_format"))
            entries.append(f'{{"object": "embedding", "index": {place}, "embedding": {numbers}}}')
        if faults.wrong_order:
            entries.reverse()
        return entries[1:] if faults.one_missing else entries

    # --- ranking ---

    async def _ranking(self, asked: Mapping[str, Any]) -> Any:
        query, passages = asked.get("query"), asked.get("passages")
        if not isinstance(query, dict) or not isinstance(passages, list) or not passages:
            raise Refusal(422, {"detail": [{"loc": ["body"], "msg": "Field required", "input": asked}]})
        tokens = sum(count_tokens(passage["text"]) for passage in passages)
        question = set(WORD.findall(query["text"].lower())) - STOP_WORDS
        async with self.ranking.slot(tokens) as (_, end):
            scored = []
            for index, passage in enumerate(passages):
                words = set(WORD.findall(passage["text"].lower()))
                scored.append(
                    {"index": index, "logit": 12.0 * len(question & words) / max(1, len(question)) - 6.0}
                )
            await until(end)
        scored.sort(key=lambda entry: -entry["logit"])
        return {"rankings": scored[1:] if self.faults.one_missing else scored}

    # --- chat ---

    async def _chat(self, asked: Mapping[str, Any]) -> Any:
        pieces = self._pieces(asked)
        async with self.chat.slot(len(pieces)) as (_, end):
            await until(end)
        self.completion_tokens += len(pieces)
        return {
            "id": "chat-1",
            "object": "chat.completion",
            "model": asked["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "".join(pieces)},
                    "finish_reason": "stop",
                }
            ],
            "usage": usage(asked, len(pieces)),
        }

    def _pieces(self, asked: Mapping[str, Any]) -> list[str]:
        """The answer in tokens (words with the blank before them)."""
        messages = asked.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refusal(
                422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "input": asked}]}
            )
        if self.faults.deltas:
            return []
        answer = self.faults.says or self.answers(str(messages[-1].get("content", "")))
        pieces = re.findall(r"\s*\S+", answer)
        if self.answer_tokens:
            pieces = (pieces * (self.answer_tokens // max(1, len(pieces)) + 1))[: self.answer_tokens]
        return pieces[: int(asked.get("max_tokens") or asked.get("max_completion_tokens") or 1024)]

    async def _stream(self, asked: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        pieces = self._pieces(asked)
        async with self.chat.slot(len(pieces)) as (start, end):
            writer.write(STREAM_HEAD.format(kind=self.faults.content_type).encode())
            try:
                await self._send_pieces(pieces, start, end, asked, writer)
            except (ConnectionError, asyncio.CancelledError):
                self.cancelled += 1
                raise
        self.completion_tokens += len(pieces)

    async def _send_pieces(
        self,
        pieces: list[str],
        start: float,
        end: float,
        asked: Mapping[str, Any],
        writer: asyncio.StreamWriter,
    ) -> None:
        faults = self.faults
        await self._send_preface(writer)
        for number, piece in enumerate(pieces):
            await until(start + (end - start) * (number + 1) / len(pieces))
            if number == faults.stream_error_after:
                await event(
                    writer,
                    {"error": {"message": "Internal error", "code": 500, "type": "InternalServerError"}},
                )
                writer.write(b"0\r\n\r\n")
                return
            if number == faults.stream_cut_after:
                raise Cut
            await event(
                writer, {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
            )
            if writer.transport.is_closing():
                raise ConnectionResetError
        if not faults.stream_without_end:
            await self._send_end(asked, len(pieces), writer)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _send_preface(self, writer: asyncio.StreamWriter) -> None:
        """What some servers send before an answer, or instead of it."""
        faults = self.faults
        for frame in faults.frames:
            await chunk(writer, frame.encode())
        thought = [{"reasoning_content": faults.reasons}] if faults.reasons else []
        for delta in [*thought, *faults.deltas]:
            await event(writer, {"choices": [{"index": 0, "delta": delta}]})

    async def _send_end(self, asked: Mapping[str, Any], tokens: int, writer: asyncio.StreamWriter) -> None:
        faults = self.faults
        await event(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": faults.finish_reason}]})
        options = asked.get("stream_options") or {}
        if options.get("include_usage") and not faults.without_usage:
            counted = usage(asked, tokens)
            counted["prompt_tokens"] = faults.reported_prompt_tokens or counted["prompt_tokens"]
            await event(writer, {"choices": [], "usage": counted})
        if not faults.without_done:
            await event(writer, "[DONE]")

    # --- answers ---

    async def _keep(self, answer: Any, writer: asyncio.StreamWriter) -> None:
        number = str(uuid.UUID(int=self._chance.getrandbits(128)))
        self._kept[number] = (self.faults.polls, encode(answer))
        await self._send(writer, 202, "", {"NVCF-REQID": number, "NVCF-STATUS": "pending-evaluation"})

    async def _poll(self, number: str, writer: asyncio.StreamWriter) -> None:
        if number not in self._kept:
            raise Refusal(404, {"status": 404, "title": "Not Found"})
        self._polled[number] += 1
        polls, answer = self._kept[number]
        if self._polled[number] < polls:
            raise Refusal(202, "", {"NVCF-REQID": number, "NVCF-STATUS": "pending-evaluation"})
        del self._kept[number]
        await self._send(writer, 200, answer)

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        content = encode(body)
        kind = "text/plain" if isinstance(body, str) and not body.startswith("{") else "application/json"
        date = email.utils.formatdate(time.time() + self.faults.clock_seconds, usegmt=True)
        more = "".join(
            f"{name}: {value}\r\n" for name, value in ({"Date": date} | dict(headers or {})).items()
        )
        head = f"HTTP/1.1 {status} {reason(status)}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        whole = f"{head}{more}\r\n".encode() + content
        if self.faults.cut_share and status == 200 and self._chance.random() < self.faults.cut_share:
            writer.write(whole[: len(whole) // 2])
            await writer.drain()
            raise Cut
        if self.faults.trickle_seconds:
            start = len(whole) - len(content)
            writer.write(whole[:start])
            for byte in content[:64]:
                await writer.drain()
                await asyncio.sleep(self.faults.trickle_seconds)
                writer.write(bytes([byte]))
            whole = content[64:]
        writer.write(whole)
        if len(whole) > 1 << 16:
            await writer.drain()

    # --- control ---

    def _control(self, request: Request) -> Any:
        if request.path == "/control/faults":
            if request.method == "DELETE":
                self.reset()
            elif request.method == "POST":
                try:
                    self.faults.change(json.loads(request.body or b"{}"))
                except ValueError as error:
                    raise Refusal(400, {"error": str(error)}) from None
            return dataclasses.asdict(self.faults)
        if request.path == "/control/vanish":
            seconds = float(json.loads(request.body or b"{}").get("seconds", 60))
            assert self._loop is not None
            self._loop.call_later(0.05, lambda: asyncio.ensure_future(self._vanish(seconds)))
            return {"seconds": seconds}
        if request.path == "/control/counts":
            return self.counts()
        if request.path == "/control/embedded":
            return dict(self.embedded)
        if request.path == "/control/running":
            return self.embedding.running + self.embedding.waiting
        raise Refusal(404, "404 page not found")

    def counts(self) -> dict[str, Any]:
        """What was served so far. `texts` counts every embedding, `distinct` every text once."""
        texts = self.embedded.total()
        return {
            "calls": dict(self.calls),
            "texts": texts,
            "distinct": len(self.embedded),
            "repeated": texts - len(self.embedded),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cancelled": self.cancelled,
            "connections": self.connections,
        }

    def _metrics(self) -> str:
        running = self.chat.running + self.embedding.running + self.ranking.running
        waiting = self.chat.waiting + self.embedding.waiting + self.ranking.waiting
        gauges = {"num_requests_running": running, "num_requests_waiting": waiting, "gpu_cache_usage_perc": 0}
        counters = {
            "prompt_tokens_total": self.prompt_tokens,
            "generation_tokens_total": self.completion_tokens,
        }
        lines = [f"# TYPE {name} gauge\n{name} {value}" for name, value in gauges.items()]
        lines += [f"# TYPE {name} counter\n{name} {value}" for name, value in counters.items()]
        return "\n".join(lines) + "\n"


def hosted_ranking_path(path: str) -> str:
    return "/v1/ranking" if re.fullmatch(r"/v1/retrieval/nvidia/([\w-]+/)?reranking", path) else path


# --- in a process of its own ---


class NimProcess(NamedTuple):
    """A simulator in another process, spoken to over HTTP."""

    url: str
    process: subprocess.Popen[str]

    def control(self, path: str, change: Mapping[str, Any] | None = None) -> Any:
        """GET /control/`path`, or POST `change` to it; returns the JSON answer."""
        data = None if change is None else json.dumps(change).encode()
        request = UrlRequest(f"{self.url.removesuffix('/v1')}/control/{path}", data=data)
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def nim_process(*options: str) -> Iterator[NimProcess]:
    """Run `python -m tests.servers.nim` with `options` until the block ends."""
    command = [sys.executable, "-m", "tests.servers.nim", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield NimProcess(process.stdout.readline().split()[-1], process)
        finally:
            process.terminate()


def main() -> None:
    options = _parser().parse_args()
    server = NimServer(
        port=options.port,
        host=options.host,
        embedding=ServiceTime(
            options.embed_seconds,
            options.embed_token_seconds,
            options.embed_concurrency,
            options.embed_waiting_max,
        ),
        chat=ServiceTime(options.chat_seconds, options.chat_token_seconds, options.chat_concurrency),
        ranking=ServiceTime(options.rank_seconds, 0.0, 8),
        dimension=options.dimension,
        answer_tokens=options.answer_tokens,
        loading_seconds=options.loading_seconds,
        seed=options.seed,
    )
    server.faults.change(json.loads(options.faults))

    def announce() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        print(f"NIM simulator at {server.url}", flush=True)

    asyncio.run(server.serve(announce))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.nim", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--port", type=int, default=8001, help="0: any free one, printed")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--embed-seconds", type=float, default=0.0, help="service time of an embedding request"
    )
    parser.add_argument("--embed-token-seconds", type=float, default=0.0, help="and of each of its tokens")
    parser.add_argument("--embed-concurrency", type=int, default=8, help="requests served at the same time")
    parser.add_argument("--embed-waiting-max", type=int, default=None, help="more waiting than this: 503")
    parser.add_argument("--chat-seconds", type=float, default=0.0, help="service time of an answer")
    parser.add_argument("--chat-token-seconds", type=float, default=0.0, help="and of each of its tokens")
    parser.add_argument("--chat-concurrency", type=int, default=8)
    parser.add_argument("--rank-seconds", type=float, default=0.0)
    parser.add_argument("--dimension", type=int, default=0, help="width of text vectors; 0: the model's own")
    parser.add_argument("--answer-tokens", type=int, default=0, help="length of every answer; 0: natural")
    parser.add_argument(
        "--loading-seconds", type=float, default=0.0, help="503 for that long after the start"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--faults", default="{}", help='fields of Faults as JSON: {"failure_share": 0.2}')
    return parser


if __name__ == "__main__":
    main()
