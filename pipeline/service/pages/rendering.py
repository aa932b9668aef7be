"""Templates into pages: everything escaped, nothing undefined, the frame of a page always the same.

Decides what every page knows: who looks, which parts of the service they may use, the colours they chose. Templates get
values and decide nothing about rights: what a user may not see is not among the values. Knows no route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from pipeline.images import image_called
from pipeline.locators import in_words
from pipeline.records import patient_in_words
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.images.stored import StoredImages
from pipeline.service.library.served_library import ServedLibrary
from pipeline.service.middleware.authentication import Caller
from pipeline.service.pages import wording as words
from pipeline.service.pages.assets import Assets
from pipeline.service.pages.view_models import (
    CITES_MAX,
    PLACES_MAX,
    beside_address,
    cited_address,
    cited_part,
    is_film,
    note_address,
    only_patient,
)

THEME = "chartwell-theme"
"""A cookie that the page's script sets; anything but "light" or "dark" means the system's."""

FILMS = "films"
LIBRARY = "library"
NAVIGATION = (
    ("ask", "Ask", "/", Action.ASK),
    (FILMS, "Films", "/films", Action.READ_NOTE),
    (LIBRARY, "Library", "/library", Action.READ_NOTE),
    ("history", "History", "/conversations", Action.READ_OWN_CONVERSATIONS),
    ("jobs", "Jobs", "/jobs", Action.READ_JOBS),
    ("people", "People", "/people", Action.MANAGE_PEOPLE),
    ("status", "Status", "/status", Action.READ_STATUS),
)
DONE: Mapping[str, str] = MappingProxyType(
    {
        "renamed": "Renamed.",
        "deleted": "Deleted.",
        "saved": "Saved.",
        "revoked": "The key is revoked.",
        "started": "The job has started.",
        "cancelled": "The job stops after its current batch.",
        "signed-out": "They were signed out everywhere.",
        "password": "Your password was changed. You are signed out everywhere else.",
        "decided": "Decided.",
        "thanks": "Thank you. Your feedback was saved with the answer.",
    }
)
"""What a page says after something was done; the address only names which."""


@dataclass(frozen=True, slots=True)
class NavigationItem:
    words: str
    address: str
    here: bool


def caller_or_none(request: Request) -> Caller | None:
    """The principal; None on the pages through which one signs in."""
    caller = request.scope.get("state", {}).get("caller")
    return caller if isinstance(caller, Caller) else None


class Renderer:
    """All templates. Safe to share between threads."""

    def __init__(self) -> None:
        """Reads the page's files. Raises PageFileChanged."""
        self.assets = Assets()
        self._environment = Environment(
            loader=PackageLoader("pipeline.service.pages", "templates"),
            autoescape=select_autoescape(
                enabled_extensions=("html",), default=True, disabled_extensions=("md",)
            ),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(
            asset=self.assets.address,
            beside_address=beside_address,
            cited_address=cited_address,
            cited_part=cited_part,
            image_called=image_called,
            is_film=is_film,
            note_address=note_address,
            only_patient=only_patient,
            places_max=PLACES_MAX,
            cites_max=CITES_MAX,
            place_words=in_words,
            why_nothing=words.why_nothing,
            job_words=words.job_words,
            sees_words=words.sees_words,
            dependency_words=words.dependency_words,
            day_words=words.day_words,
            short_id=words.short_id,
            whose=patient_in_words,
            time_left=words.time_left,
            hours=words.hours,
            role_words=words.ROLES,
            feedback_reasons=words.FEEDBACK_REASONS,
        )
        self._environment.filters["verbatim"] = words.verbatim

    def page(
        self, request: Request, template: str, *, status_code: int = 200, here: str = "", **values: Any
    ) -> HTMLResponse:
        """A whole page. `here`: the entry of the navigation that it belongs to."""
        caller = caller_or_none(request)
        principal = caller.principal if caller else None
        frame: dict[str, Any] = {
            "principal": principal,
            "csrf_token": caller.csrf_token if caller else None,
            "nav": _navigation(principal, here, _empty(request, principal)),
            "here": here,
            "theme": request.cookies.get(THEME, ""),
            "done": DONE.get(request.query_params.get("done", "")),
        }
        return HTMLResponse(self.text(template, **frame, **values), status_code=status_code)

    def fragment(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A part of a page, for htmx to put in its place."""
        return HTMLResponse(self.text(template, **values), status_code=status)

    def text(self, template: str, **values: Any) -> str:
        return self._environment.get_template(template).render(**values)


def _empty(request: Request, principal: Principal | None) -> frozenset[str]:
    """Entries behind which the user would find nothing: no one is led there."""
    if principal is None:
        return frozenset({FILMS, LIBRARY})
    images: StoredImages = request.app.state.services.images
    shelves: ServedLibrary = request.app.state.services.library
    empty = set() if images.any_within(principal.scope) else {FILMS}
    return frozenset(empty if shelves.is_there else empty | {LIBRARY})


def _navigation(principal: Principal | None, here: str, empty: frozenset[str]) -> list[NavigationItem]:
    return [
        NavigationItem(words, address, name == here)
        for name, words, address, action in NAVIGATION
        if allowed(principal, action) and name not in empty
    ]
