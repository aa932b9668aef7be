"""Removes texts whose time is over. Run it now and then; it does what is due and tells the audit log.

Rows of the audit log and records of receipts are never removed: they hold no text, and the chain proves by them that
nothing else was. Knows no schedule.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from pipeline.config import ServiceSettings
from pipeline.service.audit.chain import SYSTEM, AuditLog
from pipeline.service.audit.receipts import erase
from pipeline.service.audit.verification import CONVERSATIONS_EXPIRED, TEXTS_EXPIRED
from pipeline.service.conversations.store import remove
from pipeline.service.database.engine import State
from pipeline.service.database.tables import Conversation, Receipt, now

AT_ONCE = 500
"""Conversations a transaction: others want to write meanwhile."""


@dataclass(frozen=True, slots=True)
class Removed:
    conversations: int
    receipt_texts: int


def apply_retention(
    state: State,
    audit: AuditLog,
    settings: ServiceSettings,
    clock: Callable[[], dt.datetime] = now,
) -> Removed:
    """Delete conversations and erase texts of receipts that are older than the settings keep them.

    The rows that tell of it say how old: `audit/verification.py` holds what is missing against that.
    """
    conversations = 0
    while settings.conversation_days and (number := _delete_some(state, audit, settings, clock())):
        conversations += number
    texts = _erase_texts(state, audit, settings, clock()) if settings.receipt_text_days else 0
    if conversations or texts:
        state.scrub()
    return Removed(conversations, texts)


def _delete_some(state: State, audit: AuditLog, settings: ServiceSettings, at: dt.datetime) -> int:
    with state.session() as session:
        old = at - dt.timedelta(days=settings.conversation_days)
        due = session.scalars(
            select(Conversation.id).where(Conversation.updated_at < old).limit(AT_ONCE)
        ).all()
        if due:
            texts = remove(session, due, settings)
            details = {"conversations": len(due), "receipt_texts": texts, "before": old.isoformat()}
            audit.append(session, SYSTEM, CONVERSATIONS_EXPIRED, details=details)
        return len(due)


def _erase_texts(state: State, audit: AuditLog, settings: ServiceSettings, at: dt.datetime) -> int:
    with state.session() as session:
        old = at - dt.timedelta(days=settings.receipt_text_days)
        number = erase(session, Receipt.created_at < old)
        if number:
            details = {"receipts": number, "before": old.isoformat()}
            audit.append(session, SYSTEM, TEXTS_EXPIRED, details=details)
        return number
