"""Indexing while something is wrong: each run has to end complete, or to stop clearly and then be completed.

`python -m tests.fault_runs` runs all of them at full length and prints a table; names on the command line choose some.
The suite runs short ones. The worker is `python -m pipeline.vectorize` in a process of its own, the embedder the NIM
simulator, the store the scripted IRIS in another process.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash_remote import Audit, Corpus, write_notes
from tests.servers.iris import iris_process
from tests.servers.nim import nim_process

COMPLETE, STOPPED, TRY_AGAIN, INTERRUPTED = 0, 2, 75, 130


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a fault run went."""

    name: str
    notes: int
    seconds: float
    exits: tuple[int, ...]
    """Exit codes of the workers, in order."""
    repeated: int
    """Texts embedded more than once, by the server's count."""
    audit: Audit
    told: str = ""
    remark: str = ""

    @property
    def sound(self) -> bool:
        return self.audit.sound

    def row(self) -> str:
        exits = ", ".join(map(str, self.exits))
        verdict = "complete" if self.sound else f"NOT COMPLETE: {self.audit}"
        return (
            f"| {self.name} | {self.notes:,} | {self.seconds:.0f} s | {exits} | {self.audit.lost} | "
            f"{self.audit.doubled} | {self.repeated} | {verdict}{'; ' + self.remark if self.remark else ''} |"
        )


HEADING = (
    "| fault | notes | time | exit codes | lost | doubled | texts embedded again | outcome |\n"
    "|---|---|---|---|---|---|---|---|"
)


@contextmanager
def corpus_of(notes: int, *, embed_seconds: float, concurrency: int = 4) -> Iterator[Corpus]:
    """A corpus of that many notes and its two servers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_notes(folder / "notes.jsonl", notes)
        service = (f"--embed-seconds={embed_seconds}", f"--embed-concurrency={concurrency}")
        with nim_process(*service) as server, iris_process(folder / "iris.sqlite") as store:
            yield Corpus(folder, folder / "notes.jsonl", server, store)


def _told(name: str, corpus: Corpus, notes: int, started: float, exits: list[int], **more: str) -> Outcome:
    seconds = time.monotonic() - started
    counts = corpus.embedded()
    again = sum(times - 1 for times in counts.values())
    return Outcome(name, notes, seconds, tuple(exits), again, corpus.audit(notes), **more)


def _finished(corpus: Corpus, **more: str) -> tuple[int, str]:
    return corpus.run(**more)


# --- the embedder's faults


def failing(notes: int = 2_000, share: float = 0.2) -> Outcome:
    """A share of all requests fails with 500 or 503, at random."""
    with corpus_of(notes, embed_seconds=0.05) as corpus:
        corpus.server.control("faults", {"failure_share": share})
        started = time.monotonic()
        code, output = _finished(corpus)
        return _told(f"{share:.0%} of requests fail", corpus, notes, started, [code], told=output)


def limited(
    notes: int = 1_000, per_minute: int = 40, minute_seconds: float = 60.0, retry_after: str = ""
) -> Outcome:
    """A limit of requests a minute that the worker is not told of."""
    with corpus_of(notes, embed_seconds=0.05) as corpus:
        fault = {
            "requests_per_minute": per_minute,
            "minute_seconds": minute_seconds,
            "retry_after": retry_after,
        }
        corpus.server.control("faults", fault)
        started = time.monotonic()
        code, output = _finished(corpus)
        counts = corpus.server.control("counts")["calls"]
        served, refused = counts.get("/v1/embeddings 200", 0), counts.get("/v1/embeddings 429", 0)
        remark = f"{served} requests served, {refused} refused"
        return _told(
            f"{per_minute} requests a minute, unknown",
            corpus,
            notes,
            started,
            [code],
            told=output,
            remark=remark,
        )


def limited_and_told(notes: int = 1_000, per_minute: int = 40) -> Outcome:
    """The same limit, known by CHARTWELL_TRANSPORT__REQUESTS_PER_MINUTE."""
    with corpus_of(notes, embed_seconds=0.05) as corpus:
        corpus.server.control("faults", {"requests_per_minute": per_minute})
        started = time.monotonic()
        code, output = _finished(corpus, CHARTWELL_TRANSPORT__REQUESTS_PER_MINUTE=str(per_minute))
        counts = corpus.server.control("counts")["calls"]
        served, refused = counts.get("/v1/embeddings 200", 0), counts.get("/v1/embeddings 429", 0)
        remark = f"{served} requests served, {refused} refused"
        return _told(
            f"{per_minute} requests a minute, told",
            corpus,
            notes,
            started,
            [code],
            told=output,
            remark=remark,
        )


def vanished(notes: int = 2_000, seconds: float = 60.0, after: float = 3.0) -> Outcome:
    """The embedder's port closes for a while in the middle of the run."""
    with corpus_of(notes, embed_seconds=0.3) as corpus:
        started = time.monotonic()
        with corpus.start() as worker:
            _until_done(corpus, worker, 1)
            time.sleep(after)
            corpus.server.control("vanish", {"seconds": seconds})
            output, _ = worker.communicate()
        return _told(
            f"endpoint gone for {seconds:.0f} s", corpus, notes, started, [worker.returncode], told=output
        )


def vanished_for_good(notes: int = 600) -> Outcome:
    """The embedder's port closes and stays closed until the worker has given up; then the command is run again."""
    with corpus_of(notes, embed_seconds=0.1) as corpus:
        started = time.monotonic()
        with corpus.start(CHARTWELL_TRANSPORT__RETRY_SECONDS_MAX="2") as worker:
            _until_done(corpus, worker, 1)
            corpus.server.control("vanish", {"seconds": 6})
            output, _ = worker.communicate()
        time.sleep(max(0.0, 7 - (time.monotonic() - started)))
        code, _ = _finished(corpus)
        return _told(
            "endpoint gone for good, run again",
            corpus,
            notes,
            started,
            [worker.returncode, code],
            told=output,
        )


# --- the store's faults


def store_restarted(notes: int = 2_000, times: int = 5, away_seconds: float = 3.0) -> Outcome:
    """The store is killed and started again, several times in the run."""
    with corpus_of(notes, embed_seconds=0.15) as corpus:
        started = time.monotonic()
        with corpus.start() as worker:
            for number in range(times):
                _until_done(corpus, worker, (number + 1) * notes // (times + 2))
                corpus.store.kill()
                time.sleep(away_seconds)
                corpus.store.start()
            output, _ = worker.communicate()
        restarts = corpus.store.starts - 1
        return _told(
            f"store restarted {restarts} times", corpus, notes, started, [worker.returncode], told=output
        )


# --- the worker's own end


def worker_dies(notes: int = 2_000, *, elsewhere: bool = False, lease_seconds: float = 6.0) -> Outcome:
    """Two workers on one corpus; one of them is killed. `elsewhere`: as if it had run on another machine, where
    no one can see that it is dead: only its lease tells."""
    with corpus_of(notes, embed_seconds=0.15) as corpus:
        more = {"CHARTWELL_INDEXING__LEASE_SECONDS": str(lease_seconds)} if elsewhere else {}
        started = time.monotonic()
        with (
            corpus.start(**more, **({"WORKER_HOST": "another-machine"} if elsewhere else {})) as dying,
            corpus.start(**more) as staying,
        ):
            _until_done(corpus, dying, notes // 4)
            dying.send_signal(signal.SIGKILL)
            dying.communicate()
            output, _ = staying.communicate()
        name = "on another machine" if elsewhere else "on this machine"
        return _told(
            f"two workers, one {name} dies", corpus, notes, started, [staying.returncode], told=output
        )


def terminated(notes: int = 1_500, *, unreachable: bool = True) -> Outcome:
    """SIGTERM (also what a spot notice becomes), while the worker waits for a server that refuses everything, or in
    the middle of plain work. Then the command is run again."""
    with corpus_of(notes, embed_seconds=0.2) as corpus:
        started = time.monotonic()
        with corpus.start() as worker:
            _until_done(corpus, worker, 1)
            if unreachable:
                corpus.server.control("faults", {"status": 503})
                time.sleep(4.0)
            asked = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            output, _ = worker.communicate()
            took = time.monotonic() - asked
        corpus.server.control("faults", {"status": 0})
        code, _ = _finished(corpus)
        where = "in a long back-off" if unreachable else "in plain work"
        return _told(
            f"SIGTERM {where}, run again",
            corpus,
            notes,
            started,
            [worker.returncode, code],
            told=output,
            remark=f"ended {took:.1f} s after the signal",
        )


def terminated_with_a_hung_server(notes: int = 600) -> Outcome:
    """SIGTERM while the server has accepted requests and does not answer them."""
    with corpus_of(notes, embed_seconds=0.1) as corpus:
        started = time.monotonic()
        with corpus.start() as worker:
            _until_done(corpus, worker, 1)
            corpus.server.control("faults", {"slow_seconds": 110})
            time.sleep(2.0)
            asked = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            output, _ = worker.communicate()
            took = time.monotonic() - asked
        corpus.server.control("faults", {"slow_seconds": 0})
        code, _ = _finished(corpus)
        return _told(
            "SIGTERM, server hangs, run again",
            corpus,
            notes,
            started,
            [worker.returncode, code],
            told=output,
            remark=f"ended {took:.1f} s after the signal",
        )


# --- the disk's faults


class NoSmallDisk(Exception):
    """This machine lets us mount nothing."""


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Callable[[str], None]]:
    """A real file system of that size at `folder`; the function mounts it again with other options."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        raise NoSmallDisk

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def disk_full(notes: int = 3_000, mebibytes: int = 64) -> Outcome:
    """The disk of ledger and spool is full half way, because of another user's file. The file is removed, and the
    command is run again."""
    with corpus_of(notes, embed_seconds=0.1) as corpus, small_disk(corpus.data_dir, mebibytes << 10):
        started = time.monotonic()
        with corpus.start() as worker:
            _until_done(corpus, worker, notes // 2)
            other = corpus.data_dir / "somebody-elses-file"
            _fill(other)
            output, _ = worker.communicate()
        done = corpus.done()
        other.unlink()
        code, _ = _finished(corpus)
        return _told(
            "disk full half way, then freed",
            corpus,
            notes,
            started,
            [worker.returncode, code],
            told=output,
            remark=f"stopped after {done:,} notes",
        )


def _fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def disk_read_only(notes: int = 900) -> Outcome:
    """The disk of ledger and spool turns read-only between two runs."""
    with corpus_of(notes, embed_seconds=0.05) as corpus, small_disk(corpus.data_dir, 1 << 20) as remount:
        started = time.monotonic()
        with corpus.start() as worker:
            _until_done(corpus, worker, 1)
            worker.send_signal(signal.SIGTERM)
            worker.communicate()
        remount("ro")
        first, output = _finished(corpus)
        remount("rw")
        second, _ = _finished(corpus)
        return _told(
            "read-only disk, then writable",
            corpus,
            notes,
            started,
            [worker.returncode, first, second],
            told=output,
        )


def _until_done(corpus: Corpus, worker: subprocess.Popen[str], notes: int) -> None:
    """Return once so many notes are done, or the worker has ended."""
    while corpus.done() < notes and worker.poll() is None:
        time.sleep(0.05)


RUNS: dict[str, Callable[[], Outcome]] = {
    "failing": failing,
    "limited": limited,
    "limited-told": limited_and_told,
    "store-restarted": store_restarted,
    "vanished": vanished,
    "vanished-for-good": vanished_for_good,
    "worker-dies": worker_dies,
    "worker-dies-elsewhere": lambda: worker_dies(elsewhere=True),
    "disk-full": disk_full,
    "disk-read-only": disk_read_only,
    "terminated": terminated,
    "terminated-at-work": lambda: terminated(unreachable=False),
    "terminated-hung": terminated_with_a_hung_server,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", choices=[*RUNS, []], help="all, where none is named")
    parser.add_argument("--verbose", action="store_true", help="also what the workers printed")
    options = parser.parse_args()
    sound = True
    print(HEADING, flush=True)
    for name in options.runs or RUNS:
        outcome = RUNS[name]()
        sound = sound and outcome.sound
        print(outcome.row(), flush=True)
        if options.verbose or not outcome.sound:
            print(outcome.told)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
