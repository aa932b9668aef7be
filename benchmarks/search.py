"""Search in the embedded store at 100,000 x 1024, each figure next to what it can be measured against.

Exact search next to the time that one pass over the same bytes of memory takes, measured in turn with it; the
pre-selection and the filters next to exact search; word search next to FTS5's own ranking of every match.

Vectors: members of 2,000 Gaussian clusters of skewed sizes, with a power-law spectrum, scaled to length 1. Questions
are members, perturbed. Texts: 150 words a chunk from a vocabulary of 20,000 by Zipf's law. Four chunks a note.
Synthetic vectors rank methods; docs/decisions/0004-word-search.md and 0003-vector-search.md have the figures on real
clinical text.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import StoreSettings
from pipeline.records import (
    AccessScope,
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    Match,
    Vector,
    unit_length,
)
from pipeline.storage.sqlite import Database

CHUNKS = 100_000
DIMENSION = 1_024
QUESTIONS = 60
TOP_K = 10
CENTRES = 2_000
CENTRE_SIZE_EXPONENT = -0.5
SPECTRUM_EXPONENT = -0.25
"""Of the standard deviations by rank: the variance lies in some 500 of 1,024 dimensions. With the sizes of the
clusters this makes a corpus on which plain sign codes find 0.95 of the ten best among 100 and 0.998 among 400."""
VOCABULARY = 20_000
WORDS_PER_CHUNK = 150
CHUNKS_PER_NOTE = 4
DOCUMENT_TYPES = 10
PATIENTS = 1_000
SCOPE_PATIENTS = 20_000
BATCH_NOTES = 250
EVERYTHING = 10**9
ANY = Filters()
WORD_BUDGETS = (2_000, 5_000, 10_000, 20_000, 50_000, EVERYTHING)

Results: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Corpus:
    """Where the vectors of a synthetic corpus come from, and the words of its texts."""

    centres: Vector
    scale: Vector
    weights: NDArray[np.float64]
    words: list[str]
    generator: np.random.Generator

    def vectors(self, number: int) -> Vector:
        members = self.generator.choice(len(self.centres), size=number, p=self.weights)
        noise = self.generator.standard_normal((number, len(self.scale)), dtype=np.float32)
        return unit_length(self.centres[members] + 0.7 * noise * self.scale)

    def perturbed(self, vectors: Vector) -> Vector:
        noise = self.generator.standard_normal(vectors.shape, dtype=np.float32) * self.scale
        return unit_length(vectors + 0.25 * noise / np.float32(np.linalg.norm(self.scale)))

    def texts(self, number: int) -> list[str]:
        ranks = np.minimum(self._zipf((number, WORDS_PER_CHUNK)), len(self.words) - 1)
        return [" ".join(self.words[rank] for rank in row) for row in ranks.tolist()]

    def question(self) -> str:
        """One frequent word, two of middling frequency and three rarer ones."""
        ranks = [self.generator.integers(low, high) for low, high in QUESTION_RANKS]
        return " ".join(self.words[rank] for rank in ranks)

    def _zipf(self, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Ranks by Zipf's law, by inverting its distribution function."""
        uniform = self.generator.random(shape)
        return np.asarray(np.floor(len(self.words) ** uniform) - 1, dtype=np.int64)


QUESTION_RANKS = ((5, 20), (20, 60), (20, 60), (300, 1_000), (1_000, 3_000), (3_000, 10_000))


def main() -> Results:
    """Measure at 100,000 x 1024 in a temporary folder, print a table, return the figures by name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    parser.add_argument("--keep", type=Path, help="keep the store in this file, and use it if it is there")
    given = parser.parse_args(sys.argv[1:] if sys.argv[0] == __file__ else [])
    with tempfile.TemporaryDirectory(prefix="chartwell-bench-") as folder:
        results = measure(given.keep or Path(folder) / "bench.sqlite", given.chunks, given.dimension)
    for name, value in results.items():
        print(f"{name:<58} {value:>12,.3f}")
    return results


def measure(path: Path, chunks: int, dimension: int) -> Results:
    """All figures for one store, built at `path` unless it is there. Times in milliseconds unless a name says else."""
    corpus = _corpus(dimension)
    results: Results = {}
    if not path.exists():
        results |= _build(path, corpus, chunks, dimension)
    questions = corpus.perturbed(_corpus(dimension).vectors(BATCH_NOTES * CHUNKS_PER_NOTE)[:QUESTIONS])
    texts = [corpus.question() for _ in range(QUESTIONS)]
    exact = _opened(path, exact_chunks_max=EVERYTHING)
    coded = _opened(path, exact_chunks_max=0)
    with closing(exact), closing(coded):
        results |= _loading(exact, coded, questions[0])
        results |= _against_memory(exact, questions, chunks, dimension)
        results |= _preselected(exact, coded, questions)
        results |= _filtered(exact, coded, questions)
        results |= _hits(coded, questions)
    results |= _words(path, texts, chunks)
    results |= _scoped(path, questions, texts)
    return results


def _corpus(dimension: int) -> Corpus:
    generator = np.random.default_rng(20)
    scale = np.arange(1, dimension + 1, dtype=np.float32) ** np.float32(SPECTRUM_EXPONENT)
    generator.shuffle(scale)
    centres = generator.standard_normal((CENTRES, dimension), dtype=np.float32) * scale
    weights = np.arange(1, CENTRES + 1) ** CENTRE_SIZE_EXPONENT
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = [
        "".join(syllables[number // 70**place % 70] for place in range(3)) for number in range(VOCABULARY)
    ]
    return Corpus(centres, scale, weights / weights.sum(), words, generator)


def _space(dimension: int) -> EmbeddingSpace:
    return EmbeddingSpace(provider="benchmark", model="synthetic", dimension=dimension)


def _opened(path: Path, *, exact_chunks_max: int, word_postings_max: int = 10_000) -> EmbeddedStore:
    settings = StoreSettings(exact_chunks_max=exact_chunks_max, word_postings_max=word_postings_max)
    return EmbeddedStore(Database(path), settings)


def _build(path: Path, corpus: Corpus, chunks: int, dimension: int) -> Results:
    store = _opened(path, exact_chunks_max=0)
    store.prepare(_space(dimension))
    seconds = cpu_seconds = 0.0
    with closing(store):
        for notes in _notes(corpus, chunks):
            started, cpu_started = time.perf_counter(), time.process_time()
            store.upsert(notes)
            seconds += time.perf_counter() - started
            cpu_seconds += time.process_time() - cpu_started
        started = time.perf_counter()
        store.optimise()
        optimised = time.perf_counter() - started
    return {
        "insert: chunks a second, wall": chunks / seconds,
        "insert: chunks a second of CPU": chunks / cpu_seconds,
        "optimise after the load, seconds": optimised,
        "file, MB": path.stat().st_size / 1e6,
    }


def _notes(corpus: Corpus, chunks: int) -> Iterator[list[EmbeddedDocument]]:
    made = 0
    while made < chunks:
        number = min(BATCH_NOTES * CHUNKS_PER_NOTE, chunks - made)
        vectors, texts = corpus.vectors(number), corpus.texts(number)
        batch = []
        for first in range(0, number, CHUNKS_PER_NOTE):
            own = slice(first, min(first + CHUNKS_PER_NOTE, number))
            batch.append(_note((made + first) // CHUNKS_PER_NOTE, vectors[own], texts[own]))
        made += number
        yield batch


def _note(number: int, vectors: Vector, texts: Sequence[str]) -> EmbeddedDocument:
    resource_id = f"note-{number:06}"
    document = Document(
        resource_id,
        patient_id=f"patient-{number % PATIENTS:04}",
        document_type=f"type-{number % DOCUMENT_TYPES}",
        text_content="\n\n".join(texts),
        date=f"20{number % 25:02}-{number % 12 + 1:02}-{number % 28 + 1:02}",
    )
    chunks, start = [], 0
    for ordinal, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        chunk = Chunk(
            f"{resource_id}/{ordinal}", resource_id, ordinal, text, start, start + len(text), "History"
        )
        chunks.append(EmbeddedChunk(chunk, vector))
        start += len(text) + 2
    return EmbeddedDocument(document, tuple(chunks))


def _loading(exact: EmbeddedStore, coded: EmbeddedStore, question: Vector) -> Results:
    results: Results = {}
    for name, store in (("all vectors", exact), ("codes only", coded)):
        started = time.process_time()
        store.search_vector(question, TOP_K, Filters())
        results[f"first search, which reads {name}, CPU"] = 1e3 * (time.process_time() - started)
    return results


def _against_memory(exact: EmbeddedStore, questions: Vector, chunks: int, dimension: int) -> Results:
    """Exact search and a pass over as many bytes in turn, so that both meet the same neighbours on the machine."""
    memory = np.ones(chunks * dimension, dtype=np.float32)
    half = memory.size // 2
    passes: list[Callable[[], object]] = [memory.max, lambda: np.dot(memory[:half], memory[half:])]
    wall, cpu = list[list[float]](), list[list[float]]()
    for question in questions:
        timed = [_timed(reading) for reading in passes]
        timed.append(_timed(partial(exact.search_vector, question, TOP_K, Filters())))
        wall.append([one[0] for one in timed])
        cpu.append([one[1] for one in timed])
    walls, cpus = np.median(wall[1:], axis=0), np.median(cpu[1:], axis=0)
    floor, cpu_floor = walls[:2].min(), cpus[:2].min()
    return {
        "memory: one pass over the vectors' bytes, wall": floor,
        "memory: bandwidth, GB/s": memory.nbytes / floor / 1e6,
        "exact: search, wall": walls[2],
        "exact: search, CPU": cpus[2],
        "exact: wall over the memory's (at most 1.3)": walls[2] / floor,
        "exact: CPU over the memory's": cpus[2] / cpu_floor,
    }


def _preselected(exact: EmbeddedStore, coded: EmbeddedStore, questions: Vector) -> Results:
    results: Results = {}
    for k in (TOP_K, 50):
        found, cpu, wall = _asked(_by_vector(coded, k), questions)
        best, _, _ = _asked(_by_vector(exact, k), questions)
        limit = " (below 12)" if k == TOP_K else ""
        results |= {
            f"pre-selected: top {k}, CPU{limit}": cpu,
            f"pre-selected: top {k}, wall p50": statistics.median(wall),
            f"pre-selected: top {k}, wall p95": _p95(wall),
            f"pre-selected: recall@{k} against exact": _overlap(found, best),
        }
    return results


def _filtered(exact: EmbeddedStore, coded: EmbeddedStore, questions: Vector) -> Results:
    results: Results = {}
    cases = {
        "0.1 % by patient": Filters(patient_ids=("patient-0007",)),
        "10 % by document type": Filters(document_types=("type-3",)),
        "half by date": Filters(since="2012-06-01"),
    }
    for name, filters in cases.items():
        best, exact_cpu, _ = _asked(_by_vector(exact, TOP_K, filters), questions)
        found, cpu, _ = _asked(_by_vector(coded, TOP_K, filters), questions)
        results |= {
            f"filtered, {name}: exact, CPU": exact_cpu,
            f"filtered, {name}: pre-selected, CPU": cpu,
            f"filtered, {name}: recall@{TOP_K}": _overlap(found, best),
        }
    return results


def _hits(coded: EmbeddedStore, questions: Vector) -> Results:
    found = [coded.search_vector(question, 50, Filters()) for question in questions]
    times = []
    for question, matches in zip(questions, found, strict=True):
        ids = [match.chunk_id for match in matches]
        times.append(_timed(partial(coded.hits, ids, question))[1])
    return {"hits: 50 chunks in full, CPU": statistics.median(times)}


def _words(path: Path, texts: Sequence[str], chunks: int) -> Results:
    results: Results = {}
    full: list[list[Match]] = []
    few, many = Filters(patient_ids=("patient-0007",)), Filters(document_types=("type-3",))
    for budget in reversed(WORD_BUDGETS):
        with closing(_opened(path, exact_chunks_max=0, word_postings_max=budget)) as store:
            cold = _timed(partial(store.search_words, texts[0], 50, Filters()))[1]
            found, cpu, wall = _asked(_by_words(store), texts)
            full = full or found
            name = (
                "every match scored"
                if budget == EVERYTHING
                else f"budget {budget / chunks:.2f} of all chunks"
            )
            results[f"words, {name}: CPU"] = cpu
            results[f"words, {name}: wall p95"] = _p95(wall)
            results[f"words, {name}: top-10 overlap"] = _overlap(_tops(found), _tops(full))
            if budget == StoreSettings().word_postings_max:
                results["words, first question of a process: CPU"] = cold
                for label, filters in (("0.1 %", few), ("10 %", many)):
                    _, cpu, _ = _asked(_by_words(store, filters), texts)
                    results[f"words, filtered {label}: CPU"] = cpu
    return results


def _scoped(path: Path, questions: Vector, texts: Sequence[str]) -> Results:
    """What it costs not to see everything. Ratios are to the same search by someone who does."""
    half = frozenset(f"patient-{number:04}" for number in range(PATIENTS // 2))
    scopes = {
        f"{SCOPE_PATIENTS:,} patients, half the notes": half | _strangers(SCOPE_PATIENTS - len(half)),
        f"{SCOPE_PATIENTS:,} patients, 0.1 % of the notes": {"patient-0007"} | _strangers(SCOPE_PATIENTS - 1),
        "1 patient, 0.1 % of the notes": {"patient-0007"},
    }
    results: Results = {}
    for kind, exact_chunks_max in (("exact", EVERYTHING), ("pre-selected", 0)):
        with closing(_opened(path, exact_chunks_max=exact_chunks_max)) as store:
            retrievers = (
                ("by vector", partial(_by_vector, store, TOP_K), questions),
                (
                    "by words",
                    partial(_by_words, store),
                    texts,
                ),
            )
            for retriever, search, asked in retrievers[: 1 if kind == "exact" else 2]:
                _, free, _ = _asked(search(ANY), asked)
                for name, patients in scopes.items():
                    scope = AccessScope(patient_ids=frozenset(patients))
                    _, cpu, _ = _asked(search(Filters(scope=scope)), asked)
                    results[f"scope of {name}: {retriever}, {kind}, CPU"] = cpu
                    results[f"scope of {name}: {retriever}, {kind}, over unrestricted"] = cpu / free
    return results


def _strangers(number: int) -> frozenset[str]:
    return frozenset(f"stranger-{n:05}" for n in range(number))


def _by_vector(store: EmbeddedStore, k: int, filters: Filters = ANY) -> Callable[[Vector], list[Match]]:
    return lambda question: store.search_vector(question, k, filters)


def _by_words(store: EmbeddedStore, filters: Filters = ANY) -> Callable[[str], list[Match]]:
    return lambda question: store.search_words(question, 50, filters)


def _tops(found: Sequence[Sequence[Match]]) -> list[list[Match]]:
    return [list(matches[:TOP_K]) for matches in found]


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU) of one call, in milliseconds."""
    started, cpu_started = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - started), 1e3 * (time.process_time() - cpu_started)


def _asked(
    search: Callable[..., list[Match]], questions: Sequence[str] | Vector
) -> tuple[list[list[Match]], float, list[float]]:
    """(answers, median CPU milliseconds, wall milliseconds of each), after one question to warm up."""
    search(questions[0])
    found, wall, cpu = [], [], []
    for question in questions:
        started, cpu_started = time.perf_counter(), time.process_time()
        found.append(search(question))
        wall.append(1e3 * (time.perf_counter() - started))
        cpu.append(1e3 * (time.process_time() - cpu_started))
    return found, statistics.median(cpu), wall


def _overlap(found: Sequence[Sequence[Match]], best: Sequence[Sequence[Match]]) -> float:
    """Mean share of the best that was found."""
    shares = [
        len({match.chunk_id for match in mine} & {match.chunk_id for match in theirs}) / len(theirs)
        for mine, theirs in zip(found, best, strict=True)
        if theirs
    ]
    return statistics.mean(shares)


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95))


if __name__ == "__main__":
    main()
