"""Turn images into vectors, resumably: the subcommand `images` of `python -m pipeline.vectorize`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from pipeline import logs
from pipeline.answering.images.similar_images import image_vector
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    EXIT_SOME_REJECTED,
    StackOption,
    counted,
    err,
    errors_as_exit_codes,
    out,
    stop_requests,
)
from pipeline.commands.images_printer import (
    ImageRun,
    RefusedImages,
    TableLosses,
    formats_in_words,
    print_json,
    print_run,
    print_survey,
)
from pipeline.commands.index_inputs import require_one_taken, require_outside
from pipeline.commands.progress import observer_for
from pipeline.config import Settings, load_settings
from pipeline.embedding_spaces import serving_settings, writing
from pipeline.errors import InputUnusable
from pipeline.images import EVERY_IMAGE, ImageHit
from pipeline.imaging.records import ImageFormat
from pipeline.indexing.flow import Indexing, Observer, RunCounts
from pipeline.indexing.identity import is_of_sources
from pipeline.indexing.images.dry_run import ImageInventory, ImageSurvey, stored_of, survey_images
from pipeline.indexing.images.material import ROW_GONE, ImageMaterial
from pipeline.indexing.images.notices import foreign_reports, image_notices, row_notices
from pipeline.indexing.images.reconciliation import reconcile_images, refused_and_shown, reopen_images
from pipeline.indexing.images.sources import ImageSources, accept_image, may_be_taken
from pipeline.indexing.images.tables import ImageTables
from pipeline.indexing.reconciliation import Reconciliation
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.flow import source_name
from pipeline.readers.sources import STANDARD_INPUT
from pipeline.records import Rejection, SourceRecord
from pipeline.telemetry.setup import open_run_telemetry
from pipeline.text.dates import DateOrder
from pipeline.wiring import (
    ImageCorpus,
    ledger_database,
    ledger_is_there,
    open_image_corpus,
    open_image_preparation,
    open_image_store,
    open_ledger,
    open_store,
    prepare_asked_image,
)

FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)
REJECTIONS_FILE = "rejected-images.jsonl"
FIRST = "first"
HITS_SHOWN = 5


def images(
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="FOLDER...", help="folders or files: DICOM, PNG, JPEG, NIfTI"),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help=f"only these, of {','.join(FORMATS)}")
    ] = ",".join(FORMATS),
    metadata: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="CSV or JSON Lines: image, patient, study, date, modality, body part, findings, report id; repeatable",
        ),
    ] = None,
    without_metadata: Annotated[
        bool,
        typer.Option(
            help="take images that no table has a row for, also those of which an earlier one had more"
        ),
    ] = False,
    date_order: Annotated[
        DateOrder | None,
        typer.Option(help="which number comes first in a table's dates like 03/04/2024: day or month"),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=1000, help="images embedded and stored together")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--fresh", help="go on where the last run ended, or forget all images and start over"
        ),
    ] = True,
    retry_failed: Annotated[bool, typer.Option(help="also retry images that failed too often")] = False,
    prune: Annotated[
        bool,
        typer.Option(
            help="remove images that these folders no longer hold; with --dry-run, say which those are"
        ),
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="read this many files at most")] = None,
    errors: Annotated[
        Path | None, typer.Option(help="where rejected files are listed, as JSON Lines")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="read and prepare; store nothing")] = False,
    test_search: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            help=f"search by an image once all is stored; {FIRST!r}: the first of the folders",
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    progress_lines: Annotated[
        bool, typer.Option("--progress-lines", help="print progress as JSON lines on standard error")
    ] = False,
    stack: StackOption = None,
) -> None:
    """Index medical images. Safe to run again: what is stored costs nothing.

    MIMIC-CXR's folders and NIH's table are recognised. What an image shows of its patient is taken out before anything
    is stored (docs/images.md); originals stay where they are.

    Exit code 0: all images are in; 1: some were rejected or failed; 2: could not run; 70: a fault in this program;
    75: a server or the store stayed away, run it again; 130: interrupted, run it again.
    """
    with errors_as_exit_codes():
        given: dict[str, Any] = {"batch_size": batch_size, "date_order": date_order}
        given = {name: value for name, value in given.items() if value is not None}
        settings = load_settings(stack=stack, indexing=given) if given else load_settings(stack=stack)
        logs.configure(settings.log_level)
        inputs = _inputs(folders or (), prune=prune, limit=limit, formats=formats)
        sources = ImageSources(
            inputs,
            _tables(inputs, metadata or ()),
            _formats(formats),
            date_order=settings.indexing.date_order,
        )
        records: Iterator[SourceRecord | Rejection] = islice(sources, limit)
        rejections_file = require_outside(inputs, errors or settings.data_dir / REJECTIONS_FILE)
        if dry_run:
            found = _survey(records, settings, rejections_file, inputs if prune else None)
            print_survey(found, sources.seen, json_output, rejections_file)
            if found.rejected:
                raise typer.Exit(EXIT_SOME_REJECTED)
            return
        with open_images(
            settings,
            rejections_file,
            sources.seen,
            quiet=json_output,
            lines=progress_lines,
            retry_failed=retry_failed or without_metadata,
            tables=sources.tables,
            without_tables=without_metadata,
        ) as (indexing, corpus):
            if not resume:
                corpus.embedder.check()
                records = require_one_taken(
                    records,
                    may_be_taken,
                    lambda number: (
                        f"None of the first {number} files is an image of which the table or the header may "
                        "say whose it is"
                    ),
                )
                corpus.start_over()
            else:
                sources.earlier = corpus.ledger.of_patients
            whole = limit is None and set(sources.formats) == set(FORMATS)
            names = [source_name(each) for each in inputs]
            tally = indexing.run(records, sources=names, prune=prune, complete_sources=whole)
            tally.missing = tuple(stored_of(corpus.images, tally.missing))
            listed = tally.rejected or tally.unread_files or tally.failed
            report = tally.report(str(rejections_file) if listed else None)
            refused = _refused(indexing, corpus, names if prune and not report.interrupted else ())
            hits = _search(corpus, settings, inputs, test_search) if test_search else None
            losses = _losses(corpus, sources.tables, names, rejections_file, whole=whole)
        run = ImageRun(report, sources.seen, refused, losses, tally.replaced, hits)
        print_json(run) if json_output else print_run(run)
    if report.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if report.has_faults or refused.shown:
        raise typer.Exit(EXIT_SOME_REJECTED)


def _losses(
    corpus: ImageCorpus, tables: ImageTables, names: Sequence[str], rejections_file: Path, *, whole: bool
) -> TableLosses:
    """`whole`: all files of the folders were looked at, so that a row may be about none."""
    rows = tuple(row_notices(tables)) if whole else ()
    told = (*rows, *image_notices(corpus.material, tables, names))
    return TableLosses(
        corpus.material.left_out.total(),
        [each.image_id for each, _ in foreign_reports(corpus.material, names)],
        Counter(corpus.material.undated.values()),
        told,
        _listed(told, rejections_file.with_stem(f"{rejections_file.stem}-notices")),
    )


def _listed(told: Sequence[Rejection], path: Path) -> str | None:
    """The list of these next to the list of rejected files, where that is a file; that of the run before goes."""
    if not path.parent.is_dir() or path.parent == Path("/dev"):
        return None
    if not told:
        path.unlink(missing_ok=True)
        return None
    with RejectionLog(path, "images") as log:
        for each in told:
            log.write(each)
    return str(path)


def _refused(indexing: Indexing, corpus: ImageCorpus, pruned: Sequence[str]) -> RefusedImages:
    """Remove those whose files lie in these sources, and count the others: also those of which a table is missing."""
    refused = refused_and_shown(corpus.ledger, corpus.images)
    known = corpus.ledger.known(refused)
    kept = {each.resource_id for each in corpus.ledger.failures(-1) if each.error.startswith(ROW_GONE)}
    gone = [key for key, each in known.items() if is_of_sources(each.source, each.file, pruned)]
    gone = [key for key in gone if key not in kept]
    if gone:
        indexing.committer.remove(gone)
    return RefusedImages(len(refused) - len(gone), len(gone))


@contextmanager
def open_images(
    settings: Settings,
    rejections_file: Path | None,
    formats_seen: Counter[str] | None = None,
    *,
    quiet: bool,
    lines: bool = False,
    retry_failed: bool = False,
    tables: ImageTables | None = None,
    without_tables: bool = False,
) -> Iterator[tuple[Indexing, ImageCorpus]]:
    """The flow over images, ready to run. `without_tables`: as `ImageMaterial`."""
    with ExitStack() as stack:
        stack.enter_context(writing(settings.data_dir))
        corpus = stack.enter_context(open_image_corpus(settings))
        rows = tables or ImageTables()
        material = replace(
            corpus.material, without_tables=without_tables, has_row=lambda path: rows.row(path) is not None
        )
        corpus = replace(corpus, material=material)
        telemetry = stack.enter_context(open_run_telemetry(settings))
        rejections = stack.enter_context(RejectionLog(rejections_file, "images"))
        shown = stack.enter_context(
            observer_for(
                err,
                settings.indexing.batch_size,
                quiet=quiet,
                lines=lines,
                kind="images",
                more=lambda: formats_in_words(formats_seen or Counter()),
            )
        )
        observer: Observer = stack.enter_context(telemetry.indexing(shown))
        stop = stack.enter_context(stop_requests())
        yield (
            Indexing(
                embedder=corpus.embedder,
                store=corpus.notes,
                ledger=corpus.ledger,
                settings=settings.indexing,
                rejections=rejections,
                observer=observer,
                stop=stop,
                retry_failed=retry_failed,
                vector_cache=corpus.vector_cache,
                other_material=corpus.material,
                accept=accept_image,
            ),
            corpus,
        )


def verify_images(settings: Settings, *, sample: int | None, repair: bool, quiet: bool) -> Reconciliation:
    """Hold ledger, kept vectors and stored images against each other, and repair where that is asked for."""
    with open_images(settings, None, quiet=quiet) as (indexing, corpus):
        corpus.ledger.prepare()
        found = _reconciled(corpus, sample)
        if repair and not found.sound:
            gone = reopen_images(found, ledger=corpus.ledger, images=corpus.images)
            tally = RunCounts()
            indexing.work(tally)
            out.print(f"repaired {counted(tally.embedded, 'image')}", markup=False)
            if gone:
                out.print(f"{counted(len(gone), 'image')} must be read from their folder again", markup=False)
            found = _reconciled(corpus, sample)
        return found


def _reconciled(corpus: ImageCorpus, sample: int | None) -> Reconciliation:
    material = corpus.material
    assert isinstance(material, ImageMaterial)
    return reconcile_images(
        ledger=corpus.ledger,
        images=corpus.images,
        vector_cache=corpus.vector_cache,
        kept_as=material.kept_as,
        sample=sample,
    )


def _inputs(folders: Sequence[str], *, prune: bool, limit: int | None, formats: str) -> Sequence[str]:
    if not folders:
        raise InputUnusable("No folder was named.", remedy="Name folders or files with images.")
    if STANDARD_INPUT in folders:
        raise InputUnusable(
            "Images are not read from standard input.", remedy="Name folders or files with images."
        )
    if prune and (limit is not None or set(_formats(formats)) != set(FORMATS)):
        raise InputUnusable(
            "--prune cannot be combined with --limit or --format.",
            remedy="An image that was not looked for is not missing. Leave out one of the two.",
        )
    return folders


def _formats(written: str) -> frozenset[ImageFormat]:
    names = [name.strip().lower() for name in written.split(",") if name.strip()]
    chosen = frozenset(name for name in FORMATS if name in names)
    if unknown := [name for name in names if name not in FORMATS]:
        raise InputUnusable(
            f"{unknown[0]!r} is not a format of images that is read.",
            remedy=f"Name some of {', '.join(FORMATS)}.",
        )
    return chosen


def _tables(inputs: Sequence[str], named: Sequence[Path]) -> ImageTables:
    tables = ImageTables()
    for path in named:
        tables.add(path)
    tables.add_found(inputs)
    return tables


@contextmanager
def _stored(settings: Settings, compared: Sequence[str] | None) -> Iterator[ImageInventory | None]:
    """The images that are stored; None where none ever were, or where nothing is `compared`."""
    chosen = serving_settings(settings)
    with ExitStack() as stack:
        database = stack.enter_context(closing(ledger_database(chosen)))
        if compared is None or not ledger_is_there(database, "images"):
            yield None
            return
        ledger = open_ledger(chosen, database, "images")
        ledger.prepare()
        store = stack.enter_context(closing(open_store(chosen, database)))
        yield ImageInventory(ledger, open_image_store(store), [source_name(each) for each in compared])


def _survey(
    records: Iterator[SourceRecord | Rejection],
    settings: Settings,
    rejections_file: Path,
    compared: Sequence[str] | None,
) -> ImageSurvey:
    with ExitStack() as stack:
        rejections = stack.enter_context(RejectionLog(rejections_file, "images"))
        stored = stack.enter_context(_stored(settings, compared))
        preparation = stack.enter_context(open_image_preparation(settings))
        return survey_images(records, preparation.prepare, rejections, stored)


def _search(corpus: ImageCorpus, settings: Settings, inputs: Sequence[str], asked: str) -> list[ImageHit]:
    path = Path(asked)
    if asked == FIRST:
        records = ImageSources(inputs, ImageTables(), FORMATS)
        references = (each.fields["reference"] for each in records if not isinstance(each, Rejection))
        reference = next(references, None)
        if reference is None:
            return []
        path = Path(reference.path)
    vector = image_vector(prepare_asked_image(path, settings), corpus.embedder, corpus.images)
    return corpus.images.search(vector, HITS_SHOWN, EVERY_IMAGE)
