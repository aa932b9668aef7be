"""The clock, by chrony, by timedatectl, and by neither; the Date header is in test_planted_faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.checks.clock import clock_check
from pipeline.checks.machine import ProcessResult
from tests.checks.contexts import Answer, bench


def tracking(offset: str, leap: str = "Normal") -> ProcessResult:
    return ProcessResult(
        0,
        f"A9FEA97B,169.254.169.123,4,1795248960.2,{offset},0.0000003,0.000004,-6.5,0.0,0.01,0.0004,0.0001,64,{leap}\n",
    )


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({"chronyc": tracking("0.000001")}, "pass"),
        ({"chronyc": tracking("-2.5")}, "warn"),
        ({"chronyc": tracking("-300.0")}, "fail"),
        ({"chronyc": tracking("0.0", "Not synchronised")}, "warn"),
        ({"chronyc": ProcessResult(1, "506 Cannot talk to daemon\n")}, "skip"),
        ({"chronyc": ProcessResult(0, "something else\n")}, "skip"),
        ({"timedatectl": ProcessResult(0, "yes\n")}, "pass"),
        ({"timedatectl": ProcessResult(0, "no\n")}, "warn"),
        ({"timedatectl": ProcessResult(1, "System has not been booted with systemd\n")}, "skip"),
        ({}, "skip"),
    ],
)
def test_the_best_witness_there_is(tmp_path: Path, answers: dict[str, Answer], status: str) -> None:
    found = clock_check(bench(tmp_path, programs=answers))
    assert found.status == status
    if found.error is not None:
        assert found.error.code == "CW-CHECK-CLOCK"
        assert "chrony" in found.error.remedy


def test_a_finding_says_how_sure_it_is(tmp_path: Path) -> None:
    sure = clock_check(bench(tmp_path, programs={"chronyc": tracking("0.000001")}))
    assert sure.measured["sure"] == "high"
    assert sure.measured["uncertainty_seconds"] == pytest.approx(0.0003)
    unsure = clock_check(bench(tmp_path, programs={"timedatectl": ProcessResult(0, "yes\n")}))
    assert unsure.measured["sure"] == "low"
    assert "not known" in unsure.reason
