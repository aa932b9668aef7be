"""A hundred people asking at the same time, against a generator whose ceiling is known: throughput, errors, and our own
share.

The whole way of an answer (`pipeline.answering.flow`): the question embedded by the NIM simulator, both retrievers on
the embedded store, the prompt, the draft streamed by the simulator, every citation checked. The
simulator's chat server stands about 20 answers a second; what is ours is the rest: total less embed less generate. The
burst is told apart: a hundred questions in the same instant queue for the processors, and so does whatever is asked
before the last of them has been searched for. Afterwards questions come as answers go out.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.answering.flow import Answering
from pipeline.config import IndexingSettings, Settings, load_settings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import Answer, Question, SourceRecord
from pipeline.text.sentences import sentence_spans
from pipeline.wiring import open_corpus, open_embedder, open_generator, open_store
from tests.servers.nim import nim_process
from tests.servers.queueing import ServiceTime

DEMO_NOTES = Path(__file__).resolve().parents[1] / "pipeline" / "demo" / "notes"
NOTES = 2_000
ASKERS = 100
QUESTIONS_EACH = 8
CHAT = ServiceTime(seconds_per_request=0.1, seconds_per_token=0.02, concurrency=8)
"""By the length of the answer, as a language model; for the answers given here about 20 a second."""
QUERY = ServiceTime(seconds_per_request=0.02, concurrency=8)

QUESTION_WORDS = 10


def main(arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Print and return the figures."""
    with (
        tempfile.TemporaryDirectory() as name,
        nim_process(
            f"--embed-seconds={QUERY.seconds_per_request}",
            f"--embed-concurrency={QUERY.concurrency}",
            f"--chat-seconds={CHAT.seconds_per_request}",
            f"--chat-token-seconds={CHAT.seconds_per_token}",
            f"--chat-concurrency={CHAT.concurrency}",
        ) as server,
    ):
        settings = load_settings(
            None,
            data_dir=Path(name) / "data",
            embedder={"provider": "nim", "url": server.url},
            generator={"provider": "nim", "url": server.url},
        )
        sentences = note_sentences()
        passages = index_notes(settings, Path(name) / "notes.jsonl", sentences)
        load = os.getloadavg()[0]
        asked = _ask_all(settings, sentences)
        tokens = server.control("counts")["completion_tokens"]
    figures = {"load_before": load, "passages": passages, **_figures(asked, tokens)}
    print(json.dumps(figures, indent=2))
    return figures


def note_sentences() -> list[str]:
    """Every sentence of the notes that ship with the project: real words in their real frequencies."""
    records = read_sources([str(DEMO_NOTES)], FieldMapping.parse((), ()), IndexingSettings())
    texts = [str(record.fields["text_content"]) for record in records if isinstance(record, SourceRecord)]
    return [
        text[start:end].strip()
        for text in texts
        for start, end in sentence_spans(text)
        if 40 <= end - start <= 250 and '"' not in text[start:end]
    ]


def _write_notes(path: Path, sentences: Sequence[str]) -> None:
    chance = random.Random(11)
    with path.open("w", encoding="utf-8") as file:
        for number in range(NOTES):
            sections = [
                f"{heading}\n\n" + "\n".join(chance.choices(sentences, k=chance.randint(3, 7)))
                for heading in ("HISTORY", "EXAMINATION", "LABS", "ASSESSMENT", "PLAN")[
                    : chance.randint(1, 5)
                ]
            ]
            note = {
                "resource_id": f"note-{number:06}",
                "patient_id": f"patient-{number % 503}",
                "document_type": "progress note",
                "date": f"2024-{1 + number % 12:02}-{1 + number % 28:02}",
                "text_content": "\n\n".join(sections),
            }
            file.write(json.dumps(note) + "\n")


def question_about(chance: random.Random, sentences: Sequence[str]) -> Question:
    """A run of words out of some note's sentence."""
    words = chance.choice(sentences).split()
    start = chance.randint(0, max(0, len(words) - QUESTION_WORDS))
    return Question(f"What is known about {' '.join(words[start : start + QUESTION_WORDS]).rstrip('.,;:')}?")


def index_notes(settings: Settings, notes: Path, sentences: Sequence[str]) -> int:
    _write_notes(notes, sentences)
    with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        records = read_sources([str(notes)], FieldMapping.parse((), ()), settings.indexing)
        tally = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            SilentObserver(),
            vector_cache=corpus.vector_cache,
        ).run(records, sources=[str(notes)])
    return tally.chunks_embedded


@dataclass(frozen=True)
class _Answered:
    """One answer, when it was asked for and when it came."""

    answer: Answer
    asked: float
    came: float

    @property
    def found(self) -> float:
        """When its passages were there."""
        seconds = self.answer.seconds
        return self.asked + seconds["embed"] + seconds["search"]

    @property
    def own_ms(self) -> float:
        seconds = self.answer.seconds
        return 1000 * (seconds["total"] - seconds["embed"] - seconds.get("generate", 0.0))


class _Asked:
    """Everyone's answers, and what went wrong."""

    def __init__(self) -> None:
        self.first: list[_Answered] = []
        """The first of each."""
        self.later: list[_Answered] = []
        self.failures: list[Exception] = []


def _ask_all(settings: Settings, sentences: Sequence[str]) -> _Asked:
    embedder = open_embedder(settings)
    store = open_store(settings)
    answering = Answering(embedder, store, open_generator(settings, embedder), settings.answering)
    answering.answer(
        question_about(random.Random(-1), sentences)
    )  # the index of the store is in memory now, as in a service
    asked = _Asked()

    def ask(number: int) -> None:
        chance = random.Random(number)
        for turn in range(QUESTIONS_EACH + 1):
            started = time.perf_counter()
            try:
                answer = answering.answer(question_about(chance, sentences))
            except Exception as error:  # noqa: BLE001  counted and printed
                asked.failures.append(error)
            else:
                kind = asked.later if turn else asked.first
                kind.append(_Answered(answer, started, time.perf_counter()))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(ASKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    return asked


def _figures(asked: _Asked, tokens: int) -> dict[str, Any]:
    everything = [*asked.first, *asked.later]
    # A question for which nothing is found asks no generator.
    generated = sum("generate" in each.answer.seconds for each in everything)
    ends = sorted(each.came for each in asked.later if "generate" in each.answer.seconds)
    ceiling = CHAT.ceiling_requests_per_second(tokens / generated)
    # At first a hundred people ask in the same instant, at the very end fewer ask than the server has places.
    first, last = ASKERS, len(ends) - CHAT.concurrency
    burst_over = max(each.found for each in asked.first)
    steady = [each for each in asked.later if each.asked >= burst_over]
    burst = [*asked.first, *(each for each in asked.later if each.asked < burst_over)]
    return {
        "askers": ASKERS,
        "answers": len(everything),
        "errors": len(asked.failures),
        "outcomes": Counter(each.answer.outcome for each in everything),
        "ceiling_answers_per_second": ceiling,
        "throughput_ratio": (last - first) / (ends[last] - ends[first]) / ceiling,
        "steady_answers": len(steady),
        "own_share_ms_p50": percentile([each.own_ms for each in steady], 50),
        "own_share_ms_p95": percentile([each.own_ms for each in steady], 95),
        "burst_answers": len(burst),
        "burst_seconds": round(burst_over - min(each.asked for each in asked.first), 2),
        "burst_own_share_ms_p95": percentile([each.own_ms for each in burst], 95),
        "stages_ms_p95": {
            stage: percentile([1000 * each.answer.seconds.get(stage, 0.0) for each in steady], 95)
            for stage in ("embed", "search", "prompt", "generate", "verify", "total")
        },
    }


def percentile(values: Sequence[float], percent: int) -> float:
    return round(float(np.percentile(values, percent)), 1)


if __name__ == "__main__":
    main(sys.argv[1:])
