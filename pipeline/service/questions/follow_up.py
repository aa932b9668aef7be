"""The conversation that a question goes on, for the rules of `answering.follow_up`, which say who it is about.

Decides only where they are applied: immediately for a question that needs nothing looked up, else in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool

from pipeline.answering.follow_up import (
    QuestionContext,
    in_conversation,
    needs_no_lookup,
)
from pipeline.answering.questions.asked.films import points_at_a_film
from pipeline.answering.questions.subject import About, subject_of
from pipeline.errors import BadRequest
from pipeline.records import Question, UnderstoodPart
from pipeline.service.access.policy import Principal
from pipeline.service.conversations.store import Conversations
from pipeline.service.dependencies import Services


@dataclass(frozen=True, slots=True)
class _EarlierTurns:
    conversations: Conversations
    principal: Principal
    conversation_id: str

    def patients(self) -> tuple[str, ...]:
        return self.conversations.patients(self.principal, self.conversation_id)

    def last_question(self) -> str:
        return self.conversations.last_question(self.principal, self.conversation_id)

    def understood(self) -> tuple[UnderstoodPart, ...]:
        return self.conversations.understood(self.principal, self.conversation_id)

    def is_unclear(self) -> bool:
        return self.conversations.is_unclear(self.principal, self.conversation_id)


async def in_context(
    services: Services,
    principal: Principal,
    question: Question,
    conversation_id: str | None,
    *,
    any_patient: bool,
) -> QuestionContext:
    """The question with the patient of the answer before. `any_patient`: the asker wants every patient looked at.

    Raises BadRequest where the question says "she" or the like and nothing tells who that is, NotKnown where the
    conversation is not theirs.
    """
    if (
        conversation_id
        and not question.film_id
        and question.image is None
        and points_at_a_film(question.text)
    ):
        film_id = await run_in_threadpool(services.conversations.film_shown, principal, conversation_id)
        question = replace(question, film_id=film_id)
    about: About = "several" if any_patient else subject_of(question.text)
    if needs_no_lookup(question, about, goes_on=conversation_id is not None):
        _remember(services, principal, conversation_id, unclear=False)
        return QuestionContext(question)  # no thread is waited for
    return await run_in_threadpool(_in_context, services, principal, question, conversation_id, about)


def _in_context(
    services: Services, principal: Principal, question: Question, conversation_id: str | None, about: About
) -> QuestionContext:
    earlier = (
        None if conversation_id is None else _EarlierTurns(services.conversations, principal, conversation_id)
    )
    try:
        context = _read_in_context(services, question, earlier, about)
    except BadRequest:
        _remember(services, principal, conversation_id, unclear=True)
        raise
    _remember(services, principal, conversation_id, unclear=context.is_unclear)
    return context


def _read_in_context(
    services: Services, question: Question, earlier: _EarlierTurns | None, about: About
) -> QuestionContext:
    if not services.corpus.ready:
        return in_conversation(question, about, earlier, None, None)
    with services.corpus.answering() as space:
        return in_conversation(question, about, earlier, space.store, space.embedder)


def _remember(
    services: Services, principal: Principal, conversation_id: str | None, *, unclear: bool
) -> None:
    if conversation_id is not None:
        services.conversations.remember_unclear(principal, conversation_id, unclear=unclear)
