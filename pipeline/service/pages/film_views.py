"""What templates show of images: one film with what is known of it, and films side by side.

Decides that whose film it is stands on each of them, that those of other patients than the one who is meant are apart,
and what a screen reader is told in place of a picture. Knows no store and no request.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode

from pipeline.images import (
    SLICED_MODALITIES,
    body_part_called,
    found_image,
    image_called,
    label_called,
    modality_called,
    side_called,
    view_called,
)
from pipeline.imaging.records import ImageDescription
from pipeline.records import FoundImage
from pipeline.service.pages.wording import day_words, similarity_words

FOUND_BY: Mapping[str, str] = {
    "image": "found by how it looks",
    "text": "found by the words of the question",
    "report": "found by its report",
    "metadata": "found by patient, day and kind",
}
PLANES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True, slots=True)
class FilmView:
    """An image as it is shown among others."""

    image: FoundImage
    whose: str
    """What its patient is called."""

    @property
    def called(self) -> str:
        return image_called(self.image)

    @property
    def day(self) -> str:
        words = day_words(self.image.date) if self.image.date else "undated"
        return f"{words} (date shifted)" if self.image.date_is_shifted else words

    @property
    def alt(self) -> str:
        return f"{self.called}, {self.day}, {self.whose}"

    @property
    def address(self) -> str:
        return film_address(self.image.image_id)

    @property
    def thumbnail(self) -> str:
        return api_address(self.image.image_id, "thumbnail")

    @property
    def alike(self) -> str:
        """How alike it is, in words and as a number; empty where nothing was compared."""
        return similarity_words(self.image.similarity, self.image.found_by)

    @property
    def found(self) -> str:
        return FOUND_BY[self.image.found_by]


@dataclass(frozen=True, slots=True)
class FilmGroup:
    """Films under one heading."""

    heading: str
    """Empty where these are all."""
    films: tuple[FilmView, ...]
    others: bool = False
    """Whether these are of other patients than the one who is meant."""


def film_groups(
    images: Iterable[FoundImage], names: Mapping[str, str], patient_id: str = ""
) -> tuple[FilmGroup, ...]:
    """Those of the patient who is meant, then those of others; where no one is meant, all together."""
    films = [FilmView(each, names.get(each.patient_id) or f"patient {each.patient_id}") for each in images]
    if not patient_id:
        return (FilmGroup("", tuple(films)),) if films else ()
    own = tuple(each for each in films if each.image.patient_id == patient_id)
    others = tuple(each for each in films if each.image.patient_id != patient_id)
    whose = names.get(patient_id) or f"patient {patient_id}"
    groups = (FilmGroup(f"Films of {whose}", own), FilmGroup("Films of other patients", others, others=True))
    return tuple(group for group in groups if group.films)


@dataclass(frozen=True, slots=True)
class OpenFilmView:
    """A film that is looked at, with all that is known of it."""

    is_film: ClassVar[bool] = True

    description: ImageDescription
    whose: str
    frame: int
    series: int = 1
    """Images of its series that the person may see, where it is one slice of it; else 1."""
    other: bool = False
    """Whether it was opened as one of another patient than the one who is meant."""

    @property
    def card(self) -> FilmView:
        return FilmView(found_image(self.description, "metadata"), self.whose)

    @property
    def volume(self) -> str:
        return api_address(self.description.image_id, "volume")

    @property
    def rendering(self) -> str:
        return api_address(self.description.image_id, "rendering")

    @property
    def address(self) -> str:
        shown = self.frame if self.frame != self.description.frame else 0
        return film_address(self.description.image_id, shown)

    @property
    def window(self) -> str:
        """Centre and width, parted by a blank; empty where 8 bits came as they are."""
        return self.description.metadata.get("window", "")

    @property
    def plane(self) -> str:
        """Of a volume: how its slices lie in the patient; empty where they are shown as they are stored."""
        volume = self.description.source_format == "nifti"
        plane = self.description.metadata.get("plane", "")
        return plane if volume and plane in PLANES else ""

    @property
    def kind(self) -> str:
        """As people call it, with its code."""
        code = self.description.modality
        called = modality_called(code)
        return f"{called} ({code})" if called != code else code

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is known of it, by the name of each; what is not known is left out."""
        known = self.description
        size = f"{known.columns} × {known.rows} pixels" if known.rows else ""
        slices = f"{known.frame} of {known.frames} was indexed" if known.frames > 1 else ""
        named = (
            ("Patient", self.whose),
            ("Day", self.card.day),
            ("Kind", self.kind),
            ("Part of the body", body_part_called(known.body_part)),
            ("View", view_called(known.view)),
            ("Side", side_called(known.laterality)),
            ("Description", known.description),
            ("Slice", slices),
            ("Plane", known.metadata.get("plane", "")),
            ("Size", size),
        )
        return tuple((name, value) for name, value in named if value)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(map(label_called, self.description.findings))


def is_slice(image: ImageDescription) -> bool:
    """Whether its series may be a body cut into slices. Films that are none, such as both views of a knee, are each
    opened by themselves: what stands next to one is not true of the other."""
    return image.frames == 1 and image.modality in SLICED_MODALITIES


def slices_in(series: Sequence[ImageDescription]) -> int:
    """How many slices can be looked through: 1 where the series has another kind of image or view too."""
    return len(series) if len({(each.modality, each.view) for each in series}) == 1 else 1


def film_address(image_id: str, frame: int = 0) -> str:
    """Where a film is shown. Can be handed to someone else: their rights decide."""
    return f"/films/{quote(image_id, safe='')}" + (f"?{urlencode({'frame': frame})}" if frame else "")


def api_address(image_id: str, part: str) -> str:
    """Where the interface has something of an image."""
    return f"/v1/images/{quote(image_id, safe='')}/{part}"


def data_address(picture: bytes) -> str:
    """A picture of ours in an address, for a page that shows what is kept nowhere."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
