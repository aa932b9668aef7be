"""An answer on its way to one reader: as server-sent events, or whole. Who leaves, cancels.

Decides the names and the order of the events:

    accepted    question_id, conversation_id                     once, immediately
    retrieval   what was understood, passages for the model      once
    statement   number, text                                     for each statement, once it is verified
    citation    a citation, with the number of its statement     after the statement it belongs to
    usage       tokens, cost and seconds                         once, before done
    done        outcome, ending, text, ids, model                the end of an answer
    problem     a problem as in problem+json                     the end of what has failed

A reader that takes nothing for `send_seconds_max` counts as gone. Knows nothing of how answers are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from pipeline.records import Retrieved, Verified
from pipeline.service.problems import problem_of
from pipeline.service.questions.queue import (
    AnswerEnded,
    AnswerFailed,
    QuestionAccepted,
    QueueEvent,
    RunningAnswer,
)
from pipeline.service.schemas.ask import (
    AcceptedEvent,
    AnswerHead,
    AnswerOut,
    CitationEvent,
    CitationOut,
    ModelOut,
    NoticeOut,
    PassageOut,
    RetrievalEvent,
    SeenOut,
    StatementEvent,
    StatementOut,
    UnderstoodPartOut,
    UsageOut,
)
from pipeline.service.schemas.images import FoundImageOut

EVENT_STREAM = "text/event-stream"
PING_SECONDS = 10
"""Comments that keep proxies from closing a stream, and that find out whether the client still listens."""

Result = TypeVar("Result")


class ClientGone(Exception):
    """No client waits for this response any more."""


def described(bodies: Mapping[str, type[BaseModel]], example: str) -> dict[str, Any]:
    """How an event stream stands in the OpenAPI: the schema of one event, by name with the body that its data is."""
    names = ", ".join(f"{name}: {body.__name__}" for name, body in bodies.items())
    event = {
        "type": "object",
        "description": f"One server-sent event. Its data is JSON, by its name: {names}.",
        "properties": {
            "event": {"type": "string", "enum": list(bodies)},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        "required": ["event", "data"],
    }
    return {EVENT_STREAM: {"schema": event, "example": example}}


def answer_events(answer: RunningAnswer, send_seconds_max: float) -> EventSourceResponse:
    """The answer as it is made."""
    return EventSourceResponse(
        _named(answer),
        ping=PING_SECONDS,
        send_timeout=send_seconds_max,
        sep="\n",
        headers={"Cache-Control": "no-store"},
    )


async def _named(answer: RunningAnswer) -> AsyncIterator[bytes]:
    """What belongs to one step is sent together: each send costs more than what it carries."""
    statements = 0
    try:
        async for event in answer.events():
            if isinstance(event, Verified):
                statements += 1
            yield b"".join(
                ServerSentEvent(body.model_dump_json(), event=name, sep="\n").encode()
                for name, body in _bodies(answer, event, statements)
            )
    finally:
        answer.cancel()  # does nothing to an answer that has ended


def _bodies(answer: RunningAnswer, event: QueueEvent, number: int) -> Iterator[tuple[str, BaseModel]]:
    match event:
        case QuestionAccepted(question_id, conversation_id, kept_patient):
            yield (
                "accepted",
                AcceptedEvent(
                    question_id=question_id, conversation_id=conversation_id, kept_patient_id=kept_patient
                ),
            )
        case Retrieved(passages, understood, images):
            body = RetrievalEvent(
                understood=UnderstoodPartOut.all(understood),
                passages=PassageOut.all(passages),
                images=FoundImageOut.all(images),
            )
            yield "retrieval", body
        case Verified(statement):
            yield "statement", StatementEvent(number=number, text=statement.text)
            for citation in statement.citations:
                yield "citation", CitationEvent(statement=number, citation=CitationOut.of(citation))
        case AnswerEnded(whole):
            yield "usage", UsageOut.of(whole, answer.queued_seconds, answer.record.cost_usd)
            yield "done", head_of(answer, event)
        case AnswerFailed(error):
            yield "problem", problem_of(error, answer.asked.question_id)


def head_of(answer: RunningAnswer, ended: AnswerEnded) -> AnswerHead:
    whole = ended.answer
    return AnswerHead(
        question_id=answer.asked.question_id,
        conversation_id=answer.turn.conversation_id,
        kept_patient_id=answer.asked.kept_patient,
        message_id=ended.turn.message_id,
        receipt_id=ended.turn.receipt_id,
        outcome=whole.outcome,
        reason=whole.reason,
        understood=UnderstoodPartOut.all(whole.understood),
        ending=whole.ending,
        text=whole.text,
        withheld=whole.withheld,
        notices=NoticeOut.all(whole.notices),
        images=FoundImageOut.all(whole.images),
        seen=SeenOut.all(whole.seen),
        model=ModelOut(provider=whole.model.provider, model=whole.model.model, label=whole.model.label),
        prompt_version=whole.prompt_version,
        space_id=whole.space_id,
    )


def whole_of(answer: RunningAnswer, ended: AnswerEnded) -> AnswerOut:
    whole = ended.answer
    return AnswerOut(
        **head_of(answer, ended).model_dump(),
        statements=[StatementOut.of(statement) for statement in whole.statements],
        citations=[CitationOut.of(citation) for citation in whole.citations],
        passages=PassageOut.all(whole.passages),
        usage=UsageOut.of(whole, answer.queued_seconds, answer.record.cost_usd),
    )


async def while_connected(request: Request, work: Awaitable[Result]) -> Result:
    """What `work` gives. Raises ClientGone, and cancels `work`, where the client leaves first."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
