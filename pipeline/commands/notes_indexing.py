"""The indexing flow over notes, opened for a command: its lock, its observer, its log of rejections, and its end by a
signal. Library documents go the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.commands.console import err, stop_requests
from pipeline.commands.progress import observer_for
from pipeline.config import Settings
from pipeline.embedding_spaces import writing
from pipeline.indexing.flow import Indexing, Observer
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.rejections import RejectionLog
from pipeline.indexing.validation import NO_PREFIXES, Accept, accept
from pipeline.records import RunKind
from pipeline.telemetry.setup import open_run_telemetry
from pipeline.wiring import Corpus, open_corpus


@contextmanager
def open_indexing(
    settings: Settings,
    rejections_file: Path | None,
    *,
    quiet: bool,
    lines: bool = False,
    retry_failed: bool = False,
    prefixes: Prefixes = NO_PREFIXES,
    kind: RunKind = "notes",
    accept: Accept = accept,
) -> Iterator[tuple[Indexing, Corpus]]:
    """The flow over notes, ready to run. `kind`: what messages call them; `accept`: how their records are judged."""
    with ExitStack() as stack:
        stack.enter_context(writing(settings.data_dir))
        corpus = stack.enter_context(open_corpus(settings))
        telemetry = stack.enter_context(open_run_telemetry(settings))
        rejections = stack.enter_context(RejectionLog(rejections_file, kind))
        shown = stack.enter_context(
            observer_for(err, settings.indexing.batch_size, quiet=quiet, lines=lines, kind=kind)
        )
        observer: Observer = stack.enter_context(telemetry.indexing(shown))
        stop = stack.enter_context(stop_requests())
        yield (
            Indexing(
                embedder=telemetry.embedder(corpus.embedder),
                store=telemetry.store(corpus.store),
                ledger=corpus.ledger,
                settings=settings.indexing,
                rejections=rejections,
                observer=observer,
                stop=stop,
                retry_failed=retry_failed,
                vector_cache=corpus.vector_cache,
                prefixes=prefixes,
                accept=accept,
            ),
            corpus,
        )
