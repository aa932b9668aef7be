"""Kept samples: bounded, private, whole after a full disk and a power cut, and untouched by a clock that jumps."""

from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.monitoring import sample_log as journals
from pipeline.monitoring.sample_log import MIB, PARTS, Journal, kept_samples, parts
from pipeline.monitoring.samples import Missing, Sample

SAMPLE = Sample(
    at="2026-11-21T08:00:00+00:00",
    boot="abc",
    elapsed_seconds=100.0,
    interval_seconds=15.0,
    took_seconds=0.1,
    clock_step_seconds=0.0,
    gpus=Missing("no driver"),
    services=(),
    containers=None,
    store=None,
    work=None,
    asked=None,
    host=None,
)


def number(count: int) -> Sample:
    return replace(SAMPLE, elapsed_seconds=100.0 + 15 * count)


def opened(folder: Path, *, keep_mib: int = 1, keep_days: int = 30) -> Journal:
    return Journal(folder, keep_mib=keep_mib, keep_days=keep_days)


def test_samples_come_back_in_their_order_and_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(tmp_path / "data") as journal:
            for each in range(5):
                journal.take(number(each))
    finally:
        os.umask(before)
    found = list(kept_samples(tmp_path / "data"))
    assert [each["elapsed_seconds"] for each in found] == [100, 115, 130, 145, 160]
    assert found[0]["gpus"] == {"missing": "no driver"}
    assert "store" not in found[0]
    folder = tmp_path / "data" / "monitor"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_size_of_all_parts_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    wide = replace(SAMPLE, gpus=Missing("x" * 4000))
    with opened(tmp_path) as journal:
        for each in range(600):
            journal.take(replace(wide, elapsed_seconds=float(each)))
    there = parts(tmp_path / "monitor")
    assert len(there) <= PARTS
    assert sum(path.stat().st_size for path in there) <= MIB
    assert [each["elapsed_seconds"] for each in kept_samples(tmp_path)][-1] == 599
    assert journal.lost == 0


def test_a_restart_goes_on_in_the_same_part(tmp_path: Path) -> None:
    for each in range(3):
        with opened(tmp_path) as journal:
            journal.take(number(each))
    assert len(parts(tmp_path / "monitor")) == 1
    assert len(list(kept_samples(tmp_path))) == 3


def test_half_a_line_of_a_power_cut_costs_that_line_only(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.take(number(0))
    (part,) = parts(tmp_path / "monitor")
    with part.open("a") as file:
        file.write('{"at":"2026-11-21T08:00:15+00:00","boot"')
    with opened(tmp_path) as journal:
        journal.take(number(2))
    assert [each["elapsed_seconds"] for each in kept_samples(tmp_path)] == [100, 130]


def test_a_full_disk_loses_samples_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a real one: some bytes of the line are taken, then there is no space; later there is."""
    write, full = os.write, [False]

    def filling(descriptor: int, text: bytes) -> int:
        if full[0]:
            write(descriptor, text[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, text)

    monkeypatch.setattr(journals.os, "write", filling)
    with opened(tmp_path) as journal:
        journal.take(number(0))
        full[0] = True
        journal.take(number(1))
        journal.take(number(2))
        assert journal.lost == 2
        assert "No space left" in journal.problem
        full[0] = False
        journal.take(number(3))
        assert journal.problem == ""
    (part,) = parts(tmp_path / "monitor")
    assert [json.loads(line)["elapsed_seconds"] for line in part.read_text().splitlines()] == [100, 145]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_device_that_is_always_full(tmp_path: Path) -> None:
    folder = tmp_path / "monitor"
    folder.mkdir()
    (folder / "samples-000001.jsonl").symlink_to("/dev/full")
    with opened(tmp_path) as journal:
        journal.take(SAMPLE)  # a link is refused: no one redirects what we write
        assert journal.lost == 1


def test_a_folder_that_may_not_be_made_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with opened(tmp_path / "data") as journal:
        journal.take(SAMPLE)
    assert journal.lost == 1
    assert journal.problem


def test_a_second_monitor_writes_nothing_and_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as first, opened(tmp_path) as second:
        first.take(number(0))
        second.take(number(1))
        assert "another monitor" in second.problem
        assert second.lost == 0
        first.close()
        second.take(number(2))
        assert second.problem == ""
    assert [each["elapsed_seconds"] for each in kept_samples(tmp_path)] == [100, 130]


def old_and_new(tmp_path: Path) -> Path:
    """A part of 40 days ago next to the one that is written."""
    folder = tmp_path / "monitor"
    folder.mkdir(parents=True)
    old = folder / "samples-000001.jsonl"
    old.write_text(SAMPLE.line() + "\n")
    (folder / "samples-000002.jsonl").write_text(SAMPLE.line() + "\n")
    then = old.stat().st_mtime - 40 * 86_400
    os.utime(old, (then, then))
    return old


def test_old_parts_go(tmp_path: Path) -> None:
    old = old_and_new(tmp_path)
    with opened(tmp_path, keep_days=30) as journal:
        journal.take(SAMPLE)
    assert not old.exists()


def test_nothing_is_dropped_for_its_age_while_the_clock_jumps(tmp_path: Path) -> None:
    """Forty days forward, and back a minute later: the samples are still there."""
    old = old_and_new(tmp_path)
    with opened(tmp_path, keep_days=30) as journal:
        journal.take(replace(SAMPLE, clock_step_seconds=40 * 86_400.0))
        assert old.exists()
        journal.take(replace(number(4), clock_step_seconds=-40 * 86_400.0))
        journal.take(number(5))
        assert old.exists()
        journal.take(replace(SAMPLE, elapsed_seconds=160.0 + journals.STEP_PAUSE_SECONDS + 1))
        assert not old.exists()
