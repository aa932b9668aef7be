"""What the page knows of patients besides an answer: what they are called, within what one may see.

Decides what is shown of a patient whom no note in sight names: the id, and that there are no notes. An answer is shown
whether or not names can be looked up at that moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pipeline.errors import ChartwellError
from pipeline.logs import LOGGER
from pipeline.patients import RegisteredPatient
from pipeline.records import AccessScope, patient_in_words
from pipeline.service.access.policy import Principal
from pipeline.service.api.patients import read_patient
from pipeline.service.dependencies import Services
from pipeline.service.errors import NotKnown
from pipeline.service.pages.view_models import PatientView

NAMES_MAX = 1_000
"""Patients of one answer whose names are looked up."""


def names_of(services: Services, scope: AccessScope, patient_ids: Collection[str]) -> Mapping[str, str]:
    """What patients are called, by id: the id as well where two have one name, or a note gives only a part of it; the
    id alone where none gives a name."""
    known = _known(services, scope, sorted(patient_ids)[:NAMES_MAX])
    named = {patient.patient_id: patient.name for patient in known if patient.name}
    often = Counter(name.casefold() for name in named.values())
    return {each: _name(each, named.get(each), often) for each in patient_ids}


def names_with_ids(services: Services, scope: AccessScope, patient_ids: Collection[str]) -> Mapping[str, str]:
    """The same with the id of each: a picture names no one, and someone out of sight may have the same name."""
    known = _known(services, scope, sorted(patient_ids)[:NAMES_MAX])
    named = {patient.patient_id: f"{patient.name}, " for patient in known if patient.name}
    return {each: f"{named.get(each, '')}patient {each}" for each in patient_ids}


def _name(patient_id: str, name: str | None, often: Mapping[str, int]) -> str:
    if name is None:
        return patient_in_words(patient_id)
    tells_apart = " " in name and often[name.casefold()] == 1
    return name if tells_apart else f"{name}, patient {patient_id}"


def patient_view(services: Services, scope: AccessScope, patient_id: str) -> PatientView | None:
    """A patient as an answer's notes name one; None where none may be seen any more, or not now."""
    known = _known(services, scope, [patient_id])
    return PatientView.of(known[0]) if known else None


def _known(services: Services, scope: AccessScope, patient_ids: Sequence[str]) -> Sequence[RegisteredPatient]:
    if not patient_ids:
        return ()
    try:
        with services.corpus.answering() as answering:
            return answering.store.patients(scope, ids=patient_ids, limit=len(patient_ids))
    except ChartwellError as error:
        LOGGER.warning("the names of patients cannot be looked up", extra={"code": error.code})
        return ()


def chosen_patient(services: Services, principal: Principal, patient_id: str) -> PatientView:
    """A patient whom someone chose; one that is not known here has no notes."""
    try:
        return PatientView.of(read_patient(services, principal, patient_id))
    except NotKnown:
        return PatientView(patient_id, "", "", "", 0, None, None)
