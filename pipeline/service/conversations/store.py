"""Conversations: questions and answers that belong together, seen by their owner and by no one else.

Someone else's conversation, a deleted one and one that never was are the same: not known. Each question and each
answer is one transaction with its receipt and its row of the audit log. An answer that quotes a note which its owner
may no longer see, or, for a user who may not see everything, a note that is gone, is not shown again, nor to anyone a
library document that is no longer approved; an image that was shown next to an answer is looked up again, and left out
where it is out of sight. Nor is an answer shown again, to anyone, that quotes a note which is another patient's now, or
an image that is another patient's or is not what it was.
Knows no model, no store and no page: the caller hands in which notes a scope admits now, and whose they are.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from pipeline.answering.follow_up import patients_of
from pipeline.config import ServiceSettings
from pipeline.errors import BadRequest
from pipeline.images import found_image, image_text
from pipeline.imaging.records import ImageDescription
from pipeline.records import ASKED_IMAGE, AccessScope, Question, UnderstoodPart, is_of_library
from pipeline.service.audit.chain import Actor, AuditLog, sha256
from pipeline.service.audit.receipts import AnswerRecord, Receipts, draft_receipt, erase, storable
from pipeline.service.audit.verification import ASKED, CONVERSATION_DELETED
from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import (
    Conversation,
    Feedback,
    Message,
    Receipt,
    new_id,
    now,
    table_of,
)
from pipeline.service.errors import NotKnown

TITLE_CHARACTERS_MAX = 120
PAGE_MAX = 200
UNCLEAR_MAX = 10_000
IMAGE_ALONE = "Images like one of mine"
"""The name of a question of no words, which came with an image."""

Sight: TypeAlias = Callable[[AbstractSet[str], AccessScope], AbstractSet[str]]
"""Of these notes and images, by id, those that the scope admits at this moment."""
ImageSight: TypeAlias = Callable[[AbstractSet[str], AccessScope], Mapping[str, ImageDescription]]
"""Of these images those that the scope admits at this moment, with what is known of them now."""
Holders: TypeAlias = Callable[[AbstractSet[str]], Mapping[str, str]]
"""Whose these notes are at this moment, by id; without those that are not there."""

# Made once: putting a statement together costs more than running it.
_TABLE = table_of(Conversation).c
_BEGIN = insert(table_of(Conversation))
_SAY = insert(table_of(Message))
_HOLD = (
    select(_TABLE.messages_count)
    .where(_TABLE.id == bindparam("id"), _TABLE.user_id == bindparam("user_id"))
    .with_for_update()
)
_COUNT = (
    update(table_of(Conversation))
    .where(_TABLE.id == bindparam("which"))
    .values(messages_count=bindparam("to_number"), updated_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation in a list."""

    id: str
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    messages: int


@dataclass(frozen=True, slots=True)
class ConversationMessage:
    """One message."""

    id: str
    number: int
    author: Literal["person", "chartwell"]
    text: str
    """Empty where withheld."""
    content: Mapping[str, Any] | None
    """Of an answer: what `receipts.shown` made; None for a question, and where withheld."""
    receipt_id: str | None
    created_at: dt.datetime
    withheld: bool = False
    """It quotes what its owner may not see any more, or what is another patient's by now, or not what it was."""


@dataclass(frozen=True, slots=True)
class ConversationTranscript:
    """A conversation with everything said in it."""

    summary: Summary
    messages: Sequence[ConversationMessage]


@dataclass(frozen=True, slots=True)
class StartedTurn:
    conversation_id: str
    message_id: str
    """Of the question."""


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    message_id: str | None
    """Of the answer; None where the conversation was deleted meanwhile."""
    receipt_id: str


@dataclass(frozen=True, slots=True)
class NowKnown:
    """What is known at this moment of what a conversation quotes and shows."""

    out_of_sight: AbstractSet[str]
    """Notes and images that are quoted, and gone or not admitted any more."""
    images: Mapping[str, ImageDescription]
    """Those that are in sight."""
    holders: Mapping[str, str]
    """Whose the notes are that are quoted and there."""

    def is_as_told(self, citation: Mapping[str, Any]) -> bool:
        """Whether what was quoted is still of that patient; of an image, whether it still says so."""
        told, patient_id = str(citation["resource_id"]), str(citation["patient_id"])
        if told not in self.images:
            return self.holders.get(told, patient_id) == patient_id
        image = self.images[told]
        quoted = storable(image_text(image)[citation["start"] : citation["end"]])
        return (image.patient_id, image.date, quoted) == (patient_id, citation["date"], citation["quote"])

    def is_as_shown(self, image: Mapping[str, Any]) -> bool:
        """Whether an image is in sight, of the same patient, and the same file."""
        now = self.images.get(image["image_id"])
        if now is None or now.patient_id != image["patient_id"]:
            return False
        hash_then = image.get("content_hash") or now.content_hash
        return bool(hash_then == now.content_hash)


class Conversations:
    """The conversations of one state."""

    def __init__(
        self,
        state: State,
        audit: AuditLog,
        receipts: Receipts,
        settings: ServiceSettings,
        sight: Sight,
        image_sight: ImageSight = lambda ids, scope: {},
        holders: Holders = lambda ids: {},
    ) -> None:
        self._state = state
        self._audit = audit
        self._receipts = receipts
        self._settings = settings
        self._sight = sight
        self._image_sight = image_sight
        self._holders = holders
        self._unclear: dict[tuple[str, str], None] = {}  # the last ones, in their order
        self._unclear_lock = threading.Lock()

    # --- asking

    def begin(
        self, actor: Actor, question: Question, question_id: str, conversation_id: str | None = None
    ) -> StartedTurn:
        """Keep a question before it is answered. None begins a conversation. Raises NotKnown for someone else's."""
        text = storable(question.text)
        chosen = conversation_id or new_id()
        details = {"question_sha256": sha256(text), "conversation": chosen}
        with self._state.session() as session:
            if conversation_id is None:
                values = {"id": chosen, "user_id": actor.id, "title": title_of(text), "messages_count": 1}
                session.transaction.execute(_BEGIN, values)
                said: int | None = 0
            else:
                said = _said_so_far(session, actor, chosen)
            if said is None:
                raise _unknown()
            message_id = _say(session, chosen, said + 1, "person", text, None, question_id)
            if conversation_id is not None:
                _count(session, chosen, said + 1)
            self._audit.append(session, actor, ASKED, f"answer:{question_id}", details=details)
            return StartedTurn(chosen, message_id)

    def end(self, actor: Actor, conversation_id: str, given: AnswerRecord) -> FinishedTurn:
        """Keep what became of it, with its receipt: also where it failed, or the conversation is gone."""
        draft = draft_receipt(
            actor, given, conversation_id
        )  # outside the transaction: others wait for that one
        with self._state.session() as session:
            said = _said_so_far(session, actor, conversation_id)
            with_text = said is not None or self._settings.receipt_text_days > 0
            self._receipts.keep(session, actor, draft, with_text=with_text)
            if said is None:
                return FinishedTurn(None, draft.id)
            text = str(draft.answer["text"])
            message_id = _say(session, conversation_id, said + 1, "chartwell", text, draft.answer, draft.id)
            _count(session, conversation_id, said + 1)
            return FinishedTurn(message_id, draft.id)

    # --- looking

    def latest(self, actor: Actor, *, limit: int = 50, before: dt.datetime | None = None) -> list[Summary]:
        """One's own, the one last used first."""
        statement = select(Conversation).where(Conversation.user_id == actor.id)
        if before is not None:
            statement = statement.where(Conversation.updated_at < before)
        newest = statement.order_by(Conversation.updated_at.desc(), Conversation.id).limit(
            min(limit, PAGE_MAX)
        )
        with self._state.reading() as session:
            return [_summary(row) for row in session.scalars(newest)]

    def summary(self, actor: Actor, conversation_id: str) -> Summary:
        """One of one's own, without what was said in it. Raises NotKnown."""
        with self._state.reading() as session:
            return _summary(_own(session, actor, conversation_id))

    def get(self, actor: Actor, conversation_id: str, scope: AccessScope) -> ConversationTranscript:
        """One of one's own, with what `scope` still admits. Raises NotKnown, and NotReady before notes can be read."""
        with self._state.reading() as session:
            conversation = _own(session, actor, conversation_id)
            messages = session.scalars(
                select(Message).where(Message.conversation_id == conversation.id).order_by(Message.number)
            ).all()
        out_of_sight = self._out_of_sight(messages, scope)
        shown = {each["image_id"] for message in messages for each in _images(message.content)}
        films = {
            each["resource_id"]
            for message in messages
            for each in _citations(message.content)
            if _is_film(each)
        }
        images = self._image_sight(shown | films, scope) if shown | films else {}
        notes = {each["resource_id"] for message in messages for each in _citations(message.content)} - films
        now = NowKnown(out_of_sight, images, self._holders(notes) if notes else {})
        return ConversationTranscript(
            _summary(conversation), [_said(message, scope, now) for message in messages]
        )

    def _out_of_sight(self, messages: Sequence[Message], scope: AccessScope) -> AbstractSet[str]:
        """Of the notes that are quoted those that are gone or that the scope does not admit as they are now."""
        cited = {each["resource_id"] for message in messages for each in _citations(message.content)}
        if scope.unrestricted:  # a document that is no longer approved is shown again to no one
            cited = set(filter(is_of_library, cited))
        return cited - self._sight(cited, scope) if cited else cited

    def patients(self, actor: Actor, conversation_id: str) -> tuple[str, ...]:
        """The patients the last answer was about, as `patients_of` says. Raises NotKnown."""
        with self._state.reading() as session:
            conversation = _own(session, actor, conversation_id)
            last = (
                select(Message.content, Receipt.record)
                .outerjoin(Receipt, Receipt.id == Message.receipt_id)
                .where(Message.conversation_id == conversation.id, Message.author == "chartwell")
                .order_by(Message.number.desc())
                .limit(1)
            )
            found = session.execute(last).one_or_none()
        if found is None:
            return ()
        content, record = found
        limited_to = json.loads(record)["filters"]["patient_ids"] if record else []
        return patients_of(limited_to, (each["patient_id"] for each in _citations(content)))

    def remember_unclear(self, actor: Actor, conversation_id: str, *, unclear: bool) -> None:
        """Whether the last question of a conversation was refused or asked back because no one
        could tell whom it meant. A question that is refused is not kept: this is known until the service ends, of the
        last `UNCLEAR_MAX`."""
        with self._unclear_lock:
            self._unclear.pop((actor.id, conversation_id), None)
            if unclear:
                self._unclear[actor.id, conversation_id] = None
            while len(self._unclear) > UNCLEAR_MAX:
                del self._unclear[next(iter(self._unclear))]

    def is_unclear(self, actor: Actor, conversation_id: str) -> bool:
        """As `remember_unclear` was told."""
        return (actor.id, conversation_id) in self._unclear

    def understood(self, actor: Actor, conversation_id: str) -> tuple[UnderstoodPart, ...]:
        """What the last answer's question was understood to ask; empty where that was not kept. Raises NotKnown."""
        with self._state.reading() as session:
            conversation = _own(session, actor, conversation_id)
            last = (
                select(Message.content)
                .where(Message.conversation_id == conversation.id, Message.author == "chartwell")
                .order_by(Message.number.desc())
                .limit(1)
            )
            content = session.scalar(last) or {}
        return tuple(UnderstoodPart(**each) for each in content.get("understood", ()))

    def film_shown(self, actor: Actor, conversation_id: str) -> str:
        """The id of the image that the last answer showed, where it was one alone; else empty. Raises NotKnown."""
        with self._state.reading() as session:
            conversation = _own(session, actor, conversation_id)
            last = (
                select(Message.content)
                .where(Message.conversation_id == conversation.id, Message.author == "chartwell")
                .order_by(Message.number.desc())
                .limit(1)
            )
            shown = _images(session.scalar(last))
        return str(shown[0]["image_id"]) if len(shown) == 1 else ""

    def last_question(self, actor: Actor, conversation_id: str) -> str:
        """As it was asked; empty where there is none. Raises NotKnown."""
        with self._state.reading() as session:
            conversation = _own(session, actor, conversation_id)
            last = (
                select(Message.text)
                .where(Message.conversation_id == conversation.id, Message.author == "person")
                .order_by(Message.number.desc())
                .limit(1)
            )
            return session.scalar(last) or ""

    def export(self, actor: Actor, conversation_id: str, scope: AccessScope) -> dict[str, Any]:
        """Everything said, as JSON, for its owner to take along; that they did stands in the audit log."""
        whole = self.get(actor, conversation_id, scope)
        self._audit.record(actor, "conversation-exported", f"conversation:{conversation_id}")
        return {
            "title": whole.summary.title,
            "created_at": whole.summary.created_at.isoformat(),
            "messages": [
                {
                    "author": said.author,
                    "at": said.created_at.isoformat(),
                    "text": said.text,
                    "withheld": said.withheld,
                    "statements": (said.content or {}).get("statements", []),
                    "images": (said.content or {}).get("images", []),
                    "outcome": (said.content or {}).get("ending"),
                    "ending": (said.content or {}).get("answer_ending"),
                    "receipt": said.receipt_id,
                }
                for said in whole.messages
            ],
        }

    # --- changing

    def rename(self, actor: Actor, conversation_id: str, title: str) -> Summary:
        """Raises BadRequest for an empty or overlong title, NotKnown for someone else's conversation."""
        wanted = " ".join(storable(title).split())
        if not 1 <= len(wanted) <= TITLE_CHARACTERS_MAX:
            raise BadRequest(
                f"A title has 1 to {TITLE_CHARACTERS_MAX} characters.", remedy="Shorten it, or write one."
            )
        with self._state.session() as session:
            conversation = _own(session, actor, conversation_id, lock=True)
            conversation.title = wanted
            self._audit.append(session, actor, "conversation-renamed", f"conversation:{conversation_id}")
            return _summary(conversation)

    def delete(self, actor: Actor, conversation_id: str) -> None:
        """Remove title and messages for good. What reviewers can read for a while is the receipts' matter."""
        with self._state.session() as session:
            _own(session, actor, conversation_id, lock=True)
            texts = remove(session, [conversation_id], self._settings)
            subject, details = f"conversation:{conversation_id}", {"receipt_texts": texts}
            self._audit.append(session, actor, CONVERSATION_DELETED, subject, details=details)
        self._state.scrub()


def remove(session: Session, conversation_ids: Sequence[str], settings: ServiceSettings) -> int:
    """Delete conversations with all their texts; receipts' texts too where the settings keep none: of how many."""
    of_receipts = select(Receipt.id).where(Receipt.conversation_id.in_(conversation_ids))
    session.execute(update(Feedback).where(Feedback.receipt_id.in_(of_receipts)).values(comment=None))
    session.execute(delete(Message).where(Message.conversation_id.in_(conversation_ids)))
    session.execute(delete(Conversation).where(Conversation.id.in_(conversation_ids)))
    if settings.receipt_text_days > 0:
        return 0
    return erase(session, Receipt.conversation_id.in_(conversation_ids))


def title_of(question: str) -> str:
    """A conversation is named after its first question."""
    line = " ".join(question.split()) or IMAGE_ALONE
    return line if len(line) <= 80 else f"{line[:79].rstrip()}…"


def _own(session: Session, actor: Actor, conversation_id: str, *, lock: bool = False) -> Conversation:
    found = session.get(Conversation, conversation_id, with_for_update=True if lock else None)
    if found is None or found.user_id != actor.id:
        raise _unknown()
    return found


def _unknown() -> NotKnown:
    return NotKnown("There is no such conversation.", remedy="Choose one from your history.")


def _said_so_far(session: StateSession, actor: Actor, conversation_id: str) -> int | None:
    """How many messages one's own conversation has, which is locked by that; None where there is no such."""
    values = {"id": conversation_id, "user_id": actor.id}
    found: int | None = session.transaction.execute(_HOLD, values).scalar()
    return found


def _say(
    session: StateSession,
    conversation_id: str,
    number: int,
    author: str,
    text: str,
    content: Mapping[str, Any] | None,
    receipt_id: str,
) -> str:
    """Add a message at the end; the conversation is locked by the caller, who counts it: the number is its own."""
    message_id = new_id()
    values = {
        "id": message_id,
        "conversation_id": conversation_id,
        "number": number,
        "author": author,
        "text": text,
        "content": content,
        "receipt_id": receipt_id,
    }
    session.transaction.execute(_SAY, values)
    return message_id


def _count(session: StateSession, conversation_id: str, messages: int) -> None:
    """Keep how many messages it has now, and that it was used."""
    session.transaction.execute(_COUNT, {"which": conversation_id, "to_number": messages, "at": now()})


def _said(message: Message, scope: AccessScope, now: NowKnown) -> ConversationMessage:
    content = message.content
    cited = _citations(content)
    films = {each["resource_id"] for each in cited if _is_film(each)} & now.images.keys()
    withheld = not (
        all(
            each["resource_id"] not in now.out_of_sight
            and scope.admits(each["domain"], each["patient_id"])
            and now.is_as_told(each)
            for each in cited
        )
        and all(now.is_as_shown(each) for each in _images(content) if each["image_id"] in films)
    )
    return ConversationMessage(
        id=message.id,
        number=message.number,
        author="person" if message.author == "person" else "chartwell",
        text="" if withheld else message.text,
        content=None if withheld else _with_images(_understood_within(content, scope), now),
        receipt_id=message.receipt_id,
        created_at=message.created_at,
        withheld=withheld,
    )


def _understood_within(content: Mapping[str, Any] | None, scope: AccessScope) -> Mapping[str, Any] | None:
    """What an answer's question was understood to ask, without the names of patients whose notes it does not quote,
    where the scope does not say that it still admits them."""
    if not content or scope.unrestricted:
        return content
    told = {each["patient_id"] for each in _citations(content)}
    if scope.domains is None:
        told |= scope.patient_ids or set()
    parts = content.get("understood", ())
    kept = [each for each in parts if each["part"] != "patient" or each["id"].partition(":")[2] in told]
    return {**content, "understood": kept} if len(kept) < len(parts) else content


def _with_images(content: Mapping[str, Any] | None, now: NowKnown) -> Mapping[str, Any] | None:
    """An answer with the images that it showed, as far as they are still in sight, the same and of the same patient, in
    the words of now; and with what a model saw in those alone."""
    if not content or not ("images" in content or "seen" in content):
        return content
    found = [
        replace(
            found_image(now.images[each["image_id"]], each["found_by"], each["similarity"]),
            number=each["number"],
        )
        for each in _images(content)
        if now.is_as_shown(each)
    ]
    told = {ASKED_IMAGE, *(each.image_id for each in found)}
    seen = [each for each in content.get("seen", ()) if each["image_id"] in told]
    return {**content, "images": [asdict(each) for each in found], "seen": seen}


def _images(content: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Images that an answer showed, as `receipts.shown` keeps them."""
    return list(content.get("images", ())) if content else []


def _citations(content: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """What an answer quotes, with domain and patient of the note as it was then."""
    statements = content["statements"] if content else ()
    return [citation for statement in statements for citation in statement["citations"]]


def _is_film(citation: Mapping[str, Any]) -> bool:
    """Whether a citation is of an image."""
    return bool(citation.get("locator", {}).get("kind") == "image_region")


def _summary(row: Conversation) -> Summary:
    return Summary(row.id, row.title, row.created_at, row.updated_at, row.messages_count)
