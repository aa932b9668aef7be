"""Ask a question of the indexed notes: `python -m pipeline.ask "..."`, or `process_query("...")` from Python."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipeline import logs
from pipeline.answering.follow_up import PatientUnclear, in_conversation
from pipeline.answering.question_length import refuse_longer
from pipeline.answering.questions.subject import subject_of
from pipeline.commands.answer_printer import print_answer, print_streamed
from pipeline.commands.console import (
    EXIT_INCOMPLETE,
    EXIT_NO_ANSWER,
    EXIT_NOTHING_RELEVANT,
    EXIT_OK,
    StackOption,
    as_json,
    command_line,
    errors_as_exit_codes,
    out,
)
from pipeline.commands.conversation import TerminalConversation, converse
from pipeline.config import Settings, load_settings
from pipeline.errors import InputUnusable
from pipeline.records import Answer, Filters, Question
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.telemetry.setup import SILENT, Telemetry, open_telemetry
from pipeline.text.periods import Period
from pipeline.wiring import prepare_asked_image, require_store

app = command_line(__doc__ or "")

EXIT_CODES = {"answered": EXIT_OK, "nothing_relevant": EXIT_NOTHING_RELEVANT, "no_answer": EXIT_NO_ANSWER}

NAME_OR_CHOOSE = "Name the patient in the question, or choose one with --patient-id."


def open_answering(settings: Settings, telemetry: Telemetry = SILENT) -> ServingAnswering:
    """What answers questions, as the settings say; a context manager. It follows a switch of embedding spaces. Raises
    StoreMissing where nothing was ever indexed: asking makes no store."""
    require_store(settings)
    return ServingAnswering(settings, telemetry)


def process_query(
    query_text: str,
    top_k: int = 10,
    *,
    filters: Filters | None = None,
    settings: Settings | None = None,
    image: Path | bytes | None = None,
) -> Answer:
    """Answer one question from the indexed notes, and from the images next to them.

    `image`: a file to ask with, or its bytes; the text may then be empty, which asks for similar images. It is read in
    a process of its own, so a script calls this below `if __name__ == "__main__":`.

    Opens the models and the store, which costs a fraction of a second; to ask many questions, keep one
    `open_answering(settings)` open and call its `answer`. Raises a ChartwellError where it cannot run; a question
    that nothing answers is no error but an Answer whose outcome is "nothing_relevant", or "no_answer" where what the
    model made of the passages cannot be shown. `ending` says whether an answer is whole.
    """
    if top_k < 1:
        raise InputUnusable(f"top_k is {top_k}.", remedy="Ask for at least 1 passage.")
    filters = filters or Filters()
    Period.of(filters.since, filters.until)
    settings = settings or load_settings()
    question = asked_question(Question(query_text, filters, top_k), settings, image)
    with open_answering(settings) as answering:
        return answering.answer(of_someone(question, answering))


def of_someone(question: Question, answering: ServingAnswering) -> Question:
    """The question. Raises PatientUnclear where it says "she" or the like and nothing tells who that is."""
    if question.image is not None or subject_of(question.text) != "pronoun" or question.filters.patient_ids:
        return question
    with answering.answering() as space:
        return in_conversation(question, "pronoun", None, space.store, space.embedder).question


def asked_question(question: Question, settings: Settings, image: Path | bytes | None = None) -> Question:
    """The question as it can be asked, with its image. Raises what `checked` raises, and UnreadableImage."""
    if image is None:
        return replace(question, text=checked(question.text, settings))
    text = checked(question.text, settings) if question.text.strip() else ""
    return replace(question, text=text, image=prepare_asked_image(image, settings))


def checked(text: str, settings: Settings) -> str:
    """The question, stripped. Raises InputUnusable where there is none or it is no text, BadRequest where it is longer
    than the service would take."""
    stripped = text.strip()
    if not stripped:
        raise InputUnusable(
            "The question is empty.", remedy='Write it in quotes: python -m pipeline.ask "..."'
        )
    if any("\ud800" <= character <= "\udfff" for character in stripped):
        raise InputUnusable(
            "The question holds bytes that are no text.",
            remedy="Write it in UTF-8, as the terminal and the locale have it.",
        )
    refuse_longer(stripped, settings.service.question_characters_max)
    return stripped


@app.command()
def ask(
    question: Annotated[
        str | None, typer.Argument(help="the question, in quotes; without one, a conversation on a terminal")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, max=100, help="passages to answer from at most")] = None,
    patient_id: Annotated[
        list[str] | None, typer.Option(help="only notes of this patient; repeatable")
    ] = None,
    document_type: Annotated[
        list[str] | None, typer.Option(help="only notes of this type; repeatable")
    ] = None,
    domain: Annotated[list[str] | None, typer.Option(help="only notes of this domain; repeatable")] = None,
    since: Annotated[
        str | None, typer.Option(help="only notes from this day on, YYYY-MM-DD; none without a date")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="only notes up to this day, YYYY-MM-DD; none without a date")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="print the answer as JSON")] = False,
    show_context: Annotated[bool, typer.Option(help="print the passages the answer was made from")] = False,
    stream: Annotated[bool, typer.Option(help="print each statement as soon as it is verified")] = False,
    image: Annotated[
        Path | None,
        typer.Option(
            help="an image to ask with (DICOM, PNG, JPEG, NIfTI); without a question: similar images"
        ),
    ] = None,
    stack: StackOption = None,
) -> None:
    """Answer a question from the indexed notes, with checked citations; without one, hold a conversation.

    In a conversation a question keeps to the patient of the answer before, unless it names a person or asks about
    several; /help tells how to leave that.

    Exit code 0: answered; 3: no relevant information found; 4: there is no answer that can be shown, and whether the
    notes have one is not known; 5: the answer is incomplete; 2: could not run, or whose notes are meant is asked back.
    """
    with errors_as_exit_codes():
        if question is None and image is None:
            _refuse_conversation(json_output)
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        filters = Filters(
            tuple(patient_id or ()), tuple(document_type or ()), tuple(domain or ()), _day(since), _day(until)
        )
        Period.of(filters.since, filters.until)
        blank = Question("", filters, top_k or settings.answering.top_k)
        asked = None
        if question is not None or image is not None:
            asked = asked_question(replace(blank, text=question or ""), settings, image)
        with open_telemetry(settings) as telemetry, open_answering(settings, telemetry) as answering:
            if asked is None:
                converse(
                    TerminalConversation(
                        answering,
                        blank,
                        lambda text: checked(text, settings),
                        show_context,
                        prepared=lambda path: prepare_asked_image(path, settings),
                    )
                )
                return
            try:
                asked = of_someone(asked, answering)
            except PatientUnclear as unclear:
                raise PatientUnclear(unclear.what, remedy=NAME_OR_CHOOSE) from None
            streaming = stream and not json_output
            answer = print_streamed(answering, asked) if streaming else answering.answer(asked)
        if json_output:
            out.print(as_json(answer), markup=False)
        else:
            print_answer(answer, show_context=show_context, statements=not stream)
    if code := exit_code(answer):
        raise typer.Exit(code)


def _refuse_conversation(json_output: bool) -> None:
    """Raises InputUnusable where no question was asked, and no one is there to ask one."""
    if json_output or sys.stdin is None or not (sys.stdin.isatty() and out.is_terminal):
        raise InputUnusable(
            "No question was asked.", remedy='Write it in quotes: python -m pipeline.ask "..."'
        )


def exit_code(answer: Answer) -> int:
    """What the command ends with."""
    if answer.outcome == "answered" and answer.ending != "complete":
        return EXIT_INCOMPLETE
    return EXIT_CODES[answer.outcome]


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputUnusable(f"{text!r} is no date.", remedy="Write it as YYYY-MM-DD.") from None


if __name__ == "__main__":
    app()
