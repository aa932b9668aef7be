"""The page for operators agrees with what it speaks of: alerts, exit codes' commands, limits."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from pipeline.monitoring import thresholds

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ALERTS = ROOT / "docs" / "monitoring" / "rules" / "alerts.yml"


def alerts() -> dict[str, dict[str, object]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_alert_is_explained_with_its_severity_and_no_other() -> None:
    rows = re.findall(r"^\| (Chartwell\w+) \| (\w+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert {name: severity for name, severity, *_ in rows} == {
        name: rule["labels"]["severity"]  # type: ignore[index]
        for name, rule in alerts().items()
    }
    assert all(len(part.strip()) > 15 for _, _, *parts in rows for part in parts)


def test_the_aws_alarms_are_those_of_the_stack() -> None:
    source = (ROOT / "infra" / "components" / "alarms.py").read_text(encoding="utf-8")
    labels = set(re.findall(r'\("(\w+)", "StatusCheckFailed', source)) | {"hardware", "idle"}
    table = PAGE[PAGE.index("From AWS, by mail") :].split("\n\n")[1]
    assert set(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) - {"alarm"} == labels | {"budget"}


def test_limits_of_the_monitor_and_of_the_rules_agree() -> None:
    rules = alerts()
    assert f">= {thresholds.DISK_WARN:g}" in str(rules["ChartwellDiskFull"]["expr"])
    assert f">= {thresholds.GPU_CELSIUS_WARN}" in str(rules["ChartwellGpuHot"]["expr"])
    for said in (
        f"disk and inodes {thresholds.DISK_WARN:.0%} and {thresholds.DISK_FAIL:.0%}",
        f"memory {thresholds.MEMORY_WARN:.0%}",
    ):
        assert said.replace("%", " %") in PAGE, said
    assert f"GPU {thresholds.GPU_CELSIUS_WARN} °C" in PAGE


def test_an_incident_has_a_checklist() -> None:
    incidents = PAGE[PAGE.index("## Incidents") :]
    for part in re.split(r"^### ", incidents, flags=re.MULTILINE)[1:]:
        assert part.count("- [ ]") >= 2, part.splitlines()[0]
