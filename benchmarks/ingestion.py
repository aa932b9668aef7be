"""Indexing against a server whose ceiling is known: steady throughput, memory, and how soon a killed run goes on.

The NIM simulator runs in a process of its own with a service time, so what it can serve at most is a number; it is set
well below what this machine can do, as a model server's is. The worker is another process: notes as JSON Lines, the
NIM embedder (1024 dimensions), the embedded store, the spool.

    python -m benchmarks.ingestion                  # 1,000 and 10,000 notes
    python -m benchmarks.ingestion --full           # and 100,000, with the resume after a kill
    python -m benchmarks.ingestion --speed          # a server that takes no time: this machine's own limit
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.config import Settings, load_settings
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.wiring import STORE_FILE, open_corpus
from tests.servers.nim import NimProcess, nim_process
from tests.servers.queueing import ServiceTime

ROOT = Path(__file__).resolve().parents[1]
SERVICE = ServiceTime(seconds_per_request=0.2, seconds_per_token=0.00008, concurrency=4)
"""About a third of a second for 32 passages, four at a time."""
REQUEST_TEXTS = 32
WARM_UP_SHARE = 0.25
"""Of the notes of a run, left out of the steady rate: the time in which the server's capacity is found."""

_WORDS = (
    "patient denies chest pain blood pressure was stable metformin held on admission restarted at discharge follow up "
    "with cardiology in two weeks no acute distress lungs clear echocardiogram showed preserved ejection fraction"
).split()


def write_notes(path: Path, count: int) -> None:
    """Notes of one to five sections, 60 to 500 words, no two alike."""
    chance = random.Random(11)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            sections = [
                f"{heading}\n\n" + " ".join(_sentence(chance, number) for _ in range(chance.randint(4, 9)))
                for heading in ("HISTORY", "EXAMINATION", "LABS", "ASSESSMENT", "PLAN")[
                    : chance.randint(1, 5)
                ]
            ]
            note = {
                "resource_id": f"note-{number:06}",
                "patient_id": f"patient-{number % 5003}",
                "document_type": chance.choice(("progress note", "discharge summary", "consultation")),
                "date": f"2024-{1 + number % 12:02}-{1 + number % 28:02}",
                "text_content": "\n\n".join(sections),
            }
            file.write(json.dumps(note) + "\n")


def _sentence(chance: random.Random, number: int) -> str:
    # The number is padded: a note's length must not depend on where in the corpus it stands.
    return f"{' '.join(chance.choices(_WORDS, k=chance.randint(8, 16))).capitalize()} {number:06}."


def ceiling_notes_per_second(service: ServiceTime, notes: int, passages: int, tokens: int) -> float:
    """What the server can serve of this work at most: every request full, every place always taken."""
    seconds = passages / REQUEST_TEXTS * service.seconds_per_request + tokens * service.seconds_per_token
    return notes / (seconds / service.concurrency)


# --- the worker's process


class _Moments(SilentObserver):
    """When how many notes were done."""

    def __init__(self) -> None:
        self.done: list[tuple[float, int]] = []

    def batch(self, tally: RunCounts) -> None:
        self.done.append((time.perf_counter(), tally.embedded))


def work(notes: Path, data_dir: Path, url: str) -> dict[str, Any]:
    """One run in this process: its moments and its peak memory."""
    settings = _settings(data_dir, url)
    moments = _Moments()
    started = time.perf_counter()
    with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        indexing = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            moments,
            vector_cache=corpus.vector_cache,
        )
        records = read_sources([str(notes)], FieldMapping.parse((), ()), settings.indexing)
        tally = indexing.run(records, sources=[str(notes)])
    return {
        "embedded": tally.embedded,
        "passages": tally.chunks_embedded,
        "seconds": time.perf_counter() - started,
        "moments": [(at - started, done) for at, done in moments.done],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cpu_seconds": time.process_time(),
    }


def _settings(data_dir: Path, url: str) -> Settings:
    return load_settings(
        None,
        data_dir=data_dir,
        embedder={"provider": "nim", "url": url, "batch_size": REQUEST_TEXTS},
    )


# --- the measurements


def throughput(count: int, service: ServiceTime) -> dict[str, float]:
    """Index `count` notes into a new store; rates over the ceiling."""
    with tempfile.TemporaryDirectory() as name, nim_process(*_options(service)) as server:
        folder = Path(name)
        notes = folder / "notes.jsonl"
        write_notes(notes, count)
        told = _run_worker(notes, folder / "data", server)
        counts = server.control("counts")
    assert (told["embedded"], counts["texts"], counts["repeated"]) == (count, told["passages"], 0)
    moments: Sequence[tuple[float, int]] = told["moments"]
    first = next(at for at, (_, done) in enumerate(moments) if done >= count * WARM_UP_SHARE)
    # The last batches come when there is nothing left to send: neither ramp nor tail is the steady state.
    last = next(at for at, (_, done) in enumerate(moments) if done >= count * 0.97)
    steady = (moments[last][1] - moments[first][1]) / (moments[last][0] - moments[first][0])
    ceiling = ceiling_notes_per_second(service, count, told["passages"], counts["prompt_tokens"])
    figures = {
        "notes": count,
        "passages": told["passages"],
        "texts_a_request": told["passages"] / counts["calls"]["/v1/embeddings 200"],
        "ceiling_notes_per_second": ceiling,
        "steady_notes_per_second": steady,
        "steady_ratio": steady / ceiling,
        "whole_run_ratio": told["embedded"] / told["seconds"] / ceiling,
        "peak_mib": told["peak_mib"],
        "cpu_share": told["cpu_seconds"] / told["seconds"],
    }
    print(
        f"{count:>7,} notes, {told['passages']:,} passages in requests of {figures['texts_a_request']:.1f}: "
        f"{steady:.1f} of {ceiling:.1f} notes/s, steady ratio {figures['steady_ratio']:.3f} "
        f"(whole run {figures['whole_run_ratio']:.3f}); peak memory {told['peak_mib']:.0f} MiB; "
        f"worker's own CPU {figures['cpu_share']:.0%} of a core",
        flush=True,
    )
    return figures


def resume(count: int, done: int) -> dict[str, float]:
    """Kill the command line once all `count` notes are in the ledger and `done` passages are embedded, run it again,
    and time its first new request: from the start of the process, as the server sees it."""
    with tempfile.TemporaryDirectory() as name, nim_process("--embed-seconds=0.02") as server:
        folder = Path(name)
        notes = folder / "notes.jsonl"
        write_notes(notes, count)
        environment = os.environ | {
            "CHARTWELL_DATA_DIR": str(folder / "data"),
            "CHARTWELL_EMBEDDER__PROVIDER": "nim",
            "CHARTWELL_EMBEDDER__URL": server.url,
        }
        command = [sys.executable, "-m", "pipeline.vectorize", "notes", str(notes), "--json"]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as worker:
            # Killed once everything is read, so that the ledger is as large as it gets.
            ledger = folder / "data" / STORE_FILE
            while server.control("counts")["texts"] < done or _in_ledger(ledger) < count:
                time.sleep(0.5)
            worker.send_signal(signal.SIGKILL)
        time.sleep(1.0)
        before = _calls(server)
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as worker:
            while _calls(server) == before:
                time.sleep(0.01)
            seconds = time.perf_counter() - started
            worker.send_signal(signal.SIGKILL)
    print(
        f"{count:>7,} notes, killed once all are in the ledger: first new request {seconds:.2f} s after the start",
        flush=True,
    )
    return {"notes": count, "first_request_seconds": seconds}


def _in_ledger(ledger: Path) -> int:
    """Notes that the ledger knows."""
    with closing(sqlite3.connect(ledger, timeout=30)) as connection:
        (number,) = connection.execute("SELECT COUNT(*) FROM VectorizationState").fetchone()
        return int(number)


def _calls(server: NimProcess) -> int:
    """Requests answered or being worked on."""
    calls: dict[str, int] = server.control("counts")["calls"]
    return sum(calls.values()) + int(server.control("running"))


def _run_worker(notes: Path, data_dir: Path, server: NimProcess) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.ingestion", "--work", str(notes), str(data_dir), server.url]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def _options(service: ServiceTime) -> tuple[str, ...]:
    return (
        f"--embed-seconds={service.seconds_per_request}",
        f"--embed-token-seconds={service.seconds_per_token}",
        f"--embed-concurrency={service.concurrency}",
    )


def main(arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 notes too: about a quarter of an hour")
    parser.add_argument(
        "--speed", action="store_true", help="only: how fast this machine is without a ceiling"
    )
    parser.add_argument(
        "--resume", action="store_true", help="only: the resume after a kill at 100,000 notes"
    )
    parser.add_argument("--notes", type=int, nargs="*", default=None, help="other sizes")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        notes, data_dir, url = options.work
        print(json.dumps(work(Path(notes), Path(data_dir), url)))
        return {}
    if options.speed:
        return {"speed": throughput(3_000, ServiceTime(concurrency=8))}
    if options.resume:
        return {"resume": resume(100_000, 5_000)}
    sizes = options.notes or [1_000, 10_000, *([100_000] if options.full else [])]
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    figures: dict[str, Any] = {str(count): throughput(count, SERVICE) for count in sizes}
    if options.full:
        ratio = figures["100000"]["peak_mib"] / figures["10000"]["peak_mib"]
        print(f"peak memory at 100,000 over that at 10,000: {ratio:.2f}")
        figures["resume"] = resume(100_000, 5_000)
    return figures


if __name__ == "__main__":
    main(sys.argv[1:])
