"""An answer for people at a terminal: statements, where each comes from, or why there is none.

Decides the wording of what is not an answer and the order in which things are printed. Refuses to know where the answer
comes from and what the command ends with.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from pipeline.answering.endings import NO_ANSWER, UNKNOWN_WHETHER, what_is_missing
from pipeline.answering.images.seen_in_words import NOT_CHECKED, seen_in_words
from pipeline.answering.notices import sentence
from pipeline.answering.prompts import source_line
from pipeline.answering.questions.understood_parts import plan_in_words
from pipeline.commands.console import out
from pipeline.commands.naming import as_typed
from pipeline.images import image_called
from pipeline.locators import in_words
from pipeline.ports import Answerer
from pipeline.records import (
    Answer,
    Citation,
    Finished,
    FoundImage,
    Hit,
    Question,
    Retrieved,
    UnderstoodPart,
    Verified,
    patient_in_words,
)

FOUND_BY = {
    "image": "its look",
    "text": "the question's words",
    "report": "its report",
    "metadata": "what is known of it",
}
REASONS = {
    "no_documents": "Nothing is indexed yet. Index notes first: python -m pipeline.vectorize notes FILE",
    "filters_match_nothing": "No note matches the filters.",
    "below_floor": "No note that was looked at is similar enough to the question.",
    "name_not_found": "The closest passages are of other people.",
    "not_stated": "No passage of the patient's notes has it in these words.",
    "which_patient": "Nothing was looked for: ask again with the id of the one that is meant.",
    "generator_abstained": "The closest passages do not answer the question.",
    "no_images": "Ask with fewer conditions. Films that are not here yet: python -m pipeline.vectorize images FOLDER",
}


def print_streamed(answering: Answerer, question: Question) -> Answer:
    """Each statement as soon as it is verified. What stands below the statements is printed by `print_answer`."""
    for event in answering.stream(question):
        match event:
            case Retrieved(passages, understood, images):
                _print_understood(understood)
                found = f", {len(images)} images" if images else ""
                out.print(f"{len(passages)} passages{found} found", style="dim")
            case Verified(statement):
                out.print(statement.text, markup=False)
            case Finished(answer):
                return answer
    raise AssertionError("the stream of an answer always ends with Finished")


def print_answer(
    answer: Answer, *, show_context: bool = False, statements: bool = True, switch: str = "--show-context"
) -> None:
    """The answer for people: statements, then where each comes from. `switch`: what shows the passages."""
    if statements:
        _print_understood(answer.understood)
    _print_statements(answer, statements)
    for notice in answer.notices:
        out.print(sentence(notice), style="yellow", markup=False)
    if answer.model.label and answer.ending != "not_asked":
        out.print(f"({answer.model.label})", style="bold red", markup=False)
    _print_sources(answer)
    if answer.withheld:
        out.print(
            f"{answer.withheld} statement(s) withheld: what they cite does not say all of it", style="dim"
        )
    _print_seen(answer)
    if show_context:
        for number, hit in enumerate(answer.passages, start=1):
            _print_passage(number, hit, [each.number for each in answer.citations if _is_from(hit, each)])
    elif answer.reason == "generator_abstained":
        out.print(f"{switch} shows them.", markup=False)


def _print_sources(answer: Answer) -> None:
    """What is cited, a film as what it is; then the films that are only next to the answer."""
    cited = {image.number: image for image in answer.images if image.number}
    for citation in answer.citations:
        if (film := cited.get(citation.number)) is not None:
            print_image(film)
        else:
            print_citation(citation)
    for image in answer.images:
        if not image.number:
            print_image(image)


def _print_seen(answer: Answer) -> None:
    """Below the answer and its sources, under a heading of its own: no one has checked it."""
    if not answer.seen:
        return
    out.print(f"\n{NOT_CHECKED} ({answer.seen[0].model})", style="yellow", markup=False)
    numbers = {each.resource_id: each.number for each in answer.citations}
    for seen in answer.seen:
        which = f"[{numbers[seen.image_id]}]" if seen.image_id in numbers else "Asked with:"
        out.print(f"{which} {seen_in_words(seen)}", markup=False)


def _print_understood(parts: Sequence[UnderstoodPart]) -> None:
    """Above the answer, so that one who was misunderstood need not read it."""
    if parts:
        out.print(f"Understood: {plan_in_words(parts)}", style="dim", markup=False)


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
    line.append(_of_library(citation) if citation.title else _of_note(citation), style="dim")
    out.print(line)


def _of_note(citation: Citation) -> str:
    return (
        f"{citation.resource_id}  {patient_in_words(citation.patient_id)}  {citation.document_type}  "
        f"{citation.date or 'undated'}  similarity {citation.similarity:.2f}  {in_words(citation.locator)}"
    )


def _of_library(citation: Citation) -> str:
    """As people cite it: "Ketamine in acute pain, version 2, page 3"; its id behind, by which it is withdrawn."""
    return (
        f"{citation.title}, {in_words(citation.locator)}  {citation.document_type}  {citation.date or 'undated'}  "
        f"similarity {citation.similarity:.2f}  {citation.resource_id}"
    )


def print_image(image: FoundImage) -> None:
    """One line: what it is, whose, when, how it was found. With its number where an answer cites it."""
    head = f"[{image.number}]" if image.number else "image"
    report = f"  report {image.report_id}" if image.report_id else ""
    alike = "" if image.similarity is None else f"  similarity {image.similarity:.2f}"
    line = Text(f"  {head} ", style="bold")
    line.append(
        f"{image.image_id}  patient {image.patient_id}  {image_called(image)}  {image.date or 'undated'}"
        f"{' (shifted)' if image.date_is_shifted else ''}{alike}  found by {FOUND_BY[image.found_by]}{report}",
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
