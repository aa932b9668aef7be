"""Tells who handed in notes, for example a queue of messages, which of them are done.

Decides when a note may be told: once a run, and never before store and ledger have committed. Knows no queue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pipeline.ports import Ledger

OnCommitted: TypeAlias = Callable[[Sequence[str]], None]

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
