"""The command that changes the embedding space: `python -m pipeline.vectorize migrate`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, get_args

import typer

from pipeline import logs
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    command_line,
    duration,
    err,
    errors_as_exit_codes,
    out,
    stop_requests,
)
from pipeline.commands.progress import observer_for
from pipeline.config import EmbedderSettings, Settings, load_settings
from pipeline.embedding_spaces import Provider, SpaceLocation, SpacePointer, read_pointer
from pipeline.errors import InputUnusable, MigrationRefused
from pipeline.evaluation.beir import EvaluationSet, read_set
from pipeline.evaluation.compare import Comparison
from pipeline.evaluation.retrieval import Estimate
from pipeline.reembedding import migration
from pipeline.reembedding.catch_up import CatchUpPass
from pipeline.reembedding.migration import Switched
from pipeline.wiring import require_store

ACTIONS = "--to, --switch, --roll-back, --abandon, --drop-old or --status"


def migrate(
    to: Annotated[
        str | None, typer.Option(metavar="PROVIDER[:MODEL]", help="fill a shadow space with this embedder")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="base URL of the new embedder, where it is a server")
    ] = None,
    dimension: Annotated[
        int, typer.Option(min=0, help="width of the new vectors; 0: what is known of the model")
    ] = 0,
    tokens_max: Annotated[
        int, typer.Option(min=0, help="longest text of the new model; 0: what is known of it")
    ] = 0,
    evaluate: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="compare retrieval of both spaces on this set in BEIR's layout"),
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="let the shadow serve, once it is complete")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="switch although the shadow is incomplete, or worse in --evaluate")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="also retry notes that failed")
    ] = False,
    roll_back: Annotated[
        bool, typer.Option("--roll-back", help="let the space serve again that served before")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="give up the migration in progress")] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="remove spaces that served before and no longer do")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="show the spaces there are")] = False,
) -> None:
    """Change the embedding model while questions are answered: fill a shadow space, compare, switch, go back.

    --to and --switch may be given together. The key of the new embedder is CHARTWELL_EMBEDDER__API_KEY. Every step can
    be cut off and run again. Exit code 0: done; 2: could not run, or refused; 130: interrupted, run it again.
    """
    with errors_as_exit_codes():
        settings = load_settings()
        logs.configure(settings.log_level)
        filling = to is not None or switch or evaluate is not None
        _one_of(filling, roll_back, abandon, drop_old, status)
        if filling:
            _fill_and_switch(
                settings,
                target=_target(settings, to, url, dimension, tokens_max) if to else None,
                evaluation_set=read_set(evaluate) if evaluate else None,
                switch=switch,
                force=force,
                retry_failed=retry_failed,
            )
        elif roll_back:
            _roll_back(settings)
        elif abandon:
            place, size = migration.abandon(settings)
            out.print(f"given up: {place.space_id}, {_megabytes(size)} removed", markup=False)
        elif drop_old:
            _drop_old(settings)
        else:
            require_store(settings)
            _print_status(settings)


def _one_of(*chosen: bool) -> None:
    if sum(chosen) != 1:
        raise InputUnusable(
            "Either nothing was asked for, or two things that exclude each other.",
            remedy=f"Name one of {ACTIONS}; --to, --evaluate and --switch go together.",
        )


def _target(
    settings: Settings, to: str, url: str | None, dimension: int, tokens_max: int
) -> EmbedderSettings:
    """The embedder that --to names; key, batch size and threads are those of the settings."""
    provider, _, model = to.partition(":")
    if provider not in get_args(Provider):
        raise InputUnusable(
            f"{provider!r} is no provider of embeddings.",
            remedy=f"Name one of {', '.join(get_args(Provider))}, with its model after a colon.",
        )
    changes = {
        "provider": provider,
        "model": model,
        "url": url or "",
        "dimension": dimension,
        "tokens_max": tokens_max,
        "similarity_floor": -1.0,
    }
    return EmbedderSettings.model_validate({**dict(settings.embedder), **changes})


def _fill_and_switch(
    settings: Settings,
    *,
    target: EmbedderSettings | None,
    evaluation_set: EvaluationSet | None,
    switch: bool,
    force: bool,
    retry_failed: bool,
) -> None:
    if target is not None:
        pointer = migration.begin(settings, target)
        assert pointer.shadow is not None
        out.print(f"{pointer.serving.space_id} serves; filling {pointer.shadow.space_id}", markup=False)
    with ExitStack() as stack:
        observer = stack.enter_context(observer_for(err, settings.indexing.batch_size, quiet=False))
        stop = stack.enter_context(stop_requests())
        for done in migration.fill(settings, observer=observer, stop=stop, retry_failed=retry_failed):
            _print_pass(done)
    if done.interrupted:
        out.print("interrupted; run the same command again to go on", markup=False)
        raise typer.Exit(EXIT_INTERRUPTED)
    if evaluation_set is not None:
        comparison = migration.side_by_side(settings, evaluation_set)
        _print_comparison(comparison)
        if switch and comparison.worse and not force:
            raise MigrationRefused(
                "Retrieval would be worse: the whole interval of nDCG@10 of what answers are made from lies below "
                "zero.",
                remedy="Stay with the space that serves (--abandon), or switch all the same with --force.",
            )
    if switch:
        _print_switched(migration.switch(settings, force=force))
    else:
        out.print("nothing has been switched; --switch lets the shadow serve", markup=False)


def _roll_back(settings: Settings) -> None:
    pointer = migration.roll_back(settings)
    out.print(f"{pointer.serving.space_id} serves again", markup=False)
    left = pointer.shadow or pointer.previous[-1]
    now, _, _ = migration.counts_of(settings, pointer.serving)
    then, _, _ = migration.counts_of(settings, left)
    out.print(
        f"it holds {now:,} notes, the one it replaces {then:,}; notes written since the switch are only there: index "
        "their source again",
        markup=False,
    )


def _drop_old(settings: Settings) -> None:
    total = 0
    for place, size in migration.drop_old(settings):
        out.print(f"removed {place.space_id}: {_megabytes(size)}", markup=False)
        total += size
    out.print(f"{_megabytes(total)} freed", markup=False)


# --- printing


def _print_pass(done: CatchUpPass) -> None:
    problems = [
        f", {number:,} {word}"
        for number, word in ((done.rejected, "rejected"), (done.failed, "failed"))
        if number
    ]
    if done.level:
        out.print(f"{done.notes:,} notes compared, nothing differs{''.join(problems)}", markup=False)
        return
    out.print(
        f"{done.notes:,} notes compared, {done.stored:,} embedded again ({done.chunks_embedded:,} passages), "
        f"{done.removed:,} removed{''.join(problems)}",
        markup=False,
    )


def _print_comparison(found: Comparison) -> None:
    out.print(f"{found.set_name}: {found.queries:,} questions, 95 % intervals", markup=False)
    out.print(f"serves now: {found.now}\nshadow:     {found.then}", markup=False)
    columns = "{:<10}{:<11}{:<24}{:<24}{}"
    out.print(columns.format("retrieval", "metric", "serves now", "shadow", "difference"), style="bold")
    for row in found.rows:
        now, then = _interval(row.now), _interval(row.then)
        difference = _interval(row.difference, signed=True)
        out.print(columns.format(row.mode, row.metric, now, then, difference), markup=False)


def _interval(estimate: Estimate, *, signed: bool = False) -> str:
    form = "{:+.3f} ({:+.3f} to {:+.3f})" if signed else "{:.3f} ({:.3f} to {:.3f})"
    return form.format(estimate.mean, estimate.low, estimate.high)


def _print_switched(switched: Switched) -> None:
    found, serving = switched.soundness, switched.pointer.serving
    out.print(f"{serving.space_id} serves: {found.notes:,} notes, {found.chunks:,} passages", markup=False)
    if not found.complete:
        out.print(f"forced, although {found}", markup=False)
    out.print(
        f"questions went on all the time; writers of notes waited {duration(switched.writers_waited_seconds)}",
        markup=False,
    )
    if switched.left_behind:
        out.print(
            f"{switched.left_behind:,} notes were read but never stored in the space before: index their source again",
            markup=False,
        )
    out.print("--roll-back goes back to the space before; --drop-old removes it", markup=False)


def _print_status(settings: Settings) -> None:
    written = read_pointer(settings.data_dir)
    pointer = written or migration.pointer_of(settings)
    for role, place in _roles(pointer):
        notes, chunks, states = migration.counts_of(settings, place)
        where = place.folder if settings.store.kind == "embedded" else f"schema {place.sql_schema}"
        out.print(f"{role:<7} {place.space_id}", markup=False)
        out.print(
            f"        {notes:,} notes, {chunks:,} passages, "
            f"{states.get('pending', 0) + states.get('processing', 0):,} notes waiting, "
            f"{states.get('failed', 0):,} failed; {_megabytes(migration.size_bytes(settings, place))} in {where}",
            markup=False,
        )
    if written is None:
        out.print("no migration was begun yet: CHARTWELL_EMBEDDER__* names the embedder", markup=False)
    else:
        out.print("serving.json names the embedder; of CHARTWELL_EMBEDDER__* its key counts", markup=False)


def _roles(pointer: SpacePointer) -> list[tuple[str, SpaceLocation]]:
    shadow = [("shadow", pointer.shadow)] if pointer.shadow else []
    return [("serves", pointer.serving), *shadow, *(("before", place) for place in pointer.previous)]


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


if __name__ == "__main__":
    app = command_line(__doc__ or "")
    app.command()(migrate)
    app()
