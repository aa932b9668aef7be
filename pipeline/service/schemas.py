"""What goes in and out over HTTP: fields, limits, examples. The OpenAPI is made from these.

Positions are half-open ranges `[start, end)` in characters (Unicode code points) of the note's original text. Times
are seconds, moments ISO 8601 in UTC, similarities cosines between -1 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.records import AccessScope, Answer, Citation, Document, Filters, Hit, Question, Statement

TEXT_CHARACTERS_MAX = 100_000
ID_CHARACTERS_MAX = 512
LIST_MAX = 100


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("may not contain the character NUL")  # PostgreSQL keeps none
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("may not be blank")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX), AfterValidator(_storable)]
Ids = Annotated[list[Id], Field(max_length=LIST_MAX)]


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
    since: Annotated[date, Field(strict=False)] | None = Field(
        None, description="only notes of this day or later; notes without a date are left out"
    )
    until: Annotated[date, Field(strict=False)] | None = Field(
        None, description="only notes up to this day, which is included"
    )

    def filters(self, scope: AccessScope) -> Filters:
        """The filters asked for, within what the person may see."""
        return Filters(
            patient_ids=tuple(self.patient_ids),
            document_types=tuple(self.document_types),
            domains=tuple(self.domains),
            since=self.since.isoformat() if self.since else None,
            until=self.until.isoformat() if self.until else None,
            scope=scope,
        )


_QUESTION = {
    "question": "What dose of allopurinol is Anna Mitchell taking for gout?",
    "top_k": 10,
    "filters": {"patient_ids": [], "document_types": ["Visit note"], "since": "2023-01-01"},
}


class SearchRequest(Body):
    """Find passages; no model writes anything."""

    model_config = example(_QUESTION, body=True)

    question: Annotated[
        Text, Field(min_length=1, max_length=TEXT_CHARACTERS_MAX), AfterValidator(_not_blank)
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
    cost_usd: float | None = Field(None, description="null where no price is known")
    seconds: dict[str, float] = Field(description="by stage: embed, search, prompt, generate, verify, total")

    @classmethod
    def of(cls, answer: Answer) -> UsageOut:
        return cls(
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            seconds={stage: round(seconds, 4) for stage, seconds in answer.seconds.items()},
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


class AnswerHead(BaseModel):
    """The answer without its parts: what the event `done` carries."""

    question_id: str
    conversation_id: str
    message_id: str
    receipt_id: str = Field(description="GET /v1/receipts/{receipt_id} tells what it was made from")
    outcome: Literal["answered", "nothing_relevant"]
    reason: str | None = Field(
        description="for nothing_relevant: no_documents, below_floor, generator_abstained or nothing_verified"
    )
    text: str
    withheld: int = Field(description="statements held back because their citation did not check out")
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
            "text": '"Medical Treatment: Continue allopurinol 100 mg once daily." [2]',
            "withheld": 0,
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
                "cost_usd": None,
                "seconds": {"embed": 0.02, "search": 0.01, "generate": 0.4, "total": 0.44},
            },
        }
    )

    statements: list[StatementOut]
    citations: list[CitationOut] = Field(description="each cited span once, in the order of first use")
    passages: list[PassageOut] = Field(description="what the model was given")
    usage: UsageOut


class SearchOut(BaseModel):
    """Passages, best first; empty where no note is similar enough."""

    model_config = example({"passages": [], "space_id": "local/all-MiniLM-L6-v2/384/0123456789ab"})

    passages: list[PassageOut]
    space_id: str


class AcceptedEvent(BaseModel):
    """Event `accepted`: the question has a place, or waits for one."""

    question_id: str
    conversation_id: str


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
