"""Measure how good retrieval, answers, reading of findings and image search are:
`python -m pipeline.evaluate answers --set DIR`"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline import logs
from pipeline.commands import answers_table, assertion_table, images_table, thresholds_table
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    command_line,
    err,
    errors_as_exit_codes,
    out,
    stop_requests,
)
from pipeline.commands.progress import observer_for
from pipeline.config import EmbedderSettings, Settings, load_settings
from pipeline.embedding_spaces import serving_settings
from pipeline.errors import InputMissing, SettingsInvalid
from pipeline.evaluation.answer_set import AnswerSet, Split, read_answer_set
from pipeline.evaluation.answers import AnswersResult, Asked, JudgedAnswer, ask_all, sample, summary
from pipeline.evaluation.assertions import measure, read_mentions, read_notes
from pipeline.evaluation.beir import EvaluationSet, RefuseRejections, read_set, require_whole
from pipeline.evaluation.images import measure_images
from pipeline.evaluation.labelled_images import TABLE as LABELS_TABLE
from pipeline.evaluation.labelled_images import read_labelled_set
from pipeline.evaluation.retrieval import Estimate, SetResult, evaluate, metrics_library
from pipeline.evaluation.thresholds import compared_pairs, cosines_of, fitted_scale, floor_rows
from pipeline.evaluation.vector_memory import VectorMemory
from pipeline.indexing.flow import Indexing, RunCounts
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources, source_name
from pipeline.wiring import (
    Corpus,
    compose_answerer,
    open_corpus,
    open_embedder,
    open_generator,
    open_image_embedder,
    open_ranker,
)

app = command_line(__doc__ or "")

DEMO_NOTES = Path(__file__).parent / "demo/notes/aci_bench.jsonl"

METRIC_NAMES = ("nDCG@10", "MRR@10", "recall@10")


@app.command()
def retrieval(
    sets: Annotated[list[Path], typer.Option("--set", help="a folder in BEIR's layout; repeatable")],
    json_output: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
    write: Annotated[Path | None, typer.Option(help="also write the table into this Markdown file")] = None,
) -> None:
    """nDCG@10, MRR@10 and recall@10 of words, vectors, hybrid and answering, with 95 % intervals and latencies.

    The corpus of each set is indexed once under the data folder and kept, so a second evaluation is quick.
    Exit code 0: measured; 2: could not run; 130: interrupted, run it again.
    """
    with errors_as_exit_codes():
        settings = serving_settings(load_settings())
        logs.configure(settings.log_level)
        metrics_library()  # before a corpus is indexed, not after
        results = [_evaluate(read_set(folder), settings) for folder in sets]
        if json_output:
            out.print(json.dumps([asdict(result) for result in results], indent=2), markup=False)
        else:
            for result in results:
                out.print(_table(result))
        if write:
            _write(write, RETRIEVAL_TABLE, _retrieval_lines(results, settings))


@app.command()
def thresholds(
    sets: Annotated[list[Path], typer.Option("--set", help="a folder in BEIR's layout; repeatable")],
    unrelated: Annotated[
        Path | None, typer.Option(help="file of questions, one a line, that no document of the sets answers")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
) -> None:
    """Where to set the floor of similarity of the embedding model in use, and the extractive answerer's threshold.

    For each floor: questions whose own passage it keeps, and unrelated ones that it stops. Proposed is the highest
    that keeps 99 % in every set. The sets' corpora are indexed as `retrieval` does. Exit codes as there.
    """
    with errors_as_exit_codes():
        settings = serving_settings(load_settings())
        logs.configure(settings.log_level)
        asked = _questions(unrelated) if unrelated else []
        found, pairs = {}, []
        for folder in sets:
            evaluation_set = read_set(folder)
            with _indexed(evaluation_set, settings) as corpus:
                found[evaluation_set.name] = cosines_of(
                    evaluation_set, asked, embedder=corpus.embedder, store=corpus.store
                )
                pairs += compared_pairs(evaluation_set, embedder=corpus.embedder, store=corpus.store)
        reference = open_embedder(settings.model_copy(update={"embedder": EmbedderSettings()}))
        scale = fitted_scale(pairs, open_embedder(settings), reference)
        rows = floor_rows(found)
        thresholds_table.show(rows, scale, settings.generator.sentence_similarity_min, json_output)


@app.command()
def answers(
    sets: Annotated[
        list[Path], typer.Option("--set", help="a folder with the splits development and held; repeatable")
    ],
    split: Annotated[Split, typer.Option(help="held is for the last run before a release")] = "development",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="about this many questions of each set, of every shape its share"),
    ] = None,
    seed: Annotated[int, typer.Option(help="which questions --limit takes")] = 0,
    json_output: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
    write: Annotated[Path | None, typer.Option(help="also write the tables into this Markdown file")] = None,
    save: Annotated[
        Path | None,
        typer.Option(help="write each answer and its verdict into this file, a JSON object a line"),
    ] = None,
) -> None:
    """How many answers are right, incomplete, wrong, of a wrong patient, silent or given where notes have none.

    The notes of each set are indexed into a temporary store, with the settings that serve, and the questions are asked
    as `ask` and the service do. docs/evaluation.md says how answers are judged and how a set is made.

    Exit code 0: measured, whatever the figures; 2: could not run; 130: interrupted.
    """
    with errors_as_exit_codes():
        settings = serving_settings(load_settings())
        logs.configure(settings.log_level)
        results, judged = [], []
        for folder in sets:
            result, answered = _ask(read_answer_set(folder, split), settings, limit, seed)
            results.append(result)
            judged += answered
        if json_output:
            out.print(json.dumps([asdict(result) for result in results], indent=2), markup=False)
        else:
            for result in results:
                for table in answers_table.tables(result):
                    out.print(table)
        if save:
            answers_table.write_answers(save, judged)
        if write:
            _write(write, ANSWERS_TABLE, [_settings_line(settings), *answers_table.markdown(results)])


@app.command()
def assertion(
    set_folder: Annotated[Path, typer.Option("--set", help="a folder with mentions.jsonl")],
    notes: Annotated[
        Path,
        typer.Option(
            help="the notes that the mentions are of, JSON lines", show_default="the demo's ACI-Bench"
        ),
    ] = DEMO_NOTES,
    json_output: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
    write: Annotated[Path | None, typer.Option(help="also write the tables into this Markdown file")] = None,
) -> None:
    """How well it is read whether a finding is present, absent, possible, historical, of the family or planned.

    Precision, recall and F1 of each class on mentions labelled by hand (benchmarks/assertion), with 95 % intervals.
    Exit code 0: measured, whatever the figures; 2: could not run.
    """
    with errors_as_exit_codes():
        results = measure(read_mentions(set_folder), read_notes(notes))
        if json_output:
            out.print(json.dumps([asdict(result) for result in results], indent=2), markup=False)
        else:
            for table in assertion_table.tables(results):
                out.print(table)
        if write:
            _write(write, ASSERTION_TABLE, assertion_table.markdown(results))


@app.command()
def images(
    sets: Annotated[
        list[Path],
        typer.Option("--set", help="a folder with one sub-folder a class, or with labels.csv; repeatable"),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", help="column of the classes in labels.csv; repeatable, a table each"),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
    write: Annotated[Path | None, typer.Option(help="also write the tables into this Markdown file")] = None,
) -> None:
    """How many of the images found for an image are of its class: precision@1, 5 and 10, with 95 % intervals.

    Each image is asked once among all others; those of the same patient, where labels.csv names patients, are left out.
    Beside it stand plain pixels and chance. labels.csv has the columns file, label and patient; findings of one film
    are separated by "|". The pixels go to the image model that the settings name as they are, those of DICOM and NIfTI
    only to the local one. Exit code 0: measured, whatever the figures; 2: could not run.
    """
    with errors_as_exit_codes():
        settings = load_settings()
        logs.configure(settings.log_level)
        embedder = open_image_embedder(settings)
        if embedder is None:
            raise SettingsInvalid(
                "No image model is set: CHARTWELL_IMAGE_EMBEDDER__PROVIDER is none.",
                remedy="Set it to local, nim or bedrock.",
            )
        results = [
            measure_images(read_labelled_set(folder, label), embedder)
            for folder in sets
            for label in (labels if labels and (folder / LABELS_TABLE).is_file() else [""])
        ]
        if json_output:
            out.print(json.dumps([asdict(result) for result in results], indent=2), markup=False)
        else:
            for table in images_table.tables(results):
                out.print(table)
        if write:
            _write(write, IMAGES_TABLE, images_table.markdown(results))


def _questions(path: Path) -> list[str]:
    """The lines of a file that are not blank. Raises InputMissing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputMissing(
            f"{path} cannot be read: {error}.", remedy="Name a file with one question a line."
        ) from None
    return [line for line in lines if line.strip()]


def _ask(
    answer_set: AnswerSet, settings: Settings, limit: int | None, seed: int
) -> tuple[AnswersResult, list[JudgedAnswer]]:
    questions = sample(answer_set.questions, limit, seed)
    with _noted(answer_set, settings) as corpus:
        embedder = VectorMemory(corpus.embedder)
        generator = open_generator(settings, embedder)
        answerer = compose_answerer(embedder, corpus.store, generator, settings)
        asked = Asked(answerer, corpus.store, embedder, settings.answering.top_k)
        err.print(f"asking {len(questions):,} questions of {answer_set.name}", style="dim")
        judged = ask_all(answer_set, questions, asked)
    return summary(answer_set, judged), judged


@contextmanager
def _noted(answer_set: AnswerSet, settings: Settings) -> Iterator[Corpus]:
    """The set's notes, read as `vectorize` reads them, in an embedded store that goes with the measurement."""
    source = source_name(str(answer_set.notes_file))
    store = settings.store.model_copy(update={"kind": "embedded"})
    with tempfile.TemporaryDirectory(prefix="chartwell-answers-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "store": store})
        err.print(f"indexing {answer_set.name}", style="dim")
        with (
            open_corpus(own) as corpus,
            observer_for(err, own.indexing.batch_size, quiet=False) as observer,
            stop_requests() as stop,
        ):
            indexing = Indexing(
                corpus.embedder, corpus.store, corpus.ledger, own.indexing, RefuseRejections(), observer, stop
            )
            records = read_sources([source], FieldMapping.parse((), ()), own.indexing)
            tally = indexing.run(records, sources=[source])
            if tally.interrupted:
                err.print("interrupted, nothing was measured", markup=False)
                raise typer.Exit(EXIT_INTERRUPTED)
            require_whole(answer_set.name, tally.failed, tally.reasons)
        with open_corpus(own) as corpus:
            yield corpus


def _evaluate(evaluation_set: EvaluationSet, settings: Settings) -> SetResult:
    with _indexed(evaluation_set, settings) as corpus:
        return evaluate(
            evaluation_set,
            embedder=corpus.embedder,
            store=corpus.store,
            settings=settings.answering,
            ranker=open_ranker(settings),
        )


@contextmanager
def _indexed(evaluation_set: EvaluationSet, settings: Settings) -> Iterator[Corpus]:
    """The set's corpus in a store of its own, apart from the notes."""
    own = settings.model_copy(update={"data_dir": settings.data_dir / "evaluation" / evaluation_set.name})
    err.print(f"indexing {evaluation_set.name}", style="dim")
    with (
        open_corpus(own) as corpus,
        observer_for(err, own.indexing.batch_size, quiet=False) as observer,
        stop_requests() as stop,
    ):
        indexing = Indexing(
            corpus.embedder, corpus.store, corpus.ledger, own.indexing, RefuseRejections(), observer, stop
        )
        tally = indexing.run(evaluation_set.records(), sources=[str(evaluation_set.folder)], prune=True)
        _require_whole(evaluation_set, tally)
        yield corpus


def _require_whole(evaluation_set: EvaluationSet, tally: RunCounts) -> None:
    """Part of a corpus would be measured as if retrieval missed the rest."""
    if tally.interrupted:
        err.print("interrupted, nothing was measured; run the same command again to go on", markup=False)
        raise typer.Exit(EXIT_INTERRUPTED)
    evaluation_set.require_whole(tally.failed, tally.reasons)


def _table(result: SetResult) -> Table:
    table = Table(
        title=f"{result.name}: {result.queries} queries, {result.documents} documents, {result.passages} passages",
        title_justify="left",
    )
    for heading in ("retrieval", *METRIC_NAMES, "p50 ms", "p95 ms"):
        table.add_column(heading, justify="left" if heading == "retrieval" else "right")
    for mode in result.modes:
        metrics = [_interval(mode.metrics[name]) for name in METRIC_NAMES]
        table.add_row(mode.mode, *metrics, f"{mode.milliseconds_p50:.1f}", f"{mode.milliseconds_p95:.1f}")
    return table


def _interval(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


RETRIEVAL_TABLE = (
    "<!-- retrieval table: generated by make evaluate -->",
    "<!-- end of retrieval table -->",
)
ANSWERS_TABLE = (
    "<!-- answers tables: generated by make evaluate-answers -->",
    "<!-- end of answers tables -->",
)
IMAGES_TABLE = (
    "<!-- images tables: generated by make evaluate-images -->",
    "<!-- end of images tables -->",
)
ASSERTION_TABLE = (
    "<!-- assertion tables: generated by make evaluate-assertion -->",
    "<!-- end of assertion tables -->",
)


def _settings_line(settings: Settings) -> str:
    return (
        f"Embedder {settings.embedder.provider}, passages of at most {settings.indexing.chunk_tokens_max} tokens, "
        f"word weight {settings.answering.word_weight}."
    )


def _retrieval_lines(results: Sequence[SetResult], settings: Settings) -> list[str]:
    lines = [
        _settings_line(settings),
        "",
        f"| set | retrieval | {' | '.join(METRIC_NAMES)} | p50 ms | p95 ms |",
        f"|---|---|{'---|' * len(METRIC_NAMES)}---|---|",
    ]
    for result in results:
        for mode in result.modes:
            metrics = " | ".join(_interval(mode.metrics[name]) for name in METRIC_NAMES)
            lines.append(
                f"| {result.name} ({result.queries} queries, {result.documents} documents) | {mode.mode} | {metrics} "
                f"| {mode.milliseconds_p50:.1f} | {mode.milliseconds_p95:.1f} |"
            )
    return lines


def _write(path: Path, markers: tuple[str, str], lines: Sequence[str]) -> None:
    before = path.read_text(encoding="utf-8") if path.exists() else "# Evaluation\n"
    path.write_text(put_between(before, markers, lines), encoding="utf-8")


def put_between(before: str, markers: tuple[str, str], lines: Sequence[str]) -> str:
    """The text with the lines between their markers; the words around them stay."""
    begin, end = markers
    if begin not in before:
        before += f"\n{begin}\n{end}\n"
    head, _, rest = before.partition(begin)
    _, _, tail = rest.partition(end)
    return head + "\n".join([begin, "", *lines, "", end]) + tail


if __name__ == "__main__":
    app()
