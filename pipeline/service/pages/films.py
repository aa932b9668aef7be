"""Films on the page: found by kind, patient and day or by another film, and opened, alone or next to an answer.

Decides how films are asked for in words that people say. What may be seen, what is alike and what is recorded are the
interface's judgements, which are called here; pixels come from its addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse

from pipeline.images import MODALITIES_CALLED, ImageFilters, found_image
from pipeline.records import AccessScope, FoundImage
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.api.images import list_images, read_image_of
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.pages.dependencies import RendererHere
from pipeline.service.pages.errors import is_part
from pipeline.service.pages.film_views import FilmGroup, OpenFilmView, film_groups
from pipeline.service.pages.register import names_of
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text

router = APIRouter(include_in_schema=False, dependencies=[requires(Action.READ_NOTE)])

PAGE = 24
"""Films of a page."""
OF_A_PATIENT = 6
"""Films on a patient's page; the page of films has all."""
FRAME_MAX = 100_000
SKIP_MAX = 100_000
BODY_PARTS = ("chest", "abdomen", "head", "hand", "knee", "hip", "spine", "pelvis", "foot", "shoulder")
"""What a list offers; any other may be typed."""
NONE_YET = "Nothing that you can see is indexed. An administrator can index films or widen your access."
NONE_HERE = "Take a filter away, or ask about another patient."

Word = Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)]
Day = Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


@dataclass(frozen=True, slots=True)
class FilmFilters:
    """What the form is set to; empty: no restriction."""

    patient_id: str = ""
    modality: str = ""
    """In words: "X-ray"."""
    body_part: str = ""
    since: str = ""
    until: str = ""

    @property
    def any(self) -> bool:
        return any((self.patient_id, self.modality, self.body_part, self.since, self.until))

    @property
    def query(self) -> str:
        """As an address has it."""
        names = ("patient_id", "modality", "body_part", "since", "until")
        return urlencode([(name, value) for name in names if (value := getattr(self, name))])

    def within(self, scope: AccessScope) -> ImageFilters:
        part = self.body_part.upper()
        written = (part, part.replace(" ", "_"), part.replace(" ", "")) if part else ()
        return ImageFilters(
            patient_ids=(self.patient_id,) if self.patient_id else (),
            modalities=MODALITIES_CALLED.get(self.modality, (self.modality,)) if self.modality else (),
            body_parts=tuple(dict.fromkeys(written)),
            since=self.since or None,
            until=self.until or None,
            scope=scope,
        )


@router.get("/films")
def films(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    patient_id: Word = "",
    modality: Word = "",
    body_part: Word = "",
    since: Day = "",
    until: Day = "",
    skip: Annotated[int, Query(ge=0, le=SKIP_MAX)] = 0,
) -> HTMLResponse:
    """Films by patient, kind, part of the body and day, the newest first."""
    filters = FilmFilters(patient_id.strip(), modality.strip(), body_part.strip(), since, until)
    found, following = list_images(
        services, principal, filters.within(principal.scope), skip=skip, limit=PAGE
    )
    shown = [found_image(each, "metadata") for each in found]
    values = _found(services, principal, shown, filters, skip=skip, more=following or 0)
    return renderer.page(
        request,
        "films.html",
        here="films",
        modalities=tuple(MODALITIES_CALLED),
        body_parts=BODY_PARTS,
        **values,
    )


def _found(
    services: Services,
    principal: Principal,
    images: Sequence[FoundImage],
    filters: FilmFilters,
    *,
    skip: int = 0,
    more: int = 0,
    by_film: bool = False,
) -> dict[str, Any]:
    names = names_of(services, principal.scope, {each.patient_id for each in images})
    number = len(images)
    nothing = "No film has all of this" if filters.any else "There are no films yet"
    heading = f"Films, the newest first{f', from {skip + 1}' if skip else ''}" if images else nothing
    return {
        "found": film_groups(images, names),
        "heading": heading,
        "advice": NONE_HERE if filters.any else NONE_YET,
        "summary": f"{number} film{'s' if number != 1 else ''}{' and more' if more else ''}.",
        "by_film": by_film,
        "filters": filters,
        "query": filters.query,
        "skip": skip,
        "more": more,
    }


@router.get("/films/{image_id:path}")
def film(
    image_id: Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)],
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    frame: Annotated[int, Query(ge=0, le=FRAME_MAX)] = 0,
) -> HTMLResponse:
    """A film, on a page of its own or next to an answer."""
    shown = open_film(services, principal, image_id, frame)
    if is_part(request):
        return renderer.fragment("film_fragment.html", shown=shown)
    return renderer.page(request, "film.html", here="films", shown=shown)


def open_film(services: Services, principal: Principal, image_id: str, frame: int = 0) -> OpenFilmView:
    """A film with what is known of it. Raises NotKnown."""
    description = read_image_of(services, principal, image_id)
    whose = names_of(services, principal.scope, {description.patient_id})[description.patient_id]
    shown = frame if 1 <= frame <= description.frames else description.frame
    return OpenFilmView(description, whose, shown)


def films_of(services: Services, principal: Principal, patient_id: str) -> tuple[FilmGroup, ...]:
    """The newest films of a patient; none for someone who may not read notes."""
    if not allowed(principal, Action.READ_NOTE):
        return ()
    filters = ImageFilters(patient_ids=(patient_id,), scope=principal.scope)
    found, _ = list_images(services, principal, filters, skip=0, limit=OF_A_PATIENT)
    names = names_of(services, principal.scope, {patient_id}) if found else {}
    return film_groups([found_image(each, "metadata") for each in found], names)
