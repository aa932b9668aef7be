"""Shows how an indexing run is going: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline.indexing.flow import Observer, Tally
from pipeline.terminal import duration

LINE_SECONDS = 5.0
"""Off a terminal, a line at most this often: an overnight log stays readable."""


@contextmanager
def observer_for(console: Console, batch_size: int, *, quiet: bool) -> Iterator[Observer]:
    """The observer that suits where the output goes."""
    if quiet:
        yield SilentObserver()
    elif console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=console,
        ) as progress:
            yield BarObserver(progress, batch_size)
    else:
        yield LineObserver(console, batch_size)


class SilentObserver:
    def read(self, tally: Tally) -> None: ...

    def working(self, waiting: int, done: int) -> None: ...

    def batch(self, tally: Tally) -> None: ...


class Pace:
    """Batches, rate and time left, from what the ledger said was waiting and what has been done since."""

    def __init__(self, waiting: int, batch_size: int) -> None:
        self.waiting = waiting
        self.batches = math.ceil(waiting / batch_size)
        self.batch = 0
        self._started = time.monotonic()

    def line(self, tally: Tally) -> str:
        done = tally.embedded + tally.failed
        seconds = time.monotonic() - self._started
        rate = done / seconds if seconds > 0 else 0.0
        left = duration((self.waiting - done) / rate) if rate else "unknown"
        return (
            f"batch {self.batch} of {self.batches}, {done:,} of {self.waiting:,} notes, "
            f"{rate * 60:,.0f} a minute, {tally.rejected:,} rejected, {left} left"
        )


class LineObserver:
    """Plain lines for logs and pipes."""

    def __init__(self, console: Console, batch_size: int) -> None:
        self._console = console
        self._batch_size = batch_size
        self._last = 0.0
        self._pace = Pace(0, batch_size)

    def read(self, tally: Tally) -> None:
        self._print(f"read {tally.read:,} records, {tally.rejected:,} rejected")

    def working(self, waiting: int, done: int) -> None:
        self._pace = Pace(waiting, self._batch_size)
        self._print(f"{waiting:,} notes to embed, {done:,} stored already", always=True)

    def batch(self, tally: Tally) -> None:
        self._pace.batch += 1
        self._print(self._pace.line(tally), always=self._pace.batch == self._pace.batches)

    def _print(self, line: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._last >= LINE_SECONDS:
            self._last = now
            self._console.print(line, markup=False)


class BarObserver:
    """A live bar for people."""

    def __init__(self, progress: Progress, batch_size: int) -> None:
        self._progress = progress
        self._batch_size = batch_size
        self._task: TaskID = progress.add_task("reading", total=None, detail="")
        self._pace = Pace(0, batch_size)

    def read(self, tally: Tally) -> None:
        self._progress.update(self._task, completed=tally.read, detail=f"{tally.rejected:,} rejected")

    def working(self, waiting: int, done: int) -> None:
        self._progress.stop_task(self._task)
        self._pace = Pace(waiting, self._batch_size)
        if waiting:
            self._task = self._progress.add_task(
                "embedding", total=waiting, detail=f"{done:,} stored already"
            )

    def batch(self, tally: Tally) -> None:
        self._pace.batch += 1
        detail = self._pace.line(tally)
        self._progress.update(self._task, completed=tally.embedded + tally.failed, detail=detail)
