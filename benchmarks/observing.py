"""What being watched costs: the same questions with metrics and traces on, and off, in turns.

Two settings. The demo's notes with the models of the embedded default, which is what a user meets; and the same notes
with the hashing embedder, whose answers take milliseconds, so that what remains is nearly all ours. Spans go to a file.
The floor is the process that watches nothing: its ports are the bare back-ends. Each answer is compared with the answer
to the same question a moment before or after, so that other work on the machine hits both alike.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from pipeline.config import Settings, load_settings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import Question
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.telemetry.setup import SILENT, Telemetry, open_telemetry
from pipeline.wiring import open_corpus

NOTES = Path(__file__).resolve().parents[1] / "pipeline" / "demo" / "notes"
QUESTIONS = (
    "What dose of allopurinol is taken for gout?",
    "Which patients had a kidney transplant?",
    "What did the x-ray of the knee show?",
    "Is there any fever?",
    "Who takes lisinopril?",
)
ROUNDS = {"local": 12, "hashing": 60}


def main() -> dict[str, float]:
    results: dict[str, float] = {}
    for provider, rounds in ROUNDS.items():
        with tempfile.TemporaryDirectory(prefix="chartwell-bench-") as folder:
            settings = load_settings(None, data_dir=Path(folder), embedder={"provider": provider})
            _index(settings)
            results |= _measure(settings, provider, rounds)
    for name, value in results.items():
        sys.stdout.write(f"{name:<58} {value:>12,.3f}\n")
    return results


def _index(settings: Settings) -> None:
    with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        parts = (
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            SilentObserver(),
        )
        records = read_sources([str(NOTES)], FieldMapping.parse((), ()), settings.indexing)
        Indexing(*parts).run(records, sources=[str(NOTES)])


def _measure(settings: Settings, provider: str, rounds: int) -> dict[str, float]:
    traced = settings.model_copy(update={"tracing": settings.tracing.model_copy(update={"exporter": "file"})})
    ways = ("off", "metrics", "metrics and traces")
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    with ExitStack() as stack:
        metrics = stack.enter_context(open_telemetry(settings))
        both = stack.enter_context(open_telemetry(traced))
        answering = {
            name: stack.enter_context(ServingAnswering(settings, telemetry))
            for name, telemetry in _ways(metrics, both)
        }
        for turn in range(rounds + 1):
            for number, text in enumerate(QUESTIONS):
                names = list(answering)
                first = (turn + number) % len(names)  # so that none always finds the caches warm
                for name in names[first:] + names[:first]:
                    started, busy = time.perf_counter(), time.process_time()
                    answering[name].answer(Question(text))
                    if turn:
                        wall[name].append(1e3 * (time.perf_counter() - started))
                        cpu[name].append(1e3 * (time.process_time() - busy))
    results = {f"{provider}: answer p50, ms, {name}": statistics.median(wall[name]) for name in ways}
    for name in ways[1:]:
        results[f"{provider}: {name}, over off, time"] = _ratio(wall[name], wall["off"])
        results[f"{provider}: {name}, over off, CPU"] = _ratio(cpu[name], cpu["off"])
    return results


def _ratio(watched: list[float], alone: list[float]) -> float:
    """The median of the ratios of answers to the same question at about the same time."""
    return statistics.median(each / other for each, other in zip(watched, alone, strict=True))


def _ways(metrics: Telemetry, both: Telemetry) -> list[tuple[str, Telemetry]]:
    return [("off", SILENT), ("metrics", metrics), ("metrics and traces", both)]


if __name__ == "__main__":
    main()
