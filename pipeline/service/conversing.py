"""Conversations: the questions somebody asked and what came back, seen by their owner alone.

Decides what is remembered of a conversation and that another person's looks exactly like none. A deleted conversation
is gone for its owner; what the receipts keep of it is `audit.receipts`' business. Knows no request.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from pipeline.errors import BadRequest, NotKnown
from pipeline.service.access.policy import Principal
from pipeline.service.audit.chain import AuditLog
from pipeline.service.state import models
from pipeline.service.state.database import State, StateSession

TITLE_CHARACTERS_MAX = 80
"""Of a title made from the first question."""
RENAMED_CHARACTERS_MAX = 300
PERSON = "person"
CHARTWELL = "chartwell"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as lists show it."""

    id: str
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    messages: int


@dataclass(frozen=True, slots=True)
class Message:
    """A question or an answer."""

    id: str
    author: str
    """"person" or "chartwell"."""
    text: str
    content: Mapping[str, Any] | None
    """For an answer: all that is needed to show it again."""
    receipt_id: str | None
    created_at: dt.datetime


class Conversations:
    """The conversations of one state. Safe to share between threads."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def latest(self, principal: Principal, *, limit: int, before: str | None = None) -> list[Conversation]:
        """One's own, the last used first; those after the conversation `before` in that order."""
        statement = (
            select(models.Conversation)
            .where(models.Conversation.user_id == principal.id)
            .order_by(models.Conversation.updated_at.desc(), models.Conversation.id.desc())
            .limit(limit)
        )
        with self._state.reading() as session:
            if before is not None:
                last = _own(session, principal, before)
                statement = statement.where(
                    (models.Conversation.updated_at < last.updated_at)
                    | (
                        (models.Conversation.updated_at == last.updated_at)
                        & (models.Conversation.id < last.id)
                    )
                )
            return [_conversation(row) for row in session.scalars(statement)]

    def get(self, principal: Principal, conversation_id: str) -> tuple[Conversation, list[Message]]:
        """One's own with all its messages. Raises NotKnown."""
        statement = (
            select(models.Message)
            .where(models.Message.conversation_id == conversation_id)
            .order_by(models.Message.number)
        )
        with self._state.reading() as session:
            row = _own(session, principal, conversation_id)
            return _conversation(row), [_message(each) for each in session.scalars(statement)]

    def rename(self, principal: Principal, conversation_id: str, title: str) -> Conversation:
        title = " ".join(title.split())
        if not 1 <= len(title) <= RENAMED_CHARACTERS_MAX:
            raise BadRequest(
                f"A title has 1 to {RENAMED_CHARACTERS_MAX} characters.", remedy="Choose another one."
            )
        with self._state.session() as session:
            row = _own(session, principal, conversation_id)
            row.title = title
            self._audit.append(session, principal, "conversation-renamed", f"conversation:{row.id}")
            return _conversation(row)

    def remove(self, principal: Principal, conversation_id: str) -> None:
        """Delete it with its messages."""
        with self._state.session() as session:
            row = _own(session, principal, conversation_id)
            session.execute(delete(models.Message).where(models.Message.conversation_id == row.id))
            details = {"messages": row.messages_count}
            session.delete(row)
            self._audit.append(
                session,
                principal,
                "conversation-deleted",
                f"conversation:{conversation_id}",
                details=details,
            )

    def exported(self, principal: Principal, conversation_id: str) -> tuple[Conversation, list[Message]]:
        """As `get`, and told to the audit log: what is exported leaves the service."""
        found = self.get(principal, conversation_id)
        self._audit.record(principal, "conversation-exported", f"conversation:{conversation_id}")
        return found


# --- within the transaction of whoever keeps a question or an answer


def begin(session: StateSession, principal: Principal, conversation_id: str | None, question: str) -> str:
    """The conversation that a question goes into: a new one, or one's own. Raises NotKnown for any other."""
    if conversation_id is not None:
        return _own(session, principal, conversation_id).id
    row = models.Conversation(user_id=principal.id, title=_title(question))
    session.add(row)
    session.flush()
    return row.id


def add_message(
    session: StateSession,
    conversation_id: str,
    author: str,
    text: str,
    *,
    content: Mapping[str, Any] | None = None,
    receipt_id: str | None = None,
) -> str | None:
    """Append a message; its id. None where the conversation was deleted meanwhile."""
    row = session.get(models.Conversation, conversation_id, with_for_update=True)
    if row is None:
        return None
    row.messages_count += 1
    row.updated_at = models.now()
    message = models.Message(
        conversation_id=row.id,
        number=row.messages_count,
        author=author,
        text=text,
        content=dict(content) if content is not None else None,
        receipt_id=receipt_id,
    )
    session.add(message)
    session.flush()
    return message.id


def _title(question: str) -> str:
    words = " ".join(question.split())
    if len(words) <= TITLE_CHARACTERS_MAX:
        return words
    return words[: TITLE_CHARACTERS_MAX - 1].rsplit(" ", 1)[0] + "…"


def _own(session: StateSession, principal: Principal, conversation_id: str) -> models.Conversation:
    row = session.get(models.Conversation, conversation_id)
    if row is None or row.user_id != principal.id:
        raise NotKnown("There is no such conversation.", remedy="GET /v1/conversations lists yours.")
    return row


def _conversation(row: models.Conversation) -> Conversation:
    return Conversation(row.id, row.title, row.created_at, row.updated_at, row.messages_count)


def _message(row: models.Message) -> Message:
    return Message(row.id, row.author, row.text, row.content, row.receipt_id, row.created_at)
