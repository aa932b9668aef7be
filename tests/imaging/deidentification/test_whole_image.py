"""From a file to what leaves: of forty planted identifiers none in fields, pixels, logs or errors."""

from __future__ import annotations

import io
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import DeidentificationSettings
from pipeline.errors import UnreadableImage
from pipeline.imaging.decoding import DecodedImage, DecodingOptions, decode_image
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.text_recognition import installed_reader
from pipeline.imaging.records import Rendering
from tests.imaging.planted import NAME, PATIENT_ID, PLANTED, found_in, planted_files, planted_film

KEY = DeidentificationKey(b"0123456789abcdef" * 4)
needs_ocr = pytest.mark.skipif(installed_reader() is None, reason="needs the extra `ocr`")


def read(path: Path) -> DecodedImage:
    return decode_image(io.BytesIO(path.read_bytes()), DecodingOptions())


@pytest.mark.parametrize("kind", ["dicom", "png", "jpg", "nifti"])
def test_nothing_that_is_planted_leaves(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = planted_files(tmp_path)[kind]
    caplog.clear()
    clean = Deidentifier(KEY, DeidentificationSettings())
    image = read(path)
    leaves: list[Any] = [image.source_format, image.content_hash, image.frame]
    identifiers = Identifiers()
    if image.dataset is not None:
        header = clean.clean(image.dataset)
        identifiers = header.identifiers
        leaves += [
            getattr(header, name) for name in header.__slots__ if name not in {"dataset", "identifiers"}
        ]
        leaves.append(header.dataset.to_json(suppress_invalid_tags=False))
    leaves.append(clean.source(str(path), identifiers, patient_id=PATIENT_ID, inside=path.name))
    everything = f"{leaves} {pickle.dumps(leaves).decode('latin-1')} {caplog.text}"
    assert [where for where in found_in(everything) if where != "UID"] == []
    assert "1.2.840.99999" not in everything


@pytest.mark.parametrize("kind", ["dicom", "png", "jpg", "nifti"])
@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_errors_over_a_damaged_file_quote_nothing(
    kind: str, cut: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = planted_files(tmp_path)[kind]
    caplog.clear()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    said = ""
    try:
        image = read(path)
        if image.dataset is not None:
            Deidentifier(KEY).clean(image.dataset)
    except UnreadableImage as error:
        said = f"{error} {error!r} {error.kind} {error.__cause__!r}"
    assert found_in(f"{said} {caplog.text}") == []


@pytest.mark.long
@needs_ocr
def test_a_name_in_the_pixels_is_refused_or_masked_and_marks_stay() -> None:
    film = Rendering(planted_film())
    refuse, mask = (
        Deidentifier(KEY, DeidentificationSettings(pixel_text=each)) for each in ("refuse", "mask")
    )
    with pytest.raises(UnreadableImage) as caught:
        refuse.pixels(film, image_id="i", identifiers=Identifiers(), source_format="png")
    assert found_in(str(caught.value)) == []
    masked, check = mask.pixels(film, image_id="i", identifiers=Identifiers(), source_format="png")
    reader = installed_reader()
    assert check == "masked"
    assert reader is not None
    texts = [each.text for each in reader.read(masked.pixels) if each.score > 0.5]
    assert found_in(" ".join(texts)) == []
    assert "PORTABLE" in texts
    assert np.array_equal(masked.pixels[240:], film.pixels[240:])
    assert any(NAME[:8] in each.text for each in reader.read(film.pixels)), "it was there to be read"


@pytest.mark.long
@needs_ocr
@pytest.mark.parametrize("name", ["examples_palette.dcm", "examples_jpeg2k.dcm"])
def test_real_films_with_real_text_are_refused(name: str, shared_data: Path) -> None:
    image = read(shared_data / "images" / "dicom" / name)
    assert image.dataset is not None
    clean = Deidentifier(KEY)
    header = clean.clean(image.dataset)
    with pytest.raises(UnreadableImage) as caught:
        clean.pixels(
            image.frame.rendering,
            image_id=header.image_id,
            identifiers=header.identifiers,
            source_format="dicom",
            modality=header.modality,
            burned_in=header.burned_in,
        )
    assert caught.value.kind == "text-in-pixels"
    assert "BAPTIST" not in str(caught.value)


def test_more_than_forty_are_planted() -> None:
    assert len(PLANTED) >= 40
