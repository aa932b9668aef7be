"""What a FHIR Patient resource says of the person: names, sex, birth date.

Decides which names are the person's: all that are listed, but for those that are given so that no one knows the person.
Elements: https://hl7.org/fhir/R4/patient.html, datatypes.html#HumanName.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.patients import PersonName, SourcePatient
from pipeline.readers.fhir.elements import Resource, as_list, objects, text_in
from pipeline.text.patients.person_name import named, parse_name
from pipeline.text.patients.record_fields import birth_date, sex_of


def person_of(patient: Resource) -> SourcePatient | None:
    """None where the resource says nothing of the person."""
    names = tuple(dict.fromkeys(_names(patient)))
    sex = sex_of(text_in(patient.get("gender")) or "")
    born = birth_date(text_in(patient.get("birthDate")) or "")
    return SourcePatient("fhir", names, sex, born) if names or sex or born else None


def displayed_person(subject: Resource) -> SourcePatient | None:
    """From the words that a reference to a Patient has for it: "Lopez, Camila"; None where they are no full name."""
    name = parse_name(text_in(subject.get("display")) or "")
    return SourcePatient("fhir", (name,)) if name is not None and name.given and name.family else None


def _names(patient: Resource) -> Iterator[PersonName]:
    for each in objects(patient.get("name")):
        if each.get("use") == "anonymous":
            continue
        parts = (_joined(each.get(part)) for part in ("given", "family", "suffix"))
        name = named(*parts) or parse_name(text_in(each.get("text")) or "", capitals=False)
        if name is not None:
            yield name


def _joined(part: Any) -> str:
    """A surname is a list in DSTU2."""
    given = [part] if isinstance(part, str) else as_list(part)
    return " ".join(word for word in given if isinstance(word, str))
