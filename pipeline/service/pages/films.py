"""Films on the page: found by kind, patient and day or by another film, and opened, alone or next to an answer.

Decides how films are asked for in words that people say. What may be seen, what is alike and what is recorded are the
interface's judgements, which are called here; pixels come from its addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from pipeline.errors import BadRequest
from pipeline.images import MODALITIES_CALLED, ImageFilters, found_image
from pipeline.imaging.records import ImageDescription
from pipeline.records import AccessScope, AskedImage, FoundImage
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.api.images import (
    list_images,
    read_asked_image,
    read_image_of,
    search_images,
    similar_to,
)
from pipeline.service.api.patients import find_patients
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.pages.dependencies import Line, RendererHere
from pipeline.service.pages.errors import is_part
from pipeline.service.pages.film_views import (
    FilmGroup,
    FilmView,
    OpenFilmView,
    film_groups,
    is_slice,
    slices_in,
)
from pipeline.service.pages.register import names_with_ids
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.view_models import PatientView, refuse_another
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
SIMILAR = 6
"""Films that are shown next to one."""
NONE_YET = "Nothing that you can see is indexed. An administrator can index films or widen your access."
NONE_ALIKE = "No film that you can see comes near it. Take filters away, or search by another one."
WHICH_PATIENT = "Which patient is meant?"
CHOICES_MAX = 20
"""Patients who are offered where a name is of several."""
NONE_HERE = "Take a filter away, or ask about another patient."

Word = Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)]
DAY = r"^(\d{4}-\d{2}-\d{2})?$"
Day = Annotated[str, Query(pattern=DAY)]
DayField = Annotated[str, Form(pattern=DAY)]


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


@dataclass(frozen=True, slots=True)
class PatientChoice:
    """Someone whose films may be meant."""

    patient: PatientView
    address: str
    """Of their films."""


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
    filters, choices = _of_a_patient(services, principal, filters)
    found: list[ImageDescription] = []
    following: int | None = None
    if not choices:
        found, following = list_images(
            services, principal, filters.within(principal.scope), skip=skip, limit=PAGE
        )
    shown = [found_image(each, "metadata") for each in found]
    values = _found(services, principal, shown, filters, skip=skip, more=following or 0)
    if choices:
        values |= {"choices": choices, "heading": WHICH_PATIENT, "summary": WHICH_PATIENT}
    return renderer.page(
        request,
        "films.html",
        here="films",
        modalities=tuple(MODALITIES_CALLED),
        body_parts=BODY_PARTS,
        bytes_max=film_bytes_max(services),
        **values,
    )


def _of_a_patient(
    services: Services, principal: Principal, filters: FilmFilters
) -> tuple[FilmFilters, tuple[PatientChoice, ...]]:
    """The same of the patient who is meant by an id in either case, or by the whole name of only one; else who may be
    chosen, as the page of patients finds them. A film is not shown under a name that is only nearly its patient's."""
    typed = filters.patient_id
    if not typed or not allowed(principal, Action.ASK):
        return filters, ()
    own = ImageFilters(patient_ids=(typed,), scope=principal.scope)
    if services.images.page(own, skip=0, limit=1):  # it may have films and no note
        return filters, ()
    page = find_patients(services, principal, typed, limit=CHOICES_MAX)
    by_id = [each for each in page.patients if each.patient_id.casefold() == typed.casefold()]
    by_name = [each for each in page.patients if (each.name or "").casefold() == typed.casefold()]
    certain = by_id if by_id else by_name if len(page.patients) == 1 else []
    if len(certain) == 1:
        return replace(filters, patient_id=certain[0].patient_id), ()
    return filters, tuple(
        PatientChoice(PatientView.of(each), f"/films?{replace(filters, patient_id=each.patient_id).query}")
        for each in page.patients or page.near
    )


def _found(
    services: Services,
    principal: Principal,
    images: Sequence[FoundImage],
    filters: FilmFilters,
    *,
    skip: int = 0,
    more: int = 0,
    patient_id: str = "",
    by_film: bool = False,
) -> dict[str, Any]:
    patients = {each.patient_id for each in images} | ({patient_id} if patient_id else set())
    names = names_with_ids(services, principal.scope, patients)
    number = len(images)
    nothing = "No film has all of this" if filters.any else "There are no films yet"
    heading = f"Films, the newest first{f', from {skip + 1}' if skip else ''}" if images else nothing
    return {
        "found": film_groups(images, names, patient_id),
        "heading": heading,
        "advice": NONE_HERE if filters.any else NONE_YET,
        "summary": f"{number} film{'s' if number != 1 else ''}{' and more' if more else ''}.",
        "by_film": by_film,
        "choices": (),
        "filters": filters,
        "query": filters.query,
        "skip": skip,
        "more": more,
    }


@router.post("/films/search", dependencies=[requires(Action.SEARCH)])
async def search(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    image: Annotated[str, Form()] = "",
    patient_id: Line = "",
    modality: Line = "",
    body_part: Line = "",
    since: DayField = "",
    until: DayField = "",
) -> HTMLResponse:
    """Films that look like the one that is handed in, as a part of the page."""
    filters = FilmFilters(patient_id.strip(), modality.strip(), body_part.strip(), since, until)
    asked = await read_asked_image(request, services, principal, standard_base64(image))
    return await run_in_threadpool(_alike, services, principal, renderer, asked, filters)


def _alike(
    services: Services, principal: Principal, renderer: Renderer, asked: AskedImage, filters: FilmFilters
) -> HTMLResponse:
    filters, choices = _of_a_patient(services, principal, filters)
    within = filters.within(principal.scope)
    whose, images = ("", ()) if choices else search_images(services, principal, asked, within, limit=PAGE)
    values = _found(services, principal, images, filters, patient_id=whose, by_film=True)
    heading = "Films that look like yours" if images else "No film looks like yours"
    if choices:
        heading = "Write the id of the patient who is meant, and search again"
        values |= {"summary": heading}
    values |= {"heading": heading, "advice": NONE_ALIKE, "choices": choices}
    return renderer.fragment("film_fragment.html", part="found", **values)


@router.get("/similar-films", dependencies=[requires(Action.SEARCH)])
def similar(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    image_id: Word,
    beside: Annotated[str, Query(max_length=3)] = "",
) -> HTMLResponse:
    """Films that look like one that is stored, those of its patient first."""
    described, images = similar_to(services, principal, image_id, limit=SIMILAR)
    patients = {described.patient_id, *(each.patient_id for each in images)}
    names = names_with_ids(services, principal.scope, patients)
    found = film_groups(images, names, described.patient_id)
    if is_part(request):
        return renderer.fragment("film_fragment.html", part="similar", found=found, beside=beside == "yes")
    of = FilmView(found_image(described, "metadata"), names[described.patient_id])
    return renderer.page(request, "film_similar.html", here="films", found=found, of=of)


@router.get("/films/{image_id:path}")
def film(
    image_id: Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)],
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    frame: Annotated[int, Query(ge=0, le=FRAME_MAX)] = 0,
    other: Annotated[str, Query(max_length=3)] = "",
    cited_of: Word = "",
) -> HTMLResponse:
    """A film, on a page of its own or next to an answer."""
    shown = replace(open_film(services, principal, image_id, frame), other=other == "yes")
    refuse_another(shown.description.patient_id, cited_of)
    if is_part(request):
        return renderer.fragment("film_fragment.html", part="film", shown=shown)
    return renderer.page(request, "film.html", here="films", shown=shown)


def open_film(services: Services, principal: Principal, image_id: str, frame: int = 0) -> OpenFilmView:
    """A film with what is known of it. Raises NotKnown."""
    description = read_image_of(services, principal, image_id)
    whose = names_with_ids(services, principal.scope, {description.patient_id})[description.patient_id]
    shown = frame if 1 <= frame <= description.frames else description.frame
    return OpenFilmView(description, whose, shown, _slices(services, principal, description))


def _slices(services: Services, principal: Principal, description: ImageDescription) -> int:
    """Of how many slices its series is, as far as the person may see them; 1 where the study is too large for its
    series to be put together."""
    if not is_slice(description):
        return 1
    try:
        return slices_in(services.images.series(description, principal.scope))
    except BadRequest:
        return 1  # the film is shown by itself: it is what the refusal advises


def films_of(services: Services, principal: Principal, patient_id: str) -> tuple[FilmGroup, ...]:
    """The newest films of a patient; none for someone who may not read notes."""
    if not allowed(principal, Action.READ_NOTE):
        return ()
    filters = ImageFilters(patient_ids=(patient_id,), scope=principal.scope)
    found, _ = list_images(services, principal, filters, skip=0, limit=OF_A_PATIENT)
    names = names_with_ids(services, principal.scope, {patient_id}) if found else {}
    return film_groups([found_image(each, "metadata") for each in found], names)


def films_shown(
    services: Services,
    scope: AccessScope,
    images: Sequence[FoundImage],
    patient_ids: Sequence[str],
) -> tuple[FilmGroup, ...]:
    """Films next to an answer. `patient_ids`: of whom the answer is; of several, or of no one, films are not parted."""
    names = names_with_ids(services, scope, {each.patient_id for each in images} | set(patient_ids))
    return film_groups(images, names, patient_ids[0] if len(patient_ids) == 1 else "")


def film_bytes_max(services: Services) -> int:
    """How large a film to ask with may be; 0 where none can be asked with, because there is none or nothing compares
    them."""
    settings = services.settings
    can = settings.image_embedder.provider != "none" and services.images.any()
    return settings.service.image_mib_max * 2**20 if can else 0


def standard_base64(sent: str) -> str:
    """As the page's script sends a file, without the signs that a form would have to escape, in the alphabet of the
    interface."""
    return sent.replace("-", "+").replace("_", "/") + "=" * (-len(sent) % 4)
