"""A ledger in the memory of one process: the whole port, to show that the flow needs no database of ours.

Slow and simple on purpose: a transaction copies everything, so that a failure can put it back.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pipeline.indexing.identity import is_of_sources
from pipeline.records import (
    Claim,
    Document,
    FailedNote,
    HeldElsewhere,
    KnownNote,
    NoteState,
    NoteVersion,
    StagedNote,
    Throughput,
    Withdrawal,
)

SLACK_SECONDS = 60.0
PACE_SECONDS = 600.0
STATES: tuple[NoteState, ...] = ("pending", "processing", "completed", "failed")


@dataclass
class Row:
    note: StagedNote
    state: NoteState = "pending"
    attempts: int = 0
    owner: str = ""
    until: float = 0.0
    error: str = ""
    chunks: int = 0
    done_at: float = 0.0


@dataclass
class Tables:
    rows: dict[str, Row] = field(default_factory=dict)
    """In the order of reading."""
    withdrawn: dict[str, Withdrawal] = field(default_factory=dict)
    authorities: dict[tuple[str, str], str] = field(default_factory=dict)


class Memory:
    """What the workers of one ledger share."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.lock = threading.RLock()
        self.depth = 0


class MemoryLedger:
    def __init__(
        self,
        memory: Memory,
        owner: str,
        *,
        lease_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._memory = memory
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._seen: set[str] = set()

    @contextmanager
    def transaction(self) -> Iterator[Tables]:
        memory = self._memory
        with memory.lock:
            before = copy.deepcopy(memory.tables) if memory.depth == 0 else None
            memory.depth += 1
            try:
                yield memory.tables
            except BaseException:
                if before is not None:
                    memory.tables = before
                raise
            finally:
                memory.depth -= 1

    @contextmanager
    def storing(self) -> Iterator[None]:
        yield  # a separate store commits first

    def prepare(self) -> None:
        """An owner of notes in this memory lives as long as it."""

    def forget_all(self) -> None:
        with self._memory.lock:
            self._memory.tables = Tables()

    # --- work

    def claim(self, number: int) -> list[Claim]:
        now = self._clock()
        with self.transaction() as tables:
            expired = [row for row in tables.rows.values() if self._is_free(row, now)]
            waiting = [row for row in tables.rows.values() if row.state == "pending"]
            claimed = [*expired, *waiting][:number]
            for row in claimed:
                row.state, row.owner, row.until = "processing", self._owner, now + self._lease_seconds
                row.attempts += 1
            return [
                Claim(row.note.document, row.note.fingerprint, row.attempts, row.note.replaces)
                for row in claimed
            ]

    def _is_free(self, row: Row, now: float) -> bool:
        ahead = now + self._lease_seconds + SLACK_SECONDS
        return row.state == "processing" and row.owner != self._owner and not now <= row.until <= ahead

    def claimable(self) -> bool:
        with self._memory.lock:
            return any(row.state == "pending" for row in self._memory.tables.rows.values())

    def elsewhere(self) -> HeldElsewhere | None:
        with self._memory.lock:
            rows = self._memory.tables.rows.values()
            held = [row for row in rows if row.state == "processing" and row.owner != self._owner]
        if not held:
            return None
        return HeldElsewhere(len(held), min(row.owner for row in held), max(row.until for row in held))

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(self._lease_seconds / 3):
                with self._memory.lock:
                    for row in self._mine():
                        row.until = self._clock() + self._lease_seconds

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _mine(self) -> list[Row]:
        rows = self._memory.tables.rows.values()
        return [row for row in rows if row.state == "processing" and row.owner == self._owner]

    def _held_row(self, claim: Claim) -> Row | None:
        row = self._memory.tables.rows.get(claim.document.resource_id)
        holds = row is not None and row.note.fingerprint == claim.fingerprint and row.owner == self._owner
        return row if holds and row is not None and row.state == "processing" else None

    def held(self, claims: Sequence[Claim]) -> list[bool]:
        with self._memory.lock:
            return [self._held_row(claim) is not None for claim in claims]

    def complete(self, chunk_counts: Sequence[tuple[Claim, int]]) -> list[Claim]:
        lost = []
        with self.transaction():
            for claim, chunks in chunk_counts:
                if (row := self._held_row(claim)) is None:
                    lost.append(claim)
                else:
                    row.state, row.owner, row.chunks, row.done_at = "completed", "", chunks, self._clock()
                    row.note = replace(row.note, replaces=None)
        return lost

    def overtaken(self, lost: Sequence[Claim]) -> list[str]:
        gone = []
        with self.transaction() as tables:
            for claim in lost:
                row = tables.rows.get(claim.document.resource_id)
                if row is None or not row.note.fingerprint:
                    gone.append(claim.document.resource_id)
                elif row.note.fingerprint != claim.fingerprint:
                    row.state, row.owner = "pending", ""
        return gone

    def fail(self, claim: Claim, error: str) -> None:
        with self.transaction():
            if (row := self._held_row(claim)) is not None:
                row.state, row.owner, row.error = "failed", "", error

    def give_back(self, claims: Sequence[Claim]) -> None:
        with self.transaction() as tables:
            for row in self._mine():
                if any(tables.rows.get(claim.document.resource_id) is row for claim in claims):
                    row.state, row.owner, row.attempts = "pending", "", row.attempts - 1

    def release(self) -> None:
        with self.transaction():
            for row in self._mine():
                row.state, row.owner = "pending", ""

    # --- notes

    def known(self, resource_ids: Iterable[str]) -> dict[str, KnownNote]:
        with self._memory.lock:
            found = {key: row for key in resource_ids if (row := self._memory.tables.rows.get(key))}
            return {key: _known(row) for key, row in found.items()}

    def staged(self, resource_id: str) -> Document | None:
        with self._memory.lock:
            row = self._memory.tables.rows.get(resource_id)
            return row.note.document if row else None

    def stage(self, notes: Sequence[StagedNote]) -> None:
        with self.transaction() as tables:
            for note in notes:
                key = note.document.resource_id
                before = tables.rows.get(key)
                replaces = note.replaces or (before.note.replaces if before else None)
                tables.rows[key] = Row(replace(note, replaces=replaces))

    def retry(self, resource_ids: Iterable[str]) -> None:
        with self.transaction() as tables:
            for key in resource_ids:
                if (row := tables.rows.get(key)) and row.state == "failed":
                    row.state = "pending"

    def place(self, resource_id: str, source: str, file: str, version: NoteVersion | None) -> None:
        with self.transaction() as tables:
            if row := tables.rows.get(resource_id):
                row.note = replace(row.note, source=source, file=file, version=version)

    def parts(self, resource_id: str) -> list[str]:
        with self._memory.lock:
            bases = {key: key.rpartition("#") for key in self._memory.tables.rows}
        return [
            resource_id,
            *(k for k, (base, _, number) in bases.items() if base == resource_id and number.isdecimal()),
        ]

    def forget(self, resource_ids: Iterable[str]) -> None:
        with self.transaction() as tables:
            for key in resource_ids:
                tables.rows.pop(key, None)

    @contextmanager
    def removing(self, resource_ids: Sequence[str]) -> Iterator[None]:
        with self.transaction() as tables:
            for key in resource_ids:
                if row := tables.rows.get(key):
                    row.note = replace(row.note, fingerprint="")
                    row.state, row.owner, row.error = "failed", "", "Its removal was cut short."
        yield
        self.forget(resource_ids)

    def condemned(self) -> list[str]:
        with self._memory.lock:
            return [k for k, row in self._memory.tables.rows.items() if not row.note.fingerprint]

    def withdraw(self, withdrawals: Mapping[str, Withdrawal]) -> None:
        with self.transaction() as tables:
            tables.withdrawn.update(withdrawals)

    def restore(self, resource_ids: Iterable[str]) -> None:
        with self.transaction() as tables:
            for key in resource_ids:
                tables.withdrawn.pop(key, None)

    def withdrawals(self, resource_ids: Iterable[str]) -> dict[str, Withdrawal]:
        with self._memory.lock:
            withdrawn = self._memory.tables.withdrawn
            return {key: withdrawn[key] for key in resource_ids if key in withdrawn}

    def has_withdrawals(self) -> bool:
        return bool(self._memory.tables.withdrawn)

    def all_withdrawals(self) -> dict[str, Withdrawal]:
        return dict(self._memory.tables.withdrawn)

    def authorities(self, patients: Iterable[str]) -> dict[tuple[str, str], str]:
        wanted = set(patients)
        return {key: name for key, name in self.all_authorities().items() if key[0] in wanted}

    def all_authorities(self) -> dict[tuple[str, str], str]:
        return dict(self._memory.tables.authorities)

    def remember_authorities(self, given: Mapping[tuple[str, str], str]) -> None:
        with self.transaction() as tables:
            tables.authorities.update(given)

    def of_patients(self, patients: Iterable[str]) -> dict[str, KnownNote]:
        wanted = set(patients)
        with self._memory.lock:
            rows = self._memory.tables.rows.items()
            return self.known([k for k, row in rows if row.note.document.patient_id in wanted])

    def patients_held(self, patients: Iterable[str]) -> set[str]:
        with self._memory.lock:
            held = {row.note.document.patient_id for row in self._memory.tables.rows.values()}
        return held & set(patients)

    # --- sightings

    def begin_sighting(self) -> None:
        self._seen = set()

    def saw(self, resource_ids: Iterable[str]) -> None:
        self._seen.update(resource_ids)

    def seen(self, resource_ids: Iterable[str]) -> set[str]:
        return self._seen & set(resource_ids)

    def seen_parts(self) -> list[str]:
        return [key for key in self._seen if "#" in key]

    def unseen_parts(self) -> list[str]:
        with self._memory.lock:
            return [key for key in self._memory.tables.rows if "#" in key and key not in self._seen]

    def missing(self, sources: Sequence[str]) -> list[str]:
        with self._memory.lock:
            rows = self._memory.tables.rows.items()
            return sorted(
                k
                for k, row in rows
                if k not in self._seen and is_of_sources(row.note.source, row.note.file, sources)
            )

    def outdated(self) -> dict[str, str]:
        with self._memory.lock:
            rows = [(k, row.note.file) for k, row in self._memory.tables.rows.items() if row.note.file]
        now = {file: k for k, file in rows if k in self._seen}
        return {k: now[file] for k, file in rows if k not in self._seen and file in now}

    # --- progress

    def counts(self) -> dict[NoteState, int]:
        with self._memory.lock:
            found = Counter(row.state for row in self._memory.tables.rows.values())
        return {state: found[state] for state in STATES}

    def failures(self, limit: int = 100) -> list[FailedNote]:
        with self._memory.lock:
            rows = self._memory.tables.rows.items()
            failed = [FailedNote(k, row.attempts, row.error) for k, row in rows if row.state == "failed"]
        return failed if limit < 0 else failed[:limit]

    def failure_reasons(self, limit: int = 20) -> dict[str, int]:
        found = Counter(failure.error for failure in self.failures(-1))
        return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))[:limit])

    def pace(self) -> Throughput | None:
        with self._memory.lock:
            done = [row.done_at for row in self._memory.tables.rows.values() if row.state == "completed"]
        lately = [at for at in done if at > max(done) - PACE_SECONDS]
        if not lately or max(lately) == min(lately):
            return None
        return Throughput(60.0 * len(lately) / (max(lately) - min(lately)), max(lately))

    def completed(self) -> Iterator[tuple[str, int]]:
        with self._memory.lock:
            rows = sorted(self._memory.tables.rows.items())
        yield from ((key, row.chunks) for key, row in rows if row.state == "completed")


def _known(row: Row) -> KnownNote:
    note = row.note
    return KnownNote(
        note.fingerprint,
        row.state,
        row.attempts,
        note.source,
        note.file,
        note.document.patient_id,
        note.version,
    )
