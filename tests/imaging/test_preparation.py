"""What a model is given, and what people look through."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.imaging.preparation import prepare, prepare_with_thumbnail
from pipeline.imaging.records import Rendering
from tests.imaging.samples import grey


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("encoding", ["image/jpeg", "image/png"])
@pytest.mark.parametrize(
    ("shape", "size"), [((1000, 500), (224, 448)), ((30, 90), (90, 30)), ((9000, 17), (1, 448))]
)
def test_aspect_is_kept_and_nothing_is_enlarged(
    encoding: str, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    pixels = np.add.outer(np.arange(shape[0]), np.arange(shape[1])).astype(np.uint8)
    image = opened(prepare(Rendering(pixels), 448, encoding))  # type: ignore[arg-type]
    assert image.size == size
    assert image.get_format_mimetype() == encoding
    assert image.mode == "L"


def test_the_picture_is_the_rendering() -> None:
    for pixels in (grey(256), np.stack([grey(256), 255 - grey(256), grey(256) // 2], axis=-1)):
        shown = np.asarray(opened(prepare(Rendering(pixels))))
        assert abs(shown.astype(int) - pixels).max() <= 16
        lossless = np.asarray(opened(prepare(Rendering(pixels), 518, "image/png")))
        assert (lossless == pixels).all()


def test_the_thumbnail_is_small_and_alike() -> None:
    content, small = prepare_with_thumbnail(Rendering(grey(1024)))
    assert content == prepare(Rendering(grey(1024)))
    assert opened(small).size == (256, 256)
    assert len(small) < 20_000
    assert abs(np.asarray(opened(small)).astype(int) - grey(256)).mean() < 6


def test_a_side_that_no_model_wants() -> None:
    for side in (223, 519):
        with pytest.raises(ValueError, match="224 to 518"):
            prepare(Rendering(grey()), side)
