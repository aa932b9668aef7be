"""`make demo`: index the notes and films that ship with the project, ask questions, say what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from pipeline import logs
from pipeline.ask import open_answering
from pipeline.commands.answer_printer import print_answer
from pipeline.commands.console import (
    EXIT_INTERRUPTED,
    command_line,
    duration,
    err,
    errors_as_exit_codes,
    out,
    stop_requests,
)
from pipeline.commands.naming import as_typed, started_as_chartwell
from pipeline.commands.progress import observer_for
from pipeline.commands.vectorize_images import FORMATS, open_images
from pipeline.commands.vectorize_images import REJECTIONS_FILE as REJECTED_IMAGES_FILE
from pipeline.config import Settings, load_settings
from pipeline.embedding_spaces import writing
from pipeline.imaging.libraries import missing_libraries
from pipeline.indexing.flow import Indexing, RunCounts
from pipeline.indexing.images.sources import ImageSources
from pipeline.indexing.images.tables import ImageTables
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources, source_name
from pipeline.records import Question
from pipeline.vectorize import REJECTIONS_FILE
from pipeline.wiring import open_corpus

app = command_line(__doc__ or "")

NOTES = Path(__file__).parent / "notes"
FILMS = Path(__file__).parent / "films"
"""Phantoms that `tools.phantoms` draws."""

WITHOUT_FILMS = (
    "The films that go with them are left out: reading films takes the extra `images` "
    "(pip install 'chartwell[images]', then the demo again)."
)

QUESTIONS = (
    "What dose of allopurinol is Anna Mitchell taking for gout?",
    "Which patients had a kidney transplant, and how is the transplanted kidney doing?",
    "What did the x-ray of the knee show?",
)
FILM_QUESTION = "What does the x-ray of Anna Mitchell's right knee show?"
"""Answered from a note and the films of it."""

NEXT = (
    ("make serve", "the same on a page, in your browser"),
    ('.venv/bin/python -m pipeline.ask "your own question"', ""),
    (
        '.venv/bin/python -m pipeline.ask "What is the capital of France?"',
        "nothing relevant: it says so, exit code 3",
    ),
    ('.venv/bin/python -m pipeline.ask "Is the finger broken?" --patient-id D2N005 --show-context', ""),
    (
        ".venv/bin/python -m pipeline.vectorize notes FILE-OR-FOLDER",
        "your own notes; --help tells the formats",
    ),
)
NEXT_FILMS = (
    (
        '.venv/bin/python -m pipeline.ask "Anything like this?" --image FILM',
        "FILM: pipeline/demo/films/knee-D2N006-ap.dcm",
    ),
    (
        ".venv/bin/python -m pipeline.vectorize images FOLDER --metadata TABLE",
        "your own films and a table of them: docs/images.md",
    ),
)
COMMENT_COLUMN = 69
LAST = "The answers above are quotations chosen by a small local model, without a language model. See docs/models.md."


@app.command()
def main() -> None:
    """Index the notes and films that ship with Chartwell, ask questions, and say what to type next."""
    with errors_as_exit_codes():
        settings = load_settings()
        logs.configure(settings.log_level)
        out.print(f"Indexing the notes that ship with Chartwell into {settings.data_dir}/", markup=False)
        _say(_index_notes(settings), "notes")
        with_films = settings.image_embedder.provider != "none" and not missing_libraries()
        if with_films:
            _say(_index_films(settings), "films")
        else:
            out.print(WITHOUT_FILMS, markup=False)
        questions = (*QUESTIONS, FILM_QUESTION) if with_films else QUESTIONS
        with open_answering(settings) as answering:
            for question in questions:
                out.print(f"\n> {question}", style="bold", markup=False)
                answer = answering.answer(Question(question, top_k=settings.answering.top_k))
                print_answer(answer)
                out.print(f"  answered in {duration(answer.seconds['total'])}", style="dim")
        out.print(
            f"\nWhat to type next:\n{what_next((*NEXT, *NEXT_FILMS) if with_films else NEXT)}\n{LAST}\n",
            markup=False,
        )


def _index_notes(settings: Settings) -> RunCounts:
    with (
        writing(settings.data_dir),
        open_corpus(settings) as corpus,
        RejectionLog(settings.data_dir / REJECTIONS_FILE) as rejections,
        observer_for(err, settings.indexing.batch_size, quiet=False) as observer,
        stop_requests() as stop,
    ):
        parts = (
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            observer,
            stop,
        )
        fields = FieldMapping.parse((), ())
        records = read_sources([str(NOTES)], fields, settings.indexing)
        return Indexing(*parts).run(records, sources=[source_name(str(NOTES))])


def _index_films(settings: Settings) -> RunCounts:
    """As `vectorize images` does it, with the table beside them."""
    tables = ImageTables()
    tables.add(FILMS / "films.csv")
    sources = ImageSources([str(FILMS)], tables, FORMATS)
    with open_images(settings, settings.data_dir / REJECTED_IMAGES_FILE, sources.seen, quiet=False) as (
        indexing,
        _,
    ):
        return indexing.run(sources, sources=[source_name(str(FILMS))])


def _say(counts: RunCounts, kind: str) -> None:
    if counts.interrupted:
        out.print("interrupted; run the same command again to go on", markup=False)
        raise typer.Exit(EXIT_INTERRUPTED)
    out.print(
        f"{counts.embedded} {kind} embedded, {counts.unchanged} unchanged, {counts.rejected} rejected in "
        f"{duration(counts.report().seconds)}"
    )


def what_next(commands: Sequence[tuple[str, str]] = NEXT) -> str:
    """Commands worth trying, one a line, each with what it shows."""
    rows = (
        (
            as_typed("chartwell serve --demo" if words == "make serve" and started_as_chartwell() else words),
            comment,
        )
        for words, comment in commands
    )
    return "\n".join(f"  {words:<{COMMENT_COLUMN}}    {comment}".rstrip() for words, comment in rows)


if __name__ == "__main__":
    app()
