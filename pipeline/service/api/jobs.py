"""Indexing jobs: start, list, watch, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from pipeline.service.access.policy import Action
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.jobs.runner import Jobs
from pipeline.service.problems import documented
from pipeline.service.questions.streaming import PING_SECONDS, described
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX
from pipeline.service.schemas.jobs import JobOut, JobRequest, JobsOut

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

STREAM_EXAMPLE = 'event: progress\ndata: {"id":"7d0c...","state":"running"}\n\n'
JobId = Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)]


@router.post("", status_code=201, dependencies=[requires(Action.START_JOBS)], responses=documented(409))
async def start_job(body: JobRequest, services: ServicesDep, principal: PrincipalHere) -> JobOut:
    """Index the service's inbox. One job at a time; which folder is the inbox, its settings say, not the caller."""
    return JobOut.of(await services.jobs.start(principal, prune=body.prune, retry_failed=body.retry_failed))


@router.get("", dependencies=[requires(Action.READ_JOBS)])
async def list_jobs(services: ServicesDep, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> JobsOut:
    """The latest first."""
    return JobsOut(jobs=[JobOut.of(job) for job in await services.jobs.latest(limit)])


@router.get("/{job_id}", dependencies=[requires(Action.READ_JOBS)], responses=documented(404))
async def get_job(job_id: JobId, services: ServicesDep) -> JobOut:
    """How far it is, or how it ended."""
    return JobOut.of(await services.jobs.get(job_id))


@router.get(
    "/{job_id}/events",
    dependencies=[requires(Action.READ_JOBS)],
    response_class=EventSourceResponse,
    responses={
        **documented(404),
        200: {
            "description": "Server-sent events: `progress` whenever it has changed, `ended` once; both carry the job.",
            "content": described({"progress": JobOut, "ended": JobOut}, STREAM_EXAMPLE),
        },
    },
)
async def watch_job(job_id: JobId, services: ServicesDep) -> EventSourceResponse:
    """Live progress until the job has ended."""
    await services.jobs.get(job_id)  # unknown: 404, not a stream
    return EventSourceResponse(
        _progress(services.jobs, job_id),
        ping=PING_SECONDS,
        send_timeout=services.settings.service.send_seconds_max,
        sep="\n",
    )


async def _progress(jobs: Jobs, job_id: str) -> AsyncIterator[ServerSentEvent]:
    async for job in jobs.watch(job_id):
        name = "progress" if job.state == "running" else "ended"
        yield ServerSentEvent(JobOut.of(job).model_dump_json(), event=name)


@router.post("/{job_id}/cancel", dependencies=[requires(Action.CANCEL_JOBS)], responses=documented(404, 409))
async def cancel_job(job_id: JobId, services: ServicesDep, principal: PrincipalHere) -> JobOut:
    """Ask a job to end after the batch it is working on. What it has stored stays."""
    return JobOut.of(await services.jobs.cancel(principal, job_id))
