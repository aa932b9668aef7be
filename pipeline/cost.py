"""What questions and notes cost here: `python -m pipeline.cost`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from pipeline import logs
from pipeline.commands.console import StackOption, command_line, errors_as_exit_codes, out
from pipeline.config import load_settings
from pipeline.errors import InputMissing, InputUnusable
from pipeline.monitoring.sample_log import kept_samples
from pipeline.monitoring.usage import WINDOW_DAYS, usage_of
from pipeline.pricing import (
    TITLES,
    CostReport,
    UsageWindow,
    amount,
    cost_report,
    gaps,
    prices_of,
)

app = command_line(__doc__ or "")

UNITS = {"h": "hours", "d": "days", "w": "weeks"}
ELSEWHERE = "what was used is on the host: run this there, or name a copy of its data folder's monitor/ with --samples"


@app.command()
def cost(
    since: Annotated[
        str, typer.Option(metavar="7d|ISO", help="from when on: 24h, 7d, 4w, or a date; all: what is kept")
    ] = f"{WINDOW_DAYS}d",
    samples: Annotated[
        Path | None, typer.Option(help="a data folder with monitor/ in it, instead of the settings' own")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
    stack: StackOption = None,
) -> None:
    """Price per question and per thousand notes at the present utilisation, GPU hours, and what a pause would save.

    Every figure comes with its source. What is not known is said to be unknown, never guessed.

    Exit code 0: printed; 2: could not run.
    """
    with errors_as_exit_codes():
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        begin = _begin(since)
        if samples is not None:
            usage = usage_of(_samples(samples), since=begin)
        elif stack is not None:
            usage = UsageWindow(source="", unknown={"*": ELSEWHERE})
        else:
            usage = usage_of(kept_samples(settings.data_dir), since=begin)
        report = cost_report(prices_of(settings), usage)
        if json_output:
            out.print(_json(report), markup=False)
        else:
            _print(report)


def _begin(since: str) -> str:
    """The moment as ISO 8601 in UTC, "" for everything. Raises InputUnusable."""
    if since == "all":
        return ""
    if parts := re.fullmatch(r"(\d+)([hdw])", since):
        before = timedelta(**{UNITS[parts[2]]: int(parts[1])})
        return (datetime.now(UTC) - before).isoformat(timespec="seconds")
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise InputUnusable(
            f"--since {since} is no time.", remedy="Give 24h, 7d, 4w, a date such as 2026-11-01, or all."
        ) from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat(timespec="seconds")


def _samples(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Raises InputMissing where there is no monitor/ in the folder."""
    if not (folder / "monitor").is_dir():
        raise InputMissing(
            f"{folder} has no folder monitor/.", remedy="Name the data folder, which monitor/ lies in."
        )
    return kept_samples(folder)


def _json(report: CostReport) -> str:
    figures = {
        figure.name: {
            "unit": figure.unit,
            "value": figure.value,
            **({"source": figure.source} if figure.value is not None else {"unknown": figure.unknown}),
        }
        for figure in report
    }
    window = {"since": report.since or None, "until": report.until or None}
    return json.dumps({**window, "figures": figures}, ensure_ascii=False, indent=2)


def _print(report: CostReport) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    reasons = list(gaps(report))
    for figure in report:
        if figure.value is None:
            number = reasons.index(figure.unknown) + 1
            table.add_row(TITLES[figure.name], f"{amount(figure)} ({number})", style="dim")
        else:
            table.add_row(TITLES[figure.name], amount(figure))
    out.print(table)
    for number, reason in enumerate(reasons, start=1):
        out.print(f"({number}) {reason}", markup=False)
    for source in report.sources:
        out.print(f"from: {source}", markup=False)


if __name__ == "__main__":
    app()
