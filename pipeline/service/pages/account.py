"""Signing in and out, one-time links, one's own password. Sets and removes the cookies of a sign-in."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipeline.errors import BadRequest
from pipeline.service.access.oidc import IdentityProvider
from pipeline.service.access.policy import Action, Principal
from pipeline.service.access.sessions import SignedIn
from pipeline.service.dependencies import CallerHere, PrincipalHere, Services, ServicesDep, requires
from pipeline.service.errors import Forbidden, NotKnown, ServiceError
from pipeline.service.middleware import cookies
from pipeline.service.pages import wording
from pipeline.service.pages.dependencies import Line, RendererHere, see_other
from pipeline.service.pages.errors import (
    ProblemView,
    current_path,
    is_part,
    own_path,
    sign_in_address,
)
from pipeline.service.pages.rendering import Renderer, caller_or_none
from pipeline.service.problems import headers_of
from pipeline.service.schemas.fields import Text

router = APIRouter(include_in_schema=False)

Password = Annotated[Text, Form(max_length=4096)]
LEAVING = "chartwell-leaving"
"""A cookie: which browser left for the identity provider."""
LEAVING_SECONDS = 600
OWN = [requires(Action.READ_STATUS)]
"""Every user who is let in may look at their account."""


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    services: ServicesDep,
    renderer: RendererHere,
    to: Annotated[str, Query(max_length=2000)] = "/",
    ended: str = "",
) -> Response:
    """Where an unknown client is sent. A part of a page that asks is told to leave the page as a whole."""
    if is_part(request):
        return Response(status_code=204, headers={"HX-Redirect": sign_in_address(current_path(request))})
    if caller_or_none(request) is not None:
        return RedirectResponse(own_path(to), status_code=303)
    return _sign_in_page(request, services, renderer, to=own_path(to), ended=bool(ended))


def _sign_in_page(
    request: Request, services: Services, renderer: Renderer, *, status: int = 200, **values: Any
) -> HTMLResponse:
    provider = services.provider.label if services.provider else None
    shown = {"to": "/", "ended": False, "name": "", "problem": None, "provider": provider, **values}
    return renderer.page(request, "sign_in.html", status_code=status, **shown)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    services: ServicesDep,
    renderer: RendererHere,
    name: Line = "",
    password: Password = "",
    to: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Name and password. A refusal keeps the name, says nothing about it, and counts."""
    device = _cookie(request, services, cookies.DEVICE)
    known = device is not None and await run_in_threadpool(services.sign_ins.knows, name, device)
    work = partial(
        services.sign_ins.with_password,
        name,
        password,
        address=_address(request),
        device=device,
        replaces=_token(request, services),
    )
    try:
        signed_in = await (services.lanes.known if known else services.lanes.strangers).run(request, work)
    except (BadRequest, ServiceError) as error:
        problem = _problem(request, error)
        response = _sign_in_page(
            request, services, renderer, status=problem.status, to=own_path(to), name=name, problem=problem
        )
        return _with_wait(response, error)
    return _let_in(services, signed_in, own_path(to))


@router.get("/sign-in/provider")
async def to_provider(
    request: Request,
    services: ServicesDep,
    renderer: RendererHere,
    to: Annotated[str, Query(max_length=2000)] = "/",
) -> Response:
    """Leave for the hospital's identity provider. A link, not a form: the content policy keeps forms here."""
    provider = _provider(services)
    try:
        departure = await services.lanes.provider.run(request, partial(provider.begin, own_path(to)))
    except (BadRequest, ServiceError) as error:
        problem = _problem(request, error)
        return _sign_in_page(
            request, services, renderer, status=problem.status, to=own_path(to), problem=problem
        )
    response = see_other(departure.url)
    cookies.set_cookie(
        response, LEAVING, departure.browser, services.settings.service, seconds=LEAVING_SECONDS
    )
    return response


@router.get("/sign-in/callback")
async def from_provider(
    request: Request,
    services: ServicesDep,
    renderer: RendererHere,
    state: Annotated[str, Query(max_length=2000)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    iss: Annotated[str | None, Query(max_length=2000)] = None,
) -> Response:
    """Come back from the provider, in the browser that left."""
    service = services.settings.service
    try:
        work = partial(
            _provider(services).finish,
            state=state,
            code=code,
            browser=_cookie(request, services, LEAVING),
            address=_address(request),
            issuer=iss,
            device=_cookie(request, services, cookies.DEVICE),
            replaces=_token(request, services),
        )
        signed_in, to = await services.lanes.provider.run(request, work)
        response: Response = _let_in(services, signed_in, own_path(to))
    except (BadRequest, ServiceError) as error:
        problem = _problem(request, error)
        response = _sign_in_page(request, services, renderer, status=problem.status, problem=problem)
    cookies.remove(response, LEAVING, service)
    return response


def _provider(services: Services) -> IdentityProvider:
    """Raises NotKnown where there is none."""
    if services.provider is None:
        raise NotKnown("No identity provider is set up here.", remedy="Sign in with name and password.")
    return services.provider


@router.get("/welcome")
def welcome_page(request: Request, services: ServicesDep, renderer: RendererHere) -> HTMLResponse:
    """Where a one-time link leads. The link's token stays in the browser until the form is sent."""
    return _welcome_page(request, services, renderer)


def _welcome_page(
    request: Request, services: Services, renderer: Renderer, *, status: int = 200, **values: Any
) -> HTMLResponse:
    characters = services.settings.service.password_characters_min
    shown = {"token": "", "name": "", "for_whom": None, "problem": None, **values}
    shown["password_characters_min"] = characters
    return renderer.page(request, "welcome.html", status_code=status, **shown)


@router.post("/welcome/whom")
def whom(services: ServicesDep, renderer: RendererHere, token: Line = "") -> HTMLResponse:
    """The user a one-time link is for: the name that they sign in with, or the field in which the first one chooses
    it."""
    return renderer.fragment("whom.html", token=token, name="", for_whom=services.sign_ins.link(token))


@router.post("/welcome")
async def welcome(
    request: Request,
    services: ServicesDep,
    renderer: RendererHere,
    token: Line = "",
    name: Line = "",
    password: Password = "",
) -> Response:
    """Choose a password with a one-time link. One that does not work is refused before anything is computed for it."""
    work = partial(
        services.sign_ins.with_link,
        token,
        password,
        address=_address(request),
        name=name,
        replaces=_token(request, services),
    )
    try:
        await run_in_threadpool(services.sign_ins.require_link, token, address=_address(request))
        signed_in = await services.lanes.known.run(request, work)
    except (BadRequest, ServiceError) as error:
        problem = _problem(request, error)
        for_whom = await run_in_threadpool(services.sign_ins.link, token)
        shown = {"token": token if for_whom else "", "name": name, "for_whom": for_whom, "problem": problem}
        return _with_wait(_welcome_page(request, services, renderer, status=problem.status, **shown), error)
    return _let_in(services, signed_in, "/")


@router.get("/account", dependencies=OWN)
def account(
    request: Request, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> HTMLResponse:
    """Who one is to the service."""
    return _account(request, services, principal, renderer)


def _account(
    request: Request,
    services: Services,
    principal: Principal,
    renderer: Renderer,
    *,
    status: int = 200,
    problem: ProblemView | None = None,
) -> HTMLResponse:
    service = services.settings.service
    current = services.sign_ins.current(_token(request, services))
    return renderer.page(
        request,
        "account.html",
        here="account",
        status_code=status,
        problem=problem,
        may=sorted(action.value.replace("-", " ") for action in principal.actions),
        scope_words=wording.scope_words(principal.scope),
        idle_minutes=f"{service.idle_minutes:.0f}",
        expires_at=current.expires_at if current else None,
        password_characters_min=service.password_characters_min,
    )


@router.post("/account/password", dependencies=OWN)
async def change_password(
    request: Request,
    services: ServicesDep,
    caller: CallerHere,
    renderer: RendererHere,
    old: Password = "",
    new: Password = "",
) -> Response:
    """One's own password, with the old one as proof."""
    token = _token(request, services)
    if caller.principal.kind != "user" or token is None:
        raise Forbidden("Only who has signed in has a password.", remedy="Sign in.")
    work = partial(
        services.sign_ins.change_password, caller.principal, old, new, address=_address(request), token=token
    )
    try:
        signed_in = await services.lanes.known.run(request, work)
    except BadRequest as error:
        problem = _problem(request, error)
        return await run_in_threadpool(
            _account, request, services, caller.principal, renderer, status=problem.status, problem=problem
        )
    return _let_in(services, signed_in, "/account?done=password")


@router.post("/account/sign-out", dependencies=OWN)
def sign_out(request: Request, services: ServicesDep) -> RedirectResponse:
    """End this sign-in."""
    services.sign_ins.sign_out(_token(request, services))
    return _out(services)


@router.post("/account/sign-out-everywhere", dependencies=OWN)
def sign_out_everywhere(services: ServicesDep, caller: CallerHere) -> RedirectResponse:
    """End all of one's own sign-ins."""
    if caller.principal.kind != "user":
        raise Forbidden("Only who has signed in can sign out.", remedy="Sign in.")
    services.sign_ins.sign_out_everywhere(caller.principal, caller.principal.id)
    return _out(services)


def _let_in(services: Services, signed_in: SignedIn, to: str) -> RedirectResponse:
    response = see_other(to)
    service = services.settings.service
    cookies.set_cookie(response, cookies.SIGN_IN, signed_in.token, service)
    cookies.set_cookie(response, cookies.DEVICE, signed_in.device, service, seconds=cookies.DEVICE_SECONDS)
    return response


def _out(services: Services) -> RedirectResponse:
    response = see_other("/sign-in")
    cookies.remove(response, cookies.SIGN_IN, services.settings.service)
    return response


def _cookie(request: Request, services: Services, cookie: str) -> str | None:
    return request.cookies.get(cookies.name_of(cookie, services.settings.service))


def _token(request: Request, services: Services) -> str | None:
    return _cookie(request, services, cookies.SIGN_IN)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _problem(request: Request, error: BadRequest | ServiceError) -> ProblemView:
    return ProblemView.of(error, request.scope["state"]["request_id"])


def _with_wait(response: HTMLResponse, error: BadRequest | ServiceError) -> HTMLResponse:
    wait = headers_of(error).get("Retry-After")
    if wait is not None:
        response.headers["Retry-After"] = wait
    return response
