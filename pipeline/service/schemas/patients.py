"""Patients over HTTP: the register, one patient, the notes of one.

Dates are ISO 8601 as the notes write them: a year or a month where no more is known. All of it is of notes that the
caller may see: a name, a birth date or a number that only others give is not among it.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from pipeline.patients import FactKind, FactSource, RegisteredFact, RegisteredPatient
from pipeline.records import NoteHead
from pipeline.service.schemas.fields import example

_PATIENT = {
    "patient_id": "D2N006",
    "name": "Anna Mitchell",
    "names": ["Anna Mitchell"],
    "sex": "female",
    "birth_date": None,
    "age": {"value": "54 years", "on": "2024-05-06"},
    "notes": 1,
    "first_date": "2024-05-06",
    "last_date": "2024-05-06",
}


class AgeOut(BaseModel):
    value: str = Field(description="for example `54 years`, `0 days`")
    on: str | None = Field(description="the day of the note that says so; null where that note has no date")

    @classmethod
    def of(cls, age: RegisteredFact | None) -> AgeOut | None:
        return None if age is None else cls(value=age.value, on=age.last_date)


class PatientOut(BaseModel):
    """A patient as the notes say that you may see."""

    model_config = example(_PATIENT)

    patient_id: str
    name: str | None = Field(description="the name to show; null where no note gives one")
    names: list[str] = Field(description="every name that notes give, the one to show first")
    sex: str | None = Field(
        description="female, male or other; null where notes say nothing, or not the same"
    )
    birth_date: str | None = Field(description="null where notes say nothing, or dates that cannot be one")
    age: AgeOut | None = Field(description="of the newest note that gives one")
    notes: int
    first_date: str | None = Field(description="of the oldest note that has a date")
    last_date: str | None = Field(description="of the newest")

    @classmethod
    def of(cls, patient: RegisteredPatient) -> PatientOut:
        return cls(
            patient_id=patient.patient_id,
            name=patient.name,
            names=[name.text for name in patient.names],
            sex=patient.sex,
            birth_date=patient.birth_date,
            age=AgeOut.of(patient.age),
            notes=patient.notes,
            first_date=patient.first_date,
            last_date=patient.last_date,
        )


class PatientFactOut(BaseModel):
    """What notes say of the patient in the same words, from one kind of place."""

    kind: FactKind
    value: str
    source: FactSource = Field(
        description="fhir, hl7v2, cda or record: beside the note; header, opening or title: in its text"
    )
    notes: int = Field(description="how many notes say it")
    last_date: str | None
    resource_id: str = Field(description="one of these notes")
    start: int | None = Field(description="where it stands there, null where it is not in the text")
    end: int | None

    @classmethod
    def of(cls, fact: RegisteredFact) -> PatientFactOut:
        return cls(
            kind=fact.kind,
            value=fact.value,
            source=fact.source,
            notes=fact.notes,
            last_date=fact.last_date,
            resource_id=fact.resource_id,
            start=fact.start,
            end=fact.end,
        )


_FACT = {
    "kind": "name",
    "value": "Anna Mitchell",
    "source": "opening",
    "notes": 1,
    "last_date": "2024-05-06",
    "resource_id": "aci-D2N006",
    "start": 0,
    "end": 13,
}


class PatientDetailOut(PatientOut):
    """A patient with where everything comes from: of names, sexes and birth dates that differ none is left out."""

    model_config = example({**_PATIENT, "facts": [_FACT]})

    facts: list[PatientFactOut]

    @classmethod
    def of(cls, patient: RegisteredPatient) -> PatientDetailOut:
        return cls(
            **PatientOut.of(patient).model_dump(),
            facts=[PatientFactOut.of(fact) for fact in patient.facts],
        )


class PatientsOut(BaseModel):
    """A page of the register, in the order of the ids."""

    model_config = example({"patients": [_PATIENT], "near": [], "next": None, "complete": True})

    patients: list[PatientOut]
    near: list[PatientOut] = Field(
        description="where no one is called so: those with a name that is nearly this one, the nearest first"
    )
    next: str | None = Field(description="as `after` gives the next page; null on the last one")
    complete: bool = Field(
        description="false while notes of an earlier release are still being read into the register: then no one may "
        "conclude that a patient is not here"
    )

    @classmethod
    def of(
        cls,
        patients: Iterable[RegisteredPatient],
        near: Iterable[RegisteredPatient],
        *,
        following: str | None,
        complete: bool,
    ) -> PatientsOut:
        return cls(
            patients=[PatientOut.of(each) for each in patients],
            near=[PatientOut.of(each) for each in near],
            next=following,
            complete=complete,
        )


_HEAD = {
    "resource_id": "aci-D2N006",
    "document_type": "Visit note",
    "title": None,
    "date": "2024-05-06",
    "domain": None,
    "author": None,
    "encounter_id": None,
}


class NoteHeadOut(BaseModel):
    """A note without its text. GET /v1/notes/{resource_id} gives the whole."""

    model_config = example(_HEAD)

    resource_id: str
    document_type: str
    title: str | None = Field(description="as the source calls it, where it gives one")
    date: str | None
    domain: str | None
    author: str | None
    encounter_id: str | None

    @classmethod
    def of(cls, head: NoteHead) -> NoteHeadOut:
        return cls(
            resource_id=head.resource_id,
            document_type=head.document_type,
            title=head.title,
            date=head.date,
            domain=head.domain,
            author=head.author,
            encounter_id=head.encounter_id,
        )


class PatientNotesOut(BaseModel):
    """Notes of one patient, the newest first, those without a date last."""

    model_config = example({"patient_id": "D2N006", "notes": [_HEAD], "total": 1})

    patient_id: str
    notes: list[NoteHeadOut]
    total: int = Field(description="how many notes of the patient you may see")
