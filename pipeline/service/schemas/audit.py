"""The audit log and receipts over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from pipeline.service.schemas.fields import example


class AuditRowOut(BaseModel):
    """One row of the chain."""

    model_config = example(
        {
            "number": 17,
            "at": "2026-01-31T12:00:00.000000+00:00",
            "actor": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "actor_kind": "user",
            "action": "question-answered",
            "subject": "answer:6c5d0d7e2f0a4d54b0a7c2c3c7f7a111",
            "outcome": "done",
            "details": '{"ending":"answered"}',
            "previous": "0" * 64,
            "hash": "1" * 64,
        }
    )

    number: int
    at: str
    actor: str
    actor_kind: str
    action: str
    subject: str
    outcome: str
    details: str = Field(
        description="canonical JSON: ids, counts and hashes, never text of a question or note"
    )
    previous: str
    hash: str


class AuditPageOut(BaseModel):
    """Rows, the newest first."""

    rows: list[AuditRowOut]


class VerificationOut(BaseModel):
    """Whether the chain holds."""

    model_config = example(
        {"sound": True, "rows": 17, "head": {"number": 17, "hash": "1" * 64}, "problems": []}
    )

    sound: bool
    rows: int
    head: dict[str, Any]
    problems: list[str]


class ReceiptOut(BaseModel):
    """What an answer was made from, and that no one has changed it since."""

    model_config = example(
        {
            "id": "1b0c9f6f7c0b4b54b0a7c2c3c7f7a444",
            "user_id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "created_at": "2026-01-31T12:00:02Z",
            "question": "What dose of allopurinol is Anna Mitchell taking for gout?",
            "answer": {"ending": "answered", "statements": []},
            "record": {"prompt_version": "answer-v1@3f2a9c", "passages": []},
            "sha256": "1" * 64,
        }
    )

    id: str
    user_id: str
    created_at: datetime
    question: str | None = Field(description="null once it has been erased")
    answer: dict[str, Any] | None = Field(
        description="the statements with their quotations; null once they have been erased"
    )
    record: dict[str, Any]
    sha256: str
