"""The ledger: which notes wait, which are being worked on, which are done, and which failed and why.

It is the one truth about progress. A note is staged here when it is read and stays until its vectors are stored, so
a run that was cut off goes on from the ledger alone. Work is handed out under a lease: a worker that dies loses its
notes to the others. Lives in SQLite; where the store is the same database, one transaction covers both. Knows
nothing of chunks or vectors.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.indexing.identity import is_of_sources
from pipeline.logs import LOGGER, fault_fields
from pipeline.records import (
    Claim,
    Document,
    FailedNote,
    HeldElsewhere,
    ImageReference,
    KnownNote,
    MaterialKind,
    NoteState,
    NoteVersion,
    StagedMaterial,
    StagedNote,
    Throughput,
    Withdrawal,
)
from pipeline.storage.named_sql import Statements
from pipeline.storage.schema_upgrades import SqliteVersions, Upgrades
from pipeline.storage.sqlite import Database, storage_errors

_SQL = Statements(Path(__file__).with_suffix(".sql"))
_IMAGE_TABLES = {
    "VectorizationState": "ImageVectorizationState",
    "StagedNotes": "StagedImages",
    "WithdrawnNotes": "WithdrawnImages",
    "PatientAuthorities": "ImageAuthorities",
    "SeenNotes": "SeenImages",
}
"""A ledger of images is the same on tables of its own: a process of an earlier release never meets an image."""

REMOVAL_CUT_SHORT = "Its removal was cut short; run the same command again."


ADDED_COLUMNS = {
    "File": "add_file",
    "PatientID": "add_patient",
    "ResourceType": "add_resource_type",
    "VersionUpdated": "add_updated",
    "VersionNumber": "add_number",
    "Replaces": "add_replaces",
}
"""What the first release's ledger lacks. Its own statements name their columns, so a process of it that is still
running goes on."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """Statements and versions of one kind of ledger, and how what is staged in it is read."""

    sql: Statements
    component: str
    read: Callable[[str], StagedMaterial]

    @property
    def versions(self) -> SqliteVersions:
        def m0001_first(connection: sqlite3.Connection) -> None:
            for name in ("create_state", "create_open_index", "create_staged"):
                connection.execute(getattr(self.sql, name))

        def m0002_identity(connection: sqlite3.Connection) -> None:
            """Whose note it is, where it came from, in which version, and what was taken back. A ledger from between
            the releases has some of the columns."""
            held = {name for (name,) in connection.execute(self.sql.columns)}
            for column, statement in ADDED_COLUMNS.items():
                if column not in held:
                    connection.execute(getattr(self.sql, statement))
            for name in ("create_withdrawn", "create_authorities"):
                connection.execute(getattr(self.sql, name))

        return SqliteVersions(self.component, Upgrades(m0001_first, m0002_identity, first=0))


_NOTES = _Tables(_SQL, "ledger", Document.of_json)
_IMAGES = _Tables(_SQL.renamed(_IMAGE_TABLES), "ledger of images", ImageReference.of_json)
_BY_KIND: Mapping[MaterialKind, _Tables] = {"notes": _NOTES, "images": _IMAGES}

LEASE_SLACK_SECONDS = 60.0
"""How far the clocks of two workers may differ. A lease that ends later than that was given by a clock that ran ahead,
and counts as over."""

PACE_SECONDS = 600.0
"""Of work before the last note that was done."""


def is_there(database: Database, kind: MaterialKind = "notes") -> bool:
    """Whether a ledger was ever made in this database; makes none."""
    with database.snapshot() as connection:
        return connection.execute(_BY_KIND[kind].sql.columns).fetchone() is not None


class SqliteLedger:
    """`VectorizationState` in one database, as `ports.Ledger`. One object a worker; `owner` names it in the leases."""

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float,
        owner: str | None = None,
        keep_notes: bool = False,
        clock: Callable[[], float] = time.time,
        kind: MaterialKind = "notes",
    ) -> None:
        """`keep_notes`: notes stay staged when they are done, so that a separate store can be repaired from here."""
        self._database = database
        self._tables = _BY_KIND[kind]
        self._sql = self._tables.sql
        self._lease_seconds = lease_seconds
        self._keep_notes = keep_notes
        self._clock = clock
        self.owner = owner or this_process()

    def prepare(self) -> None:
        """Create the tables where missing, upgrade those of an earlier release, and take back the leases of processes
        of this machine that have died. Raises SchemaMismatch where a newer release made them."""
        self._tables.versions.upgrade(self.transaction, f"The ledger in {self._database.path}")
        with self.transaction() as connection:
            self._take_back(connection)

    def _take_back(self, connection: sqlite3.Connection) -> int:
        """Release what processes of this machine held that are gone. How many notes that were."""
        now = self._clock()
        gone = [owner for (owner,) in connection.execute(self._sql.owners) if has_died(owner)]
        return sum(connection.execute(self._sql.release, (now, owner)).rowcount for owner in gone)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Around the writing of a batch and its record. In one database with the store a transaction covers both; a
        separate store commits first, and no other worker waits for it here meanwhile."""
        if self._keep_notes:
            yield
        else:
            with self.transaction():
                yield

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; a store in the same database joins it."""
        with self._database.transaction() as connection, storage_errors(self._database.path):
            yield connection

    def _rows(
        self, statement: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[tuple[object, ...]]:
        with storage_errors(self._database.path):
            return self._database.connection.execute(statement, parameters).fetchall()

    # --- staging

    def known(self, resource_ids: Iterable[str]) -> dict[str, KnownNote]:
        return self._known(self._sql.known, resource_ids)

    def of_patients(self, patients: Iterable[str]) -> dict[str, KnownNote]:
        """What is known of every note of these patients. Looks at every note."""
        return self._known(self._sql.of_patients, patients)

    def _known(self, statement: str, keys: Iterable[str]) -> dict[str, KnownNote]:
        rows = self._rows(statement, (json.dumps(list(keys)),))
        return {
            str(key): KnownNote(*rest, version=_version(updated, number))  # type: ignore[arg-type,misc]  # in its order
            for key, *rest, updated, number in rows
        }

    def stage(self, notes: Sequence[StagedNote]) -> None:
        """Take notes to be embedded, new or changed. An earlier claim on one of them is void."""
        now = self._clock()
        with self.transaction() as connection:
            for note in notes:
                document = note.document
                text = document.as_json()
                connection.execute(
                    self._sql.stage_state,
                    {
                        "resource_id": document.resource_id,
                        "source": note.source,
                        "file": note.file,
                        "patient_id": document.patient_id,
                        **_version_row(note.version),
                        "replaces": note.replaces,
                        "fingerprint": note.fingerprint,
                        "now": now,
                    },
                )
                connection.execute(self._sql.stage_note, {"resource_id": document.resource_id, "note": text})

    def retry(self, resource_ids: Iterable[str]) -> None:
        """Put failed notes back in the queue."""
        now = self._clock()
        with self.transaction() as connection:
            connection.executemany(self._sql.retry, [(now, resource_id) for resource_id in resource_ids])

    def place(self, resource_id: str, source: str, file: str, version: NoteVersion | None) -> None:
        """Record where this note is found now, and in which version."""
        with self.transaction() as connection:
            row = {"resource_id": resource_id, "source": source, "file": file, **_version_row(version)}
            connection.execute(self._sql.place, row)

    # --- notes of the first release, which knew a FHIR resource by its bare id

    def unidentified(self, number: int) -> list[str]:
        """Up to `number` notes whose patient no one has looked up yet."""
        return [str(row[0]) for row in self._rows(self._sql.unidentified, (number,))]

    def identify(self, notes: Iterable[tuple[str, str, str | None]]) -> None:
        """(resource_id, patient_id, type of a FHIR resource that has a bare id) of notes that had been unidentified."""
        with self.transaction() as connection:
            connection.executemany(self._sql.identify, [(patient, kind, key) for key, patient, kind in notes])

    def has_bare_ids(self) -> bool:
        return bool(self._rows(self._sql.any_bare))

    def bare(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Of bare ids, those that are known here, with resource type and patient."""
        rows = self._rows(self._sql.bare, (json.dumps(list(ids)),))
        return {str(key): (str(kind), str(patient)) for key, kind, patient in rows}

    def bare_parts(self, kind: str, bare: str) -> list[str]:
        """The notes that the first release made of one resource."""
        return [str(row[0]) for row in self._rows(self._sql.bare_parts, {"type": kind, "id": bare})]

    # --- what a source took back

    def withdrawals(self, resource_ids: Iterable[str]) -> dict[str, Withdrawal]:
        """Of these ids, of whole resources where they are FHIR's, those that are withdrawn."""
        return _withdrawals(self._rows(self._sql.withdrawn, (json.dumps(list(resource_ids)),)))

    def has_withdrawals(self) -> bool:
        return bool(self._rows(self._sql.any_withdrawn))

    def all_withdrawals(self) -> dict[str, Withdrawal]:
        return _withdrawals(self._rows(self._sql.all_withdrawn))

    def withdraw(self, withdrawals: Mapping[str, Withdrawal]) -> None:
        """Remember them, so that an older version that is read again stays away."""
        with self.transaction() as connection:
            for key, each in withdrawals.items():
                version = each.version or NoteVersion()
                row = (key, each.patient, each.file, version.last_updated, version.number)
                connection.execute(self._sql.withdraw, row)

    def restore(self, resource_ids: Iterable[str]) -> None:
        """Forget that these were withdrawn: a newer version is there."""
        with self.transaction() as connection:
            connection.executemany(self._sql.restore, [(resource_id,) for resource_id in resource_ids])

    # --- who gave the patients' ids

    def authorities(self, patients: Iterable[str]) -> dict[tuple[str, str], str]:
        """Of these patients, by id and way of naming: who gave the id."""
        rows = self._rows(self._sql.authorities, (json.dumps(list(patients)),))
        return {(str(patient), str(naming)): str(name) for patient, naming, name in rows}

    def all_authorities(self) -> dict[tuple[str, str], str]:
        rows = self._rows(self._sql.all_authorities)
        return {(str(patient), str(naming)): str(name) for patient, naming, name in rows}

    def remember_authorities(self, given: Mapping[tuple[str, str], str]) -> None:
        with self.transaction() as connection:
            connection.executemany(
                self._sql.remember_authority, [(*key, name) for key, name in given.items()]
            )

    def patients_held(self, patients: Iterable[str]) -> set[str]:
        """Which of these patients have a note here. Looks at every note."""
        return {str(row[0]) for row in self._rows(self._sql.patients_held, (json.dumps(list(patients)),))}

    # --- what a source no longer holds

    def begin_sighting(self) -> None:
        """Forget which notes were seen; call before reading sources."""
        with storage_errors(self._database.path):
            self._database.connection.execute(self._sql.create_seen)
            self._database.connection.execute(self._sql.forget_seen)

    def saw(self, resource_ids: Iterable[str]) -> None:
        """Remember, for this connection only, that the sources hold these notes, accepted or not."""
        with storage_errors(self._database.path):
            self._database.connection.executemany(
                self._sql.mark_seen, [(resource_id,) for resource_id in resource_ids]
            )

    def parts(self, resource_id: str) -> list[str]:
        """This id, and the notes `id#1`, `id#2`, ... that a resource with several texts became."""
        rows = self._rows(self._sql.parts, {"resource_id": resource_id})
        return [resource_id, *(str(key) for (key,) in rows if str(key)[len(resource_id) + 1 :].isdecimal())]

    def unseen_parts(self) -> list[str]:
        """Notes that are one of several texts of a resource and were not seen since `begin_sighting`."""
        return [str(row[0]) for row in self._rows(self._sql.unseen_parts)]

    def seen_parts(self) -> list[str]:
        return [str(row[0]) for row in self._rows(self._sql.seen_parts)]

    def seen(self, resource_ids: Iterable[str]) -> set[str]:
        """Which of these were seen since `begin_sighting`."""
        return {str(row[0]) for row in self._rows(self._sql.seen, (json.dumps(list(resource_ids)),))}

    def missing(self, sources: Sequence[str]) -> list[str]:
        """Notes that these sources once held (`is_of_sources`) and that were not seen since `begin_sighting`."""
        rows = self._rows(self._sql.missing, (json.dumps(list(sources)),))
        return [str(key) for key, source, file in rows if is_of_sources(str(source), str(file), sources)]

    def outdated(self) -> dict[str, str]:
        """Of files that hold another record since `begin_sighting`: what they held before, by what they hold now."""
        return {str(old): str(new) for old, new in self._rows(self._sql.outdated)}

    def forget(self, resource_ids: Iterable[str]) -> None:
        """Drop notes from the ledger, for those that are pruned from the store."""
        keys = [(resource_id,) for resource_id in resource_ids]
        with self.transaction() as connection:
            connection.executemany(self._sql.forget_note, keys)
            connection.executemany(self._sql.unstage, keys)

    @contextmanager
    def removing(self, resource_ids: Sequence[str]) -> Iterator[None]:
        """Around the removal of notes from the store. A cut in a separate store leaves them here as failed, so that the
        next run removes them, or stores them again where a source holds them again."""
        with self.storing():
            with self.transaction() as connection:
                keys = [(REMOVAL_CUT_SHORT, self._clock(), resource_id) for resource_id in resource_ids]
                connection.executemany(self._sql.condemn, keys)
            yield
            self.forget(resource_ids)

    def condemned(self) -> list[str]:
        """Notes whose removal was cut short."""
        return [str(row[0]) for row in self._rows(self._sql.condemned)]

    def forget_all(self) -> None:
        """Start over."""
        with self.transaction() as connection:
            connection.execute(self._sql.forget_all_states)
            connection.execute(self._sql.forget_all_staged)
            connection.execute(self._sql.forget_all_withdrawn)
            connection.execute(self._sql.forget_all_authorities)

    # --- work

    def claim(self, number: int) -> list[Claim]:
        """Up to `number` notes that wait, or whose worker is dead or silent for too long: now this worker's."""
        now = self._clock()
        with self.transaction() as connection:
            rows = self._claimable(connection, now, number)
            if not rows and self._take_back(connection):
                rows = self._claimable(connection, now, number)
            until = now + self._lease_seconds
            connection.executemany(self._sql.claim, [(self.owner, until, now, row[0]) for row in rows])
        return [
            Claim(self._tables.read(str(note)), fingerprint, attempts + 1, replaces)
            for _, fingerprint, attempts, note, replaces in rows
        ]

    def _claimable(
        self, connection: sqlite3.Connection, now: float, number: int
    ) -> list[tuple[str, str, int, str, str | None]]:
        ahead = now + self._lease_seconds + LEASE_SLACK_SECONDS
        expired = connection.execute(self._sql.expired, (now, ahead, self.owner, number)).fetchall()
        return [*expired, *connection.execute(self._sql.pending, (number - len(expired),))]

    def elsewhere(self) -> HeldElsewhere | None:
        """What other workers hold at this moment; None where that is nothing. It ends here as completed, or is claimed
        once the worker is found dead or its lease has run out."""
        ((notes, owner, until),) = self._rows(self._sql.elsewhere, (self.owner,))
        return HeldElsewhere(int(str(notes)), str(owner), float(str(until))) if notes else None

    def claimable(self) -> bool:
        """Is there a note that waits?"""
        return bool(self._rows(self._sql.pending, (1,)))

    def extend(self) -> None:
        """Renew the leases of this worker's notes."""
        with self.transaction() as connection:
            connection.execute(self._sql.extend, (self._clock() + self._lease_seconds, self.owner))

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Renews this worker's leases from a thread of its own while inside: a slow batch is not a dead worker."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._lease_seconds / 3):
                try:
                    self.extend()
                except StoreError as error:  # the run itself will meet it; two more beats fit into the lease
                    LOGGER.warning("a lease was not renewed", extra={"code": error.code})
                except Exception as error:  # noqa: BLE001  logged by its class: without a beat the notes become another's
                    LOGGER.error("a lease was not renewed", extra=fault_fields(error))

        thread = threading.Thread(target=beat, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def complete(self, chunk_counts: Sequence[tuple[Claim, int]]) -> list[Claim]:
        """Record that these notes are stored. Call inside the transaction that stores them.

        Returns the claims that no longer hold, because the note changed or another worker took it over.
        """
        now = self._clock()
        lost = []
        with self.transaction() as connection:
            for claim, chunks in chunk_counts:
                key = claim.document.resource_id
                done = connection.execute(
                    self._sql.complete, (chunks, now, now, key, claim.fingerprint, self.owner)
                )
                if not done.rowcount:
                    lost.append(claim)
                elif not self._keep_notes:
                    connection.execute(self._sql.unstage, (key,))
        return lost

    def held(self, claims: Sequence[Claim]) -> list[bool]:
        """Which of these claims still hold: the note is as it was claimed, and no other worker has it."""
        rows = self._rows(
            self._sql.held, (json.dumps([claim.document.resource_id for claim in claims]), self.owner)
        )
        held = {str(key): fingerprint for key, fingerprint in rows}
        return [held.get(claim.document.resource_id) == claim.fingerprint for claim in claims]

    def overtaken(self, lost: Sequence[Claim]) -> list[str]:
        """After a write to a separate store under claims that did not hold any more: put notes back to work that
        have changed meanwhile, because the older version may have been written last. Returns the notes that no one
        wants any more, to be removed from the store."""
        known = self.known(claim.document.resource_id for claim in lost)
        gone, changed = [], []
        for claim in lost:
            now = known.get(claim.document.resource_id)
            if now is None or not now.fingerprint:
                gone.append(claim.document.resource_id)
            elif now.fingerprint != claim.fingerprint:
                changed.append(claim.document.resource_id)
        with self.transaction() as connection:
            connection.executemany(self._sql.again, [(self._clock(), key) for key in changed])
        return gone

    def fail(self, claim: Claim, error: str) -> None:
        """Park a note with its reason. It stays staged, so that a later run can try it again."""
        with self.transaction() as connection:
            connection.execute(
                self._sql.fail,
                (error, self._clock(), claim.document.resource_id, claim.fingerprint, self.owner),
            )

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let these notes wait again, for the worker that claims them next: they failed for no fault of theirs."""
        now = self._clock()
        with self.transaction() as connection:
            keys = [(now, claim.document.resource_id, self.owner) for claim in claims]
            connection.executemany(self._sql.give_back, keys)

    def release(self) -> None:
        """Give back what this worker holds and has not finished."""
        with self.transaction() as connection:
            connection.execute(self._sql.release, (self._clock(), self.owner))

    # --- questions

    def counts(self) -> Mapping[NoteState, int]:
        """Notes by state; every state is there."""
        found = {str(state): int(str(number)) for state, number in self._rows(self._sql.counts)}
        states: tuple[NoteState, ...] = ("pending", "processing", "completed", "failed")
        return {state: found.get(state, 0) for state in states}

    def failures(self, limit: int = 100) -> list[FailedNote]:
        return [
            FailedNote(str(resource_id), int(str(attempts)), str(error), str(file))
            for resource_id, attempts, error, file in self._rows(self._sql.failures, (limit,))
        ]

    def failure_reasons(self, limit: int = 20) -> dict[str, int]:
        """Failed notes by what was wrong, the most frequent first."""
        return {
            str(error): int(str(number)) for error, number in self._rows(self._sql.failure_reasons, (limit,))
        }

    def pace(self) -> Throughput | None:
        """How fast notes were done lately; None before two batches were."""
        ((number, seconds, last),) = self._rows(self._sql.recent, (PACE_SECONDS,))
        if not seconds:
            return None
        return Throughput(60.0 * int(str(number)) / float(str(seconds)), float(str(last)))

    def staged(self, resource_id: str) -> StagedMaterial | None:
        """The note as it was staged, None where it is no longer (or never was)."""
        rows = self._rows(self._sql.staged_note, (resource_id,))
        return self._tables.read(str(rows[0][0])) if rows else None

    def completed(self) -> Iterator[tuple[str, int]]:
        """(resource_id, number of chunks) of every note that is done, ordered by id."""
        for resource_id, chunks in self._rows(self._sql.completed):
            yield str(resource_id), int(str(chunks))


def _withdrawals(rows: Iterable[tuple[object, ...]]) -> dict[str, Withdrawal]:
    return {
        str(key): Withdrawal(None if patient is None else str(patient), str(file), _version(updated, number))
        for key, patient, file, updated, number in rows
    }


def _version(updated: object, number: object) -> NoteVersion | None:
    if updated is None and number is None:
        return None
    return NoteVersion(
        None if updated is None else str(updated), None if number is None else int(str(number))
    )


def _version_row(version: NoteVersion | None) -> dict[str, object]:
    return {
        "updated": version.last_updated if version else None,
        "number": version.number if version else None,
    }


def this_process() -> str:
    """A name for this process that no other one has, also after its number was given out again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def has_died(owner: str) -> bool:
    """True only where the owner was a process of this machine and is certainly gone."""
    host, _, rest = owner.rpartition(":")
    host, _, number = host.rpartition(":")
    if host != socket.gethostname() or not number.isdigit():
        return False
    return _started(int(number)) != rest


def _started(pid: int) -> str:
    """When the process started, in clock ticks since boot; "" where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _alive(pid)
    return stat.rpartition(")")[2].split()[19]


def _alive(pid: int) -> str:
    """For systems without /proc: a number that is in use counts as the same process."""
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "alive"
    return "alive"
