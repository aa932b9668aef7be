"""Images over HTTP.

Sizes are pixels of the stored image, windows are in its own units (of a CT Hounsfield units), similarities cosines
between -1 and 1. Nothing here says where a file lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from pipeline.images import ImageFilters, date_is_shifted
from pipeline.imaging.records import ImageDescription
from pipeline.records import AccessScope, FoundBy, FoundImage
from pipeline.service.schemas.fields import Body, Day, Ids, example
from pipeline.text.periods import Period

_IMAGE = {
    "image_id": "2.25.303316843150431925460170110413542870210",
    "patient_id": "D2N006",
    "date": "2023-04-02",
    "date_shifted": False,
    "modality": "DX",
    "body_part": "CHEST",
    "view": "PA",
    "laterality": "",
    "description": "Chest",
    "study_id": "2.25.18",
    "series_id": "2.25.19",
    "domain": None,
    "encounter_id": None,
    "rows": 2048,
    "columns": 2048,
    "frame": 1,
    "frames": 1,
    "findings": ["effusion"],
    "report_id": "aci-D2N006",
    "format": "dicom",
    "window": [2048.0, 4096.0],
}


_SHARED = (
    "image_id patient_id date modality body_part view laterality description study_id series_id rows columns frame "
    "frames findings report_id"
).split()
_FOUND = {
    **{name: value for name, value in _IMAGE.items() if name in _SHARED},
    "date_is_shifted": False,
    "similarity": 0.93,
    "found_by": "image",
    "number": 0,
}
CONTENT_CHARACTERS_MAX = 96 * 2**20
"""Whatever the settings say: 64 MiB in base64 and something around it."""
EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAEUlEQVR42mNk4EAFTBwjWgAASdQIGDOfFtMAAAAASUVORK5CYII="
)
"""A PNG of a grey slope, 16 pixels a side."""

PAGE, PAGE_MAX, SKIP_MAX = 50, 200, 1_000_000


class ImageQuery(BaseModel):
    """Which images to list. Each can be given several times; all that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    patient_id: Ids = Field(default=[], description="only images of these patients")
    modality: Ids = Field(default=[], description="only of these, as DICOM codes them, for example DX")
    body_part: Ids = Field(default=[], description="only of these, as DICOM codes them, for example CHEST")
    study_id: Ids = Field(default=[], description="only of these studies")
    report_id: Ids = Field(default=[], description="only those that one of these notes reports")
    domain: Ids = Field(default=[], description="only of these domains")
    since: Day | None = Field(
        None, description="only of this day or later; those without a date are left out"
    )
    until: Day | None = Field(None, description="only up to this day, which is included")
    skip: int = Field(0, ge=0, le=SKIP_MAX, description="how many of the newest to leave out")
    limit: int = Field(PAGE, ge=1, le=PAGE_MAX)

    def filters(self, scope: AccessScope) -> ImageFilters:
        """The filters asked for, within what the person may see. Raises BadRequest where the period ends before it
        begins."""
        since, until = _days(self.since, self.until)
        return ImageFilters(
            patient_ids=tuple(self.patient_id),
            domains=tuple(self.domain),
            modalities=tuple(self.modality),
            body_parts=tuple(self.body_part),
            study_ids=tuple(self.study_id),
            report_ids=tuple(self.report_id),
            since=since,
            until=until,
            scope=scope,
        )


def _days(since: date | None, until: date | None) -> tuple[str | None, str | None]:
    """As filters have them. Raises BadRequest where the period ends before it begins."""
    first, last = since.isoformat() if since else None, until.isoformat() if until else None
    Period.of(first, last)
    return first, last


class ImageOut(BaseModel):
    """What is known of an image, after de-identification."""

    model_config = example(_IMAGE)

    image_id: str
    patient_id: str
    date: str | None
    date_shifted: bool = Field(
        description="whether the deployment moved it: its distance to other films is true"
    )
    modality: str
    body_part: str
    view: str
    laterality: str
    description: str
    study_id: str
    series_id: str
    domain: str | None
    encounter_id: str | None
    rows: int
    columns: int
    frame: int = Field(description="which frame or slice the index looks at, counted from 1")
    frames: int = Field(description="how many there are")
    findings: list[str]
    report_id: str | None = Field(description="the note that reports it, where you may see that note")
    format: str
    window: tuple[float, float] | None = Field(
        description="centre and width with which the index shows it; null where 8 bits are shown as they are"
    )

    @classmethod
    def of(cls, image: ImageDescription) -> ImageOut:
        return cls(
            image_id=image.image_id,
            patient_id=image.patient_id,
            date=image.date,
            date_shifted=date_is_shifted(image),
            modality=image.modality,
            body_part=image.body_part,
            view=image.view,
            laterality=image.laterality,
            description=image.description,
            study_id=image.study_id,
            series_id=image.series_id,
            domain=image.domain,
            encounter_id=image.encounter_id,
            rows=image.rows,
            columns=image.columns,
            frame=image.frame,
            frames=image.frames,
            findings=list(image.findings),
            report_id=image.report_id,
            format=image.source_format,
            window=_window(image),
        )


def _window(image: ImageDescription) -> tuple[float, float] | None:
    numbers = [float(each) for each in image.metadata.get("window", "").split()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


class ImagesOut(BaseModel):
    """A page of images, the newest first, those without a date last."""

    model_config = example({"images": [_IMAGE], "next_skip": None})

    images: list[ImageOut]
    next_skip: int | None = Field(description="`skip` of the next page; null on the last one")

    @classmethod
    def of(cls, images: Sequence[ImageDescription], next_skip: int | None) -> ImagesOut:
        return cls(images=[ImageOut.of(each) for each in images], next_skip=next_skip)


class FoundImageOut(BaseModel):
    """An image that was found, in the words of its cleaned description. Its pictures have addresses of their own."""

    model_config = example(_FOUND)

    image_id: str
    patient_id: str
    date: str | None
    date_is_shifted: bool
    modality: str
    body_part: str
    view: str
    laterality: str
    description: str
    study_id: str
    series_id: str
    rows: int
    columns: int
    frame: int
    frames: int
    findings: list[str] = Field(description="what it is labelled with: no one's diagnosis")
    report_id: str | None = Field(description="the note that reports it, where you may see that note")
    similarity: float | None = Field(description="with what was asked; null where nothing was compared")
    found_by: FoundBy = Field(
        description="image: its look; text: the question's words in the image model's space; report: the words of its "
        "report; metadata: what is known of it besides its pixels"
    )
    number: int = Field(description="of the citation that is about it; 0 where none is")

    @classmethod
    def of(cls, found: FoundImage) -> FoundImageOut:
        similarity = None if found.similarity is None else round(found.similarity, 4)
        return cls(**asdict(found) | {"findings": list(found.findings), "similarity": similarity})

    @classmethod
    def all(cls, found: Sequence[FoundImage]) -> list[FoundImageOut]:
        return [cls.of(each) for each in found]


class FoundImagesOut(BaseModel):
    """Images that look alike, best first, those of the patient of the image before all others."""

    model_config = example({"images": [_FOUND]})

    images: list[FoundImageOut]


class GivenImage(Body):
    """An image to ask with. It is read, cleaned and refused as one that is indexed, and kept nowhere."""

    content_base64: str = Field(
        min_length=1,
        max_length=CONTENT_CHARACTERS_MAX,
        description="a DICOM, PNG, JPEG or NIfTI file in base64; /v1/status says how large it may be",
    )


class ImageFilterFields(Body):
    """Which images to look at. An empty list restricts nothing; all of them must hold."""

    patient_ids: Ids = Field(default=[], description="only images of these patients")
    modalities: Ids = Field(default=[], description="only of these, as DICOM codes them")
    body_parts: Ids = Field(default=[], description="only of these, as DICOM codes them")
    domains: Ids = Field(default=[], description="only of these domains")
    since: Day | None = Field(None, description="only of this day or later")
    until: Day | None = Field(None, description="only up to this day, which is included")

    def filters(self, scope: AccessScope) -> ImageFilters:
        """As `ImageQuery.filters`."""
        since, until = _days(self.since, self.until)
        return ImageFilters(
            patient_ids=tuple(self.patient_ids),
            modalities=tuple(self.modalities),
            body_parts=tuple(self.body_parts),
            domains=tuple(self.domains),
            since=since,
            until=until,
            scope=scope,
        )


class ImageSearchRequest(Body):
    """Find images that look like one."""

    model_config = example(
        {"image": {"content_base64": EXAMPLE_IMAGE}, "limit": 12, "filters": {"modalities": ["DX"]}},
        body=True,
    )

    image: GivenImage
    limit: int = Field(12, ge=1, le=100, description="images at most")
    filters: ImageFilterFields = ImageFilterFields()
