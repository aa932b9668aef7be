"""A note: next to an answer where htmx asks for it, alone on a page of its own otherwise."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse

from pipeline.service.access.policy import Action
from pipeline.service.api.notes import range_in, read_note
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.pages.dependencies import RendererHere
from pipeline.service.pages.errors import is_part
from pipeline.service.pages.library import cited_document, is_document
from pipeline.service.pages.view_models import NoteView, note_address, refuse_another
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text

router = APIRouter(include_in_schema=False)

SpanParameter = Annotated[str, Path(pattern=r"^\d{1,9}-\d{1,9}$")]


@router.get("/notes/{resource_id:path}", dependencies=[requires(Action.READ_NOTE)])
def note(
    resource_id: Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)],
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    span: Annotated[list[SpanParameter] | None, Query(max_length=100)] = None,
    cited_of: Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)] = "",
) -> HTMLResponse:
    """The note with the ranges of the address pointed out. Its address can be shared: rights decide who sees it."""
    document = read_note(services, principal, resource_id)
    refuse_another(document.patient_id, cited_of)
    if is_document(resource_id):
        spans = [range_in(text, len(document.text_content)) for text in span or ()]
        opened = cited_document(services, principal, document, spans, note_address(resource_id, spans))
        if is_part(request):
            return renderer.fragment("cited_document_fragment.html", shown=opened)
        return renderer.page(request, "cited_document.html", shown=opened)
    shown = NoteView.of(document, [range_in(text, len(document.text_content)) for text in span or ()])
    if is_part(request):
        return renderer.fragment("note_fragment.html", shown=shown)
    return renderer.page(request, "note.html", shown=shown)
