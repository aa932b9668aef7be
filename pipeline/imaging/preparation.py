"""A rendering to the encoded picture that a model reads, and to the small one that people look through.

Decides size, scaling and encoding, once for all models. Knows no model and no file format that is read.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from pipeline.imaging.records import Rendering

if TYPE_CHECKING:
    from PIL import Image

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
    return _encoded(_scaled(rendering, require_side(side)), encoding, _JPEG_QUALITY)


def prepare_with_thumbnail(
    rendering: Rendering, side: int = SIDE_MAX, encoding: PictureType = "image/jpeg"
) -> tuple[bytes, bytes]:
    """As `prepare`, and a JPEG for people who look through a list, longest side 256 pixels or less: made of the scaled
    picture, which is half the work."""
    scaled = _scaled(rendering, require_side(side))
    small = _scaled(Rendering(np.asarray(scaled)), THUMBNAIL_SIDE)
    return _encoded(scaled, encoding, _JPEG_QUALITY), _encoded(small, "image/jpeg", _THUMBNAIL_QUALITY)


def whole_picture(rendering: Rendering, side_max: int) -> bytes:
    """A PNG for a person who looks closely: every pixel, up to a longest side of `side_max`."""
    return _encoded(_scaled(rendering, side_max), "image/png", 0)


def require_side(side: int) -> int:
    """The side as it is. Raises ValueError where no model is given such a picture."""
    if not SIDE_MIN <= side <= SIDE_MAX:
        raise ValueError(
            f"the longest side of a prepared image is {SIDE_MIN} to {SIDE_MAX} pixels, not {side}"
        )
    return side


def _scaled(rendering: Rendering, side: int) -> Image.Image:
    from PIL import Image

    image = Image.fromarray(rendering.pixels)
    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=1.5)


def _encoded(image: Image.Image, encoding: PictureType, quality: int) -> bytes:
    written = io.BytesIO()
    if encoding == "image/png":
        image.save(written, "PNG", compress_level=1)
    else:
        image.save(written, "JPEG", quality=quality, subsampling=0)
    return written.getvalue()
