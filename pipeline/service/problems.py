"""Every refusal and failure as `application/problem+json` (RFC 9457), with a stable code and where to read about it.

Decides which status a code has and which words of an error may leave. Our own refusals are written for clients and go
out as they are. Errors from below may name servers, notes or rows: of those only the kind goes out, and the log gets
the rest. An error that was not foreseen becomes CW-INTERNAL with a number that is in the log. No answer here ever holds
the text of a note or a question, nor a stack trace.
"""

from __future__ import annotations

import re
import traceback
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from pipeline import errors
from pipeline.errors import TROUBLESHOOTING, ChartwellError
from pipeline.logs import LOGGER
from pipeline.service import errors as refusals
from pipeline.service.errors import Unexpected

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
"""Where an error does not say when to come back."""
ERRORS_MAX = 20
"""Wrong fields listed; a body can have thousands."""

STATUS: dict[type[ChartwellError], int] = {
    errors.BadRequest: 422,
    errors.LibraryError: 409,
    errors.DomainUnknown: 404,
    errors.VersionUnknown: 404,
    refusals.SignInFailed: 401,
    refusals.SignInDelayed: 429,
    refusals.IdentityProviderFailed: 502,
    refusals.Forbidden: 403,
    refusals.NotKnown: 404,
    refusals.Conflict: 409,
    refusals.OriginalChanged: 409,
    refusals.OriginalGone: 410,
    refusals.ImageRefused: 422,
    refusals.NotInstalled: 501,
    refusals.TooLarge: 413,
    refusals.TooMany: 429,
    refusals.Busy: 429,
    refusals.NotReady: 503,
    refusals.StateUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.StoreLimitReached: 503,
    errors.RateLimited: 503,
    errors.Overloaded: 503,
    errors.ConnectionBroken: 502,
    errors.ProviderTimeout: 504,
    errors.ProviderError: 502,
}
"""The nearest class of an error decides; what is not here is a fault of ours or of the installation: 500."""


TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
"""Every status that a problem can have, in the words of RFC 9110. Python's own words change with its version."""


class FieldProblem(BaseModel):
    """One field that is wrong. Its value is not repeated."""

    where: str = Field(description="path of the field, for example body.question")
    problem: str = Field(description="what is expected of it")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:chartwell:problem:cw-busy",
                    "title": "Too Many Requests",
                    "status": 429,
                    "code": "CW-BUSY",
                    "detail": "Every place for an answer is taken, and every place in the queue.",
                    "remedy": "Ask again in a few seconds.",
                    "troubleshooting": "docs/troubleshooting.md#cw-busy",
                    "id": "0b7f6c1e5a8e4c0f9d5f0c3f5a1b2c3d",
                    "transient": True,
                    "errors": None,
                }
            ]
        }
    )

    type: str = Field(description="a name of this kind of problem, as stable as `code`")
    title: str = Field(description="the status in words")
    status: int = Field(ge=400, le=599)
    code: str = Field(description="stable; programs branch on it", pattern="^CW-[A-Z-]+$")
    detail: str = Field(description="what happened")
    remedy: str = Field(description="what to do next")
    troubleshooting: str = Field(description="section of the documentation about this code")
    id: str = Field(description="of this request, as in the log and in the header X-Request-Id")
    transient: bool = Field(description="whether the same request may succeed later")
    errors: list[FieldProblem] | None = Field(None, description="the fields that are wrong")
    kind: str | None = Field(
        None,
        description="of CW-IMAGE-REFUSED: why an image is refused, as docs/images.md lists it; absent for others",
        exclude_if=lambda kind: kind is None,
    )


def status_of(error: ChartwellError) -> int:
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status if status in TITLES else 400
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


def problem_of(error: ChartwellError, request_id: str) -> Problem:
    """What a client is told of `error`."""
    status = status_of(error)
    return Problem(
        type=f"urn:chartwell:problem:{error.code.lower()}",
        title=TITLES[status],
        status=status,
        code=error.code,
        detail=error.what if error.for_client else _kind(error),
        remedy=error.remedy
        if error.for_client
        else "Ask again later; an administrator finds the reason in the log.",
        troubleshooting=f"{TROUBLESHOOTING}#{error.code.lower()}",
        id=request_id,
        transient=error.transient,
        errors=getattr(error, "fields", None),
        kind=error.kind if isinstance(error, refusals.ImageRefused) else None,
    )


def _kind(error: ChartwellError) -> str:
    """The first sentence of the class's description: the message itself may name servers, notes or rows."""
    return (type(error).__doc__ or "").strip().partition("\n")[0]


def headers_of(error: ChartwellError) -> dict[str, str]:
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    status = status_of(error)
    if status in {429, 503}:
        seconds = getattr(error, "retry_after_seconds", None) or RETRY_SECONDS
        headers["Retry-After"] = str(max(1, round(seconds + 0.5)))
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="chartwell"'
    allow = getattr(error, "allow", None)
    if allow:
        headers["Allow"] = allow
    return headers


def response_of(error: ChartwellError, request_id: str) -> JSONResponse:
    problem = problem_of(error, request_id)
    return JSONResponse(
        problem.model_dump(mode="json"),
        status_code=problem.status,
        headers=headers_of(error),
        media_type=MEDIA_TYPE,
    )


def recorded(error: BaseException, request_id: str) -> ChartwellError:
    """`error` as one of ours, written to the log where it is a fault. Only its class and place are written: a message
    may quote what it was given."""
    if isinstance(error, ChartwellError):
        if status_of(error) >= 500:
            LOGGER.error(
                "a request failed", extra={"code": error.code, "request": request_id, "place": _place(error)}
            )
        return error
    LOGGER.error(
        "unexpected error",
        extra={
            "code": Unexpected.code,
            "request": request_id,
            "error": type(error).__name__,
            "place": _place(error),
        },
    )
    return Unexpected(
        "The service failed in a way that was not foreseen.",
        remedy=f"Ask again; if it happens twice, report the log line with the id {request_id}.",
    )


def _place(error: BaseException) -> str:
    """File and line of the last frames of ours."""
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "pipeline" in frame.filename
    ]
    return " > ".join(frames[-4:])


# --- FastAPI's own


class WrongFields(errors.BadRequest):
    """Fields of the request are missing, unknown or of the wrong kind."""

    code = errors.BadRequest.code

    def __init__(self, fields: Sequence[FieldProblem], status: int = 422) -> None:
        one = len(fields) == 1
        super().__init__(
            "One field of the request is not valid."
            if one
            else f"{len(fields)} fields of the request are not valid.",
            remedy="Correct what `errors` lists; /openapi.json describes every field.",
        )
        self.fields = list(fields)
        self.status = status


class WrongHttp(errors.BadRequest):
    """A method, path or header that does not fit."""

    code = errors.BadRequest.code

    def __init__(self, what: str, *, remedy: str, status: int, allow: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.status = status
        self.allow = allow


def wrong_fields(problems: Sequence[Mapping[str, Any]], status: int = 422) -> WrongFields:
    """What pydantic found, as an error of ours."""
    return WrongFields(list(_fields(problems)), status)


def _fields(problems: Sequence[Mapping[str, Any]]) -> Iterator[FieldProblem]:
    """Which field and what is expected, never what was found. An unknown field is named where it looks like a name:
    anything else is the client's own text, and left out."""
    for problem in problems[:ERRORS_MAX]:
        place = [str(part) for part in problem["loc"]]
        kind = str(problem["type"])
        if kind == "extra_forbidden" and _FIELD.match(place[-1]):
            yield FieldProblem(where=".".join(place), problem="is not a field of this request")
        elif kind == "extra_forbidden":
            yield FieldProblem(
                where=".".join(place[:-1]), problem="has a field that is not one of this request"
            )
        elif kind == "json_invalid":
            yield FieldProblem(where="body", problem="is not JSON")
        else:
            yield FieldProblem(where=".".join(place), problem=_expected(kind, problem))


_FIELD = re.compile(r"^[A-Za-z][A-Za-z_]{0,39}$")
_EXPECTED = {
    "missing": "is required",
    "string_type": "must be text",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "string_pattern_mismatch": "does not have the form that is expected",
    "too_short": "must have {min_length} or more items",
    "too_long": "must have {max_length} or fewer items",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "uuid_parsing": "must be a UUID",
    "date_from_datetime_parsing": "must be a date, YYYY-MM-DD",
}
"""By the kind of pydantic's error, in our words: what is expected, and nothing of what was found."""


def _expected(kind: str, problem: Mapping[str, Any]) -> str:
    if kind in _EXPECTED:
        return _EXPECTED[kind].format_map(problem.get("ctx", {}))
    if kind == "value_error":  # our own validators: they name no value
        return str(problem["msg"]).removeprefix("Value error, ")
    return f"is not valid ({kind})"


def methods_at(request: Request) -> str:
    """Every method that this address takes. Starlette names those of one route only, and an address can have more."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if request.method not in (route.methods or ()) and _leads_here(route, request):
            found |= set(route.methods or ())
    return ", ".join(sorted(found))


def _leads_here(route: RouteContext, request: Request) -> bool:
    pattern = getattr(route, "path_regex", None)
    return pattern is not None and pattern.match(request.url.path) is not None


def from_http_exception(error: HTTPException, request: Request) -> ChartwellError:
    """What Starlette itself refuses."""
    if error.status_code == 404:
        return refusals.NotKnown(
            "There is nothing at this address.",
            remedy="Check the address; /openapi.json lists every address of the API."
            if _of_the_api(request)
            else "Check the address, or start again from the home page.",
        )
    if error.status_code == 405:
        return WrongHttp(
            "This address does not take that method.",
            remedy="The header Allow says which it takes.",
            status=405,
            allow=methods_at(request),
        )
    if error.status_code < 500:
        return WrongHttp(
            "The request cannot be read.",
            remedy="/openapi.json says what is expected." if _of_the_api(request) else "Load the page again.",
            status=error.status_code,
        )
    return Unexpected("The service failed.", remedy="Ask again.")


def _of_the_api(request: Request) -> bool:
    return request.url.path.startswith("/v1/")


def request_id_of(request: Request) -> str:
    state = request.scope.get("state") or {}
    return str(state.get("request_id") or uuid.uuid4().hex)


Respond = Callable[[Scope, ChartwellError, str], Response]
"""Answers a request that failed, given its id."""


def in_json(scope: Scope, error: ChartwellError, request_id: str) -> Response:
    """For programs."""
    return response_of(error, request_id)


def install(
    app: FastAPI,
    refused: Callable[[Request, refusals.Forbidden], Awaitable[None]],
    respond: Respond = in_json,
) -> None:
    """Have every failure inside the routes answered by `respond`. `refused` is told of who lacked a right."""

    async def ours(request: Request, error: Exception) -> Response:
        number = request_id_of(request)
        if isinstance(error, refusals.Forbidden):
            await refused(request, error)
        return respond(request.scope, recorded(error, number), number)

    async def fields(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        number = request_id_of(request)
        problems = error.errors()
        status = 400 if any(problem["type"] == "json_invalid" for problem in problems) else 422
        return respond(request.scope, wrong_fields(problems, status), number)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return respond(request.scope, from_http_exception(error, request), request_id_of(request))

    app.add_exception_handler(ChartwellError, ours)
    app.add_exception_handler(RequestValidationError, fields)
    app.add_exception_handler(HTTPException, http)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route that not every route has, for its `responses`."""
    return {
        status: {"description": TITLES[status], "content": {MEDIA_TYPE: {}}} for status in sorted(statuses)
    }
