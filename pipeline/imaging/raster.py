"""A PNG or a JPEG, as exports of films are: opened, judged by its header, decoded and rendered.

Decides what of these formats is a film: one picture, of 8 or 16 bits grey or 8 bits colour, that says more than a mask.
What stands in text, EXIF and other chunks is never read, but for the orientation.
"""

from __future__ import annotations

import struct
import warnings
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.errors import UnreadableImage
from pipeline.imaging.limits import ImageLimits, too_large
from pipeline.imaging.records import Rendering
from pipeline.imaging.rendering import (
    RenderedFrame,
    apply_window,
    count_levels,
    grey_where_equal,
    look_up,
    require_contrast,
    require_shades,
    stand_in_window,
)

_GREY_TYPE: Final = 0
_SIXTEEN_BITS: Final = ("I;16", "I;16B", "I;16L", "I")
_ORIENTATION_TAG: Final = 0x0112


def read_png(
    stream: BinaryIO, limits: ImageLimits, window: tuple[float, float] | None = None
) -> RenderedFrame:
    """A PNG, `stream` at its first byte; `window`: of grey another than it has by itself. Raises UnreadableImage where
    it is no film, damaged or too large."""
    head = stream.read(26)
    stream.seek(0)
    if len(head) == 26 and head[12:16] == b"IHDR":
        columns, rows, depth, colour = struct.unpack(">IIBB", head[16:26])
        limits.require_shape(rows, columns)
        if depth == 16 and colour != _GREY_TYPE:
            raise UnreadableImage(
                "The PNG has 16 bits and colour or transparency.",
                remedy="Export it as grey of 16 bits, or with 8 bits.",
                kind="colours",
            )
    with _opened(stream, "PNG") as image:
        if getattr(image, "is_animated", False):
            raise UnreadableImage(
                "The PNG is animated: nothing says which of its pictures is the film.",
                remedy="Export the picture that counts as an image of its own.",
                kind="animated",
            )
        return _rendered(image, limits, window, shades=True)


def read_jpeg(
    stream: BinaryIO, limits: ImageLimits, window: tuple[float, float] | None = None
) -> RenderedFrame:
    """A JPEG, as `read_png`. Turned as its EXIF orientation says; of CMYK the colours on a screen."""
    with _opened(stream, "JPEG") as image:
        return _rendered(image, limits, window, shades=False)


def _opened(stream: BinaryIO, name: str) -> Image.Image:
    """Only the header is read here; nothing is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return Image.open(stream, formats=[name])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise too_large("The image has far more pixels than a film.") from error


def _rendered(
    image: Image.Image, limits: ImageLimits, window: tuple[float, float] | None, *, shades: bool
) -> RenderedFrame:
    limits.require_shape(image.height, image.width)
    turned = int(image.getexif().get(_ORIENTATION_TAG, 1) or 1) if image.format == "JPEG" else 1
    remarks = {"orientation": f"turned as EXIF {turned} says"} if turned in range(2, 9) else {}
    shown = ImageOps.exif_transpose(image) if remarks else image
    rendering = _sixteen_bits(shown, window) if shown.mode in _SIXTEEN_BITS else _eight_bits(shown)
    if shades and window is None and rendering.pixels.ndim == 2:
        require_shades(rendering.pixels)
    rows, columns = rendering.pixels.shape[:2]
    if window is not None and rendering.window is None and rendering.pixels.ndim == 2:
        rendering = Rendering(apply_window(rendering.pixels, window, "LINEAR_EXACT"), window)
    return RenderedFrame(rendering, rows, columns, remarks=remarks)


def sixteen_bits(image: Image.Image) -> NDArray[np.uint16] | None:
    """Its values as they are stored; None where it has fewer bits."""
    return np.asarray(image).astype(np.uint16) if image.mode in _SIXTEEN_BITS else None


def _sixteen_bits(image: Image.Image, window: tuple[float, float] | None) -> Rendering:
    """A PNG has no window: most hold 12 bits in 16, and would be black."""
    stored = np.asarray(image).astype(np.uint16)
    levels = np.arange(2**16)
    window = window or stand_in_window(levels, count_levels(stored, levels.size))
    return Rendering(look_up(apply_window(levels, window, "LINEAR_EXACT"), stored), window)


def _eight_bits(image: Image.Image) -> Rendering:
    if image.mode != "L":
        image = _opaque(image)
    pixels = np.asarray(image, dtype=np.uint8)
    require_contrast(pixels)
    return Rendering(grey_where_equal(pixels))


def _opaque(image: Image.Image) -> Image.Image:
    """Grey or RGB. What is transparent becomes black: a person has never seen it, and a model must not."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        cover = image.convert("RGBA")
        ground = Image.new("RGBA", cover.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, cover).convert("RGB")
    return image.convert("RGB")
