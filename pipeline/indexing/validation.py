"""Which records of a run become notes, and which of several records of one note counts.

What its values must be is `field_values.py`'s judgement, which of two records is the newer one `identity.py`'s. Refuses
to know what is stored, where records come from and what happens to them next. Reasons are fixed sentences, so that they
can be counted; neither they nor remedies ever hold a piece of a note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from pipeline.config import IndexingSettings
from pipeline.indexing.field_values import FieldRefused, document_of, has_placeholder_date, id_for_report
from pipeline.indexing.identity import (
    Prefixes,
    compare,
    concerns,
    is_newer,
    names_its_source,
    newest,
    outlasts,
    whole_resource,
)
from pipeline.logs import LOGGER, fault_fields
from pipeline.records import (
    ImageReference,
    NoteVersion,
    Rejection,
    Sighting,
    SourceRecord,
    StagedMaterial,
    Withdrawal,
)

NO_PREFIXES = Prefixes()


@dataclass(frozen=True, slots=True)
class ValidNote:
    """A document, or an image by reference, and where it was read."""

    document: StagedMaterial
    source: str
    position: str
    fingerprint: str
    """`Document.fingerprint`, which is asked for more than once."""
    file: str = ""
    version: NoteVersion | None = None
    again: bool = False
    """True where an earlier record of this run has the same id and is no longer what counts."""
    authority: tuple[str, str] | None = None
    """As in `SourceRecord`."""
    placeholder_date: bool = False
    """True where it is taken without the date that its source wrote for none, for example 9999-12-31."""
    dispute: Rejection | None = None
    """What becomes of it where the earlier record of this run with this id, another patient's, counts."""

    @property
    def resource_id(self) -> str:
        return self.document.resource_id

    @property
    def sighting(self) -> Sighting:
        return Sighting(self.document.patient_id, self.source, self.file, self.version)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record that repeats an earlier one of this run verbatim. Nothing is lost by passing over it."""

    resource_id: str
    source: str
    position: str
    first: str
    """Where the first one was: source and position."""


@dataclass(frozen=True, slots=True)
class Older:
    """A record that a newer version of its note stands for, or whose note was withdrawn after it."""

    resource_id: str


def accept(
    record: SourceRecord, settings: IndexingSettings, prefixes: Prefixes = NO_PREFIXES
) -> ValidNote | Rejection:
    """A document where every value is what it should be, else the first thing that is wrong. A fault of ours costs this
    record and no other."""
    try:
        return _accepted(record, settings, prefixes)
    except FieldRefused as refusal:
        return _rejection(record, prefixes, refusal)
    except Exception as error:  # noqa: BLE001  whatever a value may set off, the next record has another one
        fault = fault_fields(error)
        LOGGER.error("a record could not be judged", extra=fault)
        unjudged = FieldRefused(
            None,
            "The record could not be judged, because of a fault in this program.",
            f"It is a {fault['error']} at {fault['place']}: report that, and the record's place. The other records are "
            "not touched.",
        )
        return _rejection(record, prefixes, unjudged)


def _accepted(record: SourceRecord, settings: IndexingSettings, prefixes: Prefixes) -> ValidNote:
    document = replace(document_of(record.fields, settings, prefixes), patient=record.patient)
    return ValidNote(
        document,
        record.source,
        record.position,
        document.fingerprint(),
        record.file,
        record.version,
        authority=record.authority,
        placeholder_date=document.date is None and has_placeholder_date(record.fields, settings.date_order),
    )


def _rejection(record: SourceRecord, prefixes: Prefixes, refusal: FieldRefused) -> Rejection:
    resource_id = id_for_report(record.fields.get("resource_id"))
    return Rejection(
        source=record.source,
        position=record.position,
        resource_id=None if resource_id is None else prefixes.note + resource_id,
        field=refusal.field,
        reason=refusal.reason,
        remedy=refusal.remedy,
    )


Accept: TypeAlias = Callable[[SourceRecord, IndexingSettings, Prefixes], ValidNote | Rejection]
"""How a record of one kind of material is judged."""


def accept_all(
    records: Iterable[SourceRecord | Rejection],
    settings: IndexingSettings,
    prefixes: Prefixes = NO_PREFIXES,
    judge: Accept = accept,
) -> Iterator[ValidNote | Duplicate | Older | Rejection]:
    """Each record judged, in order; Rejections of the reader pass through.

    Of several records of one id the newest counts: a later one is a ValidNote `again` where it is newer than what came
    before, Older where it is not. It is a Duplicate where it is the same in every field, a Rejection where nothing says
    which counts, and disputed where it is another patient's. What is remembered of a note are hashes of its content and
    patient, its version and its position, about 250 bytes.
    """
    run = _ValidationRun(prefixes)
    for record in records:
        if isinstance(record, Rejection):
            judged = _passed_on(record, prefixes)
            if judged.withdrawn and judged.resource_id is not None:
                run.withdrawn(judged.resource_id, withdrawal_of(judged))
            yield judged
            continue
        found = judge(record, settings, prefixes)
        yield found if isinstance(found, Rejection) else run.judge(found)


def _passed_on(rejection: Rejection, prefixes: Prefixes) -> Rejection:
    if prefixes == NO_PREFIXES:
        return rejection
    resource_id, patient_id = rejection.resource_id, rejection.patient_id
    return replace(
        rejection,
        resource_id=None if resource_id is None else prefixes.note + resource_id,
        patient_id=None if patient_id is None else prefixes.patient + patient_id,
    )


def withdrawal_of(rejection: Rejection) -> Withdrawal:
    return Withdrawal(
        rejection.patient_id, rejection.file, rejection.version, rejection.position, rejection.authority
    )


def spared(resource_id: str, withdrawal: Withdrawal, place: str) -> Rejection:
    """Of a withdrawal that may or may not mean a stored note, which was read at `place`."""
    return Rejection(
        source=withdrawal.file,
        position=withdrawal.position,
        resource_id=resource_id,
        field="patient_id",
        reason="A note of this id was withdrawn, and the stored one is another patient's.",
        remedy=f"The stored one came from {place} and stays. If it is the one that was meant, correct it there, or "
        "take it out there and run that input with --prune. If two sources give out the same ids, load each with "
        "--id-prefix TEXT.",
    )


def another_patient(found: ValidNote, place: str) -> Rejection:
    """Of a record whose id another patient's note has, which was read at `place`; of an image, its bytes."""
    if isinstance(found.document, ImageReference):
        return _rejected(
            found,
            "two-patients",
            "The same image was taken from another place, as another patient's.",
            f"That one, {place}, stays; this one stands at {found.source} {found.position}. Where this one is wrong, "
            "correct its table, or take it out of the folder. Where that one is, correct its table and index its "
            "folder again, or take it out there and run that folder with --prune; then run this one again.",
        )
    return _rejected(
        found,
        "resource_id",
        "Another patient's note has the same resource_id and comes from another place.",
        f"That one, {place}, was taken; this one stands at {found.source} {found.position}. Where two sources "
        "give out the same ids, read each in a run of its own with a prefix: --id-prefix TEXT. Where the patient was "
        "corrected, read the file that the note came from, corrected.",
    )


def another_authority(found: ValidNote, other: str) -> Rejection:
    """Of a note whose patient's id stored notes have from `other`: two people may share the number."""
    name = found.authority[1] if found.authority else ""
    return _rejected(
        found,
        "patient_id",
        "Another source of patient ids gave the same one to stored notes.",
        f"Patient {found.document.patient_id} is {name}'s here, and {other}'s in what is stored. Load this "
        "source with --patient-prefix TEXT, or say --map patient_id=patient_reference. Where both are one register "
        "under two names, load all of it again with --fresh.",
    )


def _clash(found: ValidNote, place: str) -> Rejection:
    """Of a record that one file holds besides another of its id, read at `place`; of an image: by another path."""
    if isinstance(found.document, ImageReference):
        return _rejected(
            found,
            "same-file",
            "The same file was met before in this run, by another path.",
            f"The first one, {place}, was taken. Name each folder once, and no link to it.",
        )
    return _rejected(
        found,
        "resource_id",
        "Another record of this run has the same resource_id and other content.",
        f"The first one, {place}, was taken. Two notes need ids of their own: map another column to resource_id "
        "(--map resource_id=COLUMN). Of two versions of one note keep the newest in the file.",
    )


def _rejected(found: ValidNote, field: str, reason: str, remedy: str) -> Rejection:
    """Of a record that is as it should be, where another one counts before it."""
    key = found.document.resource_id
    return Rejection(found.source, found.position, key, field, reason, remedy, file=found.file)


class _ValidationRun:
    """What is known of the notes that one run has met so far."""

    def __init__(self, prefixes: Prefixes) -> None:
        self._prefix = prefixes.note
        self._places: list[tuple[str, str]] = []
        """Source and file of what was read, in order; a note remembers the number."""
        self._seen: dict[bytes, bytes] = {}
        self._several: dict[bytes, bytes] = {}
        """Of resources that had several texts: the record of it that counts, whichever text."""
        self._withdrawn: dict[str, Withdrawal] = {}

    def withdrawn(self, resource_id: str, withdrawal: Withdrawal) -> None:
        self._withdrawn[resource_id] = withdrawal

    def judge(self, found: ValidNote) -> ValidNote | Duplicate | Older | Rejection:
        document = found.document
        if self._withdrawn and self._was_withdrawn(found):
            return Older(document.resource_id)
        key, content = _hash(document.resource_id), bytes.fromhex(found.fingerprint)[:HASH_BYTES]
        patient = _hash(document.patient_id)
        earlier = self._seen.get(key)
        if (outdone := self._outdone(found, key, patient, earlier)) is not None:
            return outdone
        if earlier is None:
            self._count(key, document.resource_id, self._packed(found, content, patient))
            return found
        first, position = self._unpacked(earlier)
        verdict = compare(Sighting(patient.hex(), found.source, found.file, found.version), first)
        if earlier.startswith(content + patient) and not is_newer(found.version, first.version):
            return Duplicate(document.resource_id, found.source, found.position, f"{first.source} {position}")
        if verdict == "newer":
            self._count(key, document.resource_id, self._packed(found, content, patient))
            return replace(found, again=True)
        if verdict == "older":
            return Older(document.resource_id)
        place = f"{first.source} {position}"
        if verdict == "another patient":
            return replace(found, dispute=another_patient(found, place))
        return _clash(found, place)

    def _count(self, key: bytes, resource_id: str, packed: bytes) -> None:
        self._seen[key] = packed
        whole = self._whole(resource_id)
        if whole is not None and (whole != resource_id or key in self._several):
            self._several[_hash(whole)] = packed

    def _whole(self, resource_id: str) -> str | None:
        """The resource that an id names. None for every id as long as no resource of the run had several texts."""
        return whole_resource(resource_id, self._prefix) if "#" in resource_id or self._several else None

    def _outdone(
        self, found: ValidNote, key: bytes, patient: bytes, earlier: bytes | None
    ) -> ValidNote | Older | Rejection | None:
        """What becomes of a text whose resource was met in another number of texts; None where it may count. The
        version and the patient are the resource's, however many texts it had then."""
        resource_id = found.document.resource_id
        whole = self._whole(resource_id)
        if whole is None:
            return None
        alone = self._seen.get(_hash(whole)) if whole != resource_id else None
        before = self._several.get(_hash(whole)) or alone
        if before is None:
            return None
        first, position = self._unpacked(before)
        verdict = compare(Sighting(patient.hex(), found.source, found.file, found.version), first)
        if verdict == "older":
            return Older(resource_id)
        place = f"{first.source} {position}"
        if verdict == "another patient":
            return replace(found, dispute=another_patient(found, place)) if earlier is None else None
        other_number = whole == resource_id or before is alone
        return _clash(found, place) if verdict == "same place" and other_number and earlier is None else None

    def _was_withdrawn(self, found: ValidNote) -> bool:
        key = found.document.resource_id
        whole = whole_resource(key, self._prefix)
        withdrawal = self._withdrawn.get(whole or key)
        if withdrawal is None or not concerns(withdrawal, found.sighting, resource=names_its_source(key)):
            return False
        if earlier := self._seen.get(_hash(key)):
            version = newest(withdrawal.version, self._unpacked(earlier)[0].version)
            withdrawal = replace(withdrawal, version=version)
        return outlasts(withdrawal, found.sighting, resource=whole is not None, same_run=True)

    def _packed(self, found: ValidNote, content: bytes, patient: bytes) -> bytes:
        if not self._places or self._places[-1] != (found.source, found.file):
            self._places.append((found.source, found.file))
        number = updated = ""
        if found.version is not None:
            number = "" if found.version.number is None else str(found.version.number)
            updated = found.version.last_updated or ""
        rest = f"{len(self._places) - 1}\0{number}\0{updated}\0{found.position}"
        return content + patient + rest.encode("utf-8", "replace")

    def _unpacked(self, packed: bytes) -> tuple[Sighting, str]:
        patient = packed[HASH_BYTES : 2 * HASH_BYTES].hex()
        place, number, updated, position = packed[2 * HASH_BYTES :].decode().split("\0", 3)
        source, file = self._places[int(place)]
        version = NoteVersion(updated or None, int(number) if number else None)
        return Sighting(patient, source, file, version), position


HASH_BYTES = 16


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()
