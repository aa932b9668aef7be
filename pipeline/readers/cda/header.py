"""The header of a CDA document: which document it is, whose, of what kind, from when and by whom.

Decides which elements are the note's id, version, patient, type, date, author and encounter, and which earlier
documents this one replaces. Where nothing tells which of a patient's numbers the note is kept by, the number is given
in full, so that no patient is taken for another.
Elements: CDA R2 4.2, C-CDA R2.1, https://hl7.org/cda/us/ccda/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pipeline.patients import PersonName, SourcePatient
from pipeline.readers.cda.elements import (
    SDTC,
    CdaId,
    child,
    children,
    code_of,
    coded_words,
    descendant,
    period_of,
    person_name,
    time_of,
    value_of,
    words_of,
)
from pipeline.readers.cda.narrative import Element
from pipeline.readers.hl7v2.times import instant_of, iso_of
from pipeline.readers.reader import Authority
from pipeline.records import NoteVersion
from pipeline.text.patients.person_name import named, parse_name
from pipeline.text.patients.record_fields import birth_date, sex_of

# Numbers of a person that no hospital keeps its notes by: social security, driving licences, passports, Medicare, NPI.
_OTHER_NUMBERS = re.compile(r"2\.16\.840\.1\.113883\.4\.(?:1|3(?:\.\d+)?|6|572|927|330(?:\.\d+)?)")

CLINICIANS = "2.16.840.1.113883.4.6"
"""The root of NPIs."""

_RECORD_NUMBER = re.compile(r"\bMRN?\b|\bmedical record", re.IGNORECASE)

ORGANISATION_ARCS = 7
"""So many numbers of an OID name an organisation: 2.16.840.1.113883.3.N, 1.3.6.1.4.1.N, 1.2.840.114350.1.13.N."""

_DOCUMENT_TYPES = {  # LOINC, for documents that give the code alone
    "34133-9": "Summarization of Episode Note",
    "18842-5": "Discharge summary",
    "11506-3": "Progress note",
    "11488-4": "Consultation note",
    "34117-2": "History and physical note",
    "57133-1": "Referral note",
    "18761-7": "Transfer summary note",
    "11504-8": "Surgical operation note",
    "28570-0": "Procedure note",
    "18748-4": "Diagnostic imaging study",
    "52521-2": "Care plan",
    "34109-9": "Note",
    "34111-5": "Emergency department Note",
}


class CdaHeader:
    """What the header of one document says."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self.id = CdaId.of(child(root, "id"))
        self.set = CdaId.of(child(root, "setId"))
        self.resource_id = self._resource_id()
        self.patient_id, self.authority = self._patient()

    @property
    def patients(self) -> int:
        return len(children(self.root, "recordTarget"))

    @property
    def withdrawn(self) -> str:
        """The status by which its source took it back; "" where it did not."""
        status = child(self.root, "statusCode", SDTC)
        code = (status.get("code") or "") if status is not None else ""
        return code if code in {"nullified", "aborted", "cancelled"} else ""

    def columns(self) -> dict[str, Any]:
        """Our fields but the text, and what a `--map` may want."""
        return {
            "resource_id": self.resource_id,
            "patient_id": self.patient_id,
            "document_type": self._type(),
            "date": time_of(self.root) or iso_of(value_of(descendant(self.root, "author/time")) or ""),
            "domain": self._domain(),
            "author": self._author(),
            **self._encounter(),
            **self._service(),
            "resource_type": "ClinicalDocument",
            "type_code": code_of(child(self.root, "code")),
            "title": words_of(child(self.root, "title")) or None,
            "document_identifier": str(self.id) if self.id else None,
            "parent_document": self._adds_to(),
            "version_number": value_of(child(self.root, "versionNumber")),
            "confidentiality": code_of(child(self.root, "confidentialityCode")),
            "custodian": words_of(
                descendant(self.root, "custodian/assignedCustodian/representedCustodianOrganization/name")
            )
            or None,
            "patient_reference": self.authority.reference if self.authority else None,
        }

    def _resource_id(self) -> str | None:
        """What stays the same from version to version where the document says so (setId with versionNumber, and the
        type: some makers give all of a patient's documents one setId), else the document's own id."""
        if self.set and self.set.unique and self._number() is not None:
            return self.set.typed(code_of(child(self.root, "code")))
        return str(self.id) if self.id else None

    def _number(self) -> int | None:
        value = value_of(child(self.root, "versionNumber")) or ""
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None

    def version(self) -> NoteVersion | None:
        """The number decides. Makers that never count up leave it at 1: there the moment it was made decides."""
        number = self._number()
        made = self.made()
        if number is not None and number > 1:
            return NoteVersion(None, number)
        return NoteVersion(made, number) if made or number is not None else None

    def made(self) -> str | None:
        return instant_of(value_of(child(self.root, "effectiveTime")) or "")

    def replaced(self) -> Iterator[str]:
        """Ids of the documents that this one replaces, as they may be stored."""
        for related in children(self.root, "relatedDocument"):
            if related.get("typeCode") != "RPLC":
                continue
            for parent in children(related, "parentDocument"):
                code = code_of(child(parent, "code")) or code_of(child(self.root, "code"))
                ids = [str(one) for one in map(CdaId.of, children(parent, "id")) if one]
                sets = [
                    one.typed(code) for one in map(CdaId.of, children(parent, "setId")) if one and one.unique
                ]
                yield from (one for one in (*ids, *sets) if one != self.resource_id)

    def _adds_to(self) -> str | None:
        """The document that this one is an addendum to."""
        for related in children(self.root, "relatedDocument"):
            parent = CdaId.of(descendant(related, "parentDocument/id"))
            if related.get("typeCode") == "APND" and parent:
                return str(parent)
        return None

    def _patient(self) -> tuple[str | None, Authority | None]:
        """The patient's number, and who gave it.

        Numbers that are no hospital's (social security, driving licences) are taken only where there is no other, and
        in full. Of several, the one called a medical record number is taken, else the first under the organisation
        that keeps the document, cares for the patient or made the document; where nothing decides, the first with its
        authority before it, because the bare number may be another patient's.
        """
        role = descendant(self.root, "recordTarget/patientRole")
        if role is None:
            return None, None
        given = [one for one in map(CdaId.of, children(role, "id")) if one and one.unique]
        ids = list(dict.fromkeys(one for one in given if not _OTHER_NUMBERS.fullmatch(one.root)))
        if not ids:
            other = next((one.reference for one in given if one.root != CLINICIANS), None)
            return other, None
        chosen = self._chosen(role, ids)
        if chosen is None:
            return ids[0].reference, None
        if not chosen.extension:  # a UUID, which no one else gives
            return chosen.root, None
        authority = Authority("oid", chosen.root, chosen.reference, "oid") if chosen.root else None
        return chosen.extension, authority

    def person(self) -> SourcePatient | None:
        """What recordTarget says of the patient; None where that is nothing."""
        patient = descendant(self.root, "recordTarget/patientRole/patient")
        found = (_person_name(name) for name in children(patient, "name"))
        names = tuple(dict.fromkeys(name for name in found if name is not None))
        sex = sex_of(code_of(child(patient, "administrativeGenderCode")) or "")
        born = birth_date(iso_of(value_of(child(patient, "birthTime")) or "") or "")
        return SourcePatient("cda", names, sex, born) if names or sex or born else None

    def _chosen(self, role: Element, ids: list[CdaId]) -> CdaId | None:
        """The one of a patient's numbers that the note is kept by; None where nothing tells."""
        if len({one.root for one in ids}) == 1:
            return ids[0]
        named = [one for one in ids if _RECORD_NUMBER.search(one.authority)]
        if len({one.root for one in named}) == 1:
            return named[0]
        keepers = [
            *children(
                descendant(self.root, "custodian/assignedCustodian/representedCustodianOrganization"), "id"
            ),
            *children(child(role, "providerOrganization"), "id"),
        ]
        own = {self.id.root} if self.id else set()
        for roots in ({keeper.root for keeper in map(CdaId.of, keepers) if keeper}, own):
            organisations = {_organisation(root) for root in roots} - {""}
            for one in ids:
                if _organisation(one.root) in organisations:
                    return one
        return None

    def _type(self) -> str | None:
        code = child(self.root, "code")
        return (
            coded_words(code)
            or _DOCUMENT_TYPES.get(code_of(code) or "")
            or words_of(child(self.root, "title"))
            or code_of(code)
        )

    def _author(self) -> str | None:
        """All who wrote; the organisation or the program where no person is named."""
        people: list[str] = []
        others: list[str] = []
        for author in children(self.root, "author"):
            assigned = child(author, "assignedAuthor")
            people.append(person_name(descendant(assigned, "assignedPerson/name")))
            others.append(words_of(descendant(assigned, "representedOrganization/name")))
            others.append(words_of(descendant(assigned, "assignedAuthoringDevice/softwareName")))
        named = "; ".join(dict.fromkeys(filter(None, people)))
        return named or next(filter(None, others), None)

    def _domain(self) -> str | None:
        """The kind of place of the encounter, else the author's specialty."""
        place = descendant(self.root, "componentOf/encompassingEncounter/location/healthCareFacility/code")
        return coded_words(place) or coded_words(descendant(self.root, "author/assignedAuthor/code")) or None

    def _encounter(self) -> dict[str, Any]:
        encounter = descendant(self.root, "componentOf/encompassingEncounter")
        number = next(filter(None, map(CdaId.of, children(encounter, "id"))), None)
        start, end = period_of(encounter)
        return {
            "encounter_id": (number.extension or number.root) if number else None,
            "encounter_start": start,
            "encounter_end": end,
        }

    def _service(self) -> dict[str, Any]:
        start, end = period_of(descendant(self.root, "documentationOf/serviceEvent"))
        return {"service_start": start, "service_end": end}


def _person_name(name: Element) -> PersonName | None:
    given, family, suffix = (
        " ".join(filter(None, map(words_of, children(name, part)))) for part in ("given", "family", "suffix")
    )
    return named(given, family, suffix) or parse_name(words_of(name), capitals=False)


def _organisation(root: str) -> str:
    """The beginning of an OID that names an organisation; all of a shorter one."""
    return ".".join(root.split(".")[:ORGANISATION_ARCS])
