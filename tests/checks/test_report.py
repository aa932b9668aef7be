"""The report for other programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.checks.report import KEPT_MAX, json_of, junit_of, keep, verdict_line
from pipeline.checks.result import CheckResult, Report, verdict_of

RESULTS = (
    CheckResult("a_check", "pass", "fine", 0.25, {"width": 1024}),
    CheckResult(
        "b_check",
        "fail",
        'it says "<no>" & \x1b[31mworse\x00',
        1.5,
        {},
        "Do this.",
        "CW-CHECK-DISK",
        "docs/troubleshooting.md#cw-check-disk",
    ),
    CheckResult("c_check", "skip", "Not tried: b_check failed.", 0.0, because_of="b_check"),
    CheckResult(
        "d_check", "warn", "soon", 0.1, {"days_left": 5}, "Renew.", "CW-CHECK-CERTIFICATE", "docs/x#y"
    ),
)
REPORT = Report("fail", "2026-11-21T08:16:24+00:00", 2.0, "host", "dev", "0.1.0", RESULTS)


def test_junit_is_what_its_readers_expect() -> None:
    suite = ET.fromstring(junit_of(REPORT)).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    cases = {case.get("name"): case for case in suite}
    failure = cases["b_check"].find("failure")
    assert failure is not None
    assert failure.get("type") == "CW-CHECK-DISK"
    assert "What to do: Do this." in str(failure.text)
    assert cases["c_check"].find("skipped") is not None
    assert cases["d_check"].find("failure") is None
    assert "WARNING d_check: soon" in str(cases["d_check"].findtext("system-out"))
    assert cases["a_check"].findtext("system-out") == "width = 1024"
    assert cases["a_check"].get("time") == "0.250"


def test_json_holds_every_field_in_short_lines() -> None:
    text = json_of(REPORT)
    assert json.loads(text)["results"][1]["section"] == "docs/troubleshooting.md#cw-check-disk"
    assert max(map(len, text.splitlines())) < 1_000


def test_the_verdict_is_one_line() -> None:
    line = verdict_line(REPORT)
    assert "\n" not in line
    assert json.loads(line) == {
        "verdict": "fail",
        "failed": ["b_check"],
        "warned": ["d_check"],
        "seconds": 2.0,
        "at": REPORT.started_at,
    }


def test_the_worst_result_is_the_verdict() -> None:
    assert verdict_of(RESULTS) == "fail"
    assert verdict_of((RESULTS[0], RESULTS[3])) == "warn"
    assert verdict_of((RESULTS[0], RESULTS[2])) == "pass"


def test_the_last_reports_are_kept_private_and_the_latest_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "notes-of-somebody.json").write_text("{}")
    for minute in range(KEPT_MAX + 3):
        path = keep(
            replace(REPORT, started_at=f"2026-11-21T{minute // 60:02}:{minute % 60:02}:00+00:00"), tmp_path
        )
    kept = sorted(each.name for each in tmp_path.iterdir())
    assert len([name for name in kept if name.startswith("validation-")]) == 2 * KEPT_MAX
    assert path.name == f"validation-20261121T00{KEPT_MAX + 2}00Z.json"
    assert "validation-20261121T000200Z.json" not in kept
    assert "notes-of-somebody.json" in kept
    assert (tmp_path / "latest.json").read_text() == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
