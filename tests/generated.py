"""The parts of the documentation that are written by a program: `make docs` writes them, a test holds them in step.

`python -m tests.generated --write` writes; without it, exits 1 and names what is stale.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import io
import sys
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from typer.testing import CliRunner

from pipeline import config, evaluate
from pipeline.chartwell import command as chartwell
from pipeline.commands import assertion_table
from pipeline.evaluation.assertions import measure, read_mentions, read_notes
from pipeline.monitoring.alerts import alerts_of
from pipeline.monitoring.screen import screen
from pipeline.telemetry import definitions
from tests import layout
from tests.monitoring import samples
from tests.service.reference import api_reference
from tests.telemetry import dashboards

ROOT = Path(__file__).resolve().parents[1]

COMMANDS = ("vectorize", "ask", "evaluate", "validate", "monitor", "cost", "models", "serve", "audit")


def command_reference() -> str:
    """Every command's help, as it is printed."""
    lines = [
        "# Commands",
        "",
        "Generated from the programs' own `--help` by `make docs`. Run them with `.venv/bin/python`.",
        "Settings that are no option are variables: see `.env.example`.",
        "",
        "An installed wheel has them all behind one command, `chartwell`; from a checkout it is",
        "`python -m pipeline.chartwell`. `chartwell index` is `python -m pipeline.vectorize notes`.",
        "",
        "## chartwell",
        "",
        *_printed(chartwell.app, ["--help"], "chartwell"),
    ]
    for name in COMMANDS:
        app = importlib.import_module(f"pipeline.{name}").app
        for subcommand in [None, *_subcommands(app)]:
            arguments = [*([subcommand] if subcommand else []), "--help"]
            title = f"pipeline.{name}" + (f" {subcommand}" if subcommand else "")
            lines += ["", f"## {title}", "", *_printed(app, arguments, f"python -m pipeline.{name}")]
    return "\n".join(lines) + "\n"


def _printed(app: typer.Typer, arguments: list[str], program: str) -> list[str]:
    """What the program says, as a block."""
    printed = CliRunner().invoke(app, arguments, prog_name=program, terminal_width=100, env={"TERM": "dumb"})
    body = "\n".join(line.rstrip() for line in printed.output.strip("\n").splitlines())
    return ["```text", body, "```"]


def _subcommands(app: object) -> list[str]:
    group = typer.main.get_command(app)  # type: ignore[arg-type]
    return sorted(getattr(group, "commands", {}))


def monitor_picture(width: int) -> str:
    """The monitor's screen of a simulated host, in columns, as a picture."""
    console = Console(
        width=width, file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor"
    )
    found = alerts_of(samples.PICTURED, samples.WELL)
    console.print(screen(samples.PICTURED, found, samples.COSTS, width=width, recording="kept"))
    return console.export_svg(
        title="python -m pipeline.monitor (simulated host)", unique_id=f"monitor-{width}"
    )


def evaluation_page() -> str:
    """docs/evaluation.md with the figures of assertion as they are now; its other tables are the commands' own."""
    results = measure(read_mentions(ROOT / "benchmarks/assertion"), read_notes(evaluate.DEMO_NOTES))
    written = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
    return evaluate.put_between(written, evaluate.ASSERTION_TABLE, assertion_table.markdown(results))


GENERATED: dict[str, Callable[[], str]] = {
    "docs/images/monitor-150.svg": lambda: monitor_picture(150),
    "docs/images/monitor-80.svg": lambda: monitor_picture(80),
    ".env.example": config.reference,
    "docs/architecture.md": layout.page,
    "docs/commands.md": command_reference,
    "docs/evaluation.md": evaluation_page,
    "docs/metrics.md": definitions.reference,
    "docs/api-reference.md": api_reference,
    **{
        f"docs/monitoring/grafana/dashboards/{each.uid}.json": functools.partial(dashboards.as_json, each)
        for each in dashboards.DASHBOARDS
    },
}


def stale() -> list[str]:
    return [
        name
        for name, text in GENERATED.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != text()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        for name, text in GENERATED.items():
            (ROOT / name).write_text(text(), encoding="utf-8")
    names = stale()
    for name in names:
        sys.stdout.write(f"stale: {name}; run make docs\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
