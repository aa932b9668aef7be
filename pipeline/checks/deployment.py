"""All checks of one deployment, from its settings to the report: what the command, the test suite and the service
call."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.checks.context import CheckContext
from pipeline.checks.machine import Machine, vantage_of
from pipeline.checks.registry import CHECKS
from pipeline.checks.result import Report
from pipeline.checks.runner import CheckObserver, chosen, run_checks
from pipeline.config import Settings, load_settings
from pipeline.embedding_spaces import serving


def validate(
    settings: Settings | None = None,
    *,
    stack: str | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    outside: bool = False,
    machine: Machine | None = None,
    observer: CheckObserver | None = None,
) -> Report:
    """Run the checks and report; nothing that a check finds is raised.

    Raises SettingsInvalid where there are no settings to check by, InputUnusable for an unknown name.
    """
    checks = chosen(CHECKS, only, skip)
    settings = settings or load_settings(stack=stack)
    vantage = vantage_of(settings, stack, outside=outside)
    with (
        serving(settings) as serves,
        CheckContext(serves, settings, vantage, machine or Machine()) as context,
    ):
        return run_checks(context, checks, stack=stack, observer=observer)
