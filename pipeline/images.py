"""The nouns of stored images: what is kept of one, which of them a search may see, and what it gives back.

Decides that an image has a patient and a domain as a note has, so that one scope holds for both, that its report is
a note only where that note is stored, is of the same patient, and may be seen, and how an image is evidence: a passage
of one text, made of its cleaned description alone. Knows no store and no file format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from pipeline.imaging.records import ImageDescription
from pipeline.locators import ImageRegion
from pipeline.records import EVERYTHING, AccessScope, Document, Filters, FoundBy, FoundImage, Hit, Vector
from pipeline.text.dates import date_in_words
from pipeline.text.terms.finding_labels import label_in_words

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

IMAGE_TYPE = "Image"
"""The document type of a passage that is an image's."""

_MODALITIES = MappingProxyType(
    {
        **dict.fromkeys(("CR", "DX", "RG", "XR"), "X-ray"),
        **dict.fromkeys(("IO", "PX"), "dental X-ray"),
        "RF": "fluoroscopy",
        "XA": "angiogram",
        "CT": "CT",
        "MR": "MRI",
        "US": "ultrasound",
        "IVUS": "intravascular ultrasound",
        "MG": "mammogram",
        "NM": "nuclear medicine scan",
        "PT": "PET scan",
        "BMD": "bone density scan",
        "OP": "eye photograph",
        "OPT": "retinal scan",
        "ES": "endoscopy",
        "XC": "photograph",
    }
)
MODALITIES_CALLED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        called: tuple(code for code, words in _MODALITIES.items() if words == called)
        for called in dict.fromkeys(_MODALITIES.values())
    }
)
"""The codes of each kind of image, by what people call it."""
SLICED_MODALITIES = frozenset(("CT", "MR", "PT", "NM"))
"""Those that cut a body into slices."""
SERIES_MODALITIES = SLICED_MODALITIES | {"US", "IVUS", "XA", "RF", "OPT"}
"""Those of which one series is one examination of many images. Two films of one series are two films."""
_FILMS = frozenset(("CR", "DX", "RG", "XR", "IO", "PX", "RF", "XA", "MG"))
_LABELLED = " is labelled with: "
_SPINES = MappingProxyType(
    {
        "CSPINE": "cervical spine",
        "TSPINE": "thoracic spine",
        "LSPINE": "lumbar spine",
        "SSPINE": "sacral spine",
    }
)
_VIEWS = MappingProxyType(
    {
        "LL": "left lateral",
        "RL": "right lateral",
        "LLD": "left lateral decubitus",
        "RLD": "right lateral decubitus",
    }
)
_SIDES = MappingProxyType({"L": "left", "R": "right", "B": "bilateral"})


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


def image_called(image: ImageDescription | FoundImage) -> str:
    """What an image is in plain words, without its date: "Chest X-ray, PA view", "Left knee MRI, frame 12 of 24"."""
    words = (
        side_called(image.laterality),
        body_part_called(image.body_part),
        _MODALITIES.get(image.modality, f"{image.modality} image".strip()),
    )
    called = " ".join(word for word in words if word)
    view = view_called(image.view)
    frame = f"frame {image.frame} of {image.frames}" if image.frames > 1 else ""
    parts = (called[:1].upper() + called[1:], f"{view} view" if view else "", frame)
    return ", ".join(part for part in parts if part)


def modality_called(code: str) -> str:
    """A kind of image as people call it; the code itself where it is none that is known."""
    return _MODALITIES.get(code, code)


def body_part_called(code: str) -> str:
    """ "CSPINE" is cervical spine, "LOWER_LEG" lower leg."""
    return _SPINES.get(code, _plain(code))


def view_called(code: str) -> str:
    """ "LL" is left lateral, "LATERAL" lateral; "PA" stays."""
    return _VIEWS.get(code, code if len(code) < 4 else _plain(code))


def side_called(code: str) -> str:
    """ "L" is left, "B" bilateral."""
    return _SIDES.get(code, code.lower())


def day_in_words(image: ImageDescription | FoundImage) -> str:
    """Its day as people read it, and whether it was shifted; "" where it has none."""
    shifted = image.date_is_shifted if isinstance(image, FoundImage) else date_is_shifted(image)
    return f"{date_in_words(image.date)}{' (shifted)' if shifted else ''}" if image.date else ""


def image_text(image: ImageDescription) -> str:
    """What is known of an image, as the passage that is cited for it: always the same for the same description."""
    day = day_in_words(image)
    called = f"{image_called(image)}, {day or 'undated'}."
    if not image.findings:
        return called
    noun = "film" if image.modality in _FILMS else "image"
    which = f"The {noun} of {day}" if day else f"The undated {noun}"
    return f"{called} {which}{_LABELLED}{', '.join(map(label_called, image.findings))}."


def image_hit(image: ImageDescription, similarity: float = 0.0) -> Hit:
    """The image as a passage that can be cited. `similarity`: with what was asked; 0 where nothing was compared."""
    text = image_text(image)
    right, bottom = image.columns or 1, image.rows or 1
    return Hit(
        chunk_id=f"image:{image.image_id}",
        resource_id=image.image_id,
        patient_id=image.patient_id,
        document_type=IMAGE_TYPE,
        date=image.date,
        domain=image.domain,
        section=None,
        text=text,
        start=0,
        end=len(text),
        similarity=similarity,
        region=ImageRegion(image.series_id, image.image_id, image.frame, 0, 0, right, bottom),
    )


def is_image(hit: Hit) -> bool:
    """Whether a passage is an image's."""
    return hit.document_type == IMAGE_TYPE and isinstance(hit.region, ImageRegion)


def label_start(text: str) -> int:
    """Where in an image's text its labels are told; behind its end where it has none."""
    at = text.find(_LABELLED)
    return len(text) if at < 0 else at


def image_as_note(image: ImageDescription) -> Document:
    """The image as the note that `image_hit` is a passage of."""
    return Document(
        image.image_id, image.patient_id, IMAGE_TYPE, image_text(image), date=image.date, domain=image.domain
    )


def found_image(image: ImageDescription, found_by: FoundBy, similarity: float | None = None) -> FoundImage:
    """The image as it is shown beside an answer. `image`: as a store gives it to the asker, so that its report is one
    that the asker may see."""
    return FoundImage(
        image_id=image.image_id,
        patient_id=image.patient_id,
        date=image.date,
        modality=image.modality,
        body_part=image.body_part,
        view=image.view,
        laterality=image.laterality,
        description=image.description,
        series_id=image.series_id,
        study_id=image.study_id,
        frame=image.frame,
        frames=image.frames,
        rows=image.rows,
        columns=image.columns,
        findings=image.findings,
        report_id=image.report_id,
        similarity=similarity,
        found_by=found_by,
        date_is_shifted=date_is_shifted(image),
        content_hash=image.content_hash,
    )


def date_is_shifted(image: ImageDescription) -> bool:
    """Whether its date is not the day of the examination."""
    return image.metadata.get("date") == "shifted"


def _plain(code: str) -> str:
    """A code as people write it: "LOWER_LEG" is lower leg."""
    return " ".join(code.replace("_", " ").split()).lower()


def label_called(finding: str) -> str:
    """A label in a sentence: "Pleural_Thickening" is pleural thickening, "nodule?" possible nodule; "COPD" stays."""
    plain = label_in_words(" ".join(finding.replace("_", " ").split()))
    return " ".join(word if word[1:2].isupper() else word.lower() for word in plain.split())


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
    fields = {name: getattr(description, name) for name in ImageDescription.__slots__}
    return fields | {"metadata": dict(description.metadata)}
