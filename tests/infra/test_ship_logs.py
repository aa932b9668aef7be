"""The journal's way to CloudWatch: an account of moto's and a stand-in for journalctl."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import botocore.exceptions
import moto
import pytest

WATCH = Path(__file__).resolve().parents[2] / "cloud-init" / "watch"
GROUPS = {"host": "/chartwell/dev/host", "service": "/chartwell/dev/service"}
NOW_MS = 1_795_000_000_000


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ship_logs", WATCH / "ship_logs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHIP = loaded()


def entry(number: int, text: object, unit: str = "", **more: str) -> dict[str, Any]:
    found = {"__CURSOR": f"c{number}", "__REALTIME_TIMESTAMP": str((NOW_MS + number) * 1000), "MESSAGE": text}
    return found | ({"_SYSTEMD_UNIT": f"{unit}.service"} if unit else {}) | more


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with moto.mock_aws():
        client = boto3.client("logs", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
        for group in GROUPS.values():
            client.create_log_group(logGroupName=group)
        yield client


def received(logs: Any, role: str) -> list[str]:
    streams = logs.describe_log_streams(logGroupName=GROUPS[role])["logStreams"]
    return [
        event["message"]
        for each in streams
        for event in logs.get_log_events(
            logGroupName=GROUPS[role], logStreamName=each["logStreamName"], startFromHead=True
        )["events"]
    ]


def journal(*entries: dict[str, Any]) -> subprocess.Popen[str]:
    """A journalctl that ends after these."""
    text = "\n".join(map(json.dumps, entries))
    return subprocess.Popen(["printf", "%s\n", text], stdout=subprocess.PIPE, text=True)


def test_entries_arrive_in_the_group_of_their_unit_and_the_place_is_kept(logs: Any, tmp_path: Path) -> None:
    shipper = SHIP.Shipper(logs, GROUPS, "i-0abc", tmp_path / "cursor")
    code = SHIP.run(
        journal(
            entry(1, "boot ready", "chartwell-boot"),
            entry(2, "12 notes accepted", "chartwell-vectorize"),
            entry(3, "pam_unix(sudo:session): session opened", SYSLOG_IDENTIFIER="sudo"),
            entry(4, [78, 86, 82, 77, 255], SYSLOG_IDENTIFIER="kernel"),
            entry(5, "  "),
        ),
        shipper,
    )
    assert code == 0
    assert received(logs, "service") == ["chartwell-vectorize: 12 notes accepted"]
    assert received(logs, "host") == [
        "chartwell-boot: boot ready",
        "sudo: pam_unix(sudo:session): session opened",
        "kernel: NVRM\ufffd",
    ]
    assert (tmp_path / "cursor").read_text() == "c5"


def test_the_containers_are_not_asked_for() -> None:
    """Their output may quote a question or a note."""
    asked = SHIP.matches()
    assert not [each for each in asked if "CONTAINER" in each or "containerd" in each]
    daemon = (WATCH.parent / "boot" / "docker.sh").read_text()
    assert '"log-driver": "local"' in daemon, "another driver would put their output into the journal"


def test_a_silent_network_delays_and_loses_nothing(
    logs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Flaky:
        def __init__(self) -> None:
            self.failures = 2
            self.exceptions = logs.exceptions

        def __getattr__(self, name: str) -> Any:
            return getattr(logs, name)

        def put_log_events(self, **more: Any) -> Any:
            if self.failures:
                self.failures -= 1
                raise botocore.exceptions.EndpointConnectionError(endpoint_url="logs")
            return logs.put_log_events(**more)

    slept: list[float] = []
    monkeypatch.setattr(SHIP.time, "sleep", slept.append)
    shipper = SHIP.Shipper(Flaky(), GROUPS, "i-0abc", tmp_path / "cursor")
    SHIP.run(journal(entry(1, "one", "ssh"), entry(2, "two", "ssh")), shipper)
    assert received(logs, "host") == ["ssh: one", "ssh: two"]
    assert slept == [1.0, 2.0]


def test_a_batch_spans_less_than_a_day_and_a_line_is_cut() -> None:
    events = [{"timestamp": NOW_MS + hour * 3_600_000, "message": "x"} for hour in range(0, 72, 6)]
    batches = SHIP._within_hours(events)
    assert [len(each) for each in batches] == [4, 4, 4]
    assert len(SHIP.event_of(entry(1, "x" * 100_000, "ssh"))["message"]) == SHIP.MESSAGE_CHARACTERS_MAX


@pytest.mark.parametrize(("cursor", "start"), [("", "--boot"), ("s=1;i=2", "--after-cursor=s=1;i=2")])
def test_it_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cursor: str, start: str
) -> None:
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if cursor:
        (tmp_path / "cursor").write_text(cursor)
    process = SHIP.follow(tmp_path / "cursor")
    assert start in process.communicate()[0].splitlines()


def test_it_runs_on_its_own_imports() -> None:
    done = subprocess.run(
        [sys.executable, "-B", str(WATCH / "ship_logs.py")],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "KeyError: 'STATE_DIRECTORY'" in done.stderr
