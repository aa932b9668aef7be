"""Indexing, top to bottom: ingest, validate, stage, chunk, embed, store.

Reading puts every new or changed note into the ledger; working, beside it, takes notes from the ledger until none is
left. A run that is cut off anywhere goes on from the ledger, at once and not only when all is read again, and repeats
at most the batch that was in work. Knows ports and stages, no back-end and no file format.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol, TypeAlias, TypeVar

import tenacity

from pipeline.config import IndexingSettings
from pipeline.errors import (
    ChartwellError,
    ConnectionBroken,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RequestInvalid,
    ResponseInvalid,
    StoreRejectedRow,
    StoreUnavailable,
)
from pipeline.indexing.background_reader import BackgroundReader
from pipeline.indexing.chunking import CHUNKER_VERSION, chunk_document
from pipeline.indexing.embedding import (
    EmbeddedBatch,
    EmbeddingPool,
    PendingBatch,
    StoredVectors,
    VectorCache,
)
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.ledger import Claim, Elsewhere, Ledger
from pipeline.indexing.run_counts import RejectionSink, RunCounts
from pipeline.indexing.staging import Stager, fingerprint_under, identify
from pipeline.indexing.validation import NO_PREFIXES, accept_all
from pipeline.logs import LOGGER, place_of
from pipeline.ports import Embedder, Store, text_tokens_max
from pipeline.records import Chunk, Document, EmbeddingSpace, Rejection, SourceRecord

__all__ = ["Indexing", "Observer", "RejectionSink", "RunCounts", "passage_tokens_max", "recipe"]

Result = TypeVar("Result")
Note: TypeAlias = tuple[Document, list[Chunk]]

STAGING_NOTES = 500
"""Notes staged per commit: large enough that the commit is no cost, small enough that little is read twice."""

BATCHES_IN_WORK_MAX = 16
"""Bounds memory where every vector is kept already and nothing has to be waited for."""

OPTIMISE_NOTES = 100
"""A run that stored fewer leaves the store's indexes as they are."""

POISON = (RequestInvalid, ResponseInvalid, StoreRejectedRow)
"""Errors that one note can cause for its whole batch. Any other error stops the run: it would meet every note."""

SUSPICIOUS = (Overloaded, ProviderTimeout, ConnectionBroken)
"""Errors of a server that is away, and of one that fails on a single text whenever it meets it. Which of the two it is
says another text."""

SUSPECT_TRIES = 4
"""How often a server must fail on a note, and answer another text right afterwards, before it is the note: where a
fifth of all requests fails, one note in 600 is taken for the culprit, and is tried again by the next run."""

SUSPICIOUS_ATTEMPTS = 2
"""Attempts of a request once a note was found to be the culprit: there may be many, and trying each for minutes would
take hours."""

CUTTING_FAULT = "The note could not be cut into passages, because of a fault in this program."

POISONED_MAX = 8
"""Where every note of a batch of this size or more fails alone, it is not the notes."""

FAILED_BATCHES_MAX = 3
"""Batches in a row whose requests failed although they were tried again for minutes: then the run ends. One alone is
bad luck: where a fifth of all requests fails, one in 16,000 fails six times."""

LOOK_SECONDS = 0.5
"""How often a worker without work looks whether there is some."""

STORE_WAIT_SECONDS_MAX = 5.0
"""Longest pause between two attempts to reach a store that is away; an end that is asked for is noticed after it."""


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


@dataclass(frozen=True)
class Indexing:
    """The parts of one indexing run. `stop` is asked between batches; once true, the run ends cleanly."""

    embedder: Embedder
    store: Store
    ledger: Ledger
    settings: IndexingSettings
    rejections: RejectionSink
    observer: Observer
    stop: Callable[[], bool] = lambda: False
    retry_failed: bool = False
    spool: VectorCache | None = None
    """Where vectors wait between embedder and store. None: the store shares the ledger's database and needs none."""
    prefixes: Prefixes = NO_PREFIXES
    _waited_for: set[tuple[str, float]] = field(default_factory=set)

    @property
    def keeper(self) -> VectorCache:
        return self.spool or StoredVectors(self.store)

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
        tally = RunCounts()
        self.store.prepare(self.embedder.space)
        self.ledger.prepare()
        identify(self.ledger, self.store)
        tally.waiting, before = self._waiting(), self.ledger.counts()["completed"]

        def read(reading: BackgroundReader) -> None:
            self.stage(records, tally, reading, whole=complete_sources)
            if complete_sources and not tally.interrupted:
                self.reconcile(sources, tally, prune=prune)
            self.observer.working(tally.waiting, before)

        with BackgroundReader(read) as reading:
            self.work(tally, reading)
        if tally.embedded >= OPTIMISE_NOTES and not tally.interrupted:
            self._patiently(self.store.optimise)
        return tally

    def _waiting(self) -> int:
        counts = self.ledger.counts()
        return counts["pending"] + counts["processing"]

    def stage(
        self,
        records: Iterable[SourceRecord | Rejection],
        tally: RunCounts,
        reading: BackgroundReader | None = None,
        *,
        whole: bool = True,
        mirrored: bool = False,
    ) -> None:
        """Read and validate; put what is new or changed into the ledger. `reading`: who works beside it. `whole`: the
        records are not cut short. `mirrored`: they come from another store, and every one of them counts."""
        stager = self._stager(tally, mirrored=mirrored)
        stager.begin()
        outcomes = accept_all(records, self.settings, self.prefixes)
        while group := list(islice(outcomes, STAGING_NOTES)):
            stager.take(group)
            self.observer.read(tally)
            if reading is not None:
                reading.tell()
            if self.stop() or (reading is not None and reading.unwanted):
                tally.interrupted = True
                break
        if not mirrored:
            stager.end(whole=whole and not tally.interrupted)

    def _stager(self, tally: RunCounts, *, mirrored: bool) -> Stager:
        return Stager(
            self.ledger,
            tally,
            self.rejections,
            recipe(self.embedder.space, self.settings),
            float("inf") if self.retry_failed else self.settings.attempts_max,
            lambda keys: self._patiently(lambda: self._forget(keys)),
            self.prefixes,
            mirrored,
        )

    def reconcile(self, sources: Sequence[str], tally: RunCounts, *, prune: bool) -> None:
        """Find notes that these sources once held; remove them only where that was asked for, and where all was read:
        what could not be read may hold any of them."""
        missing = self.ledger.missing(sources)
        if prune and missing and not tally.unread:
            tally.pruned = self._patiently(lambda: self._forget(missing))
        else:
            tally.missing = tuple(missing)

    def work(self, tally: RunCounts, reading: BackgroundReader | None = None) -> None:
        """Embed and store what waits in the ledger, batch by batch; the next batches are under way meanwhile."""
        if reading is None:
            tally.waiting = self._waiting()
            self.observer.working(tally.waiting, self.ledger.counts()["completed"])
        size = self.embedder.texts_at_once
        pool = EmbeddingPool(self.embedder, self.keeper, request_texts=size, stop=self.stop)
        try:
            with self.ledger.heartbeat(), pool:
                failed = 0
                for claims, batch in self._under_way(pool, reading, tally):
                    try:
                        self._index(pool, claims, batch, tally)
                    except ProviderError as error:
                        failed += 1
                        if not error.transient or self.stop() or failed > FAILED_BATCHES_MAX:
                            raise
                        self.ledger.give_back(claims)
                        LOGGER.warning("a batch waits for another try", extra={"code": error.code})
                    else:
                        failed = 0
                    self.observer.batch(tally)
        except ChartwellError as error:
            if not (error.transient and self.stop()):
                raise
            LOGGER.info("what the end cut short waits in the ledger", extra={"code": error.code})
        finally:
            # Whatever ends the run, what it still holds goes back at once: nobody should wait for its lease.
            tally.embedding_seconds += pool.busy_seconds
            self.ledger.release()
        unread = reading is not None and not reading.ended
        tally.interrupted |= self.stop() and (unread or self._waiting() > 0)

    def _under_way(
        self, pool: EmbeddingPool, reading: BackgroundReader | None, tally: RunCounts
    ) -> Iterator[tuple[list[Claim], PendingBatch]]:
        """Claimed batches in order, enough of them in work to keep the embedder busy while one is stored."""
        window: deque[tuple[list[Claim], PendingBatch]] = deque()
        while True:
            while self._wants_more(window) and not self.stop():
                claims = self.ledger.claim(self.settings.batch_size)
                if not claims:
                    break
                split = self._split_each(claims, tally)
                if split:
                    window.append(([claim for claim, _ in split], pool.begin([note for _, note in split])))
            if window:
                yield window.popleft()
            elif self.stop() or not self._more_to_come(reading):
                return

    def _more_to_come(self, reading: BackgroundReader | None) -> bool:
        """Wait a moment for more work: from the reader, or from another worker that dies. False where none can come."""
        if reading is not None:
            if reading.failed:
                return False
            if reading.wait(LOOK_SECONDS):
                return True
        if (elsewhere := self.ledger.elsewhere()) is not None:
            self._say_what_is_waited_for(elsewhere)
            time.sleep(LOOK_SECONDS)
            return True
        return self.ledger.claimable()  # given back by another worker since the last look

    def _say_what_is_waited_for(self, elsewhere: Elsewhere) -> None:
        """Once for each worker, and again for each lease of it that is renewed."""
        if (elsewhere.owner, elsewhere.until) in self._waited_for:
            return
        self._waited_for.add((elsewhere.owner, elsewhere.until))
        until = datetime.fromtimestamp(elsewhere.until, UTC).isoformat(timespec="seconds")
        LOGGER.warning(
            "waiting for notes that another worker holds; they are taken over where it stays silent",
            extra={"notes": elsewhere.notes, "worker": elsewhere.owner, "until": until},
        )

    def _wants_more(self, window: Sequence[tuple[list[Claim], PendingBatch]]) -> bool:
        waiting = sum(batch.running for _, batch in window)
        return not window or (
            waiting < 2 * self.embedder.calls_at_once - 1 and len(window) < BATCHES_IN_WORK_MAX
        )

    def _index(
        self, pool: EmbeddingPool, claims: Sequence[Claim], batch: PendingBatch, tally: RunCounts
    ) -> None:
        """Finish one batch. Where a note poisons it, each is tried alone, and only the culprit is parked."""
        poison = self._try(lambda: batch, claims, tally)
        if poison is None:
            return
        poisoned = [(claims[0], poison)]
        if isinstance(poison, SUSPICIOUS):
            self._insist_on_an_answer(pool, poison)
            poisoned = [(claim, error) for claim in claims if (error := self._suspect(pool, claim, tally))]
        elif len(claims) > 1:
            poisoned = [
                (claim, error) for claim in claims if (error := self._index_alone(pool, claim, tally))
            ]
        if len(poisoned) == len(claims) >= POISONED_MAX:
            raise poisoned[0][1]
        for claim, error in poisoned:
            self.ledger.fail(claim, str(error))
            tally.failed += 1
            tally.reasons[f"{type(error).code}: {error.what}"] += 1

    def _index_alone(
        self, pool: EmbeddingPool, claim: Claim, tally: RunCounts, attempts: int | None = None
    ) -> ChartwellError | None:
        def begun() -> PendingBatch:
            return pool.begin([(claim.document, self.split(claim.document))], alone=True, attempts=attempts)

        return self._try(begun, [claim], tally)

    def _suspect(self, pool: EmbeddingPool, claim: Claim, tally: RunCounts) -> ChartwellError | None:
        """Try one note while the server is seen to answer. Its error, where the server fails on it and on nothing
        else; raises that where the server has gone away."""
        error: ChartwellError | None = None
        for _ in range(SUSPECT_TRIES):
            error = self._index_alone(pool, claim, tally, attempts=1)
            if not isinstance(error, SUSPICIOUS):
                return error
            self._insist_on_an_answer(pool, error)
            if isinstance(error, ProviderTimeout):
                break  # each try takes as long as an answer may take
        pool.attempts = SUSPICIOUS_ATTEMPTS
        return error

    def _insist_on_an_answer(self, pool: EmbeddingPool, error: ProviderError) -> None:
        """Raises `error` where the server does not answer a neutral text either."""
        if self.stop():
            raise error
        try:
            self.embedder.check()
        except ProviderError:
            pool.attempts = None
            raise error from None

    def _try(
        self, batch: Callable[[], PendingBatch], claims: Sequence[Claim], tally: RunCounts
    ) -> ChartwellError | None:
        """Store a batch once it is embedded; the error, where a note in it may be the cause."""
        try:
            self._commit(claims, batch().wait(), tally)
        except (*POISON, *SUSPICIOUS) as error:
            return error
        return None

    def _commit(self, claims: Sequence[Claim], batch: EmbeddedBatch, tally: RunCounts) -> None:
        """Vectors first, ledger last. In one database both commit at once; in two, a crash between them repeats an
        idempotent write."""
        done = self._patiently(lambda: self._store(claims, batch))
        tally.embedded += done
        tally.chunks_embedded += batch.chunks_embedded
        tally.chunks_reused += batch.chunks_reused

    def _store(self, claims: Sequence[Claim], batch: EmbeddedBatch) -> int:
        """Store the notes whose claims still hold. How many those were when all was done."""
        with self.ledger.storing():
            held = [
                (claim, document)
                for claim, document, holds in zip(
                    claims, batch.documents, self.ledger.held(claims), strict=True
                )
                if holds
            ]
            replaced = [claim.replaces for claim, _ in held if claim.replaces]
            with self.store.transaction():
                self.store.upsert([document for _, document in held])
                if replaced:
                    self.store.delete(replaced)
            lost = self.ledger.complete([(claim, len(document.chunks)) for claim, document in held])
            if replaced:
                kept = {claim.replaces for claim in lost}
                self.ledger.forget(key for key in replaced if key not in kept)
        if lost:
            self._remove(self.ledger.overtaken(lost))
        return len(held) - len(lost)

    def _remove(self, resource_ids: Sequence[str]) -> int:
        with self.store.transaction():
            return self.store.delete(resource_ids)

    def _forget(self, resource_ids: Sequence[str]) -> int:
        with self.ledger.removing(resource_ids):
            return self._remove(resource_ids)

    def _patiently(self, write: Callable[[], Result]) -> Result:
        """`write`, an idempotent one, until the store can be reached, within the settings' patience."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreUnavailable),
            wait=tenacity.wait_exponential(multiplier=0.25, max=STORE_WAIT_SECONDS_MAX),
            stop=lambda state: (
                self.stop() or (state.seconds_since_start or 0.0) > self.settings.store_patience_seconds
            ),
            before_sleep=lambda state: LOGGER.warning(
                "the store cannot be reached; waiting for it",
                extra={"attempt": state.attempt_number, "seconds": round(state.upcoming_sleep, 1)},
            ),
            reraise=True,
        )
        return retrying(write)

    def _split_each(self, claims: Sequence[Claim], tally: RunCounts) -> list[tuple[Claim, Note]]:
        """The notes cut into passages. A fault of ours parks the note that set it off, and no other."""
        split: list[tuple[Claim, Note]] = []
        for claim in claims:
            try:
                split.append((claim, (claim.document, self.split(claim.document))))
            except ChartwellError:
                raise
            except Exception as error:  # noqa: BLE001  whatever a text may set off, the next note has another one
                fault = {"error": type(error).__name__, "place": place_of(error)}
                LOGGER.error("a note could not be cut into passages", extra=fault)
                self.ledger.fail(claim, f"{CUTTING_FAULT} It is a {fault['error']} at {fault['place']}.")
                tally.failed += 1
                tally.reasons[CUTTING_FAULT] += 1
        return split

    def cut_by_an_earlier_release(self, document: Document, fingerprint: str) -> bool:
        """Whether the ledger's fingerprint is that of this very note, under the rules of an earlier chunker."""
        space, note = self.embedder.space, document.fingerprint()
        earlier = (recipe(space, self.settings, version) for version in range(1, CHUNKER_VERSION))
        return any(fingerprint == fingerprint_under(rules, note) for rules in earlier)

    def split(self, document: Document) -> list[Chunk]:
        return chunk_document(
            document,
            count_tokens=self.embedder.count_tokens,
            tokens_max=passage_tokens_max(self.embedder, self.settings),
        )


def recipe(space: EmbeddingSpace, settings: IndexingSettings, chunker: int = CHUNKER_VERSION) -> str:
    """Everything besides the note itself that its stored form depends on."""
    return f"chunker {chunker}, {settings.chunk_tokens_max} tokens, {space.id}"


def passage_tokens_max(embedder: Embedder, settings: IndexingSettings) -> int:
    """The longest passage in tokens: the wish, within what the model reads."""
    return min(settings.chunk_tokens_max, text_tokens_max(embedder, "passage"))
