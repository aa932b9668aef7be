"""The runner: order, deadlines, causes, and what a check does that breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.call_context import cancellation
from pipeline.checks.context import CheckContext
from pipeline.checks.errors import DiskNearlyFull
from pipeline.checks.registry import CHECKS
from pipeline.checks.result import Finding, Report, failed, passed, skipped
from pipeline.checks.runner import Check, chosen, run_checks
from pipeline.errors import InputUnusable
from tests.checks.contexts import bench

ROOT = Path(__file__).resolve().parents[2]
FULL = DiskNearlyFull("It is full.", remedy="Make room.")


def check(name: str, find: Callable[[CheckContext], Finding] | Finding, **more: object) -> Check:
    given = {"deadline_seconds": 5.0, **more}
    return Check(name, find if callable(find) else lambda _: find, **given)  # type: ignore[arg-type]


def run(folder: Path, *checks: Check) -> Report:
    return run_checks(bench(folder), checks)


def test_checks_run_side_by_side(tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=5)

    def meet(_: CheckContext) -> Finding:
        together.wait()
        return passed("met")

    report = run(tmp_path, *(check(name, meet) for name in "abc"))
    assert [result.status for result in report.results] == ["pass"] * 3
    assert [result.name for result in report.results] == ["a", "b", "c"]


def test_who_needs_a_failed_check_is_skipped_and_names_the_first_cause(tmp_path: Path) -> None:
    report = run(
        tmp_path,
        check("c", passed("never"), needs=("b",)),
        check("b", passed("never"), needs=("a",)),
        check("a", failed(FULL)),
        check("d", passed("always"), after=("a",)),
    )
    assert {result.name: (result.status, result.because_of) for result in report.results} == {
        "a": ("fail", None),
        "b": ("skip", "a"),
        "c": ("skip", "a"),
        "d": ("pass", None),
    }
    assert report.verdict == "fail"
    assert report.result("a").section == "docs/troubleshooting.md#cw-check-disk"
    assert "Not tried: a failed." in report.result("c").reason


def test_what_has_nothing_to_check_keeps_nobody_from_trying(tmp_path: Path) -> None:
    report = run(tmp_path, check("a", skipped("not here")), check("b", passed("tried"), needs=("a",)))
    assert report.result("b").status == "pass"
    assert report.verdict == "pass"


def test_a_failure_that_names_whom_it_blocks_blocks_nobody_else(tmp_path: Path) -> None:
    one = Finding("fail", "bad", error=FULL, blocks=frozenset({"b"}))
    report = run(tmp_path, check("a", one), *(check(name, passed("ok"), needs=("a",)) for name in "bc"))
    assert report.result("b").because_of == "a"
    assert report.result("c").status == "pass"


def test_a_need_that_was_not_asked_for_is_not_waited_for(tmp_path: Path) -> None:
    assert run(tmp_path, check("b", passed("ok"), needs=("a",))).verdict == "pass"


def test_a_check_that_hangs_ends_at_its_deadline_and_the_others_with_it_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.checks.runner.CLEARING_SECONDS", 0.2)
    release = threading.Event()

    def hang(_: CheckContext) -> Finding:
        release.wait(30)
        return passed("too late")

    started = time.monotonic()
    report = run(
        tmp_path,
        check("hangs", hang, deadline_seconds=0.2),
        check("waits", passed("never"), needs=("hangs",)),
        check("works", passed("ok")),
    )
    release.set()
    assert time.monotonic() - started < 10
    assert report.result("hangs").code == "CW-CHECK-UNFINISHED"
    assert "No result within 0.2 s" in report.result("hangs").reason
    assert report.result("waits").because_of == "hangs"
    assert report.result("works").status == "pass"


def test_a_check_that_is_cut_off_may_take_back_what_it_did(tmp_path: Path) -> None:
    left = ["a note of its own"]

    def slow(_: CheckContext) -> Finding:
        try:
            scope = cancellation.current()
            assert scope is not None
            scope.wait(30)
        finally:
            time.sleep(0.1)
            left.clear()
        return passed("too late")

    report = run(tmp_path, check("slow", slow, deadline_seconds=0.1))
    assert "No result within 0.1 s" in report.result("slow").reason
    assert left == []


def test_what_a_check_wrote_that_hangs_is_removed_by_another_which_may_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.checks.runner.CLEARING_SECONDS", 0.2)
    release, told = threading.Event(), []

    def hang(_: CheckContext) -> Finding:
        release.wait(30)
        return passed("too late")

    def clear(_: CheckContext) -> None:
        told.append("cleared")
        raise ValueError

    report = run(tmp_path, check("hangs", hang, deadline_seconds=0.1, clear=clear))
    release.set()
    assert told == ["cleared"]
    assert report.result("hangs").status == "fail"


def test_who_ends_a_run_waits_until_it_is_cleared_up(tmp_path: Path) -> None:
    told: list[str] = []

    def waits(_: CheckContext) -> Finding:
        scope = cancellation.current()
        assert scope is not None
        try:
            scope.wait(30)
        finally:
            told.append("removed")
        return passed("too late")

    class Leaves:
        def waiting_for(self, names: Sequence[str], done: int, total: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_checks(bench(tmp_path), [check("waits", waits, clear=lambda _: None)], observer=Leaves())
    assert told == ["removed"]


def test_an_error_of_ours_is_a_failure_with_its_cure_and_any_other_is_one_without_its_message(
    tmp_path: Path,
) -> None:
    def ours(_: CheckContext) -> Finding:
        raise FULL

    def foreign(_: CheckContext) -> Finding:
        raise ValueError("a note's own words")

    report = run(tmp_path, check("ours", ours), check("foreign", foreign))
    assert report.result("ours").remedy == "Make room."
    broken = report.result("foreign")
    assert broken.code == "CW-CHECK-UNFINISHED"
    assert "ValueError at test_runner.py:" in broken.reason
    assert "own words" not in broken.message


def test_names_choose_and_unknown_ones_are_refused() -> None:
    assert [each.name for each in chosen(CHECKS, ["clock_check", "disk_check"], [])] == [
        "disk_check",
        "clock_check",
    ]
    assert "clock_check" not in [each.name for each in chosen(CHECKS, [], ["clock_check"])]
    with pytest.raises(InputUnusable, match="no check named clok_check"):
        chosen(CHECKS, ["clok_check"], [])


def longest_seconds(checks: Sequence[Check]) -> float:
    """The longest that a run can take: the longest chain of deadlines."""
    by_name = {check.name: check for check in checks}

    def until_end_of(name: str) -> float:
        check = by_name[name]
        before = [until_end_of(need) for need in (*check.needs, *check.after) if need in by_name]
        return check.deadline_seconds + max(before, default=0.0)

    return max((until_end_of(name) for name in by_name), default=0.0)


def test_the_longest_chain_of_deadlines_is_under_three_minutes() -> None:
    assert longest_seconds(CHECKS) < 180
    told = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    assert f"The longest chain of deadlines is {longest_seconds(CHECKS):g} seconds" in told


def test_the_documentation_has_every_check() -> None:
    told = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    assert [line.split("`")[1] for line in told.splitlines() if line.startswith("| `")] == [
        each.name for each in CHECKS
    ]


def test_the_catalogue_is_closed_and_has_no_cycle() -> None:
    names = [each.name for each in CHECKS]
    assert len(set(names)) == len(names)
    for each in CHECKS:
        assert {*each.needs, *each.after} <= set(names), each.name
        assert each.purpose, each.name
        assert each.name not in each.needs


def test_an_observer_is_told_what_is_waited_for(tmp_path: Path) -> None:
    told: list[tuple[str, ...]] = []

    class Observer:
        def waiting_for(self, names: Sequence[str], done: int, total: int) -> None:
            assert 0 <= done <= total == 2
            told.append(tuple(names))

    run_checks(
        bench(tmp_path),
        [check("a", passed("ok")), check("b", passed("ok"), needs=("a",))],
        observer=Observer(),
    )
    assert ("a",) in told
    assert ("b",) in told
