"""Conversations over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from pipeline.service.conversations.store import ConversationMessage, ConversationTranscript, Summary
from pipeline.service.schemas.fields import Body, example, storable_text


class ConversationOut(BaseModel):
    """One of your conversations."""

    model_config = example(
        {
            "id": "3f0c9f6f7c0b4b54b0a7c2c3c7f7a222",
            "title": "What dose of allopurinol is Anna Mitchell taking for gout?",
            "created_at": "2026-01-31T12:00:00Z",
            "updated_at": "2026-01-31T12:00:02Z",
            "messages": 2,
        }
    )

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    messages: int

    @classmethod
    def of(cls, conversation: Summary) -> ConversationOut:
        return cls(**asdict(conversation))


class ConversationsOut(BaseModel):
    """Your conversations, the last used first."""

    conversations: list[ConversationOut]


class MessageOut(BaseModel):
    """A question or an answer."""

    id: str
    author: Literal["person", "chartwell"]
    text: str
    content: dict[str, Any] | None = Field(
        description="for an answer: its statements with their citations, and what was understood"
    )
    receipt_id: str | None
    created_at: datetime
    withheld: bool = Field(
        description="it quotes a note that you may not see any more or that is gone, what is another patient's by now, "
        "or an image that has changed"
    )

    @classmethod
    def of(cls, said: ConversationMessage) -> MessageOut:
        return cls(**{name: getattr(said, name) for name in cls.model_fields})


class ConversationWhole(ConversationOut):
    """A conversation with everything in it."""

    model_config = example(
        {
            "id": "3f0c9f6f7c0b4b54b0a7c2c3c7f7a222",
            "title": "Allopurinol",
            "created_at": "2026-01-31T12:00:00Z",
            "updated_at": "2026-01-31T12:00:02Z",
            "messages": 1,
            "entries": [
                {
                    "id": "9a0c9f6f7c0b4b54b0a7c2c3c7f7a333",
                    "author": "person",
                    "text": "What dose of allopurinol is Anna Mitchell taking for gout?",
                    "content": None,
                    "receipt_id": None,
                    "created_at": "2026-01-31T12:00:00Z",
                    "withheld": False,
                }
            ],
        }
    )

    entries: list[MessageOut]

    @classmethod
    def whole(cls, found: ConversationTranscript) -> ConversationWhole:
        return cls(**asdict(found.summary), entries=[MessageOut.of(said) for said in found.messages])


class StatementExport(BaseModel):
    text: str
    citations: list[dict[str, Any]]


class MessageExport(BaseModel):
    author: Literal["person", "chartwell"]
    at: str
    text: str
    withheld: bool
    statements: list[StatementExport]
    images: list[dict[str, Any]] = Field(
        default=[], description="that were shown next to the answer and that you may still see"
    )
    outcome: str | None = Field(
        description="of an answer: answered, nothing_relevant, no_answer, cut_off (left early) or failed"
    )
    ending: str | None = Field(description="how the model's answer ended; null where that was not kept")
    receipt: str | None


class ConversationExport(BaseModel):
    """A conversation to take along."""

    model_config = example(
        {"title": "Allopurinol", "created_at": "2026-01-31T12:00:00+00:00", "messages": []}
    )

    title: str
    created_at: str
    messages: list[MessageExport]


class RenameRequest(Body):
    """Give a conversation another title."""

    model_config = example({"title": "Allopurinol, Anna Mitchell"}, body=True)

    title: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(storable_text)]
