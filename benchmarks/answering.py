"""From question to answer at 100,000 x 1024, without the models' share: search, fusion, prompt, checking citations.

The store is the synthetic one of `benchmarks.search`, opened as the settings' defaults open it. Embedding a question
costs nothing here (its vector is given), and the generator quotes the first sentence of three passages immediately, so
what is left is our own time. Next to it stands the floor of the search: one pass over the bytes that the pre-selection
reads, and FTS5's own ranking of every match, which the word budget avoids.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks import search
from pipeline.answering.flow import Answering
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import AnsweringSettings, StoreSettings
from pipeline.records import (
    DraftPiece,
    EmbeddingSpace,
    Filters,
    GeneratorModel,
    Prompt,
    Question,
    TextKind,
    Vector,
)
from pipeline.storage.sqlite import Database

QUESTIONS = 200


class GivenVectors:
    """An embedder whose answers were computed beforehand."""

    def __init__(self, space: EmbeddingSpace, vectors: Mapping[str, Vector]) -> None:
        self.space = space
        self._vectors = vectors
        self.texts_at_once = 32
        self.calls_at_once = 1

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        return np.stack([self._vectors[text] for text in texts])

    def check(self) -> None:
        return None


class QuotingGenerator:
    """Quotes the beginning of the first three passages."""

    model = GeneratorModel("benchmark", "quoting")

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        for number, hit in enumerate(prompt.passages[:3], start=1):
            yield DraftPiece(f'"{" ".join(hit.text.split()[:20])}" [{number}]\n')

    def check(self) -> None:
        return None


def main() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="chartwell-bench-") as folder:
        path = Path(folder) / "bench.sqlite"
        corpus = search._corpus(search.DIMENSION)
        search._build(path, corpus, search.CHUNKS, search.DIMENSION)
        results = _measure(path, corpus)
    for name, value in results.items():
        sys.stdout.write(f"{name:<58} {value:>12,.3f}\n")
    return results


def _measure(path: Path, corpus: search.Corpus) -> dict[str, float]:
    questions = [f"{corpus.question()} {number}" for number in range(QUESTIONS)]
    vectors = corpus.perturbed(corpus.vectors(QUESTIONS))
    embedder = GivenVectors(search._space(search.DIMENSION), dict(zip(questions, vectors, strict=True)))
    with closing(EmbeddedStore(Database(path), StoreSettings())) as store:
        answering = Answering(embedder, store, QuotingGenerator(), AnsweringSettings())
        answering.answer(Question(questions[0]))
        own, cpu, answered = [], [], 0
        stages: dict[str, list[float]] = {}
        for text in questions:
            before = time.process_time()
            answer = answering.answer(Question(text))
            cpu.append(1e3 * (time.process_time() - before))
            seconds = answer.seconds
            own.append(1e3 * (seconds["total"] - seconds["embed"] - seconds["generate"]))
            answered += answer.outcome == "answered"
            for stage, value in seconds.items():
                stages.setdefault(stage, []).append(1e3 * value)
    with closing(EmbeddedStore(Database(path), StoreSettings(word_postings_max=search.EVERYTHING))) as store:
        every_match = []
        for text in questions[:40]:
            started = time.perf_counter()
            store.search_words(text, 50, Filters())
            every_match.append(1e3 * (time.perf_counter() - started))
    p50, p95 = np.percentile(own, [50, 95])
    ranking = statistics.median(every_match)
    return {
        "questions answered, of 200": answered,
        "own time p50, ms": float(p50),
        "own time p95, ms (below 30)": float(p95),
        "CPU p50, ms": statistics.median(cpu),
        "CPU p95, ms": float(np.percentile(cpu, 95)),
        **{f"  {stage} p50, ms": statistics.median(values) for stage, values in stages.items()},
        "FTS5 ranking every match alone, p50, ms": ranking,
        "own time over that ranking alone": float(p50) / ranking,
    }


if __name__ == "__main__":
    main()
