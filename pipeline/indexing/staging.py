"""Puts into the ledger what is new or changed, and takes out what its source took back.

Decides about each record of a run, against what the ledger knows: new, changed, unchanged, moved, an older version, or
another patient's. Which of two records counts is `identity.py`'s judgement. Refuses to know formats and vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pipeline.indexing.chunking import fingerprint_under, is_known_as
from pipeline.indexing.identity import (
    Prefixes,
    bare_id,
    compare_with_stored,
    concerns,
    is_newer,
    is_of_the_place_of,
    names_its_source,
    newest,
    outlasts,
    whole_resource,
)
from pipeline.indexing.run_counts import RejectionSink, RunCounts
from pipeline.indexing.validation import (
    NO_PREFIXES,
    Duplicate,
    Older,
    ValidNote,
    another_authority,
    another_patient,
    spared,
    withdrawal_of,
)
from pipeline.ports import FirstReleaseNotes, Ledger, Store
from pipeline.records import (
    Document,
    ImageReference,
    KnownNote,
    Rejection,
    Sighting,
    StagedMaterial,
    StagedNote,
    Withdrawal,
)

StagingOutcome: TypeAlias = ValidNote | Duplicate | Older | Rejection

IDENTIFIED_NOTES = 500
"""Notes of the first release that are looked up with one commit."""


StillHeld: TypeAlias = Callable[[Sequence[str]], Collection[str]]
"""Those of these ids that their source has at this moment, where a source can take one back while it is read."""


@dataclass
class Stager:
    """Takes the records of one run, group by group; mutable."""

    ledger: Ledger
    tally: RunCounts
    rejections: RejectionSink
    recipe: str
    """What the stored form of a note depends on besides the note."""
    attempts_max: float
    """A note that failed this often is not tried again."""
    forget: Callable[[Sequence[str]], int]
    """Removes notes from store and ledger."""
    prefixes: Prefixes = NO_PREFIXES
    mirrored: bool = False
    """True where the records come from another store, which has decided all this already."""
    still_held: StillHeld | None = None
    """Asked while no one else can write here: what was taken back since it was read is not staged, and whoever takes
    one back afterwards finds it here."""
    _set_aside: set[str] = field(default_factory=set)
    """Notes of this run whose records so far did not count against what was stored."""
    _outdone: set[str] = field(default_factory=set)
    """Known texts of resources of which a newer version counts: those that it no longer has."""
    _disputed: list[ValidNote] = field(default_factory=list)
    _last: str | None = None
    _first_release: FirstReleaseNotes | None = None
    """The ledger, where it holds notes of the first release."""

    def begin(self) -> None:
        self.ledger.begin_sighting()
        if not self.mirrored and not self.prefixes.note and isinstance(self.ledger, FirstReleaseNotes):
            self._first_release = self.ledger if self.ledger.has_bare_ids() else None
        self._end_withdrawals()

    def take(self, group: Sequence[StagingOutcome]) -> None:
        """Judge the records of a group and stage those that count."""
        self._disputed = []
        latest, withdrawals = self._sorted(group)
        # Judged and staged as one: a run alongside this one may bring a newer version of the same note.
        with self.ledger.transaction():
            self._take(self._still_held(latest))
            self._settle(self._disputed)
        if withdrawals:
            self._withdraw(withdrawals)

    def _still_held(self, latest: dict[str, ValidNote]) -> dict[str, ValidNote]:
        if self.still_held is None or not latest:
            return latest
        held = self.still_held(list(latest))
        return {key: note for key, note in latest.items() if key in held}

    def _take(self, latest: Mapping[str, ValidNote]) -> None:
        latest = self._of_one_authority(latest)
        known = self.ledger.known(latest)
        self._stage(latest if self.mirrored else self._undisputed(latest, known), known)

    def _of_one_authority(self, notes: Mapping[str, ValidNote]) -> Mapping[str, ValidNote]:
        """Without notes of patients whose bare number stored notes have from another authority. Two hospitals give one
        number to two people."""
        given = {
            (note.document.patient_id, note.authority[0]): note.authority[1]
            for note in notes.values()
            if note.authority is not None
        }
        if not given:
            return notes
        known = self.ledger.authorities(patient for patient, _ in given)
        other = {key: name for key, name in known.items() if given.get(key, name) != name}
        held = self.ledger.patients_held(patient for patient, _ in other) if other else set()
        self.ledger.remember_authorities(
            {key: name for key, name in given.items() if known.get(key) != name and key[0] not in held}
        )
        kept = {}
        for key, note in notes.items():
            pair = (note.document.patient_id, note.authority[0]) if note.authority else None
            if pair in other and note.document.patient_id in held and not self.mirrored:
                self._reject(another_authority(note, other[pair]))
            else:
                kept[key] = note
        return kept

    def _settle(self, disputed: Sequence[ValidNote]) -> None:
        """Of notes that another patient's record of this run has the id of: the first that may counts where that one
        did not."""
        for note in disputed:
            if note.document.resource_id in self._set_aside:
                self._take({note.document.resource_id: note})
            elif note.dispute is not None:
                self._reject_another(note.dispute)

    # --- one group

    def _sorted(self, group: Sequence[StagingOutcome]) -> tuple[dict[str, ValidNote], dict[str, Withdrawal]]:
        """The newest record of each note of the group, and what was withdrawn."""
        latest: dict[str, ValidNote] = {}
        withdrawals: dict[str, Withdrawal] = {}
        texts: dict[str, list[str]] = {}
        for outcome in group:
            self.tally.read += 1
            if isinstance(outcome, ValidNote):
                self._last = key = outcome.document.resource_id
                if outcome.dispute is not None:
                    self._disputed.append(outcome)
                    continue
                earlier = latest.get(key)
                self.tally.older += earlier is not None
                if earlier and earlier.document.patient_id != outcome.document.patient_id:
                    self.tally.patient_changed += 1
                latest[key] = outcome if earlier is None else replace(outcome, again=earlier.again)
                self._drop_outdone(latest, outcome, texts)
            elif isinstance(outcome, Rejection):
                self._reject(outcome)
                if outcome.withdrawn and outcome.resource_id is not None:
                    withdrawals[outcome.resource_id] = withdrawal_of(outcome)
                    self._drop_withdrawn(latest, outcome.resource_id, withdrawals[outcome.resource_id])
            elif isinstance(outcome, Older):
                self.tally.older += 1
                self._saw_all(outcome.resource_id)
            else:
                self.tally.duplicates += 1
        return latest, withdrawals

    def _reject(self, rejection: Rejection) -> None:
        self.rejections.write(rejection)
        if rejection.resource_id is not None:
            # A note that is there but faulty is not missing: its stored version stays.
            self._saw_all(rejection.resource_id)
        self.tally.count_rejection(rejection)

    def _drop_withdrawn(self, latest: dict[str, ValidNote], resource_id: str, withdrawal: Withdrawal) -> None:
        """What the same group took back is not staged in the first place."""
        for key in [key for key in latest if key == resource_id or self._whole(key) == resource_id]:
            note = latest[key].sighting
            resource = names_its_source(key)
            if concerns(withdrawal, note, resource=resource) and not is_newer(
                note.version, withdrawal.version
            ):
                del latest[key]
                self.tally.older += 1

    def _drop_outdone(
        self, latest: dict[str, ValidNote], note: ValidNote, texts: dict[str, list[str]]
    ) -> None:
        """Texts of the same group that an older version of the note's resource had. `texts`: those of the group."""
        key = note.document.resource_id
        if (whole := self._whole(key)) is None:
            return
        others = texts.setdefault(whole, [])
        for other in [other for other in others if other != key and other in latest]:
            if (latest[other].file, latest[other].version) != (note.file, note.version):
                del latest[other]
                self.tally.older += 1
        others.append(key)

    def _counts_against_its_texts(self, key: str, note: ValidNote) -> bool:
        """Whether a text counts against what is stored of its resource, which may have had another number of texts."""
        whole = self._whole(key)
        others = [] if whole is None else [other for other in self.ledger.parts(whole) if other != key]
        for other, known in self.ledger.known(others).items() if others else ():
            stored = known.sighting(note.document.patient_id)
            verdict = compare_with_stored(note.sighting, stored)
            if verdict == "another patient":
                self._set_aside.add(key)
                self._reject_another(another_patient(note, stored.file or stored.source))
                return False
            if verdict == "older":
                self._pass_over(note, seen=is_newer(stored.version, note.version))
                return False
            if (stored.file, stored.version) != (note.file, note.version):
                self._outdone.add(other)
        return True

    def _undisputed(
        self, latest: Mapping[str, ValidNote], known: Mapping[str, KnownNote]
    ) -> dict[str, ValidNote]:
        """Without the records that do not count against what is stored, or was withdrawn."""
        counting: dict[str, ValidNote] = {}
        withdrawn = self._stay_withdrawn(latest)
        for key, note in latest.items():
            before = known.get(key)
            if key in withdrawn:
                self._pass_over(note, seen=False)
            elif before is None or _is_refused(note.document):  # which stores nothing, and is told
                if self._counts_against_its_texts(key, note):
                    counting[key] = note
            elif note.again and key not in self._set_aside:  # what is staged is an older record of this run
                if "#" in key:
                    self._counts_against_its_texts(key, note)
                counting[key] = note
                self.tally.older += 1
                self.tally.accepted -= 1
            else:
                stored = before.sighting(note.document.patient_id)
                verdict = compare_with_stored(note.sighting, stored)
                if verdict == "another patient":
                    place = stored.file or stored.source
                    self._set_aside.add(key)
                    self._reject_another(another_patient(note, place))
                elif verdict == "older":
                    self._pass_over(note, seen=is_newer(stored.version, note.version))
                elif "#" not in key or self._counts_against_its_texts(key, note):
                    counting[key] = note
        self._set_aside.difference_update(counting)
        self._outdone.difference_update(counting)
        return counting

    def _pass_over(self, note: ValidNote, *, seen: bool) -> None:
        self.tally.older += 1
        self._set_aside.add(note.document.resource_id)
        if seen:
            self._saw_all(note.document.resource_id)

    def _reject_another(self, rejection: Rejection) -> None:
        """It does not show that the other patient's note is still there."""
        self.rejections.write(rejection)
        self.tally.count_rejection(rejection)

    def _stay_withdrawn(self, latest: Mapping[str, ValidNote]) -> set[str]:
        """Which of these notes were withdrawn by an earlier run and are no newer than that."""
        if not self.ledger.has_withdrawals():
            return set()
        ids = {key: self._whole(key) or key for key in latest}
        found = self.ledger.withdrawals(set(ids.values()))
        stay, restored = set(), set()
        for key, note in latest.items():
            withdrawal = found.get(ids[key])
            resource = self._whole(key) is not None
            if withdrawal is None or not concerns(withdrawal, note.sighting, resource=names_its_source(key)):
                continue
            if outlasts(withdrawal, note.sighting, resource=resource, same_run=False):
                stay.add(key)
            else:
                restored.add(ids[key])
        if restored:
            self.ledger.restore(restored)
        return stay

    def _stage(self, notes: Mapping[str, ValidNote], known: Mapping[str, KnownNote]) -> None:
        bare = self._bare_ids(notes, known)
        new, again, placed = [], [], []
        for key, note in notes.items():
            self.tally.count_accepted(
                note.resource_id, note.document.patient_id, placeholder_date=note.placeholder_date
            )
            before = known.get(key)
            fingerprint = fingerprint_under(self.recipe, note.fingerprint, note.document.patient)
            if before is None or not is_known_as(before.fingerprint, fingerprint):
                self._count(note, before, bare.get(key))
                new.append(
                    StagedNote(
                        note.document, note.source, fingerprint, note.file, note.version, bare.get(key)
                    )
                )
                continue
            if (before.source, before.file, before.version) != (note.source, note.file, note.version):
                placed.append(note)
                self.tally.moved += bool(before.file) and before.file != note.file
            if before.state == "completed":
                self.tally.unchanged += 1
            elif before.state == "failed" and (
                before.attempts < self.attempts_max or _is_refused(note.document)
            ):
                again.append(key)
            elif before.state == "failed":
                self.tally.given_up += 1
        self.ledger.saw(notes)
        if new or again or placed:
            self.ledger.stage(new)
            self.ledger.retry(again)
            for note in placed:
                self.ledger.place(note.document.resource_id, note.source, note.file, note.version)
            self.tally.waiting += len(new) + len(again)

    def _count(self, note: ValidNote, before: KnownNote | None, replaces: str | None) -> None:
        if before is None and replaces is None:
            self.tally.new += 1
        else:
            self.tally.changed += 1
        patient = "" if _is_refused(note.document) else note.document.patient_id
        if patient and before is not None and before.patient_id not in (None, "", patient):
            self.tally.patient_changed += 1

    def _withdraw(self, withdrawals: Mapping[str, Withdrawal]) -> None:
        """Remove what the source took back, asked for or not: it must not be found."""
        removed: list[str] = []
        remembered: dict[str, Withdrawal] = {}
        for resource_id, withdrawal in withdrawals.items():
            resource = names_its_source(resource_id)
            version, newer, patients, place = withdrawal.version, False, set[str](), ""
            for key, stored in self.ledger.known(self._all_of(resource_id)).items():
                note = stored.sighting(withdrawal.patient or "")
                foreign = self._of_another(withdrawal, note)
                if foreign or not concerns(withdrawal, note, resource=resource):
                    if resource or is_of_the_place_of(withdrawal, note):
                        place = note.file or note.source
                    newer |= foreign  # nor does it hold back what it was not about
                    continue
                if is_newer(note.version, withdrawal.version):
                    newer = True
                else:
                    removed.append(key)
                    version = newest(version, stored.version)
                    patients.add(note.patient)
            if place:
                self._reject_another(spared(resource_id, withdrawal, place))
            if not newer:
                patient = withdrawal.patient or (patients.pop() if len(patients) == 1 else None)
                remembered[resource_id] = replace(withdrawal, version=version, patient=patient or None)
        with self.ledger.storing():
            self.ledger.withdraw(remembered)
            if removed:
                self.forget(sorted(set(removed)))
        self.tally.withdrawn += len(set(removed))

    def _of_another(self, withdrawal: Withdrawal, note: Sighting) -> bool:
        """Whether the stored note's patient has the id from another authority than the withdrawal's."""
        if withdrawal.authority is None:
            return False
        naming, name = withdrawal.authority
        return self.ledger.authorities([note.patient]).get((note.patient, naming), name) != name

    def _end_withdrawals(self) -> None:
        """Remove what was withdrawn by a run that was cut off meanwhile."""
        ids = {key: whole_resource(key) or self._whole(key) or key for key in self.ledger.condemned()}
        withdrawn = self.ledger.withdrawals(set(ids.values())) if ids else {}
        if left := [key for key, whole in ids.items() if whole in withdrawn]:
            self.forget(left)

    # --- one resource

    def _whole(self, resource_id: str) -> str | None:
        return whole_resource(resource_id, self.prefixes.note)

    def _all_of(self, resource_id: str) -> list[str]:
        """The id itself; of a FHIR resource also its several texts, and what the first release called them."""
        if self._whole(resource_id) is None:
            return [resource_id]
        parts, old = self.ledger.parts(resource_id), bare_id(resource_id)
        return [*parts, *self._first_release.bare_parts(*old)] if self._first_release and old else parts

    def _saw_all(self, resource_id: str) -> None:
        whole = self._whole(resource_id)
        self.ledger.saw(self._all_of(whole) if whole else self.ledger.parts(resource_id))

    def _bare_ids(self, notes: Mapping[str, ValidNote], known: Mapping[str, KnownNote]) -> dict[str, str]:
        """The bare id under which the first release stored the same resource of the same patient, by its id today."""
        if self._first_release is None:
            return {}
        ids: dict[str, tuple[str, str]] = {}
        for key in notes:
            if key not in known and (old := bare_id(key)) is not None:
                ids[key] = old
        held = self._first_release.bare(bare for _, bare in ids.values())
        found = {}
        for key, (kind, bare) in ids.items():
            if held.get(bare) == (kind, notes[key].document.patient_id):
                found[key] = bare
        return found

    # --- the end of a run

    def end(self, *, whole: bool) -> None:
        """Remove texts that their resource no longer has. `whole`: the last resource was read to its end."""
        unseen = {key: base for key in self.ledger.unseen_parts() if (base := self._whole(key))}
        several = {base for key in self.ledger.seen_parts() if (base := self._whole(key))}
        several_or_one = several | self.ledger.seen(set(unseen.values()))
        gone = [key for key, base in unseen.items() if base in several_or_one]
        gone += sorted(set(self.ledger.known(several)) - self.ledger.seen(several))
        gone += sorted(set(self.ledger.known(self._outdone)) - set(gone))
        if not whole and self._last is not None:
            last = self._whole(self._last)
            gone = [key for key in gone if self._whole(key) != last]
        if gone:
            self.forget(gone)
            self.tally.withdrawn += len(gone)


def _is_refused(document: StagedMaterial) -> bool:
    """Whether it costs nothing to say again why an image is not taken."""
    return isinstance(document, ImageReference) and bool(document.refused)


@dataclass
class Stored:
    """What is stored, against the records of a dry run: which notes their sources no longer hold."""

    ledger: Ledger
    sources: Sequence[str]
    prefixes: Prefixes = NO_PREFIXES

    def begin(self) -> None:
        self.ledger.begin_sighting()

    def saw(self, outcome: StagingOutcome) -> None:
        key = outcome.document.resource_id if isinstance(outcome, ValidNote) else outcome.resource_id
        if key is not None and not (isinstance(outcome, Rejection) and outcome.withdrawn):
            whole = whole_resource(key, self.prefixes.note)
            old = bare_id(whole) if whole else None
            parts = self.ledger.parts(whole) if whole and not isinstance(outcome, ValidNote) else [key]
            if old and isinstance(self.ledger, FirstReleaseNotes):
                parts = [*parts, *self.ledger.bare_parts(*old)]
            self.ledger.saw(parts)

    def missing(self) -> list[str]:
        return self.ledger.missing(self.sources)


def identify(ledger: Ledger, store: Store) -> None:
    """Look up whose the notes are that the first release stored, and which of them are FHIR resources: once for each.
    Cut off anywhere, the next run goes on."""
    if not isinstance(ledger, FirstReleaseNotes):
        return
    while keys := ledger.unidentified(IDENTIFIED_NOTES):
        found = []
        for key in keys:
            staged = ledger.staged(key)
            document = staged if isinstance(staged, Document) else store.document(key)
            kind = None if document is None else document.metadata.get("resource_type")
            bare = kind if kind and whole_resource(f"{kind}/{key}") and not whole_resource(key) else None
            found.append((key, document.patient_id if document else "", bare))
        ledger.identify(found)
