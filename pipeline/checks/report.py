"""The report for other programs: JSON, JUnit XML, and a folder that keeps the last ones."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.checks.result import CheckResult, Report
from pipeline.storage.sqlite import storage_errors

KEPT_MAX = 50
LATEST = "latest"
_STAMP = "%Y%m%dT%H%M%SZ"
_KEPT = re.compile(r"validation-\d{8}T\d{6}Z\.(json|xml)")
# XML 1.0 has no way to write these, not even escaped.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def json_of(report: Report) -> str:
    """Every field by name. Lines are short: some readers on the way have a limit."""
    return json.dumps(dataclasses.asdict(report), ensure_ascii=False, indent=2)


def verdict_line(report: Report) -> str:
    """The verdict in one short line of JSON."""
    return json.dumps(
        {
            "verdict": report.verdict,
            "failed": [result.name for result in report.of("fail")],
            "warned": [result.name for result in report.of("warn")],
            "seconds": round(report.seconds, 1),
            "at": report.started_at,
        },
        separators=(",", ":"),
    )


def junit_of(report: Report) -> str:
    """A test suite as JUnit's readers understand it. A warning is a passed test that says so in its output."""
    suite = ET.Element(
        "testsuite",
        name="chartwell.validate",
        tests=str(len(report.results)),
        failures=str(len(report.of("fail"))),
        errors="0",
        skipped=str(len(report.of("skip"))),
        time=f"{report.seconds:.3f}",
        timestamp=report.started_at.removesuffix("+00:00"),
    )
    for result in report.results:
        suite.append(_case(result))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(result: CheckResult) -> ET.Element:
    case = ET.Element("testcase", classname="pipeline.checks", name=result.name, time=f"{result.seconds:.3f}")
    said = _UNWRITABLE.sub("�", result.message)
    if result.status == "fail":
        ET.SubElement(
            case, "failure", message=_UNWRITABLE.sub("�", result.reason), type=result.code or ""
        ).text = said
    elif result.status == "skip":
        ET.SubElement(case, "skipped", message=_UNWRITABLE.sub("�", result.reason))
    output = [f"WARNING {said}"] if result.status == "warn" else []
    output += [f"{name} = {value}" for name, value in result.measured.items()]
    if output:
        ET.SubElement(case, "system-out").text = _UNWRITABLE.sub("�", "\n".join(output))
    return case


def write(path: Path, text: str) -> None:
    """Replace the file whole. Raises StoreUnavailable where it cannot be written."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)


def keep(report: Report, folder: Path) -> Path:
    """Put the report into `folder` as JSON and JUnit XML, also as `latest`; the oldest beyond KEPT_MAX go."""
    stamp = datetime.fromisoformat(report.started_at).strftime(_STAMP)
    texts = {"json": json_of(report) + "\n", "xml": junit_of(report)}
    for kind, text in texts.items():
        write(folder / f"validation-{stamp}.{kind}", text)
        write(folder / f"{LATEST}.{kind}", text)
    kept = sorted(path for path in folder.iterdir() if _KEPT.fullmatch(path.name))
    for path in kept[: -len(texts) * KEPT_MAX]:
        path.unlink(missing_ok=True)
    return folder / f"validation-{stamp}.json"
