"""The audit log from the command line: `python -m pipeline.audit verify | export | replay ID`"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, TextIO

import typer

from pipeline import logs
from pipeline.commands.console import EXIT_SOME_REJECTED, command_line, errors_as_exit_codes, out
from pipeline.commands.host_user import host_user
from pipeline.config import Settings, load_settings
from pipeline.errors import BadRequest, InputMissing
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.service.audit.chain import (
    AuditLog,
    ChainFault,
    SystemActor,
    Verification,
    as_line,
    on_host,
    read_anchors,
    read_export,
    verify_rows,
)
from pipeline.service.audit.receipts import Receipts
from pipeline.service.audit.replay import Replay, question_of, replay
from pipeline.service.database.engine import State, open_state
from pipeline.wiring import require_store

app = command_line(__doc__ or "")

EXIT_DIFFERS = EXIT_SOME_REJECTED


@app.command()
def verify(
    anchors: Annotated[
        Path | None,
        typer.Option(help="hold the log against this file of anchors too, and add its present end to it"),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="verify an exported file instead of the database")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Hold every row of the audit log against its predecessor; receipts, texts, messages and rights against their rows.

    Finds what was changed, removed, added or moved. An end that was cut off together with the record of it, and a chain
    that was computed again, are found by anchors alone: keep that file where no one who can write to the database can.
    Exit code 0: sound; 1: it is not; 2: could not run.
    """
    with errors_as_exit_codes():
        known = read_anchors(_lines(anchors)) if anchors is not None and anchors.exists() else []
        if export is not None:
            found = verify_rows(read_export(_lines(export)), head=None, anchors=known)
        else:
            with _opened(load_settings()) as state:
                log = AuditLog(state)
                found = log.verify(known)
                found = _with(found, Receipts(state, log).verify())
        if found.sound and anchors is not None and export is None:
            _add(anchors, as_line(found.head))
        _print(found, json_output)
        if not found.sound:
            raise typer.Exit(EXIT_SOME_REJECTED)


@app.command()
def export(
    since: Annotated[str | None, typer.Option(help="rows from this day on, YYYY-MM-DD, UTC")] = None,
    until: Annotated[str | None, typer.Option(help="rows up to this day, YYYY-MM-DD, UTC")] = None,
    output: Annotated[Path | None, typer.Option(help="write to this file instead of the terminal")] = None,
) -> None:
    """Write the audit log as lines of JSON, oldest first. That it was exported is written into it first.

    A whole export can be verified: `verify --export FILE`. Exit code 0: done; 2: could not run.
    """
    with errors_as_exit_codes():
        period = (_day(since), _day(until))
        with _opened(load_settings()) as state, ExitStack() as stack:
            log = AuditLog(state)
            log.record(_me(), "audit-exported", details={"since": period[0], "until": period[1]})
            file = stack.enter_context(_private(output)) if output is not None else sys.stdout
            for row in log.rows(since=period[0], until=period[1]):
                file.write(as_line(row) + "\n")


@app.command(name="replay")
def replay_receipt(
    receipt_id: Annotated[
        str, typer.Argument(metavar="ID", help="the question's id, which is its receipt's")
    ],
    question_on_stdin: Annotated[
        bool, typer.Option(help="read the question from standard input, where its text was erased")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="print the differences as JSON")] = False,
) -> None:
    """Answer a question again from its receipt, and say what differs: same question, filters and access scope as then.

    Prints ids and hashes, no text. Exit code 0: identical; 1: something differs; 2: could not run.
    """
    with errors_as_exit_codes():
        settings = load_settings()
        logs.configure(settings.log_level)
        with _opened(settings) as state:
            log = AuditLog(state)
            receipts = Receipts(state, log)
            kept = receipts.get(receipt_id)
            require_store(settings)
            given = sys.stdin.read().rstrip("\n") if question_on_stdin else None
            question = question_of(kept, receipts.scope_of(kept), given)
            log.record(_me(), "answer-replayed", f"answer:{receipt_id}")
            with ServingAnswering(settings) as serving, serving.answering() as parts:
                found = replay(kept, question, parts)
        _print_replay(found, json_output)
        if not found.identical:
            raise typer.Exit(EXIT_DIFFERS)


@contextmanager
def _opened(settings: Settings) -> Iterator[State]:
    """The state there is; none is made."""
    with open_state(settings) as state:
        if state.path is not None and not state.path.exists():
            raise InputMissing(
                f"There is no {state.path.name} in {state.path.parent}.",
                remedy="Set CHARTWELL_DATA_DIR to the service's data folder; the service makes the file.",
            )
        state.check()
        yield state


def _me() -> SystemActor:
    return on_host(host_user())


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise InputMissing(
            f"{path} cannot be read ({type(error).__name__}).", remedy="Correct the path or its permissions."
        ) from None


@contextmanager
def _private(path: Path) -> Iterator[TextIO]:
    """A new file that is its owner's alone."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    except OSError as error:
        raise InputMissing(
            f"{path} cannot be written ({type(error).__name__}).", remedy="Name a file in a folder of yours."
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file


def _add(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise InputMissing(
            f"{path} cannot be written ({type(error).__name__}).", remedy="Name a file that can be added to."
        ) from None


def _day(given: str | None) -> str | None:
    """Raises BadRequest for what is no day."""
    if given is None:
        return None
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError:
        raise BadRequest(f"{given} is no day.", remedy="Write it as 2026-01-31.") from None


def _with(found: Verification, more: list[ChainFault]) -> Verification:
    return Verification(found.rows, found.head, (*found.problems, *more), found.anchors)


def _print(found: Verification, json_output: bool) -> None:
    if json_output:
        out.print(json.dumps({"sound": found.sound, **asdict(found)}), markup=False)
        return
    for problem in found.problems:
        where = f"row {problem.number} " if problem.number else ""
        out.print(f"{where}{problem.what}", markup=False)
    held = f", {found.anchors:,} anchors held" if found.anchors else ""
    verdict = "sound" if found.sound else f"NOT SOUND: {len(found.problems)} findings (CW-AUDIT)"
    out.print(f"{found.rows:,} rows{held}; last {found.head.hash[:16]}: {verdict}", markup=False)


def _print_replay(found: Replay, json_output: bool) -> None:
    differences = [asdict(difference) for difference in found.differences]
    if json_output:
        summary = {"receipt": found.receipt_id, "identical": found.identical, "differences": differences}
        out.print(json.dumps(summary), markup=False)
        return
    for difference in differences:
        out.print(f"{difference['what']}: then {difference['then']}, now {difference['now']}", markup=False)
    out.print("identical" if found.identical else f"{len(differences)} differences", markup=False)


if __name__ == "__main__":
    app()
