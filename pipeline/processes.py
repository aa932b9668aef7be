"""Processes that do tasks which may hang, crash or eat memory: what that costs is the task.

Decides limits of time and memory, that a process whose parent was killed ends itself, and that a task on which a
process died is tried once more: what killed it may have been after something else. Knows no task.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from pipeline.errors import ChartwellError

_GRACE_SECONDS: Final = 5
"""A process whose parent was killed ends itself that much later than the parent would have ended it."""
_STOP_SECONDS: Final = 2.0
_STARTING = threading.Lock()

Work: TypeAlias = Callable[[Any], object]
"""Does one task in the process. Can be pickled, and so can tasks and answers; raises ChartwellError alone, which comes
back as the answer."""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one task may cost."""

    seconds_max: float = 60.0
    memory_bytes_max: int = 4 * 1024**3
    """Of the data of one process."""
    tasks_per_process: int = 2000
    """After so many a process is replaced: what a library leaks goes with it."""


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """Instead of an answer: what became of the process."""

    kind: Literal["hung", "died"]


class TaskProcesses:
    """Processes that are started when they are first needed, and again when they have ended. Safe to share between
    threads; a call waits until one is free."""

    def __init__(self, work: Work, limits: ProcessLimits, count: int, name: str) -> None:
        self._all = [_TaskProcess(work, limits, name) for _ in range(count)]
        self._free: queue.LifoQueue[_TaskProcess] = queue.LifoQueue()
        for process in self._all:
            self._free.put(process)

    def answer(self, task: object) -> object:
        """What the work made of it: its result, its ChartwellError, or `ProcessEnd`."""
        process = self._free.get()
        try:
            return process.answer(task)
        finally:
            self._free.put(process)

    def stop(self) -> None:
        """From any thread: what is under way is given up, and no process is started again."""
        for process in self._all:
            process.stop()

    def end(self) -> None:
        """After `stop`, when no thread waits for an answer any more."""
        for process in self._all:
            process.end()


class _TaskProcess:
    def __init__(self, work: Work, limits: ProcessLimits, name: str) -> None:
        self._work = work
        self._limits = limits
        self._name = name
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._done = 0
        self._stopped = False

    def answer(self, task: object) -> object:
        outcome = self._asked(task)
        died = isinstance(outcome, ProcessEnd) and outcome.kind == "died"
        return self._asked(task) if died and not self._stopped else outcome

    def _asked(self, task: object) -> object:
        try:
            line = self._ready_line()
            line.send(task)
            if not line.poll(self._limits.seconds_max):
                self.end()
                return ProcessEnd("hung")
            outcome = line.recv()
        except (EOFError, OSError):
            self.end()
            return ProcessEnd("died")
        self._done += 1
        return outcome

    def _ready_line(self) -> Connection:
        if self._done >= self._limits.tasks_per_process:
            self.end()
        if self._line is None or self._process is None or not self._process.is_alive():
            self.end()
            self._start()
        if self._line is None:
            raise RuntimeError("the pool has been closed")
        return self._line

    def _start(self) -> None:
        if self._stopped:
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._work, self._limits), daemon=True, name=self._name
        )
        with _without_main():
            self._process.start()
        theirs.close()
        self._line, self._done = ours, 0
        if not ours.poll(self._limits.seconds_max + _GRACE_SECONDS) or ours.recv() != "ready":
            self.end()
            raise OSError(f"a process ({self._name}) did not start")

    def stop(self) -> None:
        self._stopped = True
        if self._process is not None and self._process.pid is not None:
            self._process.kill()

    def end(self) -> None:
        if self._process is not None and self._process.pid is not None:
            self._process.kill()
            self._process.join(_STOP_SECONDS)
        if self._line is not None:
            self._line.close()
        self._process = self._line = None
        self._done = 0


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _without_main() -> Iterator[None]:
    """A new process imports what it needs, and not the command that started it first: of the service that is two
    seconds of a processor, for a module that is not asked for anything."""
    with _STARTING:
        command = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = command


def _serve(line: Connection, work: Work, limits: ProcessLimits) -> None:
    """The process: one task after another, until no one asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption ends
    _limit_memory(limits.memory_bytes_max)
    line.send("ready")
    while True:
        try:
            task = line.recv()
        except (EOFError, OSError):
            return
        signal.alarm(int(limits.seconds_max) + _GRACE_SECONDS)
        answer = _answer(work, task)
        signal.alarm(0)
        try:
            line.send(answer)
        except BrokenPipeError:  # whoever asked was killed meanwhile
            return


def _answer(work: Work, task: object) -> object:
    try:
        return work(task)
    except ChartwellError as error:
        return error


def _limit_memory(bytes_max: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = bytes_max if hard == resource.RLIM_INFINITY else min(bytes_max, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
