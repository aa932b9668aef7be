"""Images: listed, looked at from a thumbnail up to the values of a series, and found by their look.

Decides what of looking at an image is recorded, and that what goes out is named after nothing: no file name, nothing
that a browser may keep. Knows no pixels: what an original shows is made in processes of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import Receive, Scope, Send

from pipeline.answering.images.similar_images import SIMILAR_MAX
from pipeline.errors import BadRequest, UnreadableImage
from pipeline.images import ImageFilters
from pipeline.imaging.records import ImageDescription
from pipeline.imaging.viewing.frames import FramePicture, FrameView
from pipeline.imaging.viewing.volumes import VolumeFile, VolumeView
from pipeline.records import AskedImage, FoundImage
from pipeline.service.access.policy import Action, Principal
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.errors import NotKnown, OriginalChanged
from pipeline.service.images.reader import prepare_sent_image, refused_image
from pipeline.service.problems import documented
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX, Text
from pipeline.service.schemas.images import (
    FoundImageOut,
    FoundImagesOut,
    ImageOut,
    ImageQuery,
    ImageSearchRequest,
    ImagesOut,
)


class ImageIdConvertor(StringConvertor):
    """An id in an address, slashes and all; not the word that searches."""

    regex = "(?!search$).+"


register_url_convertor("image", ImageIdConvertor())
router = APIRouter(prefix="/v1", tags=["images"])

WINDOW_MAX = 1e9
SIMILAR_LIMIT_MAX = 100
PRIVATE = {"Cache-Control": "private, no-store"}
CHUNK_BYTES = 2**20
"""Sent at a time: the patience with a client that takes nothing counts for each."""

ImageId = Annotated[
    Text,
    Path(
        min_length=1, max_length=ID_CHARACTERS_MAX, examples=["2.25.303316843150431925460170110413542870210"]
    ),
]


def binary(description: str, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """How a body that is no JSON stands in the OpenAPI."""
    content = {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}
    return {200: {"description": description, "content": content}}


@router.get("/images", dependencies=[requires(Action.READ_NOTE)], responses=documented(502, 504))
def images(
    services: ServicesDep, principal: PrincipalHere, wanted: Annotated[ImageQuery, Query()]
) -> ImagesOut:
    """The images that you may see, the newest first."""
    filters = wanted.filters(principal.scope)
    found, following = list_images(services, principal, filters, skip=wanted.skip, limit=wanted.limit)
    return ImagesOut.of(found, following)


@router.get(
    "/images/{image_id:image}/thumbnail",
    dependencies=[requires(Action.READ_NOTE)],
    response_class=Response,
    responses={
        **documented(404, 502, 504),
        **binary("A picture of 256 pixels or less.", "image/jpeg", "image/png"),
    },
)
def thumbnail(services: ServicesDep, principal: PrincipalHere, image_id: ImageId) -> Response:
    """A small picture, made when the image was indexed: it is there also where the original is not."""
    try:
        picture = services.images.thumbnail(image_id, principal.scope)
    except NotKnown:
        record_image(services, principal, image_id, "thumbnail", outcome="refused")
        raise
    record_image(services, principal, image_id, "thumbnail")
    return Response(picture.content, media_type=picture.media_type, headers=PRIVATE)


@router.get(
    "/images/{image_id:image}/rendering",
    dependencies=[requires(Action.READ_NOTE)],
    response_class=Response,
    responses={**documented(404, 409, 410, 501, 502, 504), **binary("The picture.", "image/png")},
)
async def rendering(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    image_id: ImageId,
    frame: Annotated[
        int | None, Query(ge=1, description="counted from 1; absent: the one that the index looks at")
    ] = None,
    centre: Annotated[
        float | None,
        Query(
            ge=-WINDOW_MAX,
            le=WINDOW_MAX,
            description="of the window, in the image's own units; goes with `width`",
        ),
    ] = None,
    width: Annotated[float | None, Query(gt=0, le=WINDOW_MAX)] = None,
) -> Response:
    """A frame of the original, read and cleaned now, with every pixel up to 4,096 a side. Colours have no window."""
    window = _window(centre, width)
    picture = await view_frame_of(request, services, principal, image_id, frame, window)
    return Response(picture.content, media_type="image/png", headers={**PRIVATE, **_told(picture)})


@router.get(
    "/images/{image_id:image}/volume",
    dependencies=[requires(Action.READ_NOTE)],
    response_class=StreamingResponse,
    responses={
        **documented(404, 409, 410, 501, 502, 504),
        **binary("A NIfTI-1 file, not compressed.", "application/octet-stream"),
    },
)
async def volume(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    image_id: ImageId,
    of: Annotated[
        Literal["image", "series"],
        Query(description="image: all its frames; series: every image of its series that you may see"),
    ] = "image",
) -> StreamingResponse:
    """The values of an image or its series for a viewer, read and cleaned now, in the image's own units; of MONOCHROME1
    with the other sign. The file says sizes, directions and window, and nothing else."""
    services.volumes.require_room(principal.id)
    made = await view_volume_of(request, services, principal, image_id, whole_series=of == "series")
    headers = {
        **PRIVATE,
        "Content-Length": str(len(made.content)),
        "X-Chartwell-Planes": str(made.planes),
        "X-Chartwell-Plane": str(made.chosen),
        "X-Chartwell-Left-Out": str(made.left_out),
    }
    held = services.volumes.hold(principal.id)
    return HeldResponse(held, _chunks(made.content), media_type="application/octet-stream", headers=headers)


@router.get(
    "/images/{image_id:image}/similar",
    dependencies=[requires(Action.SEARCH)],
    responses=documented(404, 502, 504),
)
def similar(
    services: ServicesDep,
    principal: PrincipalHere,
    image_id: ImageId,
    limit: Annotated[int, Query(ge=1, le=SIMILAR_LIMIT_MAX)] = SIMILAR_MAX,
) -> FoundImagesOut:
    """Images that look like a stored one, best first, those of its patient before all others. None that the image
    model finds unlike it."""
    _, found = similar_to(services, principal, image_id, limit=limit)
    return FoundImagesOut(images=FoundImageOut.all(found))


@router.post(
    "/images/search",
    dependencies=[requires(Action.SEARCH)],
    responses=documented(501, 502, 504),
)
async def search_by_image(
    body: ImageSearchRequest, request: Request, services: ServicesDep, principal: PrincipalHere
) -> FoundImagesOut:
    """Find images that look like one that is sent, best first; where its header, or the same bytes in the store, say
    whose it is, that patient's before all others. It is read, cleaned and refused as one that is indexed, and kept
    nowhere."""
    filters = body.filters.filters(principal.scope)
    asked = await read_asked_image(request, services, principal, body.image.content_base64)
    _, found = await run_in_threadpool(search_images, services, principal, asked, filters, limit=body.limit)
    return FoundImagesOut(images=FoundImageOut.all(found))


@router.get(
    "/images/{image_id:image}", dependencies=[requires(Action.READ_NOTE)], responses=documented(404, 502, 504)
)
def image(services: ServicesDep, principal: PrincipalHere, image_id: ImageId) -> ImageOut:
    """What is known of an image. One that you may not see is answered exactly as one that does not exist."""
    return ImageOut.of(read_image_of(services, principal, image_id))


def list_images(
    services: Services, principal: Principal, filters: ImageFilters, *, skip: int, limit: int
) -> tuple[list[ImageDescription], int | None]:
    """A page, and where the next begins; None on the last."""
    found = services.images.page(filters, skip=skip, limit=limit + 1)
    shown = found[:limit]
    services.audit.record(principal, "images-list", details={"images": [each.image_id for each in shown]})
    return shown, skip + limit if len(found) > limit else None


def read_image_of(
    services: Services, principal: Principal, image_id: str, what: str = "image"
) -> ImageDescription:
    """The image, and a row of the audit log that it was looked at, or asked for in vain. Raises NotKnown."""
    try:
        found = services.images.one(image_id, principal.scope)
    except NotKnown:
        record_image(services, principal, image_id, what, outcome="refused")
        raise
    record_image(services, principal, image_id, what)
    return found


def similar_to(
    services: Services, principal: Principal, image_id: str, *, limit: int = SIMILAR_MAX
) -> tuple[ImageDescription, tuple[FoundImage, ...]]:
    """The image, and those that look like it. Raises NotKnown."""
    described = read_image_of(services, principal, image_id, "similar")
    found = services.images.similar(described, principal.scope, limit=limit)
    services.audit.record(
        principal, "images-search", f"image:{image_id}", details={"images": [each.image_id for each in found]}
    )
    return described, found


def search_images(
    services: Services, principal: Principal, asked: AskedImage, filters: ImageFilters, *, limit: int
) -> tuple[str, tuple[FoundImage, ...]]:
    """Whose an image is that was read with `read_asked_image`, "" where no one knows, and those that look like it."""
    whose, found = services.images.search(asked, filters, limit=limit)
    details = {
        "image_sha256": hashlib.sha256(asked.content).hexdigest(),
        "images": [each.image_id for each in found],
    }
    services.audit.record(principal, "images-search", details=details)
    return whose, found


async def read_asked_image(
    request: Request, services: Services, principal: Principal, content_base64: str
) -> AskedImage:
    """The image that a person sends, read and cleaned. Raises BadRequest, TooLarge, ImageRefused with the kind, and as
    `ImageReader.read`."""
    services.images.require_embedder()
    settings = services.settings
    return await services.image_reader.read(
        request, principal.id, lambda pool: prepare_sent_image(content_base64, settings, pool)
    )


def record_image(
    services: Services,
    principal: Principal,
    image_id: str,
    what: str,
    outcome: Literal["done", "refused"] = "done",
) -> None:
    """Who looked at which image, and at what of it: a row a minute for the same, because a viewer asks for one picture
    after another while someone moves a slider."""
    subject, details = f"image:{image_id}", {"what": what}
    about = f"{principal.id} {principal.key_id} {subject} {what} {outcome}"
    services.audit.record_seldom(about, principal, "image-read", subject, outcome=outcome, details=details)


async def view_frame_of(
    request: Request,
    services: Services,
    principal: Principal,
    image_id: str,
    frame: int | None = None,
    window: tuple[float, float] | None = None,
) -> FramePicture:
    """A frame of the original. Raises NotKnown, OriginalGone, OriginalChanged, UnreadableImage where it is refused, and
    as `ImageReader.read`."""
    described = await run_in_threadpool(read_image_of, services, principal, image_id, "rendering")
    _require_frame(described, frame)
    (file,) = await run_in_threadpool(services.images.originals, [described])
    wanted = FrameView(file, described.content_hash, frame or described.frame, window)
    outcome = await services.image_reader.read(request, principal.id, lambda pool: pool.view(wanted).result())
    if isinstance(outcome, FramePicture):
        return outcome
    raise _refused(outcome)


async def view_volume_of(
    request: Request, services: Services, principal: Principal, image_id: str, *, whole_series: bool
) -> VolumeFile:
    """The values of the image, or of its series. Raises as `view_frame_of`."""
    described = await run_in_threadpool(read_image_of, services, principal, image_id, "volume")
    chosen = [described]
    if whole_series:
        chosen = await run_in_threadpool(services.images.series, described, principal.scope)
        for each in chosen[1:]:
            await run_in_threadpool(record_image, services, principal, each.image_id, "volume")
    files = await run_in_threadpool(services.images.originals, chosen)
    hashes = (each.content_hash for each in chosen)
    wanted = VolumeView(tuple(zip(files, hashes, strict=True)))
    outcome = await services.image_reader.read(request, principal.id, lambda pool: pool.view(wanted).result())
    if isinstance(outcome, VolumeFile):
        return outcome
    raise _refused(outcome)


def _refused(outcome: object) -> Exception:
    """What stands in the way of an original: it has changed or cannot be opened, or its reading refuses it."""
    assert isinstance(outcome, UnreadableImage)
    if outcome.kind == "changed":
        return OriginalChanged(
            "The original is another file now than when the image was indexed.",
            remedy="The thumbnail is kept. Have its folder indexed again.",
        )
    if outcome.kind == "unopened":
        return OriginalChanged(
            "The original is there, and the service may not open it.",
            remedy="The thumbnail is kept. Give the service's user permission to read the file.",
        )
    return refused_image(outcome)


def _require_frame(described: ImageDescription, frame: int | None) -> None:
    if frame is not None and frame > described.frames:
        raise BadRequest(
            f"The image has no frame {frame}: it has {described.frames}.", remedy="They are counted from 1."
        )


def _window(centre: float | None, width: float | None) -> tuple[float, float] | None:
    if centre is None and width is None:
        return None
    if centre is None or width is None:
        raise BadRequest("A window has a centre and a width.", remedy="Give both, or neither.")
    return centre, width


def _told(picture: FramePicture) -> dict[str, str]:
    shown = {"X-Chartwell-Frame": str(picture.frame), "X-Chartwell-Frames": str(picture.frames)}
    if picture.window is not None:
        shown["X-Chartwell-Window"] = f"{picture.window[0]:g} {picture.window[1]:g}"
    return shown


class HeldResponse(StreamingResponse):
    """Counts as held in memory until its last byte has gone, or its reader has."""

    def __init__(
        self, held: AbstractContextManager[None], content: AsyncIterator[bytes], **more: Any
    ) -> None:
        super().__init__(content, **more)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    view = memoryview(content)
    for at in range(0, len(view), CHUNK_BYTES):
        yield bytes(view[at : at + CHUNK_BYTES])
