"""Remembers jobs: who started what, how far it is, how it ended. The process that runs one keeps its heartbeat fresh.

A job whose runner is gone is "lost", never "running" for ever. Each change by a person has its row in the audit log.
Knows no process.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import or_, select

from pipeline.service.audit.chain import SYSTEM, Actor, AuditLog, SystemActor
from pipeline.service.database.engine import State
from pipeline.service.database.tables import Job, now
from pipeline.service.errors import Conflict, NotKnown

JobState: TypeAlias = Literal["running", "done", "failed", "cancelled", "lost"]
EndState: TypeAlias = Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is kept."""

    id: str
    user_id: str
    kind: str
    state: JobState
    arguments: Mapping[str, Any]
    progress: Mapping[str, Any]
    report: Mapping[str, Any] | None
    error: str | None
    error_code: str | None
    cancel_asked_at: dt.datetime | None
    created_at: dt.datetime
    heartbeat_at: dt.datetime | None
    ended_at: dt.datetime | None


class JobHistory:
    """The jobs of one state."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def begin(self, actor: Actor, kind: str, arguments: Mapping[str, Any]) -> JobRow:
        """A job that runs from now on."""
        with self._state.session() as session:
            at = now()
            row = Job(
                user_id=actor.id,
                kind=kind,
                state="running",
                arguments=dict(arguments),
                progress={},
                created_at=at,
                started_at=at,
                heartbeat_at=at,
            )
            session.add(row)
            session.flush()
            self._audit.append(session, actor, "job-started", f"job:{row.id}", details={"kind": kind})
            return _job(row)

    def advance(self, job_id: str, progress: Mapping[str, Any]) -> bool:
        """Its progress, and that its runner lives. Whether it is asked to end. No row of the audit log."""
        with self._state.session() as session:
            row = session.get(Job, job_id)
            if row is None or row.state != "running":
                return True
            row.progress, row.heartbeat_at = dict(progress), now()
            return row.cancel_asked_at is not None

    def end(
        self,
        job_id: str,
        state: EndState,
        *,
        progress: Mapping[str, Any] | None = None,
        report: Mapping[str, Any] | None = None,
        error: str | None = None,
        error_code: str | None = None,
    ) -> JobRow:
        """How it ended. Raises NotKnown, and Conflict where it had ended before."""
        with self._state.session() as session:
            row = session.get(Job, job_id, with_for_update=True)
            if row is None:
                raise _unknown()
            if row.state != "running":
                raise Conflict(f"The job has ended: {row.state}.", remedy="Look at it again.")
            row.state, row.ended_at = state, now()
            row.progress = dict(progress) if progress is not None else row.progress
            row.report = dict(report) if report is not None else None
            row.error, row.error_code = error, error_code
            self._audit.append(
                session,
                SystemActor(row.user_id, "job"),
                "job-ended",
                f"job:{job_id}",
                outcome="failed" if state == "failed" else "done",
                details={"state": state, "error_code": error_code},
            )
            return _job(row)

    def ask_cancel(self, actor: Actor, job_id: str) -> JobRow:
        """Ask its runner to end it. Raises NotKnown, and Conflict where it has ended."""
        with self._state.session() as session:
            row = session.get(Job, job_id, with_for_update=True)
            if row is None:
                raise _unknown()
            if row.state != "running":
                raise Conflict(f"The job has ended: {row.state}.", remedy="There is nothing to cancel.")
            if row.cancel_asked_at is None:
                row.cancel_asked_at = now()
                self._audit.append(session, actor, "job-cancelled", f"job:{job_id}")
            return _job(row)

    def get(self, job_id: str) -> JobRow | None:
        with self._state.reading() as session:
            row = session.get(Job, job_id)
            return _job(row) if row is not None else None

    def latest(self, limit: int = 50) -> list[JobRow]:
        """The last ones first."""
        with self._state.reading() as session:
            rows = session.scalars(select(Job).order_by(Job.created_at.desc(), Job.id).limit(min(limit, 500)))
            return [_job(row) for row in rows]

    def lose_orphans(self, silent_seconds: float = 0.0) -> int:
        """Mark as lost what no process runs any more: running, and silent for that long. How many.

        At the start of the only service, everything that runs is an orphan: leave it at 0.
        """
        limit = now() - dt.timedelta(seconds=silent_seconds)
        with self._state.session() as session:
            orphans = session.scalars(
                select(Job)
                .where(Job.state == "running", or_(Job.heartbeat_at.is_(None), Job.heartbeat_at <= limit))
                .with_for_update()
            ).all()
            for row in orphans:
                row.state, row.ended_at = "lost", now()
                self._audit.append(session, SYSTEM, "job-lost", f"job:{row.id}", outcome="failed")
            return len(orphans)


def _unknown() -> NotKnown:
    return NotKnown("There is no such job.", remedy="Choose one from the list of jobs.")


def _job(row: Job) -> JobRow:
    state: JobState = "lost"
    for known in ("running", "done", "failed", "cancelled"):
        if row.state == known:
            state = known
    return JobRow(
        id=row.id,
        user_id=row.user_id,
        kind=row.kind,
        state=state,
        arguments=row.arguments,
        progress=row.progress,
        report=row.report,
        error=row.error,
        error_code=row.error_code,
        cancel_asked_at=row.cancel_asked_at,
        created_at=row.created_at,
        heartbeat_at=row.heartbeat_at,
        ended_at=row.ended_at,
    )
