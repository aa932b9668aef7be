"""Which note is to blame where a batch fails: it is parked with its reason, and the rest is stored.

Decides when an error is a note's and when it is the server's. Refuses to know how notes are claimed, and how vectors
are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import (
    ChartwellError,
    ConnectionBroken,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RequestInvalid,
    ResponseInvalid,
    StoreRejectedRow,
)
from pipeline.indexing.acknowledgement import CommitNotices
from pipeline.indexing.commit import Committer
from pipeline.indexing.embedding import EmbeddingPool, PendingBatch
from pipeline.indexing.material import Material
from pipeline.indexing.rejections import image_rejection
from pipeline.indexing.run_counts import RejectionSink, RunCounts
from pipeline.ports import Ledger
from pipeline.records import Claim, ImageReference

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

POISONED_MAX = 8
"""Where every note of a batch of this size or more fails alone, it is not the notes."""


@dataclass(frozen=True, slots=True)
class BatchFinisher:
    """Stores batches once they are embedded, each note or none of it."""

    ledger: Ledger
    material: Material
    committer: Committer
    notices: CommitNotices
    pool: EmbeddingPool
    tally: RunCounts
    rejections: RejectionSink
    stop: Callable[[], bool]

    def finish(self, claims: Sequence[Claim], batch: PendingBatch) -> None:
        """Finish one batch. Where a note poisons it, each is tried alone, and only the culprit is parked."""
        poison = self._try(lambda: batch, claims)
        if poison is None:
            return
        poisoned = [(claims[0], poison)]
        if isinstance(poison, SUSPICIOUS):
            self._insist_on_an_answer(poison)
            poisoned = [(claim, error) for claim in claims if (error := self._suspect(claim))]
        elif len(claims) > 1:
            poisoned = [(claim, error) for claim in claims if (error := self._index_alone(claim))]
        if len(poisoned) == len(claims) >= POISONED_MAX:
            raise poisoned[0][1]
        for claim, error in poisoned:
            self.ledger.fail(claim, str(error))
            self._list(claim, error, "not-embedded")
            self.tally.failed += 1
            self.tally.reasons[f"{type(error).code}: {error.what}"] += 1

    def _try(self, batch: Callable[[], PendingBatch], claims: Sequence[Claim]) -> ChartwellError | None:
        """Store a batch once it is embedded; the error, where a note in it may be the cause."""
        try:
            embedded = batch().wait()
            committed = self.committer.commit(claims, embedded.documents)
        except (*POISON, *SUSPICIOUS) as error:
            return error
        self.tally.embedded += len(committed.done) - committed.outdone
        self.tally.older += committed.outdone
        self.tally.waiting -= committed.outdone
        self.tally.failed += len(committed.refused)
        for claim, refused in committed.refused:
            self.tally.reasons[str(refused)] += 1
            self._list(claim, refused, "id-taken")
        self.tally.chunks_embedded += embedded.chunks_embedded
        self.tally.chunks_reused += embedded.chunks_reused
        self.notices.committed([claim.document.resource_id for claim in committed.done])
        return None

    def _list(self, claim: Claim, error: ChartwellError, kind: str) -> None:
        """An image's file stands in the list of those that were not taken; what else is known of it is a hash."""
        if isinstance(claim.document, ImageReference):
            self.rejections.write(image_rejection(claim.document, kind, error.what, error.remedy))

    def _index_alone(self, claim: Claim, attempts: int | None = None) -> ChartwellError | None:
        def begun() -> PendingBatch:
            note = (claim.document, self.material.split(claim.document))
            return self.pool.begin([note], alone=True, attempts=attempts)

        return self._try(begun, [claim])

    def _suspect(self, claim: Claim) -> ChartwellError | None:
        """Try one note while the server is seen to answer. Its error, where the server fails on it and on nothing
        else; raises that where the server has gone away."""
        error: ChartwellError | None = None
        for _ in range(SUSPECT_TRIES):
            error = self._index_alone(claim, attempts=1)
            if not isinstance(error, SUSPICIOUS):
                return error
            self._insist_on_an_answer(error)
            if isinstance(error, ProviderTimeout):
                break  # each try takes as long as an answer may take
        self.pool.attempts = SUSPICIOUS_ATTEMPTS
        return error

    def _insist_on_an_answer(self, error: ProviderError) -> None:
        """Raises `error` where the server does not answer a neutral text either."""
        if self.stop():
            raise error
        try:
            self.material.check()
        except ProviderError:
            self.pool.attempts = None
            raise error from None
