"""Who is let in. Deny by default: a path that is not listed as public is served to known users only.

In this order: the host name must be ours (a page elsewhere that points its own name at this address gets nothing), the
address must be one that a database can keep, the demo is for this machine alone, a browser must not be sent here by
another site, the body must be small enough, the caller must be known, and not ask too often, and a browser's cookie
changes something only together with the token that our own pages know. What a user may do once inside is
`access.policy`'s business, and each route asks it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, unquote_to_bytes, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.config import ServiceSettings
from pipeline.service.access.policy import Principal
from pipeline.service.access.throttle import network_of
from pipeline.service.errors import Forbidden, SignInFailed, TooLarge
from pipeline.service.idle_signal import IdleSignal
from pipeline.service.middleware import cookies
from pipeline.service.middleware.limits import (
    DOCUMENTS_BYTES_MAX,
    DOCUMENTS_SECONDS_MAX,
    UPLOAD_SECONDS_MAX,
    LargeBodies,
    RateLimit,
    declared_bytes,
    limited,
    replayed,
    require_image,
    takes_documents,
    takes_image,
    upload_bytes_max,
    whole_body,
)
from pipeline.service.problems import WrongHttp
from pipeline.telemetry.asgi import method_of

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PUBLIC = frozenset(
    {"/healthz", "/readyz", "/openapi.json", "/sign-in", "/welcome", "/welcome/whom", "/favicon.ico"}
)
PUBLIC_PREFIXES = ("/static/", "/sign-in/")
"""Pages through which one signs in, and files that say nothing about anybody."""
UNMETERED = frozenset({"/healthz", "/readyz"})
WATCHING = UNMETERED | {"/metrics"}
"""Asked for by programs that watch: they do not count as use."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORWARDED = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"via",
)
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, and how we know."""

    principal: Principal
    csrf_token: str | None = None
    """What our own pages send along; None where no browser is involved."""


class Authenticator(Protocol):
    """Knows people and keys."""

    def by_key(self, key: str) -> Caller:
        """Raises SignInFailed."""

    def by_cookie(self, token: str) -> Caller:
        """Raises SignInFailed."""


Threaded = Callable[[Callable[[str], Caller], str], Awaitable[Caller]]
Refused = Callable[[Caller | None, str, Forbidden], Awaitable[None]]
"""Is told of what was refused here, with the method, and to whom; None: no known user."""


def allowed_hosts(settings: ServiceSettings) -> frozenset[str]:
    """Host names that are ours, without ports."""
    names = set(LOOPBACK)
    if not settings.demo:
        names.add(settings.host)
        if settings.public_url:
            names.add(urlsplit(settings.public_url).hostname or "")
    return frozenset(names)


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_PREFIXES)


class AuthenticationMiddleware:
    """ASGI middleware inside the frame, around all routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServiceSettings,
        authenticator: Authenticator,
        demo: Caller,
        in_thread: Threaded,
        refused: Refused,
        activity: IdleSignal,
    ) -> None:
        self._app = app
        self._settings = settings
        self._hosts = allowed_hosts(settings)
        self._authenticator = authenticator
        self._demo = demo
        self._in_thread = in_thread
        self._refused = refused
        self._activity = activity
        self._limit = RateLimit(settings.requests_per_minute)
        self._uploads = LargeBodies("are being sent")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # we speak no other protocol
        request = Request(scope)
        headers = request.headers
        host = self._check_host(headers)
        _check_address(scope)
        if self._settings.demo:
            _check_local(scope)
        try:
            _check_origin(request.method, headers, host)
        except Forbidden as error:
            with suppress(SignInFailed):
                await self._refused(await self._caller(request), method_of(scope), error)
            raise
        if takes_image(scope) and self._is_large(scope):
            await self._with_image(request, receive, send)
            return
        if takes_documents(scope):
            await self._with_documents(request, receive, send)
            return
        body = b""
        if request.method not in {"GET", "HEAD"}:
            body = await whole_body(scope, receive, self._settings.body_bytes_max)
            _check_content(request, headers, body)
        await self._let_in(request, receive, send, body, await self._metered_caller(request))

    def _is_large(self, scope: Scope) -> bool:
        declared = declared_bytes(scope)
        return declared is None or declared > self._settings.body_bytes_max

    async def _with_image(self, request: Request, receive: Receive, send: Send) -> None:
        """A body that may be as large as an image, from a known user: others are asked who they are first."""
        scope, settings = request.scope, self._settings
        caller = await self._metered_caller(request)
        if caller is None:
            body = await whole_body(scope, receive, settings.body_bytes_max)
            await self._let_in(request, receive, send, body, None)
            return
        with self._uploads.hold(caller.principal.id):
            body = await whole_body(scope, receive, upload_bytes_max(settings), UPLOAD_SECONDS_MAX)
            require_image(body, settings.body_bytes_max)
            _check_content(request, request.headers, body)
            await self._let_in(request, receive, send, body, caller)

    async def _with_documents(self, request: Request, receive: Receive, send: Send) -> None:
        """Files that the route writes to disk as they come, from a known user: no one else's are read at all."""
        scope = request.scope
        caller = await self._metered_caller(request)
        if caller is None:
            await self._send_away(request, receive, send)
            return
        if (declared_bytes(scope) or 0) > DOCUMENTS_BYTES_MAX:
            raise TooLarge(
                f"Files of one request may have {DOCUMENTS_BYTES_MAX:,} bytes together.", remedy="Send fewer."
            )
        with self._uploads.hold(caller.principal.id):
            await self._admit(request, b"", caller)
            scope["state"]["caller"] = caller
            await self._app(scope, limited(receive, DOCUMENTS_BYTES_MAX, DOCUMENTS_SECONDS_MAX), send)

    async def _let_in(
        self, request: Request, receive: Receive, send: Send, body: bytes, caller: Caller | None
    ) -> None:
        scope = request.scope
        if caller is None and not is_public(scope["path"]):
            await self._send_away(request, receive, send)
            return
        if caller is not None:
            await self._admit(request, body, caller)
        scope["state"]["caller"] = caller
        await self._app(scope, replayed(body, receive), send)

    async def _metered_caller(self, request: Request) -> Caller | None:
        """Who asks, as `_caller` says, counted for them, or for their address where no one is known."""
        address = f"address {network_of(request.client.host) if request.client else 'unknown'}"
        try:
            caller = await self._caller(request)
        except SignInFailed:
            self._limit.take(address)  # for guessers of keys, too
            raise
        if request.scope["path"] not in UNMETERED:
            self._limit.take(caller.principal.id if caller else address)
        return caller

    async def _admit(self, request: Request, body: bytes, caller: Caller) -> None:
        try:
            _check_token(request.method, request.headers, body, caller)
        except Forbidden as error:
            await self._refused(caller, method_of(request.scope), error)
            raise
        if request.scope["path"] not in WATCHING:
            self._activity.note()

    def _check_host(self, headers: Headers) -> str:
        host = headers.get("host", "")
        name = (urlsplit(f"//{host}").hostname or "") if _plausible(host) else ""
        if name not in self._hosts:
            raise WrongHttp(
                "This is not a host name of the service.",
                remedy="Use the address that it printed, or set CHARTWELL_SERVICE__PUBLIC_URL.",
                status=421,
            )
        return host

    async def _caller(self, request: Request) -> Caller | None:
        """Who asks, None where the request does not say. Raises SignInFailed for a key that is not right."""
        authorization = request.headers.get("authorization", "")
        if authorization:
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer" or not key.strip():
                raise SignInFailed(
                    "The header Authorization is not understood.", remedy="Send: Authorization: Bearer KEY"
                )
            return await self._in_thread(self._authenticator.by_key, key.strip())
        if self._settings.demo:
            return self._demo
        token = request.cookies.get(cookies.name_of(cookies.SIGN_IN, self._settings))
        if not token:
            return None
        try:
            return await self._in_thread(self._authenticator.by_cookie, token)
        except SignInFailed:
            return None  # it has ended: as if there were none

    async def _send_away(self, request: Request, receive: Receive, send: Send) -> None:
        if request.url.path.startswith("/v1/") or "text/html" not in request.headers.get("accept", ""):
            raise SignInFailed(
                "No one is signed in.", remedy="Send an API key as bearer token, or sign in on the page."
            )
        to = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        address = f"/sign-in?{urlencode({'to': to})}" if request.method == "GET" and to != "/" else "/sign-in"
        await RedirectResponse(address, status_code=303)(request.scope, receive, send)


def _plausible(host: str) -> bool:
    return bool(host) and host.isascii() and not set(host) & set("/\\@?# \t")


def _check_address(scope: Scope) -> None:
    """No database keeps the character NUL in a text, and no id has it."""
    if "\x00" in scope["path"] or b"\x00" in unquote_to_bytes(scope["query_string"]):
        raise WrongHttp(
            "The address holds the character NUL.", remedy="Send the address without it.", status=400
        )


def _check_local(scope: Scope) -> None:
    """The demo lets everyone in, so every client must be on this machine."""
    client = scope.get("client")
    if client is not None and client[0] not in LOOPBACK:
        raise Forbidden("The demo answers on this machine only.", remedy="Set up people: docs/security.md.")
    if any(name in FORWARDED for name, _ in scope["headers"]):
        raise Forbidden(
            "The demo answers no request that another server passes on.",
            remedy="Unset CHARTWELL_SERVICE__DEMO and set up people: docs/security.md.",
        )


def _check_origin(method: str, headers: Headers, host: str) -> None:
    """A browser says which site sends it. Programs say nothing, and carry no cookie."""
    if method in SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    foreign = (site is not None and site not in {"same-origin", "none"}) or (
        origin is not None and urlsplit(origin).netloc != host
    )
    if foreign:
        raise Forbidden("Another site sent this request.", remedy="Use the service's own page.")


def _check_content(request: Request, headers: Headers, body: bytes) -> None:
    """Only JSON goes into the interface: what a foreign page can send without asking first is never JSON."""
    if not body:
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON or (kind == FORM and not request.url.path.startswith("/v1/")):
        return
    what = "The request does not say which type its body has." if not kind else "The body's type is not JSON."
    raise WrongHttp(what, remedy=f"Send JSON, with the header Content-Type: {JSON}.", status=415)


def _check_token(method: str, headers: Headers, body: bytes, caller: Caller) -> None:
    if method in SAFE_METHODS or caller.csrf_token is None:
        return
    sent = headers.get(CSRF_HEADER)
    if sent is None and headers.get("content-type", "").startswith(FORM):
        sent = next(iter(parse_qs(body.decode("latin-1")).get(CSRF_FIELD, [])), None)
    if sent is None or not hmac.compare_digest(sent.encode(), caller.csrf_token.encode()):
        raise Forbidden(
            "The request does not carry the token of its page.", remedy="Load the page again, then repeat it."
        )
