"""Ask a question of the indexed notes: `python -m pipeline.ask "..."`, or `process_query("...")` from Python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import typer
from rich.text import Text

from pipeline import logs
from pipeline.answering.endings import NO_ANSWER, UNKNOWN_WHETHER, what_is_missing
from pipeline.answering.notices import sentence
from pipeline.answering.prompts import source_line
from pipeline.answering.question_length import refuse_longer
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
from pipeline.commands.naming import as_typed
from pipeline.config import Settings, load_settings
from pipeline.errors import InputUnusable
from pipeline.locators import in_words
from pipeline.records import Answer, Citation, Filters, Finished, Hit, Question, Retrieved, Verified
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.telemetry.setup import SILENT, Telemetry, open_telemetry
from pipeline.text.periods import Period
from pipeline.wiring import require_store

app = command_line(__doc__ or "")

REASONS = {
    "no_documents": "Nothing is indexed yet. Index notes first: python -m pipeline.vectorize notes FILE",
    "filters_match_nothing": "No note matches the filters.",
    "below_floor": "No note that was looked at is similar enough to the question.",
    "name_not_found": "The closest passages are of other people.",
    "generator_abstained": "The closest passages do not answer the question; --show-context prints them.",
}
EXIT_CODES = {"answered": EXIT_OK, "nothing_relevant": EXIT_NOTHING_RELEVANT, "no_answer": EXIT_NO_ANSWER}


def open_answering(settings: Settings, telemetry: Telemetry = SILENT) -> ServingAnswering:
    """What answers questions, as the settings say; a context manager. It follows a switch of embedding spaces. Raises
    StoreMissing where nothing was ever indexed: whoever asks makes no store."""
    require_store(settings)
    return ServingAnswering(settings, telemetry)


def process_query(
    query_text: str, top_k: int = 10, *, filters: Filters | None = None, settings: Settings | None = None
) -> Answer:
    """Answer one question from the indexed notes.

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
    question = Question(checked(query_text, settings), filters, top_k)
    with open_answering(settings) as answering:
        return answering.answer(question)


def checked(text: str, settings: Settings) -> str:
    """The question, stripped. Raises InputUnusable where there is none, BadRequest where it is longer than the service
    would take."""
    stripped = text.strip()
    if not stripped:
        raise InputUnusable(
            "The question is empty.", remedy='Write it in quotes: python -m pipeline.ask "..."'
        )
    refuse_longer(stripped, settings.service.question_characters_max)
    return stripped


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="the question, in quotes")],
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
    stack: StackOption = None,
) -> None:
    """Answer a question from the indexed notes, with checked citations.

    Exit code 0: answered; 3: no relevant information found; 4: there is no answer that can be shown, and whether the
    notes have one is not known; 5: the answer is incomplete; 2: could not run.
    """
    with errors_as_exit_codes():
        settings = load_settings(stack=stack)
        logs.configure(settings.log_level)
        filters = Filters(
            tuple(patient_id or ()), tuple(document_type or ()), tuple(domain or ()), _day(since), _day(until)
        )
        Period.of(filters.since, filters.until)
        asked = Question(checked(question, settings), filters, top_k or settings.answering.top_k)
        with open_telemetry(settings) as telemetry, open_answering(settings, telemetry) as answering:
            answer = _streamed(answering, asked) if stream and not json_output else answering.answer(asked)
        if json_output:
            out.print(as_json(answer), markup=False)
        else:
            print_answer(answer, show_context=show_context, statements=not stream)
    if code := exit_code(answer):
        raise typer.Exit(code)


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


def _streamed(answering: ServingAnswering, question: Question) -> Answer:
    for event in answering.stream(question):
        match event:
            case Retrieved(passages):
                out.print(f"{len(passages)} passages found", style="dim")
            case Verified(statement):
                out.print(statement.text, markup=False)
            case Finished(answer):
                return answer
    raise AssertionError("the stream of an answer always ends with Finished")


def print_answer(answer: Answer, *, show_context: bool = False, statements: bool = True) -> None:
    """The answer for people: statements, then where each comes from."""
    _print_statements(answer, statements)
    for notice in answer.notices:
        out.print(sentence(notice), style="yellow", markup=False)
    if answer.model.label and answer.ending != "not_asked":
        out.print(f"({answer.model.label})", style="bold red", markup=False)
    for citation in answer.citations:
        print_citation(citation)
    if answer.withheld:
        out.print(
            f"{answer.withheld} statement(s) withheld: what they cite does not say all of it", style="dim"
        )
    if show_context:
        for number, hit in enumerate(answer.passages, start=1):
            _print_passage(number, hit, [each.number for each in answer.citations if _is_from(hit, each)])


def _print_statements(answer: Answer, statements: bool) -> None:
    """Or why there are none, and what is missing. `statements`: false where they were printed as they came."""
    if answer.outcome != "answered":
        _print_why_nothing(answer)
    elif statements:
        for statement in answer.statements:
            out.print(statement.text, markup=False)
    if answer.statements and (missing := what_is_missing(answer.ending, answer.usage.completion_tokens)):
        out.print(missing, style="bold red", markup=False)


def _print_why_nothing(answer: Answer) -> None:
    if answer.outcome == "nothing_relevant":
        out.print(answer.text, style="bold")
        out.print(as_typed(REASONS[answer.reason or "below_floor"]), markup=False)
    else:
        heading, advice = NO_ANSWER[answer.reason or "empty"]
        out.print(f"{heading}.", style="bold")
        out.print(f"{UNKNOWN_WHETHER} {advice}", markup=False)


def print_citation(citation: Citation) -> None:
    line = Text(f"  [{citation.number}] ", style="bold")
    line.append(
        f"{citation.resource_id}  patient {citation.patient_id}  {citation.document_type}  "
        f"{citation.date or 'undated'}  similarity {citation.similarity:.2f}  {in_words(citation.locator)}",
        style="dim",
    )
    out.print(line)


def _is_from(hit: Hit, citation: Citation) -> bool:
    return citation.resource_id == hit.resource_id and hit.start <= citation.start < hit.end


def _print_passage(number: int, hit: Hit, cited_as: Sequence[int]) -> None:
    cited = f", cited as {''.join(f'[{each}]' for each in cited_as)}" if cited_as else ""
    out.print(
        f"\n--- passage {number} {source_line(hit)} similarity {hit.similarity:.2f}{cited}",
        style="dim",
        markup=False,
    )
    out.print(hit.text, markup=False)


if __name__ == "__main__":
    app()
