"""Indexing runs that people start: one at a time, watched while they go, cancelled, and remembered.

Each is a process of its own, `python -m pipeline.vectorize`, and not a thread: it takes the corpus's writing lock, it
computes for minutes alongside answers that must not wait for it, it may be killed without harm (what it has stored it
has stored), and its memory goes with it. What it reads is the inbox that the settings name; no caller names a path.
Progress comes as lines from the process and is kept at most every second. Who watches is told how a run ended, also
where that cannot be kept. A service that starts finds runs that its
predecessor left without an end: no process watches them, so they are "lost", and starting again goes on where they
were. Refuses to know how notes are read.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pipeline.config import Settings, as_environment
from pipeline.logs import LOGGER, fault_fields
from pipeline.service.access.policy import Principal
from pipeline.service.audit.chain import Actor
from pipeline.service.errors import Conflict, NotKnown, Unexpected
from pipeline.service.idle_signal import IdleSignal
from pipeline.service.jobs.records import EndState, JobHistory, JobRow

KIND = "index-notes"
DOCUMENTS = "index-documents"
KEPT_EVERY_SECONDS = 1.0
STOP_SECONDS = 20.0
"""A run ends after its batch; one that has not by then is killed, which loses that batch's work and nothing else."""
KEEPING_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before it is tried again to keep how a run ended."""
LINE_BYTES_MAX = 1 << 20
REPORT_BYTES_MAX = 4 << 20
INTERRUPTED = 130
SOME_REJECTED = 1
PROGRESS_KEY = "progress"
"""As `pipeline.commands.progress` writes it."""

Result = TypeVar("Result")


class Jobs:
    """The jobs of one service. Its methods belong to the event loop."""

    def __init__(self, book: JobHistory, settings: Settings, activity: IdleSignal) -> None:
        self._book = book
        self._settings = settings
        self._activity = activity
        self._running: _JobRun | None = None
        self._starting = asyncio.Lock()
        self._stopping = asyncio.Event()

    @property
    def inbox(self) -> Path | None:
        return self._settings.service.inbox

    async def start(self, principal: Principal, *, prune: bool, retry_failed: bool) -> JobRow:
        """Begin a run. Raises Conflict where one is in progress, or where there is no inbox."""
        async with self._starting:
            inbox = self._settings.service.inbox
            if inbox is None:
                raise Conflict(
                    "This service has no inbox to index.",
                    remedy="An administrator sets CHARTWELL_SERVICE__INBOX to a file or folder.",
                )
            if self._running is not None:
                raise Conflict("An indexing job is running.", remedy="Wait for it, or cancel it.")
            arguments = {"prune": prune, "retry_failed": retry_failed}
            job = await _in_thread(lambda: self._book.begin(principal, KIND, arguments))
            self._running = _JobRun(
                job, self._book, self._command(inbox, arguments), self._settings, self._activity
            )
            self._running.task = asyncio.create_task(self._supervise(self._running))
            return job

    async def start_documents(self, actor: Actor) -> JobRow:
        """Read what was uploaded and index what is approved. Raises Conflict where a run is in progress."""
        async with self._starting:
            if self._running is not None:
                raise Conflict("An indexing job is running.", remedy="Wait for it, or cancel it.")
            if self._stopping.is_set():
                raise Conflict("The service is stopping.", remedy="Try again in a minute.")
            job = await _in_thread(lambda: self._book.begin(actor, DOCUMENTS, {}))
            words = [sys.executable, "-m", "pipeline.vectorize", "documents", "--json", "--progress-lines"]
            self._running = _JobRun(job, self._book, words, self._settings, self._activity)
            self._running.task = asyncio.create_task(self._supervise(self._running))
            return job

    def _command(self, inbox: Path, arguments: Mapping[str, Any]) -> list[str]:
        words = [sys.executable, "-m", "pipeline.vectorize", "notes", "--json", "--progress-lines"]
        words += ["--prune"] if arguments["prune"] else []
        words += ["--retry-failed"] if arguments["retry_failed"] else []
        return [*words, "--input", str(inbox.resolve())]

    async def _supervise(self, run: _JobRun) -> None:
        try:
            await run.go()
        finally:
            self._running = None

    async def get(self, job_id: str) -> JobRow:
        """As it is at this moment. Raises NotKnown."""
        run = self._running
        if run is not None and run.job.id == job_id:
            return run.job
        found = await _in_thread(lambda: self._book.get(job_id))
        if found is None:
            raise NotKnown("There is no such job.", remedy="GET /v1/jobs lists them.")
        return found

    async def latest(self, limit: int) -> list[JobRow]:
        """The last ones first."""
        run = self._running
        jobs = await _in_thread(lambda: self._book.latest(limit))
        return [run.job if run is not None and run.job.id == job.id else job for job in jobs]

    async def cancel(self, principal: Principal, job_id: str) -> JobRow:
        """Ask a run to end after its batch. Raises NotKnown, and Conflict for one that has ended."""
        job = await self.get(job_id)
        run = self._running
        if run is None or run.job.id != job_id:
            raise Conflict(f"The job has ended: {job.state}.", remedy="There is nothing to cancel.")
        await _in_thread(lambda: self._book.ask_cancel(principal, job.id))
        run.cancel()
        return run.job

    async def watch(self, job_id: str) -> AsyncIterator[JobRow]:
        """The job as it is now, again whenever it has changed, last when it has ended or the service stops."""
        job = await self.get(job_id)
        yield job
        run = self._running
        if run is None or run.job.id != job_id:
            if job.state == "running":
                yield await self.get(job_id)  # it ended in between
            return
        while run.job.state == "running" and not self._stopping.is_set():
            await run.changed(self._stopping)
            yield run.job

    async def recover(self) -> None:
        """Once, at the start of the service."""
        lost = await _in_thread(self._book.lose_orphans)
        if lost:
            LOGGER.warning("indexing jobs were left without an end", extra={"jobs": lost})

    async def stop(self) -> None:
        """End the run that is in progress, and every watching of it."""
        self._stopping.set()
        run = self._running
        if run is not None and run.task is not None:
            run.cancel()
            await asyncio.wait({run.task}, timeout=2 * STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a run ended."""

    state: EndState
    report: Mapping[str, Any] | None = None
    """Counts, no ids: a user who may see jobs need not be one who may see every note."""
    error: str | None = None
    error_code: str | None = None


class _JobRun:
    """One running process."""

    def __init__(
        self, job: JobRow, book: JobHistory, command: list[str], settings: Settings, activity: IdleSignal
    ) -> None:
        self.job = job
        self.task: asyncio.Task[None] | None = None
        self._book = book
        self._command = command
        self._settings = settings
        self._activity = activity
        self._cancelled = asyncio.Event()
        self._news = asyncio.Event()
        self._complaint: dict[str, str] = {}
        self._kept_at = 0.0
        self._began = time.monotonic()

    def cancel(self) -> None:
        self._cancelled.set()

    async def changed(self, stopping: asyncio.Event) -> None:
        """Wait until there is news, or the service stops."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._news, stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _tell(self, job: JobRow) -> None:
        """Wake all watchers; a later one waits for the next news."""
        self.job = job
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def go(self) -> None:
        """Run to the end, whatever it is, keep that, and tell it."""
        try:
            ended = await self._process()
        except Exception as error:  # noqa: BLE001  kept with the job, and logged
            LOGGER.error("an indexing job failed", extra={"job": self.job.id, **fault_fields(error)})
            ended = _Ended("failed", error="The job could not be run.", error_code=Unexpected.code)
        self._tell(await self._kept(ended))

    async def _kept(self, ended: _Ended) -> JobRow:
        """The job as it is kept; as it ended where that cannot be kept."""
        for pause in (*KEEPING_PAUSES, 0.0):
            try:
                return await _in_thread(lambda: self._keep(ended))
            except Exception as error:  # noqa: BLE001  the watchers are told in any case
                LOGGER.error(
                    "the end of an indexing job is not kept",
                    extra={"job": self.job.id, **fault_fields(error)},
                )
                await asyncio.sleep(pause)
        return replace(
            self.job,
            state=ended.state,
            report=ended.report,
            error=ended.error,
            error_code=ended.error_code,
            ended_at=dt.datetime.now(dt.UTC),
        )

    def _keep(self, ended: _Ended) -> JobRow:
        try:
            return self._book.end(
                self.job.id,
                ended.state,
                progress=self.job.progress,
                report=ended.report,
                error=ended.error,
                error_code=ended.error_code,
            )
        except Conflict:
            found = self._book.get(self.job.id)
            if found is None or found.state == "running":
                raise
            return found  # another service on the same state has ended it

    async def _process(self) -> _Ended:
        environment = {**os.environ, **as_environment(self._settings), "PYTHONPATH": _python_path()}
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # Ctrl-C on the service's terminal is for the service, which then asks
        )
        assert process.stdout is not None
        assert process.stderr is not None
        stopping = asyncio.create_task(self._stop_when_cancelled(process))
        try:
            report, _ = await asyncio.gather(_all(process.stdout), self._follow(process.stderr))
            code = await process.wait()
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        finally:
            stopping.cancel()
        return self._judged(code, report)

    async def _stop_when_cancelled(self, process: asyncio.subprocess.Process) -> None:
        await self._cancelled.wait()
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(STOP_SECONDS)
        process.kill()

    async def _follow(self, lines: asyncio.StreamReader) -> None:
        """Progress is kept; of complaints only the code, since the words may quote what they complain of."""
        async for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                self._remember_complaint(line.decode("utf-8", "replace"))
                continue
            progress = said.get(PROGRESS_KEY) if isinstance(said, dict) else None
            if isinstance(progress, dict):
                await self._advance(progress)

    def _remember_complaint(self, line: str) -> None:
        """The last lines of a command that could not run: what, what to do, and where to read with the code."""
        for opening, name in (("Could not run: ", "what"), ("What to do: ", "remedy"), ("More: ", "more")):
            if line.startswith(opening):
                self._complaint[name] = line.removeprefix(opening).strip()

    async def _advance(self, progress: Mapping[str, Any]) -> None:
        self._activity.note()
        seconds = time.monotonic() - self._began
        job = replace(self.job, progress={**progress, "seconds": round(seconds, 1)})
        self._tell(job)
        if time.monotonic() - self._kept_at >= KEPT_EVERY_SECONDS:
            self._kept_at = time.monotonic()
            await _in_thread(lambda: self._book.advance(job.id, job.progress))

    def _judged(self, code: int, report: bytes) -> _Ended:
        found = _counts(report)
        if self._cancelled.is_set() and code != 0:
            return _Ended("cancelled", report=found)
        if code in (0, SOME_REJECTED) and found is not None:
            return _Ended("done", report=found)
        if code == INTERRUPTED:
            return _Ended("cancelled", report=found)
        error_code = self._complaint.get("more", "").rpartition("(")[2].rstrip(")") or Unexpected.code
        return _Ended(
            "failed",
            error=f"The run ended with code {code}. See the section of {error_code} in docs/troubleshooting.md.",
            error_code=error_code,
        )


def _python_path() -> str:
    """Where this very package is, so that the process runs the same one, installed or not, from whatever folder."""
    here = str(Path(__file__).resolve().parents[3])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])


async def _all(stream: asyncio.StreamReader) -> bytes:
    """What the process prints, to the end; beyond what a report can have it is thrown away."""
    parts: list[bytes] = []
    size = 0
    while part := await stream.read(65536):
        size += len(part)
        if size <= REPORT_BYTES_MAX:
            parts.append(part)
    return b"".join(parts)


def _counts(report: bytes) -> dict[str, Any] | None:
    """The report without ids and paths."""
    try:
        found = json.loads(report)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    counts = {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {**counts, "missing": len(found.get("missing") or ()), "reasons": found.get("reasons") or {}}


async def _in_thread(work: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(None, work)
