"""Brings a second store level with the one that serves: each note is read there and goes through the indexing flow.

Decides what differs between two stores and in which order it is repaired. Because it is the indexing flow with a ledger
of its own, a pass that is cut off goes on where it was, and a note that did not change costs no embedding. The store
that serves is only read. Knows ports, no back-end, and not why there are two stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter

from pipeline.config import IndexingSettings
from pipeline.indexing.flow import Indexing, RunCounts
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.validation import NO_PREFIXES, ValidNote, accept
from pipeline.ports import Ledger, Store
from pipeline.records import Document, Rejection, SourceRecord, is_of_library

UNKNOWN_SOURCE = "the space before"
"""Source of a note that the serving space's ledger does not know."""
NOTES_ASKED = 500
"""Notes whose source is looked up together."""


@dataclass(frozen=True, slots=True)
class CatchUpPass:
    """What one comparison of all notes found and did."""

    notes: int
    """Notes in the store that serves."""
    stored: int
    """Notes that were new or changed there, embedded and stored here."""
    removed: int
    """Notes that were no longer there."""
    rejected: int
    failed: int
    chunks_embedded: int
    interrupted: bool

    @property
    def level(self) -> bool:
        """Nothing differed that can be repaired."""
        return not (self.stored or self.removed or self.interrupted)


def catch_up(source: Store, ledger: Ledger, indexing: Indexing) -> Iterator[CatchUpPass]:
    """`ledger` is that of `source`. Passes until nothing differs any more, or the run is stopped."""
    while True:
        done = one_pass(source, ledger, indexing)
        yield done
        if done.level or done.interrupted:
            return


def one_pass(source: Store, ledger: Ledger, indexing: Indexing) -> CatchUpPass:
    """Compare every note of `source` with the store of `indexing`, and repair what differs."""
    tally, seen = RunCounts(), set[str]()
    indexing.store.prepare(indexing.embedder.space)
    indexing.ledger.prepare()
    indexing.stage(_notes(source, ledger, seen), tally, mirrored=True)
    indexing.ledger.withdraw(ledger.all_withdrawals())
    indexing.ledger.remember_authorities(ledger.all_authorities())
    removed = 0 if tally.interrupted else _remove_others(indexing, seen)
    if not tally.interrupted:
        indexing.work(tally)
    return CatchUpPass(
        notes=len(seen),
        stored=tally.embedded,
        removed=removed,
        rejected=tally.rejected,
        failed=tally.failed,
        chunks_embedded=tally.chunks_embedded,
        interrupted=tally.interrupted,
    )


def accept_stored(
    record: SourceRecord, settings: IndexingSettings, prefixes: Prefixes = NO_PREFIXES
) -> ValidNote | Rejection:
    """As `validation.accept`, of what a store holds: also of the library, whose ids no source of notes may have."""
    if not is_of_library(str(record.fields["resource_id"])):
        return accept(record, settings, prefixes)
    document = Document(**record.fields)
    fingerprint = document.fingerprint()
    return ValidNote(document, record.source, record.position, fingerprint, record.file, record.version)


def note_ids(store: Store) -> Iterator[str]:
    """Every stored note once, in the order of ids."""
    for resource_id, _ in groupby(store.chunk_ids(), key=itemgetter(0)):
        yield resource_id


def _notes(source: Store, ledger: Ledger, seen: set[str]) -> Iterator[SourceRecord]:
    """Each note with where it was once read and in which version: so that pruning, versions and corrections work in the
    new space as they did in the old."""
    for group in _groups(note_ids(source)):
        known = ledger.known(group)
        for resource_id in group:
            document = source.document(resource_id)
            if document is None:
                continue  # removed since it was listed
            seen.add(resource_id)
            place = known.get(resource_id)
            yield SourceRecord(
                place.source if place else UNKNOWN_SOURCE,
                f"note {resource_id}",
                document.fields(),
                file=place.file if place else "",
                version=place.version if place else None,
                patient=document.patient,
            )


def _remove_others(indexing: Indexing, seen: set[str]) -> int:
    """Remove notes that the serving store no longer holds, also those that only failed here."""
    failed = [failure.resource_id for failure in indexing.ledger.failures(-1)]
    gone = [key for key in note_ids(indexing.store) if key not in seen]
    forgotten = [key for key in failed if key not in seen]
    removed = 0
    for group in _groups([*gone, *forgotten]):
        with indexing.ledger.transaction(), indexing.store.transaction():
            removed += indexing.store.delete(group)
            indexing.ledger.forget(group)
    return removed


def _groups(ids: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(ids)
    while group := list(islice(iterator, NOTES_ASKED)):
        yield group
