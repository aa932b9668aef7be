"""Take documents into the library, decide about them, and index what is approved: the subcommand `documents` of
`python -m pipeline.vectorize`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import logs
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    EXIT_SOME_REJECTED,
    StackOption,
    counted,
    err,
    errors_as_exit_codes,
    out,
)
from pipeline.commands.host_user import by_host_user
from pipeline.commands.notes_indexing import open_indexing
from pipeline.config import Settings, load_settings
from pipeline.errors import ChartwellError, InputMissing, InputUnusable, UnreadableDocument
from pipeline.indexing.documents.approved import (
    LIBRARY_SOURCE,
    accept_approved,
    approved_records,
    decide,
    still_approved,
    tidy,
)
from pipeline.indexing.documents.intake import Intake
from pipeline.indexing.documents.relevance_judge import TopicJudge
from pipeline.indexing.flow import Indexing
from pipeline.library.catalogue import LibraryCatalogue
from pipeline.library.library import Library
from pipeline.library.reading.pool import DocumentReaders
from pipeline.library.records import DocumentState, LibraryDocument
from pipeline.library.states import Decision, in_words
from pipeline.library.versions import Decided, LibraryDomain, LibraryQuery, LibraryVersion
from pipeline.records import IndexReport
from pipeline.wiring import open_document_readers, open_library

REJECTIONS_FILE = "rejected-documents.jsonl"
SHOWN_CHARACTERS = 12
"""Of an id, where people read it and type it again."""
WAITING_SHOWN = 20
FINDINGS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TakenFile:
    """What became of one file of a run."""

    path: str
    version: LibraryVersion | None
    is_new: bool
    error: str = ""
    """Why it could not be taken at all."""


@dataclass(frozen=True, slots=True)
class DocumentsRun:
    """What a run did."""

    files: tuple[TakenFile, ...]
    decided: tuple[Decided, ...]
    report: IndexReport
    counts: dict[DocumentState, int]
    waiting: tuple[LibraryVersion, ...]

    @property
    def has_faults(self) -> bool:
        """Whether something was refused, failed, or could not be decided."""
        refused = any(each.version is None or each.version.state == "unreadable" for each in self.files)
        undecided = any(each.refused for each in self.decided)
        return refused or undecided or self.report.has_faults


def documents(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE-OR-FOLDER...", help="PDF, DOCX, HTML, RTF, Markdown, text"),
    ] = None,
    domain: Annotated[str, typer.Option(metavar="NAME", help="the domain that they come into")] = "",
    new_domain: Annotated[
        bool, typer.Option("--new-domain", help="make that domain, or change it, as the next three say")
    ] = False,
    description: Annotated[str, typer.Option(metavar="TEXT", help="of a new domain")] = "",
    topic: Annotated[
        str, typer.Option(metavar="SENTENCE", help="what documents of a new domain are about")
    ] = "",
    approves_itself: Annotated[
        bool, typer.Option("--approves-itself", help="documents of a new domain need no reviewer")
    ] = False,
    supersedes: Annotated[
        str, typer.Option(metavar="ID", help="the document of which the file is a newer version")
    ] = "",
    approve: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="repeatable; `all`: all that wait")
    ] = None,
    reject: Annotated[list[str] | None, typer.Option(metavar="ID", help="repeatable")] = None,
    withdraw: Annotated[list[str] | None, typer.Option(metavar="ID", help="repeatable")] = None,
    why: Annotated[str, typer.Option(metavar="TEXT", help="the reason, for the record")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="take this many files at most")] = None,
    dry_run: Annotated[
        bool, typer.Option(help="read the files and say what is in them; keep nothing")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    progress_lines: Annotated[
        bool, typer.Option("--progress-lines", help="print progress as JSON lines on standard error")
    ] = False,
    stack: StackOption = None,
) -> None:
    """Take documents into the library and index what is approved. Safe to run again, also without files.

    A document waits for a reviewer before anything of it is found, unless its domain approves by itself. Ids may be
    shortened to their first letters. Originals are kept in the data folder.

    Exit code 0: all files are in; 1: some were refused, failed or could not be decided; 2: could not run; 70: a fault
    in this program; 75: the store stayed away, run it again; 130: interrupted, run it again.
    """
    with errors_as_exit_codes():
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        chosen = list(_files(files or ()))[:limit]
        if dry_run:
            _print_readings(settings, chosen, json_output)
            return
        if chosen and not domain:
            raise InputUnusable(
                "No domain was named for the files.",
                remedy="--domain NAME says which part of the library they belong to; with --new-domain it is made.",
            )
        if supersedes and len(chosen) != 1:
            raise InputUnusable(
                f"A newer version is one file; {counted(len(chosen), 'file')} were named.",
                remedy="Name the file that supersedes the document, and no other.",
            )
        asked: dict[Decision, Sequence[str]] = {
            "approve": approve or (),
            "reject": reject or (),
            "withdraw": withdraw or (),
        }
        with ExitStack() as opened:
            library = opened.enter_context(open_library(settings))
            if new_domain:
                library.catalogue.put_domain(LibraryDomain(domain, description, "", topic, approves_itself))
            indexing, _ = opened.enter_context(
                open_indexing(
                    settings,
                    settings.data_dir / REJECTIONS_FILE,
                    quiet=json_output,
                    lines=progress_lines,
                    kind="documents",
                    accept=accept_approved,
                )
            )
            readers = opened.enter_context(open_document_readers(settings))
            run = _run(library, readers, indexing, chosen, domain, supersedes, asked, why)
        print_json(run) if json_output else print_run(run)
    if run.report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if run.has_faults:
        raise typer.Exit(EXIT_SOME_REJECTED)


def _run(
    library: Library,
    readers: DocumentReaders,
    indexing: Indexing,
    files: Sequence[Path],
    domain: str,
    supersedes: str,
    asked: dict[Decision, Sequence[str]],
    why: str,
) -> DocumentsRun:
    indexing.material.prepare()
    indexing.ledger.prepare()
    judge = TopicJudge(indexing.embedder, indexing.settings)  # type: ignore[arg-type]  # notes have a text embedder
    intake = Intake(library, readers, judge)
    supersedes = version_called(library.catalogue, supersedes) if supersedes else ""
    for _ in intake.read_waiting():
        pass
    taken = tuple(_taken(intake, files, domain, supersedes, indexing))
    decided = tuple(_decided(library, indexing, asked, why))
    flow = replace(indexing, still_held=still_approved(library.catalogue))
    tally = flow.run(approved_records(intake), sources=[LIBRARY_SOURCE], prune=True)
    tidy(library, indexing.committer.remove, time.time())
    catalogue = library.catalogue
    return DocumentsRun(
        taken,
        decided,
        tally.report(None),
        catalogue.counts(),
        tuple(catalogue.versions(LibraryQuery(states=("waiting",)), limit=WAITING_SHOWN)),
    )


def _taken(
    intake: Intake, files: Sequence[Path], domain: str, supersedes: str, indexing: Indexing
) -> Iterator[TakenFile]:
    for path in files:
        if indexing.stop():
            return
        try:
            added = intake.take(path, path.name, domain, by_host_user(), supersedes=supersedes)
        except OSError as error:
            yield TakenFile(str(path), None, False, f"It cannot be opened ({error.strerror}).")
            continue
        yield TakenFile(str(path), added.version, added.is_new)


def _decided(
    library: Library, indexing: Indexing, asked: dict[Decision, Sequence[str]], why: str
) -> Iterator[Decided]:
    for decision, names in asked.items():
        if not names:
            continue
        every = LibraryQuery(states=("waiting",))
        if list(names) == ["all"] and decision == "approve":
            ids = [each.version_id for each in library.catalogue.every(every)]
        else:
            ids = [version_called(library.catalogue, each) for each in names]
        if ids:
            yield decide(library.catalogue, indexing.committer.remove, ids, decision, by_host_user(), why)


def version_called(catalogue: LibraryCatalogue, name: str) -> str:
    """The id that begins so. Raises InputUnusable where none does, or several."""
    if catalogue.version(name) is not None:
        return name
    found = [each.version_id for each in catalogue.every(LibraryQuery()) if each.version_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    raise InputUnusable(
        f"{counted(len(found), 'document')} of the library {'has' if len(found) == 1 else 'have'} an id that begins "
        f"with {name!r}.",
        remedy="Give more of the id; the list of a run shows its first letters.",
    )


def _files(named: Sequence[Path]) -> Iterator[Path]:
    """Files, and those below folders in the order of their names; hidden ones are left out."""
    for each in named:
        if each.is_dir():
            below = (path for path in sorted(each.rglob("*")) if path.is_file())
            yield from (path for path in below if not _is_hidden(path.relative_to(each)))
        elif each.exists():
            yield each
        else:
            raise InputMissing(f"{each} is not there.", remedy="Check the path; paths are relative to here.")


def _is_hidden(inside: Path) -> bool:
    return any(part.startswith(".") for part in inside.parts)


# --- what people read


def print_run(run: DocumentsRun) -> None:
    """Line by line."""
    for file in run.files:
        _print_file(file)
    for decided in run.decided:
        for version in (*decided.versions, *decided.superseded):
            out.print(
                f"{version.version_id[:SHOWN_CHARACTERS]}  {in_words(version.state)}: {version.title}",
                markup=False,
            )
        for version_id, reason in decided.refused.items():
            err.print(f"{version_id[:SHOWN_CHARACTERS]}  {reason}", markup=False)
    report = run.report
    out.print(
        f"{counted(report.embedded, 'document')} indexed, {report.unchanged} unchanged, {report.pruned} taken out"
        + (f", {report.failed} failed" if report.failed else "")
    )
    states = ", ".join(f"{number} {state}" for state, number in sorted(run.counts.items()))
    out.print(f"The library: {states or 'empty'}.")
    if run.waiting:
        out.print("Waiting for a reviewer (--approve ID, --reject ID):")
        for version in run.waiting:
            findings = "; ".join(each.what for each in version.findings[:FINDINGS_SHOWN])
            told = f"  {findings}" if findings else ""
            out.print(f"  {version.version_id[:SHOWN_CHARACTERS]}  {version.title}{told}", markup=False)


def _print_file(file: TakenFile) -> None:
    if file.version is None:
        err.print(f"{file.path}: {file.error}", markup=False)
        return
    version = file.version
    if version.refusal is not None and version.state == "unreadable":
        err.print(f"{file.path}: {version.refusal.reason} {version.refusal.remedy}", markup=False)
        return
    known = "" if file.is_new else ", as before"
    out.print(
        f"{version.version_id[:SHOWN_CHARACTERS]}  {file.path}: {version.title}, version {version.number}, "
        f"{in_words(version.state)}{known}",
        markup=False,
    )


def print_json(run: DocumentsRun) -> None:
    """For programs."""
    record: dict[str, Any] = {
        "files": [
            {
                "path": each.path,
                "is_new": each.is_new,
                "error": each.error or None,
                "version": None if each.version is None else asdict(each.version),
            }
            for each in run.files
        ],
        "decided": [
            {
                "versions": [each.version_id for each in decided.versions],
                "superseded": [each.version_id for each in decided.superseded],
                "refused": dict(decided.refused),
            }
            for decided in run.decided
        ],
        "indexed": asdict(run.report),
        "library": run.counts,
        "waiting": [asdict(each) for each in run.waiting],
    }
    out.print(json.dumps(record, ensure_ascii=False, indent=2), markup=False)


def _print_readings(settings: Settings, files: Sequence[Path], json_output: bool) -> None:
    refused = 0
    with open_document_readers(settings) as readers:
        for path in files:
            try:
                said = _reading(readers.read(path))
            except (UnreadableDocument, OSError) as error:
                refused += 1
                kind = error.kind if isinstance(error, UnreadableDocument) else "unreadable"
                said = {
                    "refused": kind,
                    "reason": error.what if isinstance(error, ChartwellError) else str(error),
                }
            record = {"path": str(path), **said}
            if json_output:
                out.print(json.dumps(record, ensure_ascii=False), markup=False)
            else:
                out.print(
                    "  ".join(f"{name} {value}" for name, value in record.items() if value), markup=False
                )
    if refused:
        raise typer.Exit(EXIT_SOME_REJECTED)


def _reading(document: LibraryDocument) -> dict[str, Any]:
    return {
        "format": document.source_format,
        "pages": len(document.pages),
        "characters": sum(len(page.text) for page in document.pages),
        "title": document.metadata.title,
        "findings": sorted({finding.code for finding in document.findings}),
    }
