"""Questions: answered, or only searched."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel

from pipeline.answering.question_length import refuse_longer
from pipeline.service.access.policy import Action
from pipeline.service.api.images import read_asked_image
from pipeline.service.audit.chain import sha256
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.problems import Problem, documented
from pipeline.service.questions.follow_up import in_context
from pipeline.service.questions.streaming import (
    EVENT_STREAM,
    answer_events,
    described,
    while_connected,
    whole_of,
)
from pipeline.service.schemas.ask import (
    AcceptedEvent,
    AnswerHead,
    AnswerOut,
    AskRequest,
    CitationEvent,
    NoticeOut,
    PassageOut,
    RetrievalEvent,
    SearchOut,
    SearchRequest,
    StatementEvent,
    UsageOut,
)

router = APIRouter(prefix="/v1", tags=["questions"])

EVENTS: dict[str, type[BaseModel]] = {
    "accepted": AcceptedEvent,
    "retrieval": RetrievalEvent,
    "statement": StatementEvent,
    "citation": CitationEvent,
    "usage": UsageOut,
    "done": AnswerHead,
    "problem": Problem,
}
STREAM_EXAMPLE = """event: accepted
data: {"question_id":"6c5d...","conversation_id":"3f0c..."}

event: retrieval
data: {"understood":[{"id":"kind:medication","part":"kind"}],"passages":[{"number":1,"resource_id":"aci-D2N006"}]}

event: statement
data: {"number":1,"text":"\\"Continue allopurinol 100 mg once daily.\\" [1]"}

event: citation
data: {"statement":1,"citation":{"number":1,"resource_id":"aci-D2N006","start":2801,"end":2859}}

event: usage
data: {"prompt_tokens":812,"completion_tokens":24,"cost_usd":0.0,"seconds":{"total":0.44}}

event: done
data: {"outcome":"answered","ending":"complete","message_id":"9a0c...","receipt_id":"1b0c..."}

"""
ANSWERS: dict[int | str, dict[str, Any]] = {
    **documented(404, 501, 502, 504),
    200: {
        "description": "The answer, whole or as server-sent events: `accepted`, `retrieval`, then for each statement "
        "`statement` and its `citation`s, then `usage` and `done`; or `problem`, which ends a stream that failed. "
        "Closing the connection cancels the answer down to the model.",
        "content": described(EVENTS, STREAM_EXAMPLE),
    },
}


@router.post("/ask", dependencies=[requires(Action.ASK)], responses=ANSWERS, response_model=AnswerOut)
async def ask(
    body: AskRequest,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response | AnswerOut:
    """Ask a question of the notes that you may see. Every statement of the answer cites its notes, to the character."""
    settings = services.settings
    refuse_longer(body.question, settings.service.question_characters_max)
    asked = body.asked(principal.scope, settings.answering.top_k)
    if body.image is not None:
        image = await read_asked_image(request, services, principal, body.image.content_base64)
        asked, body.image = replace(asked, image=image), None
    context = await in_context(services, principal, asked, body.conversation_id, any_patient=body.any_patient)
    answer = await services.queue.ask(
        principal, context.question, body.conversation_id, kept_patient=context.kept_patient
    )
    if EVENT_STREAM in accept:
        return answer_events(answer, settings.service.send_seconds_max)
    try:
        return whole_of(answer, await while_connected(request, answer.result()))
    finally:
        answer.cancel()


@router.post("/search", dependencies=[requires(Action.SEARCH)], responses=documented(502, 504))
def search(body: SearchRequest, services: ServicesDep, principal: PrincipalHere) -> SearchOut:
    """Find the passages that fit a question best, without an answer."""
    refuse_longer(body.question, services.settings.service.question_characters_max)
    asked = body.asked(principal.scope, services.settings.answering.top_k)
    found = services.corpus.search(asked)
    notes = sorted({hit.resource_id for hit in found.passages})
    details = {"question_sha256": sha256(asked.text), "notes": notes, "top_k": asked.top_k}
    services.audit.record(principal, "search", details=details)
    return SearchOut(
        passages=PassageOut.all(found.passages), notices=NoticeOut.all(found.notices), space_id=found.space_id
    )
