"""What the routes of the page share: the renderer, who may come here, and where one goes afterwards."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Form, Path, Request
from starlette.responses import RedirectResponse

from pipeline.service.pages.rendering import Renderer
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text


def renderer_of(request: Request) -> Renderer:
    return cast(Renderer, request.app.state.renderer)


RendererHere = Annotated[Renderer, Depends(renderer_of)]
ThingId = Annotated[Text, Path(min_length=1, max_length=ID_CHARACTERS_MAX)]
Line = Annotated[Text, Form(max_length=1000)]
Lines = Annotated[list[Text], Form(max_length=200)]


def see_other(address: str, done: str = "") -> RedirectResponse:
    """After something was done: look at `address`, which says what was done. A reload does not do it again."""
    return RedirectResponse(f"{address}?done={done}" if done else address, status_code=303)
