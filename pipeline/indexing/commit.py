"""Writes what is done into store and ledger, removes notes from both, and tells who waits for the end of a note.

Decides the order: vectors first, ledger last, the listener after both. In one database both commit together; in two, a
crash between them repeats an idempotent write. Waits for a store that is away. Refuses to know how vectors came to be.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import tenacity

from pipeline.errors import StoreUnavailable
from pipeline.logs import LOGGER
from pipeline.ports import Ledger, Store
from pipeline.records import Claim, EmbeddedDocument

Result = TypeVar("Result")
OnCommitted: TypeAlias = Callable[[Sequence[str]], None]

STORE_WAIT_SECONDS_MAX = 5.0
"""Longest pause between two attempts to reach a store that is away; an end that is asked for is noticed after it."""

GROUP_NOTES = 500
"""Notes asked for together, of those that another worker may have done."""


@dataclass(slots=True)
class CommitNotices:
    """Tells a listener which notes of a run are done: each once, and never before store and ledger have committed.

    Done is what nothing has to follow for: stored now or unchanged since, rejected, withdrawn, passed over. A note that
    waits, is in work or failed is not. When a note is told, every record of it that was taken from the source so far is
    done: a source may take them as acknowledged. For that, what is committed while the source is read is told once the
    records read by then are staged. Safe to share between the reader and the worker; the listener is called by one of
    them at a time, and an error of it ends the run.
    """

    ledger: Ledger
    listener: OnCommitted | None
    """None: no one listens, and nothing is remembered."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: set[str] = field(default_factory=set)
    _open: set[str] = field(default_factory=set)
    """Read, and not done when they were looked at."""
    _committed: list[str] = field(default_factory=list)
    """While the source is read."""
    _all_read: bool = False

    def staged(self, resource_ids: Iterable[str | None]) -> None:
        """Called between two groups of records, by the reader: those of these ids are staged or settled."""
        if self.listener is None:
            return
        with self._lock:
            self._tell([*self._committed, *(key for key in resource_ids if key is not None)])
            self._committed.clear()

    def all_read(self) -> None:
        """No record will be taken from the source any more."""
        with self._lock:
            self._all_read = True
            self._tell(self._committed)
            self._committed.clear()

    def committed(self, resource_ids: Sequence[str]) -> None:
        """Called after each commit of a batch."""
        if self.listener is None:
            return
        with self._lock:
            if self._all_read:
                self._tell(resource_ids)
            else:
                self._committed += resource_ids

    def end(self) -> None:
        """Tell also what another worker has done meanwhile. Where the reading was cut short, nothing is added."""
        with self._lock:
            waiting = sorted(self._open) if self._all_read else []
            for start in range(0, len(waiting), GROUP_NOTES):
                self._tell(waiting[start : start + GROUP_NOTES])

    def _tell(self, resource_ids: Iterable[str]) -> None:
        asked = [key for key in dict.fromkeys(resource_ids) if key not in self._told]
        if self.listener is None or not asked:
            return
        known = self.ledger.known(asked)
        done = [key for key in asked if key not in known or known[key].state == "completed"]
        self._open.update(asked)
        self._open.difference_update(done)
        self._told.update(done)
        if done:
            self.listener(done)


@dataclass(frozen=True, slots=True)
class Committer:
    """The one writer of store and ledger together."""

    store: Store
    ledger: Ledger
    patience_seconds: float
    """How long a store that is away is waited for."""
    stop: Callable[[], bool]

    def commit(self, claims: Sequence[Claim], documents: Sequence[EmbeddedDocument]) -> list[Claim]:
        """Store the notes whose claims still hold. Those that held until all was done."""
        return self.patiently(lambda: self._commit(claims, documents))

    def remove(self, resource_ids: Sequence[str]) -> int:
        """Take notes out of store and ledger. How many the store held."""
        return self.patiently(lambda: self._remove(resource_ids))

    def _commit(self, claims: Sequence[Claim], documents: Sequence[EmbeddedDocument]) -> list[Claim]:
        with self.ledger.storing():
            held = [
                (claim, document)
                for claim, document, holds in zip(claims, documents, self.ledger.held(claims), strict=True)
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
            self._delete(self.ledger.overtaken(lost))
        return [claim for claim, _ in held if claim not in lost] if lost else [claim for claim, _ in held]

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
