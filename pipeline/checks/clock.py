"""The clock. Signatures to AWS, certificates, leases and the audit trail rest on it.

chrony knows best: it compares all the time. Else the Date header of a server on another machine, which tells whole
seconds. A server on this machine has this machine's clock and proves nothing. Every finding says how sure it is.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pipeline.checks.context import CheckContext
from pipeline.checks.endpoints import look
from pipeline.checks.errors import ClockWrong
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.errors import ChartwellError
from pipeline.monitoring.thresholds import clock_level

DATE_SECONDS = 1.0
"""Resolution of a Date header (RFC 9110, 5.6.7)."""
TRACKING_FIELDS = 14
PROGRAM_SECONDS_MAX = 5.0

_CURE = (
    "Let the time service set it: sudo systemctl restart chrony, then chronyc makestep; chronyc sources must "
    "list one that answers (on EC2 169.254.169.123)."
)


def clock_check(context: CheckContext) -> Finding:
    """How far this machine's clock is off, by the best witness there is."""
    if context.vantage != "outside" and (found := _by_chrony(context)) is not None:
        return found
    if (found := _by_date_header(context)) is not None:
        return found
    if context.vantage != "outside" and (found := _by_timedatectl(context)) is not None:
        return found
    return skipped("no witness: no chrony here, and no server on another machine is configured")


def _by_chrony(context: CheckContext) -> Finding | None:
    """`chronyc -c tracking`: comma-separated, the fifth field is the offset in seconds, the last the leap status."""
    done = context.machine.run(["chronyc", "-n", "-c", "tracking"], PROGRAM_SECONDS_MAX)
    fields = done.output.strip().split(",") if done is not None and not done.code else []
    if len(fields) != TRACKING_FIELDS:
        return None
    try:
        off, dispersion = float(fields[4]), float(fields[10]) / 2 + float(fields[11])
    except ValueError:
        return None
    if fields[-1].strip() == "Not synchronised":
        return warned(
            ClockWrong("chrony has no source of the time.", remedy=_CURE),
            witness="chrony",
            synchronised=False,
        )
    return _judged(off, dispersion, "chrony")


def _by_date_header(context: CheckContext) -> Finding | None:
    for name, url in context.urls().items():
        if context.here(url) or (name == "service" and context.vantage == "host"):
            continue
        before = context.machine.now()
        started = time.monotonic()
        try:
            seen = look(url)
        except ChartwellError:
            continue  # the check of that server reports it
        took = time.monotonic() - started
        if seen.date:
            stated = parsedate_to_datetime(seen.date).timestamp()
            # The server's second began up to DATE_SECONDS before it answered, somewhere within our `took`.
            off = before + took / 2 - (stated + DATE_SECONDS / 2)
            return _judged(off, DATE_SECONDS / 2 + took / 2, f"the Date header of {urlsplit(url).hostname}")
    return None


def _by_timedatectl(context: CheckContext) -> Finding | None:
    done = context.machine.run(
        ["timedatectl", "show", "--property=NTPSynchronized", "--value"], PROGRAM_SECONDS_MAX
    )
    said = done.output.strip() if done is not None and not done.code else ""
    if said == "yes":
        return passed(
            "synchronised, by its own word; by how much it is off is not known",
            witness="timedatectl",
            sure="low",
            synchronised=True,
        )
    if said == "no" and context.vantage == "host":
        return warned(
            ClockWrong("The time service says that the clock is not synchronised.", remedy=_CURE),
            witness="timedatectl",
            synchronised=False,
        )
    return None


def _judged(off: float, uncertainty: float, witness: str) -> Finding:
    measured: dict[str, str | int | float | bool | None] = {
        "offset_seconds": round(off, 6),
        "uncertainty_seconds": round(uncertainty, 6),
        "witness": witness,
        "sure": "high" if witness == "chrony" else "medium",
    }
    said = f"off by {abs(off):.3g} s ± {uncertainty:.2g} s, by {witness}"
    error = ClockWrong(f"This machine's clock is {said}.", remedy=_CURE)
    level = clock_level(max(0.0, abs(off) - uncertainty))
    if level == "fail":
        return failed(error, **measured)
    return warned(error, **measured) if level else passed(said, **measured)
