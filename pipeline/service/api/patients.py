"""Patients: the register, one of them, and the notes of one.

Decides that a patient of whom no note may be seen is answered exactly as one that is not there, and what is recorded:
whose record was looked at, and of a search its hash, never the name that was typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Query

from pipeline.patients import RegisteredPatient
from pipeline.records import NoteHead
from pipeline.service.access.policy import Action, Principal
from pipeline.service.audit.chain import sha256
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.errors import NotKnown, NotReady
from pipeline.service.problems import documented
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text
from pipeline.service.schemas.patients import (
    NoteHeadOut,
    PatientDetailOut,
    PatientNotesOut,
    PatientsOut,
)

router = APIRouter(prefix="/v1", tags=["patients"], dependencies=[requires(Action.ASK)])

TYPED_CHARACTERS_MAX = 200
PAGE = 50
PAGE_MAX = 200
SKIP_MAX = 1_000_000
NO_PATIENT = "Check the id. The patient may have no note any more, or none that you can see."
"""The same words for a patient out of sight and for one that never was."""

PatientId = Annotated[
    Text,
    Path(min_length=1, max_length=ID_CHARACTERS_MAX, description="as notes have it", examples=["D2N006"]),
]


@dataclass(frozen=True, slots=True)
class FoundPatients:
    """A page of the register."""

    patients: Sequence[RegisteredPatient]
    near: Sequence[RegisteredPatient]
    following: str | None
    """The id behind which the next page begins; None on the last one."""
    complete: bool
    """Whether the register has every note: else a patient may be missing from it."""


@router.get("/patients", responses=documented(502, 504))
def patients(
    services: ServicesDep,
    principal: PrincipalHere,
    query: Annotated[
        Text,
        Query(
            max_length=TYPED_CHARACTERS_MAX,
            description="the beginning of an id, or words of a name, each of which may be a beginning; case, accents, "
            "hyphens and order do not count; empty: every patient",
            examples=["mitch"],
        ),
    ] = "",
    after: Annotated[Text, Query(max_length=ID_CHARACTERS_MAX, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
) -> PatientsOut:
    """The patients of whom you may see a note, by name or id."""
    found = find_patients(services, principal, query, after=after, limit=limit)
    return PatientsOut.of(found.patients, found.near, following=found.following, complete=found.complete)


@router.get("/patients/{patient_id:path}/notes", responses=documented(404, 502, 504))
def patient_notes(
    services: ServicesDep,
    principal: PrincipalHere,
    patient_id: PatientId,
    skip: Annotated[int, Query(ge=0, le=SKIP_MAX, description="how many of the newest to leave out")] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
) -> PatientNotesOut:
    """The notes of a patient in time, without their texts."""
    patient, heads = read_timeline(services, principal, patient_id, skip=skip, limit=limit)
    return PatientNotesOut(
        patient_id=patient.patient_id,
        notes=[NoteHeadOut.of(head) for head in heads],
        total=patient.notes,
    )


@router.get("/patients/{patient_id:path}", responses=documented(404, 502, 504))
def patient(services: ServicesDep, principal: PrincipalHere, patient_id: PatientId) -> PatientDetailOut:
    """A patient, and which note says what of them. One of whom you may see no note is answered as unknown."""
    return PatientDetailOut.of(read_patient(services, principal, patient_id))


def find_patients(
    services: Services, principal: Principal, typed: str, *, after: str = "", limit: int = PAGE
) -> FoundPatients:
    """Patients whose id or name begins as `typed`, within what the caller may see."""
    with services.corpus.answering() as answering:
        store, scope = answering.store, principal.scope
        found = store.patients_beginning(typed, scope, after=after, limit=limit + 1)
        near = [] if found or after or not typed.strip() else store.patients_near(typed.split(), scope)
        complete = store.has_register()
    shown = found[:limit]
    details = {
        "query_sha256": sha256(typed.strip()),
        "patients": [each.patient_id for each in (*shown, *near)],
    }
    services.audit.record(principal, "patients-search", details=details)
    following = shown[-1].patient_id if len(found) > limit else None
    return FoundPatients(shown, near, following, complete)


def read_patient(services: Services, principal: Principal, patient_id: str) -> RegisteredPatient:
    """The patient, and a row of the audit log. Raises NotKnown, and NotReady while the register cannot tell."""
    with services.corpus.answering() as answering:
        found = answering.store.patients(principal.scope, ids=[patient_id])
        known = bool(found) or answering.store.has_register()
    if not known:
        raise NotReady(
            "The register of patients is not complete yet: stored notes are still being read into it.",
            remedy="Ask again in a minute.",
        )
    subject = f"patient:{patient_id}"
    if not found:
        services.audit.record(principal, "patient-read", subject, outcome="refused")
        raise NotKnown("There is no such patient.", remedy=NO_PATIENT)
    services.audit.record(principal, "patient-read", subject)
    return found[0]


def read_timeline(
    services: Services, principal: Principal, patient_id: str, *, skip: int = 0, limit: int = PAGE
) -> tuple[RegisteredPatient, Sequence[NoteHead]]:
    """The patient and a page of their notes, the newest first. Raises as `read_patient`."""
    found = read_patient(services, principal, patient_id)
    with services.corpus.answering() as answering:
        return found, answering.store.notes_of(patient_id, principal.scope, skip=skip, limit=limit)
