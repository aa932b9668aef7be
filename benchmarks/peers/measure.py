"""Runs one ingestion as a process against a simulator of its own, and reads off what it did.

The server works `SECONDS_PER_REQUEST` on every request and on every token so long that all its slots together serve
`TOKENS_PER_SECOND`; the ceiling is therefore a number, and far below what this machine can compute. Everything that
was paid for is counted by the server, everything that is left behind is read from the store: no ingestion is asked
about itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks.peers import with_chartwell
from tests.servers.nim import NimProcess, nim_process

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
TOKENS_PER_SECOND = 40_000.0
"""Of a 1B or smaller embedding model on one mid-range card, in order of magnitude."""
SECONDS_PER_REQUEST = 0.02
SLOTS = 4
POLL_SECONDS = 0.05
KILL_ATTEMPTS = 5
RSS_UNIT_BYTES = 1024
"""Linux gives ru_maxrss in KiB."""

Entries = Counter[tuple[str, str]]
"""(note id, SHA-256 of the stored text) and how often the store holds it."""


@dataclass(frozen=True)
class Contender:
    """One ingestion: a module of this package, and whether it is tuned."""

    name: str
    module: str
    tuned: bool = False

    @property
    def title(self) -> str:
        return f"{self.name}, tuned" if self.tuned else self.name

    @property
    def slug(self) -> str:
        """Name on the command line: langchain-tuned."""
        return self.title.lower().replace(", ", "-")

    def ingest_command(self, notes: Path, folder: Path, url: str) -> list[str]:
        if self.module == "with_chartwell":
            return with_chartwell.command(notes)
        tuned = ["--tuned"] if self.tuned else []
        return [*self._command(), "ingest", str(notes), str(folder), url, *tuned]

    def _command(self) -> list[str]:
        python = sys.executable if self.module == "with_chartwell" else str(PEERS_PYTHON)
        return [python, "-m", f"benchmarks.peers.{self.module}"]

    def environment(self, folder: Path, url: str) -> dict[str, str]:
        """Nothing of the developer's settings; no telemetry, which would wait for a network."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARTWELL_")}
        kept |= {"ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False"}
        kept |= {"NVIDIA_API_KEY": "none", "NO_PROXY": "127.0.0.1"}
        return kept | with_chartwell.environment(folder, url, self.tuned)

    def entries(self, folder: Path) -> Entries:
        return count_entries(self._output("entries", str(folder)).splitlines())

    def versions(self) -> dict[str, str]:
        return json.loads(self._output("versions"))

    def _output(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command(), *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout


CONTENDERS = (
    Contender("Chartwell", "with_chartwell"),
    Contender("Chartwell", "with_chartwell", tuned=True),
    Contender("LangChain", "with_langchain"),
    Contender("LangChain", "with_langchain", tuned=True),
    Contender("LlamaIndex", "with_llama_index"),
    Contender("LlamaIndex", "with_llama_index", tuned=True),
    Contender("Haystack", "with_haystack"),
    Contender("Haystack", "with_haystack", tuned=True),
)


@dataclass(frozen=True)
class Server:
    """The simulator's speed: `slots` requests at the same time, together `TOKENS_PER_SECOND`."""

    slots: int = SLOTS

    @property
    def seconds_per_token(self) -> float:
        return self.slots / TOKENS_PER_SECOND

    def options(self) -> tuple[str, ...]:
        return (
            f"--embed-seconds={SECONDS_PER_REQUEST}",
            f"--embed-token-seconds={self.seconds_per_token}",
            f"--embed-concurrency={self.slots}",
        )

    def share(self, served: Served, seconds: float) -> float:
        """Time that the served requests occupied slots, over all slot time there was: 1 is the ceiling."""
        return (
            (served.requests * SECONDS_PER_REQUEST + served.tokens * self.seconds_per_token)
            / self.slots
            / seconds
        )


@dataclass(frozen=True)
class Served:
    """What the simulator counted."""

    requests: int
    texts: int
    distinct: int
    tokens: int

    @property
    def again(self) -> int:
        """Texts embedded although the server had embedded the very same text before."""
        return self.texts - self.distinct


@dataclass(frozen=True)
class Run:
    """One process from start to end."""

    seconds: float
    peak_bytes: int
    exit_code: int


@dataclass(frozen=True)
class Full:
    """An ingestion that nothing disturbed."""

    run: Run
    served: Served
    share: float
    server_cpu: float
    """Share of one core that the simulator used: near 1, the ceiling would be this machine's."""
    tail_seconds: float
    """From the last text embedded to the end of the process."""
    entries: Entries


@dataclass(frozen=True)
class Crash:
    """An ingestion killed once, then the same command again, on the same simulator."""

    killed_after_seconds: float
    rerun: Run
    again: int
    """Texts that were embedded twice because of the kill."""
    damage: Damage


class EndedBeforeKill(Exception):
    """The moment to kill never came."""


class Moment:
    """When to kill: once the server has embedded half of what it embeds in an undisturbed run, or `late`, once all is
    embedded and a quarter of the time has passed that an undisturbed run then takes to end: a program that stores at
    the end is storing."""

    def __init__(self, undisturbed: Full, *, late: bool = False) -> None:
        self.undisturbed = undisturbed
        self._texts = undisturbed.served.texts if late else undisturbed.served.texts / 2
        self._pause_seconds = undisturbed.tail_seconds / 4 if late else 0.0

    def wait(self, simulator: NimProcess, process: subprocess.Popen[bytes]) -> None:
        """Raises EndedBeforeKill where the process was faster."""
        while read_served(simulator).texts < self._texts:
            if process.poll() is not None:
                raise EndedBeforeKill
            time.sleep(POLL_SECONDS)
        time.sleep(self._pause_seconds)
        if process.poll() is not None:
            raise EndedBeforeKill


@dataclass(frozen=True)
class Damage:
    """What the store holds after a crash and a second run, against an undisturbed run."""

    notes_lost: int
    """Notes of which at least one entry is missing."""
    entries_lost: int
    entries_doubled: int
    """Entries that an undisturbed run does not leave: doubles, and texts that were not asked for."""


def compare(undisturbed: Entries, found: Entries) -> Damage:
    lost, more = undisturbed - found, found - undisturbed
    return Damage(len({note for note, _ in lost}), lost.total(), more.total())


def count_entries(lines: Sequence[str]) -> Entries:
    return Counter((note, digest) for note, digest in map(json.loads, lines))


def full_run(contender: Contender, notes: Path, folder: Path, server: Server) -> Full:
    """Raises RuntimeError where the ingestion fails."""
    with nim_process(*server.options()) as simulator:
        with (
            _ingestion(contender, notes, folder, simulator.url) as process,
            _last_text(simulator) as last_text,
        ):
            run = _end(process)
            ended = time.monotonic()
        if run.exit_code:
            raise RuntimeError(f"{contender.title} ended with {run.exit_code}, see {folder}.log")
        served = read_served(simulator)
        cpu = _cpu_seconds(simulator.process.pid) / run.seconds
    tail = ended - last_text[-1]
    return Full(run, served, server.share(served, run.seconds), cpu, tail, contender.entries(folder))


@contextmanager
def _last_text(simulator: NimProcess) -> Iterator[list[float]]:
    """Moments at which the count of embedded texts was seen to grow; the last one is the last text's."""
    moments, over = [time.monotonic()], threading.Event()

    def watch() -> None:
        texts = 0
        while not over.wait(2 * POLL_SECONDS):
            found = read_served(simulator).texts
            if found > texts:
                texts = found
                moments.append(time.monotonic())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield moments
    finally:
        over.set()
        thread.join()


def crash_run(contender: Contender, notes: Path, folder: Path, server: Server, moment: Moment) -> Crash:
    """`kill -9` at that moment, then a plain second run. Tried again where the process was faster than the moment."""
    for attempt in range(KILL_ATTEMPTS):
        try:
            return _killed_run(contender, notes, folder.with_name(f"{folder.name}-{attempt}"), server, moment)
        except EndedBeforeKill:
            continue
    raise RuntimeError(
        f"{contender.title} ended before it could be killed, {KILL_ATTEMPTS} times, see {folder}*.log"
    )


def _killed_run(contender: Contender, notes: Path, folder: Path, server: Server, moment: Moment) -> Crash:
    with nim_process(*server.options()) as simulator:
        with _ingestion(contender, notes, folder, simulator.url) as process:
            started = time.monotonic()
            moment.wait(simulator, process)
            os.killpg(process.pid, signal.SIGKILL)
            killed_after = time.monotonic() - started
            process.wait()
        with _ingestion(contender, notes, folder, simulator.url) as process:
            rerun = _end(process)
        served = read_served(simulator)
    again = served.again - moment.undisturbed.served.again
    return Crash(killed_after, rerun, again, compare(moment.undisturbed.entries, contender.entries(folder)))


def read_served(simulator: NimProcess) -> Served:
    counts = simulator.control("counts")
    requests = sum(number for call, number in counts["calls"].items() if call == "/v1/embeddings 200")
    with urlopen(f"{simulator.url}/metrics", timeout=30) as answer:
        tokens = tokens_served(answer.read().decode())
    return Served(requests, counts["texts"], counts["distinct"], tokens)


def tokens_served(metrics: str) -> int:
    found = [line.split()[1] for line in metrics.splitlines() if line.startswith("prompt_tokens_total ")]
    return int(found[0])


@contextmanager
def _ingestion(
    contender: Contender, notes: Path, folder: Path, url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a group of its own, so that a kill takes whatever it started; its output goes to a log."""
    with Path(f"{folder}.log").open("ab") as log:
        process = subprocess.Popen(
            contender.ingest_command(notes, folder, url),
            cwd=ROOT,
            env=contender.environment(folder, url),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        process.started = time.monotonic()  # type: ignore[attr-defined]
        try:
            yield process
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _end(process: subprocess.Popen[bytes]) -> Run:
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - process.started  # type: ignore[attr-defined]
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(seconds, usage.ru_maxrss * RSS_UNIT_BYTES, process.returncode)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
