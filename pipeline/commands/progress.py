"""Shows how an indexing run is going: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pipeline.commands.console import counted, duration
from pipeline.indexing.flow import Observer, RunCounts, SilentObserver
from pipeline.records import RunKind

PROGRESS_KEY = "progress"
JSON_SECONDS = 0.25
LINE_SECONDS = 5.0
"""Off a terminal, a line at most this often: an overnight log stays readable."""


@contextmanager
def observer_for(
    console: Console,
    batch_size: int,
    *,
    quiet: bool,
    lines: bool = False,
    kind: RunKind = "notes",
    more: Callable[[], str] = str,
) -> Iterator[Observer]:
    """The observer that suits where the output goes. `lines`: a program reads them. `more`: what ends a line."""
    if lines:
        yield JsonObserver(console.file)
    elif quiet:
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
            yield BarObserver(progress, Pace(batch_size, kind, more))
    else:
        yield LineObserver(console, Pace(batch_size, kind, more))


class Pace:
    """Batches, rate and time left, from what waits and what has been done since the first batch."""

    def __init__(self, batch_size: int, kind: RunKind = "notes", more: Callable[[], str] = str) -> None:
        self.batch = 0
        self.kind = kind
        self._batch_size = batch_size
        self._more = more
        self._reading = True
        self._started = time.monotonic()
        self._first: tuple[float, int] | None = None
        """When the first batch was done, and how much was done by then: what starts up meanwhile is no pace."""

    def all_read(self) -> None:
        """From now on it is known how much waits."""
        self._reading = False

    def batches(self, tally: RunCounts) -> int:
        return max(self.batch, math.ceil(tally.waiting / self._batch_size))

    def line(self, tally: RunCounts) -> str:
        done = tally.embedded + tally.failed
        now = time.monotonic()
        seconds = now - self._started
        rate = done / seconds if seconds > 0 else 0.0
        since, before = self._first = self._first or (now, done)
        lately = (done - before) / (now - since) if now > since else 0.0
        if self._reading:
            left = "still reading"
        else:
            left = f"{duration((tally.waiting - done) / lately)} left" if lately else "unknown time left"
        pace = f"{rate * 60:,.0f} a minute" if self.kind == "notes" else f"{rate:,.1f} a second"
        more = self._more()
        # Images are refused at work, so how many batches there will be is not known.
        batch = f"batch {self.batch}" + (f" of {self.batches(tally)}" if self.kind == "notes" else "")
        return (
            f"{batch}, {done:,} of {counted(tally.waiting, self.kind.removesuffix('s'))}, "
            f"{pace}, {tally.rejected:,} rejected, {left}{f', {more}' if more else ''}"
        )


class LineObserver:
    """Plain lines for logs and pipes."""

    def __init__(self, console: Console, pace: Pace) -> None:
        self._console = console
        self._last = 0.0
        self._pace = pace

    def read(self, tally: RunCounts) -> None:
        what = "record" if self._pace.kind == "notes" else "file"
        self._print(f"read {counted(tally.read, what)}, {tally.rejected:,} rejected")

    def working(self, waiting: int, done: int) -> None:
        self._pace.all_read()
        what = counted(waiting, self._pace.kind.removesuffix("s"))
        self._print(f"{what} to embed, {done:,} stored already", always=True)

    def batch(self, tally: RunCounts) -> None:
        self._pace.batch += 1
        last = tally.embedded + tally.failed >= tally.waiting
        self._print(self._pace.line(tally), always=last)

    def _print(self, line: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if always or now - self._last >= LINE_SECONDS:
            self._last = now
            self._console.print(line, markup=False)


class JsonObserver:
    """JSON lines for a program that watches: one object a line, under the key "progress"."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._last = 0.0
        self._phase = "reading"
        self._done_before = 0

    def read(self, tally: RunCounts) -> None:
        self._write(tally)

    def working(self, waiting: int, done: int) -> None:
        self._phase = "embedding"
        self._done_before = done

    def batch(self, tally: RunCounts) -> None:
        self._phase = "embedding"
        self._write(tally, always=tally.embedded + tally.failed >= tally.waiting)

    def _write(self, tally: RunCounts, *, always: bool = False) -> None:
        now = time.monotonic()
        if not always and now - self._last < JSON_SECONDS:
            return
        self._last = now
        counts = {
            "phase": self._phase,
            "read": tally.read,
            "rejected": tally.rejected,
            "unread_files": tally.unread_files,
            "waiting": tally.waiting,
            "embedded": tally.embedded,
            "failed": tally.failed,
            "stored_before": self._done_before,
        }
        self._stream.write(json.dumps({PROGRESS_KEY: counts}) + "\n")
        self._stream.flush()


class BarObserver:
    """A live bar for people: of what is read, then of what is embedded."""

    def __init__(self, progress: Progress, pace: Pace) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("reading", total=None, detail="")
        self._embedding: TaskID | None = None
        self._pace = pace

    def read(self, tally: RunCounts) -> None:
        self._progress.update(self._task, completed=tally.read, detail=f"{tally.rejected:,} rejected")

    def working(self, waiting: int, done: int) -> None:
        self._progress.stop_task(self._task)
        self._pace.all_read()
        if waiting and self._embedding is None:
            self._embedding = self._progress.add_task(
                "embedding", total=waiting, detail=f"{done:,} stored already"
            )

    def batch(self, tally: RunCounts) -> None:
        self._pace.batch += 1
        if self._embedding is None:
            self._embedding = self._progress.add_task("embedding", total=tally.waiting, detail="")
        self._progress.update(
            self._embedding,
            total=tally.waiting,
            completed=tally.embedded + tally.failed,
            detail=self._pace.line(tally),
        )
