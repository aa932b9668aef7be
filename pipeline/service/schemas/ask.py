"""Questions and answers over HTTP, also as events.

Positions are half-open ranges `[start, end)` in characters (Unicode code points) of the note's original text; times
are seconds, similarities cosines between -1 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, Field, ModelWrapValidatorHandler, model_validator

from pipeline.answering.notices import sentence
from pipeline.locators import Characters, Locator, Region, locator_record, region_from
from pipeline.records import (
    AccessScope,
    Answer,
    Citation,
    Ending,
    Filters,
    Hit,
    Notice,
    NoticeCode,
    Outcome,
    PlanPart,
    Question,
    Seen,
    Statement,
    UnderstoodPart,
)
from pipeline.service.schemas.fields import TEXT_CHARACTERS_MAX, Body, Day, Id, Ids, example, storable_text
from pipeline.service.schemas.images import FoundImageOut, GivenImage
from pipeline.text.periods import Period


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("may not be blank")
    return text


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
        AfterValidator(storable_text),
        AfterValidator(_not_blank),
    ] = Field(description="a question or words; /v1/status says how long it may be")
    top_k: int | None = Field(
        None, ge=1, le=100, description="passages at most; null: CHARTWELL_ANSWERING__TOP_K"
    )
    filters: FilterFields = FilterFields()

    def asked(self, scope: AccessScope, top_k: int) -> Question:
        return Question(self.question.strip(), self.filters.filters(scope), self.top_k or top_k)


class AskRequest(SearchRequest):
    """Ask a question, with an image or without. With `Accept: text/event-stream` the answer comes as it is made, else
    as one JSON object."""

    model_config = example({**_QUESTION, "conversation_id": None, "without": []}, body=True)

    image: GivenImage | None = Field(
        None,
        description="to ask with; it is kept nowhere. Then `question` may be blank or left out: images that look like "
        "it are asked for",
    )

    film_id: Id | None = Field(
        None,
        description='the stored image that "this film" means, for example the one that is open beside the question; '
        "left out, the only one that the answer before showed. One that you may not see counts as none",
    )
    conversation_id: Id | None = Field(
        None, description="the conversation that this question is filed under; null begins one"
    )
    any_patient: bool = Field(
        False,
        description="true: look at the notes of every patient. Else a question in a conversation that names no patient "
        "and does not ask about several keeps to the patient of the answer before, where that was about one",
    )
    without: Ids = Field(
        default=[],
        description="ids of parts of `understood` that have no effect: of the question itself, and of what it would "
        "carry from the turn before. Without its patient no one is meant; words other than a patient's name are still "
        "searched for",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _image_alone(cls, given: Any, checked: ModelWrapValidatorHandler[AskRequest]) -> AskRequest:
        """A question of no words is one where it comes with an image."""
        if (
            not isinstance(given, dict)
            or given.get("image") is None
            or str(given.get("question", "")).strip()
        ):
            return checked(given)
        made = checked({**given, "question": "?"})
        made.question = ""
        return made

    def asked(self, scope: AccessScope, top_k: int) -> Question:
        """What is asked; its image, where there is one, has to be read first."""
        asked = super().asked(scope, top_k)
        return replace(asked, without=tuple(self.without), film_id=self.film_id or "")


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
    title: Annotated[
        str,
        Field(
            description="title and version of a document of the library; absent for a note",
            exclude_if=lambda title: not title,
        ),
    ] = ""

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
            title=citation.title,
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
        description="by stage: queue, embed, search, rank (where a ranker is set), prompt, generate, verify, vision "
        "(where a model says what it sees in a picture); total, without the queue"
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
    told_apart: str = Field("", description="of a patient: name, birth date or age, and last note")


class NoticeOut(BaseModel):
    """What a filter did that the asker may not expect, or what cited notes are.

    Counts end at 10,000, and are of notes that you may see.
    """

    code: NoticeCode
    field: Literal["patient_id", "document_type", "domain", "date"] | None = Field(
        description="which filter; null: all of them together"
    )
    value: str | None = Field(
        description="as it was asked for; of `not_final` the status of the notes cited, of `picture_not_described` the "
        "code of the error"
    )
    notes: int = Field(description="how many notes it is about")
    of: int = Field(description="out of how many")
    near: list[NearValueOut] = Field(
        description="values that may have been meant; of `not_final` the ids of the notes, of `picture_not_described` "
        "that of the cited image"
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
                near=[
                    NearValueOut(value=near.value, notes=near.notes, told_apart=near.told_apart)
                    for near in each.near
                ],
                text=sentence(each, "note that you may see", by="the patient filter"),
            )
            for each in notices
        ]


class SeenOut(BaseModel):
    """What a model says that one picture shows. Not checked: show it apart from the answer, and say so."""

    image_id: str = Field(description="of a cited image; `asked`: the one that came with the question")
    text: str = Field(description="empty where no sentence of it may be shown")
    model: str
    withheld: int = Field(description="sentences that are not shown because they may name someone")
    checked: Literal[False] = False

    @classmethod
    def all(cls, seen: Sequence[Seen]) -> list[SeenOut]:
        return [
            cls(image_id=each.image_id, text=each.text, model=each.model, withheld=each.withheld)
            for each in seen
        ]


_KEPT_PATIENT = "the patient of the answer before, to whom this question keeps; null where it keeps to no one"


class UnderstoodPartOut(BaseModel):
    """A part of what the question was understood to ask."""

    id: str = Field(description="by which `without` removes it in the next request")
    part: PlanPart
    text: str = Field(description="as a person reads it")
    carried: bool = Field(description="from the turn before: the question does not say it")

    @classmethod
    def all(cls, parts: Sequence[UnderstoodPart]) -> list[UnderstoodPartOut]:
        return [cls(id=each.id, part=each.part, text=each.text, carried=each.carried) for each in parts]


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
        description="for nothing_relevant: no_documents, filters_match_nothing, below_floor, name_not_found, "
        "which_patient, not_stated, no_images or generator_abstained; for no_answer: nothing_verified, cut_off, "
        "filtered, refused, tool_call, thought_only or empty"
    )
    ending: Ending = Field(
        description="how the model's answer ended; of all but complete, more may be missing"
    )
    understood: list[UnderstoodPartOut] = Field(
        [],
        description="what the question was understood to ask, whom first; empty where nothing of it is known",
    )
    text: str
    withheld: int = Field(
        description="statements held back because what they cite does not say all that they say"
    )
    notices: list[NoticeOut] = Field(
        description="what the filters did that you may not expect, and cited notes that are not final"
    )
    images: list[FoundImageOut] = Field(
        [],
        description="images next to the answer, those of the patient asked about, or of the image's patient, first; of "
        "another patient's no statement says anything",
    )
    seen: list[SeenOut] = Field(
        [],
        description="what a vision model says of the picture asked with and of cited ones, where one is set: not "
        "checked, and no part of the answer",
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
            "understood": [
                {"id": "patient:D2N006", "part": "patient", "text": "Anna Mitchell", "carried": False},
                {"id": "kind:medication", "part": "kind", "text": "medications", "carried": False},
            ],
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
    """Event `retrieval`: what the question was understood to ask, and what the model is given; no passage where no note
    is similar enough."""

    understood: list[UnderstoodPartOut] = Field([], description="as in `done`")
    passages: list[PassageOut]
    images: list[FoundImageOut] = Field([], description="as in `done`")


class StatementEvent(BaseModel):
    """Event `statement`: a sentence of the answer whose citations checked out."""

    number: int = Field(ge=1)
    text: str


class CitationEvent(BaseModel):
    """Event `citation`: what carries the statement of that number."""

    statement: int = Field(ge=1)
    citation: CitationOut
