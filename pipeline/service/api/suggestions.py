"""Suggested questions: to begin with, about a patient, or to go on with in a conversation.

Decides whom they are about: the patient given, else those of the conversation's last answer, else no one in particular.
What was asked in the conversation is not suggested again.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from pipeline.answering.shapes.suggestions import SuggestedQuestion, not_asked_yet
from pipeline.service.access.policy import Action, Principal
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.problems import documented
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text
from pipeline.service.schemas.suggestions import SuggestionsOut

router = APIRouter(prefix="/v1", tags=["questions"])


@router.get("/suggestions", dependencies=[requires(Action.ASK)], responses=documented(404, 502, 504))
def suggestions(
    services: ServicesDep,
    principal: PrincipalHere,
    patient: Annotated[
        Text, Query(max_length=ID_CHARACTERS_MAX, description="the id of a patient", examples=["D2N006"])
    ] = "",
    conversation_id: Annotated[
        Text,
        Query(max_length=ID_CHARACTERS_MAX, description="a conversation of yours that is to be gone on with"),
    ] = "",
) -> SuggestionsOut:
    """Questions that the notes answer which you may see. The same notes give the same questions; no model is asked."""
    return SuggestionsOut.of(suggested(services, principal, patient, conversation_id))


def suggested(
    services: Services, principal: Principal, patient: str = "", conversation_id: str = ""
) -> list[SuggestedQuestion]:
    """What may be asked next. Raises NotKnown where the conversation is not theirs."""
    patients: tuple[str, ...] = (patient,) if patient else ()
    asked: tuple[str, ...] = ()
    if conversation_id:
        found = services.conversations.get(principal, conversation_id, principal.scope)
        asked = tuple(said.text for said in found.messages if said.author == "person")
        patients = patients or services.conversations.patients(principal, conversation_id)
    questions = not_asked_yet(services.corpus.suggestions(principal.scope, patients), asked)
    about = sorted({each.patient_id for each in questions if each.patient_id})
    services.audit.record(principal, "suggestions-read", details={"patients": about})
    return questions
