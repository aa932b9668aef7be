"""Faults of the cloud, planted by a file that a test writes while the cloud runs.

One JSON object a line; a line that does not parse is an error of the next request, so that no fault is missed in
silence. Decides which requests a line meets; the cloud does what it says.

    {"operation": "RunInstances", "error": "InsufficientInstanceCapacity", "match": "us-east-1a"}
    {"operation": "RunInstances", "hang": 30}                    performed, answered half a minute later
    {"operation": "DeleteSubnet", "nth": 1, "error": "DependencyViolation"}
    {"operation": "CreateSnapshot", "outcome": "error", "seconds": 2}
    {"operation": "*", "drop": true, "times": 0}                 every request's line is cut, until the file changes
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict


class Fault(BaseModel):
    """One line of the file. Times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operation: str = "*"
    service: str = ""
    match: str = ""
    """Text that the request holds."""
    nth: int = 1
    """The first of the matching requests that it meets."""
    times: int = 1
    """How many it meets from there on; 0 = all."""
    error: str = ""
    message: str = ""
    status: int = 0
    """HTTP status; 0 = what AWS sends with that code. Clients try 5xx again by themselves, so plant enough `times`."""
    after: bool = False
    """Performed, and then answered with the error."""
    delay: float = 0.0
    hang: float = 0.0
    """Performed, and answered only then."""
    drop: bool = False
    outcome: str = ""
    """State in which a made thing ends, such as `error` of a snapshot."""
    seconds: float = 0.0
    """Until the made thing has its state."""


READS: Final = 3
READ_PAUSE_SECONDS: Final = 0.05
NONE: Final = Fault()


@dataclass
class Faults:
    """The lines of a file, and how often each was met. A changed line begins to count again."""

    path: Path | None
    _met: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def meets(self, service: str, operation: str, text: str) -> Fault:
        """The first line that this request meets, NONE otherwise. Counts the request for every line that fits."""
        with self._lock:
            planted = self._planted()
            self._met = {line: self._met.get(line, 0) for line in planted}
            found = NONE
            for line, fault in planted.items():
                if not _fits(fault, service, operation, text):
                    continue
                self._met[line] += 1
                past = self._met[line] - fault.nth
                if found is NONE and past >= 0 and (fault.times == 0 or past < fault.times):
                    found = fault
            return found

    def _planted(self) -> dict[str, Fault]:
        """By line. Read again where a line is no fault: it may be on its way into the file. Raises ValueError."""
        for again in range(READS):
            try:
                return {line: Fault.model_validate_json(line) for line in self._lines()}
            except ValueError:
                if again == READS - 1:
                    raise
                time.sleep(READ_PAUSE_SECONDS)
        raise AssertionError("not reached")

    def _lines(self) -> list[str]:
        if self.path is None or not self.path.exists():
            return []
        return [line for line in self.path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _fits(fault: Fault, service: str, operation: str, text: str) -> bool:
    return fault.operation in ("*", operation) and fault.service in ("", service) and (fault.match in text)
