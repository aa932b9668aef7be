"""Kills an indexing run at random moments, runs it again, and counts what was lost, doubled, paid for twice, or told as
done before it was.

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
from pipeline.readers.flow import read_sources
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


def work(
    source: Path, data_dir: Path, journal: Path, told: Path, provider: str, batch_size: int, seconds: float
) -> None:
    """One plain indexing run. `told`: the file for the ids of notes that it says are done, a line each."""
    lines = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    settings = load_settings(
        None, data_dir=data_dir, embedder={"provider": provider}, indexing={"batch_size": batch_size}
    )
    with open_corpus(settings) as opened, RejectionLog(None) as rejections:
        corpus = replace(opened, embedder=NotingEmbedder(opened.embedder, journal, seconds))
        records = read_sources([str(source)], FieldMapping.parse(), settings.indexing)
        Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            SilentObserver(),
            on_committed=lambda ids: _append(lines, ids),
        ).run(records, sources=[str(source)])


def _append(descriptor: int, ids: Sequence[str]) -> None:
    os.write(descriptor, "".join(f"{key}\n" for key in ids).encode())


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
    told_early: int = 0
    """Notes that a run told as done, and that were not in ledger and store after its kill."""
    told_twice: int = 0
    """Notes that one run told more than once."""
    untold: int = 0
    """Notes that the run that ended did not tell."""

    @property
    def sound(self) -> bool:
        wrong = (
            self.lost or self.doubled or self.problems or self.told_early or self.told_twice or self.untold
        )
        return not wrong


def crash_test(
    source: Path, folder: Path, *, kills: int, provider: str, batch_size: int, pause: float, seed: int = 7
) -> Verdict:
    """Kill `kills` runs with SIGKILL, let the last one end, and look at what is there.

    `pause` seconds are added to each call of the embedder, so that kills find it at work.
    """
    chance = random.Random(seed)
    journal, told = folder / "journal", folder / "told"
    again_most = batch_most = done = early = twice = 0
    whole, once = _undisturbed(source, folder / "measure", provider, batch_size, pause)
    while done < kills:
        data_dir = folder / f"corpus-{done}"
        before = 0
        journal.unlink(missing_ok=True)
        while done < kills:
            told.unlink(missing_ok=True)
            worker = _start(source, data_dir, journal, told, provider, batch_size, pause)
            _await_work(worker, told)
            try:
                worker.wait(timeout=chance.uniform(0.0, whole))
                break
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
            done += 1
            again = _again(journal, once)
            again_most, before = max(again_most, again - before), again
            ids = _told(told)
            early, twice = early + len(set(ids) - _done(data_dir)), twice + len(ids) - len(set(ids))
            sys.stdout.write(
                f"kill {done:3}: {_stored(data_dir)} notes stored, {again} texts embedded again so far, "
                f"{len(ids)} notes told\n"
            )
        told.unlink(missing_ok=True)
        _start(source, data_dir, journal, told, provider, batch_size, 0.0).wait()
        again_most = max(again_most, _again(journal, once) - before)
        ids = _told(told)
        early, twice = early + len(set(ids) - _done(data_dir)), twice + len(ids) - len(set(ids))
        verdict = _look(source, data_dir, batch_size, ids)
        verdict = replace(verdict, told_early=early, told_twice=twice)
        batch_most = max(batch_most, verdict.batch_texts_most)
        if not verdict.sound:
            break
    return replace(verdict, kills=done, embedded_again_most=again_most, batch_texts_most=batch_most)


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash", "--work", *(str(argument) for argument in arguments)]
    return subprocess.Popen(command, cwd=ROOT)


def _await_work(worker: subprocess.Popen[bytes], told: Path) -> None:
    """Until all is imported and the run begins: a kill before that meets nothing."""
    while not told.exists() and worker.poll() is None:
        time.sleep(0.005)


def _undisturbed(
    source: Path, folder: Path, provider: str, batch_size: int, pause: float
) -> tuple[float, Counter[str]]:
    """How long a run works that is not killed, in seconds, and how often it embeds each text."""
    journal = folder.with_suffix(".journal")
    told = folder.with_suffix(".told")
    worker = _start(source, folder, journal, told, provider, batch_size, pause)
    _await_work(worker, told)
    started = time.monotonic()
    worker.wait()
    return time.monotonic() - started, _embedded(journal)


def _again(journal: Path, once: Counter[str]) -> int:
    """Texts embedded more often than a run that is not killed embeds them: some stand in several notes."""
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


def _told(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _done(data_dir: Path) -> set[str]:
    """Notes that ledger and store both have."""
    if not _stored(data_dir):
        return set()
    with sqlite3.connect(data_dir / STORE_FILE) as connection:
        rows = connection.execute(
            "SELECT ResourceID FROM VectorizationState JOIN ClinicalNotes USING (ResourceID) "
            "WHERE Status = 'completed'"
        )
        return {str(key) for (key,) in rows}


def _look(source: Path, data_dir: Path, batch_size: int, told: Sequence[str]) -> Verdict:
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
    lost = len(expected - stored)
    untold = len(expected - set(told))
    return Verdict(0, len(expected), lost, doubled, 0, sum(counts[:batch_size]), problems, untold=untold)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--provider", default="hashing")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--notes", type=Path, default=ROOT / "pipeline" / "demo" / "notes")
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--work", nargs=7, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        *paths, provider, batch_size, seconds = options.work
        source, data_dir, journal, told = map(Path, paths)
        work(source, data_dir, journal, told, provider, int(batch_size), float(seconds))
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
        f"{verdict.batch_texts_most}), {verdict.told_early} told before their commit, {verdict.told_twice} told twice, "
        f"{verdict.untold} never told, problems: {verdict.problems or 'none'}\n"
    )
    return 0 if verdict.sound else 1


if __name__ == "__main__":
    sys.exit(main())
