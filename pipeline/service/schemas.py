"""What goes in and out over HTTP: fields, limits, examples. The OpenAPI is made from these.

Positions are half-open ranges `[start, end)` in characters (Unicode code points) of the note's original text. Times
are seconds, moments ISO 8601 in UTC, similarities cosines between -1 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.answering.notices import sentence
from pipeline.config import Role
from pipeline.locators import Characters, Locator, Region, locator_record, region_from
from pipeline.records import (
    AccessScope,
    Answer,
    Citation,
    Document,
    Ending,
    Filters,
    Hit,
    Notice,
    NoticeCode,
    Outcome,
    Question,
    Statement,
)
from pipeline.service.access.groups import Group
from pipeline.service.access.keys import Key
from pipeline.service.access.policy import Action
from pipeline.service.access.users import Person
from pipeline.service.access.visibility import Visibility
from pipeline.service.conversations.feedback import COMMENT_CHARACTERS_MAX
from pipeline.service.conversations.store import ConversationMessage, ConversationTranscript, Summary
from pipeline.service.jobs.records import JobRow
from pipeline.text.periods import Period

TEXT_CHARACTERS_MAX = 20_000
"""Of a question, whatever the settings say: so it fits into a body with everything beside it."""
ID_CHARACTERS_MAX = 512
LIST_MAX = 100


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("may not contain the character NUL")  # PostgreSQL keeps none
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be valid Unicode, without half of a surrogate pair")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("may not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX), AfterValidator(_storable)]
Ids = Annotated[list[Id], Field(max_length=LIST_MAX)]


def _written(value: object) -> object:
    """Numbers are moments to pydantic, counted from 1970. Here they are mistakes."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("must be written as in ISO 8601, YYYY-MM-DD first")
    return value


Day = Annotated[date, Field(strict=False), BeforeValidator(_written)]
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]


class Body(BaseModel):
    """What a client sends: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(value: dict[str, Any], *, body: bool = False) -> ConfigDict:
    """The configuration of a model with an example; `body`: as in Body, which it would replace."""
    config = ConfigDict(json_schema_extra={"examples": [value]})
    return ConfigDict(**config, extra="forbid", strict=True) if body else config


# --- questions


class FilterFields(Body):
    """Which notes to look at. An empty list restricts nothing; all of them must hold."""

    patient_ids: Ids = Field(default=[], description="only notes of these patients")
    document_types: Ids = Field(default=[], description="only notes of these types")
    domains: Ids = Field(default=[], description="only notes of these domains")
    since: Day | None = Field(
        None, description="only notes of this day or later; notes without a date are left out"
    )
    until: Day | None = Field(
        None,
        description="only notes up to this day, which is included; a note of which only the month or the year is known "
        "is found where it may be of these days",
    )

    def filters(self, scope: AccessScope) -> Filters:
        """The filters asked for, within what the person may see. Raises BadRequest where the period ends before it
        begins."""
        filters = Filters(
            patient_ids=tuple(self.patient_ids),
            document_types=tuple(self.document_types),
            domains=tuple(self.domains),
            since=self.since.isoformat() if self.since else None,
            until=self.until.isoformat() if self.until else None,
            scope=scope,
        )
        Period.of(filters.since, filters.until)
        return filters


_QUESTION = {
    "question": "What dose of allopurinol is Anna Mitchell taking for gout?",
    "top_k": 10,
    "filters": {"patient_ids": [], "document_types": ["Visit note"], "since": "2023-01-01"},
}


class SearchRequest(Body):
    """Find passages; no model writes anything."""

    model_config = example(_QUESTION, body=True)

    question: Annotated[
        str,
        Field(min_length=1, max_length=TEXT_CHARACTERS_MAX),
        AfterValidator(_storable),
        AfterValidator(_not_blank),
    ] = Field(description="a question or words; /v1/status says how long it may be")
    top_k: int | None = Field(
        None, ge=1, le=100, description="passages at most; null: CHARTWELL_ANSWERING__TOP_K"
    )
    filters: FilterFields = FilterFields()

    def asked(self, scope: AccessScope, top_k: int) -> Question:
        return Question(self.question.strip(), self.filters.filters(scope), self.top_k or top_k)


class AskRequest(SearchRequest):
    """Ask a question. With `Accept: text/event-stream` the answer comes as it is made, else as one JSON object."""

    model_config = example({**_QUESTION, "conversation_id": None}, body=True)

    conversation_id: Id | None = Field(
        None, description="the conversation that this question is filed under; null begins one"
    )
    any_patient: bool = Field(
        False,
        description="true: look at the notes of every patient. Else a question in a conversation that names no patient "
        "and does not ask about several keeps to the patient of the answer before, where that was about one",
    )


class PageBoxOut(BaseModel):
    """A rectangle on a page, in shares of the page's width and height from its left and top edge."""

    kind: Literal["page_box"]
    page: int = Field(ge=1, description="counted from 1")
    left: float
    top: float
    right: float
    bottom: float


class ImageRegionOut(BaseModel):
    """A rectangle on a frame of an image, in pixels of the stored image from its top left corner, half-open."""

    kind: Literal["image_region"]
    series: str
    image: str
    frame: int = Field(ge=1, description="counted from 1")
    left: int
    top: int
    right: int
    bottom: int


LocatorOut: TypeAlias = Annotated[PageBoxOut | ImageRegionOut, Field(discriminator="kind")]
WhereSeen: TypeAlias = Annotated[
    LocatorOut | None,
    Field(
        description="where on a page or in an image the characters were read; absent for text",
        exclude_if=lambda locator: locator is None,
    ),
]


def _locator(region: Region | None) -> Any:
    return None if region is None else locator_record(region)


class PassageOut(BaseModel):
    """A passage of a note that was found."""

    number: int = Field(ge=1, description="statements cite it by this number")
    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    domain: str | None
    section: str | None
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    similarity: float
    text: str
    locator: WhereSeen = None

    @classmethod
    def of(cls, number: int, hit: Hit) -> PassageOut:
        return cls(
            number=number,
            resource_id=hit.resource_id,
            patient_id=hit.patient_id,
            document_type=hit.document_type,
            date=hit.date,
            domain=hit.domain,
            section=hit.section,
            start=hit.start,
            end=hit.end,
            similarity=round(hit.similarity, 4),
            text=hit.text,
            locator=_locator(hit.region),
        )

    @classmethod
    def all(cls, hits: Sequence[Hit]) -> list[PassageOut]:
        return [cls.of(number, hit) for number, hit in enumerate(hits, start=1)]


class CitationOut(BaseModel):
    """Which characters of which note carry a statement. Checked: the note holds exactly this quote there."""

    number: int
    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    similarity: float
    start: int
    end: int
    quote: str
    locator: WhereSeen = None

    @property
    def place(self) -> Locator:
        """Where to look for it."""
        if self.locator is None:
            return Characters(self.start, self.end)
        return region_from(self.locator.model_dump())

    @classmethod
    def of(cls, citation: Citation) -> CitationOut:
        return cls(
            number=citation.number,
            resource_id=citation.resource_id,
            patient_id=citation.patient_id,
            document_type=citation.document_type,
            date=citation.date,
            similarity=round(citation.similarity, 4),
            start=citation.start,
            end=citation.end,
            quote=citation.quote,
            locator=_locator(citation.region),
        )


class StatementOut(BaseModel):
    """A sentence of the answer and what carries it."""

    text: str
    citations: list[CitationOut]

    @classmethod
    def of(cls, statement: Statement) -> StatementOut:
        return cls(text=statement.text, citations=[CitationOut.of(each) for each in statement.citations])


class UsageOut(BaseModel):
    """What the answer took."""

    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None = Field(
        description="US dollars that the model's tokens add to a bill; null where no price is known"
    )
    seconds: dict[str, float] = Field(
        description="by stage: queue, embed, search, prompt, generate, verify; total, without the queue"
    )

    @classmethod
    def of(cls, answer: Answer, queued_seconds: float, cost_usd: float | None) -> UsageOut:
        return cls(
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            cost_usd=cost_usd,
            seconds={
                stage: round(seconds, 4)
                for stage, seconds in {"queue": queued_seconds, **answer.seconds}.items()
            },
        )


class ModelOut(BaseModel):
    """Who wrote the answer."""

    provider: str
    model: str
    label: str | None = Field(
        description="to be shown with the answer where the model is not for clinical use"
    )


_CITATION = {
    "number": 2,
    "resource_id": "aci-D2N006",
    "patient_id": "D2N006",
    "document_type": "Visit note",
    "date": None,
    "similarity": 0.65,
    "start": 2801,
    "end": 2859,
    "quote": "Medical Treatment: Continue allopurinol 100 mg once daily.",
}


class NearValueOut(BaseModel):
    """A value that notes have."""

    value: str
    notes: int


class NoticeOut(BaseModel):
    """What a filter did that the asker may not expect, or what cited notes are.

    Counts end at 10,000, and are of notes that you may see.
    """

    code: NoticeCode
    field: Literal["patient_id", "document_type", "domain", "date"] | None = Field(
        description="which filter; null: all of them together"
    )
    value: str | None = Field(description="as it was asked for; of `not_final` the status of the notes cited")
    notes: int = Field(description="how many notes it is about")
    of: int = Field(description="out of how many")
    near: list[NearValueOut] = Field(
        description="values that may have been meant; of `not_final` the ids of the notes"
    )
    text: str = Field(description="the same in words")

    @classmethod
    def all(cls, notices: Sequence[Notice]) -> list[NoticeOut]:
        return [
            cls(
                code=each.code,
                field=each.field,
                value=each.value,
                notes=each.notes,
                of=each.of,
                near=[NearValueOut(value=near.value, notes=near.notes) for near in each.near],
                text=sentence(each, "note that you may see", by="the patient filter"),
            )
            for each in notices
        ]


_KEPT_PATIENT = "the patient of the answer before, to whom this question keeps; null where it keeps to nobody"


class AnswerHead(BaseModel):
    """The answer without its parts: what the event `done` carries."""

    question_id: str
    conversation_id: str
    kept_patient_id: str | None = Field(None, description=_KEPT_PATIENT)
    message_id: str | None = Field(description="null where the conversation was deleted meanwhile")
    receipt_id: str = Field(description="GET /v1/receipts/{receipt_id} tells what it was made from")
    outcome: Outcome = Field(
        description="nothing_relevant: the model said so, or no note is close enough; no_answer: there is none that "
        "can be shown, and whether the notes answer the question is not known"
    )
    reason: str | None = Field(
        description="for nothing_relevant: no_documents, filters_match_nothing, below_floor, name_not_found or "
        "generator_abstained; for no_answer: nothing_verified, cut_off, filtered, refused, tool_call, "
        "thought_only or empty"
    )
    ending: Ending = Field(
        description="how the model's answer ended; of all but complete, more may be missing"
    )
    text: str
    withheld: int = Field(
        description="statements held back because what they cite does not say all that they say"
    )
    notices: list[NoticeOut] = Field(
        description="what the filters did that you may not expect, and cited notes that are not final"
    )
    model: ModelOut
    prompt_version: str | None
    space_id: str


class AnswerOut(AnswerHead):
    """An answer, every statement with its checked citations."""

    model_config = example(
        {
            "question_id": "6c5d0d7e2f0a4d54b0a7c2c3c7f7a111",
            "conversation_id": "3f0c9f6f7c0b4b54b0a7c2c3c7f7a222",
            "message_id": "9a0c9f6f7c0b4b54b0a7c2c3c7f7a333",
            "receipt_id": "1b0c9f6f7c0b4b54b0a7c2c3c7f7a444",
            "outcome": "answered",
            "reason": None,
            "ending": "complete",
            "text": '"Medical Treatment: Continue allopurinol 100 mg once daily." [2]',
            "withheld": 0,
            "notices": [],
            "model": {"provider": "extractive", "model": "quotes", "label": None},
            "prompt_version": "answer-v1@3f2a9c",
            "space_id": "local/all-MiniLM-L6-v2/384/0123456789ab",
            "statements": [
                {
                    "text": '"Medical Treatment: Continue allopurinol 100 mg once daily." [2]',
                    "citations": [_CITATION],
                }
            ],
            "citations": [_CITATION],
            "passages": [],
            "usage": {
                "prompt_tokens": 812,
                "completion_tokens": 24,
                "cost_usd": 0.0,
                "seconds": {"queue": 0.0, "embed": 0.02, "search": 0.01, "generate": 0.4, "total": 0.44},
            },
        }
    )

    statements: list[StatementOut]
    citations: list[CitationOut] = Field(description="each cited span once, in the order of first use")
    passages: list[PassageOut] = Field(description="what the model was given")
    usage: UsageOut


class SearchOut(BaseModel):
    """Passages, best first; empty where no note is similar enough."""

    model_config = example(
        {"passages": [], "notices": [], "space_id": "local/all-MiniLM-L6-v2/384/0123456789ab"}
    )

    passages: list[PassageOut]
    notices: list[NoticeOut] = Field(
        description="what the filters did that you may not expect, and cited notes that are not final"
    )
    space_id: str


class AcceptedEvent(BaseModel):
    """Event `accepted`: the question has a place, or waits for one."""

    question_id: str
    conversation_id: str
    kept_patient_id: str | None = Field(None, description=_KEPT_PATIENT)


class RetrievalEvent(BaseModel):
    """Event `retrieval`: what the model is given; empty where no note is similar enough."""

    passages: list[PassageOut]


class StatementEvent(BaseModel):
    """Event `statement`: a sentence of the answer whose citations checked out."""

    number: int = Field(ge=1)
    text: str


class CitationEvent(BaseModel):
    """Event `citation`: what carries the statement of that number."""

    statement: int = Field(ge=1)
    citation: CitationOut


# --- notes


class SpanOut(BaseModel):
    start: int
    end: int
    text: str


class NoteOut(BaseModel):
    """A note as it was handed in."""

    model_config = example(
        {
            "resource_id": "aci-D2N006",
            "patient_id": "D2N006",
            "document_type": "Visit note",
            "date": None,
            "domain": None,
            "author": None,
            "encounter_id": None,
            "metadata": {},
            "characters": 3100,
            "text": "CC: Follow-up. ...",
            "spans": [{"start": 0, "end": 14, "text": "CC: Follow-up."}],
        }
    )

    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    domain: str | None
    author: str | None
    encounter_id: str | None
    metadata: dict[str, str]
    characters: int
    text: str
    spans: list[SpanOut] = Field(description="the ranges asked for, with their text")

    @classmethod
    def of(cls, document: Document, spans: Sequence[tuple[int, int]]) -> NoteOut:
        text = document.text_content
        return cls(
            **{name: value for name, value in document.fields().items() if name != "text_content"},
            characters=len(text),
            text=text,
            spans=[SpanOut(start=start, end=end, text=text[start:end]) for start, end in spans],
        )


# --- health


class Alive(BaseModel):
    """The process runs and answers."""

    model_config = example({"status": "alive"})

    status: Literal["alive"] = "alive"


class DependencyOut(BaseModel):
    """Something that answers depend on, as it was when it was last really called."""

    name: str
    ready: bool
    code: str | None = Field(
        description="of the error, where it is not ready; explained in the troubleshooting"
    )
    seconds: float = Field(description="how long the call took")
    age_seconds: float = Field(description="how long ago that was")


class ReadyOut(BaseModel):
    """Whether questions can be answered."""

    model_config = example(
        {
            "status": "ready",
            "dependencies": [
                {"name": "store", "ready": True, "code": None, "seconds": 0.001, "age_seconds": 3.2}
            ],
        }
    )

    status: Literal["ready", "not ready", "stopping"]
    dependencies: list[DependencyOut]


class CorpusOut(BaseModel):
    """The notes that you may see."""

    notes: int
    passages: int
    space_id: str
    dimension: int
    question_tokens_max: int


class LimitsOut(BaseModel):
    """What one may send."""

    question_characters_max: int
    body_bytes_max: int
    requests_per_minute: int
    answers_each_max: int


class StatusOut(BaseModel):
    """How the service is."""

    model_config = example(
        {
            "status": "ready",
            "version": "0.1.0",
            "uptime_seconds": 3600.0,
            "dependencies": [],
            "corpus": {
                "notes": 137,
                "passages": 656,
                "space_id": "local/all-MiniLM-L6-v2/384/0123456789ab",
                "dimension": 384,
                "question_tokens_max": 240,
            },
            "model": {"provider": "extractive", "model": "sentence-selection", "label": None},
            "answers_running": 1,
            "answers_waiting": 0,
            "jobs_possible": True,
            "demo": False,
            "limits": {
                "question_characters_max": 2000,
                "body_bytes_max": 65536,
                "requests_per_minute": 240,
                "answers_each_max": 8,
            },
        }
    )

    status: Literal["ready", "not ready", "stopping"]
    version: str
    uptime_seconds: float
    dependencies: list[DependencyOut]
    corpus: CorpusOut | None = Field(description="null while the notes cannot be opened")
    model: ModelOut | None
    answers_running: int
    answers_waiting: int
    jobs_possible: bool = Field(description="whether the service has an inbox to index")
    demo: bool
    limits: LimitsOut


# --- jobs


class JobRequest(Body):
    """Index what the service's inbox holds. What is stored already costs nothing."""

    model_config = example({"prune": False, "retry_failed": False}, body=True)

    prune: bool = Field(default=False, description="remove notes that the inbox no longer holds")
    retry_failed: bool = Field(default=False, description="also retry notes that failed too often")


class JobProgress(BaseModel):
    """How far a job is, in notes."""

    phase: Literal["starting", "reading", "embedding"] = "starting"
    read: int = 0
    rejected: int = 0
    unread_files: int = Field(0, description="files that could not be read, or not to their end")
    waiting: int = Field(0, description="notes that this run has to embed, as far as is known")
    embedded: int = 0
    failed: int = 0
    stored_before: int = 0
    seconds: float = 0.0


class JobOut(BaseModel):
    """An indexing job."""

    model_config = example(
        {
            "id": "7d0c9f6f7c0b4b54b0a7c2c3c7f7a555",
            "state": "running",
            "prune": False,
            "retry_failed": False,
            "created_at": "2026-01-31T12:00:00Z",
            "ended_at": None,
            "progress": {
                "phase": "embedding",
                "read": 137,
                "rejected": 0,
                "unread_files": 0,
                "waiting": 137,
                "embedded": 64,
                "failed": 0,
                "stored_before": 0,
                "seconds": 2.4,
            },
            "report": None,
            "error": None,
            "error_code": None,
        }
    )

    id: str
    state: Literal["running", "done", "failed", "cancelled", "lost"] = Field(
        description="lost: the service ended while it ran; starting again goes on where it was"
    )
    prune: bool
    retry_failed: bool
    created_at: datetime
    ended_at: datetime | None
    progress: JobProgress
    report: dict[str, Any] | None = Field(description="counts, once it has ended")
    error: str | None
    error_code: str | None

    @classmethod
    def of(cls, job: JobRow) -> JobOut:
        return cls(
            id=job.id,
            state=job.state,
            prune=bool(job.arguments.get("prune")),
            retry_failed=bool(job.arguments.get("retry_failed")),
            created_at=job.created_at,
            ended_at=job.ended_at,
            progress=JobProgress.model_validate(dict(job.progress)),
            report=dict(job.report) if job.report is not None else None,
            error=job.error,
            error_code=job.error_code,
        )


class JobsOut(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobOut]


# --- conversations and feedback


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
    content: dict[str, Any] | None = Field(description="for an answer: its statements with their citations")
    receipt_id: str | None
    created_at: datetime
    withheld: bool = Field(description="it quotes a note that you may not see any more, or that is gone")

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

    title: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_storable)]


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
    ] = []
    comment: Annotated[str, Field(max_length=COMMENT_CHARACTERS_MAX), AfterValidator(_storable)] | None = None


class FeedbackOut(BaseModel):
    """What was kept."""

    model_config = example({"id": "5e0c9f6f7c0b4b54b0a7c2c3c7f7a666", "verdict": "bad"})

    id: str
    verdict: Literal["good", "bad"]


# --- people, groups, keys


class SeesFields(Body):
    """Which notes somebody may see. null: no restriction of that kind; an empty list: none at all. Both must hold."""

    domains: Ids | None = Field(description="domains of notes")
    group_ids: Ids | None = Field(description="patient groups")

    def sees(self) -> Visibility:
        return Visibility(
            None if self.domains is None else frozenset(self.domains),
            None if self.group_ids is None else frozenset(self.group_ids),
        )

    @classmethod
    def of(cls, seen: Visibility) -> SeesFields:
        return cls(
            domains=None if seen.domains is None else sorted(seen.domains),
            group_ids=None if seen.group_ids is None else sorted(seen.group_ids),
        )


class PersonRequest(Body):
    """Invite someone. They see nothing unless you say what."""

    model_config = example(
        {
            "name": "a.mitchell",
            "display_name": "Dr A. Mitchell",
            "role": "reader",
            "sees": {"domains": ["outpatient"], "group_ids": None},
        },
        body=True,
    )

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)] = Field(
        description="what they type to sign in"
    )
    display_name: Annotated[str, Field(max_length=200), AfterValidator(_storable)] = ""
    role: Role = "reader"
    sees: SeesFields = SeesFields(domains=[], group_ids=[])


class PersonChange(Body):
    """What is not given stays as it is."""

    model_config = example({"role": "contributor"}, body=True)

    display_name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)] | None = None
    role: Role | None = None
    active: bool | None = Field(None, description="false ends their sign-ins and keys at once")
    sees: SeesFields | None = None


_PERSON = {
    "id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
    "name": "a.mitchell",
    "display_name": "Dr A. Mitchell",
    "role": "reader",
    "active": True,
    "sees": {"domains": ["outpatient"], "group_ids": None},
    "has_password": False,
    "from_provider": False,
    "created_at": "2026-01-31T12:00:00Z",
    "signed_in_at": None,
}


class PersonOut(BaseModel):
    """Somebody who is let in, or was."""

    model_config = example(_PERSON)

    id: str
    name: str
    display_name: str
    role: Role
    active: bool
    sees: SeesFields
    has_password: bool
    from_provider: bool = Field(description="signs in with the identity provider")
    created_at: datetime
    signed_in_at: datetime | None

    @classmethod
    def of(cls, person: Person) -> PersonOut:
        fields = {name: getattr(person, name) for name in cls.model_fields if name != "sees"}
        return cls(**fields, sees=SeesFields.of(person.sees))


class PeopleOut(BaseModel):
    people: list[PersonOut]


class InvitationOut(BaseModel):
    """A one-time link with which somebody chooses a password. It is shown once."""

    model_config = example(
        {
            "person": _PERSON,
            "url": "https://notes.example.org/welcome#AbC",
            "expires_at": "2026-02-01T12:00:00Z",
        }
    )

    person: PersonOut
    url: str
    expires_at: datetime


_GROUP = {
    "id": "8f0c9f6f7c0b4b54b0a7c2c3c7f7a999",
    "name": "Ward 7",
    "members": 1,
    "created_at": "2026-01-31T12:00:00Z",
}
GROUP_PATIENTS_MAX = 2000
"""In one request; larger groups are filled by several."""


class GroupRequest(Body):
    """A patient group: a ward, a study, a clinic."""

    model_config = example({"name": "Ward 7", "patient_ids": ["D2N006"]}, body=True)

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
    patient_ids: Annotated[list[Id], Field(max_length=GROUP_PATIENTS_MAX)] = []


class GroupChange(Body):
    """What is not given stays as it is."""

    model_config = example({"add": ["D2N007"], "remove": ["D2N006"]}, body=True)

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)] | None = None
    add: Annotated[list[Id], Field(max_length=GROUP_PATIENTS_MAX)] = Field(
        default=[], description="patients to take in"
    )
    remove: Annotated[list[Id], Field(max_length=GROUP_PATIENTS_MAX)] = Field(
        default=[], description="patients to take out; those that are not in it are passed over"
    )


class GroupOut(BaseModel):
    """A patient group without its patients."""

    model_config = example(_GROUP)

    id: str
    name: str
    members: int
    created_at: datetime

    @classmethod
    def of(cls, group: Group) -> GroupOut:
        return cls(**asdict(group))


class GroupsOut(BaseModel):
    """Patient groups by name."""

    groups: list[GroupOut]


class MembersOut(BaseModel):
    """The patients of a group, in order."""

    model_config = example({"patient_ids": ["D2N006", "D2N0O6"], "without_notes": ["D2N0O6"]})

    patient_ids: list[str]
    without_notes: list[str] | None = Field(
        description="of these, the patients of whom there is no note that you may see: not indexed yet, or misspelt; "
        "null where notes cannot be looked at now"
    )


class KeyRequest(Body):
    """A key for a program. It does what its person's role allows and it was made for, and sees what they see."""

    model_config = example(
        {
            "user_id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "name": "ward dashboard",
            "actions": ["ask", "read-note"],
            "days": 90,
        },
        body=True,
    )

    user_id: Id
    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
    actions: Annotated[list[Annotated[Action, Field(strict=False)]], Field(min_length=1, max_length=50)]
    days: int = Field(90, ge=1, le=3650)


_KEY = {
    "id": "4a0c9f6f7c0b4b54b0a7c2c3c7f7a888",
    "user_id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
    "owner": "Dr A. Mitchell",
    "name": "ward dashboard",
    "prefix": "cw_abcdefghjk",
    "actions": ["ask", "read-note"],
    "created_at": "2026-01-31T12:00:00Z",
    "expires_at": "2026-05-01T12:00:00Z",
    "revoked_at": None,
    "used_at": None,
    "works": True,
}


class KeyOut(BaseModel):
    model_config = example(_KEY)

    id: str
    user_id: str
    owner: str
    name: str
    prefix: str = Field(description="how the key begins")
    actions: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None
    works: bool

    @classmethod
    def of(cls, key: Key) -> KeyOut:
        return cls(**{name: getattr(key, name) for name in cls.model_fields})


class KeysOut(BaseModel):
    keys: list[KeyOut]


class NewKeyOut(BaseModel):
    """A new key. Its text is shown now and never again."""

    model_config = example({"key": _KEY, "text": "cw_abcdefghjk_..."})

    key: KeyOut
    text: str


class MeOut(BaseModel):
    """Who you are to the service."""

    model_config = example(
        {
            "id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "name": "Dr A. Mitchell",
            "role": "reader",
            "kind": "key",
            "actions": ["ask", "read-note"],
        }
    )

    id: str
    name: str
    role: Role
    kind: Literal["user", "key", "demo"]
    actions: list[str] = Field(description="what you may do")


# --- audit


class AuditRowOut(BaseModel):
    """One row of the chain."""

    model_config = example(
        {
            "number": 17,
            "at": "2026-01-31T12:00:00.000000+00:00",
            "actor": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "actor_kind": "user",
            "action": "question-answered",
            "subject": "answer:6c5d0d7e2f0a4d54b0a7c2c3c7f7a111",
            "outcome": "done",
            "details": '{"ending":"answered"}',
            "previous": "0" * 64,
            "hash": "1" * 64,
        }
    )

    number: int
    at: str
    actor: str
    actor_kind: str
    action: str
    subject: str
    outcome: str
    details: str = Field(
        description="canonical JSON: ids, counts and hashes, never text of a question or note"
    )
    previous: str
    hash: str


class AuditPageOut(BaseModel):
    """Rows, the newest first."""

    rows: list[AuditRowOut]


class VerificationOut(BaseModel):
    """Whether the chain holds."""

    model_config = example(
        {"sound": True, "rows": 17, "head": {"number": 17, "hash": "1" * 64}, "problems": []}
    )

    sound: bool
    rows: int
    head: dict[str, Any]
    problems: list[str]


class ReceiptOut(BaseModel):
    """What an answer was made from, and that nobody has changed it since."""

    model_config = example(
        {
            "id": "1b0c9f6f7c0b4b54b0a7c2c3c7f7a444",
            "user_id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "created_at": "2026-01-31T12:00:02Z",
            "question": "What dose of allopurinol is Anna Mitchell taking for gout?",
            "answer": {"ending": "answered", "statements": []},
            "record": {"prompt_version": "answer-v1@3f2a9c", "passages": []},
            "sha256": "1" * 64,
        }
    )

    id: str
    user_id: str
    created_at: datetime
    question: str | None = Field(description="null once it has been erased")
    answer: dict[str, Any] | None = Field(
        description="the statements with their quotations; null once they have been erased"
    )
    record: dict[str, Any]
    sha256: str
