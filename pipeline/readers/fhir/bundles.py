"""What the resources of one Bundle, or of one folder of a bulk export, may refer to.

Decides which entry a reference names, by the rules of https://hl7.org/fhir/R4/bundle.html#references, and how much is
kept for it: patients and other subjects as id and identifiers, the content of Binaries up to CONTENT_CHARACTERS_MAX.
Two entries that answer to one name with different content answer to none. Refuses to judge notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pipeline.readers.fhir.elements import (
    Resource,
    as_object,
    identifier,
    objects,
    text_in,
    type_of,
    version,
)
from pipeline.readers.fhir.patient_reference import BundleEntry, literal
from pipeline.readers.fhir.person import person_of
from pipeline.readers.reader import RawRecord
from pipeline.records import NoteVersion

CONTENT_CHARACTERS_MAX = 128 * 1024 * 1024
"""Base64 of Binaries that is kept in memory at any time, for the notes that may name them."""

SUBJECTS_MAX = 200_000
"""Subjects of one streamed Bundle that are kept, about 100 MB at most."""

NOTE_RESOURCES = ("DocumentReference", "DiagnosticReport", "Composition")
_SUBJECTS = frozenset(
    (
        *("Patient", "Group", "Device", "Practitioner", "PractitionerRole", "RelatedPerson", "Location"),
        *("Organization", "Person", "Medication", "Substance", "Procedure"),
    )
)
_NUMBERS = count(1)
_ENTRY_ELEMENTS = frozenset(
    ("link", "fullUrl", "resource", "search", "request", "response", "id", "extension", "modifierExtension")
)


class BinaryMemory:
    """What is left of the memory for Binaries."""

    def __init__(self, characters: int = CONTENT_CHARACTERS_MAX) -> None:
        self._left = characters

    def take(self, characters: int) -> bool:
        if characters > self._left:
            return False
        self._left -= characters
        return True

    def give_back(self, characters: int) -> None:
        self._left += characters


class Bundle:
    """Entries by their addresses. One that is streamed knows those that came so far, and is `complete` at its end."""

    def __init__(
        self,
        kind: str | None = None,
        number: str | None = None,
        *,
        room: BinaryMemory | None = None,
        sure: bool = True,
    ) -> None:
        self.number_in_run = next(_NUMBERS)
        self.kind = kind
        self.sure = sure
        """False while a list called `entry` may be one of something else."""
        self.number = number
        """`Bundle.identifier`: what a document without an id is known by."""
        self.complete = False
        self._room = room
        self._taken = 0
        self._by_address: dict[str, BundleEntry | None] = {}
        self._by_name: dict[str, list[BundleEntry]] = {}
        self._bases: set[str] = set()

    @classmethod
    def whole(cls, resource: Resource) -> Bundle:
        """Of a Bundle that is in memory."""
        kind = text_in(resource.get("type"))
        bundle = cls(kind, identifier(resource.get("identifier")))
        for entry in objects(resource.get("entry")):
            bundle.add(entry)
        bundle.complete = True
        return bundle

    def add(self, entry: Mapping[str, Any]) -> None:
        resource, full_url = as_object(entry.get("resource")), text_in(entry.get("fullUrl"))
        kind = type_of(resource)
        if kind not in _SUBJECTS and kind != "Binary" and kind not in NOTE_RESOURCES:
            return
        person = person_of(resource) if kind == "Patient" else None
        if self._room is not None:
            if len(self._by_address) + len(self._by_name) > 2 * SUBJECTS_MAX and kind != "Binary":
                return
            resource = self._kept(resource)
        one = BundleEntry(full_url, resource, person)
        if base := one.base:
            self._bases.add(base)
        if full_url:
            address = _address(full_url)
            before = self._by_address.get(address, one)
            self._by_address[address] = _newest([before, one]) if before is not None else None
        if name := text_in(resource.get("id")):
            self._by_name.setdefault(f"{kind}/{name}", []).append(one)

    def _kept(self, resource: Resource) -> Resource:
        """Of a streamed resource only what a reference needs of it."""
        kept = {
            name: resource[name]
            for name in ("resourceType", "id", "identifier", "meta", "status", "docStatus")
            if name in resource
        }
        if type_of(resource) != "Binary":
            return kept
        kept |= {name: resource[name] for name in ("contentType", "securityContext") if name in resource}
        data = resource.get("data")
        if isinstance(data, str):
            fits = self._room is None or self._room.take(len(data))
            self._taken += len(data) if fits else 0
            kept |= {"data": data} if fits else {"passedOver": True}
        return kept

    @property
    def streamed(self) -> bool:
        return self._room is not None

    @property
    def base(self) -> str | None:
        """The server of all its entries, where there is one only: that of the entries without an address too."""
        return next(iter(self._bases)) if len(self._bases) == 1 else None

    def find(self, target: str, base: str | None) -> BundleEntry | None:
        """What a resource of the server `base` means by `target`; None where nothing, or no one thing, is it."""
        address = _address(target)
        if address in self._by_address:
            return self._by_address[address]
        found = literal(target)
        if found is None:
            return None
        if found.base is None and base is not None and f"{base}/{found.relative}" in self._by_address:
            return self._by_address[f"{base}/{found.relative}"]
        asked = found.base or base
        named = self._by_name.get(found.relative, [])
        fitting = [one for one in named if one.base is None or asked is None or one.base == asked]
        if found.base is not None and found.base != base:
            fitting = [one for one in fitting if one.base == found.base]
        return _newest(fitting) if len({one.base for one in fitting}) <= 1 else None

    def close(self) -> None:
        """Nothing more will come, and nothing is asked any more."""
        self.complete = True
        if self._room is not None:
            self._room.give_back(self._taken)
        self._taken = 0
        self._by_address.clear()
        self._by_name.clear()


@dataclass(frozen=True, slots=True)
class EntryRecord(RawRecord):
    """The resource of an entry of a Bundle that is being read."""

    bundle: Bundle | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)
    """The entry's other elements: fullUrl, request, response."""


def _address(target: str) -> str:
    """One spelling for an address, without the version it may name."""
    target = target.strip()
    if target.lower().startswith("urn:uuid:"):
        return target.lower()
    found = literal(target)
    return f"{found.base}/{found.relative}" if found and found.base else target


def _newest(entries: list[BundleEntry]) -> BundleEntry | None:
    """The newest of several versions; None where they differ and nothing says which is newer."""
    if not entries:
        return None
    newest = entries[0]
    for one in entries[1:]:
        if one.resource == newest.resource:
            continue
        order = newer(version(one.resource, {}), version(newest.resource, {}))
        if order is None:
            return None
        newest = one if order > 0 else newest
    return newest


def newer(one: NoteVersion | None, other: NoteVersion | None) -> int | None:
    """1, 0 or -1 where `one` is newer, as new or older; None where the source does not say."""
    if one is None or other is None:
        return None
    order: int | None = None
    if one.last_updated is not None and other.last_updated is not None:
        order = (one.last_updated > other.last_updated) - (one.last_updated < other.last_updated)
    if not order and one.number is not None and other.number is not None:
        order = (one.number > other.number) - (one.number < other.number)
    return order


def is_entry(value: Mapping[str, Any]) -> bool:
    """Whether an object by itself is an entry of a Bundle, as `jq .entry[]` leaves them."""
    if not _ENTRY_ELEMENTS.issuperset(value):  # said of nearly every other record by its first name
        return False
    if isinstance(as_object(value.get("resource")).get("resourceType"), str):
        return True
    about = any(isinstance(value.get(name), Mapping) for name in ("request", "response", "search"))
    return about or isinstance(value.get("fullUrl"), str)


def resources_of(parameters: Resource) -> Iterator[Resource]:
    """The resources that an operation returned."""
    waiting = objects(parameters.get("parameter"))
    for parameter in waiting:
        if resource := as_object(parameter.get("resource")):
            yield resource
        waiting.extend(objects(parameter.get("part")))
