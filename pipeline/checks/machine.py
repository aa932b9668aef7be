"""The machine that checks run on: its programs, file systems and clock, as values that a test can replace.

Decides from where a deployment is looked at. Knows no check.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.config import Settings
from pipeline.monitoring.probes.gpu import GpuFault, read_gpus
from pipeline.monitoring.probes.host import FileSystemNumbers
from pipeline.monitoring.samples import Gpus

Vantage = Literal["host", "outside", "local"]
VOLUME_MARK = ".chartwell-volume"
"""Written by cloud-init/boot/disk.sh at the top of a stack's data volume."""
OUTPUT_CHARACTERS_MAX = 100_000
TIMED_OUT = 124


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """What a program said."""

    code: int
    output: str
    """Standard output, then standard error."""

    @property
    def first_line(self) -> str:
        """For messages: short, and only for programs that print no secret."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[0][:200] if lines else "it said nothing"


def run_program(words: Sequence[str], timeout_seconds: float) -> ProcessResult | None:
    """Run a program of this machine; None where there is no such program. Never raises for what it does."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        return ProcessResult(TIMED_OUT, f"no answer within {timeout_seconds:g} s")
    except OSError as error:
        return ProcessResult(126, str(error.strerror))
    return ProcessResult(done.returncode, (done.stdout + done.stderr)[:OUTPUT_CHARACTERS_MAX])


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, unless told otherwise."""

    root: Path = Path("/")
    """Where /proc, /sys and /var are."""
    statvfs: Callable[[Path], FileSystemNumbers] = os.statvfs
    run: Callable[[Sequence[str], float], ProcessResult | None] = run_program
    now: Callable[[], float] = time.time
    gpus: Callable[[], Gpus | GpuFault] = read_gpus

    def read(self, path: str) -> str:
        """A small file below `root`, "" where it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""


def vantage_of(settings: Settings, stack: str | None, *, outside: bool = False) -> Vantage:
    """The host, where the deployment's data volume carries its mark; outside, for a stack whose volume is not here."""
    volume = settings.checks.volume
    if outside:
        return "outside"
    if volume is not None and (volume / VOLUME_MARK).exists():
        return "host"
    if stack is not None:
        return "outside"
    return "local" if volume is None else "host"
