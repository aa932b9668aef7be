"""SIGKILL at random moments of a run against the NIM simulator and a store in another process.

`python -m tests.crash_remote` kills a 5,000-note run 100 times, at stages chosen in turn, prints a line a kill and the
verdict; the suite runs a shorter one. The worker is `python -m pipeline.vectorize` itself (tests/worker.py).

What a kill costs is counted on the server, text by text. After each kill the texts that the server embedded are held
against the worker's spool: what is not there has to be embedded again. Of that, what the worker had received is told
apart (it notes each text on arrival) from what was on the wire. At the end the server's own count of repeated texts
must be the sum of those, so nothing else was embedded twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import TransportSettings
from pipeline.wiring import LEDGER_FILE, SPOOL_FILE
from tests.servers.iris import IrisProcess, iris_process
from tests.servers.nim import NimProcess, nim_process
from tests.servers.nim_models import EMBEDDER_SMALL
from tests.worker import HASH_DIGITS, STAGES, Marks

ROOT = Path(__file__).resolve().parents[1]
REQUEST_TEXTS = 32
BATCH_NOTES = 32
IN_FLIGHT_MAX = 3
"""Times REQUEST_TEXTS: a batch."""
ANYWHERE = "anywhere"
STAGE_SECONDS_MAX = 5.0
"""How long to wait for the stage that was chosen before killing anyway."""
LOOK_SECONDS = 0.0005


def write_notes(path: Path, count: int, *, first: int = 0) -> None:
    """Add notes of three passages, no two of which are the same text."""
    with path.open("a", encoding="utf-8") as file:
        for number in range(first, count):
            text = "\n\n".join(
                f"{heading}\n\n{words} {number}, seen by Dr {number} of ward {number % 11} on day {number % 29} for "
                f"{words.lower()} that was worse at night, with wheeze in both lungs and no fever; inhaler {number}."
                for heading, words in (
                    ("HISTORY", "Dry cough since spring"),
                    ("EXAMINATION", "Expiratory wheeze at rest"),
                    ("PLAN", "Control of asthma after review"),
                )
            )
            note = {
                "resource_id": f"note-{number:06}",
                "patient_id": f"patient-{number % 997}",
                "document_type": "progress note",
                "date": "2024-03-01",
                "text_content": text,
            }
            file.write(json.dumps(note) + "\n")


PASSAGES_A_NOTE = 3


@dataclass
class Corpus:
    """One corpus with its two servers: starts workers on it, and looks at what is there."""

    folder: Path
    notes: Path
    server: NimProcess
    store: IrisProcess
    more: Mapping[str, str] = field(default_factory=dict)
    in_flight_max: int = TransportSettings().in_flight_max

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def told(self) -> Path:
        """The ids of notes that the last run told as done."""
        return self.folder / "told"

    @property
    def marks(self) -> Path:
        return self.folder / "marks"

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHARTWELL_")},
            **self.store.environment(),
            "CHARTWELL_DATA_DIR": str(self.data_dir),
            "CHARTWELL_EMBEDDER__PROVIDER": "nim",
            "CHARTWELL_EMBEDDER__URL": self.server.url,
            "CHARTWELL_EMBEDDER__MODEL": EMBEDDER_SMALL,
            "CHARTWELL_EMBEDDER__DIMENSION": "64",
            "CHARTWELL_EMBEDDER__TOKENS_MAX": "512",
            "CHARTWELL_EMBEDDER__BATCH_SIZE": str(REQUEST_TEXTS),
            "CHARTWELL_TRANSPORT__IN_FLIGHT_MAX": str(self.in_flight_max),
            "CHARTWELL_INDEXING__BATCH_SIZE": str(BATCH_NOTES),
            "CHARTWELL_INDEXING__CHUNK_TOKENS_MAX": "80",
            **self.more,
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """A worker: `notes` on this corpus, or another subcommand."""
        command = [sys.executable, "-m", "tests.worker", *(arguments or ("notes", str(self.notes)))]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment() | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """The worker's exit code and everything it printed."""
        with self.start(*arguments, **more) as worker:
            output, _ = worker.communicate()
            return worker.returncode, output

    def embedded(self) -> Counter[str]:
        """How often the server has embedded each text, once it has finished what it had begun."""
        before = -1
        while True:
            counts = self.server.control("counts")["texts"]
            running = self.server.control("running")
            if running == 0 and counts == before:
                return Counter(self.server.control("embedded"))
            before = counts
            time.sleep(0.02)

    def received(self) -> set[str]:
        return set(self.journal.read_text().split()) if self.journal.exists() else set()

    def kept(self) -> set[str]:
        """Texts whose vectors are in the spool."""
        rows = _rows(self.data_dir / SPOOL_FILE, "SpooledVectors", "SELECT hex(TextHash) FROM SpooledVectors")
        return {str(row[0]).lower()[:HASH_DIGITS] for row in rows}

    def done(self) -> int:
        rows = _rows(
            self.data_dir / LEDGER_FILE,
            "VectorizationState",
            "SELECT COUNT(*) FROM VectorizationState WHERE Status = 'completed'",
        )
        return int(rows[0][0]) if rows else 0

    def told_early(self) -> int:
        """Notes told as done that the ledger or the store does not have."""
        told = self.told.read_text().split() if self.told.exists() else []
        done = _rows(
            self.data_dir / LEDGER_FILE,
            "VectorizationState",
            "SELECT ResourceID FROM VectorizationState WHERE Status = 'completed'",
        )
        notes = _rows(self.store.path, "DEMO_ClinicalNotes", "SELECT ResourceID FROM DEMO_ClinicalNotes")
        return len(set(told) - ({row[0] for row in done} & {row[0] for row in notes}))

    def audit(self, expected: int) -> Audit:
        """The store's own rows, counted without any code of the product, and what `verify --all` says."""
        notes = _rows(self.store.path, "DEMO_ClinicalNotes", "SELECT ResourceID FROM DEMO_ClinicalNotes")
        chunks = _rows(
            self.store.path,
            "DEMO_ClinicalNoteVectors",
            "SELECT ResourceID, ChunkID FROM DEMO_ClinicalNoteVectors",
        )
        stored = {str(row[0]) for row in notes}
        wanted = {f"note-{number:06}" for number in range(expected)}
        passages = Counter(str(row[0]) for row in chunks)
        code, output = self.run("verify", "--all", "--json")
        return Audit(
            lost=sum(passages[note] < PASSAGES_A_NOTE or note not in stored for note in wanted),
            doubled=sum(max(0, number - PASSAGES_A_NOTE) for number in passages.values())
            + len(notes)
            - len(stored)
            + len(chunks)
            - len({row[1] for row in chunks})
            + len(stored - wanted),
            verified=code == 0,
            said=output if code else "",
        )


@dataclass(frozen=True)
class Audit:
    lost: int
    doubled: int
    verified: bool
    said: str

    @property
    def sound(self) -> bool:
        return not self.lost and not self.doubled and self.verified


def _rows(path: Path, table: str, query: str) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        return connection.execute(query).fetchall() if there else []


@dataclass(frozen=True)
class Kill:
    """What one SIGKILL met and what it cost."""

    number: int
    aimed: str
    stages: tuple[str, ...]
    done: int
    on_the_wire: int
    """Texts that the server embedded and the worker never received."""
    received: int
    """Texts that the worker had received and had not kept."""
    told_early: int = 0

    @property
    def again(self) -> int:
        """All that this kill makes the server embed a second time."""
        return self.on_the_wire + self.received


@dataclass(frozen=True)
class Verdict:
    kills: tuple[Kill, ...]
    notes: int
    texts: int
    repeated: int
    """Texts embedded again, by the server's count."""
    audit: Audit
    last_exit: int
    texts_max: int
    """What one kill may cost: requests in flight at most, times texts a request."""

    @property
    def accounted(self) -> bool:
        """Everything that was embedded twice was lost at a kill, as counted then."""
        return self.repeated == sum(kill.again for kill in self.kills)

    @property
    def again_most(self) -> int:
        return max((kill.again for kill in self.kills), default=0)

    @property
    def bounded(self) -> bool:
        return self.again_most <= self.texts_max

    @property
    def told_early(self) -> int:
        """Notes that a killed run had told as done, and that were not."""
        return sum(kill.told_early for kill in self.kills)

    @property
    def sound(self) -> bool:
        paid = self.accounted and self.bounded
        return self.audit.sound and paid and self.last_exit == 0 and not self.told_early


def crash_test(
    corpus: Corpus,
    *,
    notes: int,
    kills: int,
    seed: int = 7,
    run_seconds_max: float = 0.8,
    aims: Sequence[str] = (*STAGES, ANYWHERE),
) -> Verdict:
    """Kill `kills` runs after up to `run_seconds_max` each, at `aims` in turn, let the last one end, and look at what
    is there.

    The source grows before each kill that is aimed at staging, to `notes` in the end: else nothing would be staged
    after the first run.
    """
    chance = random.Random(seed)
    growths = sum(aims[number % len(aims)] == "staging" for number in range(1, kills + 1))
    portion = notes // (2 * growths) if growths else 0
    there = notes - portion * growths
    write_notes(corpus.notes, there)
    told: list[Kill] = []
    before: Counter[str] = Counter()
    for number in range(1, kills + 1):
        aimed = aims[number % len(aims)]
        if aimed == "staging":
            write_notes(corpus.notes, there + portion, first=there)
            there += portion
        stages = _kill_one(corpus, aimed, chance, run_seconds_max)
        embedded, kept, received = corpus.embedded(), corpus.kept(), corpus.received()
        lost = {text for text, times in embedded.items() if times > before[text]} - kept
        before = embedded
        early = corpus.told_early()
        kill = Kill(number, aimed, stages, corpus.done(), len(lost - received), len(lost & received), early)
        told.append(kill)
        print(_line(kill), flush=True)
        # Received and lost: the next arrival of it is another one.
        corpus.journal.unlink(missing_ok=True)
    code, output = corpus.run()
    if code:
        print(output)
    embedded = corpus.embedded()
    return Verdict(
        tuple(told),
        notes,
        len(embedded),
        embedded.total() - len(embedded),
        corpus.audit(notes),
        code,
        corpus.in_flight_max * REQUEST_TEXTS,
    )


def _kill_one(corpus: Corpus, aimed: str, chance: random.Random, run_seconds_max: float) -> tuple[str, ...]:
    """Start a worker, wait for the stage and a random moment in it, kill it. The stages that it was in."""
    Marks.create(corpus.marks)
    marks = Marks(corpus.marks)
    corpus.told.unlink(missing_ok=True)
    files = {"WORKER_MARKS": corpus.marks, "WORKER_JOURNAL": corpus.journal, "WORKER_TOLD": corpus.told}
    with corpus.start(**{name: str(path) for name, path in files.items()}) as worker:
        assert worker.stdout is not None
        _wait_for(marks, worker, bool, 30.0)
        if aimed not in ("reading", "staging"):
            time.sleep(chance.uniform(0.0, run_seconds_max))
        if aimed != ANYWHERE:
            _wait_for(marks, worker, lambda active: aimed in active, STAGE_SECONDS_MAX)
            time.sleep(chance.uniform(0.0, 0.003))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        if worker.returncode != -signal.SIGKILL:
            print(worker.stdout.read())
            raise RuntimeError(
                f"the worker ended by itself ({worker.returncode}): give it more notes, or a slower server"
            )
    return tuple(marks.active())


def _wait_for(marks: Marks, worker: subprocess.Popen[str], wanted: Any, seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while not wanted(marks.active()) and time.monotonic() < deadline and worker.poll() is None:
        time.sleep(LOOK_SECONDS)


def _line(kill: Kill) -> str:
    where = ", ".join(kill.stages) or "between stages"
    return (
        f"kill {kill.number:3}  aimed at {kill.aimed:13}  {kill.done:5} notes done  "
        f"again: {kill.on_the_wire:4} on the wire, {kill.received:3} received  met: {where}"
    )


def table(verdict: Verdict) -> Iterator[str]:
    """By stage met: how many kills, and what they cost."""
    yield "| stage met | kills | most on the wire | most received, not yet kept | most texts again by one kill |"
    yield "|---|---|---|---|---|"
    rows: Sequence[tuple[str, list[Kill]]] = [
        (stage, [kill for kill in verdict.kills if stage in kill.stages]) for stage in STAGES
    ]
    rows = [*rows, ("between stages", [kill for kill in verdict.kills if not kill.stages])]
    for stage, met in [*rows, ("all", list(verdict.kills))]:
        most = (
            max((getattr(kill, what) for kill in met), default=0)
            for what in ("on_the_wire", "received", "again")
        )
        yield f"| {stage} | {len(met)} | {' | '.join(map(str, most))} |"


def summary(verdict: Verdict) -> str:
    audit, batch = verdict.audit, BATCH_NOTES * PASSAGES_A_NOTE
    over = sum(kill.again > batch for kill in verdict.kills)
    return (
        f"{len(verdict.kills)} kills, {verdict.notes:,} notes, {verdict.texts:,} texts: {audit.lost} lost, "
        f"{audit.doubled} doubled, verify --all {'agrees' if audit.verified else 'DISAGREES ' + audit.said}\n"
        f"embedded again, by the server's count: {verdict.repeated:,} texts, "
        f"{'each accounted for at a kill' if verdict.accounted else 'NOT ALL ACCOUNTED FOR'}; most by one kill: "
        f"{verdict.again_most}, bound {verdict.texts_max}{'' if verdict.bounded else ' EXCEEDED'}; kills that cost "
        f"more than one batch of {batch}: {over}; told before their commit: {verdict.told_early}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--notes", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--run-seconds-max", type=float, default=2.4, help="longest run before a kill")
    parser.add_argument("--embed-seconds", type=float, default=0.5, help="service time of a request")
    parser.add_argument("--embed-concurrency", type=int, default=3)
    parser.add_argument(
        "--in-flight-max", type=int, default=IN_FLIGHT_MAX, help="requests; 32 is the default"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notes = folder / "notes.jsonl"
        service = (
            f"--embed-seconds={options.embed_seconds}",
            f"--embed-concurrency={options.embed_concurrency}",
        )
        with nim_process(*service) as server, iris_process(folder / "iris.sqlite") as store:
            corpus = Corpus(folder, notes, server, store, in_flight_max=options.in_flight_max)
            verdict = crash_test(
                corpus,
                notes=options.notes,
                kills=options.kills,
                seed=options.seed,
                run_seconds_max=options.run_seconds_max,
            )
    print("\n" + "\n".join(table(verdict)) + "\n\n" + summary(verdict))
    return 0 if verdict.sound else 1


if __name__ == "__main__":
    sys.exit(main())
