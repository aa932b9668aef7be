"""Transactions and reads on the connections to IRIS, shared by what stores notes and what stores images.

Decides that all writes of a transaction are committed together, with a new version of the corpus, and which reads are
tried once more. What IRIS refuses leaves as our error. Knows one table, that of the corpus' version.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipeline.backends.iris.connections import Connections, Session
from pipeline.backends.iris.errors import IrisRefusal
from pipeline.backends.iris.upgrades import STORE
from pipeline.errors import StoreUnavailable

T = TypeVar("T")


class Sessions:
    """Safe to share between threads; not across a fork."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are committed together at the end of the outermost one, or undone."""
        with self.session() as session:
            if session.in_transaction:
                yield
                return
            session.in_transaction = True
            try:
                yield
            except BaseException:
                if not session.broken:
                    _undo(session)
                raise
            finally:
                session.in_transaction = False
            if session.broken:
                raise StoreUnavailable(
                    "The connection to IRIS broke within a transaction; nothing of it is stored.",
                    remedy="Run the same command again.",
                )
            if session.wrote:
                change_corpus_version(session)  # last: its row stays locked until the commit
            session.commit()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """This thread's connection; what IRIS refuses leaves as our error."""
        try:
            with self._connections.use() as session:
                yield session
        except IrisRefusal as refusal:
            if refusal.lost:
                self._connections.forget_idle()
            raise refusal.error from None

    def repeated(self, work: Callable[[Session], T], *, committed: bool = False) -> T:
        """Run a read; once more on another connection where the first one broke, or where rows were locked."""
        try:
            return self._read_once(work, committed=committed)
        except IrisRefusal as refusal:
            if refusal.lost:
                self._connections.forget_idle()
            # Within a transaction nothing is repeated: its writes went with its connection.
            inside = self._connections.current is not None
            if inside or not (refusal.lost or refusal.locked):
                raise refusal.error from None
        try:
            return self._read_once(work, committed=committed)
        except IrisRefusal as refusal:
            raise refusal.error from None

    def in_transaction(self) -> bool:
        """Whether this thread is inside a transaction."""
        current = self._connections.current
        return current is not None and current.in_transaction

    def close(self) -> None:
        self._connections.close()

    def _read_once(self, work: Callable[[Session], T], *, committed: bool) -> T:
        level = "read_committed" if committed else "read_uncommitted"
        with self._connections.use() as session:
            session.isolate(level)
            return work(session)


def change_corpus_version(session: Session) -> None:
    session.execute("update_corpus_version", (uuid.uuid4().hex, STORE))


def _undo(session: Session) -> None:
    """Roll back; where even that fails the connection is closed, and IRIS undoes its work with it."""
    try:
        session.rollback()
    except IrisRefusal:
        session.broken = True
