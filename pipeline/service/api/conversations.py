"""One's own conversations: list, read, rename, delete, export."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from pipeline.service.access.policy import Action
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.problems import documented
from pipeline.service.schemas.conversations import (
    ConversationExport,
    ConversationOut,
    ConversationsOut,
    ConversationWhole,
    RenameRequest,
)
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Timestamp

router = APIRouter(
    prefix="/v1/conversations", tags=["conversations"], dependencies=[requires(Action.READ_OWN_CONVERSATIONS)]
)

ConversationId = Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)]


@router.get("")
def list_conversations(
    services: ServicesDep,
    principal: PrincipalHere,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[
        Timestamp | None,
        Query(description="only those last used before: `updated_at` of the page's last"),
    ] = None,
) -> ConversationsOut:
    """Yours, the last used first."""
    found = services.conversations.latest(principal, limit=limit, before=before)
    return ConversationsOut(conversations=[ConversationOut.of(each) for each in found])


@router.get("/{conversation_id}", responses=documented(404))
def get_conversation(
    conversation_id: ConversationId, services: ServicesDep, principal: PrincipalHere
) -> ConversationWhole:
    """One of yours with its questions and answers. Another person's is answered as one that does not exist."""
    return ConversationWhole.whole(services.conversations.get(principal, conversation_id, principal.scope))


@router.patch("/{conversation_id}", responses=documented(404))
def rename_conversation(
    conversation_id: ConversationId, body: RenameRequest, services: ServicesDep, principal: PrincipalHere
) -> ConversationOut:
    """Give it another title."""
    return ConversationOut.of(services.conversations.rename(principal, conversation_id, body.title))


@router.delete("/{conversation_id}", status_code=204, responses=documented(404))
def delete_conversation(
    conversation_id: ConversationId, services: ServicesDep, principal: PrincipalHere
) -> Response:
    """Delete it. What each user was answered stays provable: receipts are kept as long as the settings say."""
    services.conversations.delete(principal, conversation_id)
    return Response(status_code=204)


@router.get("/{conversation_id}/export", responses=documented(404))
def export_conversation(
    conversation_id: ConversationId, services: ServicesDep, principal: PrincipalHere, response: Response
) -> ConversationExport:
    """The same as a file. The audit log tells that it was exported."""
    found = services.conversations.export(principal, conversation_id, principal.scope)
    response.headers["Content-Disposition"] = 'attachment; filename="conversation.json"'
    return ConversationExport.model_validate(found)
