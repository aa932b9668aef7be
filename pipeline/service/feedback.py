"""What people think of the answers that were given to them. A comment is text about patients, and kept like it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from pipeline.errors import NotKnown
from pipeline.service.access.policy import Principal
from pipeline.service.audit.chain import AuditLog
from pipeline.service.state import models
from pipeline.service.state.database import State


class FeedbackBook:
    """The feedback of one state. Safe to share between threads."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def give(
        self,
        principal: Principal,
        receipt_id: str,
        *,
        verdict: str,
        reasons: Sequence[str] = (),
        comment: str | None = None,
    ) -> str:
        """Keep it, in place of what this person said of this answer before; its id.

        Raises NotKnown for an answer that was not given to this person.
        """
        with self._state.session() as session:
            receipt = session.get(models.Receipt, receipt_id)
            if receipt is None or receipt.user_id != principal.id:
                raise NotKnown(
                    "There is no such answer of yours.", remedy="Give the receipt_id of an answer."
                )
            row = session.scalar(
                select(models.Feedback).where(
                    models.Feedback.receipt_id == receipt_id, models.Feedback.user_id == principal.id
                )
            )
            if row is None:
                row = models.Feedback(receipt_id=receipt_id, user_id=principal.id)
                session.add(row)
            row.verdict, row.reasons, row.comment = verdict, sorted(set(reasons)), comment
            row.created_at = models.now()
            session.flush()
            self._audit.append(
                session,
                principal,
                "feedback-given",
                f"receipt:{receipt_id}",
                details={"verdict": verdict, "reasons": row.reasons, "comment": comment is not None},
            )
            return row.id
