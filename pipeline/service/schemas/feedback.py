"""What someone thinks of an answer, over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from pipeline.service.conversations.feedback import COMMENT_CHARACTERS_MAX
from pipeline.service.schemas.fields import Body, Id, example, storable_text


class FeedbackRequest(Body):
    """What you think of an answer of yours. Saying it again replaces what you said."""

    model_config = example(
        {
            "receipt_id": "1b0c9f6f7c0b4b54b0a7c2c3c7f7a444",
            "verdict": "bad",
            "reasons": ["old"],
            "comment": "The dose was changed in a later note.",
        },
        body=True,
    )

    receipt_id: Id
    verdict: Literal["good", "bad"]
    reasons: Annotated[
        list[Literal["wrong", "incomplete", "citation", "old", "unclear", "slow", "other"]],
        Field(max_length=7),
    ] = Field(default=[])
    comment: (
        Annotated[str, Field(max_length=COMMENT_CHARACTERS_MAX), AfterValidator(storable_text)] | None
    ) = None


class FeedbackOut(BaseModel):
    """What was kept."""

    model_config = example({"id": "5e0c9f6f7c0b4b54b0a7c2c3c7f7a666", "verdict": "bad"})

    id: str
    verdict: Literal["good", "bad"]
