"""Runs moments of a stack and what branches from them, a few at a time, each in a process of its own.

A branch is a fork: the account, which lives in this process's memory, is there as it was. Decides how many run at the
same time and that a failed one ends none of the others.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Result:
    """What came of one piece of the proof. `facts` go into the table; `failure` is a traceback."""

    name: str
    seconds: float
    facts: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""


class Runner:
    """`workers` pieces at a time. Results are files in `folder`, so that a killed process leaves a hole that shows."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self._free = _FORK.BoundedSemaphore(workers)
        self._started: list[tuple[str, Any]] = []
        (folder / "results").mkdir(parents=True)

    def branch(self, name: str, act: Callable[[Path], Mapping[str, str]]) -> None:
        """Do `act` in a fork of this process as soon as there is room. It gets a path for its folder."""
        process = _FORK.Process(target=self._run, args=(name, act), name=name)
        process.start()
        self._started.append((name, process))

    def _run(self, name: str, act: Callable[[Path], Mapping[str, str]]) -> None:
        self._started = []
        with self.busy():
            began = time.monotonic()
            facts: Mapping[str, str] = {}
            failure = ""
            try:
                facts = act(self.folder / name)
            except Exception:  # noqa: BLE001 (whatever it is, it is the result)
                failure = traceback.format_exc()
            self._keep(Result(name, round(time.monotonic() - began, 1), facts, failure))
        self.join()

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        with self._free:
            yield

    def _keep(self, result: Result) -> None:
        path = self.folder / "results" / f"{result.name}.json"
        path.write_text(json.dumps(asdict(result)), encoding="utf-8")
        word = "FAILED" if result.failure else "ok"
        sys.stdout.write(f"{word:<7} {result.seconds:6.1f} s  {result.name}\n")
        if result.failure:
            sys.stdout.write("".join(f"        {line}\n" for line in result.failure.splitlines()[-40:]))
        sys.stdout.flush()

    def join(self) -> None:
        """Wait for the branches of this process, and theirs."""
        for name, process in self._started:
            process.join()
            if not (self.folder / "results" / f"{name}.json").exists():
                self._keep(
                    Result(name, 0.0, {}, f"the process ended with {process.exitcode} and left no result")
                )

    def results(self) -> list[Result]:
        found = sorted((self.folder / "results").glob("*.json"))
        return [Result(**json.loads(path.read_text(encoding="utf-8"))) for path in found]
