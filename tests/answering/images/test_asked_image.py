"""An image to ask with is read as one that is indexed, and refused like it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.config import load_settings
from pipeline.errors import SettingsInvalid, UnreadableImage
from pipeline.wiring import image_embedder_when_asked, prepare_asked_image
from tests.images import png, rings


def test_a_picture_is_prepared_from_its_bytes_and_what_is_none_is_refused(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path, deidentification={"pixel_text": "keep"})
    content = png(rings(300, 200))
    image = prepare_asked_image(content, settings)
    assert image.content[:2] == b"\xff\xd8"
    assert image.content_hash == hashlib.sha256(content).hexdigest()
    assert (image.patient_id, image.modality, image.date) == ("", "", None)
    with pytest.raises(UnreadableImage):
        prepare_asked_image(b"not an image", settings)


def test_an_image_embedder_is_opened_by_the_first_question_that_needs_it(tmp_path: Path) -> None:
    wrong = load_settings(None, data_dir=tmp_path, image_embedder={"model": "of another vendor"})
    embedder = image_embedder_when_asked(wrong)
    assert embedder is not None
    with pytest.raises(SettingsInvalid, match="of another vendor"):
        embedder.embed_images([])
    none = load_settings(None, data_dir=tmp_path, image_embedder={"provider": "none"})
    assert image_embedder_when_asked(none) is None
