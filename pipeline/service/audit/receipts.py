"""A receipt for every question: what it was answered from, exactly enough to prove it and to answer it again.

A receipt's `record` holds ids, hashes, spans and numbers and no text. Its SHA-256 stands in the audit log, and in it
the SHA-256 of question and answer, so a change of any of them is found. The texts are kept next to it and can be erased
without harm to that proof: a text shown later can still be checked against it. Knows no person's
rights and no model.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from pipeline import records
from pipeline.errors import ChartwellError
from pipeline.locators import Region, locator_record
from pipeline.records import (
    AccessScope,
    Answer,
    Citation,
    Filters,
    FoundImage,
    Hit,
    Notice,
    Question,
    Statement,
    UnderstoodPart,
)
from pipeline.service.audit.chain import Actor, AuditLog, AuditOutcome, ChainFault, canonical, sha256
from pipeline.service.audit.rights import unproven_rights
from pipeline.service.audit.verification import ANSWERED, unproven
from pipeline.service.database.engine import State, StateSession, insert_missing
from pipeline.service.database.tables import Receipt, ScopeRecord, now, table_of
from pipeline.service.errors import NotKnown

VERSION, VERSION_WITH_LOCATORS = 2, 3
"""2: `answer_ending`, how the model's answer ended. 3: `locator` of a passage or citation that was read on a page or in
an image; what only cites text stays at 2. Either may have a `plan`, what the question was understood to ask. Receipts
of every version are read, verified and replayed as they are."""

# Made once: putting a statement together costs more than running it.
_KEEP = insert(table_of(Receipt))
_SCOPE = select(table_of(ScopeRecord).c.sha256).where(table_of(ScopeRecord).c.sha256 == bindparam("sha256"))

QuestionEnding: TypeAlias = records.Outcome | Literal["cut_off", "failed"]
"""How the question ended; `answer_ending` tells how the model's answer to it did."""


@dataclass(slots=True)
class AnswerRecord:
    """What became of a question, whole or cut off. It is filled in while the question is answered."""

    question_id: str
    question: Question
    """Its filters' scope is what the asker could see at that moment."""
    ending: QuestionEnding = "cut_off"
    passages: Sequence[Hit] = ()
    """What the generator was handed."""
    statements: Sequence[Statement] = ()
    """What was shown, also where the answer was cut off after it."""
    answer: Answer | None = None
    error: ChartwellError | None = None
    cost_usd: float | None = None
    """US dollars that the model's tokens add to a bill; None where their price is not set."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Numbers and ids of other parts (guard rails, cache), under their own names."""
    understood: Sequence[UnderstoodPart] = ()
    """What the question was understood to ask, also where the answer was cut off after that was said."""
    images: Sequence[FoundImage] = ()
    """Images that were shown next to the answer, also where it was cut off after that."""


@dataclass(frozen=True, slots=True)
class ReceiptDraft:
    """A receipt that is drawn up and not yet written."""

    id: str
    conversation_id: str | None
    question: str
    answer: Mapping[str, Any]
    record: str
    sha256: str
    scope: str
    scope_sha256: str
    details: Mapping[str, Any]
    """For the audit log."""


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt as it is kept."""

    id: str
    user_id: str
    conversation_id: str | None
    question: str | None
    """None: erased."""
    answer: Mapping[str, Any] | None
    """The statements with their quotations, as `shown` makes it. None: erased."""
    record: Mapping[str, Any]
    sha256: str
    created_at: dt.datetime
    erased_at: dt.datetime | None


class Receipts:
    """The receipts of one state."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def keep(
        self, session: StateSession, actor: Actor, draft: ReceiptDraft, *, with_text: bool = True
    ) -> None:
        """Write the receipt and its row of the audit log with the caller's transaction."""
        connection = session.transaction
        if connection.execute(_SCOPE, {"sha256": draft.scope_sha256}).first() is None:
            insert_missing(session, ScopeRecord, sha256=draft.scope_sha256, scope=draft.scope)
        values = {
            "id": draft.id,
            "user_id": actor.id,
            "conversation_id": draft.conversation_id,
            "question": draft.question if with_text else None,
            "answer": canonical(draft.answer) if with_text else None,
            "record": draft.record,
            "sha256": draft.sha256,
            "erased_at": None if with_text else now(),
        }
        connection.execute(_KEEP, values)
        outcome: AuditOutcome = "failed" if draft.answer["ending"] in ("failed", "cut_off") else "done"
        details = draft.details if with_text else {**draft.details, "texts": False}
        self._audit.append(session, actor, ANSWERED, f"answer:{draft.id}", outcome=outcome, details=details)

    def get(self, receipt_id: str) -> StoredReceipt:
        """Raises NotKnown. Who may look is the caller's to check, and to tell the audit log."""
        with self._state.reading() as session:
            row = session.get(Receipt, receipt_id)
            if row is None:
                raise NotKnown("There is no such receipt.", remedy="Its id is that of the question.")
            return _stored(row)

    def own(self, actor: Actor, receipt_id: str) -> StoredReceipt:
        """A receipt of one's own question. Someone else's does not exist."""
        found = self.get(receipt_id)
        if found.user_id != actor.id:
            raise NotKnown("There is no such receipt.", remedy="Its id is that of the question.")
        return found

    def read(self, reader: Actor, receipt_id: str, scope: AccessScope) -> StoredReceipt:
        """Anybody's receipt, for a user who may review and sees, by `scope`, all that the asker could see: question
        and answer may tell of any of it. For others it does not exist. Who read stands in the audit log.
        """
        found = self.get(receipt_id)
        if not (scope.unrestricted or scope.covers(self.scope_of(found))):
            self._audit.record(reader, "receipt-read", f"answer:{receipt_id}", outcome="refused")
            raise NotKnown("There is no such receipt.", remedy="Its id is that of the question.")
        self._audit.record(reader, "receipt-read", f"answer:{receipt_id}")
        return found

    def scope_of(self, kept: StoredReceipt) -> AccessScope:
        """What the asker could see when they asked."""
        with self._state.reading() as session:
            row = session.get(ScopeRecord, str(kept.record["scope_sha256"]))
        if row is None:
            raise NotKnown(
                "The access scope of this receipt is gone.",
                remedy="Verify the log: it has been tampered with.",
            )
        return scope_from(row.scope)

    def verify(self) -> list[ChainFault]:
        """Receipts, scopes, texts, messages, conversations, and everything that gives rights, against the audit log.
        Changes nothing."""
        with self._state.reading() as session:
            return [*unproven(session), *unproven_rights(session)]


def draft_receipt(actor: Actor, given: AnswerRecord, conversation_id: str | None = None) -> ReceiptDraft:
    """The receipt of a question; its id is the question's. Touches no database."""
    answer = shown(given)
    scope, scope_sha256 = _scope_text(given.question.filters.scope)
    record = canonical(_record(given, answer, scope_sha256, actor, conversation_id))
    digest = sha256(record)
    details = {
        "ending": given.ending,
        "receipt_sha256": digest,
        "passages": len(given.passages),
        "notes": sorted({hit.resource_id for hit in given.passages}),
        **({"images": sorted(each.image_id for each in given.images)} if given.images else {}),
    }
    return ReceiptDraft(
        id=given.question_id,
        conversation_id=conversation_id,
        question=storable(given.question.text),
        answer=answer,
        record=record,
        sha256=digest,
        scope=scope,
        scope_sha256=scope_sha256,
        details=details,
    )


def erase(session: Session, which: ColumnElement[bool]) -> int:
    """Erase question and answer of some receipts; the proof stays. How many."""
    still = and_(which, Receipt.erased_at.is_(None))
    number = session.scalar(select(func.count()).select_from(Receipt).where(still)) or 0
    session.execute(update(Receipt).where(still).values(question=None, answer=None, erased_at=now()))
    return number


def storable(text: str) -> str:
    """The text without what a database refuses: NUL characters and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def shown(given: AnswerRecord) -> dict[str, Any]:
    """What the asker was shown, as it is kept, shown again and hashed."""
    domains = {hit.resource_id: hit.domain for hit in given.passages}
    answer = given.answer
    text = answer.text if answer else "\n".join(statement.text for statement in given.statements)
    return {
        "ending": given.ending,
        "reason": answer.reason if answer else None,
        "answer_ending": answer.ending if answer else None,
        "completion_tokens": answer.usage.completion_tokens if answer else 0,
        "label": answer.model.label if answer else None,
        "provider": answer.model.provider if answer else None,
        "error_code": given.error.code if given.error else None,
        "text": storable(text),
        "notices": notices_record(answer.notices if answer else ()),
        "understood": [asdict(part) for part in given.understood],
        "statements": [
            {
                "text": storable(statement.text),
                "citations": [_citation(citation, domains) for citation in statement.citations],
            }
            for statement in given.statements
        ],
        **_images(given.images),
        **_seen(answer),
    }


def _images(images: Sequence[FoundImage]) -> dict[str, Any]:
    """Which images were shown and why; nothing where there were none, as before there were any. What is known of an
    image is looked up for whoever sees the answer again."""
    if not images:
        return {}
    return {
        "images": [
            {
                "image_id": each.image_id,
                "patient_id": each.patient_id,
                "found_by": each.found_by,
                "similarity": None if each.similarity is None else round(each.similarity, 6),
                "number": each.number,
                "content_hash": each.content_hash,
            }
            for each in images
        ]
    }


def _seen(answer: Answer | None) -> dict[str, Any]:
    """What a vision model said beside it; nothing where it said nothing, as before there was one."""
    if answer is None or not answer.seen:
        return {}
    return {"seen": [asdict(each) | {"text": storable(each.text)} for each in answer.seen]}


def _citation(citation: Citation, domains: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "number": citation.number,
        "resource_id": citation.resource_id,
        "patient_id": citation.patient_id,
        "document_type": citation.document_type,
        "domain": domains.get(citation.resource_id),
        "date": citation.date,
        "similarity": round(citation.similarity, 6),
        "start": citation.start,
        "end": citation.end,
        "quote": storable(citation.quote),
        **_locator(citation.region),
        **({"title": storable(citation.title)} if citation.title else {}),
    }


def _locator(region: Region | None) -> dict[str, Any]:
    """Alongside `start` and `end`; nothing for text, so that its record stays what it was."""
    return {} if region is None else {"locator": locator_record(region)}


def _version(given: AnswerRecord) -> int:
    cited = (citation.region for statement in given.statements for citation in statement.citations)
    seen = (hit.region for hit in given.passages)
    return VERSION_WITH_LOCATORS if any(cited) or any(seen) else VERSION


def _record(
    given: AnswerRecord,
    answer: Mapping[str, Any],
    scope_sha256: str,
    actor: Actor,
    conversation_id: str | None,
) -> dict[str, Any]:
    question, found = given.question, given.answer
    return {
        "version": _version(given),
        "id": given.question_id,
        "at": now().isoformat(timespec="milliseconds"),
        "user": actor.id,
        "key": getattr(actor, "key_id", None),
        "conversation": conversation_id,
        "question_sha256": sha256(storable(question.text)),
        "filters": filters_record(question.filters),
        **_plan(given),
        **_asked_image(question),
        **({"film_id": question.film_id} if question.film_id else {}),
        "scope_sha256": scope_sha256,
        "top_k": question.top_k,
        "ending": given.ending,
        "reason": found.reason if found else None,
        "answer_ending": found.ending if found else None,
        "error_code": given.error.code if given.error else None,
        "prompt_version": found.prompt_version if found else None,
        "model": {"provider": found.model.provider, "model": found.model.model} if found else None,
        "space_id": found.space_id if found else None,
        "passages": passages_record(given.passages),
        **({"images": images_record(given.images)} if given.images else {}),
        "statements": statements_record(given.statements),
        "answer_sha256": sha256(canonical(answer)),
        "answer_text_sha256": sha256(str(answer["text"])),
        "withheld": found.withheld if found else 0,
        "notices": answer["notices"],
        "seconds": {name: round(value, 4) for name, value in found.seconds.items()} if found else {},
        "usage": {
            "prompt_tokens": found.usage.prompt_tokens if found else 0,
            "completion_tokens": found.usage.completion_tokens if found else 0,
        },
        "cost_usd": given.cost_usd,
        "more": dict(given.more),
    }


def _asked_image(question: Question) -> dict[str, Any]:
    """The hash of the prepared picture that was asked with: the picture itself is kept nowhere."""
    image = question.image
    return {} if image is None else {"image_sha256": hashlib.sha256(image.content).hexdigest()}


def images_record(images: Sequence[FoundImage]) -> list[dict[str, Any]]:
    """Images that were shown, in their order, by id; and the citation that is about each."""
    return [{"image_id": each.image_id, "number": each.number} for each in images]


def _plan(given: AnswerRecord) -> dict[str, Any]:
    """What was understood and what was removed, by ids; nothing where there is neither. Of a finding, which is words
    of the question, only that there is one: its text is with the texts."""
    question = given.question
    if not (given.understood or question.without or question.carried):
        return {}
    understood = [
        {"part": each.part, "id": _without_words(each.id), "carried": each.carried}
        for each in given.understood
    ]
    carried, without = (
        [_without_words(each) for each in ids] for ids in (question.carried, question.without)
    )
    return {"plan": {"understood": understood, "carried": carried, "without": without}}


def _without_words(part_id: str) -> str:
    return part_id if part_id.startswith(KINDS_OF_IDS) else part_id.partition(":")[0]


def passages_record(passages: Sequence[Hit]) -> list[dict[str, Any]]:
    """Passages by hash and place; passage n is cited as n."""
    return [
        {
            "number": number,
            "chunk_id": hit.chunk_id,
            "resource_id": hit.resource_id,
            "start": hit.start,
            "end": hit.end,
            "sha256": sha256(hit.text),
            "similarity": round(hit.similarity, 6),
            **_locator(hit.region),
        }
        for number, hit in enumerate(passages, start=1)
    ]


KINDS_OF_IDS = ("patient:", "kind:", "time:", "shape:", "negation")
"""Parts of a plan whose ids hold no text of a question."""
NAMING = ("name_not_found", "which_patient")
"""Notices whose value is a name: text of the question."""


def notices_record(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """What the filters did, without the values of notes that resemble the one asked for: a user who may not see those
    notes any more must not meet their ids in an old answer. Without a name as well, which is text of the question."""
    return [
        {
            "code": each.code,
            "field": each.field,
            "value": storable(each.value) if each.value and each.code not in NAMING else None,
            "notes": each.notes,
            "of": each.of,
        }
        for each in notices
    ]


def notices_from(kept: Sequence[Mapping[str, Any]]) -> tuple[Notice, ...]:
    """What `notices_record` kept."""
    return tuple(Notice(**each) for each in kept)


def statements_record(statements: Sequence[Statement]) -> list[dict[str, Any]]:
    """Statements by hash, with the places they cite and the hash of what stands there."""
    return [
        {
            "sha256": sha256(storable(statement.text)),
            "citations": [
                {
                    "number": citation.number,
                    "resource_id": citation.resource_id,
                    "start": citation.start,
                    "end": citation.end,
                    "sha256": sha256(storable(citation.quote)),
                    **_locator(citation.region),
                }
                for citation in statement.citations
            ],
        }
        for statement in statements
    ]


def filters_record(filters: Filters) -> dict[str, Any]:
    """What the asker wished for; the scope is kept apart."""
    return {
        "patient_ids": list(filters.patient_ids),
        "document_types": list(filters.document_types),
        "domains": list(filters.domains),
        "since": filters.since,
        "until": filters.until,
    }


def filters_from(record: Mapping[str, Any], scope: AccessScope) -> Filters:
    """The filters of a receipt, within a scope."""
    return Filters(
        patient_ids=tuple(record["patient_ids"]),
        document_types=tuple(record["document_types"]),
        domains=tuple(record["domains"]),
        since=record["since"],
        until=record["until"],
        scope=scope,
    )


# --- scopes: many receipts share one


@lru_cache(maxsize=64)
def _scope_text(scope: AccessScope) -> tuple[str, str]:
    """Canonical JSON and its hash. Cached: a scope may name ten thousand patients."""
    text = canonical(
        {
            "domains": None if scope.domains is None else sorted(scope.domains),
            "patient_ids": None if scope.patient_ids is None else sorted(scope.patient_ids),
        }
    )
    return text, sha256(text)


def scope_from(text: str) -> AccessScope:
    fields = json.loads(text)
    return AccessScope(
        *(None if fields[name] is None else frozenset(fields[name]) for name in ("domains", "patient_ids"))
    )


def _stored(row: Receipt) -> StoredReceipt:
    return StoredReceipt(
        id=row.id,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        question=row.question,
        answer=json.loads(row.answer) if row.answer is not None else None,
        record=json.loads(row.record),
        sha256=row.sha256,
        created_at=row.created_at,
        erased_at=row.erased_at,
    )
