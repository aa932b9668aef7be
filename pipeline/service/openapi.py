"""The OpenAPI of the service, complete: what FastAPI derives from the routes, and every problem they can answer with.

Decides which problems are possible everywhere, and how an operation says which right it needs. Knows no route.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pipeline import errors
from pipeline.errors import ChartwellError
from pipeline.service import errors as refusals
from pipeline.service.problems import MEDIA_TYPE, TITLES, Problem, WrongHttp, problem_of, status_of
from pipeline.service.questions.corpus import NO_NOTE
from pipeline.service.schemas import (
    ask,
    audit,
    conversations,
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
from pipeline.service.schemas.ask import (
    AcceptedEvent,
    AnswerHead,
    CitationEvent,
    RetrievalEvent,
    StatementEvent,
)

SUBJECTS = (
    ask,
    audit,
    conversations,
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
EVERYWHERE = (400, 401, 403, 405, 408, 413, 415, 421, 422, 429, 500, 503)
"""What the layers around the routes can answer with."""
FOR_ALL = (401, 405, 421, 500)
"""Of these, what a public address can answer with."""
EXAMPLES: tuple[ChartwellError, ...] = (
    errors.BadRequest(
        "The question is too long: it has 2,150 characters, and 2,000 are allowed.",
        remedy="Shorten it: leave out what the notes need not say, or ask two questions.",
    ),
    WrongHttp("The body is not JSON.", remedy="Correct it.", status=400),
    WrongHttp("This address does not take that method.", remedy="See Allow.", status=405, allow="GET"),
    WrongHttp(
        "The body of the request was not here within 20 s.", remedy="Send it without a pause.", status=408
    ),
    WrongHttp("The body is not JSON.", remedy="Send it as application/json.", status=415),
    WrongHttp("This is not a host name of the service.", remedy="Use the one that it printed.", status=421),
    refusals.SignInFailed(
        "No one is signed in.", remedy="Send an API key as bearer token, or sign in on the page."
    ),
    refusals.Forbidden("This needs the right 'start-jobs'.", remedy="Ask an administrator for it."),
    refusals.NotKnown("There is no such note.", remedy=NO_NOTE),
    refusals.Conflict("An indexing job is running.", remedy="Wait for it, or cancel it."),
    refusals.OriginalChanged(
        "The original is another file now than when the image was indexed.",
        remedy="The thumbnail is kept. Have its folder indexed again.",
    ),
    refusals.OriginalGone(
        "The original of the image is not where the index found it any more.",
        remedy="The thumbnail is kept. Put the file back, or have its folder indexed where it lies now.",
    ),
    refusals.ImageRefused(
        "The DICOM object is a structured report.",
        remedy="Index its text as a note.",
        kind="structured-report",
    ),
    refusals.NotInstalled(
        "Images are read by libraries that are not installed: pydicom.",
        remedy="Install the extra `images`: pip install 'chartwell[images]'.",
    ),
    refusals.TooLarge("The body of a request may have 65536 bytes.", remedy="Send less."),
    refusals.Busy(
        "Every place for an answer is taken, and every place in the queue.",
        remedy="Ask again in a few seconds.",
    ),
    refusals.TooMany(
        "More than 240 requests a minute came from you.",
        remedy="Wait as long as Retry-After says.",
        retry_after_seconds=1.0,
    ),
    refusals.Unexpected(
        "The service failed in a way that was not foreseen.",
        remedy="Ask again, or report the line of the log.",
    ),
    refusals.NotReady("The models are not loaded yet.", remedy="Ask again in a few seconds."),
    errors.ConnectionBroken("", remedy=""),
    errors.ProviderTimeout("", remedy=""),
)
EVENT_MODELS = (AcceptedEvent, RetrievalEvent, StatementEvent, CitationEvent, AnswerHead)
"""Bodies of server-sent events: no route returns them, so nothing else would describe them."""
RETRY_AFTER = {
    "description": "seconds until the same request may be taken",
    "schema": {"type": "integer", "minimum": 1},
}


def operation_id(route: APIRoute) -> str:
    """The function's name: it becomes a method's name in generated clients."""
    return route.name


def describe(app: FastAPI) -> None:
    """Have `app` answer for its OpenAPI with the complete one, made once."""

    def complete() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _complete(app)
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _complete(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = found["components"]
    _, definitions = models_json_schema(
        [(model, "serialization") for model in (Problem, *EVENT_MODELS)],
        ref_template="#/components/schemas/{model}",
    )
    components["schemas"] = {**definitions["$defs"], **components["schemas"]}
    _restore_examples(components["schemas"])
    components["responses"] = {f"Problem{status}": _response(status) for status in sorted(TITLES)}
    for operations in found["paths"].values():
        for operation in operations.values():
            _add_problems(operation)
    return found


def _restore_examples(described: dict[str, Any]) -> None:
    """The examples as they were written: FastAPI drops every null from the whole document, also from them."""
    for name, model in chain.from_iterable(vars(subject).items() for subject in SUBJECTS):
        extra = model.model_config.get("json_schema_extra") if isinstance(model, type(BaseModel)) else None
        if name in described and isinstance(extra, dict):
            described[name]["examples"] = extra["examples"]
    described["Problem"]["examples"] = Problem.model_config["json_schema_extra"]["examples"]  # type: ignore[index]


def _add_problems(operation: dict[str, Any]) -> None:
    """References for the problems that the route names, and for those that every route has."""
    responses = operation["responses"]
    named = {int(status) for status, response in responses.items() if _is_problem(response)}
    possible = named | set(EVERYWHERE if "security" in operation else FOR_ALL)
    for status in sorted(possible):
        if str(status) not in responses or _is_problem(responses[str(status)]):
            responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    operation["responses"] = dict(sorted(responses.items()))


def _is_problem(response: dict[str, Any]) -> bool:
    return MEDIA_TYPE in response.get("content", {}) or "HTTPValidationError" in str(response)


def _response(status: int) -> dict[str, Any]:
    examples = {
        error.code: {"value": problem_of(error, "0b7f6c1e5a8e4c0f9d5f0c3f5a1b2c3d").model_dump(mode="json")}
        for error in EXAMPLES
        if status_of(error) == status
    }
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if examples:
        content["examples"] = examples
    response: dict[str, Any] = {"description": TITLES[status], "content": {MEDIA_TYPE: content}}
    if status in {429, 503}:
        response["headers"] = {"Retry-After": RETRY_AFTER}
    return response
