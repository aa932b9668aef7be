"""What a check hands back, and what all of them together say. Plain records: knows no check and prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pipeline.errors import ChartwellError

Status: TypeAlias = Literal["pass", "warn", "fail", "skip"]
Measured: TypeAlias = Mapping[str, str | int | float | bool | None]
"""Values by name, units at the end of the name. Never note or question text, never a secret."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, before the runner adds name and time."""

    status: Status
    reason: str
    measured: Measured = field(default_factory=dict)
    error: ChartwellError | None = None
    blocks: frozenset[str] | None = None
    """Checks that need not be tried after this failure; None: all that depend on this one."""


def passed(reason: str, **measured: str | int | float | bool | None) -> Finding:
    return Finding("pass", reason, measured)


def skipped(reason: str, **measured: str | int | float | bool | None) -> Finding:
    """Nothing to check here, or not from here. Not for what could not be checked because something is broken."""
    return Finding("skip", reason, measured)


def warned(error: ChartwellError, **measured: str | int | float | bool | None) -> Finding:
    return Finding("warn", error.what, measured, error)


def failed(error: ChartwellError, **measured: str | int | float | bool | None) -> Finding:
    return Finding("fail", error.what, measured, error)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the report."""

    name: str
    status: Status
    reason: str
    """What was found, in one sentence; for a skipped check, why it was skipped."""
    seconds: float
    measured: Measured = field(default_factory=dict)
    remedy: str | None = None
    code: str | None = None
    section: str | None = None
    """Where the documentation explains the finding, as path and anchor."""
    because_of: str | None = None
    """The failed check on whose account this one was not tried."""

    @property
    def message(self) -> str:
        """Finding, cure and section as one paragraph."""
        cure = f" What to do: {self.remedy}" if self.remedy else ""
        more = f" [{self.code}, see {self.section}]" if self.code else ""
        return f"{self.name}: {self.reason}{cure}{more}"


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run, in the order of the catalogue."""

    verdict: Literal["pass", "warn", "fail"]
    started_at: str
    """ISO 8601, UTC."""
    seconds: float
    vantage: str
    """Where it was looked from: "host", "outside" (through the tunnel) or "local"."""
    stack: str | None
    version: str
    results: tuple[CheckResult, ...]

    def of(self, status: Status) -> list[CheckResult]:
        return [result for result in self.results if result.status == status]

    def result(self, name: str) -> CheckResult:
        """Raises KeyError for a check that was not asked for."""
        return {result.name: result for result in self.results}[name]


def verdict_of(results: tuple[CheckResult, ...]) -> Literal["pass", "warn", "fail"]:
    found = {result.status for result in results}
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"
