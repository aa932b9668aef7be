"""The command `chartwell`, run from the checkout. tests/test_wheel.py runs the installed one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import pipeline.chartwell
from pipeline.chartwell.command import COMMANDS, EXAMPLES, Command, app, load
from pipeline.commands.naming import as_chartwell, as_typed

SUMMARY_MAX = 64
"""Characters that fit beside the names of commands on 80 columns."""
ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "pipeline").rglob("*.py"))


def invoke(*words: str) -> Any:
    return CliRunner().invoke(app, words, prog_name="chartwell", terminal_width=100)


def test_the_version_is_told() -> None:
    told = invoke("--version")
    assert told.exit_code == 0
    assert re.fullmatch(r"chartwell (checkout|[0-9.]+)\n", told.output)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_lists_every_command_and_shows_examples(option: str) -> None:
    told = invoke(option)
    assert told.exit_code == 0
    for each in COMMANDS:
        assert f"  {each.name:<8}  {each.summary}" in told.output
        assert len(each.summary) <= SUMMARY_MAX, "cut on a terminal of 80 columns"
    for example in EXAMPLES:
        assert f"  {example}\n" in told.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_helps_with_examples_in_its_own_words(command: Command) -> None:
    told = invoke(command.name, "-h")
    assert told.exit_code == 0, told.output
    assert f"Usage: chartwell {command.name} " in told.output
    assert "python -m" not in told.output
    for example in command.examples:
        assert example in told.output


def parsed(words: Sequence[str]) -> str:
    """The command that the words call, its options read. Raises where they are not options of it."""
    group: Any = typer.main.get_command(app)
    name, command, rest = group.resolve_command(typer.Context(group), list(words))
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(typer.Context(command), rest)
    command.make_context(name, rest)
    return str(name)


@pytest.mark.parametrize("example", [*EXAMPLES, *(each for one in COMMANDS for each in one.examples)])
def test_examples_are_commands_that_exist(example: str) -> None:
    program, *words = shlex.split(example.rpartition("| ")[2])
    assert program == "chartwell"
    assert parsed(words)


def test_an_unknown_command_is_refused_with_the_nearest_one() -> None:
    told = invoke("indx")
    assert told.exit_code == 2
    assert "'index'" in told.output


def test_help_and_completion_import_no_command() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom pipeline.chartwell.command import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "for name in ('ask', 'vectorize', 'serve'): assert f'pipeline.{name}' not in sys.modules, name\n"
        "for name in ('numpy', 'fastapi', 'onnxruntime'): assert name not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "pipeline.serve", raising=False)
    told = invoke("serve")
    assert told.exit_code == 2
    assert "What to do: pip install 'chartwell[service]'" in told.output


def test_a_module_of_ours_that_is_missing_is_a_fault() -> None:
    with pytest.raises(ModuleNotFoundError):
        load(Command("ask", "", "pipeline.no_such_module"))


def test_from_python_every_name_is_there() -> None:
    for name in pipeline.chartwell.__all__:
        assert getattr(pipeline.chartwell, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = pipeline.chartwell.no_such_name


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("python -m pipeline.vectorize notes FILE", "chartwell index FILE"),
        ("python -m pipeline.vectorize verify --all", "chartwell verify --all"),
        ("run `python -m pipeline.vectorize migrate --to`", "run `chartwell migrate --to`"),
        ('.venv/bin/python -m pipeline.ask "notes"', 'chartwell ask "notes"'),
        ("python -m pipeline.audit export.", "chartwell audit export."),
        ("nothing of it", "nothing of it"),
    ],
)
def test_messages_name_what_was_typed(written: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_chartwell(written) == typed
    monkeypatch.setattr(sys, "argv", ["/usr/bin/chartwell"])
    assert as_typed(written) == typed
    monkeypatch.setattr(sys, "argv", ["/site-packages/chartwell/__main__.py"])
    assert as_typed(written) == typed
    monkeypatch.setattr(sys, "argv", ["/checkout/pipeline/ask.py"])
    assert as_typed(written) == written


def named_commands() -> set[str]:
    """Every command that a message of the sources names, joined where a string goes on in the next line."""
    found = set()
    for path in SOURCES:
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        found.update(re.findall(r"python -m pipeline\.\w+(?: [a-z]+\b)?", text))
    return found


def test_every_command_that_a_message_names_has_a_name_in_chartwell() -> None:
    names = {each.name for each in COMMANDS} | {"config", "chartwell"}  # both run in a checkout only
    commands = named_commands()
    assert len(commands) > 10
    for command in commands:
        typed = as_chartwell(command)
        assert typed.startswith("chartwell "), command
        assert typed.split()[1] in names, command
