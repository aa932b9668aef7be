"""From a file to what leaves: of forty planted identifiers none in fields, pixels, logs or errors."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import DeidentificationSettings
from pipeline.errors import UnreadableImage
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.text_recognition import installed_reader
from pipeline.imaging.files import ImageFile
from pipeline.imaging.preparation import prepare, prepare_with_thumbnail
from pipeline.imaging.reading import ReadingOptions, read_image
from pipeline.imaging.records import MedicalImage, Rendering
from tests.imaging import samples
from tests.imaging.planted import NAME, PATIENT_ID, PLANTED, found_in, planted_files, planted_film

KEY = DeidentificationKey(b"0123456789abcdef" * 4)
needs_ocr = pytest.mark.skipif(installed_reader() is None, reason="needs the extra `ocr`")


def read(path: Path, **settings: Any) -> MedicalImage:
    options = ReadingOptions(Deidentifier(KEY, DeidentificationSettings(**settings)))
    return read_image(ImageFile(path, inside=f"{path.parent.name}/{path.name}"), options)


@pytest.mark.parametrize("kind", ["dicom", "png", "jpg", "nifti"])
@pytest.mark.parametrize("settings", [{}, {"patient_id": "map", "dates": "shift"}])
def test_nothing_that_is_planted_leaves(
    kind: str, settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = planted_files(tmp_path)[kind]
    caplog.clear()
    image = read(path, pixel_text="keep", **settings)
    pictures = [
        *prepare_with_thumbnail(image.rendering),
        prepare(image.rendering, encoding="image/png"),
    ]
    leaves = (
        f"{image} {pickle.dumps(image).decode('latin-1')} {[each.decode('latin-1') for each in pictures]}"
    )
    everything = f"{leaves} {caplog.text}"
    assert found_in(everything) == []
    assert (PATIENT_ID in everything) is (kind == "dicom" and not settings)
    folder, name = Path(image.description.source).parts[-2:]
    assert folder.startswith("~"), "it is called like a person"
    assert name.startswith("~")


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
        read(path, pixel_text="keep")
    except UnreadableImage as error:
        said = f"{error} {error!r} {error.kind} {error.__cause__!r}"
    assert found_in(f"{said} {caplog.text}") == []


class FindsNothing:
    """A reader that sees no text."""

    def read(self, pixels: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("says", ["YES", "NO", ""])
def test_what_the_header_says_of_text_counts(says: str, tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(samples.dicom(BurnedInAnnotation=says))
    settings = DeidentificationSettings(pixel_text_sample=0)
    options = ReadingOptions(Deidentifier(KEY, settings, FindsNothing()))
    if says == "YES":
        with pytest.raises(UnreadableImage, match="header says"):
            read_image(ImageFile(path), options)
    else:
        description = read_image(ImageFile(path), options).description
        assert description.metadata["pixel_text"] == "not sampled"


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
    with pytest.raises(UnreadableImage) as caught:
        read(shared_data / "images" / "dicom" / name)
    assert caught.value.kind == "text-in-pixels"
    assert "BAPTIST" not in str(caught.value)


@pytest.mark.long
@needs_ocr
def test_a_planted_film_of_every_format_is_refused_or_masked(tmp_path: Path) -> None:
    for kind, path in planted_files(tmp_path, planted_film()).items():
        with pytest.raises(UnreadableImage) as caught:
            read(path, pixel_text_sample=1)
        assert caught.value.kind == "text-in-pixels", kind
        masked = read(path, pixel_text_sample=1, pixel_text="mask")
        assert masked.description.metadata["pixel_text"] == "masked", kind


def test_more_than_forty_are_planted() -> None:
    assert len(PLANTED) >= 40
