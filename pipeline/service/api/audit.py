"""The audit log and the receipts of answers, for those who may read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from pipeline.service.access.policy import Action
from pipeline.service.audit.chain import PROBLEMS_MAX, AuditRow, as_line
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.problems import documented
from pipeline.service.schemas.audit import AuditPageOut, AuditRowOut, ReceiptOut, VerificationOut
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Day

router = APIRouter(prefix="/v1", tags=["audit"], dependencies=[requires(Action.READ_AUDIT)])

JSON_LINES = "application/jsonl"
AuditTerm = Annotated[str | None, Query(max_length=ID_CHARACTERS_MAX)]


@router.get("/audit")
def read_audit(
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="only rows before this number")] = None,
    actor: AuditTerm = None,
    action: AuditTerm = None,
    subject: AuditTerm = None,
) -> AuditPageOut:
    """The newest rows first."""
    rows = services.audit.page(before=before, limit=limit, actor=actor, action=action, subject=subject)
    return AuditPageOut(rows=[AuditRowOut(**asdict(row)) for row in rows])


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One row a line, as `python -m pipeline.audit verify --export FILE` takes it.",
            "content": {JSON_LINES: {"schema": {"type": "string"}}},
        },
    },
)
def export_audit(
    services: ServicesDep,
    principal: PrincipalHere,
    since: Annotated[Day | None, Query()] = None,
    until: Annotated[Day | None, Query(description="this day included")] = None,
) -> StreamingResponse:
    """The log as JSON lines, streamed. That it was exported is written into it first."""
    services.audit.record(principal, "audit-exported")
    rows = services.audit.rows(
        since=since.isoformat() if since else None, until=until.isoformat() if until else None
    )
    return StreamingResponse(
        _lines(rows),
        media_type=JSON_LINES,
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )


def _lines(rows: Iterator[AuditRow]) -> Iterator[str]:
    for row in rows:
        yield as_line(row) + "\n"


@router.post("/audit/verification")
def verify_audit(services: ServicesDep, principal: PrincipalHere) -> VerificationOut:
    """Hold every row against its predecessor, every receipt against its row, every text against its receipt."""
    found = services.audit.verify()
    problems = [*found.problems, *services.receipts.verify()]
    services.audit.record(principal, "audit-verified", details={"sound": not problems, "rows": found.rows})
    return VerificationOut(
        sound=not problems,
        rows=found.rows,
        head={"number": found.head.number, "hash": found.head.hash},
        problems=[f"row {problem.number}: {problem.what}" for problem in problems[:PROBLEMS_MAX]],
    )


@router.get("/receipts/{receipt_id}", responses=documented(404))
def get_receipt(
    receipt_id: Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)],
    services: ServicesDep,
    principal: PrincipalHere,
) -> ReceiptOut:
    """What an answer was made from: passages with hashes and spans, prompt, model, times. Reading it is recorded.

    Who may not see every note reads the receipts of those only who could see no more than they do themselves."""
    receipt = services.receipts.read(principal, receipt_id, principal.scope)
    return ReceiptOut(
        id=receipt.id,
        user_id=receipt.user_id,
        created_at=receipt.created_at,
        question=receipt.question,
        answer=dict(receipt.answer) if receipt.answer is not None else None,
        record=dict(receipt.record),
        sha256=receipt.sha256,
    )
