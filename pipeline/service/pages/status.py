"""The status page, and what a user says of an answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response

from pipeline.pricing import gaps, lines
from pipeline.service.access.policy import Action, allowed
from pipeline.service.api.health import status_for
from pipeline.service.conversations.feedback import Rating
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.pages.dependencies import Line, Lines, RendererHere, see_other
from pipeline.service.pages.errors import is_part
from pipeline.service.schemas.fields import Text
from pipeline.service.schemas.jobs import JobOut

router = APIRouter(include_in_schema=False)

THANKS = "Thank you. Your feedback was saved with the answer."


@router.get("/status", dependencies=[requires(Action.READ_STATUS)])
async def status(
    request: Request, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> HTMLResponse:
    """Dependencies, really called; the notes one may see; the last job; for administrators what it costs."""
    latest = await services.jobs.latest(1) if allowed(principal, Action.READ_JOBS) else []
    cost, unknown = None, None
    if allowed(principal, Action.READ_METRICS):
        report = await run_in_threadpool(services.costs.report)
        cost, unknown = lines(report), gaps(report)
    return renderer.page(
        request,
        "status.html",
        here="status",
        status=await status_for(services, principal),
        job=JobOut.of(latest[0]) if latest else None,
        cost=cost,
        unknown=unknown,
    )


@router.post("/feedback", dependencies=[requires(Action.GIVE_FEEDBACK)])
def feedback(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    receipt_id: Line = "",
    verdict: Line = "",
    reasons: Lines = [],  # noqa: B006  FastAPI's way to say that it may be absent
    comment: Annotated[Text, Form(max_length=4000)] = "",
) -> Response:
    """Keep it with the answer."""
    good: Rating = "good" if verdict == "good" else "bad"
    services.feedback.give(principal, receipt_id, good, reasons=reasons, comment=comment.strip() or None)
    if is_part(request):
        return renderer.fragment("thanks.html", receipt_id=receipt_id, words=THANKS)
    return see_other("/", "thanks")
