"""All routes of the page, and its files. `install` puts them into the service."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from pipeline.service.pages import (
    account,
    administration,
    ask,
    conversations,
    films,
    jobs,
    library,
    notes,
    patients,
    status,
)
from pipeline.service.pages.assets import KEPT, Asset
from pipeline.service.pages.dependencies import RendererHere
from pipeline.service.pages.errors import Failures
from pipeline.service.pages.rendering import Renderer

static = APIRouter(include_in_schema=False)


@static.get("/static/{address:path}")
async def file(request: Request, renderer: RendererHere) -> Response:
    """One of the page's files. Its address names its content: it may be kept for ever."""
    return _sent(renderer.assets.at(request.url.path), request)


@static.get("/favicon.ico")
async def icon(request: Request, renderer: RendererHere) -> Response:
    """For browsers that ask for it whatever the page says."""
    return _sent(renderer.assets.at(renderer.assets.address("icon.svg")), request)


def _sent(asset: Asset, request: Request) -> Response:
    headers = {"Cache-Control": KEPT, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(asset.content, media_type=asset.kind, headers=headers)
    return Response(asset.packed, media_type=asset.kind, headers={**headers, "Content-Encoding": "gzip"})


def install(app: FastAPI) -> Failures:
    """Add the page; what comes back answers failures. Raises PageFileChanged where a vendored file is not ours."""
    renderer = Renderer()
    app.state.renderer = renderer
    # `conversations` before `ask`: its paths are the more particular ones.
    for routes in (
        static,
        conversations,
        ask,
        notes,
        films,
        library,
        patients,
        jobs,
        administration,
        account,
        status,
    ):
        app.include_router(routes if isinstance(routes, APIRouter) else routes.router)
    return Failures(renderer)
