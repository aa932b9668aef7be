"""Library documents over HTTP.

A document has versions; a version is one file in one domain, named by 64 hexadecimal digits. Boxes are shares of a
page as it is shown, from its left and top edge. Moments are ISO 8601 in UTC. Nothing here says where a file lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from pipeline.library.records import DocumentPage, DocumentState
from pipeline.library.states import Decision, possible_decisions
from pipeline.library.versions import Added, Decided, LibraryDecision, LibraryDomain, LibraryVersion
from pipeline.service.schemas.fields import Body, Id, Text, example

VERSIONS_MAX = 500
WHY_MAX = 1000
_VERSION = "3f0a4c0e8d4b7a55f0b0c6b8d3d8b6f1c2f4a9e07d1b2c3d4e5f60718293a4b5"
_EXAMPLE: dict[str, Any] = {
    "version_id": _VERSION,
    "document_id": _VERSION,
    "number": 1,
    "domain": "pain",
    "state": "waiting",
    "title": "Ketamine in acute pain",
    "file_name": "ketamine.pdf",
    "size": 184647,
    "format": "pdf",
    "pages": 12,
    "metadata": {
        "title": "Ketamine in acute pain",
        "source": "",
        "authors": ["Pain Service"],
        "date": "2024-03",
        "version": "2.1",
        "language": "en",
        "department": "Anaesthesia",
        "document_type": "guideline",
        "tags": [],
        "origins": {"title": "first page"},
    },
    "findings": [
        {"code": "hidden-text", "what": "Page 3 has 4 words that a reader does not see.", "page": 3}
    ],
    "relevance": {"verdict": "relevant", "probability": 0.97},
    "near_duplicates": [],
    "refusal": None,
    "uploaded_at": "2026-01-31T12:00:00.000+00:00",
    "uploaded_by": "7d0c9f6f7c0b4b54b0a7c2c3c7f7a555",
    "decided_at": None,
    "decided_by": None,
    "decided_why": None,
    "possible_decisions": ["approve", "reject"],
}


class FindingOut(BaseModel):
    """What a reviewer should look at."""

    code: str
    what: str
    page: int | None = None


class RelevanceOut(BaseModel):
    """How a document stands to the topic of its domain."""

    verdict: Literal["relevant", "irrelevant", "unsure"]
    probability: float


class NearDuplicateOut(BaseModel):
    """A version with nearly the same text."""

    version_id: str
    likeness: float


class RefusalOut(BaseModel):
    """Why a file could not be read."""

    kind: str
    reason: str
    remedy: str


class MetadataOut(BaseModel):
    """What is known of a document; `origins` says where each value comes from."""

    title: str
    source: str
    authors: list[str]
    date: str | None = None
    version: str
    language: str
    department: str
    document_type: str
    tags: list[str]
    origins: dict[str, str]


class DocumentOut(BaseModel):
    """One version of a document."""

    model_config = example(_EXAMPLE)

    version_id: str
    document_id: str
    number: int
    domain: str
    state: DocumentState
    title: str
    file_name: str
    size: int = Field(description="bytes")
    format: str | None = Field(None, description="null until it is read, as are the pages")
    pages: int | None = None
    metadata: MetadataOut
    findings: list[FindingOut]
    relevance: RelevanceOut | None = None
    near_duplicates: list[NearDuplicateOut]
    refusal: RefusalOut | None = None
    uploaded_at: str
    uploaded_by: str = Field(description="empty for readers, who are told nothing of the review")
    decided_at: str | None = None
    decided_by: str | None = None
    decided_why: str | None = None
    possible_decisions: list[str]

    @classmethod
    def of(cls, version: LibraryVersion) -> DocumentOut:
        said = asdict(version)
        shown = {name: said[name] for name in cls.model_fields if name in said}
        return cls(
            **{
                **shown,
                "title": version.title,
                "format": version.source_format,
                "possible_decisions": list(possible_decisions(version.state)),
            }
        )


class AddedOut(BaseModel):
    """What became of one file of an upload."""

    is_new: bool = Field(description="false where the domain has these bytes already")
    document: DocumentOut

    @classmethod
    def of(cls, added: Added) -> AddedOut:
        return cls(is_new=added.is_new, document=DocumentOut.of(added.version))


class UploadOut(BaseModel):
    """What became of an upload; reading goes on after it."""

    model_config = example({"documents": [{"is_new": True, "document": {**_EXAMPLE, "state": "uploaded"}}]})

    documents: list[AddedOut]


class DocumentsOut(BaseModel):
    """A page of the list."""

    model_config = example({"documents": [_EXAMPLE], "counts": {"waiting": 1}, "after": None})

    documents: list[DocumentOut]
    counts: dict[str, int] = Field(description="versions by state, of the domains that you may see")
    after: str | None = Field(None, description="where the next page begins; null on the last")

    @classmethod
    def of(
        cls, found: Sequence[LibraryVersion], counts: dict[DocumentState, int], after: str | None
    ) -> DocumentsOut:
        return cls(documents=[DocumentOut.of(each) for each in found], counts=dict(counts), after=after)


class DecisionOut(BaseModel):
    """One change of a version, in the order of the whole library."""

    number: int
    before: str | None = None
    after: str
    by: str
    why: str
    at: str

    @classmethod
    def of(cls, decision: LibraryDecision) -> DecisionOut:
        return cls(**{name: value for name, value in asdict(decision).items() if name in cls.model_fields})


class DocumentDetailOut(BaseModel):
    """A version, the others of its document, and what was decided about it."""

    model_config = example(
        {"document": _EXAMPLE, "versions": [_EXAMPLE], "decisions": [], "searchable": False}
    )

    document: DocumentOut
    versions: list[DocumentOut]
    decisions: list[DecisionOut]
    searchable: bool = Field(
        description="whether a search finds it now; an approved one is indexed a little later"
    )


class LineOut(BaseModel):
    """Where characters [start, end) of a page's text are shown."""

    start: int
    end: int
    left: float
    top: float
    right: float
    bottom: float


class PageOut(BaseModel):
    """The text of a page as it was read, with the place of each line."""

    model_config = example(
        {
            "number": 3,
            "text": "The highest dose is 0.5 mg/kg.",
            "lines": [],
            "ocr_confidence": None,
            "is_image": False,
        }
    )

    number: int
    text: str
    lines: list[LineOut]
    ocr_confidence: float | None = None
    is_image: bool

    @classmethod
    def of(cls, page: DocumentPage) -> PageOut:
        return cls(
            number=page.number,
            text=page.text,
            lines=[LineOut(**asdict(box)) for box in page.boxes],
            ocr_confidence=page.ocr_confidence,
            is_image=page.is_image,
        )


VersionIds = Annotated[list[Id], Field(min_length=1, max_length=VERSIONS_MAX)]


class DecisionRequest(Body):
    """A decision about some versions."""

    model_config = example({"versions": [_VERSION], "decision": "approve", "why": "Checked."}, body=True)

    versions: VersionIds
    decision: Decision
    why: Annotated[Text, Field(max_length=WHY_MAX)] = ""


class DecidedOut(BaseModel):
    """What became of each version. One that could not be given the decision costs no other."""

    model_config = example(
        {
            "documents": [{**_EXAMPLE, "state": "approved"}],
            "superseded": [],
            "refused": {},
            "searchable": [],
        }
    )

    documents: list[DocumentOut]
    superseded: list[DocumentOut]
    refused: dict[str, str] = Field(description="why not, by version id")
    searchable: list[str] = Field(description="version ids of those that a search finds already")

    @classmethod
    def of(cls, decided: Decided, searchable: AbstractSet[str]) -> DecidedOut:
        return cls(
            documents=[DocumentOut.of(each) for each in decided.versions],
            superseded=[DocumentOut.of(each) for each in decided.superseded],
            refused=dict(decided.refused),
            searchable=sorted(searchable),
        )


class MetadataChanges(Body):
    """New values; what is left out stays."""

    title: Text | None = None
    source: Text | None = None
    authors: list[Text] | None = None
    date: Text | None = None
    version: Text | None = None
    language: Text | None = None
    department: Text | None = None
    document_type: Text | None = None
    tags: list[Text] | None = None


class CorrectionRequest(Body):
    """Metadata of some versions, all changed or none."""

    model_config = example({"versions": [_VERSION], "changes": {"title": "Ketamine in pain"}}, body=True)

    versions: VersionIds
    changes: MetadataChanges


class DomainIn(Body):
    """A part of the library."""

    model_config = example(
        {"description": "Acute and chronic pain", "topic": "ketamine in acute pain"}, body=True
    )

    description: Text = ""
    owner: Text = ""
    topic: Text = Field("", description="what its documents are about, in a sentence")
    approves_itself: bool = Field(default=False, description="documents without findings need no reviewer")
    retention_days: int | None = Field(None, ge=1, description="after so many days a document goes")
    prompt: Text = ""


class DomainOut(BaseModel):
    """A domain that you may see."""

    model_config = example(
        {
            "name": "pain",
            "description": "Acute and chronic pain",
            "owner": "",
            "topic": "ketamine in acute pain",
            "approves_itself": False,
            "retention_days": None,
            "prompt": "",
        }
    )

    name: str
    description: str
    owner: str
    topic: str
    approves_itself: bool
    retention_days: int | None = None
    prompt: str

    @classmethod
    def of(cls, domain: LibraryDomain) -> DomainOut:
        return cls(**asdict(domain))


class DomainsOut(BaseModel):
    """The domains that you may see."""

    model_config = example({"domains": []})

    domains: list[DomainOut]
