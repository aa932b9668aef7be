"""The errors file: whole lines, counted, and for the owner's eyes only."""

from __future__ import annotations

import json
import resource
import stat
from pathlib import Path

import pytest

from pipeline.errors import InputUnusable
from pipeline.indexing.rejections import RejectionLog
from pipeline.records import Rejection

REJECTION = Rejection(
    "notes.jsonl", "line 3", "n3", "date", "The date cannot be read.", "Write it as YYYY-MM-DD."
)


def test_each_rejection_is_a_line_there_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "run" / "errors.jsonl"
    with RejectionLog(path) as log:
        log.write(REJECTION)
        assert json.loads(path.read_text()) == {
            "source": "notes.jsonl",
            "position": "line 3",
            "resource_id": "n3",
            "field": "date",
            "reason": "The date cannot be read.",
            "remedy": "Write it as YYYY-MM-DD.",
            "whole_source": False,
            "withdrawn": False,
        }
        log.write(
            Rejection("é.txt", "", None, None, "The file is empty.", "Export it again.", whole_source=True)
        )
        log.write(REJECTION)
    assert [json.loads(line)["source"] for line in path.read_text().splitlines()] == [
        "notes.jsonl",
        "é.txt",
        "notes.jsonl",
    ]
    assert log.total == 3
    assert list(log.reasons.items()) == [("The date cannot be read.", 2), ("The file is empty.", 1)]


def test_an_older_file_is_emptied_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    path.write_text("from the run before\n")
    path.chmod(0o644)
    RejectionLog(path).close()
    assert path.read_text() == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_run_beside_another_adds_to_its_file(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    first = RejectionLog(path)
    first.write(REJECTION)
    with RejectionLog(path) as second:
        second.write(REJECTION)
        first.close()
        with RejectionLog(path) as third:
            third.write(REJECTION)
    assert len(path.read_text().splitlines()) == 3
    RejectionLog(path).close()
    assert path.read_text() == ""


def test_a_disk_without_room_says_what_to_do(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RejectionLog(tmp_path / "errors.jsonl") as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, limits[1]))
        try:
            with pytest.raises(InputUnusable, match="File too large"):
                log.write(REJECTION)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_without_a_file_it_counts() -> None:
    with RejectionLog(None) as log:
        log.write(REJECTION)
    assert log.total == 1


def test_a_file_that_cannot_be_written_says_which_option(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(InputUnusable, match="--errors FILE"):
            RejectionLog(path)


def test_half_characters_do_not_stop_the_log(tmp_path: Path) -> None:
    path = tmp_path / "errors.jsonl"
    with RejectionLog(path) as log:
        log.write(Rejection("odd\udc80name.txt", "", None, None, "The file is empty.", "Export it again."))
    assert json.loads(path.read_text())["source"] == "odd\udc80name.txt"
