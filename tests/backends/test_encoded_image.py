"""Type and size of an image file by its bytes, beside Pillow, and of what is damaged: never a guess."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.backends.http.encoded_image import read_header, refuse_many_words, require_size
from pipeline.errors import RequestInvalid
from pipeline.records import EmbeddingSpace
from tests.images import jpeg, png, rings


def written(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.stack([rings(37, 71)] * 3, axis=2)).save(file, kind, **options)
    return file.getvalue()


EXIF = Image.Exif()
EXIF[0x0110] = "camera" * 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (png(rings(37, 71)), "png"),
        (jpeg(rings(37, 71)), "jpeg"),
        (written("JPEG", progressive=True), "jpeg"),
        (written("JPEG", exif=EXIF), "jpeg"),
        (written("JPEG", comment=b"\xff\xc0" * 30), "jpeg"),
        (b"\xff\xd8\xff\xff" + jpeg(rings(37, 71))[3:], "jpeg"),
    ],
    ids=["png", "jpeg", "progressive", "exif", "a frame's mark in a remark", "fill"],
)
def test_type_and_size_are_those_of_the_file(content: bytes, kind: str) -> None:
    header = read_header(content)
    assert (header.kind, header.size) == (kind, (71, 37))
    assert header.data_url.startswith(f"data:image/{kind};base64,")


@pytest.mark.parametrize("end", [3, 8, 20, 23, 60])
def test_of_a_cut_header_no_size_is_made_up(end: int) -> None:
    for content in (png(rings(37, 71)), jpeg(rings(37, 71))):
        if end >= 8 or content.startswith(b"\xff"):
            assert read_header(content[:end]).size in (None, (71, 37))
    assert read_header(b"\xff\xd8\xff" + bytes(100)).size is None


def test_what_is_too_large_is_said_with_its_number_and_the_limit() -> None:
    image = read_header(png(rings(37, 71)))
    require_size(image, 1, "model", side_max=71, bytes_max=10**6)
    with pytest.raises(RequestInvalid, match="Image number 4 is 71 pixels long; model is sent 70 at most"):
        require_size(image, 4, "model", side_max=70, bytes_max=10**6)
    with pytest.raises(RequestInvalid, match="Image number 4 has"):
        require_size(image, 4, "model", side_max=71, bytes_max=len(image.content) - 1)


def test_a_text_is_refused_only_where_it_is_certainly_too_long() -> None:
    space = EmbeddingSpace("nim", "clip", 4, tokens_max=77)
    refuse_many_words("left " * 75, 1, space)
    refuse_many_words("?! " * 200, 1, space)
    with pytest.raises(RequestInvalid, match="Text number 2 has 76 words; clip reads 77 tokens"):
        refuse_many_words("left " * 76, 2, space)
