"""What people think of their answers."""

from __future__ import annotations

from fastapi import APIRouter

from pipeline.service.access.policy import Action
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.problems import documented
from pipeline.service.schemas.feedback import FeedbackOut, FeedbackRequest

router = APIRouter(prefix="/v1", tags=["feedback"])


@router.post(
    "/feedback", status_code=201, dependencies=[requires(Action.GIVE_FEEDBACK)], responses=documented(404)
)
def give_feedback(body: FeedbackRequest, services: ServicesDep, principal: PrincipalHere) -> FeedbackOut:
    """Say what you think of an answer that was given to you. Saying it again replaces what you said."""
    found = services.feedback.give(
        principal, body.receipt_id, body.verdict, reasons=body.reasons, comment=body.comment
    )
    return FeedbackOut(id=found.id, verdict=found.verdict)
