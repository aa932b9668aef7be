"""Library documents: uploaded, listed, opened page by page, decided about; and the domains that they belong to.

Decides which of them exist for whom: who may upload or review sees every state of the domains in their sight, everybody
else the approved ones. What is out of sight is answered exactly as what is not there. Knows no file format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

import anyio
import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import StreamingResponse

from pipeline.errors import BadRequest, UnreadableDocument, VersionUnknown
from pipeline.library.originals import BLOCK_BYTES
from pipeline.library.records import DocumentState
from pipeline.library.states import Decision
from pipeline.library.versions import Added, Decided, LibraryDomain, LibraryQuery, LibraryVersion
from pipeline.records import EVERYTHING, library_id
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.api.images import PRIVATE, binary
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.errors import NotKnown, NotReady
from pipeline.service.library.upload_form import FILES_MAX, FilesToDisk
from pipeline.service.problems import WrongHttp, documented
from pipeline.service.schemas.documents import (
    AddedOut,
    CorrectionRequest,
    DecidedOut,
    DecisionOut,
    DecisionRequest,
    DocumentDetailOut,
    DocumentOut,
    DocumentsOut,
    DomainIn,
    DomainOut,
    DomainsOut,
    PageOut,
    UploadOut,
)
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text

router = APIRouter(prefix="/v1", tags=["documents"])

MULTIPART = "multipart/form-data"
PAGE_WIDTH = 900
PAGE_WIDTH_MAX = 2400
DRAWN_AT_ONCE = 2
_DRAWING = anyio.CapacityLimiter(DRAWN_AT_ONCE)
OWN_UPLOAD = "You uploaded this document: another reviewer approves it, or an administrator."
NOT_THERE = "Look for it in the list of documents."

VersionId = Annotated[str, Path(pattern="^[0-9a-f]{64}$", examples=["0" * 64])]
DomainName = Annotated[Text, Path(min_length=1, max_length=400, examples=["pain"])]
PageNumber = Annotated[int, Path(ge=1, le=1_000_000)]

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "domain"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": FILES_MAX,
                            "items": {"type": "string", "format": "binary"},
                        },
                        "domain": {"type": "string", "minLength": 1, "maxLength": 400, "examples": ["pain"]},
                        "supersedes": {"type": "string", "description": "document_id, of one file"},
                    },
                }
            }
        },
    }
}

_LINKS: dict[str, Any] = {
    name: {
        "operationId": name,
        "parameters": {"version_id": "$response.body#/documents/0/document/version_id"},
    }
    for name in ("document", "original", "page", "page_image", "remove_document")
}
"""What can be asked about the file that came in."""


@router.post(
    "/documents",
    status_code=202,
    dependencies=[requires(Action.UPLOAD_DOCUMENTS)],
    responses={**documented(404, 413, 415), 202: {"links": _LINKS}},
    openapi_extra=_FORM,
)
async def upload_documents(request: Request, services: ServicesDep, principal: PrincipalHere) -> UploadOut:
    """Take files into a domain. The same bytes again change nothing. They are read after this: ask again for their
    state."""
    form = await _form(request, services)
    try:
        files = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
        domain, supersedes = (_field(form, name) for name in ("domain", "supersedes"))
        if not files or not domain:
            raise BadRequest("The form has no file, or no domain.", remedy="Send the fields file and domain.")
        if supersedes and len(files) > 1:
            raise BadRequest("A newer version is one file.", remedy="Send the others by themselves.")
        taken = [await _take(services, principal, file, domain, supersedes) for file in files]
    finally:
        await form.close()
    return UploadOut(documents=[AddedOut.of(added) for added in taken])


async def _form(request: Request, services: Services) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != MULTIPART:
        raise WrongHttp(
            "The body's type is not that of a form with files.", remedy=f"Send {MULTIPART}.", status=415
        )
    return await FilesToDisk(request, services.library.folder).read()


def _field(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


async def _take(
    services: Services, principal: Principal, file: UploadFile, domain: str, supersedes: str
) -> Added:
    name = (file.filename or "document").replace("\\", "/").rpartition("/")[2][:300]
    shown = "".join(each for each in name if each.isprintable()) or "document"
    return await run_in_threadpool(
        services.library.take_in, file.file, shown, domain, principal.id, supersedes, principal.scope.domains
    )


@router.get("/documents", dependencies=[requires(Action.READ_NOTE)])
def list_documents(
    services: ServicesDep,
    principal: PrincipalHere,
    state: Annotated[list[DocumentState], Query()] = [],  # noqa: B006  FastAPI copies it
    domain: Annotated[Text, Query(max_length=400)] = "",
    document_id: Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)] = "",
    words: Annotated[Text, Query(max_length=200)] = "",
    after: Annotated[Text, Query(max_length=ID_CHARACTERS_MAX)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DocumentsOut:
    """The documents that you may see, in the order of their ids."""
    catalogue, sight = services.library.library.catalogue, principal.scope.domains
    states, counts = tuple(state), catalogue.counts(sight)
    if not _works_with_documents(principal):
        counts = {each: number for each, number in counts.items() if each == "approved"}
        if states and "approved" not in states:
            return DocumentsOut.of([], counts, None)
        states = ("approved",)
    query = LibraryQuery(states, domain, document_id, words)
    found = catalogue.versions(query, sight, after=after, limit=limit + 1)
    shown = found[:limit]
    if not _works_with_documents(principal):
        shown = list(map(_as_readers_see, shown))
    return DocumentsOut.of(shown, counts, shown[-1].version_id if len(found) > limit else None)


@router.post("/documents/decisions", dependencies=[requires(Action.REVIEW)])
def decide_about_documents(
    body: DecisionRequest, services: ServicesDep, principal: PrincipalHere
) -> DecidedOut:
    """Approve, reject, withdraw, or put back to waiting. What leaves is found no more when this returns; what is
    approved is found a little later: `searchable` names what is found already. Nobody but an administrator approves
    what they uploaded."""
    decided = decide_about(services, principal, body.versions, body.decision, body.why)
    return DecidedOut.of(decided, _searchable(services, [each.version_id for each in decided.versions]))


def decide_about(
    services: Services, principal: Principal, version_ids: Sequence[str], decision: Decision, why: str
) -> Decided:
    """The decision of a person who may review. What they may not approve, for they uploaded it, costs itself alone."""
    sight = principal.scope.domains
    own = (
        [each for each in version_ids if is_own_upload(services, principal, each)]
        if decision == "approve"
        else []
    )
    others = [each for each in version_ids if each not in own]
    decided = Decided(())
    if others:
        decided = services.library.decide(others, decision, principal.id, why, sight)
    return replace(decided, refused={**decided.refused, **dict.fromkeys(own, OWN_UPLOAD)})


def is_own_upload(services: Services, principal: Principal, version_id: str) -> bool:
    """Whether somebody else has to approve it."""
    if allowed(principal, Action.MANAGE_PEOPLE):
        return False
    found = services.library.library.catalogue.version(version_id, principal.scope.domains)
    return found is not None and found.uploaded_by == principal.id


def _searchable(services: Services, version_ids: Sequence[str]) -> set[str]:
    """Of these versions those that a search finds now. None before the store is open: then no one can search."""
    ids = {library_id(each): each for each in version_ids}
    try:
        return {ids[each] for each in services.corpus.visible(set(ids), EVERYTHING)}
    except NotReady:
        return set()


@router.patch("/documents", dependencies=[requires(Action.UPLOAD_DOCUMENTS)], responses=documented(404))
def correct_documents(
    body: CorrectionRequest, services: ServicesDep, principal: PrincipalHere
) -> list[DocumentOut]:
    """Change metadata of some versions, of all or of none."""
    changes = body.changes.model_dump(exclude_unset=True)
    corrected = services.library.library.catalogue.correct(
        body.versions, changes, principal.id, principal.scope.domains
    )
    services.library.tell_audit()
    services.library.wake()
    return [DocumentOut.of(each) for each in corrected]


@router.get("/documents/{version_id}", dependencies=[requires(Action.READ_NOTE)], responses=documented(404))
def document(version_id: VersionId, services: ServicesDep, principal: PrincipalHere) -> DocumentDetailOut:
    """A version, the others of its document that you may see, and what was decided about it."""
    version = visible_version(services, principal, version_id)
    catalogue, sight = services.library.library.catalogue, principal.scope.domains
    works = _works_with_documents(principal)
    states: tuple[DocumentState, ...] = () if works else ("approved",)
    others = catalogue.versions(LibraryQuery(states, document_id=version.document_id), sight, limit=200)
    decisions = catalogue.decisions(version_id, sight) if works else []
    shown = others if works else list(map(_as_readers_see, others))
    return DocumentDetailOut(
        document=DocumentOut.of(version),
        versions=[DocumentOut.of(each) for each in sorted(shown, key=lambda each: each.number)],
        decisions=[DecisionOut.of(each) for each in decisions],
        searchable=bool(_searchable(services, [version_id])),
    )


@router.delete(
    "/documents/{version_id}",
    status_code=204,
    dependencies=[requires(Action.UPLOAD_DOCUMENTS)],
    responses=documented(404, 409),
)
def remove_document(
    version_id: VersionId,
    services: ServicesDep,
    principal: PrincipalHere,
    why: Annotated[Text, Query(max_length=1000)] = "",
) -> None:
    """Forget a version, and its original where no other one has the same bytes. An approved one is withdrawn first."""
    services.library.library.remove(version_id, principal.id, why, principal.scope.domains)
    services.library.tell_audit()


@router.get(
    "/documents/{version_id}/pages/{number}",
    dependencies=[requires(Action.READ_NOTE)],
    responses=documented(404),
)
def page(
    version_id: VersionId, number: PageNumber, services: ServicesDep, principal: PrincipalHere
) -> PageOut:
    """The text of a page as it was read, with the place of each line."""
    version = visible_version(services, principal, version_id)
    read = services.library.document(version)
    if read is None or number > len(read.pages):
        raise NotKnown("There is no such page.", remedy="Look how many pages the document has.")
    _opened(services, principal, version_id, f"page {number}")
    return PageOut.of(read.pages[number - 1])


@router.get(
    "/documents/{version_id}/pages/{number}/image",
    dependencies=[requires(Action.READ_NOTE)],
    response_class=Response,
    responses={**documented(404, 501), **binary("The page as it is shown.", "image/png")},
)
async def page_image(
    version_id: VersionId,
    number: PageNumber,
    services: ServicesDep,
    principal: PrincipalHere,
    width: Annotated[int, Query(ge=50, le=PAGE_WIDTH_MAX)] = PAGE_WIDTH,
) -> Response:
    """One page of a PDF as a picture; 404 for formats without pages."""
    version = await run_in_threadpool(visible_version, services, principal, version_id)
    await run_in_threadpool(_opened, services, principal, version_id, f"image of page {number}")
    try:
        content = await anyio.to_thread.run_sync(
            lambda: services.library.page_image(version, number, width), limiter=_DRAWING
        )
    except UnreadableDocument as error:
        raise NotKnown(error.what, remedy=error.remedy) from error
    return Response(content, media_type="image/png", headers=PRIVATE)


@router.get(
    "/documents/{version_id}/original",
    dependencies=[requires(Action.READ_NOTE)],
    response_class=StreamingResponse,
    responses={**documented(404), **binary("The file as it was handed in.", "application/octet-stream")},
)
def original(version_id: VersionId, services: ServicesDep, principal: PrincipalHere) -> StreamingResponse:
    """The file, to be saved and not shown: what a browser would do with it is not known."""
    version = visible_version(services, principal, version_id)
    with services.library.library.originals.as_file(version.content_hash) as path:
        file = path.open("rb")  # stays readable when its name is gone
    _opened(services, principal, version_id, "original")
    headers = {
        **PRIVATE,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(version.file_name)}",
        "Content-Length": str(version.size),
    }
    return StreamingResponse(_blocks(file), media_type="application/octet-stream", headers=headers)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block


@router.get("/domains", dependencies=[requires(Action.READ_NOTE)])
def list_domains(services: ServicesDep, principal: PrincipalHere) -> DomainsOut:
    """The domains of the library that you may see."""
    found = services.library.library.catalogue.domains(principal.scope.domains)
    return DomainsOut(domains=[DomainOut.of(each) for each in found])


@router.put("/domains/{name}", dependencies=[requires(Action.MANAGE_DOMAINS)])
def put_domain(
    name: DomainName, body: DomainIn, services: ServicesDep, principal: PrincipalHere
) -> DomainOut:
    """Make a domain, or change it."""
    made = LibraryDomain(name, **body.model_dump())
    services.library.library.catalogue.put_domain(made)
    services.audit.record(principal, "domain-put", f"domain:{name}"[:200])
    return DomainOut.of(made)


@router.delete(
    "/domains/{name}",
    status_code=204,
    dependencies=[requires(Action.MANAGE_DOMAINS)],
    responses=documented(404, 409),
)
def remove_domain(name: DomainName, services: ServicesDep, principal: PrincipalHere) -> None:
    """Forget a domain that has no documents."""
    services.library.library.catalogue.remove_domain(name)
    services.audit.record(principal, "domain-removed", f"domain:{name}"[:200])


def visible_version(services: Services, principal: Principal, version_id: str) -> LibraryVersion:
    """A version that this person may see. Raises VersionUnknown."""
    found = services.library.library.catalogue.version(version_id, principal.scope.domains)
    if found is None or not (found.state == "approved" or _works_with_documents(principal)):
        raise VersionUnknown(f"The library has no document {version_id}.", remedy=NOT_THERE)
    return found if _works_with_documents(principal) else _as_readers_see(found)


def _as_readers_see(version: LibraryVersion) -> LibraryVersion:
    """Without what was said of it while it was reviewed: that names other documents, and those who decided."""
    return replace(
        version,
        uploaded_by="",
        decided_by=None,
        decided_why=None,
        findings=(),
        near_duplicates=(),
        relevance=None,
    )


def _works_with_documents(principal: Principal) -> bool:
    return allowed(principal, Action.UPLOAD_DOCUMENTS) or allowed(principal, Action.REVIEW)


def _opened(services: Services, principal: Principal, version_id: str, what: str) -> None:
    subject = f"document:{version_id}"
    about = f"{principal.id} {principal.key_id} {subject} {what}"
    services.audit.record_seldom(about, principal, "document-read", subject, details={"what": what})
