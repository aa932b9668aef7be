"""Holds receipts, scopes, texts, messages and conversations against the audit log, whose rows are proven by themselves.

Everything is followed back to a row: a receipt by the hash in the row of its answer, its texts and its scope by hashes
in the receipt, a message by the row of its question or by its receipt, a conversation's owner by who asked in it. What
is not there any more must have been removed by a user whom a row names, or by time. What cannot be found stands in
docs/security.md. Knows no settings: what was due is in the rows that say it was removed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from pipeline.service.audit.chain import ChainFault, canonical, sha256
from pipeline.service.database.tables import Audit, Conversation, Message, Receipt, ScopeRecord

ASKED, ANSWERED = "question-asked", "question-answered"
"""The two rows of the audit log that every question has; their subject is `answer:` and the question's id."""
CONVERSATION_DELETED = "conversation-deleted"
CONVERSATIONS_EXPIRED = "conversations-expired"
TEXTS_EXPIRED = "receipt-texts-expired"
WRITTEN_WITHIN = dt.timedelta(minutes=10)
"""Of the moment a receipt was drawn up: it may have waited for other writers."""
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_ROWS_AT_ONCE = 500

_ACTION = Audit.action.concat("")
"""Not the bare column: SQLite would choose its index, and read every row of that action once for each receipt."""
_QUESTION_ID = func.substr(Audit.subject, len("answer:") + 1)
_ASKED_WITH = and_(Audit.subject == "answer:" + Message.receipt_id, _ACTION == ASKED)


@dataclass(frozen=True, slots=True)
class _Removed:
    """What the log says was removed, and rightly is not there."""

    deleted: Mapping[str, bool]
    """Conversations by id, and whether the texts of their receipts went with them."""
    expired_before: dt.datetime
    """Conversations that were last used before this."""
    expired_with_texts_before: dt.datetime
    """Those of which the receipts' texts went, too."""
    texts_before: dt.datetime
    """Texts of receipts that are older than this."""

    def conversation(self, conversation_id: str, used_at: dt.datetime) -> bool:
        return conversation_id in self.deleted or used_at < self.expired_before


def unproven(session: Session) -> Iterator[ChainFault]:
    """Whatever is not what the log says, is gone without being removed, or was slipped in."""
    removed = _removed(session)
    yield from _changed_receipts(session, removed)
    yield from _missing_receipts(session)
    yield from _changed_scopes(session)
    yield from _changed_messages(session)
    yield from _missing_messages(session)
    yield from _missing_questions(session, removed)
    yield from _changed_owners(session)
    yield from _missing_conversations(session, removed)


# --- what was removed


def _removed(session: Session) -> _Removed:
    deleted: dict[str, bool] = {}
    before = {CONVERSATIONS_EXPIRED: _NEVER, TEXTS_EXPIRED: _NEVER}
    with_texts_before = _NEVER
    actions = (CONVERSATION_DELETED, CONVERSATIONS_EXPIRED, TEXTS_EXPIRED)
    found = session.execute(
        select(Audit.action, Audit.subject, Audit.at, Audit.details)
        .where(Audit.action.in_(actions))
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for action, subject, at, text in found:
        details = object_of(text)
        texts = details.get("receipt_texts", 1) != 0  # rows from before it was told may have erased them
        if action == CONVERSATION_DELETED:
            deleted[subject.removeprefix("conversation:")] = texts
            continue
        border = moment_of(details.get("before", at))
        before[action] = max(before[action], border)
        if action == CONVERSATIONS_EXPIRED and texts:
            with_texts_before = max(with_texts_before, border)
    return _Removed(deleted, before[CONVERSATIONS_EXPIRED], with_texts_before, before[TEXTS_EXPIRED])


# --- receipts and scopes


def _changed_receipts(session: Session, removed: _Removed) -> Iterator[ChainFault]:
    """Receipts that are not what the log says, or of which it says nothing."""
    scopes = frozenset(session.scalars(select(ScopeRecord.sha256)))
    row = and_(Audit.subject == "answer:" + Receipt.id, _ACTION == ANSWERED)
    found = session.execute(
        select(Receipt, Audit.number, Audit.details, Conversation.id)
        .outerjoin(Audit, row)
        .outerjoin(Conversation, Conversation.id == Receipt.conversation_id)
        .order_by(Receipt.created_at)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for receipt, number, details, conversation_id in found:
        for what in _changed(receipt, object_of(details), scopes, removed, gone=conversation_id is None):
            yield ChainFault(number or 0, f"receipt {receipt.id}: {what}")


def _changed(
    receipt: Receipt, details: Mapping[str, Any], scopes: Collection[str], removed: _Removed, *, gone: bool
) -> Iterator[str]:
    """What is wrong with a receipt. `details`: of its row of the log; `gone`: its conversation is."""
    if "receipt_sha256" not in details:
        yield "the log does not know it"
    elif details["receipt_sha256"] != receipt.sha256 or sha256(receipt.record) != receipt.sha256:
        yield "its record has been changed"
    else:
        record = object_of(receipt.record)
        erasable = details.get("texts") is False or _erasable(receipt, removed, gone)
        yield from _changed_columns(receipt, record, scopes)
        yield from _changed_texts(receipt, record, erasable)


def _changed_columns(receipt: Receipt, record: Mapping[str, Any], scopes: Collection[str]) -> Iterator[str]:
    """What is kept next to the record so that it can be looked for, and the scope it names."""
    if receipt.user_id != record.get("user"):
        yield "it has been given to someone else"
    if receipt.conversation_id != record.get("conversation"):
        yield "it has been moved to another conversation"
    if abs(receipt.created_at - moment_of(record.get("at"))) > WRITTEN_WITHIN:
        yield "its time has been changed"
    if record.get("scope_sha256") not in scopes:
        yield "its access scope is gone"


def _changed_texts(receipt: Receipt, record: Mapping[str, Any], erasable: bool) -> Iterator[str]:
    if receipt.erased_at is not None and not erasable:
        yield "its texts count as erased, and the log tells of no erasure"
    for name, text in (("question", receipt.question), ("answer", receipt.answer)):
        if text is None and receipt.erased_at is None:
            yield f"its {name} is gone, and no one erased it"
        elif text is not None and sha256(text) != record.get(f"{name}_sha256"):
            yield f"its {name} has been changed"


def _erasable(receipt: Receipt, removed: _Removed, gone: bool) -> bool:
    """Whether the log tells of an erasure that this receipt's texts fell under."""
    with_conversation = receipt.created_at < removed.expired_with_texts_before or removed.deleted.get(
        receipt.conversation_id or "", False
    )
    return receipt.created_at < removed.texts_before or (gone and with_conversation)


def _missing_receipts(session: Session) -> Iterator[ChainFault]:
    """Answers that the log tells of and whose receipt is gone."""
    found = session.execute(
        select(Audit.number, Audit.subject)
        .outerjoin(Receipt, Receipt.id == _QUESTION_ID)
        .where(Audit.action == ANSWERED, Receipt.id.is_(None))
        .order_by(Audit.number)
    )
    for number, subject in found:
        yield ChainFault(number, f"receipt {subject.removeprefix('answer:')}: it is gone")


def _changed_scopes(session: Session) -> Iterator[ChainFault]:
    for row in session.scalars(select(ScopeRecord).execution_options(yield_per=_ROWS_AT_ONCE)):
        if sha256(row.scope) != row.sha256:
            yield ChainFault(0, f"scope {row.sha256[:12]}: it has been changed")


# --- messages and conversations


def _changed_messages(session: Session) -> Iterator[ChainFault]:
    """What a conversation shows must be what was asked in it, and what its receipts have."""
    found = session.execute(
        select(Message, Audit.details, Receipt.record)
        .outerjoin(Audit, _ASKED_WITH)
        .outerjoin(Receipt, Receipt.id == Message.receipt_id)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    for message, details, record in found:
        if message.author == "person":
            same = _was_asked(message, object_of(details))
        else:
            same = _was_answered(message, object_of(record))
        if not same:
            yield ChainFault(0, f"message {message.id}: it is not what was said under {message.receipt_id}")


def _was_asked(message: Message, details: Mapping[str, Any]) -> bool:
    return (
        sha256(message.text) == details.get("question_sha256")
        and message.conversation_id == details.get("conversation")
        and message.content is None
    )


def _was_answered(message: Message, record: Mapping[str, Any]) -> bool:
    return (
        sha256(message.text) == record.get("answer_text_sha256")
        and sha256(canonical(message.content)) == record.get("answer_sha256")
        and message.conversation_id == record.get("conversation")
    )


def _missing_messages(session: Session) -> Iterator[ChainFault]:
    """A receipt whose conversation is still there has one question and one answer in it."""
    questions, answers = (
        func.count(case((Message.author == author, 1))) for author in ("person", "chartwell")
    )
    found = session.execute(
        select(Receipt.id, questions, answers)
        .join(Conversation, Conversation.id == Receipt.conversation_id)
        .outerjoin(Message, Message.receipt_id == Receipt.id)
        .group_by(Receipt.id)
        .having(or_(questions != 1, answers != 1))
        .order_by(Receipt.id)
    )
    for receipt_id, asked, answered in found:
        yield ChainFault(
            0, f"receipt {receipt_id}: its conversation has {asked} questions and {answered} answers of it"
        )


def _missing_questions(session: Session, removed: _Removed) -> Iterator[ChainFault]:
    """Questions that were never answered, have no receipt, and whose message is gone."""
    found = session.execute(
        select(Audit.number, Audit.subject, Audit.at, Audit.details)
        .outerjoin(Receipt, Receipt.id == _QUESTION_ID)
        .outerjoin(Message, Message.receipt_id == _QUESTION_ID)
        .where(Audit.action == ASKED, Receipt.id.is_(None), Message.id.is_(None))
        .order_by(Audit.number)
    )
    for number, subject, at, details in found.all():
        conversation_id = str(object_of(details).get("conversation"))
        there = session.get(Conversation, conversation_id) is not None
        if there or not removed.conversation(conversation_id, moment_of(at)):
            yield ChainFault(number, f"question {subject.removeprefix('answer:')}: its message is gone")


def _changed_owners(session: Session) -> Iterator[ChainFault]:
    """A conversation is its own who asks in it."""
    found = session.scalars(
        select(Conversation.id)
        .join(Message, Message.conversation_id == Conversation.id)
        .join(Audit, _ASKED_WITH)
        .where(Audit.actor != Conversation.user_id)
        .distinct()
        .order_by(Conversation.id)
    )
    for conversation_id in found:
        yield ChainFault(0, f"conversation {conversation_id}: it has been given to someone else")


def _missing_conversations(session: Session, removed: _Removed) -> Iterator[ChainFault]:
    """Conversations that receipts name, are gone, and were not removed."""
    found = session.execute(
        select(Receipt.conversation_id, func.max(Receipt.created_at))
        .outerjoin(Conversation, Conversation.id == Receipt.conversation_id)
        .where(Receipt.conversation_id.is_not(None), Conversation.id.is_(None))
        .group_by(Receipt.conversation_id)
        .order_by(Receipt.conversation_id)
    )
    for conversation_id, used_at in found:
        if not removed.conversation(conversation_id or "", used_at):
            yield ChainFault(0, f"conversation {conversation_id}: it is gone, and no one deleted it")


# --- reading what may have been spoilt


def object_of(text: str | None) -> dict[str, Any]:
    """The JSON object; an empty one where there is none, or it was made something else."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def moment_of(text: object) -> dt.datetime:
    """The moment; one that never was where it was made something else."""
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
