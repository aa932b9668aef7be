"""Keeps questions and answers: message, receipt and row of the audit log in one transaction.

A question is kept before its answer begins, so that a process that dies in between leaves a trace of it. The answer is
kept before anybody is told that it has ended, also one that was cut off or failed: what had been shown by then was
shown. The audit log holds hashes of the texts; the texts are in messages and receipts. Knows no request.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.errors import NotKnown
from pipeline.records import Answer, Filters
from pipeline.service import conversing as history
from pipeline.service.access.policy import Action, Principal, require
from pipeline.service.asking import Asked, Begun, Kept, Outcome
from pipeline.service.audit.chain import AuditLog, canonical, sha256
from pipeline.service.schemas import CitationOut, ModelOut, PassageOut, StatementOut, UsageOut
from pipeline.service.state import models
from pipeline.service.state.database import State


class Receipts:
    """The receipts of one state."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def get(self, principal: Principal, receipt_id: str) -> models.Receipt:
        """A receipt. That it was read is recorded. Raises NotKnown."""
        require(principal, Action.READ_AUDIT)
        with self._state.session() as session:
            row = session.get(models.Receipt, receipt_id)
            if row is None:
                raise NotKnown("There is no such receipt.", remedy="The audit log names those there are.")
            self._audit.append(session, principal, "receipt-read", f"receipt:{row.id}")
            return row


class StateKeeper:
    """The `Keeper` of `asking`, over one state. Safe to share between threads."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def begin(self, asked: Asked) -> Begun:
        question = asked.question
        with self._state.session() as session:
            conversation = history.begin(session, asked.principal, asked.conversation_id, question.text)
            message = history.add_message(session, conversation, history.PERSON, question.text)
            assert message is not None
            self._audit.append(
                session,
                asked.principal,
                "question",
                f"question:{asked.question_id}",
                details={
                    "conversation": conversation,
                    "question_sha256": sha256(question.text),
                    "filters": _filters(question.filters),
                    "top_k": question.top_k,
                },
            )
            return Begun(conversation, message)

    def end(self, asked: Asked, begun: Begun, outcome: Outcome) -> Kept:
        content = _content(outcome)
        text = outcome.answer.text if outcome.answer else "\n".join(each.text for each in outcome.statements)
        with self._state.session() as session:
            receipt_id = _write_receipt(session, asked, begun, outcome)
            message = history.add_message(
                session,
                begun.conversation_id,
                history.CHARTWELL,
                text,
                content=content,
                receipt_id=receipt_id,
            )
            self._audit.append(
                session,
                asked.principal,
                "answer",
                f"receipt:{receipt_id}",
                outcome="failed" if outcome.ending == "failed" else "done",
                details={
                    "question": asked.question_id,
                    "ending": outcome.ending,
                    "answer_sha256": sha256(text),
                    "notes": sorted({hit.resource_id for hit in outcome.passages})[:100],
                    "code": outcome.error.code if outcome.error else None,
                },
            )
            # Where the conversation was deleted while the answer was made there is no message; the receipt stays.
            return Kept(message or "", receipt_id)


def _filters(filters: Filters) -> dict[str, Any]:
    return {
        "patient_ids": list(filters.patient_ids),
        "document_types": list(filters.document_types),
        "domains": list(filters.domains),
        "since": filters.since,
        "until": filters.until,
    }


def _content(outcome: Outcome) -> dict[str, Any]:
    """What the page needs to show an answer again."""
    answer = outcome.answer
    content: dict[str, Any] = {
        "ending": outcome.ending,
        "statements": [StatementOut.of(each).model_dump() for each in outcome.statements],
        "code": outcome.error.code if outcome.error else None,
    }
    if answer is not None:
        content |= _whole(answer)
    return content


def _whole(answer: Answer) -> dict[str, Any]:
    model = answer.model
    return {
        "outcome": answer.outcome,
        "reason": answer.reason,
        "withheld": answer.withheld,
        "citations": [CitationOut.of(each).model_dump() for each in answer.citations],
        "passages": [
            PassageOut.of(n, hit).model_dump(exclude={"text"}) for n, hit in enumerate(answer.passages, 1)
        ],
        "model": ModelOut(provider=model.provider, model=model.model, label=model.label).model_dump(),
        "prompt_version": answer.prompt_version,
        "space_id": answer.space_id,
        "usage": UsageOut.of(answer).model_dump(),
    }


def _write_receipt(session: Any, asked: Asked, begun: Begun, outcome: Outcome) -> str:
    answer = json.dumps([StatementOut.of(each).model_dump() for each in outcome.statements])
    record = canonical({"question": asked.question_id, "ending": outcome.ending})
    row = models.Receipt(
        user_id=asked.principal.id,
        conversation_id=begun.conversation_id,
        question=asked.question.text,
        answer=answer,
        record=record,
        sha256=sha256(record),
    )
    session.add(row)
    session.flush()
    return row.id
