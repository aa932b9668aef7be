"""A change of embedding models while people ask all the time: how many questions fail, and how long no one can write.

Two NIM simulators, one 1024 wide and one 2048, each in a process of its own; notes in one embedded store. Threads ask
through the follower that a service uses, as fast as they are answered, while the commands of a migration run as an
operator would run them, in processes of their own: fill, switch, roll back, switch again, drop. Every answer is
checked: from which space it came, and that no question is ever answered in two ways from one space. The yardstick for
latency is the same load before the migration began.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.ask import open_answering
from pipeline.config import load_settings
from pipeline.embedding_spaces import POINTER_FILE
from pipeline.records import Answer, Question
from pipeline.reembedding.live_answering import ServingAnswering
from tests.servers.nim import nim_process
from tests.servers.nim_models import EMBEDDER, EMBEDDER_WIDE

ROOT = Path(__file__).resolve().parents[1]
NOTES = 2_000
ASKERS = 8
SECONDS = 10.0
"""Of asking before, and after each step."""
SERVICE = ("--embed-seconds=0.01", "--embed-token-seconds=0.00001", "--embed-concurrency=8")
WORDS = (
    "patient denies chest pain blood pressure was stable lungs clear follow up with cardiology in two weeks no acute "
    "distress echocardiogram showed preserved ejection fraction restarted at discharge held on admission"
).split()


@dataclass(frozen=True)
class Asked:
    began: float
    ended: float
    number: int
    answer: Answer

    @property
    def width(self) -> int:
        return int(self.answer.space_id.split("/")[-2])


class Askers:
    """Threads that ask for one note after the other until told to end."""

    def __init__(self, answering: ServingAnswering, notes: int, number: int) -> None:
        self._answering = answering
        self._notes = notes
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in range(number)]
        self.asked: list[Asked] = []
        self.failed: list[str] = []

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._ended.is_set():
            number, began = chance.randrange(self._notes), time.monotonic()
            try:
                answer = self._answering.answer(Question(f"Which dose of {drug(number)}"))
            except Exception as error:  # noqa: BLE001  counted and printed
                self.failed.append(f"{type(error).__name__}: {error}")
                continue
            self.asked.append(Asked(began, time.monotonic(), number, answer))

    def wait_for_width(self, width: int) -> None:
        """Until an answer comes from vectors of that width."""
        started = time.monotonic()
        while self.asked[-1].width != width:
            if time.monotonic() - started > 60:
                raise AssertionError(f"nothing answers from the {width} wide space")
            time.sleep(0.002)


def drug(number: int) -> str:
    """Words that stand together in one note only."""
    return " ".join(f"{word}{number:05d}" for word in ("drugol", "ward", "device"))


def write_notes(path: Path, notes: int) -> None:
    chance = random.Random(5)
    with path.open("w", encoding="utf-8") as file:
        for number in range(notes):
            filler = " ".join(chance.choices(WORDS, k=8)).capitalize()
            text = f"{filler}. A dose of {drug(number)} was given: {number + 5} mg."
            row = {
                "resource_id": f"n{number}",
                "patient_id": f"p{number % 97}",
                "document_type": "note",
                "text_content": text,
            }
            file.write(json.dumps(row) + "\n")


def command(*arguments: str) -> float:
    """Run a command in a process of its own, echo what it says; seconds."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.vectorize", *arguments],
        cwd=ROOT,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    print(f"$ vectorize {' '.join(arguments)}   ({seconds:.1f} s)")
    print("".join(f"    {line}\n" for line in done.stdout.splitlines()), end="")
    if done.returncode:
        raise AssertionError(done.stderr)
    return seconds


def milliseconds(asked: Sequence[Asked]) -> str:
    if not asked:
        return "no one asked"
    p50, p95 = np.percentile([(one.ended - one.began) * 1000 for one in asked], [50, 95])
    return f"{len(asked):>6,} questions, p50 {p50:6.1f} ms, p95 {p95:6.1f} ms"


def main(arguments: Sequence[str] = ()) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=NOTES)
    parser.add_argument("--askers", type=int, default=ASKERS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        nim_process(*SERVICE) as old_server,
        nim_process(*SERVICE) as new_server,
    ):
        os.environ |= {
            "CHARTWELL_DATA_DIR": f"{folder}/data",
            "CHARTWELL_EMBEDDER__PROVIDER": "nim",
            "CHARTWELL_EMBEDDER__MODEL": EMBEDDER,
            "CHARTWELL_EMBEDDER__URL": old_server.url,
            "CHARTWELL_GENERATOR__PROVIDER": "nim",
            "CHARTWELL_GENERATOR__URL": old_server.url,
        }
        write_notes(Path(folder) / "notes.jsonl", options.notes)
        command("notes", f"{folder}/notes.jsonl")
        with open_answering(load_settings(None)) as answering:
            return _migrate(answering, new_server.url, options)


def _migrate(answering: ServingAnswering, new_url: str, options: argparse.Namespace) -> dict[str, float]:
    marks: dict[str, float] = {}
    switches: list[Switch] = []
    with Askers(answering, options.notes, options.askers) as askers:
        marks["before"] = time.monotonic()
        time.sleep(options.seconds)
        marks["fill"] = time.monotonic()
        fill_seconds = command("migrate", "--to", f"nim:{EMBEDDER_WIDE}", "--url", new_url)
        for step, width in (("--switch", 2048), ("--roll-back", 1024), ("--switch", 2048)):
            marks[f"{len(switches) + 1} {step}"] = time.monotonic()
            command("migrate", step)
            switches.append(Switch(step, width, _renamed_at()))
            askers.wait_for_width(width)
            time.sleep(options.seconds)
        marks["drop"] = time.monotonic()
        command("migrate", "--drop-old")
        time.sleep(options.seconds / 2)
        marks["end"] = time.monotonic()
    return _report(askers, marks, switches, fill_seconds)


@dataclass(frozen=True)
class Switch:
    step: str
    width: int
    at: float
    """When the pointer file was replaced, on the clock of `Asked`."""


def _renamed_at() -> float:
    path = Path(os.environ["CHARTWELL_DATA_DIR"]) / POINTER_FILE
    return path.stat().st_mtime - (time.time() - time.monotonic())


def _report(
    askers: Askers, marks: dict[str, float], switches: Sequence[Switch], fill_seconds: float
) -> dict[str, float]:
    print()
    names = list(marks)
    for name, following in itertools.pairwise(names):
        part = [one for one in askers.asked if marks[name] <= one.began < marks[following]]
        widths = dict(Counter(one.width for one in part))
        print(f"{name:<14}{milliseconds(part)}, answered from {widths}")
    for switch, end in zip(switches, [*(after.at for after in switches[1:]), marks["end"]], strict=True):
        later = [one for one in askers.asked if switch.at <= one.began < end]
        first = min(one.ended for one in later if one.width == switch.width) - switch.at
        stale = [one.began - switch.at for one in later if one.width != switch.width]
        print(
            f"{switch.step:<14}first answer from the other space {first * 1000:.0f} ms after the pointer was replaced; "
            f"{len(stale)} questions that began later were answered from the one before, the last after "
            f"{max(stale, default=0) * 1000:.0f} ms"
        )
    for failure in Counter(askers.failed).most_common(5):
        print(failure)
    figures = {
        "asked": len(askers.asked) + len(askers.failed),
        "failed": len(askers.failed),
        "answers_that_differ_within_a_space": _inconsistent(askers.asked),
        "right_1024": _right_share(askers.asked, 1024),
        "right_2048": _right_share(askers.asked, 2048),
        "fill_seconds": round(fill_seconds, 1),
        "seconds_in_all": round(marks["end"] - marks["before"], 1),
    }
    print(json.dumps(figures, indent=2))
    return figures


def _inconsistent(asked: Sequence[Asked]) -> int:
    """Questions that were answered in two ways from one and the same space."""
    texts: dict[tuple[int, int], set[str]] = {}
    for one in asked:
        texts.setdefault((one.number, one.width), set()).add(one.answer.text)
    return sum(len(found) > 1 for found in texts.values())


def _right_share(asked: Sequence[Asked], width: int) -> float:
    """Answers that quote the note asked for. Below 1 because the simulated vectors collide, in either space."""
    right = [
        f"{drug(one.number)} was given: {one.number + 5} mg" in one.answer.text
        for one in asked
        if one.width == width
    ]
    return round(sum(right) / max(1, len(right)), 3)


if __name__ == "__main__":
    main(sys.argv[1:])
