"""Who a note's patient is, and what a FHIR reference means.

Decides one patient id for every way of naming a patient: the id alone where the note's own server gave it, and never
the id alone where another server did. Two hospitals both have a Patient/7, and a Device/7 is no patient at all.
References: https://hl7.org/fhir/R4/references.html, bundle.html#references.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from pipeline.patients import SourcePatient
from pipeline.readers.fhir.elements import (
    Resource,
    as_object,
    codes,
    identifier,
    objects,
    text_in,
    type_of,
)
from pipeline.readers.fhir.person import displayed_person, person_of

NO_SERVER = "a server that is not named"
SERVER = "fhir server"
"""The way of naming authorities by their address."""

ADDRESS_CHARACTERS = 300
"""Longer addresses are taken apart each time: what is remembered stays small."""

_LITERAL = re.compile(r"(?:(?P<base>https?://.+?)/|/|\./)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[^/?#\s]+)")
_UUID = re.compile(r"urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
_WITHOUT_ID = re.compile(
    r"(?:https?://.*/|/)?Patient/?|urn:uuid:|(?:.*[/:])?(?:null|undefined|none|nan|unknown)", re.IGNORECASE
)
"""References that exports write where they have no id: "Patient/", "Patient/undefined". They would make one patient of
many."""


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """A resource of a Bundle, and the address it has there."""

    full_url: str | None
    resource: Resource
    person: SourcePatient | None = None
    """Of a Patient: what it says of the person, which is not kept in `resource`."""

    @property
    def base(self) -> str | None:
        """The server that the address names, without the resource's own type and id."""
        return base_of(self.full_url)


Lookup: TypeAlias = Callable[[str], "BundleEntry | None"]
"""The resource that a reference names in the note's Bundle; None where it is not there."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A note's patient."""

    id: str
    reference: str
    """In full, as the source says it."""
    authority: str | None
    """Who gave the id, where another may have given the same one: a server, or a system of identifiers."""
    person: SourcePatient | None = None
    """What the source says of the person."""


class NoPatient(Exception):
    """A subject that is no Patient. `kind` is what it is instead."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Literal:
    """A reference by address, taken apart."""

    base: str | None
    type: str
    id: str

    @property
    def relative(self) -> str:
        return f"{self.type}/{self.id}"


def literal(target: str) -> Literal | None:
    """`[base/]Type/id[/_history/version]`, None for any other address."""
    return _recent(target) if len(target) <= ADDRESS_CHARACTERS else _taken_apart(target)


def _taken_apart(target: str) -> Literal | None:
    found = _LITERAL.fullmatch(
        target.split("/_history/", maxsplit=1)[0].split("#", maxsplit=1)[0].rstrip("/")
    )
    return Literal(_tidy(found["base"]), found["type"], found["id"]) if found else None


_recent = lru_cache(maxsize=1000)(_taken_apart)
"""One note asks for its own address and its patient's several times."""


def base_of(full_url: str | None) -> str | None:
    found = literal(full_url) if full_url else None
    return found.base if found else None


def lasting(authority: str) -> str | None:
    """The way of naming of an authority that is called the same in the next export: a server by its address, or a
    patient by a number with its system. None for what stands for one file only."""
    if "|" in authority:
        return "fhir identifier"
    return SERVER if authority.startswith(("http://", "https://")) else None


def _tidy(base: str | None) -> str | None:
    """One spelling for a server: its name and scheme are the same in capitals."""
    if base is None:
        return None
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}".rstrip("/")


def real_uuid(target: str) -> str | None:
    """The bare UUID of `urn:uuid:...`, None where what stands there is no UUID, and so not unique."""
    found = _UUID.fullmatch(target)
    return found[1].lower() if found else None


def is_uuid(name: str) -> bool:
    return _UUID.fullmatch(f"urn:uuid:{name}") is not None


def patient_of(resource: Resource, base: str | None, lookup: Lookup) -> Patient | None:
    """The patient of a note, None where it names none. `base` is the server that the note's own address names.

    Raises NoPatient where the subject is something else: a device, a group, a practitioner.
    """
    subject = as_object(resource.get("subject") or resource.get("patient"))
    kind = (text_in(subject.get("type")) or "Patient").rsplit("/", 1)[-1]
    if kind != "Patient":
        raise NoPatient(kind)
    target = text_in(subject.get("reference"))
    named = _named(target, base, resource, lookup) if target else None
    patient = named or _by_identifier(identifier(subject.get("identifier")))
    if patient is None or patient.person is not None:
        return patient
    return replace(patient, person=displayed_person(subject))


def _named(target: str, base: str | None, resource: Resource, lookup: Lookup) -> Patient | None:
    if target.startswith("#"):
        held = next((one for one in objects(resource.get("contained")) if one.get("id") == target[1:]), None)
        return (
            _with_person(_by_identifier(_number(_a_patient(held))), person_of(held))
            if held is not None
            else None
        )
    if "?" in target:
        return _by_search(target)
    found = literal(target)
    if found and found.type != "Patient":
        raise NoPatient(found.type)
    entry = lookup(target)
    if entry is not None:
        return _with_person(_of_entry(entry, target), entry.person)
    if _WITHOUT_ID.fullmatch(target):
        return None
    if found is None:
        return _unresolved(target)
    if found.base is None:
        return Patient(found.id, f"{base}/{found.relative}" if base else found.relative, base or NO_SERVER)
    if found.base == base:
        return Patient(found.id, f"{base}/{found.relative}", base)
    whole = f"{found.base}/{found.relative}"
    return Patient(whole, whole, None)


def _with_person(patient: Patient | None, person: SourcePatient | None) -> Patient | None:
    return None if patient is None else replace(patient, person=person)


def _unresolved(target: str) -> Patient | None:
    """A reference that is no address of a resource and leads nowhere in the Bundle."""
    if uuid := real_uuid(target):
        return Patient(uuid, target, None)
    if re.fullmatch(r"[A-Za-z0-9.-]{1,64}", target):  # an id alone, as careless exports write it
        return Patient(target, target, NO_SERVER)
    return Patient(target, target, None)


def _of_entry(entry: BundleEntry, target: str) -> Patient | None:
    """A Patient of the Bundle: its id, or else the number that it is known by, or else its address."""
    patient = _a_patient(entry.resource)
    own = text_in(patient.get("id"))
    if own is not None:
        authority = None if is_uuid(own) else entry.base or _number(patient) or entry.full_url or NO_SERVER
        return Patient(own, entry.full_url or target, authority)
    return _by_identifier(_number(patient)) or _by_address(entry, target)


def _by_address(entry: BundleEntry, target: str) -> Patient | None:
    found = literal(entry.full_url or target)
    if found is not None and found.base is not None:
        return Patient(found.id, f"{found.base}/{found.relative}", found.base)
    return _unresolved(entry.full_url or target)


def _a_patient(resource: Resource) -> Resource:
    if (kind := type_of(resource)) != "Patient":
        raise NoPatient(kind or "a resource without a type")
    return resource


def _by_search(target: str) -> Patient | None:
    """`Patient?identifier=system|7`."""
    address = urlsplit(target)
    kind = address.path.rsplit("/", 1)[-1]
    if kind != "Patient":
        raise NoPatient(kind or "a search")
    numbers = parse_qs(address.query).get("identifier", [])
    return _by_identifier(numbers[0].removeprefix("|")) if len(numbers) == 1 else None


def _by_identifier(number: str | None) -> Patient | None:
    if not number:
        return None
    unique = "|" in number or number.startswith("urn:") or "://" in number
    return Patient(number, number, None if unique else "an identifier without a system")


def _number(patient: Resource) -> str | None:
    """The number that a Patient is known by: a medical record number, else the first that is not out of use."""
    numbers = [one for one in objects(patient.get("identifier")) if identifier(one)]
    in_use = [
        one
        for one in numbers
        if one.get("use") != "old" and not text_in(as_object(one.get("period")).get("end"))
    ] or numbers
    record = next((one for one in in_use if "MR" in codes(one.get("type"))), None)
    return identifier(record or (in_use[0] if in_use else None))
