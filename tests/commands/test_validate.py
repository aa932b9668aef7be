"""The command line of validate, and the same checks as a suite of pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from pipeline import validate as command
from pipeline import vectorize
from pipeline.checks.registry import CHECKS

ROOT = Path(__file__).resolve().parents[2]
NAMES = [check.name for check in CHECKS]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded default, with the embedder without weights, on one note."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    source = tmp_path / "notes.json"
    note = {"resource_id": "n1", "patient_id": "p", "document_type": "note", "text_content": "A dry cough."}
    source.write_text(json.dumps([note]))
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0


def validate(*arguments: str) -> Result:
    # What this machine has of drivers, clocks and disks is no matter of this suite.
    machine = ("gpu_check", "docker_gpu_check", "disk_check", "clock_check")
    left_out = [] if "--only" in arguments else [word for name in machine for word in ("--skip", name)]
    return CliRunner().invoke(command.app, [*left_out, *arguments])


def test_the_embedded_default_works_and_what_it_lacks_is_not_checked() -> None:
    done = validate()
    assert done.exit_code == 0, done.output
    assert "This deployment works: 6 passed, 11 skipped" in done.output
    assert "not checked:" in done.output
    assert "nim_llm_health_check: answers come from extractive, not from a NIM" in done.output


def test_a_failure_is_exit_1_and_prints_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_CHECKS__VOLUME", str(tmp_path / "volume"))
    done = validate()
    assert done.exit_code == 1
    assert "volume_check: Nothing is mounted" in done.output
    assert "What to do: Stop the containers" in done.output
    assert "More: docs/troubleshooting.md#cw-check-volume (CW-CHECK-VOLUME)" in done.output
    assert "does NOT work as it should" in done.output


def test_json_is_the_whole_report_and_nothing_else() -> None:
    done = validate("--json")
    report = json.loads(done.stdout)
    assert report["verdict"] == "pass"
    assert [result["name"] for result in report["results"]] == [
        name for name in NAMES if name not in ("gpu_check", "docker_gpu_check", "disk_check", "clock_check")
    ]
    assert all({"status", "reason", "seconds", "measured"} <= set(result) for result in report["results"])


def test_only_and_skip() -> None:
    done = validate("--only", "store_check", "--only", "embedding_check", "--json")
    assert [result["name"] for result in json.loads(done.stdout)["results"]] == [
        "store_check",
        "embedding_check",
    ]
    done = validate("--skip", "end_to_end_check", "--json")
    assert "end_to_end_check" not in {result["name"] for result in json.loads(done.stdout)["results"]}


def test_an_unknown_check_is_exit_2_with_the_names_there_are() -> None:
    done = validate("--only", "store_chek")
    assert done.exit_code == 2
    assert "There is no check named store_chek" in done.output
    assert "end_to_end_check" in done.output


def test_wrong_settings_are_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_STORE__KIND", "shoebox")
    assert validate().exit_code == 2


def test_strict_makes_a_warning_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "nothing-indexed"))
    assert validate().exit_code == 0
    assert validate("--strict").exit_code == 1


def test_files(tmp_path: Path) -> None:
    done = validate("--junit", str(tmp_path / "out" / "r.xml"), "--keep", str(tmp_path / "kept"))
    assert done.exit_code == 0, done.output
    suite = ET.parse(tmp_path / "out" / "r.xml").getroot().find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "0"
    assert json.loads((tmp_path / "kept" / "latest.json").read_text())["verdict"] == "pass"


def test_a_file_that_cannot_be_written_is_exit_75_or_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = validate("--junit", str(tmp_path / "file" / "r.xml"))
    assert done.exit_code in (2, 75)
    assert "cannot be opened" in done.output


def test_the_list_names_every_check_and_runs_none() -> None:
    done = validate("--list")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines()] == NAMES


def test_a_stack_is_seen_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    variables = {"CHARTWELL_EMBEDDER__PROVIDER": "hashing", "CHARTWELL_CHECKS__GPU": "required"}
    program.write_text(f"#!/bin/sh\necho '{json.dumps(variables)}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    done = validate("--stack", "dev", "--only", "gpu_check", "--only", "disk_check", "--json")
    report = json.loads(done.stdout)
    assert (report["stack"], report["vantage"]) == ("dev", "outside")
    assert {result["status"] for result in report["results"]} == {"skip"}
    assert "on the host" in report["results"][0]["reason"]
    done = validate("--stack", "dev")
    assert "This deployment of stack dev works" in done.output
    assert "seen from outside" in done.output


# --- as a suite of pytest


def pytest_suite(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--pyargs",
            "pipeline.checks",
            "-p",
            "no:cacheprovider",
            "-rs",
            "-k",
            "not disk",
            "-q",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.long
def test_the_checks_are_a_suite_for_other_peoples_ci(tmp_path: Path) -> None:
    # No program of this machine is found, and its disk is not looked at: what it has is no matter of this suite.
    done = pytest_suite(
        tmp_path,
        CHARTWELL_CHECKS__GPU="none",
        CHARTWELL_CHECKS__VOLUME=str(tmp_path / "volume"),
        PATH="/nowhere",
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 6 passed, 13 skipped" in done.stdout
    assert "(CHARTWELL_CHECKS__GPU=none)" in done.stdout
    assert "What to do: Stop the containers" in done.stdout
    assert "Traceback" not in done.stdout


def test_our_own_suite_does_not_collect_it() -> None:
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    suite = ROOT / "pipeline" / "checks" / "test_deployment.py"
    assert suite.is_file()
    assert not any(suite.is_relative_to(ROOT / path) for path in paths)
