"""Notes by id, with the ranges that a citation points at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from pipeline.errors import BadRequest
from pipeline.records import Document
from pipeline.service.access.policy import Action, Principal
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.errors import NotKnown
from pipeline.service.problems import documented
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX
from pipeline.service.schemas.notes import NoteOut

router = APIRouter(prefix="/v1", tags=["notes"])

SpanParameter = Annotated[str, Path(pattern=r"^\d{1,9}-\d{1,9}$")]


@router.get("/notes/{resource_id:path}", dependencies=[requires(Action.READ_NOTE)], responses=documented(404))
def note(
    services: ServicesDep,
    principal: PrincipalHere,
    resource_id: Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX, examples=["aci-D2N006"])],
    span: Annotated[
        list[SpanParameter] | None,
        Query(
            max_length=100,
            description="a range of characters to point out, START-END, the end not included; repeatable",
            examples=[["2801-2859"]],
        ),
    ] = None,
) -> NoteOut:
    """A whole note. A note that you may not see is answered exactly as one that does not exist."""
    document = read_note(services, principal, resource_id)
    return NoteOut.of(document, [range_in(text, len(document.text_content)) for text in span or ()])


def read_note(services: Services, principal: Principal, resource_id: str) -> Document:
    """The note, and a row of the audit log that it was read, or asked for in vain. Raises NotKnown."""
    subject = f"note:{resource_id}"
    try:
        document = services.corpus.note(resource_id, principal.scope)
    except NotKnown:
        services.audit.record(principal, "note-read", subject, outcome="refused")
        raise
    services.audit.record(principal, "note-read", subject)
    return document


def range_in(text: str, length: int) -> tuple[int, int]:
    """Raises BadRequest where the note has no such range."""
    start, end = (int(part) for part in text.split("-"))
    if not start < end <= length:
        raise BadRequest(
            f"The note has no range {text}: it has {length} characters.", remedy="Give START-END within it."
        )
    return start, end
