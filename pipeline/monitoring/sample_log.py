"""Samples in files: JSON Lines, 0600, in parts that are bounded by size and age together.

Decides what is dropped and when. A sample that cannot be written (disk full) is counted and left out, the file stays
whole, and the next one is tried again. After the wall clock jumped nothing is dropped for its age for an hour: a clock
that is wrong for a minute must not cost a month of samples.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.logs import LOGGER
from pipeline.monitoring.samples import Sample

FOLDER = "monitor"
PART = "samples-{:06d}.jsonl"
PARTS_GLOB = "samples-*.jsonl"
PARTS = 16
"""Parts that all samples are kept in: the oldest sixteenth is what a rotation drops."""
MIB = 1024 * 1024
DAY_SECONDS = 86_400.0
STEP_PAUSE_SECONDS = 3600.0
LOCK = ".recording"


class Journal:
    """Writes the samples of one monitor. A second one in the same folder is told so and writes nothing."""

    def __init__(self, data_dir: Path, *, keep_mib: int, keep_days: int) -> None:
        self._folder = data_dir / FOLDER
        self._part_bytes = max(1, keep_mib * MIB // PARTS)
        self._keep_seconds = keep_days * DAY_SECONDS
        self._descriptor: int | None = None
        self._lock: int | None = None
        self._size = 0
        self._no_ageing_until = 0.0
        self.lost = 0
        """Samples that could not be written."""
        self.problem = ""
        """Why nothing is written at this moment; empty where all is well."""

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, sample: Sample) -> None:
        """Append one sample; never raises for a disk or a folder that refuses."""
        if sample.clock_step_seconds:
            self._no_ageing_until = sample.elapsed_seconds + STEP_PAUSE_SECONDS
        line = f"{sample.line()}\n".encode()
        try:
            if not self._begin():
                return
            if self._size + len(line) > self._part_bytes:
                self._next_part()
            self._append(line)
            self._drop(sample)
        except OSError as error:
            self._lose(error)
        else:
            self.problem = ""

    def _begin(self) -> bool:
        """Take the folder and its newest part; False where another monitor has it."""
        if self._descriptor is not None:
            return True
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock is None:
            lock = os.open(self._folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                self.problem = "another monitor records into this folder"
                return False
            self._lock = lock
        there = parts(self._folder)
        self._open(there[-1] if there else self._folder / PART.format(1))
        return True

    def _open(self, path: Path) -> None:
        flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size
        if self._size and os.pread(descriptor, 1, self._size - 1) != b"\n":
            # A power cut left half a line. It stays, is skipped by readers, and must not spoil the next one.
            self._append(b"\n")

    def _append(self, line: bytes) -> None:
        """All of it or nothing: what a full disk took of a line is taken back."""
        assert self._descriptor is not None
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def _next_part(self) -> None:
        number = int(parts(self._folder)[-1].stem.rpartition("-")[2]) + 1
        self._close_part()
        self._open(self._folder / PART.format(number))

    def _drop(self, sample: Sample) -> None:
        *old, _ = parts(self._folder)
        for path in old[: max(0, len(old) + 1 - PARTS)]:
            path.unlink(missing_ok=True)
        if sample.elapsed_seconds < self._no_ageing_until:
            return
        newest = parts(self._folder)[-1].stat().st_mtime
        for path in old:
            if path.exists() and newest - path.stat().st_mtime > self._keep_seconds:
                path.unlink(missing_ok=True)

    def _lose(self, error: OSError) -> None:
        self.lost += 1
        problem = f"samples are not kept: {error.strerror}"
        if problem != self.problem:
            LOGGER.warning("samples are not kept", extra={"errno": error.errno, "lost": self.lost})
        self.problem = problem
        self._close_part()

    def _close_part(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def close(self) -> None:
        self._close_part()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def parts(folder: Path) -> list[Path]:
    """The parts that are there, oldest first."""
    return sorted(folder.glob(PARTS_GLOB))


def kept_samples(data_dir: Path) -> Iterator[Mapping[str, Any]]:
    """Every kept sample, oldest first. Lines that are not whole are skipped."""
    for path in parts(data_dir / FOLDER):
        try:
            lines = path.open(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # dropped by the monitor meanwhile
            continue
        with lines:
            for line in lines:
                try:
                    found = json.loads(line)
                except ValueError:
                    continue
                if isinstance(found, dict) and "elapsed_seconds" in found:
                    yield found
