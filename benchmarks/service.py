"""A hundred people asking the service at the same time for three minutes, over HTTP, while others read slowly or leave.

Three processes: the NIM simulator, whose ceiling is known; the service, as `python -m pipeline.serve` starts it, with a
key for every four askers, writing every question, answer, receipt and audit row; and this one, which asks. Next to the
hundred there are twenty readers that take nothing of what they asked for, and fifty clients that leave in the middle.

    throughput_ratio    answers per second over the simulated generator's ceiling
    own_share_ms        what a question takes beyond the generator's, the embedder's and the queue's time: HTTP, the
                        limiter, both transactions, search, prompt, verification, delivery, as its asker sees it
    cpu_ms_per_answer   of the service's process, those that were cut off included: what a busy machine does not change
    memory              of the service's process, in each third
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.questions import CHAT, QUERY, index_notes, note_sentences, percentile, question_about
from pipeline.answering.questions.subject import subject_of
from pipeline.config import Settings, as_environment, load_settings
from pipeline.service.access.factory import open_access
from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import ALL_NOTES
from pipeline.service.database.engine import open_state
from tests.servers.nim import nim_process

ROOT = Path(__file__).resolve().parents[1]
ASKERS = 100
ASKERS_EACH_KEY = 4
SLOW_READERS = 20
LEAVERS = 50
SECONDS = 180.0
START_SECONDS = 10.0
"""At first a hundred people ask in the same instant: that is not measured."""
ANSWER_SECONDS_MAX = 60.0
LINE_BYTES_MAX = 1 << 20


@dataclass
class LoadCounts:
    """What happened to everyone."""

    ends: list[float] = field(default_factory=list)
    """When each whole answer had come."""
    own_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    """Until the first statement, queue included."""
    stages: list[dict[str, float]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    left: int = 0
    slow: int = 0


@dataclass(frozen=True)
class Place:
    """Where the service is, and who may ask it."""

    host: str
    port: int
    keys: list[str]
    sentences: list[str]

    def request(self, key: str, chance: random.Random) -> bytes:
        body = json.dumps({"question": self._question(chance)}).encode()
        head = (
            f"POST /v1/ask HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {key}\r\n"
            f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _question(self, chance: random.Random) -> str:
        """One that stands for itself: "she" without a patient is refused, and a refusal is no answer to be measured."""
        while subject_of(question := question_about(chance, self.sentences).text) == "pronoun":
            pass
        return question


def main(arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Print and return the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(list(arguments))
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, _simulator() as nim:
        settings = load_settings(
            None,
            data_dir=Path(name) / "data",
            embedder={"provider": "nim", "url": nim.url},
            generator={"provider": "nim", "url": nim.url},
            service={"port": 0},
        )
        sentences = note_sentences()
        index_notes(settings, Path(name) / "notes.jsonl", sentences)
        keys = _keys(settings, ASKERS // ASKERS_EACH_KEY + SLOW_READERS + LEAVERS)
        with _service(settings) as (process, port):
            before = nim.control("counts")
            place = Place("127.0.0.1", port, keys, sentences)
            watching = Watching(process.pid)
            tally = asyncio.run(_everybody(place, options.seconds))
            watching.stop()
            after = nim.control("counts")
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        tokens = after["completion_tokens"] - before["completion_tokens"]
        answered = after["calls"].get("/v1/chat/completions 200", 0) - before["calls"].get(
            "/v1/chat/completions 200", 0
        )
        cut = after["cancelled"] - before["cancelled"]
        figures = {
            "load_before": load,
            **_figures(tally, options.seconds, tokens, answered - cut),
            "cut_at_the_model": cut,
            "requests_to_the_model": answered,
            "exit_code": code,
            "cpu_ms_per_answer": round(1000 * watching.cpu_seconds / len(tally.ends), 1),
            **watching.figures(),
        }
    print(json.dumps(figures, indent=2))
    return figures


def _simulator() -> Any:
    return nim_process(
        f"--embed-seconds={QUERY.seconds_per_request}",
        f"--embed-concurrency={QUERY.concurrency}",
        f"--chat-seconds={CHAT.seconds_per_request}",
        f"--chat-token-seconds={CHAT.seconds_per_token}",
        f"--chat-concurrency={CHAT.concurrency}",
    )


def _keys(settings: Settings, number: int) -> list[str]:
    """A key each of so many people."""
    with open_state(settings) as state:
        state.migrate()
        access = open_access(state, settings)
        found = []
        for each in range(number):
            person, _ = access.people.create(DEMO, f"asker-{each}", sees=ALL_NOTES)
            found.append(access.keys.create(DEMO, person.id, "benchmark", ["ask"])[1])
        return found


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[subprocess.Popen[str], int]]:
    environment = {**os.environ, **as_environment(settings)}
    command = [sys.executable, "-m", "pipeline.serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[0].rpartition(":")[2])
            _wait_until_ready(port)
            yield process, port
        finally:
            if process.poll() is None:
                process.kill()


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(
                f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
            )
            if connection.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.1)
    raise TimeoutError("the service was not ready within a minute")


# --- those who ask


async def _everybody(place: Place, seconds: float) -> LoadCounts:
    tally = LoadCounts()
    until = time.perf_counter() + seconds
    askers = ASKERS // ASKERS_EACH_KEY
    people = [_ask(place, number % askers, number, until, tally) for number in range(ASKERS)]
    people += [_read_slowly(place, askers + number, until, tally) for number in range(SLOW_READERS)]
    first_leaver = askers + SLOW_READERS
    people += [
        _leave(place, first_leaver + number, seconds * (number + 1) / (LEAVERS + 1), until, tally)
        for number in range(LEAVERS)
    ]
    await asyncio.gather(*people)
    return tally


async def _ask(place: Place, key: int, number: int, until: float, tally: LoadCounts) -> None:
    """Ask, read the answer, ask again."""
    chance = random.Random(number)
    reader, writer = await asyncio.open_connection(place.host, place.port, limit=LINE_BYTES_MAX)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(place.request(place.keys[key], chance))
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await _read_answer(reader, began, tally)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            tally.errors[type(error).__name__] += 1
            writer.close()
            reader, writer = await asyncio.open_connection(place.host, place.port, limit=LINE_BYTES_MAX)
    writer.close()


async def _read_answer(reader: asyncio.StreamReader, began: float, tally: LoadCounts) -> None:
    status = (await reader.readline()).split()
    if not status:
        raise ConnectionResetError
    if status[1] != b"200":
        tally.errors[f"status {status[1].decode()}"] += 1
        raise ConnectionResetError
    seconds, first = {}, None
    async for name, data in _events(reader):
        if name == "statement" and first is None:
            first = time.perf_counter() - began
        elif name == "usage":
            seconds = json.loads(data)["seconds"]
        elif name == "done":
            tally.outcomes[json.loads(data)["outcome"]] += 1
            _count(tally, began, seconds, first)
        elif name == "problem":
            tally.errors[json.loads(data)["code"]] += 1


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, bytes]]:
    """Name and data of each event, to the last chunk of the body. No line of an event spans two chunks."""
    name = ""
    while (line := await reader.readline()) != b"0\r\n":
        if not line:
            raise ConnectionResetError
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, line[6:]
    await reader.readline()


def _count(tally: LoadCounts, began: float, seconds: dict[str, float], first: float | None) -> None:
    now = time.perf_counter()
    others = sum(seconds.get(stage, 0.0) for stage in ("queue", "embed", "generate"))
    tally.ends.append(now)
    tally.own_ms.append(1000 * (now - began - others))
    tally.stages.append(seconds)
    if first is not None:
        tally.first_ms.append(1000 * first)


async def _read_slowly(place: Place, key: int, until: float, tally: LoadCounts) -> None:
    """Ask and take nothing, until the service lets go; then again."""
    chance = random.Random(key)
    while time.perf_counter() < until:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (place.host, place.port))
        await loop.sock_sendall(connection, place.request(place.keys[key], chance))
        tally.slow += 1
        await asyncio.sleep(min(30.0, max(0.0, until - time.perf_counter())))
        connection.close()


async def _leave(place: Place, key: int, after: float, until: float, tally: LoadCounts) -> None:
    """Ask and be gone within some seconds."""
    chance = random.Random(key)
    await asyncio.sleep(after)
    _, writer = await asyncio.open_connection(place.host, place.port)
    writer.write(place.request(place.keys[key], chance))
    await asyncio.sleep(min(chance.uniform(0.0, 6.0), max(0.0, until - time.perf_counter())))
    writer.transport.abort()
    tally.left += 1


# --- figures


class Watching:
    """The service's process, looked at every second in a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._end = threading.Event()
        self._samples: list[tuple[float, float, int]] = []
        self._cpu_before = self._cpu_seconds()
        self.cpu_seconds = 0.0
        """Of the process, while it was watched."""
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._end.wait(1.0):
            memory = self._process.memory_info().rss / 2**20
            self._samples.append((time.perf_counter(), memory, self._process.num_threads()))

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        self.cpu_seconds = self._cpu_seconds() - self._cpu_before
        self._end.set()
        self._thread.join()

    def figures(self) -> dict[str, Any]:
        memory = [sample[1] for sample in self._samples]
        third = max(1, len(memory) // 3)
        return {
            "memory_mebibytes_by_third": [
                percentile(memory[at : at + third], 50) for at in (0, third, 2 * third)
            ],
            "memory_mebibytes_max": round(max(memory), 1),
            "threads_max": max(sample[2] for sample in self._samples),
        }


def _figures(tally: LoadCounts, seconds: float, tokens: int, generated: int) -> dict[str, Any]:
    """`generated`: answers that the simulator wrote to the end, those of slow readers and of who left included."""
    ends = sorted(tally.ends)
    ceiling = CHAT.ceiling_requests_per_second(tokens / max(1, generated))
    window = [end for end in ends if ends[0] + START_SECONDS <= end <= ends[0] + seconds - START_SECONDS]
    rate = (len(window) - 1) / (window[-1] - window[0])
    return {
        "askers": ASKERS,
        "seconds": seconds,
        "answers": len(ends),
        "outcomes": tally.outcomes,
        "errors": tally.errors,
        "slow_readers": tally.slow,
        "left": tally.left,
        "ceiling_answers_per_second": round(ceiling, 2),
        "answers_per_second": round(rate, 2),
        "throughput_ratio": round(rate * generated / len(ends) / ceiling, 4),
        "own_share_ms_p50": percentile(tally.own_ms, 50),
        "own_share_ms_p95": percentile(tally.own_ms, 95),
        "own_share_ms_p99": percentile(tally.own_ms, 99),
        "first_statement_ms_p50": percentile(tally.first_ms, 50),
        "stages_ms_p95": {
            stage: percentile([1000 * each.get(stage, 0.0) for each in tally.stages], 95)
            for stage in ("queue", "embed", "search", "prompt", "generate", "verify", "total")
        },
    }


if __name__ == "__main__":
    main(sys.argv[1:])
