"""The checks as tests, for a CI of your own: `pytest --pyargs pipeline.checks`.

Settings come from the environment and `.env` as for every command; VALIDATE_STACK=dev takes them from that stack,
through the tunnel. All checks run side by side once; each test then tells what became of one of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import pytest

from pipeline.checks.deployment import validate
from pipeline.checks.registry import CHECKS
from pipeline.checks.result import Report


class CheckWarning(UserWarning):
    """A check found something that is not wrong yet."""


@pytest.fixture(scope="session")
def deployment() -> Report:
    """The report of one run of all checks."""
    return validate(stack=os.environ.get("VALIDATE_STACK") or None)


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_check(name: str, deployment: Report, record_property: Callable[[str, object], None]) -> None:
    result = deployment.result(name)
    for measured, value in result.measured.items():
        record_property(measured, value)
    if result.status == "skip":
        pytest.skip(result.reason)
    if result.status == "fail":
        pytest.fail(result.message, pytrace=False)
    if result.status == "warn":
        warnings.warn(CheckWarning(result.message), stacklevel=1)
