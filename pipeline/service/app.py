"""The service put together: services, routes, layers, and how it begins and ends. Nothing is opened at import."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from pipeline.config import Settings
from pipeline.errors import ProviderError
from pipeline.monitoring.usage import PresentCosts
from pipeline.pricing import prices_of
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.service import problems
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.policy import DEMO
from pipeline.service.api import (
    ask,
    audit,
    conversations,
    documents,
    feedback,
    groups,
    health,
    images,
    jobs,
    notes,
    patients,
    people,
    suggestions,
)
from pipeline.service.audit.receipts import AnswerRecord
from pipeline.service.conversations.factory import open_history
from pipeline.service.database.engine import State
from pipeline.service.dependencies import Services
from pipeline.service.errors import Forbidden
from pipeline.service.idle_signal import IdleSignal
from pipeline.service.images.reader import ImageReader
from pipeline.service.images.stored import StoredImages
from pipeline.service.jobs.runner import Jobs
from pipeline.service.library.served_library import ServedLibrary
from pipeline.service.metrics import Meter
from pipeline.service.middleware.authentication import AuthenticationMiddleware, Caller
from pipeline.service.middleware.envelope import UNROUTED, RequestEnvelope
from pipeline.service.middleware.limits import LargeBodies
from pipeline.service.middleware.proxy import BehindProxy, proxy_key
from pipeline.service.openapi import describe, operation_id
from pipeline.service.pages import routes as pages
from pipeline.service.questions.corpus import LiveCorpus
from pipeline.service.questions.queue import AnswerQueue
from pipeline.service.readiness import Readiness, ReadinessCheck, when_ready
from pipeline.service.retention.scheduler import MaintenanceTask
from pipeline.service.thread_pools import Lanes
from pipeline.telemetry.asgi import TracedRequests, method_of
from pipeline.telemetry.setup import SILENT, Telemetry
from pipeline.wiring import open_image_viewing, open_ranker

TITLE = "Chartwell"
VERSION = "1"
DESCRIPTION = """Questions about the notes that you may see, answered with citations checked to the character.

Every refusal and failure is `application/problem+json` (RFC 9457): `code` is stable, `troubleshooting` names the
section that explains it, `id` is in the service's log. 429 and 503 carry `Retry-After`.
"""
TAGS = {
    "questions": "Answers with citations, as JSON or as they are made; and search alone.",
    "notes": "Whole notes, for those who may see them.",
    "patients": "Who the notes are about, as far as you may see.",
    "images": "Films and slices, for those who may see them: listed, shown, found by their look.",
    "documents": "Guidelines, letters and protocols: uploaded, approved, opened at a page.",
    "conversations": "Your questions and what came back.",
    "feedback": "What you think of an answer.",
    "jobs": "Indexing what the inbox holds.",
    "people": "Who is let in, and what they may see.",
    "keys": "Keys for programs.",
    "audit": "What was asked, answered, changed and refused.",
    "health": "Alive, ready, and in numbers.",
}
AUTHENTICATION_THREADS = 8
"""Of their own, so that slow work in the routes delays no authentication."""
ATTEMPTS_MAX = 3
RETRY_SECONDS_MAX = 20.0
"""A user waits: an interactive question gives up on a model server sooner than an indexing run does."""


def create_app(
    settings: Settings,
    state: State,
    *,
    url: str = "",
    telemetry: Telemetry = SILENT,
    open_answering: Callable[[Settings, Telemetry], ServingAnswering] = ServingAnswering,
) -> FastAPI:
    """The service as an ASGI application over a state that has been migrated.

    `url`: where people reach it, for links; `telemetry`: what observes it, and outlives it. Models are opened in the
    background once it runs; the state is the caller's to close.
    """
    access = open_access(state, settings, public_url=url)
    corpus = LiveCorpus(interactive(settings), lambda chosen: open_answering(chosen, telemetry))
    meter = Meter(telemetry)
    activity = IdleSignal(settings.service.activity_file)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        services = _open_services(settings, state, access, corpus, meter, activity, url)
        maintenance = MaintenanceTask(state, access.audit, settings.service)
        app.state.services = services
        app.state.drain = functools.partial(_drain, services)
        await services.jobs.recover()
        corpus.start()
        services.readiness.start()
        maintenance.start()
        documents_work = asyncio.create_task(services.library.work())
        try:
            yield
        finally:
            documents_work.cancel()
            await _drain(services, 0.0)
            services.queue.close()
            services.readiness.close()
            await run_in_threadpool(services.image_reader.close)
            await run_in_threadpool(services.library.close)
            corpus.close()
            await run_in_threadpool(maintenance.stop)

    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        lifespan=life,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    describe(app)
    for routes in (
        ask,
        suggestions,
        notes,
        patients,
        images,
        documents,
        conversations,
        feedback,
        jobs,
        people,
        groups,
        audit,
        health,
    ):
        app.include_router(routes.router)
    respond = pages.install(app)
    problems.install(app, functools.partial(_record_refusal, access), respond)
    _add_layers(app, settings, access, meter, activity, respond)
    app.add_middleware(
        TracedRequests, telemetry=telemetry
    )  # outermost, so that every log line names its trace
    return app


def interactive(settings: Settings) -> Settings:
    """`settings` with less patience for model servers, unless that was set."""
    transport = settings.transport
    update = {
        name: value
        for name, value in (("attempts_max", ATTEMPTS_MAX), ("retry_seconds_max", RETRY_SECONDS_MAX))
        if name not in transport.model_fields_set
    }
    return settings.model_copy(update={"transport": transport.model_copy(update=update)})


def _open_services(
    settings: Settings,
    state: State,
    access: Access,
    corpus: LiveCorpus,
    meter: Meter,
    activity: IdleSignal,
    url: str,
) -> Services:
    service = settings.service
    readiness = Readiness(
        _checks(corpus, state, settings),
        seconds_max=service.check_seconds_max,
        kept_seconds=service.checks_kept_seconds,
        costly=("embedder", "generator", "ranker"),
    )
    images = StoredImages(corpus)
    history = open_history(state, access.audit, settings, corpus.visible, images.seen, corpus.holders)
    queue = AnswerQueue(corpus, history.conversations, prices_of(settings), service)

    def question_ended(record: AnswerRecord) -> None:
        if record.answer is not None:
            readiness.mark_ready("models", "embedder", "ranker", "store", "state")
            if "generate" in record.answer.seconds:
                readiness.mark_ready("generator")
        elif isinstance(record.error, ProviderError):
            readiness.mark_suspect("embedder", "generator", "ranker")

    queue.on_ended = question_ended
    meter.watch(queue, readiness)
    runs = Jobs(history.jobs, settings, activity)
    return Services(
        settings=settings,
        url=url or service.public_url,
        started_at=time.monotonic(),
        state=state,
        audit=access.audit,
        people=access.people,
        groups=access.groups,
        provider=access.provider,
        sign_ins=access.sign_ins,
        lanes=Lanes(),
        keys=access.keys,
        conversations=history.conversations,
        feedback=history.feedback,
        receipts=history.receipts,
        corpus=corpus,
        queue=queue,
        jobs=runs,
        library=ServedLibrary(settings, state, access.audit, runs),
        images=images,
        image_reader=ImageReader(
            functools.partial(open_image_viewing, settings, service.images_at_once), service.images_at_once
        ),
        volumes=LargeBodies("are on their way to you"),
        readiness=readiness,
        meter=meter,
        costs=PresentCosts(settings),
    )


def _checks(corpus: LiveCorpus, state: State, settings: Settings) -> dict[str, ReadinessCheck]:
    """A real call of each dependency. The store counts: its own check looks at every row, which takes minutes."""

    def embedder() -> None:
        with corpus.answering() as answering:
            answering.embedder.check()

    def generator() -> None:
        with corpus.answering() as answering:
            answering.generator.check()

    def store() -> None:
        with corpus.answering() as answering:
            answering.store.counts()

    ranker = open_ranker(settings)
    return {
        "models": when_ready(lambda: corpus.ready, lambda: corpus.failure),
        "embedder": embedder,
        **({"ranker": ranker.check} if ranker else {}),
        "generator": generator,
        "store": store,
        "state": state.check,
    }


async def _drain(services: Services, seconds: float) -> None:
    """Take nothing new, let answers end for that long, and end what is watched and indexed."""
    services.queue.draining = True
    await asyncio.gather(services.queue.drain(seconds), services.jobs.stop())


async def _record_refusal(access: Access, request: Request, error: Forbidden) -> None:
    """A known user asked for what they have no right to: a row a minute for the same thing, however often."""
    caller: Caller | None = request.scope["state"].get("caller")
    if caller is None:
        return
    who = caller.principal
    subject = f"route:{getattr(request.scope.get('route'), 'path', UNROUTED)}"
    details = {"right": error.action, "method": method_of(request.scope)}
    about = f"{who.id} {who.key_id} {subject} {details}"
    await run_in_threadpool(
        access.audit.record_seldom, about, who, "request", subject, outcome="refused", details=details
    )


async def _record_gate(access: Access, caller: Caller | None, method: str, error: Forbidden) -> None:
    """The middleware refused a known user: another site used their browser, or their page was too old."""
    if caller is None:
        return
    who = caller.principal
    about, details = f"{who.id} {error.what}", {"why": error.what, "method": method}
    await run_in_threadpool(
        access.audit.record_seldom, about, who, "request", "route:gate", outcome="refused", details=details
    )


class KeysAndSessions:
    """People and keys, as the authentication asks for them."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def by_key(self, key: str) -> Caller:
        return Caller(self._access.keys.check(key))

    def by_cookie(self, token: str) -> Caller:
        found = self._access.sign_ins.require_current(token)
        return Caller(found.principal, found.csrf)


def _add_layers(
    app: FastAPI,
    settings: Settings,
    access: Access,
    meter: Meter,
    activity: IdleSignal,
    respond: problems.Respond,
) -> None:
    service = settings.service
    threads = anyio.CapacityLimiter(AUTHENTICATION_THREADS)

    async def in_thread(check: Callable[[str], Caller], secret: str) -> Caller:
        return await anyio.to_thread.run_sync(functools.partial(check, secret), limiter=threads)

    # The last one added is the outermost.
    app.add_middleware(
        AuthenticationMiddleware,
        settings=service,
        authenticator=KeysAndSessions(access),
        demo=Caller(DEMO),
        in_thread=in_thread,
        refused=functools.partial(_record_gate, access),
        activity=activity,
    )
    app.add_middleware(
        RequestEnvelope,
        connections_max=service.connections_max,
        send_seconds_max=service.send_seconds_max,
        secure=service.public_url.startswith("https://"),
        observe=meter.request,
        respond=respond,
    )
    app.add_middleware(BehindProxy, key=proxy_key(service.proxy_key_file))
