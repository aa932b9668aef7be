"""What it costs to keep a question: two transactions with their rows of the audit log, alone and with a hundred askers.

    alone       one asker; next to it what a sync of 4 KB costs on this disk, which each transaction has once
    a hundred   each asks, waits for its answer (random, two seconds on average) and asks on; p95 of what keeping costs
    flat out    a hundred that do nothing else: how many answers a second can be kept at all
    verify      rows of the log and receipts that are verified in a second

Figures are of SQLite; `--url postgresql://...` measures another database, which must be empty.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.config import load_settings
from pipeline.records import (
    Answer,
    Citation,
    Filters,
    GeneratorModel,
    Hit,
    Question,
    Statement,
    Usage,
)
from pipeline.service.audit.chain import AuditLog, SystemActor
from pipeline.service.audit.receipts import AnswerRecord
from pipeline.service.conversations.factory import History, open_history
from pipeline.service.database.engine import State

ASKERS = 100
THINK_SECONDS = 2.0
NOTE = "Patient reports dull chest pain since Tuesday. Troponin negative. Started aspirin 75 mg. " * 8


def question() -> AnswerRecord:
    """A question with ten passages and three statements, as an answer from notes has."""
    hits = tuple(
        Hit(f"c{n}", f"note-{n}", "p", "progress", None, None, None, NOTE, 0, len(NOTE), 0.7)
        for n in range(10)
    )
    citation = Citation(1, "note-1", "p", "progress", None, 0.7, 0, 46, NOTE[:46])
    statements = tuple(Statement(f'"{NOTE[:46]}" [{n}]', (citation,)) for n in range(3))
    asked = Question("Does she have chest pain?", Filters(), 10)
    answer = Answer(
        question=asked.text,
        outcome="answered",
        text="\n".join(statement.text for statement in statements),
        statements=statements,
        citations=(citation,),
        passages=hits,
        reason=None,
        model=GeneratorModel("extractive", "e"),
        prompt_version="answer-v1",
        space_id="s",
        usage=Usage(900, 60),
        seconds={"total": 1.0},
    )
    return AnswerRecord(uuid.uuid4().hex, asked, "answered", hits, statements, answer)


class Askers:
    """Keeps questions and answers, and how long each took, in milliseconds."""

    def __init__(self, history: History) -> None:
        self._conversations = history.conversations
        self.begin: list[float] = []
        self.end: list[float] = []

    def ask(self, name: str, questions: int, think: Callable[[], float]) -> None:
        who, conversation = SystemActor(name, "user"), None
        time.sleep(think())  # people do not begin in the same moment
        for _ in range(questions):
            given = question()
            started = time.perf_counter()
            begun = self._conversations.begin(who, given.question, given.question_id, conversation)
            self.begin.append((time.perf_counter() - started) * 1000)
            time.sleep(think())
            conversation = begun.conversation_id
            started = time.perf_counter()
            self._conversations.end(who, conversation, given)
            self.end.append((time.perf_counter() - started) * 1000)

    def together(self, questions: int, think: Callable[[], float]) -> float:
        """Answers kept in a second, by all askers together."""
        threads = [
            threading.Thread(target=self.ask, args=(f"p{number}", questions, think))
            for number in range(ASKERS)
        ]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ASKERS * questions / (time.perf_counter() - started)

    def figures(self) -> str:
        return (
            f"question p50 {_at(self.begin, 0.5):6.1f} p95 {_at(self.begin, 0.95):7.1f} ms   "
            f"answer p50 {_at(self.end, 0.5):6.1f} p95 {_at(self.end, 0.95):7.1f} ms"
        )


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def sync_milliseconds(folder: Path) -> float:
    """The median of writing 4 KB and syncing it."""
    taken = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - started) * 1000)
    return _at(taken, 0.5)


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="another database than a SQLite file")
    url = parser.parse_args(list(arguments)).url
    with (
        tempfile.TemporaryDirectory(prefix="chartwell-state-") as folder,
        State(url or f"sqlite:///{folder}/service.sqlite") as state,
    ):
        state.migrate()
        _say("a sync of this disk", f"p50 {sync_milliseconds(Path(folder)):.2f} ms")
        _measure(state)


def _measure(state: State) -> None:
    log = AuditLog(state)
    history = open_history(state, log, load_settings(None), lambda cited, _: cited)
    Askers(history).ask("warm", 20, lambda: 0.0)
    alone = Askers(history)
    alone.ask("alone", 100, lambda: 0.0)
    _say("alone", alone.figures())
    hundred = Askers(history)
    rate = hundred.together(6, lambda: random.expovariate(1 / THINK_SECONDS))
    _say(f"a hundred, {rate:.0f} answers/s", hundred.figures())
    flat_out = Askers(history)
    rate = flat_out.together(10, lambda: 0.0)
    _say(f"flat out, {rate:.0f} answers/s", flat_out.figures())
    started = time.perf_counter()
    found, problems = log.verify(), history.receipts.verify()
    rows_per_second = found.rows / (time.perf_counter() - started)
    sound = "sound" if found.sound and not problems else "NOT SOUND"
    _say("verify", f"{rows_per_second:,.0f} rows/s with their receipts: {sound}")


def _say(what: str, figures: str) -> None:
    sys.stdout.write(f"{what:28} {figures}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
