"""Measure how good retrieval is: `python -m pipeline.evaluate retrieval --set FOLDER`"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline import logs
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    command_line,
    err,
    errors_as_exit_codes,
    out,
    stop_requests,
)
from pipeline.commands.progress import observer_for
from pipeline.config import Settings, load_settings
from pipeline.embedding_spaces import serving_settings
from pipeline.errors import InputUnusable
from pipeline.evaluation.beir import EvaluationSet, read_set
from pipeline.evaluation.retrieval import Estimate, SetResult, evaluate, metrics_library
from pipeline.indexing.flow import Indexing, RunCounts
from pipeline.records import Rejection
from pipeline.wiring import Corpus, open_corpus, open_ranker

app = command_line(__doc__ or "")

METRIC_NAMES = ("nDCG@10", "MRR@10", "recall@10")


@app.callback()
def _() -> None:
    """Keeps `retrieval` a subcommand while it is alone."""


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
            _write(write, results, settings)


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
            corpus.embedder, corpus.store, corpus.ledger, own.indexing, _EvaluationRefused(), observer, stop
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


class _EvaluationRefused:
    """An evaluation set with a document that cannot be indexed measures nothing."""

    def write(self, rejection: Rejection) -> None:
        raise InputUnusable(
            f"{rejection.source}, {rejection.position}: {rejection.reason}.", remedy=rejection.remedy
        )


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


BEGIN, END = "<!-- retrieval table: generated by make evaluate -->", "<!-- end of retrieval table -->"


def _write(path: Path, results: Sequence[SetResult], settings: Settings) -> None:
    """Put the table between its markers in `path`; the words around it stay."""
    lines = [
        BEGIN,
        "",
        (
            f"Embedder {settings.embedder.provider}, passages of at most {settings.indexing.chunk_tokens_max} tokens, "
            f"word weight {settings.answering.word_weight}."
        ),
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
    lines += ["", END]
    before = path.read_text(encoding="utf-8") if path.exists() else f"# Evaluation\n\n{BEGIN}\n{END}\n"
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(head + "\n".join(lines) + tail, encoding="utf-8")


if __name__ == "__main__":
    app()
