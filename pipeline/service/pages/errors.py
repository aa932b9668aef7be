"""A refusal or a failure as a person sees it: as a page, or as a part of one where htmx asked for a part.

Decides who gets a page and who gets `application/problem+json`, and the heading of each kind. What may be said of an
error is `service.problems`' business: these are the same words. A user who is no longer signed in is sent to sign in
and comes back to where they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from pipeline.errors import ChartwellError
from pipeline.service.errors import ImageRefused
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.wording import REFUSED_FILMS
from pipeline.service.problems import headers_of, problem_of, response_of

TITLES: Mapping[int, str] = MappingProxyType(
    {
        400: "Please check the form",
        401: "You are not signed in",
        403: "You do not have access to this",
        404: "Page not found",
        405: "This cannot be done that way",
        409: "That conflicts with what is there",
        410: "It is not there any more",
        413: "That is too long",
        421: "This is not the service's address",
        422: "Please check the form",
        429: "One moment, please",
        501: "That is not installed here",
        502: "A model server did not answer",
        503: "Not ready right now",
        504: "It took too long",
    }
)
FAILED = "Something went wrong"
FILM_REFUSED = "This film was not taken"
FORM_REMEDY = "Correct what is listed, then send it again."
HTMX = "HX-Request"
CURRENT = "HX-Current-URL"


@dataclass(frozen=True, slots=True)
class ProblemView:
    """What a page says of an error."""

    status: int
    title: str
    what: str
    remedy: str
    code: str
    id: str
    passing: bool
    """Whether the same may work later."""
    fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: ChartwellError, request_id: str) -> ProblemView:
        problem = problem_of(error, request_id)
        remedy = FORM_REMEDY if problem.errors else problem.remedy
        title = TITLES.get(problem.status, FAILED)
        if isinstance(error, ImageRefused):
            title, remedy = FILM_REFUSED, REFUSED_FILMS.get(error.kind, remedy)
        wait = headers_of(error).get("Retry-After")
        if wait is not None:
            remedy += f" It can be tried again in {wait} s."
        fields = tuple(f"{each.where.rpartition('.')[2]}: {each.problem}" for each in problem.errors or ())
        return cls(
            problem.status, title, problem.detail, remedy, problem.code, problem.id, error.transient, fields
        )


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks, and not a program."""
    return not request.url.path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def is_part(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get(HTMX) == "true"


def sign_in_address(to: str) -> str:
    """The page to sign in on, which leads back to `to`."""
    return f"/sign-in?{urlencode({'to': to, 'ended': '1'})}"


def own_path(address: str) -> str:
    """The path of an address of ours, "/" for any other: no one is led elsewhere by a link to our own page."""
    parts = urlsplit(address)
    path = parts.path
    if not path.startswith("/") or path.startswith("//") or "\\" in address or not address.isprintable():
        return "/"
    if parts.scheme or parts.netloc:
        return "/"
    return f"{path}?{parts.query}" if parts.query else path


def current_path(request: Request) -> str:
    """Where the browser was when htmx asked."""
    parts = urlsplit(request.headers.get(CURRENT, "/"))
    return own_path(f"{parts.path}?{parts.query}" if parts.query else parts.path)


class Failures:
    """Answers requests that failed."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def __call__(self, scope: Scope, error: ChartwellError, request_id: str) -> Response:
        request = Request(scope)
        if not wants_page(request):
            return response_of(error, request_id)
        problem = ProblemView.of(error, request_id)
        if is_part(request):
            response: Response = self._part(request, problem)
        else:
            response = self._renderer.page(request, "error.html", status_code=problem.status, problem=problem)
        for name, value in headers_of(error).items():
            if name != "WWW-Authenticate":
                response.headers[name] = value
        return response

    def _part(self, request: Request, problem: ProblemView) -> Response:
        if problem.status == 401:
            return Response(status_code=401, headers={"HX-Redirect": sign_in_address(current_path(request))})
        return self._renderer.fragment("problem.html", status=problem.status, problem=problem)
