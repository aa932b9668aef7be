"""What one indexing run has done so far, as it goes: counted by the stages, read by the observers."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.records import IndexReport, Rejection


class RejectionSink(Protocol):
    def write(self, rejection: Rejection) -> None: ...


_DECIMAL_ID = re.compile(r"(?<![\w.])\d+\.0\Z")
"""As data frames write a column of whole numbers with a gap; a prefix may stand before it."""


@dataclass
class RunCounts:
    """What happened so far; mutable, of one run."""

    read: int = 0
    accepted: int = 0
    unchanged: int = 0
    duplicates: int = 0
    older: int = 0
    """Records passed over: a newer version of the note is there, or it was withdrawn after this one."""
    rejected: int = 0
    """Records, each of one note."""
    refused_at_work: int = 0
    """Of the rejected, images that had been accepted by what the folder and its tables say of them."""
    unread_files: int = 0
    """Files and inputs that could not be read, or not to their end."""
    withdrawals: int = 0
    """Records by which a source takes a note back, whether that was ever stored or not."""
    new: int = 0
    changed: int = 0
    patient_changed: int = 0
    """Of the changed notes, those that another patient has now."""
    moved: int = 0
    """Notes that did not change and are read from another place now."""
    embedded: int = 0
    failed: int = 0
    given_up: int = 0
    """Notes that failed too often in earlier runs and were not tried again."""
    pruned: int = 0
    replaced: int = 0
    """Stored ones that went because their file holds another one now."""
    withdrawn: int = 0
    """Stored or waiting notes that their source has taken back."""
    missing: tuple[str, ...] = ()
    unread: int = 0
    """Rejections behind which any stored note may be: no id was read, or the rest of a source was not."""
    waiting: int = 0
    """Notes for this run to embed, done or not, as far as is known."""
    chunks_embedded: int = 0
    chunks_reused: int = 0
    embedding_seconds: float = 0.0
    interrupted: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    placeholder_dates: int = 0
    """Accepted notes whose source wrote a date for none, for example 9999-12-31; they have no date."""
    decimal_note_ids: int = 0
    decimal_patient_ids: int = 0
    """Accepted notes whose id, or whose patient's, is a whole number with .0 behind."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def decimal_ids(self) -> tuple[str, ...]:
        """Of note and patient those whose every id so far is a whole number with .0 behind, as data frames write it."""
        counts = {"note": self.decimal_note_ids, "patient": self.decimal_patient_ids}
        return tuple(whose for whose, count in counts.items() if count and count == self.accepted)

    def count_accepted(self, resource_id: str, patient_id: str, *, placeholder_date: bool) -> None:
        self.accepted += 1
        self.placeholder_dates += placeholder_date
        self.decimal_note_ids += _is_decimal(resource_id)
        self.decimal_patient_ids += _is_decimal(patient_id)

    def count_rejection(self, rejection: Rejection) -> None:
        """One judgement of what a rejection stands for: a withdrawn note, a file, or a record with a note."""
        if rejection.withdrawn and rejection.field is None:  # with a field it is our word, not the source's
            self.withdrawals += 1
            return
        self.reasons[rejection.reason] += 1
        if rejection.whole_source:
            self.unread_files += 1
        else:
            self.rejected += 1
        if rejection.whole_source or rejection.resource_id is None:
            self.unread += 1

    def report(self, rejections_file: str | None = None) -> IndexReport:
        return IndexReport(
            read=self.read,
            accepted=max(0, self.accepted - self.refused_at_work),
            unchanged=self.unchanged,
            embedded=self.embedded,
            failed=self.failed,
            given_up=self.given_up,
            rejected=self.rejected,
            duplicates=self.duplicates,
            older=self.older,
            new=self.new,
            changed=self.changed,
            patient_changed=self.patient_changed,
            moved=self.moved,
            unread_files=self.unread_files,
            withdrawals=self.withdrawals,
            pruned=self.pruned,
            withdrawn=self.withdrawn,
            missing=self.missing,
            unread=self.unread,
            chunks_embedded=self.chunks_embedded,
            chunks_reused=self.chunks_reused,
            seconds=time.perf_counter() - self.started,
            embedding_seconds=self.embedding_seconds,
            interrupted=self.interrupted,
            rejections_file=rejections_file,
            reasons=dict(self.reasons),
            placeholder_dates=self.placeholder_dates,
            decimal_ids=self.decimal_ids,
        )


def _is_decimal(key: str) -> bool:
    return key.endswith(".0") and _DECIMAL_ID.search(key) is not None


class Observer(Protocol):
    """Who wants to know how a run is going."""

    def read(self, tally: RunCounts) -> None:
        """Some more records were read."""

    def working(self, waiting: int, done: int) -> None:
        """All is read: notes to embed in this run, and notes that were done before it."""

    def batch(self, tally: RunCounts) -> None:
        """A batch is stored."""


class SilentObserver:
    """An observer that says nothing."""

    def read(self, tally: RunCounts) -> None: ...

    def working(self, waiting: int, done: int) -> None: ...

    def batch(self, tally: RunCounts) -> None: ...
