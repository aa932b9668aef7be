"""Kills a process that indexes notes and images side by side, at random moments, and looks what is there in the end.

`python -m tests.mixed_crash --kills 30 --store iris` prints its seed and the verdict; the suite runs a shorter one. The
worker is this module too: the real flow over both kinds, in one data folder, on the embedded store or on the scripted
IRIS in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from iris import dbapi

from pipeline import logs
from pipeline.config import load_settings
from pipeline.images import EVERY_IMAGE
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.reconciliation import reconcile
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import EVERYTHING
from pipeline.wiring import open_corpus
from tests.crash import NotingEmbedder
from tests.indexing.images.films import Films, about, write_films, write_table
from tests.servers.iris import connect, iris_process

ROOT = Path(__file__).resolve().parents[1]
BATCH = 4
PAUSE_SECONDS = 0.01


StoreKind: TypeAlias = Literal["embedded", "iris"]


@dataclass(frozen=True)
class MixedVerdict:
    kills: int
    seed: int
    notes: int
    images: int
    problems: tuple[str, ...]
    images_embedded: int
    """Over all runs; each image once, and again at most what a kill found on its way."""


def make_corpus(folder: Path, notes: int, films: int) -> None:
    """Notes and films of the same patients; every film names its note as its report."""
    with (folder / "notes.jsonl").open("w") as file:
        for number in range(notes):
            text = f"HISTORY\n\nVisit {number}.\n\nPLAN\n\n" + f"Drug {number} daily. " * 20
            note = {"resource_id": f"n{number}", "patient_id": f"p{number}", "document_type": "note"}
            file.write(json.dumps(note | {"text_content": text}) + "\n")
    rows = about(write_films(folder / "films", films))
    write_table(folder / "said.csv", [row | {"report": f"n{at}"} for at, row in enumerate(rows)])


def work(folder: Path, data_dir: Path) -> None:
    """One run over both kinds, each in a thread of its own, as two processes would."""
    logs.configure("warning")
    failed: list[BaseException] = []

    def index_notes() -> None:
        settings = load_settings(
            None, data_dir=data_dir, embedder={"provider": "hashing"}, indexing={"batch_size": BATCH}
        )
        with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
            embedder = NotingEmbedder(corpus.embedder, folder / "texts", PAUSE_SECONDS)
            records = read_sources([str(folder / "notes.jsonl")], FieldMapping.parse(), settings.indexing)
            flow = Indexing(
                embedder,
                corpus.store,
                corpus.ledger,
                settings.indexing,
                rejections,
                SilentObserver(),
                vector_cache=corpus.vector_cache,
            )
            flow.run(records, sources=[str(folder / "notes.jsonl")])

    def index_images() -> None:
        films = Films(data_dir, folder / "pictures")
        films.run(folder / "films", tables=[folder / "said.csv"], batch_size=BATCH)
        films.close()

    def kept(run: object) -> None:
        try:
            run()  # type: ignore[operator]  # one of the two above
        except BaseException as error:  # noqa: BLE001  the process ends with it
            failed.append(error)

    prepared = load_settings(None, data_dir=data_dir, embedder={"provider": "hashing"})
    with open_corpus(prepared) as corpus:
        corpus.store.prepare(corpus.embedder.space)
    (folder / "begun").touch()
    threads = [threading.Thread(target=kept, args=[run]) for run in (index_notes, index_images)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def crash_test(
    folder: Path, *, kills: int, notes: int, films: int, seed: int = 7, store: StoreKind = "embedded"
) -> MixedVerdict:
    """Kill `kills` runs with SIGKILL, let the last one end, and look at what is there. A corpus that is whole before
    the kills are spent makes room for a new one, in a store of its own."""
    chance = random.Random(seed)
    make_corpus(folder, notes, films)
    with store_of(folder / "measure", store):
        _await(started := _start(folder, folder / "measure"), folder)
        began = time.monotonic()
        assert started.wait() == 0
        whole = time.monotonic() - began
    done = 0
    for corpus in itertools.count():
        data_dir = folder / f"data-{corpus}"
        (folder / "pictures").unlink(missing_ok=True)
        with store_of(data_dir, store):
            done += _kill(folder, data_dir, kills - done, chance, whole)
            assert _start(folder, data_dir).wait() == 0
            problems = _problems(folder, data_dir, notes, films)
        embedded = (folder / "pictures").read_text().count("image")
        if problems or done >= kills:
            break
    return MixedVerdict(done, seed, notes, films, tuple(problems), embedded)


def _kill(folder: Path, data_dir: Path, kills_max: int, chance: random.Random, seconds: float) -> int:
    """Kill runs over one corpus until one ends by itself. How many were."""
    for kill in range(kills_max):
        worker = _start(folder, data_dir)
        _await(worker, folder)
        try:
            worker.wait(timeout=chance.uniform(0.0, seconds))
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        else:
            return kill
    return kills_max


@contextmanager
def store_of(data_dir: Path, kind: StoreKind) -> Iterator[None]:
    """What this process and its workers find in their environment."""
    data_dir.mkdir()
    if kind == "embedded":
        yield
        return
    with iris_process(data_dir / "iris.sqlite") as process:
        before, connecting = dict(os.environ), dbapi.connect
        os.environ |= process.environment()
        dbapi.connect = connect
        try:
            yield
        finally:
            os.environ.clear()
            os.environ |= before
            dbapi.connect = connecting


def _start(folder: Path, data_dir: Path) -> subprocess.Popen[bytes]:
    (folder / "begun").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.mixed_crash", "--work", str(folder), str(data_dir)]
    return subprocess.Popen(command, cwd=ROOT)


def _await(worker: subprocess.Popen[bytes], folder: Path) -> None:
    """Until all is imported and the run begins: a kill before that meets nothing."""
    while not (folder / "begun").exists() and worker.poll() is None:
        time.sleep(0.005)


def _problems(folder: Path, data_dir: Path, notes: int, films: int) -> list[str]:
    """What is lost, doubled, different, without its picture or report; and a run more finds nothing to do."""
    found: list[str] = []
    settings = load_settings(None, data_dir=data_dir, embedder={"provider": "hashing"})
    with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        flow = Indexing(
            corpus.embedder, corpus.store, corpus.ledger, settings.indexing, rejections, SilentObserver()
        )
        of_notes = reconcile(
            ledger=corpus.ledger,
            store=corpus.store,
            vector_cache=corpus.vector_cache,
            split=flow.chunker.split,
            sample=None,
        )
        if not of_notes.sound or of_notes.stale or of_notes.notes != notes:
            found.append(f"notes: {of_notes}")
    opened = Films(data_dir)
    of_images = opened.verify()
    if not of_images.sound or of_images.stale or of_images.unkept or of_images.notes != films:
        found.append(f"images: {of_images}")
    stored = opened.images.images(EVERY_IMAGE, limit=films + 1)
    twice = [key for key, number in Counter(each.content_hash for each in stored).items() if number > 1]
    if twice or len(stored) != films:
        found.append(f"{len(stored)} images, {len(twice)} of them twice")
    for each in stored:
        if opened.images.thumbnail(each.image_id, EVERYTHING) is None:
            found.append(f"{each.image_id} has no thumbnail")
        if each.report_id != f"n{each.patient_id[1:]}":
            found.append(f"{each.image_id} of {each.patient_id} has the report {each.report_id}")
    again = opened.run(folder / "films", tables=[folder / "said.csv"])
    if (again.unchanged, again.embedded) != (films, 0):
        found.append(f"a further run found {again.unchanged} unchanged, and embedded {again.embedded}")
    opened.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--notes", type=int, default=60)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--store", choices=get_args(StoreKind), default="embedded")
    parser.add_argument("--work", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        if os.environ.get("CHARTWELL_STORE__KIND") == "iris":
            dbapi.connect = connect
        work(*options.work)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        verdict = crash_test(
            Path(folder),
            kills=options.kills,
            notes=options.notes,
            films=options.films,
            seed=options.seed,
            store=options.store,
        )
    sys.stdout.write(
        f"seed {verdict.seed}, {options.store}: {verdict.kills} kills over {verdict.notes} notes and "
        f"{verdict.images} images: {verdict.images_embedded} images embedded in all, "
        f"problems: {verdict.problems or 'none'}\n"
    )
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
