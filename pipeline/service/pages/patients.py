"""Patients on the page: found by name, named above a conversation, and every note of one.

Decides what a patient is told apart by at a glance: name, sex, birth date or age, notes and their days. What may be
seen and what is recorded are the interface's judgements, which are called here.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from pipeline.service.access.policy import Action
from pipeline.service.api.patients import (
    PAGE,
    SKIP_MAX,
    TYPED_CHARACTERS_MAX,
    PatientId,
    find_patients,
    read_timeline,
)
from pipeline.service.api.suggestions import suggested
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.pages.dependencies import RendererHere
from pipeline.service.pages.films import films_of
from pipeline.service.pages.register import chosen_patient
from pipeline.service.pages.view_models import PatientView
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text

router = APIRouter(include_in_schema=False, dependencies=[requires(Action.ASK)])

FOUND_AT_ONCE = 8
"""Patients that are shown while a name is being typed."""
NOTES_AT_ONCE = 20
"""Notes of the list above a conversation; the patient's own page has all."""

Typed = Annotated[Text, Query(max_length=TYPED_CHARACTERS_MAX)]
AnyId = Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)]


@router.get("/patients")
def register(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    query: Typed = "",
    after: AnyId = "",
) -> HTMLResponse:
    """Every patient one may see a note of, by the page."""
    found = find_patients(services, principal, query, after=after, limit=PAGE)
    return renderer.page(
        request,
        "patients.html",
        here="ask",
        query=query,
        patients=[PatientView.of(each) for each in found.patients],
        near=[PatientView.of(each) for each in found.near],
        following=found.following,
        complete=found.complete,
    )


@router.get("/patients/{patient_id:path}")
def patient(
    request: Request,
    patient_id: PatientId,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    skip: Annotated[int, Query(ge=0, le=SKIP_MAX)] = 0,
) -> HTMLResponse:
    """A patient, and all their notes in time."""
    found, heads = read_timeline(services, principal, patient_id, skip=skip, limit=PAGE)
    return renderer.page(
        request,
        "patient.html",
        here="ask",
        patient=PatientView.of(found),
        heads=heads,
        films=() if skip else films_of(services, principal, patient_id),
        skip=skip,
        more=skip + len(heads) if skip + len(heads) < found.notes else 0,
    )


@router.get("/patient-bar")
def bar(
    services: ServicesDep, principal: PrincipalHere, renderer: RendererHere, patient: AnyId = ""
) -> HTMLResponse:
    """The line above a conversation: whose notes are asked, and how another patient is chosen."""
    chosen = chosen_patient(services, principal, patient) if patient else None
    return renderer.fragment("patient_fragment.html", part="bar", patient=chosen, chosen=chosen is not None)


@router.get("/patient-bar/found")
def found(
    services: ServicesDep, principal: PrincipalHere, renderer: RendererHere, query: Typed = ""
) -> HTMLResponse:
    """Patients whose name or id begins as it is typed."""
    page = find_patients(services, principal, query, limit=FOUND_AT_ONCE)
    return renderer.fragment(
        "patient_fragment.html",
        part="found",
        query=query,
        patients=[PatientView.of(each) for each in page.patients],
        near=[PatientView.of(each) for each in page.near],
        more=page.following is not None,
    )


@router.get("/patient-bar/notes")
def timeline(
    services: ServicesDep, principal: PrincipalHere, renderer: RendererHere, patient: AnyId
) -> HTMLResponse:
    """The newest notes of a patient."""
    found, heads = read_timeline(services, principal, patient, limit=NOTES_AT_ONCE)
    return renderer.fragment(
        "patient_fragment.html", part="notes", patient=PatientView.of(found), heads=heads
    )


@router.get("/suggest/questions")
def suggest_questions(
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    patient: AnyId = "",
    conversation_id: AnyId = "",
) -> HTMLResponse:
    """Questions that the notes answer, to begin with or to go on with."""
    questions = suggested(services, principal, patient, conversation_id)
    return renderer.fragment(
        "patient_fragment.html", part="questions", questions=questions, begun=bool(conversation_id)
    )
