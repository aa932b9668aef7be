"""One worker: takes notes from the ledger, has them embedded and stored, until none is left that may come.

Decides how many batches are in flight, what to wait for and when a run of failures ends the run. A run that is cut off
anywhere goes on from the ledger, and repeats at most the batch that was in work. Knows ports, no back-end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from pipeline.errors import ChartwellError, ProviderError, UnreadableImage
from pipeline.indexing.acknowledgement import CommitNotices
from pipeline.indexing.background_reader import BackgroundReader
from pipeline.indexing.commit import Committer
from pipeline.indexing.embedding import EmbeddingPool, PendingBatch, VectorCache
from pipeline.indexing.material import Material, Piece
from pipeline.indexing.poison import BatchFinisher
from pipeline.indexing.rejections import image_rejection
from pipeline.indexing.run_counts import Observer, RejectionSink, RunCounts
from pipeline.logs import LOGGER, fault_fields
from pipeline.ports import Embedder, ImageEmbedder, Ledger
from pipeline.records import Claim, HeldElsewhere, ImageReference, MaterialKind, StagedMaterial

ChunkedNote: TypeAlias = tuple[StagedMaterial, Sequence[Piece]]
ClaimedBatch: TypeAlias = tuple[list[Claim], PendingBatch]

BATCHES_IN_WORK_MAX = 16
"""Bounds memory where every vector is kept already and nothing has to be waited for."""

FAILED_BATCHES_MAX = 3
"""Batches in a row whose requests failed although they were tried again for minutes: then the run ends. One alone is
bad luck: where a fifth of all requests fails, one in 16,000 fails six times."""

LOOK_SECONDS = 0.5
"""How often a worker without work looks whether there is some."""

CUTTING_FAULT: Mapping[MaterialKind, str] = {
    "notes": "The note could not be cut into passages, because of a fault in this program.",
    "images": "The image could not be prepared, because of a fault in this program.",
}

_NOT_CUT: Mapping[MaterialKind, str] = {
    "notes": "a note could not be cut into passages",
    "images": "an image could not be prepared",
}


@dataclass(frozen=True)
class Worker:
    """Works off the ledger, batch by batch. `reading`: who puts notes into it meanwhile; None where all are there."""

    embedder: Embedder | ImageEmbedder
    ledger: Ledger
    material: Material
    committer: Committer
    notices: CommitNotices
    cache: VectorCache
    rejections: RejectionSink
    observer: Observer
    batch_size: int
    stop: Callable[[], bool]
    tally: RunCounts
    reading: BackgroundReader | None = None
    _waited_for: set[tuple[str, float]] = field(default_factory=set)
    _ahead: deque[list[Claim]] = field(default_factory=deque)
    """Claimed, and being got ready."""

    def work(self) -> None:
        """Embed and store what waits in the ledger; the next batches are in flight meanwhile."""
        size = self.material.pieces_at_once
        pool = EmbeddingPool(self.material, self.embedder, self.cache, request_texts=size, stop=self.stop)
        try:
            with self.ledger.heartbeat(), pool:
                self._finish_batches(pool)
        except ChartwellError as error:
            if not (error.transient and self.stop()):
                raise
            LOGGER.info("what the end cut short waits in the ledger", extra={"code": error.code})
        finally:
            # Whatever ends the run, what it still holds goes back immediately: no one should wait for its lease.
            self.tally.embedding_seconds += pool.busy_seconds
            self.ledger.release()

    def _finish_batches(self, pool: EmbeddingPool) -> None:
        finisher = BatchFinisher(
            self.ledger,
            self.material,
            self.committer,
            self.notices,
            pool,
            self.tally,
            self.rejections,
            self.stop,
        )
        failed = 0
        for claims, batch in self._in_flight(pool):
            try:
                finisher.finish(claims, batch)
            except ProviderError as error:
                failed += 1
                if not error.transient or self.stop() or failed > FAILED_BATCHES_MAX:
                    raise
                self.ledger.give_back(claims)
                LOGGER.warning("a batch waits for another try", extra={"code": error.code})
            else:
                failed = 0
            self.observer.batch(self.tally)

    def _in_flight(self, pool: EmbeddingPool) -> Iterator[ClaimedBatch]:
        """Claimed batches in order, enough of them in work to keep the embedder busy while one is stored."""
        window: deque[ClaimedBatch] = deque()
        while True:
            while self._wants_more(window) and not self.stop():
                claims = self._next_claims()
                if not claims:
                    break
                split = self._split_each(claims)
                if split:
                    window.append(([claim for claim, _ in split], pool.begin([note for _, note in split])))
            if window:
                yield window.popleft()
            elif self.stop() or not self._more_to_come():
                return

    def _next_claims(self) -> list[Claim]:
        """Of material that takes time to be read, some batches are claimed ahead, and read meanwhile."""
        while len(self._ahead) <= self.material.read_ahead:
            claims = self.ledger.claim(self.batch_size)
            if not claims:
                break
            self.material.begin([claim.document for claim in claims])
            self._ahead.append(claims)
        return self._ahead.popleft() if self._ahead else []

    def _wants_more(self, window: Sequence[ClaimedBatch]) -> bool:
        """Of what is read ahead one beyond the batch that is stored next, which the embedder has meanwhile. Of notes
        not: where their vectors are stored with the batch and not before, a kill would cost both."""
        waiting = sum(batch.running for _, batch in window)
        least = 2 if self.material.read_ahead else 1
        return len(window) < least or (
            waiting < 2 * self.material.calls_at_once - 1 and len(window) < BATCHES_IN_WORK_MAX
        )

    def _more_to_come(self) -> bool:
        """Wait a moment for more work: from the reader, or from another worker that dies. False where none can come."""
        if self.reading is not None:
            if self.reading.failed:
                return False
            if self.reading.wait(LOOK_SECONDS):
                return True
        if (elsewhere := self.ledger.elsewhere()) is not None:
            self._say_what_is_waited_for(elsewhere)
            time.sleep(LOOK_SECONDS)
            return True
        return self.ledger.claimable()  # given back by another worker since the last look

    def _say_what_is_waited_for(self, elsewhere: HeldElsewhere) -> None:
        """Once for each worker, and again for each lease of it that is renewed."""
        if (elsewhere.owner, elsewhere.until) in self._waited_for:
            return
        self._waited_for.add((elsewhere.owner, elsewhere.until))
        kind = self.material.kind
        until = datetime.fromtimestamp(elsewhere.until, UTC).isoformat(timespec="seconds")
        LOGGER.warning(
            f"waiting for {kind} that another worker holds; they are taken over where it stays silent",
            extra={kind: elsewhere.notes, "worker": elsewhere.owner, "until": until},
        )

    def _split_each(self, claims: Sequence[Claim]) -> list[tuple[Claim, ChunkedNote]]:
        """The notes cut into passages. A fault of ours parks the note that set it off, and no other; an image that is
        not read is rejected."""
        split: list[tuple[Claim, ChunkedNote]] = []
        for claim in claims:
            try:
                split.append((claim, (claim.document, self.material.split(claim.document))))
            except UnreadableImage as error:
                self._reject(claim, error)
            except ChartwellError:
                raise
            except Exception as error:  # noqa: BLE001  whatever a text may set off, the next note has another one
                fault = fault_fields(error)
                said = CUTTING_FAULT[self.material.kind]
                LOGGER.error(_NOT_CUT[self.material.kind], extra=fault)
                where = f"It is a {fault['error']} at {fault['place']}."
                self.ledger.fail(claim, f"{said} {where}")
                if isinstance(claim.document, ImageReference):
                    told = f"{where} Report it, and the file's kind."
                    self.rejections.write(image_rejection(claim.document, "fault", said, told))
                self.tally.failed += 1
                self.tally.reasons[said] += 1
        return split

    def _reject(self, claim: Claim, error: UnreadableImage) -> None:
        """Told like a record that could not be taken, and parked, so that the next run tries it again."""
        reference = claim.document
        assert isinstance(reference, ImageReference)
        self.ledger.fail(claim, str(error))
        rejection = image_rejection(reference, error.kind, error.what, error.remedy)
        self.rejections.write(rejection)
        self.tally.count_rejection(rejection)
        self.tally.refused_at_work += 1
        self.tally.waiting -= 1
