"""Sends the journal of Chartwell's own units, of logins and of the kernel's warnings to CloudWatch.

ship_logs.py, with HOST_LOG_GROUP_HOST, HOST_LOG_GROUP_SERVICE and AWS_DEFAULT_REGION set. What the containers of
database and models print is never sent: it may quote a question or a note, and stays on the encrypted volume
(`docker logs`). The units here print no text of notes and questions. Goes on after the last entry that AWS took;
a network that is down delays, and loses nothing that the journal still has.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

SERVICE_UNITS = ("chartwell-containers", "chartwell-service", "chartwell-vectorize")
HOST_UNITS = (
    "chartwell-boot",
    "chartwell-front",
    "chartwell-idle",
    "chartwell-logs",
    "chartwell-monitor",
    "chartwell-spot",
    "docker",
    "ssh",
)
EMF = '{"_aws": '
MESSAGE_CHARACTERS_MAX = 8_000
BATCH_ENTRIES_MAX = 500
BATCH_HOURS_MAX = 23  # CloudWatch takes a day at most in one call
FLUSH_SECONDS = 5.0
RETRY_SECONDS_MAX = 60.0

Entry = Mapping[str, Any]


def matches() -> list[str]:
    """Arguments of journalctl; `+` is its OR."""
    units = [f"_SYSTEMD_UNIT={each}.service" for each in (*SERVICE_UNITS, *HOST_UNITS)]
    warnings = ["_TRANSPORT=kernel", *(f"PRIORITY={level}" for level in range(5))]
    return [*units, "+", "SYSLOG_IDENTIFIER=sudo", "SYSLOG_IDENTIFIER=systemd-logind", "+", *warnings]


def role_of(entry: Entry) -> str:
    """Which log group an entry belongs to."""
    unit = str(entry.get("_SYSTEMD_UNIT", "")).removesuffix(".service")
    return "service" if unit in SERVICE_UNITS else "host"


def event_of(entry: Entry) -> dict[str, Any] | None:
    """As CloudWatch wants it; None for what has no text."""
    text = entry.get("MESSAGE")
    if isinstance(text, list):  # the journal's way to write bytes that are no UTF-8
        text = bytes(text).decode(errors="replace")
    if not text or not str(text).strip():
        return None
    source = str(entry.get("_SYSTEMD_UNIT") or entry.get("SYSLOG_IDENTIFIER") or "kernel").removesuffix(
        ".service"
    )
    # A line in CloudWatch's embedded metric format is a metric only where nothing stands around it.
    message = str(text) if str(text).startswith(EMF) else f"{source}: {text}"[:MESSAGE_CHARACTERS_MAX]
    return {"timestamp": int(entry["__REALTIME_TIMESTAMP"]) // 1000, "message": message}


class Shipper:
    """Sends entries in batches to one stream of each group, and notes how far it is."""

    def __init__(self, client: Any, groups: Mapping[str, str], stream: str, cursor: Path) -> None:
        self._client = client
        self._groups = groups
        self._stream = stream
        self._cursor = cursor

    def send(self, entries: Iterable[Entry]) -> None:
        """Raises botocore's errors; nothing is noted then, and the same entries may be sent again."""
        events: dict[str, list[dict[str, Any]]] = {}
        last = None
        for entry in entries:
            last = str(entry["__CURSOR"])
            if event := event_of(entry):
                events.setdefault(role_of(entry), []).append(event)
        for role, found in events.items():
            for batch in _within_hours(sorted(found, key=lambda each: each["timestamp"])):
                self._put(self._groups[role], batch)
        if last:
            draft = self._cursor.with_suffix(".new")
            draft.write_text(last)
            draft.replace(self._cursor)

    def _put(self, group: str, batch: list[dict[str, Any]]) -> None:
        where = {"logGroupName": group, "logStreamName": self._stream}
        try:
            self._client.put_log_events(**where, logEvents=batch)
        except self._client.exceptions.ResourceNotFoundException:
            self._client.create_log_stream(**where)
            self._client.put_log_events(**where, logEvents=batch)


def _within_hours(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    batches: list[list[dict[str, Any]]] = []
    for event in events:
        if not batches or event["timestamp"] - batches[-1][0]["timestamp"] > BATCH_HOURS_MAX * 3_600_000:
            batches.append([])
        batches[-1].append(event)
    return batches


def follow(cursor: Path) -> subprocess.Popen[str]:
    start = [f"--after-cursor={cursor.read_text().strip()}"] if cursor.exists() else ["--boot", "--lines=all"]
    words = ["journalctl", "--follow", "--output=json", "--quiet", *start, *matches()]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, errors="replace")


def run(process: subprocess.Popen[str], shipper: Shipper) -> int:
    """Until the journal ends. An entry waits `FLUSH_SECONDS` at most."""
    lines: queue.Queue[str | None] = queue.Queue(maxsize=4 * BATCH_ENTRIES_MAX)

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    with process:
        while batch := _next_batch(lines):
            patiently(shipper, batch)
    return process.returncode


def _next_batch(lines: queue.Queue[str | None]) -> list[Entry]:
    """What came within `FLUSH_SECONDS` of the first entry; empty once the journal has ended."""
    batch: list[Entry] = []
    line = lines.get()
    until = time.monotonic() + FLUSH_SECONDS
    while line is not None:
        batch.append(json.loads(line))
        left = until - time.monotonic()
        if len(batch) >= BATCH_ENTRIES_MAX or left <= 0:
            return batch
        try:
            line = lines.get(timeout=left)
        except queue.Empty:
            return batch
    if batch:
        lines.put(None)  # the end is found again after this batch
    return batch


def patiently(shipper: Shipper, batch: list[Entry]) -> None:
    """The same batch until AWS takes it; the journal keeps what comes meanwhile."""
    pause = 1.0
    while batch:
        try:
            shipper.send(batch)
            return
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            sys.stderr.write(f"logs wait: {type(error).__name__}: {str(error)[:200]}\n")
            sys.stderr.flush()
            time.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)


def main() -> int:
    cursor = Path(os.environ["STATE_DIRECTORY"]) / "cursor"
    instance = (
        Path(os.environ.get("HOST_INSTANCE_ID_FILE", "/var/lib/cloud/data/instance-id")).read_text().strip()
    )
    groups = {"host": os.environ["HOST_LOG_GROUP_HOST"], "service": os.environ["HOST_LOG_GROUP_SERVICE"]}
    return run(follow(cursor), Shipper(boto3.client("logs"), groups, instance, cursor))


if __name__ == "__main__":
    sys.exit(main())
