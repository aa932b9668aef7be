"""One command over all others: `chartwell ask`, `chartwell index`, `chartwell serve`.

Decides what each is called, in which order they are listed, and which examples their help shows. A command's module is
imported when that command runs, so that help, version and completion are quick and each user installs only the extras
that they use. Refuses to know what a command does.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline import version
from pipeline.commands.console import EXIT_COULD_NOT_RUN, err, errors_as_exit_codes, out
from pipeline.commands.naming import COMMAND, INDEX, as_chartwell


@dataclass(frozen=True, slots=True)
class Command:
    """A command and where it lies. `within`: its name inside that module's own group, "" for the whole of it."""

    name: str
    summary: str
    module: str
    within: str = ""
    extra: str = ""
    examples: tuple[str, ...] = ()


COMMANDS = (
    Command(
        "demo",
        "Index the notes and films that ship with it, and ask about them.",
        "pipeline.demo.__main__",
        extra="local",
        examples=("chartwell demo",),
    ),
    Command(
        "serve",
        "Serve the page and the HTTP interface.",
        "pipeline.serve",
        extra="service",
        examples=("chartwell serve --demo", "chartwell serve --port 8020"),
    ),
    Command(
        INDEX,
        "Index clinical notes, resumably.",
        "pipeline.vectorize",
        "notes",
        examples=(
            "chartwell index notes.jsonl --dry-run",
            "chartwell index exports/ --map text_content=body --default document_type=Letter",
            "zcat notes.ndjson.gz | chartwell index -",
        ),
    ),
    Command(
        "ask",
        "Ask a question; without one, a conversation.",
        "pipeline.ask",
        examples=(
            "chartwell ask",
            'chartwell ask "Which patients take warfarin?"',
            'chartwell ask "Is the finger broken?" --patient-id D2N005 --show-context',
            'chartwell ask "Which patients take warfarin?" --since 2010-01-01 --json',
        ),
    ),
    Command(
        "status",
        "How far indexing is, and why some notes failed.",
        "pipeline.vectorize",
        "status",
        examples=("chartwell status",),
    ),
    Command(
        "verify",
        "Hold ledger, kept vectors and store against each other.",
        "pipeline.vectorize",
        "verify",
        examples=("chartwell verify", "chartwell verify --all --repair"),
    ),
    Command(
        "validate",
        "Check that all of it works here, and say what to do if not.",
        "pipeline.validate",
        examples=("chartwell validate", "chartwell validate --list"),
    ),
    Command(
        "evaluate",
        "Measure how good retrieval is.",
        "pipeline.evaluate",
        extra="evaluate",
        examples=("chartwell evaluate retrieval --set FOLDER",),
    ),
    Command(
        "models",
        "List and fetch the embedding models that run on the CPU.",
        "pipeline.models",
        extra="local",
        examples=("chartwell models list", "chartwell models fetch bge-small-en-v1.5"),
    ),
    Command(
        "cost",
        "Price per question and per thousand notes.",
        "pipeline.cost",
        examples=("chartwell cost --since 7d",),
    ),
    Command(
        "monitor",
        "Watch GPU, servers, store, host and cost.",
        "pipeline.monitor",
        extra="observe",
        examples=("chartwell monitor --once",),
    ),
    Command(
        "migrate",
        "Change the embedding model while questions are answered.",
        "pipeline.vectorize",
        "migrate",
        examples=("chartwell migrate --to hashing",),
    ),
    Command(
        "optimise",
        "Bring the store's indexes into their best shape.",
        "pipeline.vectorize",
        "optimise",
        examples=("chartwell optimise",),
    ),
    Command(
        "audit",
        "Verify, export and replay the audit log.",
        "pipeline.audit",
        extra="service",
        examples=("chartwell audit verify", "chartwell audit export --output audit.jsonl"),
    ),
)
BY_NAME = {each.name: each for each in COMMANDS}

NOT_WRAPPED = chr(8)
"""A line with this character alone keeps the paragraph below it as it stands."""

EXAMPLES = (
    "chartwell demo",
    "chartwell index notes.jsonl",
    'chartwell ask "Which patients take warfarin?"',
    "chartwell serve --demo",
)


class CommandGroup(TyperGroup):
    """Lists commands by their summaries, and loads the one that runs."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Help and version end as all commands do where their output cannot be written."""
        try:
            with errors_as_exit_codes():
                return super().main(*args, **kwargs)
        except typer.Exit as ended:
            sys.exit(ended.exit_code)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(BY_NAME[name]) if name in BY_NAME else command, rest


def load(command: Command) -> Any:
    """The command itself, with its help in the words of `chartwell`. Ends with 2 where its packages are missing."""
    try:
        loaded: Any = typer.main.get_command(import_module(command.module).app)
    except ModuleNotFoundError as error:
        _tell_missing(command, error)
        raise typer.Exit(EXIT_COULD_NOT_RUN) from None
    if command.within:
        loaded = loaded.commands[command.within]
    loaded.help = as_chartwell(loaded.help or "")
    loaded.epilog = epilog(command.examples)
    return loaded


def _tell_missing(command: Command, error: ModuleNotFoundError) -> None:
    if not command.extra or (error.name or "").startswith(("pipeline", "chartwell")):
        raise error
    err.print(
        f"Could not run: {COMMAND} {command.name} needs the package {error.name}, which is not installed."
    )
    err.print(f"What to do: pip install '{COMMAND}[{command.extra}]'")


def epilog(examples: tuple[str, ...]) -> str:
    """Examples as they stand, one a line: the mark keeps the help's wrapping away from them."""
    return NOT_WRAPPED + "\n" + "\n".join(["Examples:", *(f"  {each}" for each in examples)])


app = typer.Typer(
    name=COMMAND,
    cls=CommandGroup,
    help="Ask clinical notes, and get answers whose every statement cites the words that it comes from.",
    epilog=epilog(EXAMPLES),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"{COMMAND} {version()}")
        raise typer.Exit


@app.callback()
def _(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end"),
    ] = False,
) -> None:
    """What stands before every command."""


def _listed() -> None:
    """In the list only: `CommandGroup` puts the real command in its place before anything runs."""


for _each in COMMANDS:
    app.command(_each.name, help=_each.summary)(_listed)
