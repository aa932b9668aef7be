"""Does this deployment work, and if not, what is to be done? `python -m pipeline.validate`, or `validate()`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status as StatusLine
from rich.table import Table
from rich.text import Text

from pipeline import logs
from pipeline.checks import report as reports
from pipeline.checks.deployment import validate
from pipeline.checks.registry import CHECKS
from pipeline.checks.result import CheckResult, Report, Status
from pipeline.checks.runner import CheckObserver
from pipeline.commands.console import StackOption, command_line, console, err, errors_as_exit_codes, out
from pipeline.config import load_settings

app = command_line(__doc__ or "")

EXIT_CHECK_FAILED = 1
REPORT_COLUMNS = 110
"""Where no terminal says how wide it is."""
LOOKS = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
WORDS: dict[Status, str] = {"pass": "passed", "warn": "warned", "fail": "failed", "skip": "skipped"}
PLACES = {"host": "on the host", "outside": "from outside", "local": "on this machine"}


@app.command()
def main(
    only: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="run this check alone; repeatable")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="leave this check out; repeatable")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also write the report as JUnit XML")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="also keep the report there, as JSON and JUnit XML; the last 50"),
    ] = None,
    strict: Annotated[bool, typer.Option(help="a warning counts as a failure")] = False,
    outside: Annotated[
        bool, typer.Option("--outside", help="this machine is not the host, whatever it looks like")
    ] = False,
    verdict: Annotated[
        bool, typer.Option("--verdict", help="end with the verdict as one line of JSON, for programs")
    ] = False,
    list_checks: Annotated[bool, typer.Option("--list", help="list the checks, and run none")] = False,
    stack: StackOption = None,
) -> None:
    """Check that this deployment works: machine, store, models, and a question with a known answer.

    Exit code 0: nothing failed; 1: a check failed; 2: could not run.
    """
    with errors_as_exit_codes():
        if list_checks:
            for check in CHECKS:
                out.print(f"{check.name:<24}{check.purpose}", markup=False)
            return
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        with _progress(quiet=json_output) as observer:
            report = validate(
                settings,
                stack=stack,
                only=only or (),
                skip=skip or (),
                outside=outside,
                observer=observer,
            )
        if junit is not None:
            reports.write(junit, reports.junit_of(report))
        if keep is not None:
            reports.keep(report, keep)
        if json_output:
            out.print(reports.json_of(report), markup=False)
        else:
            print_report(report)
        if verdict:
            out.print(reports.verdict_line(report), markup=False)
    if report.verdict == "fail" or (strict and report.verdict == "warn"):
        raise typer.Exit(EXIT_CHECK_FAILED)


class _WaitingCheck:
    """One line on a terminal: what is being waited for."""

    def __init__(self, status: StatusLine) -> None:
        self._status = status

    def waiting_for(self, names: Sequence[str], done: int, total: int) -> None:
        self._status.update(f"{done} of {total} done; waiting for {', '.join(names)}")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[CheckObserver | None]:
    if quiet or not err.is_terminal:
        yield None
        return
    with err.status("checking") as status:
        yield _WaitingCheck(status)


def print_report(report: Report) -> None:
    """The report for people: a table, then what to do about each finding, then what was not checked, and why."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("check", "", "seconds", "found"):
        table.add_column(title, justify="right" if title == "seconds" else "left", overflow="fold")
    shown = [result for result in report.results if result.status != "skip" or result.because_of]
    for result in shown:
        table.add_row(
            result.name,
            Text(result.status, style=LOOKS[result.status]),
            f"{result.seconds:.2f}" if not result.because_of else "",
            Text(result.reason, style="dim" if result.status == "skip" else ""),
        )
    wide = out if out.is_terminal else console(width=REPORT_COLUMNS)
    wide.print(table, soft_wrap=False)
    for result in report.results:
        if result.remedy:
            _print_cure(result)
    left_out = [result for result in report.results if result.status == "skip" and not result.because_of]
    if left_out:
        out.print("\nnot checked:", style="dim")
        for result in left_out:
            out.print(f"  {result.name}: {result.reason}", style="dim", markup=False)
    _print_verdict(report)


def _print_cure(result: CheckResult) -> None:
    out.print()
    out.print(Text(f"{result.name}: ", style=LOOKS[result.status]) + Text(result.reason))
    out.print(f"  What to do: {result.remedy}", markup=False)
    out.print(f"  More: {result.section} ({result.code})", markup=False)


def _print_verdict(report: Report) -> None:
    numbers = ", ".join(
        f"{len(report.of(status))} {word}" for status, word in WORDS.items() if report.of(status)
    )
    of_stack = f" of stack {report.stack}" if report.stack else ""
    verdict = {"pass": "works", "warn": "works, with warnings", "fail": "does NOT work as it should"}
    out.print(
        f"\nThis deployment{of_stack} {verdict[report.verdict]}: {numbers}, in {report.seconds:.1f} s, seen "
        f"{PLACES[report.vantage]}.",
        style=LOOKS[report.verdict],
        markup=False,
    )


if __name__ == "__main__":
    app()
