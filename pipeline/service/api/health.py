"""Alive, ready, and how it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from pipeline import version
from pipeline.answering.question_length import question_tokens_max
from pipeline.errors import ChartwellError
from pipeline.service.access.policy import Action, Principal
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.metrics import CONTENT_TYPE
from pipeline.service.problems import documented
from pipeline.service.readiness import DependencyState
from pipeline.service.schemas.ask import ModelOut
from pipeline.service.schemas.health import Alive, CorpusOut, DependencyOut, LimitsOut, ReadyOut, StatusOut

router = APIRouter(tags=["health"])

ServiceStatus = Literal["ready", "not ready", "stopping"]


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Alive:
    """Answers as soon as the process runs, whether or not it can answer questions."""
    return Alive()


@router.get(
    "/readyz",
    summary="Can questions be answered?",
    responses={503: {"model": ReadyOut, "description": "Not now."}},
)
async def readyz(services: ServicesDep, response: Response) -> ReadyOut:
    """Each dependency is really called; a finding is believed for some seconds. 503 where one does not work."""
    findings = await services.readiness.look()
    status = _status(services, findings)
    if status != "ready":
        response.status_code = 503
    return ReadyOut(status=status, dependencies=_dependencies(findings))


@router.get(
    "/metrics",
    dependencies=[requires(Action.READ_METRICS)],
    responses={
        **documented(404),
        200: {
            "description": "Prometheus text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
    response_class=Response,
)
def metrics(services: ServicesDep) -> Response:
    """Numbers for Prometheus: give its scrape job an API key with the scope `read-metrics`."""
    return Response(services.meter.text(), media_type=CONTENT_TYPE)


@router.get("/v1/status", dependencies=[requires(Action.READ_STATUS)])
async def status(services: ServicesDep, principal: PrincipalHere) -> StatusOut:
    """Dependencies, the notes that you may see, the model, and what one may send."""
    return await status_for(services, principal)


async def status_for(services: Services, principal: Principal) -> StatusOut:
    """The same, for the pages that show it."""
    findings = await services.readiness.look()
    corpus, model = await run_in_threadpool(_corpus, services, principal)
    service = services.settings.service
    return StatusOut(
        status=_status(services, findings),
        version=version(),
        uptime_seconds=round(time.monotonic() - services.started_at, 1),
        dependencies=_dependencies(findings),
        corpus=corpus,
        model=model,
        answers_running=services.queue.running,
        answers_waiting=services.queue.waiting,
        jobs_possible=services.jobs.inbox is not None,
        demo=service.demo,
        limits=LimitsOut(
            question_characters_max=service.question_characters_max,
            body_bytes_max=service.body_bytes_max,
            image_bytes_max=service.image_mib_max * 2**20,
            requests_per_minute=service.requests_per_minute,
            answers_each_max=service.answers_each_max,
        ),
    )


def _status(services: Services, findings: Sequence[DependencyState]) -> ServiceStatus:
    if services.queue.draining:
        return "stopping"
    return "ready" if all(finding.ready for finding in findings) else "not ready"


def _dependencies(findings: Sequence[DependencyState]) -> list[DependencyOut]:
    return [
        DependencyOut(
            name=finding.name,
            ready=finding.ready,
            code=finding.code,
            seconds=round(finding.seconds, 4),
            age_seconds=round(finding.age_seconds, 1),
        )
        for finding in findings
    ]


def _corpus(services: Services, principal: Principal) -> tuple[CorpusOut | None, ModelOut | None]:
    try:
        with services.corpus.answering() as answering:
            space, model = answering.embedder.space, answering.generator.model
            tokens_max = question_tokens_max(answering.embedder)
            counts = answering.store.counts(principal.scope)
            films = answering.images.counts(principal.scope).images if answering.images else 0
    except ChartwellError:
        return None, None  # `dependencies` say why
    return (
        CorpusOut(
            notes=counts.documents,
            passages=counts.chunks,
            images=films,
            space_id=space.id,
            dimension=space.dimension,
            question_tokens_max=tokens_max,
        ),
        ModelOut(provider=model.provider, model=model.model, label=model.label),
    )
