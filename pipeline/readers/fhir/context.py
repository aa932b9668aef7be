"""Where a FHIR resource stands, what it is known by, and what it may name.

Decides a note's id, and what of its surroundings a resource may see: its Bundle, or the Binaries of its folder. Keeps
what the notes of one run say of each other. Refuses to judge a resource.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.readers.fhir.bundles import Bundle
from pipeline.readers.fhir.elements import (
    Resource,
    as_object,
    first_identifier,
    identifier,
    objects,
    text_in,
    type_of,
)
from pipeline.readers.fhir.patient_reference import BundleEntry, base_of, literal, patient_of, real_uuid
from pipeline.readers.fhir.text import UnreadableAttachment
from pipeline.records import NoteVersion

STATES_MAX = 200_000
"""Notes whose last version is remembered in one run, about 60 MB at most."""


class Pending(Exception):
    """A resource can be judged better when more has come: of its own file or, with `elsewhere`, of another."""

    def __init__(self, *, elsewhere: bool = False) -> None:
        super().__init__()
        self.elsewhere = elsewhere


@dataclass(frozen=True, slots=True)
class SeenNote:
    """What this run last saw of a note."""

    version: NoteVersion | None
    bundle: int
    patient_id: str | None
    gone: str = ""
    """Why it must not be found: "" while it stands, "replaced" for good, else until a newer version."""


@dataclass(slots=True)
class FhirRun:
    """What the resources of one run say of each other: versions, withdrawals, replacements."""

    states: OrderedDict[str, SeenNote] = field(default_factory=OrderedDict)
    servers: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Of notes whose address names a server."""
    numbers: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """The ids of notes by the numbers that they have besides, as `Type/system|value`."""

    def put(self, note: str, state: SeenNote) -> None:
        self.states[note] = state
        self.states.move_to_end(note)
        if len(self.states) > STATES_MAX:
            self.states.popitem(last=False)

    def number(self, name: str, note: str) -> None:
        self.numbers[name] = note
        if len(self.numbers) > STATES_MAX:
            self.numbers.popitem(last=False)

    def other_server(self, note: str, base: str | None) -> str | None:
        """The other server that has a note of the same type and id in this run."""
        if base is None:
            return None
        first = self.servers.setdefault(note, base)
        if len(self.servers) > STATES_MAX:
            self.servers.popitem(last=False)
        return first if first != base else None


@dataclass(frozen=True, slots=True)
class ResourcePlace:
    """Where a resource stands: in which Bundle, under which address, with which request."""

    run: FhirRun
    bundle: Bundle
    entry: Mapping[str, Any] = field(default_factory=dict)
    final: bool = True
    """Nothing more will come that the resource might name."""
    folder: bool = False
    """The Bundle is none, but what lies next to the resource in its folder."""

    @property
    def deletes(self) -> bool:
        return deletes(self.entry)

    @property
    def resource(self) -> Resource:
        """Of an entry that still holds it."""
        return as_object(self.entry.get("resource"))

    @property
    def full_url(self) -> str | None:
        return text_in(self.entry.get("fullUrl"))

    @property
    def base(self) -> str | None:
        """The server that gave the resource its id."""
        return base_of(self.full_url) or self.bundle.base

    def lookup(self, target: str) -> BundleEntry | None:
        """A subject or a note of the same Bundle."""
        if self.folder:
            return None
        base = self.base
        found = self.bundle.find(target, base)
        named = literal(target)
        decided = named is not None and named.base in {None, base}
        if found is None and not decided and not self.final and not self.bundle.complete:
            raise Pending
        return found

    def content(
        self, address: str, resource: Resource, patient: str | None
    ) -> Resource | UnreadableAttachment:
        """The Binary that an attachment's address leads to."""
        if address.startswith("#"):
            held = [one for one in objects(resource.get("contained")) if one.get("id") == address[1:]]
            return held[0] if held else _no_content("The resource contains nothing under that name.")
        base = self.base
        named = literal(address)
        if self.folder and named and named.base:  # a bulk export names its own server, if any
            subject = literal(text_in(as_object(resource.get("subject")).get("reference")) or "")
            if subject is not None and subject.base == named.base:
                address = named.relative
        found = self.bundle.find(address, base)
        if found is None:
            wanted = named is not None or address.lower().startswith("urn:") or not self.folder
            if wanted and not self.final and not self.bundle.complete:
                raise Pending(elsewhere=self.folder)
            return _no_content(_where(address, folder=self.folder))
        if type_of(found.resource) != "Binary":
            return _no_content("The attachment is a link to a resource that is no Binary.")
        return _of_this_patient(found, self, patient)


def _where(address: str, *, folder: bool) -> str:
    named = literal(address)
    if (named is not None and named.type == "Binary") or address.lower().startswith("urn:"):
        where = "among the files of its folder" if folder else "in its Bundle"
        return f"The attachment is a link to a Binary, and no single Binary {where} answers to it."
    return "The attachment is a link that leads out of the input."


def _no_content(why: str) -> UnreadableAttachment:
    return UnreadableAttachment(
        "The attachment's content is not in the file.",
        f"{why} Export with content inlined as base64 data, or with the Binary resources in the same Bundle or folder.",
    )


def _of_this_patient(
    found: BundleEntry, place: ResourcePlace, patient: str | None
) -> Resource | UnreadableAttachment:
    binary = found.resource
    if binary.get("passedOver"):
        return UnreadableAttachment(
            "The attachment's content was passed over.",
            "Its Binary is in the input, but the Binaries before it fill the memory that is kept for them. Split the "
            "input so that notes and their Binaries stand nearer together, or inline the content.",
        )
    guarded = text_in(as_object(binary.get("securityContext")).get("reference"))
    named = literal(guarded) if guarded else None
    if named is not None and named.type == "Patient" and patient is not None:
        owner = patient_of({"subject": {"reference": guarded}}, found.base or place.base, lambda _: None)
        if owner is not None and owner.id != patient:
            return UnreadableAttachment(
                "The attachment's content belongs to another patient.",
                f"The Binary's securityContext names patient {owner.id}. Correct the link at the source.",
            )
    return binary


def deletes(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a Bundle reports a deletion."""
    request = entry.get("request")
    return isinstance(request, dict) and str(request.get("method")).upper() == "DELETE"


def note_id(resource: Resource, full_url: str | None, bundle: Bundle) -> str | None:
    """`Type/id`; without an id the address, or the number that the source gives the document."""
    kind = type_of(resource)
    own = resource.get("id")
    own = str(own) if isinstance(own, int) and not isinstance(own, bool) else text_in(own)
    if own:
        return f"{kind}/{own}"
    if full_url:
        if (uuid := real_uuid(full_url)) is not None:
            return f"{kind}/{uuid}"
        named = literal(full_url)
        if named is not None and named.type == kind:
            return named.relative
        return f"{kind}/{_whole(full_url)}"
    number = identifier(resource.get("masterIdentifier")) or first_identifier(resource.get("identifier"))
    if kind == "Composition" and bundle.number:
        number = number or bundle.number
    return f"{kind}/{_whole(number)}" if number else None


def _whole(name: str) -> str:
    """Behind a "#" stands the number of a resource's text."""
    return name.replace("#", "%23")
