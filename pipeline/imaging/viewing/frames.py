"""One frame of an original as a PNG for a person who looks closely.

Decides that the picture is read as it was for the index, cleaned again, and refused where its bytes are others. Knows
no store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.imaging.files import ImageFile
from pipeline.imaging.preparation import whole_picture
from pipeline.imaging.reading import ReadingOptions, read_image

SIDE_MAX: Final = 4096
"""A mammogram has every pixel; what is larger is scaled."""


@dataclass(frozen=True, slots=True)
class FrameView:
    """What is to be shown. `file.metadata` says of the image what the index knows."""

    file: ImageFile
    content_hash: str
    """SHA-256 of the bytes that were indexed."""
    frame: int | None = None
    """Counted from 1; None for the one that was indexed."""
    window: tuple[float, float] | None = None
    """Centre and width in the image's own units; None for the window that it is shown with by itself."""


@dataclass(frozen=True, slots=True)
class FramePicture:
    """A PNG of the cleaned pixels, square ones."""

    content: bytes
    frame: int
    frames: int
    window: tuple[float, float] | None
    """That was applied; None where 8 bits came as they are."""


def view_frame(view: FrameView, reading: ReadingOptions) -> FramePicture:
    """Raises what `read_image` raises; the kind is "changed" where the file is another one than was indexed."""
    decoding = replace(reading.decoding, frame=view.frame, window=view.window, content_hash=view.content_hash)
    image = read_image(view.file, replace(reading, decoding=decoding, patient_from="table"))
    described = image.description
    return FramePicture(
        whole_picture(image.rendering, SIDE_MAX), described.frame, described.frames, image.rendering.window
    )
