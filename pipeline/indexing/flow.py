"""Indexing, top to bottom: ingest, validate, stage, chunk, embed, store.

Reading puts every new or changed note into the ledger; working, alongside it, takes notes from the ledger until none is
left. A run that is cut off anywhere goes on from the ledger, immediately and not only when all is read again, and
repeats at most the batch that was in work. Knows ports and stages, no back-end and no file format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.config import IndexingSettings
from pipeline.indexing.acknowledgement import CommitNotices, OnCommitted
from pipeline.indexing.background_reader import BackgroundReader
from pipeline.indexing.chunking import Chunker
from pipeline.indexing.commit import Committer
from pipeline.indexing.embedding import StoredVectors, VectorCache
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.material import Material, NoteMaterial
from pipeline.indexing.run_counts import Observer, RejectionSink, RunCounts, SilentObserver
from pipeline.indexing.staging import Stager, StillHeld, identify
from pipeline.indexing.validation import NO_PREFIXES, Accept, accept, accept_all
from pipeline.indexing.worker import Worker
from pipeline.ports import Embedder, ImageEmbedder, Ledger, Store
from pipeline.records import Rejection, SourceRecord

__all__ = ["Indexing", "Observer", "RejectionSink", "RunCounts", "SilentObserver"]

STAGING_NOTES = 500
"""Notes staged per commit: large enough that the commit is no cost, small enough that little is read twice."""

STAGED_FIRST = 32
"""Of material that takes long to be got ready: its first commit is small, so that this begins, and each next twice as
large."""

OPTIMISE_NOTES = 100
"""A run that stored fewer leaves the store's indexes as they are."""


@dataclass(frozen=True)
class Indexing:
    """The parts of one indexing run. `stop` is asked between batches; once true, the run ends cleanly."""

    embedder: Embedder | ImageEmbedder
    store: Store
    ledger: Ledger
    settings: IndexingSettings
    rejections: RejectionSink
    observer: Observer
    stop: Callable[[], bool] = lambda: False
    retry_failed: bool = False
    vector_cache: VectorCache | None = None
    """Where vectors wait between embedder and store. None: the store shares the ledger's database and needs none."""
    prefixes: Prefixes = NO_PREFIXES
    on_committed: OnCommitted | None = None
    """Called with the ids of notes that are done (`acknowledgement.CommitNotices`): for a source that acknowledges."""
    other_material: Material | None = None
    """What is indexed next to the notes of `store`; None: those notes."""
    accept: Accept = accept
    """How a record of that material is judged."""
    still_held: StillHeld | None = None
    """Of a source that may take back what it gave while it is read. None: it does not."""

    @property
    def material(self) -> Material:
        return self.other_material or self.notes

    @property
    def notes(self) -> NoteMaterial:
        return NoteMaterial(self.embedder, self.settings, self.store)  # type: ignore[arg-type]  # notes have a text embedder

    @property
    def chunker(self) -> Chunker:
        return self.notes.chunker

    @property
    def committer(self) -> Committer:
        return Committer(self.material.target, self.ledger, self.settings.store_patience_seconds, self.stop)

    def run(
        self,
        records: Iterable[SourceRecord | Rejection],
        *,
        sources: Sequence[str],
        prune: bool = False,
        complete_sources: bool = True,
    ) -> RunCounts:
        """Index every acceptable note of `records`. Safe to run again: what is stored costs no embedding.

        `sources` names where the records come from, `complete_sources` says whether they are all there is (not with
        a limit, not from standard input): only then can a note be missing.
        """
        tally, notices = RunCounts(), CommitNotices(self.ledger, self.on_committed)
        self.material.prepare()
        self.ledger.prepare()
        if self.other_material is None:
            identify(self.ledger, self.store)
        tally.waiting, before = self._waiting(), self.ledger.counts()["completed"]
        outdated: dict[str, str] = {}

        def read(reading: BackgroundReader) -> None:
            self.stage(records, tally, reading, notices, whole=complete_sources)
            if self.material.one_a_file:
                outdated.update(self.ledger.outdated())
            if complete_sources and not tally.interrupted:
                self.reconcile(sources, tally, prune=prune)
            self.observer.working(tally.waiting, before)

        with BackgroundReader(read) as reading:
            self._worker(tally, notices, reading).work()
            tally.interrupted |= self.stop() and (not reading.ended or self._waiting() > 0)
        notices.end()
        self._replace(outdated, tally)
        if tally.embedded >= OPTIMISE_NOTES and not tally.interrupted:
            self.committer.patiently(self.material.optimise)
        return tally

    def stage(
        self,
        records: Iterable[SourceRecord | Rejection],
        tally: RunCounts,
        reading: BackgroundReader | None = None,
        notices: CommitNotices | None = None,
        *,
        whole: bool = True,
        mirrored: bool = False,
    ) -> None:
        """Read and validate; put what is new or changed into the ledger. `reading`: who works alongside it. `whole`:
        the records are not cut short. `mirrored`: they come from another store, and every one of them counts."""
        notices = notices or CommitNotices(self.ledger, None)
        stager = self._stager(tally, mirrored=mirrored)
        stager.begin()
        outcomes = accept_all(records, self.settings, self.prefixes, self.accept)
        at_once = min(STAGED_FIRST, STAGING_NOTES) if self.material.read_ahead else STAGING_NOTES
        while group := list(islice(outcomes, at_once)):
            at_once = min(2 * at_once, STAGING_NOTES)
            stager.take(group)
            notices.staged(outcome.resource_id for outcome in group)
            self.observer.read(tally)
            if reading is not None:
                reading.tell()
            if self.stop() or (reading is not None and reading.unwanted):
                tally.interrupted = True
                break
        notices.all_read()
        if not mirrored:
            stager.end(whole=whole and not tally.interrupted)

    def reconcile(self, sources: Sequence[str], tally: RunCounts, *, prune: bool) -> None:
        """Find notes that these sources once held; remove them only where that was asked for, and where all was read:
        what could not be read may hold any of them."""
        missing = self.ledger.missing(sources)
        if self.still_held is not None and missing:
            held = self.still_held(missing)  # brought by a run alongside this one
            missing = [key for key in missing if key not in held]
        if prune and missing and not tally.unread:
            tally.pruned = self.committer.remove(missing)
        else:
            tally.missing = tuple(missing)

    def _replace(self, outdated: Mapping[str, str], tally: RunCounts) -> None:
        """Remove what files held before, once what they hold now is done: asked for or not, it has changed."""
        known = self.ledger.known({*outdated, *outdated.values()})
        gone = [
            old
            for old, new in outdated.items()
            if old in known and new in known and known[new].state == "completed"
        ]
        if gone:
            tally.replaced = self.committer.remove(gone)
            tally.missing = tuple(key for key in tally.missing if key not in gone)

    def work(self, tally: RunCounts) -> None:
        """Embed and store what waits in the ledger, without reading anything."""
        tally.waiting = self._waiting()
        self.observer.working(tally.waiting, self.ledger.counts()["completed"])
        notices = CommitNotices(self.ledger, self.on_committed)
        notices.all_read()
        self._worker(tally, notices).work()
        tally.interrupted |= self.stop() and self._waiting() > 0

    def _waiting(self) -> int:
        counts = self.ledger.counts()
        return counts["pending"] + counts["processing"]

    def _stager(self, tally: RunCounts, *, mirrored: bool) -> Stager:
        return Stager(
            self.ledger,
            tally,
            self.rejections,
            self.material.recipe,
            float("inf") if self.retry_failed else self.settings.attempts_max,
            self.committer.remove,
            self.prefixes,
            mirrored,
            self.still_held,
        )

    def _worker(
        self, tally: RunCounts, notices: CommitNotices, reading: BackgroundReader | None = None
    ) -> Worker:
        return Worker(
            self.embedder,
            self.ledger,
            self.material,
            self.committer,
            notices,
            self.vector_cache or StoredVectors(self.store),
            self.rejections,
            self.observer,
            self.settings.batch_size,
            self.stop,
            tally,
            reading,
        )
