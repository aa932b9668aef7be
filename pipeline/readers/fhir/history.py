"""A note as one run sees it: standing, taken back, replaced, or of an older version than what came before.

Decides which words of a source take a note back, and which of two versions holds. A note that was taken back must not
be found, whichever version comes first. Knows no texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.readers.fhir.bundles import NOTE_RESOURCES, newer
from pipeline.readers.fhir.context import ResourcePlace, SeenNote, note_id
from pipeline.readers.fhir.elements import (
    Resource,
    as_object,
    codes,
    first_identifier,
    identifier,
    objects,
    text_in,
    type_of,
    version,
)
from pipeline.readers.fhir.patient_reference import SERVER, Patient, base_of, literal, real_uuid
from pipeline.readers.reader import ReadItem, UnreadableRecord
from pipeline.readers.retraction import is_retracted_status
from pipeline.records import NoteVersion

_BY_ITS_STATUS = (
    "Its status says so, so it is not indexed, and a stored version of it is removed. Nothing to do, unless the status "
    "is wrong at the source."
)
_BY_ANOTHER = "A note of the input replaces it, so it is not indexed, and a stored version of it is removed."
GONE = {
    "entered-in-error": ("The note was entered in error.", _BY_ITS_STATUS),
    "cancelled": ("The report was cancelled.", _BY_ITS_STATUS),
    "deprecated": ("The note was superseded.", _BY_ITS_STATUS),
    "replaced": ("The note was replaced.", _BY_ANOTHER),
    "deleted": (
        "The note was deleted at its source.",
        "The source reports the deletion, so a stored version of it is removed. Nothing to do.",
    ),
}
"""Why a note must not be found, and what to do. `superseded` is not among them: Synthea, for one, calls every note but
the last so, and replaces none of them. It is left out where its replacement is known, and cited with its status."""

_STATUSES = {
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "aborted": "cancelled",
    "deprecated": "deprecated",
    "soft-deleted": "deleted",
    "deleted": "deleted",
}


@dataclass(slots=True)
class Note:
    """A resource that carries a note, and what it is known by."""

    resource: Resource
    place: ResourcePlace
    id: str | None
    patient: Patient | None = None
    server: str | None = None
    """That its address names."""
    version: NoteVersion | None = field(init=False)

    def __post_init__(self) -> None:
        self.version = version(self.resource, as_object(self.place.entry.get("response")))

    @classmethod
    def of(cls, resource: Resource, place: ResourcePlace) -> Note:
        known_by = note_id(resource, place.full_url, place.bundle)
        return cls(resource, place, known_by, server=base_of(place.full_url))

    @property
    def patient_id(self) -> str | None:
        return self.patient.id if self.patient else None

    def refused(
        self,
        position: str,
        reason: str,
        remedy: str,
        *,
        about: str | None = None,
        withdrawn: bool = False,
    ) -> UnreadableRecord:
        return UnreadableRecord(
            position,
            reason,
            remedy,
            resource_id=self.id,
            about=about,
            withdrawn=withdrawn,
            patient_id=self.patient_id,
            version=self.version,
            authority=(SERVER, base) if (base := self.server or self.place.base) else None,
            columns=self.names(),
        )

    def names(self) -> dict[str, str]:
        """By which columns the note and its patient may be known, our own fields among them."""
        given = {
            "resource_id": self.id,
            "patient_id": self.patient_id,
            "fullUrl": self.place.full_url,
            "identifier": first_identifier(self.resource.get("identifier")),
            "masterIdentifier": identifier(self.resource.get("masterIdentifier")),
            "patient_reference": self.patient.reference if self.patient else None,
        }
        return {name: value for name, value in given.items() if value}

    def numbers(self) -> list[str]:
        """By which another note may name it, besides its id."""
        given = (self.resource.get("masterIdentifier"), *objects(self.resource.get("identifier")))
        return [f"{type_of(self.resource)}/{number}" for one in given if (number := identifier(one))]

    def of_another_server(self, position: str) -> UnreadableRecord | None:
        """The id is known in this run, and another server gave it: its note is another one."""
        other = self.place.run.other_server(self.id, self.server) if self.id else None
        if other is None:
            return None
        return self.refused(
            position,
            "Two servers have a note of this type and id.",
            f"The other one is {other}. Load the servers one by one, each with --id-prefix.",
            about="resource_id",
        )

    def withdrawn(self, position: str, why: str) -> Iterator[ReadItem]:
        """The source took the note back, unless a newer version of it has come already."""
        if self.id is not None:
            before = self._before()
            if before is not None and not before.gone and self._older_than(before):
                return
            if before is None or not self._older_than(before):
                self.place.run.put(self.id, SeenNote(self.version, self._bundle, self.patient_id, why))
        reason, remedy = GONE[why]
        yield self.refused(position, reason, remedy, withdrawn=True)

    def standing(self, position: str, outcomes: list[ReadItem]) -> Iterator[ReadItem]:
        """The note's texts, unless the run has seen it taken back."""
        if self.id is None:
            yield from outcomes
            return
        before = self._before()
        if before is not None and before.gone and (before.gone == "replaced" or self._older_than(before)):
            reason, remedy = GONE[before.gone]
            yield self.refused(position, reason, remedy, withdrawn=True)
            return
        for number in self.numbers():
            self.place.run.number(number, self.id)
        if (self.version or self._in_history) and not (before is not None and self._older_than(before)):
            self.place.run.put(self.id, SeenNote(self.version, self._bundle, self.patient_id))
        yield from outcomes

    def replaced(self, position: str) -> Iterator[ReadItem]:
        """What is stored of the notes that this one says it replaces. One that is refused itself is not told twice."""
        for target, gone in self.replaces():
            entry = self.place.bundle.find(target, self.place.base)
            if entry is None or not self._refuses_itself(entry.resource):
                yield UnreadableRecord(
                    position,
                    GONE["replaced"][0],
                    f"{self.id or 'A note without an id'} says that it replaces it. Nothing to do.",
                    resource_id=gone,
                    withdrawn=True,
                    patient_id=self.patient_id,
                    authority=(SERVER, self.place.base) if self.place.base else None,
                )

    def _refuses_itself(self, other: Resource) -> bool:
        whole = not self.place.bundle.streamed
        return whole or other.get("status") == "superseded" or taken_back(other) is not None

    def replaces(self) -> Iterator[tuple[str, str]]:
        """What this note says it replaces, by address and by id. The run knows it then."""
        for target in _targets(self.resource):
            gone = self._id_of(target)
            if target in self.numbers():
                continue  # all versions of it have that number
            if gone is None or gone == self.id or gone.partition("/")[0] not in NOTE_RESOURCES:
                continue
            for name in {gone, target}:
                self.place.run.put(name, SeenNote(None, self._bundle, self.patient_id, "replaced"))
            yield target, gone

    def _id_of(self, target: str) -> str | None:
        if (by_number := self.place.run.numbers.get(target)) is not None:
            return by_number
        base = self.place.base
        entry, named = self.place.bundle.find(target, base), literal(target)
        if entry is not None:
            return note_id(entry.resource, entry.full_url, self.place.bundle)
        if named is not None:
            # A file of single resources does not name its own server; the patient must then agree.
            same = named.base in {None, base} or (base is None and self.patient_id is not None)
            return named.relative if same else None
        if (uuid := real_uuid(target)) is not None:
            return f"{type_of(self.resource)}/{uuid}"
        return target if target.startswith(NOTE_RESOURCES) else None

    @property
    def _bundle(self) -> int:
        return 0 if self.place.folder else self.place.bundle.number_in_run

    @property
    def _in_history(self) -> bool:
        return self.place.bundle.kind == "history"

    def _before(self) -> SeenNote | None:
        """What the run saw of this note. Of another patient's under the same id it is no word."""
        states = self.place.run.states
        before = states.get(self.place.full_url or "") or states.get(self.id or "")
        if before is None and states:
            before = next((states[number] for number in self.numbers() if number in states), None)
        if before is None or before.patient_id is None or self.patient_id is None:
            return before
        return before if before.patient_id == self.patient_id else None

    def _older_than(self, before: SeenNote) -> bool:
        """Whether what the run saw before is a newer version than this one, or as new.

        Without a word of the source the later one is newer, but for a history, which begins with the newest, and for
        one Bundle that takes a note back: there nothing brings it in again.
        """
        order = newer(self.version, before.version)
        if order is not None:
            return order <= 0
        same = bool(before.bundle) and before.bundle == self._bundle
        return same and (self._in_history or bool(before.gone))


def taken_back(resource: Resource) -> str | None:
    """The reason in GONE for which the source took the note back; None where it stands."""
    meta = as_object(resource.get("meta"))
    marks = [one.get("valueString") for one in objects(meta.get("extension")) if _is_deletion(one)]
    marks += [code for name in ("tag", "security") for one in objects(meta.get(name)) for code in codes(one)]
    for status in (resource.get("status"), resource.get("docStatus"), *marks):
        if not isinstance(status, str):
            continue
        why = _STATUSES.get(status.strip().lower())
        if why is not None or is_retracted_status(status):
            return why or "entered-in-error"
    for related in objects(resource.get("relatesTo")):
        if {"replaced-with", "replaced-by"} & set(codes(related.get("code"))):
            return "replaced"
    return None


def _is_deletion(extension: Resource) -> bool:
    """Azure's mark of what was deleted and is exported all the same."""
    return str(extension.get("url")).endswith("/deleted-state")


def _targets(resource: Resource) -> Iterator[str]:
    """What a note says it replaces."""
    for related in objects(resource.get("relatesTo")):
        if "replaces" not in codes(related.get("code")):
            continue
        target = as_object(related.get("target") or related.get("targetReference"))
        address = text_in(target.get("reference"))
        if address is not None:
            yield address.split("/_history/")[0]
        elif number := identifier(target.get("identifier") or related.get("targetIdentifier")):
            yield number if literal(number) else f"{type_of(resource)}/{number}"
