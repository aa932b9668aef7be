"""Kills a process that takes documents into the library, approves, indexes and withdraws them, at random moments, and
looks what is there: after each kill that nothing is searched which is not approved, in the end that nothing is lost or
there twice.

`python -m tests.documents_crash --kills 40 --store iris` prints its seed and the verdict; the suite runs a shorter one.
The worker is the command itself, with its own processes that read, on the embedded store or on the scripted IRIS.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from iris import dbapi

from pipeline.config import Settings, load_settings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.reconciliation import reconcile
from pipeline.indexing.rejections import RejectionLog
from pipeline.library.library import Library
from pipeline.records import LIBRARY_PREFIX
from pipeline.wiring import open_corpus, open_library
from tests.mixed_crash import ROOT, StoreKind, store_of
from tests.servers.iris import connect

DOMAIN = "pain"
WITHDRAWN_SHARE = 0.1
STATES = ("uploaded", "read", "waiting", "approved")
"""What becomes of each document, one decision a state."""
ORPHANS_SECONDS = 10.0
"""For processes that read to notice that no one waits for them."""
WORDS = "give watch dose pain day night ward slow fast start stop raise lower drug oral before after nurse".split()


@dataclass(frozen=True)
class LibraryVerdict:
    kills: int
    seed: int
    documents: int
    problems: tuple[str, ...]


def write_documents(folder: Path, number: int, chance: random.Random) -> None:
    folder.mkdir()
    for at in range(number):
        sentences = (" ".join(chance.choices(WORDS, k=9)).capitalize() for _ in range(12))
        text = f"Protocol {at}\n\n" + " ".join(f"{each} {chance.randrange(10**6)}." for each in sentences)
        (folder / f"d{at:03}.txt").write_text(text)


def crash_test(
    folder: Path, *, kills: int, documents: int, seed: int, store: StoreKind = "embedded"
) -> LibraryVerdict:
    """Two thirds of the kills meet files that come in, the others documents that are withdrawn."""
    chance = random.Random(seed)
    incoming, data_dir = folder / "in", folder / "data"
    write_documents(incoming, documents, chance)
    taking = [str(incoming), "--domain", DOMAIN, "--new-domain", "--approve", "all"]
    with store_of(folder / "measure", store):
        seconds = _whole(folder, folder / "measure", taking)
    with store_of(data_dir, store):
        problems = list(_killed(folder, data_dir, taking, kills - kills // 3, chance, seconds))
        _whole(folder, data_dir, taking)
        with open_library(_settings(data_dir)) as library:
            approved = sorted(each.version_id for each in library.catalogue.approved())
        leaving = chance.sample(approved, k=int(WITHDRAWN_SHARE * len(approved)))
        withdrawing = [word for version_id in leaving for word in ("--withdraw", version_id)]
        problems += _killed(folder, data_dir, withdrawing, kills // 3, chance, seconds / 4)
        _whole(folder, data_dir, withdrawing)
        problems += _problems(data_dir, incoming, set(leaving))
        problems += _orphans(data_dir)
    return LibraryVerdict(kills, seed, documents, tuple(problems))


def _settings(data_dir: Path) -> Settings:
    return load_settings(None, data_dir=data_dir, embedder={"provider": "hashing"})


def _killed(
    folder: Path, data_dir: Path, words: Sequence[str], kills: int, chance: random.Random, seconds: float
) -> Iterator[str]:
    """What is wrong after each kill, or after a run that ended before it."""
    for _ in range(kills):
        worker = _start(folder, data_dir, words)
        try:
            worker.wait(timeout=chance.uniform(0.0, seconds))
        except subprocess.TimeoutExpired:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        with open_library(_settings(data_dir)) as library, open_corpus(_settings(data_dir)) as corpus:
            searched = {key.removeprefix(LIBRARY_PREFIX) for key, _ in corpus.store.chunk_ids()}
            if strangers := searched - library.catalogue.approved_now(sorted(searched)):
                yield f"{len(strangers)} documents are searched and not approved, for example {min(strangers)}"


def _whole(folder: Path, data_dir: Path, words: Sequence[str]) -> float:
    """Seconds of a run that is not killed, from its beginning. What was decided before is refused, and told as such."""
    worker = _start(folder, data_dir, words)
    began = time.monotonic()
    assert worker.wait() in (0, 1), "the run ended with a fault"
    return time.monotonic() - began


def _start(folder: Path, data_dir: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Once all is imported and the run begins: a kill before that meets nothing."""
    begun = folder / "begun"
    begun.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.documents_crash", "--work", str(begun), "--json", *words]
    settings = {"CHARTWELL_DATA_DIR": str(data_dir), "CHARTWELL_EMBEDDER__PROVIDER": "hashing"}
    environment = os.environ | settings | {"CHARTWELL_INDEXING__BATCH_SIZE": "8"}
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    while not begun.exists() and worker.poll() is None:
        time.sleep(0.005)
    return worker


def _work(begun: Path, words: Sequence[str]) -> None:
    from pipeline.vectorize import app  # noqa: PLC0415  the measuring side needs none of it

    if os.environ.get("CHARTWELL_STORE__KIND") == "iris":
        dbapi.connect = connect
    begun.touch()
    app(["documents", *words])


def _problems(data_dir: Path, incoming: Path, leaving: set[str]) -> Iterator[str]:
    settings = _settings(data_dir)
    with open_library(settings) as library, open_corpus(settings) as corpus:
        yield from _problems_of_catalogue(library, len(list(incoming.iterdir())), leaving)
        approved = {each.version_id for each in library.catalogue.approved()}
        searched = {key.removeprefix(LIBRARY_PREFIX) for key, _ in corpus.store.chunk_ids()}
        if searched != approved:
            yield f"{len(approved - searched)} approved are not searched, {len(searched - approved)} others are"
        flow = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            RejectionLog(None),
            SilentObserver(),
        )
        found = reconcile(
            ledger=corpus.ledger,
            store=corpus.store,
            vector_cache=corpus.vector_cache,
            split=flow.chunker.split,
            sample=None,
        )
        if not found.sound or found.stale or found.notes != len(approved):
            yield f"verify: {found}"


def _problems_of_catalogue(library: Library, files: int, leaving: set[str]) -> Iterator[str]:
    versions = list(library.catalogue.every())
    twice = [key for key, number in Counter(each.content_hash for each in versions).items() if number > 1]
    if twice or len(versions) != files:
        yield f"{len(versions)} versions of {files} files, {len(twice)} of them twice"
    if set(library.originals.hashes()) != {each.content_hash for each in versions}:
        yield "originals and versions differ"
    numbers = []
    for version in versions:
        told = library.catalogue.decisions(version.version_id)
        numbers += [each.number for each in told]
        expected = [*STATES, "withdrawn"] if version.version_id in leaving else [*STATES]
        if [each.after for each in told] != expected:
            yield f"{version.version_id} became {[each.after for each in told]}"
        if library.readings.of(version.content_hash) is None:
            yield f"what was read of {version.version_id} is lost"
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        yield "decisions are not numbered without gaps"


def _orphans(data_dir: Path) -> list[str]:
    """Processes of killed runs that are still there."""
    until = time.monotonic() + ORPHANS_SECONDS
    while (left := list(_processes_with(f"CHARTWELL_DATA_DIR={data_dir}"))) and time.monotonic() < until:
        time.sleep(0.2)
    return [f"{len(left)} processes outlived the runs that began them"] if left else []


def _processes_with(variable: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended, or is another user's
            continue
        if variable.encode() in variables:
            yield int(folder.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--store", choices=get_args(StoreKind), default="embedded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdict = crash_test(
            Path(folder),
            kills=options.kills,
            documents=options.documents,
            seed=options.seed,
            store=options.store,
        )
    sys.stdout.write(
        f"seed {verdict.seed}, {options.store}: {verdict.kills} kills over {verdict.documents} documents, "
        f"problems: {verdict.problems or 'none'}\n"
    )
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _work(Path(sys.argv[2]), sys.argv[3:])
    else:
        sys.exit(main())
