"""Which note a record is, and which of two records of one id counts.

Decides what an id says (a resource of one FHIR type, one of its several texts, or a name that only its source knows),
which of two records is the newer one, and where one id stands for notes of two patients. One judgement for the records
of a run, for what the ledger knows and for withdrawals. Refuses to know how any of them is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, TypeAlias

from pipeline.readers.fhir.notes import NOTE_RESOURCES
from pipeline.readers.sources import by_name, comes_by
from pipeline.records import NoteVersion, Sighting, Withdrawal

_RESOURCE = re.compile(rf"(?P<type>{'|'.join(NOTE_RESOURCES)})/(?P<id>[^#]+)(?:#\d+)?")

SightingOrder: TypeAlias = Literal["newer", "older", "same place", "another patient"]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What is put before every id of a run, so that the ids of two sources never meet."""

    note: str = ""
    patient: str = ""


def whole_resource(resource_id: str, prefix: str = "") -> str | None:
    """The id without the number of its text, "DocumentReference/7" for "DocumentReference/7#2"; None where the id is no
    FHIR resource's. `prefix` is what the run put before it."""
    found = _RESOURCE.fullmatch(resource_id.removeprefix(prefix)) if "/" in resource_id else None
    return None if found is None else f"{prefix}{found['type']}/{found['id']}"


def names_its_source(resource_id: str) -> bool:
    """Whether an id says itself who gave it, so that it is the same note in whatever file: a FHIR resource by its type,
    documents of CDA and HL7 v2 by their namespace ("D1^EPIC")."""
    return "^" in resource_id or _RESOURCE.search(resource_id) is not None


def bare_id(resource_id: str) -> tuple[str, str] | None:
    """What the first release called a resource: its type, and its id without it ("7#2"). None for other ids."""
    found = _RESOURCE.fullmatch(resource_id) if "/" in resource_id else None
    return None if found is None else (found["type"], resource_id.partition("/")[2])


def concerns(withdrawal: Withdrawal, note: Sighting, *, resource: bool) -> bool:
    """Whether it is this note that was taken back, and not one of another patient or source that has the same id.
    An id that names its source (`resource`) does so without the patient; any other in its own source only."""
    if withdrawal.patient is None:
        return resource or is_of_the_place_of(withdrawal, note)
    return withdrawal.patient == note.patient or (resource and _corrects_the_patient(withdrawal, note))


def is_of_the_place_of(withdrawal: Withdrawal, note: Sighting) -> bool:
    """Whether it stands where the note was read."""
    return withdrawal.file in (note.file, note.source) or _below(withdrawal.file, note.source)


def _corrects_the_patient(withdrawal: Withdrawal, note: Sighting) -> bool:
    """Whether one folder numbers it as a later version of the note, which it names another patient for."""
    one_folder = bool(note.file) and PurePath(withdrawal.file).parent == PurePath(note.file).parent
    return one_folder and _numbered(withdrawal.version, note.version) > 0


def outlasts(withdrawal: Withdrawal, note: Sighting, *, resource: bool, same_run: bool) -> bool:
    """Whether the note that was read now is not newer, so that it stays withdrawn. A FHIR resource comes back in a
    newer version, any note by an edit of the file that withdrew it, other notes in a later file as well."""
    if order := _order(note.version, withdrawal.version):
        return order < 0
    if note.file == withdrawal.file:
        return same_run
    return resource or by_name(note.file) <= by_name(withdrawal.file)


def compare(new: Sighting, old: Sighting) -> SightingOrder:
    """Whether `new` counts before `old`, which has the same id.

    "another patient": one id stands for two notes, unless one source itself numbers them as versions of one.
    "same place": one file holds both, and says nothing of which is newer.
    """
    same_place = (new.file == old.file and (bool(new.file) or new.source == old.source)) or (
        not old.file and old.source == new.file
    )
    order = _order(new.version, old.version)
    if new.patient != old.patient:
        dated = order if same_place and not _has_number(new.version, old.version) else 0
        order = dated or (_numbered(new.version, old.version) if same_place or _one_feed(new, old) else 0)
    if order:
        return "newer" if order > 0 else "older"
    if same_place:
        return "same place"
    return "newer" if new.patient == old.patient else "another patient"


def compare_with_stored(new: Sighting, stored: Sighting) -> SightingOrder:
    """The same for what an earlier run has stored: an edit of the file that it came from is newer; of two files of one
    folder the later one counts as long as it is there. Never "same place"."""
    verdict = compare(new, stored)
    if verdict == "same place":
        return "newer"
    if verdict == "newer" and not _order(new.version, stored.version) and _is_overtaken(new, stored):
        return "older"
    return verdict


def _is_overtaken(new: Sighting, stored: Sighting) -> bool:
    """Whether the stored note stands in a later file of the same folder. Files are read in the order of their names."""
    one_folder = (stored.file != stored.source and _below(new.file, stored.source)) or (
        new.file != new.source and _below(stored.file, new.source)
    )
    later = one_folder and by_name(stored.file) > by_name(new.file)
    return later and os.path.lexists(stored.file)


def is_of_sources(source: str, file: str, sources: Sequence[str]) -> bool:
    """Whether sources that were read whole once held what was read from `file` of `source`: one of them is either, or a
    folder that holds the file. Whatever they do not hold any more is missing."""
    return any(given in (source, file) or comes_by(given, file) for given in sources)


def _one_feed(new: Sighting, old: Sighting) -> bool:
    """Whether both lie in one folder: what two sources number is not compared, and sites have folders of their own."""
    return PurePath(new.file).parent == PurePath(old.file or old.source).parent


def _below(file: str, folder: str) -> bool:
    return bool(file) and file.startswith(folder.rstrip("/") + "/")


def is_newer(new: NoteVersion | None, old: NoteVersion | None) -> bool:
    """Whether the source itself says that `new` is the later version."""
    return _order(new, old) > 0


def newest(one: NoteVersion | None, other: NoteVersion | None) -> NoteVersion | None:
    """The later of two versions; the first where neither can be said."""
    return other if one is None or _order(other, one) > 0 else one


def _order(new: NoteVersion | None, old: NoteVersion | None) -> int:
    """1 where the new version is the later one, -1 where it is the earlier one, 0 where neither can be said."""
    if new is None or old is None:
        return 0
    if new.last_updated and old.last_updated and new.last_updated != old.last_updated:
        return 1 if new.last_updated > old.last_updated else -1
    return _by_number(new, old)


def _by_number(new: NoteVersion, old: NoteVersion) -> int:
    if new.number is None or old.number is None or new.number == old.number:
        return 0
    return 1 if new.number > old.number else -1


def _numbered(new: NoteVersion | None, old: NoteVersion | None) -> int:
    """The order of two versions that name two patients. Two servers have one id for two notes, each with a date of its
    own: both must number their versions, and the numbers agree with the dates."""
    order = _order(new, old)
    return order if new is not None and old is not None and _by_number(new, old) == order else 0


def _has_number(new: NoteVersion | None, old: NoteVersion | None) -> bool:
    return any(one is not None and one.number is not None for one in (new, old))
