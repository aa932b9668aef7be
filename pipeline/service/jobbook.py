"""Jobs in the service's database: each change with its row of the audit log, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import select

from pipeline.errors import NotKnown
from pipeline.service.access.policy import Principal
from pipeline.service.audit.chain import SYSTEM, AuditLog
from pipeline.service.jobs import Job, JobState
from pipeline.service.state import models
from pipeline.service.state.database import State, StateSession

KIND = "index-notes"


class StateJobBook:
    """The `JobBook` of `jobs`, kept. Safe to share between threads."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def begin(self, principal: Principal, arguments: Mapping[str, Any]) -> Job:
        with self._state.session() as session:
            moment = models.now()
            row = models.Job(
                user_id=principal.id,
                kind=KIND,
                state="running",
                arguments=dict(arguments),
                progress={},
                created_at=moment,
                started_at=moment,
                heartbeat_at=moment,
            )
            session.add(row)
            session.flush()
            self._audit.append(
                session, principal, "job-started", f"job:{row.id}", details={"kind": KIND, **arguments}
            )
            return _job(row)

    def advance(self, job: Job) -> None:
        with self._state.session() as session:
            row = _row(session, job.id)
            row.progress = dict(job.progress)
            row.heartbeat_at = models.now()

    def end(self, job: Job) -> None:
        with self._state.session() as session:
            row = _row(session, job.id)
            row.state = job.state
            row.progress = dict(job.progress)
            row.report = dict(job.report) if job.report is not None else None
            row.error, row.error_code = job.error, job.error_code
            row.ended_at = job.ended_at
            counts = {name: (job.report or {}).get(name, 0) for name in ("embedded", "failed", "rejected")}
            self._audit.append(
                session,
                SYSTEM,
                "job-ended",
                f"job:{job.id}",
                outcome="failed" if job.state == "failed" else "done",
                details={"state": job.state, "code": job.error_code, **counts},
            )

    def ask_cancel(self, principal: Principal, job: Job) -> None:
        with self._state.session() as session:
            row = _row(session, job.id)
            if row.cancel_asked_at is None:
                row.cancel_asked_at = models.now()
                self._audit.append(session, principal, "job-cancel-asked", f"job:{job.id}")

    def get(self, job_id: str) -> Job | None:
        with self._state.reading() as session:
            row = session.get(models.Job, job_id)
            return None if row is None else _job(row)

    def latest(self, limit: int) -> list[Job]:
        statement = select(models.Job).order_by(models.Job.created_at.desc(), models.Job.id).limit(limit)
        with self._state.reading() as session:
            return [_job(row) for row in session.scalars(statement)]

    def lose_orphans(self) -> int:
        with self._state.session() as session:
            rows = list(session.scalars(select(models.Job).where(models.Job.state == "running")))
            for row in rows:
                row.state = "lost"
                row.ended_at = models.now()
                row.error = "The service ended while this job ran. Starting one again goes on where it was."
                self._audit.append(session, SYSTEM, "job-ended", f"job:{row.id}", details={"state": "lost"})
            return len(rows)


def _row(session: StateSession, job_id: str) -> models.Job:
    row = session.get(models.Job, job_id)
    if row is None:
        raise NotKnown("There is no such job.", remedy="GET /v1/jobs lists them.")
    return row


def _job(row: models.Job) -> Job:
    return Job(
        id=row.id,
        user_id=row.user_id,
        state=cast(JobState, row.state),
        arguments=row.arguments,
        created_at=row.created_at,
        ended_at=row.ended_at,
        progress=row.progress,
        report=row.report,
        error=row.error,
        error_code=row.error_code,
    )
