"""The service put together: parts, routes, layers, and how it begins and ends. Nothing is opened at import."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from fastapi import FastAPI

from pipeline.config import Settings
from pipeline.errors import SignInFailed
from pipeline.service import problems
from pipeline.service.access.policy import DEMO
from pipeline.service.api import ask, health, notes
from pipeline.service.asking import AnswerDesk, Asked, Begun, Kept, Outcome
from pipeline.service.corpus import LiveCorpus
from pipeline.service.frame import Frame
from pipeline.service.gate import Caller, Gate
from pipeline.service.parts import Parts
from pipeline.serving import ServingAnswering

TITLE = "Chartwell"
VERSION = "1"
DESCRIPTION = """Questions about the notes that you may see, with citations checked to the character.

Every refusal and failure is `application/problem+json` (RFC 9457): `code` is stable, `troubleshooting` names the
section that explains it, `id` is in the service's log. 429 and 503 carry `Retry-After`.
"""
AUTHENTICATION_THREADS = 8
"""Of their own, so that slow work in the routes keeps nobody at the gate."""


class NobodyKnown:
    def by_key(self, key: str) -> Caller:
        raise SignInFailed("The key is not right.", remedy="Use a key that is valid.")

    def by_cookie(self, token: str) -> Caller:
        raise SignInFailed("The sign-in has ended.", remedy="Sign in again.")


class KeepsNothing:
    def begin(self, asked: Asked) -> Begun:
        return Begun(asked.conversation_id or asked.question_id, asked.question_id)

    def end(self, asked: Asked, begun: Begun, outcome: Outcome) -> Kept:
        return Kept(asked.question_id, asked.question_id)


def create_app(
    settings: Settings, *, open_answering: Callable[[Settings], ServingAnswering] = ServingAnswering
) -> FastAPI:
    """The service as an ASGI application. Models are opened in the background once it runs."""
    corpus = LiveCorpus(settings, open_answering)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        desk = AnswerDesk(corpus, KeepsNothing(), settings.service)
        app.state.parts = Parts(settings, corpus, desk)
        app.state.drain = desk.drain
        corpus.start()
        yield
        await desk.drain(0)
        desk.close()
        corpus.close()

    app = FastAPI(
        title=TITLE, version=VERSION, description=DESCRIPTION, lifespan=life, docs_url=None, redoc_url=None
    )
    for routes in (health, ask, notes):
        app.include_router(routes.router)
    problems.install(app)
    threads = anyio.CapacityLimiter(AUTHENTICATION_THREADS)

    async def in_thread(check: Callable[[str], Caller], secret: str) -> Caller:
        return await anyio.to_thread.run_sync(functools.partial(check, secret), limiter=threads)

    # The last one added is the outermost.
    app.add_middleware(
        Gate,
        settings=settings.service,
        doorkeeper=NobodyKnown,
        demo=Caller(DEMO),
        in_thread=in_thread,
    )
    app.add_middleware(
        Frame,
        connections_max=settings.service.connections_max,
        secure=settings.service.public_url.startswith("https://"),
        observe=lambda method, route, status, seconds: None,
    )
    return app
