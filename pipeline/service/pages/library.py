"""The library on the page: documents uploaded and listed, reviewed one after the other, and opened at a citation.

Decides what a reviewer sees of a document beside what was read of it, and which document comes next. Rights, states and
what is recorded are the interface's judgements, which are called here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from pipeline.library.pages import places
from pipeline.library.records import DocumentPage, DocumentState, TextBox
from pipeline.library.states import Decision, in_words, possible_decisions
from pipeline.library.versions import LibraryQuery, LibraryVersion
from pipeline.records import Document, is_of_library, version_of_library
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.api.documents import decide_about, is_own_upload, list_documents, visible_version
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.library.upload_form import FILE_BYTES_MAX
from pipeline.service.pages.dependencies import Line, RendererHere, see_other
from pipeline.service.pages.view_models import TextSpan, text_spans
from pipeline.service.schemas.fields import Text

router = APIRouter(prefix="/library", include_in_schema=False, dependencies=[requires(Action.READ_NOTE)])

PAGE = 50
SHOWN_WIDTH = 900
SCALE = 1000
"""Units of a page's overlay, across and down."""
STATES: tuple[DocumentState, ...] = (
    "waiting",
    "approved",
    "read",
    "uploaded",
    "unreadable",
    "rejected",
    "superseded",
    "withdrawn",
)
DECISIONS: dict[Decision, tuple[str, str]] = {
    "approve": ("Approve", "a"),
    "reject": ("Reject", "x"),
    "withdraw": ("Withdraw", "w"),
    "wait": ("Put back to waiting", "b"),
}
"""In words, and the key that does it."""

VersionId = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Word = Annotated[Text, Query(max_length=400)]


@dataclass(frozen=True, slots=True)
class PageView:
    """One page of a document as it is shown: its picture with lines pointed out, and its text."""

    number: int
    of: int
    image: str
    """Where the picture comes from; "" where the format has none."""
    marks: tuple[tuple[int, int, int, int], ...]
    """Left, top, width, height of lines to point out, in `SCALE`."""
    parts: tuple[TextSpan, ...]
    confidence: float | None
    is_image: bool


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A button of a reviewer."""

    value: Decision
    words: str
    key: str


@dataclass(frozen=True, slots=True)
class CitedDocument:
    """A library document next to an answer, open at what was cited."""

    title: str
    version: str
    document_type: str
    date: str | None
    domain: str | None
    resource_id: str
    address: str
    whole: str
    """Where the whole document is."""
    pages: tuple[PageView, ...]


@router.get("")
def library(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    state: Word = "",
    domain: Word = "",
    words: Word = "",
    after: Word = "",
) -> HTMLResponse:
    """The documents that one may see, and a place to drop files."""
    states: list[Any] = [state] if state in STATES else []
    found = list_documents(services, principal, states, domain, "", words, after, PAGE)
    return renderer.page(
        request,
        "library.html",
        here="library",
        documents=found.documents,
        counts=found.counts,
        states=STATES if found.counts.keys() - {"approved"} else (),
        state_words=in_words,
        domains=services.library.library.catalogue.domains(principal.scope.domains),
        filters={"state": state, "domain": domain, "words": words},
        following=urlencode({"state": state, "domain": domain, "words": words, "after": found.after})
        if found.after
        else "",
        may_upload=allowed(principal, Action.UPLOAD_DOCUMENTS),
        may_review=allowed(principal, Action.REVIEW),
        next_waiting=_next_waiting(services, principal),
        bytes_max=FILE_BYTES_MAX,
    )


@router.get("/{version_id}")
def document(
    version_id: VersionId,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> HTMLResponse:
    """One version: its pages beside what was read of them, findings, and what was decided."""
    version = visible_version(services, principal, version_id)
    catalogue, sight = services.library.library.catalogue, principal.scope.domains
    works = allowed(principal, Action.REVIEW) or allowed(principal, Action.UPLOAD_DOCUMENTS)
    read = services.library.document(version)
    pages = read.pages if read is not None else ()
    shown = pages[min(page, len(pages)) - 1] if pages else None
    others = catalogue.versions(LibraryQuery(document_id=version.document_id), sight, limit=200)
    may_review = allowed(principal, Action.REVIEW)
    return renderer.page(
        request,
        "library_document.html",
        here="library",
        version=version,
        state=in_words(version.state),
        page=None if shown is None else _page_view(version, shown, len(pages)),
        versions=sorted(others, key=lambda each: each.number) if works else [],
        decisions=catalogue.decisions(version_id, sight) if works else [],
        possible=[
            DecisionView(each, *DECISIONS[each])
            for each in possible_decisions(version.state)
            if may_review and not (each == "approve" and is_own_upload(services, principal, version_id))
        ],
        next_waiting=_next_waiting(services, principal, version_id) if may_review else "",
        may_upload=allowed(principal, Action.UPLOAD_DOCUMENTS),
        bytes_max=FILE_BYTES_MAX,
        state_words=in_words,
    )


@router.post("/{version_id}/decision", dependencies=[requires(Action.REVIEW)])
def decide(
    version_id: VersionId,
    services: ServicesDep,
    principal: PrincipalHere,
    decision: Line,
    why: Line = "",
) -> RedirectResponse:
    """Decide, and go on with the next one that waits."""
    if decision in DECISIONS:
        decide_about(services, principal, [version_id], decision, why)
    following = _next_waiting(services, principal, version_id)
    return see_other(f"/library/{following}" if following else "/library", "decided")


def _next_waiting(services: Services, principal: Principal, after: str = "") -> str:
    """The id of the next document that waits behind one, from the first again at the end; "" where none does."""
    if not allowed(principal, Action.REVIEW):
        return ""
    catalogue, query = services.library.library.catalogue, LibraryQuery(states=("waiting",))
    sight = principal.scope.domains
    found = catalogue.versions(query, sight, after=after, limit=1) or catalogue.versions(
        query, sight, limit=1
    )
    return found[0].version_id if found and found[0].version_id != after else ""


def is_document(resource_id: str) -> bool:
    """Whether what is cited is opened here."""
    return is_of_library(resource_id)


def cited_document(
    services: Services, principal: Principal, stored: Document, spans: Sequence[tuple[int, int]], address: str
) -> CitedDocument:
    """An approved document, open at the pages of these characters; at its first page where there are none. Raises
    VersionUnknown."""
    version = visible_version(services, principal, version_of_library(stored.resource_id))
    read = services.library.document(version)
    pages: dict[int, tuple[DocumentPage, list[tuple[int, int]]]] = {}
    for start, end in spans:
        for place in places(read, start, end) if read is not None else ():
            _, marked = pages.setdefault(place.page.number, (place.page, []))
            marked.append((place.start, place.end))
    if not pages and read is not None and read.pages:
        pages[1] = (read.pages[0], [])
    count = len(read.pages) if read is not None else 0
    return CitedDocument(
        title=version.title,
        version=version.metadata.version or str(version.number),
        document_type=stored.document_type,
        date=stored.date,
        domain=stored.domain,
        resource_id=stored.resource_id,
        address=address,
        whole=f"/library/{version.version_id}",
        pages=tuple(_page_view(version, page, count, marked) for page, marked in pages.values()),
    )


def _page_view(
    version: LibraryVersion, page: DocumentPage, of: int, marked: Sequence[tuple[int, int]] = ()
) -> PageView:
    image = f"/v1/documents/{version.version_id}/pages/{page.number}/image?width={SHOWN_WIDTH}"
    touched = [box for box in page.boxes if any(box.start < end and box.end > start for start, end in marked)]
    return PageView(
        number=page.number,
        of=of,
        image=image if version.source_format == "pdf" else "",
        marks=tuple(map(_mark, touched)),
        parts=tuple(text_spans(page.text, sorted(marked))),
        confidence=page.ocr_confidence,
        is_image=page.is_image,
    )


def _mark(box: TextBox) -> tuple[int, int, int, int]:
    left, top = round(box.left * SCALE), round(box.top * SCALE)
    return left, top, max(1, round(box.right * SCALE) - left), max(1, round(box.bottom * SCALE) - top)
