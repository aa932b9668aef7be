"""Kills an indexing run at random moments, runs it again, and counts what was lost, doubled or paid for twice.

`python -m tests.crash --kills 50` prints a line a kill and the verdict; the suite runs a shorter one. The worker is
this module too: the real flow on the real embedded store, with an embedder that notes every text it embeds in a file
before the vector leaves it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import load_settings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.ports import Embedder
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.registry import read_sources
from pipeline.records import EmbeddingSpace, TextKind, Vector
from pipeline.wiring import STORE_FILE, open_corpus

ROOT = Path(__file__).resolve().parents[1]


class NotingEmbedder:
    """Appends the hash of every text it embeds to a file, and takes its time."""

    def __init__(self, inner: Embedder, journal: Path, seconds: float) -> None:
        self._inner = inner
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._seconds = seconds

    @property
    def space(self) -> EmbeddingSpace:
        return self._inner.space

    @property
    def texts_at_once(self) -> int:
        return self._inner.texts_at_once

    @property
    def calls_at_once(self) -> int:
        return self._inner.calls_at_once

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        if not texts:
            return self._inner.embed(texts, kind)
        lines = "".join(hashlib.sha256(text.encode()).hexdigest() + "\n" for text in texts)
        os.write(self._journal, lines.encode())
        time.sleep(self._seconds)
        return self._inner.embed(texts, kind)

    def check(self) -> None:
        self._inner.check()


def work(source: Path, data_dir: Path, journal: Path, provider: str, batch_size: int, seconds: float) -> None:
    """One plain indexing run."""
    settings = load_settings(
        None, data_dir=data_dir, embedder={"provider": provider}, indexing={"batch_size": batch_size}
    )
    with open_corpus(settings) as opened, RejectionLog(None) as rejections:
        corpus = replace(opened, embedder=NotingEmbedder(opened.embedder, journal, seconds))
        records = read_sources([str(source)], FieldMapping.parse(), settings.indexing)
        Indexing(
            corpus.embedder, corpus.store, corpus.ledger, settings.indexing, rejections, SilentObserver()
        ).run(records, sources=[str(source)])


@dataclass(frozen=True)
class Verdict:
    kills: int
    notes: int
    lost: int
    doubled: int
    embedded_again_most: int
    """Texts embedded a second time because of one kill: the most of any kill."""
    batch_texts_most: int
    """Texts of the largest batch, for comparison."""
    problems: list[str]


def crash_test(
    source: Path, folder: Path, *, kills: int, provider: str, batch_size: int, pause: float, seed: int = 7
) -> Verdict:
    """Kill `kills` runs with SIGKILL, let the last one end, and look at what is there.

    `pause` seconds are added to each call of the embedder, so that kills find it at work.
    """
    chance = random.Random(seed)
    journal = folder / "journal"
    again_most = batch_most = done = 0
    whole, once = _undisturbed(source, folder / "measure", provider, batch_size, pause)
    while done < kills:
        data_dir = folder / f"corpus-{done}"
        before = 0
        journal.unlink(missing_ok=True)
        while done < kills:
            worker = _start(source, data_dir, journal, provider, batch_size, pause)
            try:
                worker.wait(timeout=chance.uniform(0.05, whole))
                break
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
            done += 1
            again = _again(journal, once)
            again_most, before = max(again_most, again - before), again
            sys.stdout.write(
                f"kill {done:3}: {_stored(data_dir)} notes stored, {again} texts embedded again so far\n"
            )
        _start(source, data_dir, journal, provider, batch_size, 0.0).wait()
        again_most = max(again_most, _again(journal, once) - before)
        verdict = _look(source, data_dir, batch_size)
        batch_most = max(batch_most, verdict.batch_texts_most)
        if verdict.lost or verdict.doubled or verdict.problems:
            break
    return replace(verdict, kills=done, embedded_again_most=again_most, batch_texts_most=batch_most)


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash", "--work", *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, cwd=ROOT)


def _undisturbed(
    source: Path, folder: Path, provider: str, batch_size: int, pause: float
) -> tuple[float, Counter[str]]:
    """How long a run takes that nobody kills, in seconds, and how often it embeds each text."""
    journal = folder.with_suffix(".journal")
    started = time.monotonic()
    _start(source, folder, journal, provider, batch_size, pause).wait()
    return time.monotonic() - started, _embedded(journal)


def _again(journal: Path, once: Counter[str]) -> int:
    """Texts embedded more often than a run that nobody kills embeds them: some stand in several notes."""
    if not journal.exists():
        return 0
    return (_embedded(journal) - once).total()


def _embedded(journal: Path) -> Counter[str]:
    return Counter(journal.read_text().split())


def _stored(data_dir: Path) -> int:
    path = data_dir / STORE_FILE
    if not path.exists():
        return 0
    with sqlite3.connect(path) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if "ClinicalNotes" not in tables:
            return 0
        return int(connection.execute("SELECT COUNT(*) FROM ClinicalNotes").fetchone()[0])


def _look(source: Path, data_dir: Path, batch_size: int) -> Verdict:
    settings = load_settings(None, data_dir=data_dir, embedder={"provider": "hashing"})
    expected = {
        str(record.fields["resource_id"])  # type: ignore[union-attr]  # the notes that ship have no faults
        for record in read_sources([str(source)], FieldMapping.parse(), settings.indexing)
    }
    with open_corpus(settings) as corpus:
        chunks = list(corpus.store.chunk_ids())
        stored = {resource_id for resource_id, _ in chunks}
        ledger = dict(corpus.ledger.completed())
        found = Counter(resource_id for resource_id, _ in chunks)
        counts = sorted(found.values(), reverse=True)
        problems = corpus.store.check()
        if ledger != dict(found):
            problems.append("the ledger and the store disagree about the passages of some notes")
    doubled = len(chunks) - len({chunk_id for _, chunk_id in chunks})
    return Verdict(0, len(expected), len(expected - stored), doubled, 0, sum(counts[:batch_size]), problems)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--provider", default="hashing")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--notes", type=Path, default=ROOT / "pipeline" / "demo" / "notes")
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--work", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        source, data_dir, journal, provider, batch_size, seconds = options.work
        work(Path(source), Path(data_dir), Path(journal), provider, int(batch_size), float(seconds))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        verdict = crash_test(
            options.notes,
            Path(folder),
            kills=options.kills,
            provider=options.provider,
            batch_size=options.batch_size,
            pause=options.pause,
            seed=options.seed,
        )
    sys.stdout.write(
        f"{verdict.kills} kills, {verdict.notes} notes: {verdict.lost} lost, {verdict.doubled} passages doubled, "
        f"at most {verdict.embedded_again_most} texts embedded again by a kill (a batch holds up to "
        f"{verdict.batch_texts_most}), problems: {verdict.problems or 'none'}\n"
    )
    return 1 if verdict.lost or verdict.doubled or verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
