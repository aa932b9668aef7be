"""The nouns of stored images: what is kept of one, which of them a search may see, and what it gives back.

Decides that an image has a patient and a domain as a note has, so that one scope holds for both, and that its report is
a note only where that note is stored, is of the same patient, and may be seen. Knows no store and no file format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from pipeline.imaging.records import ImageDescription
from pipeline.records import EVERYTHING, AccessScope, Filters, Vector

ThumbnailType: TypeAlias = Literal["image/jpeg", "image/png"]

THUMBNAIL_BYTES_MAX = 60_000
"""A thumbnail is for people who look through a list; a picture of 256 pixels takes about 10,000."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture for people, without burned-in names: it is made of the pixels that left the reading."""

    media_type: ThumbnailType
    content: bytes


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """An image with its vector, shape (dimension,): what a store replaces as a whole. The original stays where it is;
    `description.source` says where."""

    description: ImageDescription
    vector: Vector
    thumbnail: Thumbnail | None = None

    @property
    def parts(self) -> int:
        """How many vectors it has, as `EmbeddedDocument.parts`."""
        return 1


@dataclass(frozen=True, slots=True)
class ImageFilters:
    """Which images a search may see. All that is given must hold; an empty tuple or None is no restriction. `scope` is
    what the person may see at all, as in `Filters`."""

    patient_ids: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    study_ids: tuple[str, ...] = ()
    report_ids: tuple[str, ...] = ()
    """Images whose report is one of these notes, as far as the scope admits the note."""
    since: str | None = None
    until: str | None = None
    scope: AccessScope = EVERYTHING

    @property
    def shared(self) -> Filters:
        """What restricts notes and images alike: one judgement of scopes, wishes and periods."""
        return Filters(
            patient_ids=self.patient_ids,
            domains=self.domains,
            since=self.since,
            until=self.until,
            scope=self.scope,
        )

    @property
    def of_images(self) -> Mapping[str, tuple[str, ...]]:
        """The restrictions on fields that only images have, by name; those that restrict anything."""
        lists = {
            "modalities": self.modalities,
            "body_parts": self.body_parts,
            "study_ids": self.study_ids,
        }
        return {name: values for name, values in lists.items() if values}


EVERY_IMAGE = ImageFilters()


@dataclass(frozen=True, slots=True)
class ImageHit:
    """An image that a search found. `description.report_id` is set only where the asker may see that note."""

    description: ImageDescription
    similarity: float
    """Cosine with what was asked."""


@dataclass(frozen=True, slots=True)
class ImageCounts:
    images: int
    patients: int
    studies: int
    """Different ones that are named; images without a study count to none."""


def description_json(description: ImageDescription) -> str:
    """Every field, for `description_of_json`."""
    return json.dumps(_fields(description), ensure_ascii=False)


def description_of_json(text: str) -> ImageDescription:
    fields = json.loads(text)
    return ImageDescription(**fields | {"findings": tuple(fields["findings"])})


def description_fingerprint(description: ImageDescription) -> str:
    """SHA-256 over every field: two descriptions with the same one are the same."""
    return hashlib.sha256(json.dumps(_fields(description), sort_keys=True).encode()).hexdigest()


def _fields(description: ImageDescription) -> dict[str, Any]:
    return asdict(description) | {"metadata": dict(description.metadata)}
