"""A rendering to the encoded picture that a model reads, and to the small one that people look through.

Decides size, scaling and encoding, once for all models. Knows no model and no file format that is read.
"""

from __future__ import annotations

import io
from typing import Final, Literal, TypeAlias

from pipeline.imaging.records import Rendering

PictureType: TypeAlias = Literal["image/jpeg", "image/png"]

SIDE_MIN: Final = 224
"""What image models look at. CLIP itself scales the shorter side to this, and cuts out the middle."""
SIDE_MAX: Final = 518
"""So that the shorter side keeps 224 up to an aspect of 2.3, and nothing has to be blown up again."""
THUMBNAIL_SIDE: Final = 256

_JPEG_QUALITY: Final = 95
_THUMBNAIL_QUALITY: Final = 85


def prepare(rendering: Rendering, side: int = SIDE_MAX, encoding: PictureType = "image/jpeg") -> bytes:
    """The picture for a model: longest side `side` pixels (224 to 518) or less, aspect kept, grey or RGB.

    A smaller rendering is not enlarged: that is the model's own affair. Raises ValueError for any other side.
    """
    if not SIDE_MIN <= side <= SIDE_MAX:
        raise ValueError(
            f"the longest side of a prepared image is {SIDE_MIN} to {SIDE_MAX} pixels, not {side}"
        )
    return _encoded(rendering, side, encoding, _JPEG_QUALITY)


def thumbnail(rendering: Rendering) -> bytes:
    """A JPEG for people who look through a list, longest side 256 pixels or less."""
    return _encoded(rendering, THUMBNAIL_SIDE, "image/jpeg", _THUMBNAIL_QUALITY)


def _encoded(rendering: Rendering, side: int, encoding: PictureType, quality: int) -> bytes:
    from PIL import Image

    image = Image.fromarray(rendering.pixels)
    longest = max(image.size)
    if longest > side:
        width, height = (max(1, round(length * side / longest)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    written = io.BytesIO()
    if encoding == "image/png":
        image.save(written, "PNG", compress_level=1)
    else:
        image.save(written, "JPEG", quality=quality, subsampling=0)
    return written.getvalue()
