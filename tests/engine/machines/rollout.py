"""Every step of the roll-out, run on a host over SSH in the program's own order.

Decides nothing of the steps: they are the commands and copies that the program registers, taken down by the recording
monitor (tests/infra/recording.py). Stands in for the engine and its provider where only the host is to be looked at.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.ssh import Session, SshError, dialled
from tests.infra.recording import Recorded

COMMAND, COPY = "command:remote:Command", "command:remote:CopyToRemote"


@dataclass(frozen=True)
class StepResult:
    """What one step did. `output` is what it printed."""

    name: str
    exit: int
    seconds: float
    output: str


def run_steps(recorded: Recorded, connection: Mapping[str, Any]) -> Iterator[StepResult]:
    """Run them all until one fails. `connection` as `command:remote` takes it."""
    for each in recorded.resources:
        if each.type not in (COMMAND, COPY):
            continue
        began = time.monotonic()
        code, output = _run(each.type, each.props, connection)
        yield StepResult(each.name, code, time.monotonic() - began, output)
        if code:
            return


def _run(kind: str, inputs: Mapping[str, Any], connection: Mapping[str, Any]) -> tuple[int, str]:
    try:
        with dialled(connection) as session:
            if kind == COPY:
                return _copy(session, inputs)
            code, out, error = session.run(inputs["create"], inputs.get("stdin", ""), lambda _: None)
            return code, "\n".join(each for each in (out, error) if each)
    except SshError as problem:
        return 255, str(problem)


def _copy(session: Session, inputs: Mapping[str, Any]) -> tuple[int, str]:
    session.copy(Path(inputs["source"]["path"]), inputs["remotePath"])
    return 0, ""
