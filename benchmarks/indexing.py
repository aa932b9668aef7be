"""Indexing overhead: `vectorize` against the embedder alone, on the same passages, in the same run.

The floor is the embedder's own rate: every passage of the notes that ship with the project, embedded in one call.
`vectorize` reads, validates, stages, cuts, embeds and commits the same notes into a new store. The two alternate, so
that a change in the machine's speed meets both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from pipeline.config import Settings, load_settings
from pipeline.indexing.chunking import chunk_document, passage_tokens_max
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.validation import ValidNote, accept_all
from pipeline.ports import Embedder
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import Document, Rejection
from pipeline.wiring import open_corpus, open_embedder

NOTES = Path(__file__).resolve().parents[1] / "pipeline" / "demo" / "notes"
ROUNDS = 3


class _NoRejections:
    def write(self, rejection: Rejection) -> None:
        raise AssertionError(rejection)


def main() -> dict[str, float]:
    settings = load_settings(None)
    embedder = open_embedder(settings)
    texts = _passages(settings, embedder)
    embedder.embed(texts[:8], "passage")
    alone, whole, notes = [], [], 0
    for _ in range(ROUNDS):
        started = _now()
        embedder.embed(texts, "passage")
        alone.append(_since(started))
        seconds, notes = _vectorize(settings, embedder)
        whole.append(seconds)
    floor, cpu_floor = (statistics.median(values) for values in zip(*alone, strict=True))
    measured, cpu = (statistics.median(values) for values in zip(*whole, strict=True))
    ratio = statistics.median(a[0] / w[0] for a, w in zip(alone, whole, strict=True))
    cpu_ratio = statistics.median(a[1] / w[1] for a, w in zip(alone, whole, strict=True))
    sys.stdout.write(
        f"{notes} notes, {len(texts)} passages, {ROUNDS} rounds, medians\n"
        f"embedder alone   {floor:6.2f} s  {notes / floor:6.2f} notes/s  {len(texts) / floor:6.1f} passages/s\n"
        f"vectorize        {measured:6.2f} s  {notes / measured:6.2f} notes/s\n"
        f"CPU              {cpu_floor:6.2f} s alone, {cpu:.2f} s vectorize\n"
        f"ratio            {ratio:6.3f}    (vectorize's rate over the embedder's own; 1 is the floor)\n"
    )
    sys.stdout.write(
        f"ratio of CPU     {cpu_ratio:6.3f}    (the same by processor time, which neighbours disturb less)\n"
    )
    return {"notes": notes, "passages": len(texts), "ratio": ratio, "cpu_ratio": cpu_ratio}


def _now() -> tuple[float, float]:
    """Wall and processor time, in seconds."""
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - started[0], cpu - started[1]


def _passages(settings: Settings, embedder: Embedder) -> list[str]:
    limit = passage_tokens_max(embedder, settings.indexing)
    records = read_sources([str(NOTES)], FieldMapping.parse((), ()), settings.indexing)
    return [
        chunk.embedding_text
        for outcome in accept_all(records, settings.indexing)
        if isinstance(outcome, ValidNote) and isinstance(outcome.document, Document)
        for chunk in chunk_document(outcome.document, count_tokens=embedder.count_tokens, tokens_max=limit)
    ]


def _vectorize(settings: Settings, embedder: Embedder) -> tuple[tuple[float, float], int]:
    """Wall and processor seconds from the first byte read to the last commit, models loaded already; and the notes."""
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(update={"data_dir": Path(folder)})
        with open_corpus(own) as opened:
            corpus = replace(opened, embedder=embedder)
            indexing = Indexing(
                corpus.embedder, corpus.store, corpus.ledger, own.indexing, _NoRejections(), SilentObserver()
            )
            started = _now()
            tally = indexing.run(
                read_sources([str(NOTES)], FieldMapping.parse((), ()), own.indexing), sources=[str(NOTES)]
            )
            return _since(started), tally.embedded


if __name__ == "__main__":
    main()
