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

from pipeline.answering.follow_up import (
    QuestionContext,
    in_conversation,
    needs_no_lookup,
    patients_of,
)
from pipeline.answering.questions.subject import subject_of
from pipeline.commands.answer_printer import print_answer, print_streamed
from pipeline.commands.console import err, out
from pipeline.commands.naming import as_typed
from pipeline.errors import ChartwellError
from pipeline.records import Question
from pipeline.reembedding.live_answering import ServingAnswering

PROMPT = "> "
HELP = """  /all QUESTION   ask of every patient's notes, not of the last answer's patient alone
  /new            begin again: nothing is kept of the answers before
  /context        show the passages that answers are made from, or no longer
  /quit           end, as do Ctrl-D and Ctrl-C"""


@dataclass(frozen=True, slots=True)
class LastTurn:
    """What the next question may refer to."""

    question: str
    about: tuple[str, ...]

    def patients(self) -> tuple[str, ...]:
        return self.about

    def last_question(self) -> str:
        return self.question


@dataclass(slots=True)
class TerminalConversation:
    """`blank`: a question without text, with the filters that hold for all. `checked`: a question's text as it can be
    asked; raises ChartwellError where it cannot."""

    answering: ServingAnswering
    blank: Question
    checked: Callable[[str], str]
    show_context: bool = False
    last: LastTurn | None = field(default=None)

    def ask(self, text: str, *, any_patient: bool = False) -> None:
        """Answer it, statement by statement. Raises ChartwellError; a question that is refused leaves the turn before
        as the last one."""
        context = self._in_context(replace(self.blank, text=self.checked(text)), any_patient)
        if context.kept_patient is not None:
            out.print(
                f"about patient {context.kept_patient} alone, as the answer before; /all QUESTION asks of all",
                style="dim",
            )
        # Should the answer be stopped half-way, nothing of it may decide who the next question means.
        self.last = LastTurn(text, ())
        answer = print_streamed(self.answering, context.question)
        print_answer(answer, show_context=self.show_context, statements=False, switch="/context")
        about = patients_of(
            context.question.filters.patient_ids, (each.patient_id for each in answer.citations)
        )
        self.last = LastTurn(text, about)

    def _in_context(self, question: Question, any_patient: bool) -> QuestionContext:
        about = "several" if any_patient else subject_of(question.text)
        if needs_no_lookup(question, about, goes_on=self.last is not None):
            return QuestionContext(question)
        with self.answering.answering() as space:
            return in_conversation(question, about, self.last, space.store, space.embedder)


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
            _answered(conversation, rest.strip(), any_patient=True)
        case "/new":
            conversation.last = None
            out.print("nothing is kept of the answers before", style="dim")
        case "/context":
            conversation.show_context = not conversation.show_context
            shown = "shown" if conversation.show_context else "no longer shown"
            out.print(f"passages are {shown} with the next answers", style="dim")
        case _ if word.startswith("/"):
            out.print(HELP)
        case _:
            _answered(conversation, line, any_patient=False)


def _answered(conversation: TerminalConversation, text: str, *, any_patient: bool) -> None:
    """Or told why not: a question that cannot be answered ends no conversation."""
    try:
        conversation.ask(text, any_patient=any_patient)
    except ChartwellError as error:
        err.print(f"{as_typed(error.what)} {as_typed(error.remedy)} ({error.code})", style="yellow")
    except KeyboardInterrupt:
        err.print("stopped", style="dim")
