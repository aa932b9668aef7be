"""What the routes work with: made once when the service starts, handed to each route by FastAPI.

These dependencies are coroutines although they wait for nothing: FastAPI would send each to a thread and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security, params
from fastapi.security import APIKeyCookie, HTTPBearer

from pipeline.config import Settings
from pipeline.monitoring.usage import PresentCosts
from pipeline.service.access.groups import Groups
from pipeline.service.access.keys import Keys
from pipeline.service.access.oidc import IdentityProvider
from pipeline.service.access.policy import Action, Principal, require
from pipeline.service.access.sessions import SignIns
from pipeline.service.access.users import Users
from pipeline.service.audit.chain import AuditLog
from pipeline.service.audit.receipts import Receipts
from pipeline.service.conversations.feedback import FeedbackStore
from pipeline.service.conversations.store import Conversations
from pipeline.service.database.engine import State
from pipeline.service.images.reader import ImageReader
from pipeline.service.images.stored import StoredImages
from pipeline.service.jobs.runner import Jobs
from pipeline.service.library.served_library import ServedLibrary
from pipeline.service.metrics import Meter
from pipeline.service.middleware import cookies
from pipeline.service.middleware.authentication import Caller
from pipeline.service.middleware.limits import LargeBodies
from pipeline.service.questions.corpus import LiveCorpus
from pipeline.service.questions.queue import AnswerQueue
from pipeline.service.readiness import Readiness
from pipeline.service.thread_pools import Lanes


@dataclass
class Services:
    """What the service is made of, once it runs."""

    settings: Settings
    url: str
    """Where people reach it, without a slash at the end."""
    started_at: float
    """On the clock of `time.monotonic`."""
    state: State
    audit: AuditLog
    people: Users
    groups: Groups
    provider: IdentityProvider | None
    sign_ins: SignIns
    lanes: Lanes
    keys: Keys
    conversations: Conversations
    feedback: FeedbackStore
    receipts: Receipts
    corpus: LiveCorpus
    queue: AnswerQueue
    jobs: Jobs
    images: StoredImages
    image_reader: ImageReader
    library: ServedLibrary
    volumes: LargeBodies
    """Those that are on their way to a viewer."""
    readiness: Readiness
    meter: Meter
    costs: PresentCosts


async def services_of(request: Request) -> Services:
    return cast(Services, request.app.state.services)


async def caller_of(request: Request) -> Caller:
    """Who asks. The middleware has let them in: a route that is not public always has one."""
    return cast(Caller, request.scope["state"]["caller"])


async def principal_of(caller: Annotated[Caller, Depends(caller_of)]) -> Principal:
    return caller.principal


ServicesDep = Annotated[Services, Depends(services_of)]
CallerHere = Annotated[Caller, Depends(caller_of)]
PrincipalHere = Annotated[Principal, Depends(principal_of)]

# They only describe: the middleware has looked at both before any route is found.
_BEARER = HTTPBearer(
    scheme_name="key", bearerFormat="API key", description="an API key of a person", auto_error=False
)
_COOKIE = APIKeyCookie(
    name=cookies.SIGN_IN,
    scheme_name="cookie",
    description="set by signing in on the page; unsafe methods also need the header X-CSRF-Token",
    auto_error=False,
)


class Permission:
    """The dependency of every route that is not public: which action of the policy it is."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(
        self,
        principal: PrincipalHere,
        bearer: Annotated[object, Security(_BEARER)] = None,
        cookie: Annotated[object, Security(_COOKIE)] = None,
    ) -> Principal:
        require(principal, self.action)
        return principal


class AnyKnownUser(Permission):
    """For what every known user may do, whatever a key was made for: say who they are."""

    def __init__(self) -> None:
        """No action."""

    async def __call__(
        self,
        principal: PrincipalHere,
        bearer: Annotated[object, Security(_BEARER)] = None,
        cookie: Annotated[object, Security(_COOKIE)] = None,
    ) -> Principal:
        return principal


def known() -> params.Depends:
    """As `requires`, for a route that needs no right."""
    return cast(params.Depends, Security(AnyKnownUser()))


def requires(action: Action) -> params.Depends:
    """For a route's `dependencies`."""
    return cast(params.Depends, Security(Permission(action), scopes=[action.value]))
