"""Suggested questions over HTTP."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field

from pipeline.answering.shapes.suggestions import SuggestedQuestion
from pipeline.service.schemas.fields import example

_QUESTION = {"question": "What medications is Anna Mitchell taking?", "patient_id": "D2N006"}


class SuggestedQuestionOut(BaseModel):
    """A question that notes you may see answer."""

    model_config = example(_QUESTION)

    question: str
    patient_id: str | None = Field(
        description="to be given as `filters.patient_ids` with it; null where it is about several patients"
    )


class SuggestionsOut(BaseModel):
    """Questions to begin with, or to go on with. Made from names, sections and findings in notes that you may see."""

    model_config = example({"questions": [_QUESTION]})

    questions: list[SuggestedQuestionOut] = Field(description="empty where nothing is known to be answered")

    @classmethod
    def of(cls, found: Iterable[SuggestedQuestion]) -> SuggestionsOut:
        return cls(
            questions=[SuggestedQuestionOut(question=each.text, patient_id=each.patient_id) for each in found]
        )
