"""A hundred people asking at once, against a generator whose ceiling is known: throughput, errors, and our own share.

The whole way of an answer (`pipeline.answering.flow`): the question embedded by the NIM simulator, both legs of
retrieval on the embedded store, the prompt, the draft streamed by the simulator, every citation checked. The
simulator's chat server stands 20 answers a second; what is ours is the rest: total less embed less generate.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingestion import write_notes
from pipeline.answering.flow import Answering
from pipeline.config import Settings, load_settings
from pipeline.indexing.flow import Indexing
from pipeline.indexing.mapping import FieldMapping
from pipeline.indexing.read import read_sources
from pipeline.indexing.rejections import RejectionLog
from pipeline.progress import SilentObserver
from pipeline.records import Answer, Question
from pipeline.wiring import open_corpus, open_embedder, open_generator, open_store
from tests.servers.nim import nim_process
from tests.servers.queueing import ServiceTime

NOTES = 2_000
ASKERS = 100
QUESTIONS_EACH = 8
CHAT = ServiceTime(seconds_per_request=0.4, concurrency=8)
"""20 answers a second."""
QUERY = ServiceTime(seconds_per_request=0.02, concurrency=8)

_TOPICS = (
    "Was metformin held on admission?",
    "Which murmur or ejection fraction did the echocardiogram show?",
    "When is the follow up with cardiology?",
    "Was the blood pressure stable?",
    "Does the patient deny chest pain?",
    "Are the lungs clear?",
)


def main(arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Print and return the figures."""
    with (
        tempfile.TemporaryDirectory() as name,
        nim_process(
            f"--embed-seconds={QUERY.seconds_per_request}",
            f"--embed-concurrency={QUERY.concurrency}",
            f"--chat-seconds={CHAT.seconds_per_request}",
            f"--chat-concurrency={CHAT.concurrency}",
        ) as server,
    ):
        settings = load_settings(
            None,
            data_dir=Path(name) / "data",
            embedder={"provider": "nim", "url": server.url},
            generator={"provider": "nim", "url": server.url},
        )
        passages = _index(settings, Path(name) / "notes.jsonl")
        asked = _ask_all(settings)
    figures = _figures(asked, passages)
    print(json.dumps(figures, indent=2))
    return figures


def _index(settings: Settings, notes: Path) -> int:
    write_notes(notes, NOTES)
    with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        records = read_sources([str(notes)], FieldMapping.parse((), ()), settings.indexing)
        tally = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            SilentObserver(),
            spool=corpus.spool,
        ).run(records, sources=[str(notes)])
    return tally.chunks_embedded


class _Asked:
    """Everybody's answers, when they came, and what went wrong."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, Answer]] = []
        self.failures: list[Exception] = []


def _ask_all(settings: Settings) -> _Asked:
    embedder = open_embedder(settings)
    store = open_store(settings)
    answering = Answering(embedder, store, open_generator(settings, embedder), settings.answering)
    answering.answer(Question(_TOPICS[0]))  # the index of the store is in memory now, as in a service
    asked = _Asked()

    def ask(number: int) -> None:
        chance = random.Random(number)
        for _ in range(QUESTIONS_EACH):
            try:
                answer = answering.answer(
                    Question(f"{chance.choice(_TOPICS)} {chance.randint(0, NOTES - 1)}")
                )
            except Exception as error:  # noqa: BLE001  counted and printed
                asked.failures.append(error)
            else:
                asked.answers.append((time.perf_counter(), answer))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(ASKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    return asked


def _figures(asked: _Asked, passages: int) -> dict[str, Any]:
    ends = sorted(at for at, _ in asked.answers)
    # At first everybody begins at once, at the very end fewer people ask than the server has places.
    first, last = ASKERS, len(ends) - CHAT.concurrency
    ceiling = CHAT.ceiling_requests_per_second(1)
    own = [
        answer.seconds["total"] - answer.seconds["embed"] - answer.seconds["generate"]
        for _, answer in sorted(asked.answers, key=lambda one: one[0])
    ]
    return {
        "load_before": os.getloadavg()[0],
        "passages": passages,
        "askers": ASKERS,
        "answers": len(ends),
        "errors": len(asked.failures),
        "outcomes": Counter(answer.outcome for _, answer in asked.answers),
        "ceiling_answers_per_second": ceiling,
        "throughput_ratio": (last - first) / (ends[last] - ends[first]) / ceiling,
        "own_share_ms_p50": 1000 * float(np.percentile(own, 50)),
        "own_share_ms_p95": 1000 * float(np.percentile(own, 95)),
        "own_share_ms_max": 1000 * max(own),
        "own_share_ms_p95_of_the_first_of_each": 1000 * float(np.percentile(own[:ASKERS], 95)),
        "stages_ms_p95": {
            stage: 1000
            * float(np.percentile([answer.seconds.get(stage, 0.0) for _, answer in asked.answers], 95))
            for stage in ("embed", "search", "prompt", "generate", "verify", "total")
        },
    }


if __name__ == "__main__":
    main(sys.argv[1:])
