"""Removes texts whose time is over. Run it now and then; it does what is due and tells the audit log.

Rows of the audit log and records of receipts are never removed: they hold no text, and the chain proves by them that
nothing else was. Knows no schedule.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import select

from pipeline.config import ServiceSettings
from pipeline.service.audit.chain import SYSTEM, AuditLog
from pipeline.service.audit.receipts import erase
from pipeline.service.history.conversations import remove
from pipeline.service.state.database import State
from pipeline.service.state.models import Conversation, Receipt, now

AT_ONCE = 500
"""Conversations a transaction: others want to write meanwhile."""


@dataclass(frozen=True, slots=True)
class Removed:
    conversations: int
    receipt_texts: int


def apply_retention(state: State, audit: AuditLog, settings: ServiceSettings) -> Removed:
    """Delete conversations and erase texts of receipts that are older than the settings keep them."""
    conversations = 0
    while settings.conversation_days and (number := _delete_some(state, audit, settings)):
        conversations += number
    texts = _erase_texts(state, audit, settings) if settings.receipt_text_days else 0
    if conversations or texts:
        state.scrub()
    return Removed(conversations, texts)


def _delete_some(state: State, audit: AuditLog, settings: ServiceSettings) -> int:
    with state.session() as session:
        old = now() - dt.timedelta(days=settings.conversation_days)
        due = session.scalars(
            select(Conversation.id).where(Conversation.updated_at < old).limit(AT_ONCE)
        ).all()
        if due:
            remove(session, due, settings)
            audit.append(session, SYSTEM, "conversations-expired", details={"conversations": len(due)})
        return len(due)


def _erase_texts(state: State, audit: AuditLog, settings: ServiceSettings) -> int:
    with state.session() as session:
        old = now() - dt.timedelta(days=settings.receipt_text_days)
        number = erase(session, Receipt.created_at < old)
        if number:
            audit.append(session, SYSTEM, "receipt-texts-expired", details={"receipts": number})
        return number
