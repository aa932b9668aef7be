"""PNG, JPEG and files that only claim to be images."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UnreadableImage
from pipeline.imaging.limits import ImageLimits
from pipeline.imaging.rendering import look_up
from tests.imaging.samples import SIZE, decoded, grey, picture, png_header, slope

COLOURS = np.stack([grey(), 255 - grey(), grey() // 2], axis=-1)


def pixels_of(content: bytes) -> np.ndarray[Any, Any]:
    return decoded(content).frame.rendering.pixels.astype(int)


def kind_of(content: bytes, **options: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decoded(content, **options)
    assert caught.value.remedy
    return caught.value.kind


def test_grey_and_colour_come_as_they_are() -> None:
    assert (pixels_of(picture(grey())) == grey()).all()
    assert (pixels_of(picture(COLOURS)) == COLOURS).all()
    assert decoded(picture(grey())).frame.rendering.window is None
    assert pixels_of(picture(grey(), mode="RGB")).shape == (SIZE, SIZE)


def test_sixteen_bits_are_windowed_by_what_is_there() -> None:
    frame = decoded(picture(slope())).frame
    assert frame.rendering.pixels.max() == 255
    assert frame.rendering.window is not None
    assert frame.rendering.window[1] == pytest.approx(4095, rel=0.05)


def test_what_is_transparent_is_black() -> None:
    covered = np.dstack([COLOURS, np.where(np.arange(SIZE) < SIZE // 2, 255, 0)[None].repeat(SIZE, 0)])
    shown = pixels_of(picture(covered.astype(np.uint8)))
    assert (shown[:, : SIZE // 2] == COLOURS[:, : SIZE // 2]).all()
    assert shown[:, SIZE // 2 :].max() == 0


def test_palettes_and_grey_with_alpha() -> None:
    assert abs(pixels_of(picture(COLOURS, mode="P")) - COLOURS).mean() < 30
    assert (pixels_of(picture(grey(), mode="LA")) == grey()).all()


def test_jpeg_of_every_kind() -> None:
    assert abs(pixels_of(picture(grey(), "JPEG", quality=95)) - grey()).mean() < 2
    assert abs(pixels_of(picture(grey(), "JPEG", quality=95, progressive=True)) - grey()).mean() < 2
    assert abs(pixels_of(picture(COLOURS, "JPEG", mode="CMYK", quality=95)) - COLOURS).mean() < 6


def test_exif_turns_a_jpeg_and_nothing_else_of_it_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "MITCHELL^ANNA"
    frame = decoded(picture(grey(), "JPEG", quality=95, exif=exif)).frame
    assert abs(frame.rendering.pixels.astype(int) - np.rot90(grey(), -1)).mean() < 2
    assert dict(frame.remarks) == {"orientation": "turned as EXIF 6 says"}


def _animated() -> bytes:
    stream = io.BytesIO()
    frames = [Image.fromarray(grey()), Image.fromarray(255 - grey())]
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"These are the findings of Tuesday.\n" * 40, "not-an-image"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (png_header(20_000, 10_000), "too-large"),
        (png_header(2**31 - 1, 2**31 - 1), "too-large"),
        (png_header(0, 10), "header"),
        (png_header(1000, 1000), "damaged"),
        (png_header(100, 100, depth=16, colour=2), "colours"),
        (picture(grey())[:-60], "damaged"),
        (picture(grey(), "JPEG")[:-300], "damaged"),
        (_animated(), "animated"),
        (picture(grey(), "GIF"), "other-format"),
        (picture(grey(), "TIFF"), "other-format"),
        (picture(grey(), "BMP"), "other-format"),
        (picture(grey(), "WEBP"), "other-format"),
        (b"%PDF-1.7\n", "other-format"),
        (picture((grey() > 100).astype(np.uint8) * 255, mode="1"), "mask"),
        (picture(np.full((SIZE, SIZE), 7, np.uint8)), "blank"),
        (picture(grey(8)), "too-small"),
    ],
)
def test_what_is_refused(content: bytes, kind: str) -> None:
    assert kind_of(content) == kind


def test_a_film_whose_shades_are_in_few_rows_is_no_mask() -> None:
    shown = np.full((SIZE, SIZE), 7, np.uint8)
    shown[40, :9] = range(9)
    assert (pixels_of(picture(shown)) == shown).all()
    shown[40, :2] = 7
    assert kind_of(picture(shown)) == "mask"


@pytest.mark.parametrize("rows", [1, 64, 65, 200])
def test_values_are_looked_up_in_every_row(rows: int) -> None:
    drawn = np.random.default_rng(rows)
    table = drawn.integers(0, 256, 4096).astype(np.uint8)
    places = drawn.integers(0, 4096, (rows, 7)).astype(np.uint16)
    assert (look_up(table, places) == table[places]).all()


def test_limits_are_judged_by_the_header() -> None:
    small = ImageLimits(pixels_max=1000, file_bytes_max=10**6)
    assert kind_of(picture(grey()), limits=small) == "too-large"
    assert kind_of(picture(grey(), "JPEG"), limits=small) == "too-large"
    assert kind_of(picture(grey()), limits=ImageLimits(file_bytes_max=10)) == "too-large"


def test_a_format_that_was_not_asked_for() -> None:
    assert kind_of(picture(grey()), formats=frozenset({"dicom"})) == "format-not-asked"


def test_the_hash_is_that_of_the_bytes() -> None:
    assert decoded(picture(grey())).content_hash != decoded(picture(255 - grey())).content_hash
    assert len(decoded(picture(grey())).content_hash) == 64
