"""What people think of the answers they got. Only the asker may say it. Knows no page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import select

from pipeline.errors import BadRequest
from pipeline.service.audit.chain import Actor, AuditLog, sha256
from pipeline.service.audit.receipts import Receipts, storable
from pipeline.service.database.engine import State
from pipeline.service.database.tables import Feedback, now

Rating: TypeAlias = Literal["good", "bad"]
REASONS = ("wrong", "incomplete", "citation", "old", "unclear", "slow", "other")
COMMENT_CHARACTERS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Opinion:
    id: str
    receipt_id: str
    user_id: str
    verdict: Rating
    reasons: tuple[str, ...]
    comment: str | None
    created_at: dt.datetime


class FeedbackStore:
    """The feedback of one state."""

    def __init__(self, state: State, audit: AuditLog, receipts: Receipts) -> None:
        self._state = state
        self._audit = audit
        self._receipts = receipts

    def give(
        self,
        actor: Actor,
        receipt_id: str,
        verdict: Rating,
        *,
        reasons: Sequence[str] = (),
        comment: str | None = None,
    ) -> Opinion:
        """Say it, or say it again. Raises NotKnown for an answer to someone else, BadRequest for an unknown reason."""
        text = storable(comment).strip() if comment else None
        if verdict not in ("good", "bad") or set(reasons) - set(REASONS):
            raise BadRequest("There is no such verdict or reason.", remedy=f"Reasons: {', '.join(REASONS)}.")
        if text and len(text) > COMMENT_CHARACTERS_MAX:
            raise BadRequest(
                f"A comment has at most {COMMENT_CHARACTERS_MAX} characters.", remedy="Shorten it."
            )
        self._receipts.own(actor, receipt_id)
        with self._state.session() as session:
            row = session.scalar(
                select(Feedback).where(Feedback.receipt_id == receipt_id, Feedback.user_id == actor.id)
            )
            if row is None:
                row = Feedback(receipt_id=receipt_id, user_id=actor.id)
                session.add(row)
            row.verdict, row.reasons, row.comment, row.created_at = (
                verdict,
                sorted(set(reasons)),
                text or None,
                now(),
            )
            details = {
                "verdict": verdict,
                "reasons": row.reasons,
                "comment_sha256": sha256(row.comment) if row.comment else None,
            }
            self._audit.append(session, actor, "feedback-given", f"answer:{receipt_id}", details=details)
            session.flush()
            return _opinion(row)

    def own(self, actor: Actor, receipt_ids: Sequence[str]) -> dict[str, Opinion]:
        """What one has said about some answers, by receipt."""
        with self._state.reading() as session:
            found = session.scalars(
                select(Feedback).where(Feedback.user_id == actor.id, Feedback.receipt_id.in_(receipt_ids))
            )
            return {row.receipt_id: _opinion(row) for row in found}

    def latest(self, limit: int = 100) -> list[Opinion]:
        """Everyone's, newest first, for reviewers."""
        with self._state.reading() as session:
            found = session.scalars(
                select(Feedback).order_by(Feedback.created_at.desc(), Feedback.id).limit(min(limit, 500))
            )
            return [_opinion(row) for row in found]


def _opinion(row: Feedback) -> Opinion:
    return Opinion(
        id=row.id,
        receipt_id=row.receipt_id,
        user_id=row.user_id,
        verdict="good" if row.verdict == "good" else "bad",
        reasons=tuple(row.reasons),
        comment=row.comment,
        created_at=row.created_at,
    )
