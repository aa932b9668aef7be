"""Turn notes and images into vectors, resumably: `python -m pipeline.vectorize notes INPUT...`, `images FOLDER...`"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import logs
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    EXIT_SOME_REJECTED,
    StackOption,
    as_json,
    command_line,
    counted,
    duration,
    err,
    errors_as_exit_codes,
    out,
    print_given_up,
)
from pipeline.commands.index_inputs import require_one_taken, require_outside
from pipeline.commands.notes_indexing import open_indexing
from pipeline.commands.reembed import migrate
from pipeline.commands.vectorize_documents import documents
from pipeline.commands.vectorize_images import images, verify_images
from pipeline.config import Settings, load_settings
from pipeline.embedding_spaces import serving_settings, writing
from pipeline.errors import InputUnusable
from pipeline.indexing.dry_run import Survey, survey
from pipeline.indexing.flow import Indexing, RunCounts
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.reconciliation import Reconciliation, reconcile, reopen
from pipeline.indexing.rejections import RejectionLog
from pipeline.indexing.staging import Stored
from pipeline.indexing.validation import ValidNote, accept
from pipeline.locators import locator_record
from pipeline.ports import Ledger
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources, source_name
from pipeline.records import FailedNote, Filters, Hit, IndexReport, MaterialKind, Rejection, SourceRecord
from pipeline.text.dates import DateOrder
from pipeline.wiring import (
    Corpus,
    ledger_database,
    ledger_is_there,
    open_corpus,
    open_embedder,
    open_ledger,
    require_store,
)

app = command_line(__doc__ or "")
app.command()(migrate)
app.command()(images)
app.command()(documents)

STANDARD_INPUT = "-"
REJECTIONS_FILE = "rejected.jsonl"
COLUMNS_SHOWN_MAX = 40


@app.callback()
def _() -> None:
    """Notes and images, into vectors."""


@app.command()
def notes(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="files or folders: JSON, JSON Lines, CSV, FHIR, C-CDA, HL7 v2, text, gzip; - for stdin",
        ),
    ] = None,
    more_inputs: Annotated[
        list[str] | None, typer.Option("--input", help="the same, as an option; repeatable")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN[|COLUMN]", help="which column feeds a field; repeatable"),
    ] = None,
    defaults: Annotated[
        list[str] | None,
        typer.Option(
            "--default", metavar="FIELD=VALUE", help="a value for records that lack the field; repeatable"
        ),
    ] = None,
    date_order: Annotated[
        DateOrder | None,
        typer.Option(help="which number comes first in dates like 03/04/2024: day or month"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=1000, help="notes embedded and stored together")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="go on where the last run ended, or forget all and start over"),
    ] = True,
    retry_failed: Annotated[bool, typer.Option(help="also retry notes that failed too often")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            help="remove notes that these inputs no longer hold; with --dry-run, say which those are"
        ),
    ] = False,
    id_prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="put before every resource_id, where two sources give out the same ids"
        ),
    ] = "",
    patient_prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="put before every patient_id, where two sources number their patients"
        ),
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="read this many records at most")] = None,
    errors: Annotated[
        Path | None, typer.Option(help="where rejected records are listed, as JSON Lines")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="read, validate and chunk; store nothing")] = False,
    test_search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="search for TEXT once all is stored")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    progress_lines: Annotated[
        bool, typer.Option("--progress-lines", help="print progress as JSON lines on standard error")
    ] = False,
    stack: StackOption = None,
) -> None:
    """Index clinical notes. Safe to run again: what is stored costs nothing.

    A note's day is the one written in it, whatever its time zone. Of several versions of a note the newest counts; of
    several files of a folder that say nothing of versions, the later one by name.

    Exit code 0: all notes are in, or were withdrawn by their source; 1: some were rejected or failed; 2: could not run;
    70: a fault in this program; 75: a server or the store stayed away, run it again; 130: interrupted, run it again.
    """
    with errors_as_exit_codes():
        settings = _settings(batch_size, date_order, stack)
        logs.configure(settings.log_level)
        sources = [*(inputs or ()), *(more_inputs or ())]
        if not sources:
            raise InputUnusable(
                "No input was named.", remedy="Name files or folders, or - for standard input."
            )
        if prune and limit is not None:
            raise InputUnusable(
                "--prune cannot be combined with --limit.",
                remedy="A note beyond the limit is not missing. Leave out one of the two.",
            )
        fields = FieldMapping.parse(mapping or (), defaults or ())
        prefixes = Prefixes(id_prefix.strip(), patient_prefix.strip())
        records: Iterator[SourceRecord | Rejection] = islice(
            read_sources(sources, fields, settings.indexing), limit
        )
        files = [source for source in sources if source != STANDARD_INPUT]
        rejections_file = require_outside(files, errors or settings.data_dir / REJECTIONS_FILE)
        if dry_run:
            compared = sources if prune and STANDARD_INPUT not in sources else None
            found = _survey(records, settings, rejections_file, prefixes, compared, fields)
            _print_survey(found, json_output, rejections_file)
            _print_unfed(fields)
            return
        with open_indexing(
            settings,
            rejections_file,
            quiet=json_output,
            lines=progress_lines,
            retry_failed=retry_failed,
            prefixes=prefixes,
        ) as (indexing, corpus):
            if not resume:
                corpus.embedder.check()
                records = require_one_taken(
                    records,
                    lambda record: isinstance(accept(record, settings.indexing), ValidNote),
                    lambda number: f"No note can be taken of the first {number} records",
                )
                corpus.start_over()
            whole = limit is None and STANDARD_INPUT not in sources
            tally = indexing.run(
                records,
                sources=[source_name(source) for source in sources],
                prune=prune,
                complete_sources=whole,
            )
            listed = tally.rejected or tally.unread_files or tally.withdrawals
            report = tally.report(str(rejections_file) if listed else None)
            hits = _search(corpus, test_search) if test_search else []
        if json_output:
            shown = asdict(report) | ({"test_search": [_shown(hit) for hit in hits]} if test_search else {})
            out.print(json.dumps(shown, ensure_ascii=False, indent=2))
        else:
            _print_report(report)
            _print_hits(hits, test_search)
        _print_unfed(fields)
    if report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if report.has_faults:
        raise typer.Exit(EXIT_SOME_REJECTED)


@app.command()
def status(
    failures: Annotated[int, typer.Option(min=0, help="failed notes, and images, listed at most")] = 20,
    json_output: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
    stack: StackOption = None,
) -> None:
    """How far indexing is: notes and images by state, how fast it goes, and why some failed."""
    with errors_as_exit_codes():
        settings = load_settings(stack=stack)
        require_store(settings, ledger=True)
        settings = serving_settings(settings)
        database = ledger_database(settings)
        kinds: list[MaterialKind] = ["notes"]
        if ledger_is_there(database, "images"):
            kinds.append("images")
        ledgers = {kind: open_ledger(settings, database, kind) for kind in kinds}
        for ledger in ledgers.values():
            ledger.prepare()
        if json_output:
            found = _state_of("notes", ledgers["notes"], failures)
            if "images" in ledgers:
                found["images"] = _state_of("images", ledgers["images"], failures)
            out.print(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for kind, ledger in ledgers.items():
            if kind == "images":
                out.print("images")
            _print_state(kind, ledger, failures)


def _state_of(kind: MaterialKind, ledger: Ledger, failures: int) -> dict[str, Any]:
    pace = ledger.pace()
    return {
        kind: ledger.counts(),
        f"{kind}_per_minute": pace.notes_per_minute if pace else None,
        "last_done_at": _moment(pace.last_at) if pace else None,
        "failures_by_reason": ledger.failure_reasons(),
        "failures": [_failure(kind, each) for each in ledger.failures(failures)],
    }


def _failure(kind: MaterialKind, failed: FailedNote) -> dict[str, Any]:
    """The ledger knows an image by the hash of its bytes."""
    fields = asdict(failed)
    key, file = fields.pop("resource_id"), fields.pop("file")
    return (
        {"resource_id": key, **fields} if kind == "notes" else {"content_hash": key, "file": file, **fields}
    )


def _print_state(kind: MaterialKind, ledger: Ledger, failures: int) -> None:
    for state, number in ledger.counts().items():
        out.print(f"{state:<11}{number:>9,}")
    if (pace := ledger.pace()) is not None:
        out.print(
            f"{pace.notes_per_minute:,.0f} {kind} a minute, the last one done at {_moment(pace.last_at)}"
        )
    if kind == "images":
        _print_failed_images(ledger, failures)
        return
    for reason, number in ledger.failure_reasons().items():
        out.print(f"{number:>7,} failed: {reason}")
    for failure in ledger.failures(failures):
        out.print(f"  {failure.resource_id} after {counted(failure.attempts, 'attempt')}: {failure.error}")


def _print_failed_images(ledger: Ledger, failures: int) -> None:
    """Each by its file, as the ledger knows it, below its reason. Where that is not known, by the hash of its bytes."""
    files: dict[str, list[str]] = {}
    for each in ledger.failures(failures):
        files.setdefault(each.error, []).append(each.file or each.resource_id)
    reasons = ledger.failure_reasons()
    for reason in dict.fromkeys((*reasons, *files)):
        named = files.get(reason, [])
        out.print(f"{max(reasons.get(reason, 0), len(named)):>7,} failed: {reason}")
        for file in named:
            out.print(f"         {file}", markup=False)
    left = ledger.counts()["failed"] - sum(map(len, files.values()))
    if failures and left:
        out.print(f"{left:>7,} more files: --failures {failures + left}")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@app.command()
def verify(
    sample: Annotated[
        int, typer.Option(min=0, help="notes compared passage by passage, and images by their vectors")
    ] = 200,
    everything: Annotated[bool, typer.Option("--all", help="compare every note and image")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="repair what differs, from the vectors that were kept")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
    stack: StackOption = None,
) -> None:
    """Hold ledger, kept vectors and store against each other: lost, doubled, stale, different.

    Exit code 0: they agree, or were repaired; 1: they differ; 2: could not run.
    """
    with errors_as_exit_codes():
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        require_store(settings, ledger=True)
        with open_indexing(settings, None, quiet=json_output) as (indexing, corpus):
            corpus.store.prepare(corpus.embedder.space)
            corpus.ledger.prepare()
            found = _reconciled(indexing, corpus, None if everything else sample)
            if repair and not found.sound:
                gone = reopen(found, ledger=corpus.ledger, store=corpus.store)
                tally = RunCounts()
                indexing.work(tally)
                _print_repair(tally, gone)
                found = _reconciled(indexing, corpus, None if everything else sample)
        of_images = None
        if _has_images(settings):
            compared = None if everything else sample
            of_images = verify_images(settings, sample=compared, repair=repair, quiet=json_output)
        if json_output:
            both = json.dumps(asdict(found) | {"images": of_images and asdict(of_images)}, indent=2)
            out.print(as_json(found) if of_images is None else both, markup=False)
        else:
            _print_reconciliation(found)
            if of_images is not None:
                _print_reconciliation(of_images, "images")
    if not found.sound or not (of_images is None or of_images.sound):
        raise typer.Exit(EXIT_SOME_REJECTED)


def _has_images(settings: Settings) -> bool:
    """Whether a run over images ever began here."""
    with closing(ledger_database(serving_settings(settings))) as database:
        return ledger_is_there(database, "images")


@app.command()
def optimise(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="drop the vector index first")] = False,
    stack: StackOption = None,
) -> None:
    """Bring the store's indexes into their best shape. Searches are right without it, only slower.

    A run that stored many notes has done so already. IRIS holds the table while it builds.
    """
    with errors_as_exit_codes():
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        require_store(settings)
        started = time.perf_counter()
        with writing(settings.data_dir), open_corpus(settings) as corpus:
            corpus.store.prepare(corpus.embedder.space)
            corpus.store.optimise(rebuild=rebuild)
        out.print(f"indexes built in {duration(time.perf_counter() - started)}", markup=False)


def _reconciled(indexing: Indexing, corpus: Corpus, sample: int | None) -> Reconciliation:
    return reconcile(
        ledger=corpus.ledger,
        store=corpus.store,
        vector_cache=corpus.vector_cache,
        split=indexing.chunker.split,
        sample=sample,
        outdated=indexing.chunker.cut_by_an_earlier_release,
    )


def _print_reconciliation(found: Reconciliation, kind: MaterialKind = "notes") -> None:
    parts = counted(found.chunks, "passage") if kind == "notes" else f"{found.chunks:,} of them"
    out.print(f"{counted(found.notes, kind.removesuffix('s'))} done, {parts} stored", markup=False)
    for name, keys in (
        ("lost", found.lost),
        ("doubled", found.doubled),
        ("stale", found.stale),
        (f"different, of {found.compared:,} compared", found.different),
    ):
        examples = f": {', '.join(keys[:5])}" if keys else ""
        out.print(f"{len(keys):>7,} {name}{examples}", markup=False)
    if found.outdated:
        out.print(
            f"{len(found.outdated):>7,} cut by an earlier release: index their sources again, and they are cut again",
            markup=False,
        )
    if found.unkept:
        out.print(
            f"{found.unkept:>7,} {'passages' if kind == 'notes' else 'images'} compared are in the store only, not "
            "kept besides",
            markup=False,
        )
    for problem in found.problems:
        out.print(f"        {problem}", markup=False)
    if found.stale:
        out.print(
            f"stale {kind} are stored, but the ledger does not know them: index their source again",
            markup=False,
        )
    if found.problems:
        out.print(
            "the store itself is damaged: restore it from a snapshot, or index everything again with --fresh",
            markup=False,
        )
    if found.refused:
        out.print(
            f"{len(found.refused):>7,} refused by the last run and still shown: give --metadata, or remove them with "
            f"vectorize {kind} --prune",
            markup=False,
        )
    if found.lost or found.doubled or found.different:
        out.print(f"--repair repairs lost, doubled and different {kind}", markup=False)


def _print_repair(tally: RunCounts, gone: Sequence[str]) -> None:
    out.print(
        f"repaired {counted(tally.embedded, 'note')}: {counted(tally.chunks_reused, 'vector was', 'vectors were')} "
        "kept, "
        f"{tally.chunks_embedded:,} had to be embedded",
        markup=False,
    )
    if gone:
        out.print(
            f"{counted(len(gone), 'note')} must be read from their source again, for example {', '.join(gone[:3])}",
            markup=False,
        )


def _settings(batch_size: int | None, date_order: DateOrder | None, stack: str | None) -> Settings:
    given = {"batch_size": batch_size, "date_order": date_order}
    given = {name: value for name, value in given.items() if value is not None}
    return load_settings(stack=stack, indexing=given) if given else load_settings(stack=stack)


def _survey(
    records: Iterator[SourceRecord | Rejection],
    settings: Settings,
    rejections_file: Path,
    prefixes: Prefixes,
    compared: Sequence[str] | None,
    mapping: FieldMapping,
) -> Survey:
    """`compared`: the sources whose stored notes are held against the records."""
    chosen = serving_settings(settings)
    with ExitStack() as stack:
        stored = None
        if compared is not None:
            database = stack.enter_context(closing(ledger_database(chosen)))
            ledger = open_ledger(chosen, database)
            ledger.prepare()
            stored = Stored(ledger, [source_name(source) for source in compared], prefixes)
        return survey(
            records,
            embedder=open_embedder(chosen),
            settings=settings.indexing,
            rejections=stack.enter_context(RejectionLog(rejections_file)),
            prefixes=prefixes,
            stored=stored,
            mapping=mapping,
        )


def _search(corpus: Corpus, text: str) -> list[Hit]:
    vector = corpus.embedder.embed([text], "query")[0]
    matches = corpus.store.search_vector(vector, 3, Filters())
    return corpus.store.hits([match.chunk_id for match in matches], vector)


def _print_report(report: IndexReport) -> None:
    rate = report.embedded / report.seconds * 60 if report.seconds else 0.0
    out.print(
        f"{counted(report.accepted, 'note')} "
        f"accepted of {counted(report.read, 'record')}: {report.embedded:,} embedded "
        f"({counted(report.chunks_embedded, 'passage')} "
        f"new, {report.chunks_reused:,} kept), {report.unchanged:,} unchanged, "
        f"{counted(report.duplicates, 'duplicate')}, {report.rejected:,} rejected, {report.failed:,} failed",
        markup=False,
    )
    print_given_up(report.given_up, "note")
    if kinds := _kinds(report):
        out.print(kinds, markup=False)
    out.print(f"{duration(report.seconds)}, {rate:,.0f} notes a minute", markup=False)
    _print_doubtful(report)
    _print_rejected(report, report.rejections_file)
    if report.withdrawn:
        gone = counted(
            report.withdrawn, "note that its source withdrew was", "notes that their source withdrew were"
        )
        out.print(f"{gone} removed", markup=False)
    if report.pruned:
        gone = counted(
            report.pruned,
            "note that the inputs no longer hold was",
            "notes that the inputs no longer hold were",
        )
        out.print(f"{gone} removed", markup=False)
    if report.missing:
        _print_missing(report.missing, report.unread, "--prune removes them")
    if report.interrupted:
        out.print("interrupted; run the same command again to go on", markup=False)


def _kinds(report: IndexReport) -> str:
    """New notes told from changed ones; "" where there are neither."""
    others = f"{report.patient_changed:,} with another patient"
    patients = f" ({others})" if report.patient_changed else ""
    kinds = (
        (report.new, f"{report.new:,} new"),
        (report.changed, f"{report.changed:,} changed{patients}"),
        (report.patient_changed and not report.changed, f"{others} than an earlier version"),
        (report.moved, f"{report.moved:,} moved to another file"),
        (report.older, f"{counted(report.older, 'older version')} passed over"),
    )
    return ", ".join(words for number, words in kinds if number)


def _print_rejected(found: IndexReport | Survey, rejections_file: str | None) -> None:
    if found.unread_files:
        out.print(
            f"{counted(found.unread_files, 'file')} could not be read, or not to the "
            "end: how many notes are in there is not known",
            markup=False,
        )
    for reason, number in sorted(found.reasons.items(), key=lambda entry: -entry[1]):
        out.print(f"  {number:>7,}  {reason}", markup=False)
    if found.withdrawals:
        out.print(
            f"{counted(found.withdrawals, 'note withdrawn by its', 'notes withdrawn by their')} source",
            markup=False,
        )
    if rejections_file and (found.rejected or found.unread_files):
        out.print(f"rejected records, and what to do about each: {rejections_file}", markup=False)
    elif rejections_file:
        out.print(f"they are listed in {rejections_file}", markup=False)


def _print_doubtful(found: IndexReport | Survey) -> None:
    """Values that were taken, and that a program before this one may have spoiled."""
    if found.placeholder_dates:
        out.print(
            f"{counted(found.placeholder_dates, 'note has', 'notes have')} "
            "a date that stands for none (such as 0001-01-01, 1900-01-01 or "
            "9999-12-31): taken without a date",
            markup=False,
        )
    for whose in found.decimal_ids:
        out.print(
            f"every {whose} id ends in .0, as a data frame writes whole numbers of a column with a gap: kept as it is; "
            "if the source has them without, export the column as text",
            markup=False,
        )


def _print_missing(missing: Sequence[str], unread: int, removal: str) -> None:
    out.print(
        f"{counted(len(missing), 'note is', 'notes are')} stored that these inputs no longer hold, for example "
        f"{', '.join(missing[:3])}; "
        + ("not pruned: parts of the sources could not be read" if unread else removal),
        markup=False,
    )


def _print_survey(found: Survey, json_output: bool, rejections_file: Path) -> None:
    listed = found.rejected or found.unread_files or found.withdrawals
    if json_output:
        out.print(as_json(found), markup=False)
    else:
        older = f", {counted(found.older, 'older version')}" if found.older else ""
        out.print(
            f"dry run: {counted(found.accepted, 'note')} would be indexed as {counted(found.chunks, 'passage')} of "
            f"{counted(found.tokens, 'token')}; {found.rejected:,} rejected, {counted(found.duplicates, 'duplicate')}"
            f"{older}; nothing "
            "stored",
            markup=False,
        )
        _print_columns(found)
        _print_doubtful(found)
        _print_rejected(found, str(rejections_file) if listed else None)
        if found.missing:
            _print_missing(found.missing, found.unread, "a run with --prune removes them")
        elif found.missing is not None:
            out.print("--prune would remove nothing", markup=False)
    if found.rejected or found.unread_files:
        raise typer.Exit(EXIT_SOME_REJECTED)


def _print_unfed(mapping: FieldMapping) -> None:
    """On standard error: it is no part of a report that programs read."""
    for option in mapping.unfed():
        err.print(f"no record has the column of {option}", markup=False)


def _print_columns(found: Survey) -> None:
    for name, columns in found.columns.items():
        out.print(f"  {name:<14} {', or '.join(columns)}", markup=False)
    if found.metadata_columns:
        out.print(f"  {'metadata':<14} {', '.join(found.metadata_columns[:COLUMNS_SHOWN_MAX])}", markup=False)
    if not found.undated:
        return
    line = f"{found.undated:,} of {found.accepted:,} notes have no date: --since and --until leave them out"
    if "date" not in found.columns:
        likely = f"; looks like: {', '.join(found.likely_dates)}" if found.likely_dates else ""
        line += f"; no column for date; map one with --map date=COLUMN{likely}"
    out.print(line, markup=False)


def _print_hits(hits: Sequence[Hit], text: str | None) -> None:
    if text:
        out.print(
            f"closest to {text!r}:" if hits else f"nothing is stored that is close to {text!r}", markup=False
        )
    for hit in hits:
        out.print(f"  {hit.similarity:.2f}  {hit.resource_id}  {_beginning(hit)}")


def _shown(hit: Hit) -> dict[str, object]:
    return {
        "similarity": round(hit.similarity, 4),
        "resource_id": hit.resource_id,
        "start": hit.start,
        "end": hit.end,
        **({"locator": locator_record(hit.region)} if hit.region else {}),
        "text": _beginning(hit),
    }


def _beginning(hit: Hit) -> str:
    return " ".join(hit.text.split())[:100]


if __name__ == "__main__":
    app()
