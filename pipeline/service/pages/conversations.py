"""One's own conversations: list, rename, delete after asking once more, export as JSON or Markdown."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.service.access.policy import Action
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.pages.dependencies import Line, RendererHere, ThingId, see_other
from pipeline.service.pages.view_models import exchanges_of

router = APIRouter(
    prefix="/conversations", include_in_schema=False, dependencies=[requires(Action.READ_OWN_CONVERSATIONS)]
)

PAGE = 50
MARKDOWN = "text/markdown; charset=utf-8"


@router.get("")
def history(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    before: Annotated[AwareDatetime | None, Query()] = None,
) -> HTMLResponse:
    """The last used first."""
    found = services.conversations.latest(principal, limit=PAGE + 1, before=before)
    more = found[PAGE - 1].updated_at.isoformat() if len(found) > PAGE else None
    return renderer.page(request, "history.html", here="history", conversations=found[:PAGE], more=more)


@router.get("/{conversation_id}/settings")
def settings(
    conversation_id: ThingId,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
) -> HTMLResponse:
    """Rename, export, delete."""
    found = services.conversations.summary(principal, conversation_id)
    return renderer.page(request, "conversation.html", here="history", conversation=found)


@router.post("/{conversation_id}/rename")
def rename(
    conversation_id: ThingId, services: ServicesDep, principal: PrincipalHere, title: Line = ""
) -> RedirectResponse:
    """Give it another title."""
    services.conversations.rename(principal, conversation_id, title)
    return see_other(f"/conversations/{conversation_id}/settings", "renamed")


@router.post("/{conversation_id}/delete")
def delete(conversation_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> RedirectResponse:
    """Delete it for good."""
    services.conversations.delete(principal, conversation_id)
    return see_other("/conversations", "deleted")


@router.get("/{conversation_id}/export.json")
def export_json(conversation_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> Response:
    """As the interface gives it."""
    found = services.conversations.export(principal, conversation_id, principal.scope)
    return _file(json.dumps(found, indent=2, ensure_ascii=False), "application/json", "conversation.json")


@router.get("/{conversation_id}/export.md")
def export_markdown(
    conversation_id: ThingId, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> Response:
    """For people: questions, statements, and the quotations that carry them."""
    services.conversations.export(principal, conversation_id, principal.scope)  # tells the audit log
    found = services.conversations.get(principal, conversation_id, principal.scope)
    text = renderer.text(
        "export.md",
        conversation=found.summary,
        turns=exchanges_of(conversation_id, found.messages),
        exported_at=dt.datetime.now(dt.UTC),
    )
    return _file(text, MARKDOWN, "conversation.md")


def _file(text: str, kind: str, name: str) -> Response:
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
