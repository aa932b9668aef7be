"""A conversation at the terminal: question after question, each answered by itself.

Decides what a line means and what is kept of an answer for the next question: which patients it was about, which the
rules of `answering.follow_up` ask for. Refuses to know those rules. A turn that could not be answered is told and
forgotten.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.answering.follow_up import (
    LastTurn,
    PatientUnclear,
    QuestionContext,
    in_conversation,
    needs_no_lookup,
    patients_of,
)
from pipeline.answering.questions.asked.films import points_at_a_film
from pipeline.answering.questions.subject import subject_of
from pipeline.commands.answer_printer import print_answer, print_streamed
from pipeline.commands.console import err, out
from pipeline.commands.naming import as_typed
from pipeline.errors import BadRequest, ChartwellError, InputUnusable
from pipeline.records import AskedImage, Question
from pipeline.reembedding.live_answering import ServingAnswering

PROMPT = "> "
HELP = """  /all QUESTION   ask of every patient's notes, not of the last answer's patient alone
  /without PART   ask the last question again without a part of what was understood: patient, kind, finding, time, ...
  /new            begin again: nothing is kept of the answers before
  /image FILE     show images like this one; the next question is asked with it
  /context        show the passages that answers are made from, or no longer
  /quit           end, as do Ctrl-D and Ctrl-C"""


@dataclass(frozen=True, slots=True)
class TerminalTurn(LastTurn):
    """What the next question may refer to."""

    without: tuple[str, ...] = ()
    """Ids of parts that were removed from it."""
    film_id: str = ""
    """The stored image that its answer showed, where it was one alone."""
    earlier: TerminalTurn | None = None
    """The turn before it, to ask its question again without a part."""


@dataclass(slots=True)
class TerminalConversation:
    """`blank`: a question without text, with the filters that hold for all. `checked`: a question's text as it can be
    asked; raises ChartwellError where it cannot."""

    answering: ServingAnswering
    blank: Question
    checked: Callable[[str], str]
    show_context: bool = False
    last: TerminalTurn | None = field(default=None)
    prepared: Callable[[Path], AskedImage] | None = None
    """An image as it can be asked with; raises ChartwellError where it cannot."""
    image: AskedImage | None = None
    """What the next question is asked with."""
    asked_with: AskedImage | None = None
    """What "this film" means until an answer without it shows films."""

    def ask(self, text: str, *, any_patient: bool = False) -> None:
        """Answer it, statement by statement. Raises ChartwellError; a question that is refused leaves the turn before
        as the last one, but its patient is no longer whom the next question means."""
        question = replace(self.blank, text=self.checked(text), image=self.image)
        if points_at_a_film(text):
            image = self.image or self.asked_with
            question = replace(
                question, image=image, film_id=self.last.film_id if self.last and not image else ""
            )
        self.image = None
        self._ask(question, self.last, any_patient)

    def ask_with(self, path: Path) -> None:
        """Show images that look like this one, and ask the next question with it. Raises ChartwellError."""
        if self.prepared is None:
            raise InputUnusable("No image can be asked with here.", remedy="Ask without one.")
        image = self.prepared(path)
        self._ask(replace(self.blank, image=image), None, any_patient=False)
        self.image = self.asked_with = image

    def ask_without(self, part: str) -> None:
        """Ask the last question again, without this part of what it was understood to ask. Raises InputUnusable where
        it has no such part."""
        last = self.last
        parts = last.parts if last is not None else ()
        removed = tuple(each.id for each in parts if part in (each.part, each.id))
        if last is None or not removed:
            named = ", ".join(dict.fromkeys(each.part for each in parts))
            raise InputUnusable(
                f"The last question was not understood to have a part {part!r}.",
                remedy=f"It has: {named}." if named else "Ask a question first.",
            )
        question = replace(self.blank, text=last.question, without=(*last.without, *removed))
        self._ask(question, last.earlier, any_patient=False)

    def _ask(self, question: Question, earlier: TerminalTurn | None, any_patient: bool) -> None:
        try:
            context = self._in_context(question, earlier, any_patient)
        except BadRequest:
            if self.last is not None:
                self.last = replace(self.last, unclear=True)
            raise
        if context.kept_patient is not None:
            out.print(
                f"about patient {context.kept_patient} alone, as the answer before; /all QUESTION asks of all",
                style="dim",
            )
        # Should the answer be stopped half-way, nothing of it may decide who the next question means.
        kept = None if earlier is None else replace(earlier, earlier=None)
        turn = TerminalTurn(question.text, (), (), context.is_unclear, question.without, earlier=kept)
        self.last = turn
        answer = print_streamed(self.answering, context.question)
        print_answer(answer, show_context=self.show_context, statements=False, switch="/context")
        about = patients_of(
            context.question.filters.patient_ids, (each.patient_id for each in answer.citations)
        )
        film_id = answer.images[0].image_id if len(answer.images) == 1 else ""
        self.last = replace(turn, about=about, parts=answer.understood, film_id=film_id)
        if answer.images and question.image is None:
            self.asked_with = None

    def _in_context(
        self, question: Question, earlier: TerminalTurn | None, any_patient: bool
    ) -> QuestionContext:
        about = "several" if any_patient else subject_of(question.text)
        if needs_no_lookup(question, about, goes_on=earlier is not None):
            return QuestionContext(question)
        with self.answering.answering() as space:
            return in_conversation(question, about, earlier, space.store, space.embedder)


def converse(conversation: TerminalConversation) -> None:
    """Read and answer lines until /quit, Ctrl-D or Ctrl-C at the prompt. Ctrl-C during an answer stops that answer."""
    with suppress(ImportError):  # not everywhere; with it lines can be edited and called back
        import readline  # noqa: F401, PLC0415
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # bytes that are no text: `checked` refuses them
    out.print("Ask a question; /help says what else.", style="dim")
    with suppress(EOFError, KeyboardInterrupt):
        while (line := input(PROMPT).strip()) not in {"/quit", "/exit"}:
            take(conversation, line)


def take(conversation: TerminalConversation, line: str) -> None:
    """One line: a question, or one of the words of /help."""
    word, _, rest = line.partition(" ")
    match word:
        case "":
            return
        case "/all" if rest.strip():
            _told(lambda: conversation.ask(rest.strip(), any_patient=True))
        case "/without" if rest.strip():
            _told(lambda: conversation.ask_without(rest.strip()))
        case "/image" if rest.strip():
            _told(lambda: conversation.ask_with(Path(rest.strip()).expanduser()))
        case "/new":
            conversation.last = conversation.image = conversation.asked_with = None
            out.print("nothing is kept of the answers before", style="dim")
        case "/context":
            conversation.show_context = not conversation.show_context
            shown = "shown" if conversation.show_context else "no longer shown"
            out.print(f"passages are {shown} with the next answers", style="dim")
        case _ if word.startswith("/"):
            out.print(HELP)
        case _:
            _told(lambda: conversation.ask(line))


def _told(ask: Callable[[], None]) -> None:
    """The answer, or why there is none: a question that cannot be answered ends no conversation."""
    try:
        ask()
    except PatientUnclear as unclear:
        err.print(
            f"{as_typed(unclear.what)} Name the patient in the question. ({unclear.code})", style="yellow"
        )
    except ChartwellError as error:
        err.print(f"{as_typed(error.what)} {as_typed(error.remedy)} ({error.code})", style="yellow")
    except KeyboardInterrupt:
        err.print("stopped", style="dim")
