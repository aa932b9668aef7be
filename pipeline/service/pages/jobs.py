"""Indexing jobs: start, watch, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import HTMLResponse, RedirectResponse

from pipeline.service.access.policy import Action, allowed
from pipeline.service.dependencies import CallerHere, PrincipalHere, Services, ServicesDep, requires
from pipeline.service.middleware.authentication import Caller
from pipeline.service.pages.dependencies import Line, RendererHere, ThingId, see_other
from pipeline.service.pages.rendering import Renderer
from pipeline.service.questions.streaming import PING_SECONDS
from pipeline.service.schemas.jobs import JobOut

router = APIRouter(prefix="/jobs", include_in_schema=False)

SHOWN = 30
RUNNING = "running"


@router.get("", dependencies=[requires(Action.READ_JOBS)])
async def jobs(
    request: Request, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> HTMLResponse:
    """The job in progress, and those before it."""
    found = [JobOut.of(job) for job in await services.jobs.latest(SHOWN)]
    running = next((job for job in found if job.state == RUNNING), None)
    return renderer.page(
        request,
        "jobs.html",
        here="jobs",
        running=running,
        jobs=[job for job in found if job.state != RUNNING],
        jobs_possible=services.jobs.inbox is not None,
        may_start=allowed(principal, Action.START_JOBS),
        may_cancel=allowed(principal, Action.CANCEL_JOBS),
    )


@router.post("", dependencies=[requires(Action.START_JOBS)])
async def start(
    services: ServicesDep, principal: PrincipalHere, prune: Line = "", retry_failed: Line = ""
) -> RedirectResponse:
    """Index what the inbox holds."""
    await services.jobs.start(principal, prune=prune == "yes", retry_failed=retry_failed == "yes")
    return see_other("/jobs", "started")


@router.post("/{job_id}/cancel", dependencies=[requires(Action.CANCEL_JOBS)])
async def cancel(job_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> RedirectResponse:
    """Ask it to end after its batch."""
    await services.jobs.cancel(principal, job_id)
    return see_other("/jobs", "cancelled")


@router.get("/{job_id}/events", dependencies=[requires(Action.READ_JOBS)])
async def events(
    job_id: ThingId, services: ServicesDep, caller: CallerHere, renderer: RendererHere
) -> EventSourceResponse:
    """The job's part of the page, again whenever there is news."""
    await services.jobs.get(job_id)  # unknown: 404, not a stream
    return EventSourceResponse(
        _news(services, job_id, caller, renderer),
        ping=PING_SECONDS,
        send_timeout=services.settings.service.send_seconds_max,
        sep="\n",
    )


async def _news(
    services: Services, job_id: str, caller: Caller, renderer: Renderer
) -> AsyncIterator[ServerSentEvent]:
    may_cancel = allowed(caller.principal, Action.CANCEL_JOBS)
    async for job in services.jobs.watch(job_id):
        yield ServerSentEvent(
            renderer.text(
                "job_fragment.html",
                job=JobOut.of(job),
                csrf_token=caller.csrf_token,
                may_cancel=may_cancel,
            )
        )
        if job.state != RUNNING:
            yield ServerSentEvent(job.state, event="ended-job")  # the page's script lets the connection go
