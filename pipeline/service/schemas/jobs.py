"""Indexing jobs over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from pipeline.service.jobs.records import JobRow
from pipeline.service.schemas.fields import Body, example


class JobRequest(Body):
    """Index what the service's inbox holds. What is stored already costs nothing."""

    model_config = example({"prune": False, "retry_failed": False}, body=True)

    prune: bool = Field(default=False, description="remove notes that the inbox no longer holds")
    retry_failed: bool = Field(default=False, description="also retry notes that failed too often")


class JobProgress(BaseModel):
    """How far a job is, in notes."""

    phase: Literal["starting", "reading", "embedding"] = "starting"
    read: int = 0
    rejected: int = 0
    unread_files: int = Field(0, description="files that could not be read, or not to their end")
    waiting: int = Field(0, description="notes that this run has to embed, as far as is known")
    embedded: int = 0
    failed: int = 0
    stored_before: int = 0
    seconds: float = 0.0


class JobOut(BaseModel):
    """An indexing job."""

    model_config = example(
        {
            "id": "7d0c9f6f7c0b4b54b0a7c2c3c7f7a555",
            "state": "running",
            "prune": False,
            "retry_failed": False,
            "created_at": "2026-01-31T12:00:00Z",
            "ended_at": None,
            "progress": {
                "phase": "embedding",
                "read": 137,
                "rejected": 0,
                "unread_files": 0,
                "waiting": 137,
                "embedded": 64,
                "failed": 0,
                "stored_before": 0,
                "seconds": 2.4,
            },
            "report": None,
            "error": None,
            "error_code": None,
        }
    )

    id: str
    state: Literal["running", "done", "failed", "cancelled", "lost"] = Field(
        description="lost: the service ended while it ran; starting again goes on where it was"
    )
    prune: bool
    retry_failed: bool
    created_at: datetime
    ended_at: datetime | None
    progress: JobProgress
    report: dict[str, Any] | None = Field(description="counts, once it has ended")
    error: str | None
    error_code: str | None

    @classmethod
    def of(cls, job: JobRow) -> JobOut:
        return cls(
            id=job.id,
            state=job.state,
            prune=bool(job.arguments.get("prune")),
            retry_failed=bool(job.arguments.get("retry_failed")),
            created_at=job.created_at,
            ended_at=job.ended_at,
            progress=JobProgress.model_validate(dict(job.progress)),
            report=dict(job.report) if job.report is not None else None,
            error=job.error,
            error_code=job.error_code,
        )


class JobsOut(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobOut]
