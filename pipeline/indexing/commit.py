"""Writes what is done into store and ledger, and removes notes from both.

Decides the order: vectors first, ledger last, and only then is anyone told (`acknowledgement`). In one database both
commit together; in two, a crash between them repeats an idempotent write. Waits for a store that is away. Refuses to
know how vectors came to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from pipeline.errors import StoreRejectedRow, StoreUnavailable
from pipeline.indexing.material import EmbeddedMaterial, MaterialStore
from pipeline.logs import LOGGER
from pipeline.ports import Ledger
from pipeline.records import Claim

Result = TypeVar("Result")

STORE_WAIT_SECONDS_MAX = 5.0
"""Longest pause between two attempts to reach a store that is away; an end that is asked for is noticed after it."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a batch."""

    done: list[Claim]
    """Those that held until all was done."""
    outdone: int
    """Of these, those that another record stands for: nothing of them is stored."""
    refused: list[tuple[Claim, StoreRejectedRow]]
    """Parked, each with its reason."""


@dataclass(frozen=True, slots=True)
class Committer:
    """The one writer of store and ledger together."""

    store: MaterialStore
    ledger: Ledger
    patience_seconds: float
    """How long a store that is away is waited for."""
    stop: Callable[[], bool]

    def commit(self, claims: Sequence[Claim], documents: Sequence[EmbeddedMaterial]) -> Committed:
        """Store the notes whose claims still hold."""
        return self.patiently(lambda: self._commit(claims, documents))

    def remove(self, resource_ids: Sequence[str]) -> int:
        """Take notes out of store and ledger. How many the store held."""
        return self.patiently(lambda: self._remove(resource_ids))

    def _commit(self, claims: Sequence[Claim], documents: Sequence[EmbeddedMaterial]) -> Committed:
        with self.ledger.storing():
            held = [
                (claim, document)
                for claim, document, holds in zip(claims, documents, self.ledger.held(claims), strict=True)
                if holds
            ]
            replaced = [claim.replaces for claim, _ in held if claim.replaces]
            with self.store.transaction():
                unstored = self.store.upsert([document for _, document in held]) or {}
                if replaced:
                    self.store.delete(replaced)
            refused = [(claim, reason) for claim, _ in held if (reason := unstored.get(_key(claim)))]
            for claim, reason in refused:
                self.ledger.fail(claim, str(reason))
            counted = [
                (claim, 0 if _key(claim) in unstored else document.parts)
                for claim, document in held
                if not unstored.get(_key(claim))
            ]
            lost = self.ledger.complete(counted)
            if replaced:
                kept = {claim.replaces for claim in lost}
                self.ledger.forget(key for key in replaced if key not in kept)
        if lost:
            self._delete(self.ledger.overtaken(lost))
        done = (
            [claim for claim, _ in counted if claim not in lost] if lost else [claim for claim, _ in counted]
        )
        return Committed(done, len(unstored) - len(refused), refused)

    def _remove(self, resource_ids: Sequence[str]) -> int:
        with self.ledger.removing(resource_ids):
            return self._delete(resource_ids)

    def _delete(self, resource_ids: Sequence[str]) -> int:
        with self.store.transaction():
            return self.store.delete(resource_ids)

    def patiently(self, write: Callable[[], Result]) -> Result:
        """`write`, an idempotent one, until the store can be reached, within the settings' patience."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreUnavailable),
            wait=tenacity.wait_exponential(multiplier=0.25, max=STORE_WAIT_SECONDS_MAX),
            stop=lambda state: self.stop() or (state.seconds_since_start or 0.0) > self.patience_seconds,
            before_sleep=lambda state: LOGGER.warning(
                "the store cannot be reached; waiting for it",
                extra={"attempt": state.attempt_number, "seconds": round(state.upcoming_sleep, 1)},
            ),
            reraise=True,
        )
        return retrying(write)


def _key(claim: Claim) -> str:
    return claim.document.resource_id
