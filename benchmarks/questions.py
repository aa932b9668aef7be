"""A hundred people asking at once, against a generator whose ceiling is known: throughput, errors, and our own share.

The whole way of an answer (`pipeline.answering.flow`): the question embedded by the NIM simulator, both legs of
retrieval on the embedded store, the prompt, the draft streamed by the simulator, every citation checked. The
simulator's chat server stands about 20 answers a second; what is ours is the rest: total less embed less generate. The
first answer of each is told apart: a hundred questions in the same instant queue for the processors, afterwards they
come as answers go out.
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

from pipeline.answering.flow import Answering
from pipeline.config import IndexingSettings, Settings, load_settings
from pipeline.indexing.flow import Indexing
from pipeline.indexing.mapping import FieldMapping
from pipeline.indexing.read import read_sources
from pipeline.indexing.rejections import RejectionLog
from pipeline.progress import SilentObserver
from pipeline.records import Answer, Question, SourceRecord
from pipeline.sentences import sentence_spans
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
            spool=corpus.spool,
        ).run(records, sources=[str(notes)])
    return tally.chunks_embedded


class _Asked:
    """Everybody's answers, when they came, and what went wrong."""

    def __init__(self) -> None:
        self.first: list[Answer] = []
        self.answers: list[tuple[float, Answer]] = []
        """Of those after the first of each, with when they came."""
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
            try:
                answer = answering.answer(question_about(chance, sentences))
            except Exception as error:  # noqa: BLE001  counted and printed
                asked.failures.append(error)
            else:
                if turn == 0:
                    asked.first.append(answer)
                else:
                    asked.answers.append((time.perf_counter(), answer))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(ASKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    return asked


def _figures(asked: _Asked, tokens: int) -> dict[str, Any]:
    answers = [answer for _, answer in asked.answers]
    # A question for which nothing is found asks no generator.
    ends = sorted(at for at, answer in asked.answers if "generate" in answer.seconds)
    generated = len(ends) + sum("generate" in answer.seconds for answer in asked.first)
    ceiling = CHAT.ceiling_requests_per_second(tokens / generated)
    # At first a hundred people ask in the same instant, at the very end fewer ask than the server has places.
    first, last = ASKERS, len(ends) - CHAT.concurrency
    return {
        "askers": ASKERS,
        "answers": len(answers) + len(asked.first),
        "errors": len(asked.failures),
        "outcomes": Counter(answer.outcome for answer in [*asked.first, *answers]),
        "ceiling_answers_per_second": ceiling,
        "throughput_ratio": (last - first) / (ends[last] - ends[first]) / ceiling,
        "own_share_ms_p50": percentile([_own_share_ms(answer) for answer in answers], 50),
        "own_share_ms_p95": percentile([_own_share_ms(answer) for answer in answers], 95),
        "own_share_ms_p95_of_the_first_of_each": percentile(list(map(_own_share_ms, asked.first)), 95),
        "stages_ms_p95": {
            stage: percentile([1000 * answer.seconds.get(stage, 0.0) for answer in answers], 95)
            for stage in ("embed", "search", "prompt", "generate", "verify", "total")
        },
    }


def percentile(values: Sequence[float], percent: int) -> float:
    return round(float(np.percentile(values, percent)), 1)


def _own_share_ms(answer: Answer) -> float:
    return 1000 * (answer.seconds["total"] - answer.seconds["embed"] - answer.seconds.get("generate", 0.0))


if __name__ == "__main__":
    main(sys.argv[1:])
