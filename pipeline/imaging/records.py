"""The nouns of images: what may leave the reading, and in which shape.

Decides the fields that are known of an image after de-identification, and what a rendering is. Refuses to know file
formats' headers, decoders, stores and models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

ImageFormat: TypeAlias = Literal["dicom", "png", "jpg", "nifti"]
ISSUER = "issuer"
"""In an image's metadata: a code of who gave the patient's id, where the header alone names the patient and says so."""
DATE_LEFT_OUT = "date_left_out"
"""In an image's metadata: why it has no date although its header or its row has one, `placeholder` or `unreadable`."""
IN_TABLE = "in_table"
"""In an image's metadata: that a table said something of it when it was stored."""
LEFT_OUT = "left_out"
"""In an image's metadata: how many values of its row were left out, because they may name someone."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What people and models are shown of one frame: 8 bits, square pixels, 0 is black."""

    pixels: NDArray[np.uint8]
    """Shape (rows, columns) for grey, (rows, columns, 3) for RGB."""
    window: tuple[float, float] | None = None
    """Centre and width that were applied, in the image's own units; None where 8 bits came as they are."""


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """What is known of one image besides its pixels, after de-identification: nothing else may leave the reading."""

    image_id: str
    """DICOM: the mapped SOPInstanceUID; else the metadata's id, or the first 32 hex digits of the content hash."""
    patient_id: str
    source: str
    """Where the file lies, as the ledger writes sources."""
    source_format: ImageFormat
    content_hash: str
    """SHA-256 of the file's bytes; of the member's, where it lies in an archive."""
    series_id: str = ""
    study_id: str = ""
    modality: str = ""
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    description: str = ""
    date: str | None = None
    """ISO 8601, shifted where the deployment shifts dates."""
    rows: int = 0
    """Of the stored image, before any scaling; `columns` as well."""
    columns: int = 0
    frame: int = 1
    """The frame that was taken, counted from 1."""
    frames: int = 1
    """How many there are."""
    report_id: str | None = None
    findings: tuple[str, ...] = ()
    domain: str | None = None
    encounter_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MedicalImage:
    """One frame of one image, read and cleaned."""

    description: ImageDescription
    rendering: Rendering
