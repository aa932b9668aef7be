"""Text in pixels: what is a mark, which images are read, and what becomes of those that name someone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config import DeidentificationSettings
from pipeline.errors import DeidentificationUnavailable, UnreadableImage
from pipeline.imaging.deidentification import deidentifier as room
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.pixel_text import may_name_someone
from pipeline.imaging.deidentification.text_recognition import MODELS, PixelText, RapidOcrReader
from pipeline.imaging.records import ImageFormat, Rendering

KEY = DeidentificationKey(b"0123456789abcdef" * 4)
ANNA = Identifiers.of(names=["MITCHELL^ANNA"], ids=["7734512"])


class Lines:
    """A reader that finds these lines one below the other, wherever pixels are still white."""

    def __init__(self, *lines: str | tuple[str, float]) -> None:
        self._lines = [line if isinstance(line, tuple) else (line, 0.99) for line in lines]
        self.images = 0

    def read(self, pixels: NDArray[np.uint8]) -> Sequence[PixelText]:
        self.images += 1
        boxes = [
            (text, score, 4, 10 + 20 * at, 60, 20 + 20 * at) for at, (text, score) in enumerate(self._lines)
        ]
        return [PixelText(*box) for box in boxes if pixels[box[3], box[2]].any()]


def checked(
    reader: Any,
    *,
    modality: str = "US",
    burned_in: str = "",
    source_format: ImageFormat = "png",
    **settings: Any,
) -> tuple[Rendering, str]:
    film = Rendering(np.full((100, 80), 255, np.uint8), (40.0, 400.0))
    deidentifier = Deidentifier(KEY, DeidentificationSettings(**settings), reader)
    return deidentifier.pixels(
        film,
        image_id="i1",
        identifiers=ANNA,
        source_format=source_format,
        modality=modality,
        burned_in=burned_in,
    )


@pytest.mark.parametrize(
    "line",
    [
        *(
            "L",
            "R",
            "AP",
            "PORTABLE",
            "PORTABLEAP",
            "SUPINE AP",
            "ERECT",
            "R DG",
            "08:15",
            "2:56:22 PM",
            "wb",
        ),
        *("MI 1.1 TIS 0.4", "12cm", "28Hz", "2D", "Gain 60", "LEFT LATERAL", "家", "√", "", "C5-1", "100%"),
        *("12 05", "W 400 L 40", "10 20"),
    ],
)
def test_marks_name_no_one(line: str) -> None:
    assert not may_name_someone(PixelText(line, 0.99, 0, 0, 9, 9), ANNA)


@pytest.mark.parametrize(
    ("line", "score"),
    [
        ("MITCHELL, ANNA", 0.99),
        ("MITCHELLANNA", 0.55),
        ("R anna", 0.6),
        ("7734512", 0.9),
        ("Zimmerlund", 0.97),
        ("NguyenTAPHE", 0.57),
        ("5/25/2011", 0.99),
        ("11-05-25-142825", 0.99),
        ("BAPTIST MED CTR", 0.99),
        ("AP Zielin", 0.99),
        ("(not readable)", 1.0),
        ("山田太郎", 0.9),
        ("617 555 88 41", 0.99),
        ("(617) 555", 0.9),
        ("4 3 56", 0.9),
        ("219 09 999", 0.55),
        ("12 Mar 56", 0.9),
    ],
)
def test_other_text_may(line: str, score: float) -> None:
    assert may_name_someone(PixelText(line, score, 0, 0, 9, 9), ANNA)


@pytest.mark.parametrize(
    ("line", "score"), [("LsFc", 0.56), ("Va", 0.72), ("BDH", 0.53), ("Zimmerlund", 0.3)]
)
def test_what_the_reader_hardly_sees_is_no_text(line: str, score: float) -> None:
    assert not may_name_someone(PixelText(line, score, 0, 0, 9, 9), ANNA)


@pytest.mark.parametrize(
    ("modality", "burned_in", "sample", "read"),
    [
        ("US", "", 0, True),
        ("SC", "", 0, True),
        ("", "", 0, True),
        ("CR", "YES", 0, True),
        ("US", "NO", 0, False),
        ("CR", "", 0, False),
        ("CR", "", 1, True),
        ("US", "NO", 1, True),
    ],
)
def test_which_images_are_read(modality: str, burned_in: str, sample: float, read: bool) -> None:
    reader = Lines("MITCHELL")
    try:
        _, check = checked(reader, modality=modality, burned_in=burned_in, pixel_text_sample=sample)
        assert (check, reader.images) == ("not sampled", 0)
    except UnreadableImage:
        assert reader.images == 1
    assert (reader.images > 0) is read


def test_a_volume_of_no_modality_is_read_by_sample() -> None:
    _, check = checked(Lines("MITCHELL"), modality="", source_format="nifti", pixel_text_sample=0)
    assert check == "not sampled"


def test_the_sample_is_the_same_in_every_run_and_as_large_as_was_said() -> None:
    film = Rendering(np.zeros((100, 80), np.uint8))

    def drawn(key: bytes) -> list[int]:
        each = Deidentifier(
            DeidentificationKey(key), DeidentificationSettings(pixel_text_sample=0.1), Lines()
        )
        found = partial(each.pixels, film, identifiers=ANNA, source_format="dicom", modality="CR")
        return [n for n in range(1000) if found(image_id=str(n))[1] == "read"]

    assert drawn(b"a" * 40) == drawn(b"a" * 40) != drawn(b"b" * 40)
    assert 70 <= len(drawn(b"a" * 40)) <= 130


def test_an_image_that_names_someone_is_refused_and_not_quoted() -> None:
    with pytest.raises(UnreadableImage) as caught:
        checked(Lines("L", "MITCHELL, ANNA"))
    assert caught.value.kind == "text-in-pixels"
    assert "a line of text" in str(caught.value)
    assert "PIXEL_TEXT=mask" in str(caught.value)
    assert "mitchell" not in str(caught.value).lower()


def test_masked_are_names_and_not_marks() -> None:
    rendering, check = checked(Lines("L", "MITCHELL, ANNA", "AP"), pixel_text="mask")
    assert check == "masked"
    assert rendering.pixels[10, 4] == 255, "the mark of the side stays"
    assert not rendering.pixels[30:40, 4:60].any()
    assert rendering.pixels[50, 4] == 255
    assert rendering.window == (40.0, 400.0)


def test_what_is_still_read_after_masking_is_refused() -> None:
    class Stubborn(Lines):
        def read(self, pixels: NDArray[np.uint8]) -> Sequence[PixelText]:
            return super().read(np.full_like(pixels, 255))

    with pytest.raises(UnreadableImage, match="may name someone"):
        checked(Stubborn("MITCHELL"), pixel_text="mask")


@pytest.mark.parametrize("setting", ["refuse", "mask"])
def test_a_header_that_says_so_is_believed_more_than_a_reader_that_finds_nothing(setting: str) -> None:
    with pytest.raises(UnreadableImage, match="header says"):
        checked(Lines("L"), burned_in="YES", pixel_text=setting)
    assert checked(Lines("L"), burned_in="YES", pixel_text="keep")[1] == "kept"


def test_no_reader_is_loaded_where_none_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError("OpenCV and 30 MB of models for nothing")

    monkeypatch.setattr(room, "installed_reader", fail)
    assert checked(None, pixel_text="keep")[1] == "kept"
    assert checked(None, modality="CR", pixel_text_sample=0)[1] == "not sampled"


def test_without_a_reader_it_is_refused_or_passed_by_setting_and_the_sample_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "installed_reader", lambda: None)
    with pytest.raises(UnreadableImage, match=r"chartwell\[ocr\]") as caught:
        checked(None)
    assert caught.value.kind == "text-not-read"
    assert checked(None, without_ocr="pass")[1] == "not read"
    assert checked(None, modality="CR", pixel_text_sample=1)[1] == "not read"


def test_a_model_that_was_changed_is_not_loaded(tmp_path: Any) -> None:
    for name in MODELS:
        (tmp_path / name).write_bytes(b"another model")
    with pytest.raises(DeidentificationUnavailable, match="not the model that was checked"):
        RapidOcrReader(tmp_path)


def test_a_modality_that_only_a_table_gives_takes_no_care_away() -> None:
    film = Rendering(np.full((100, 80), 255, np.uint8))
    chosen = DeidentificationSettings(pixel_text_sample=0)
    by_sample = DeidentificationSettings(pixel_text_sample=0, pixel_text_modalities="US")

    def done(settings: DeidentificationSettings, said: str, own: str = "") -> str:
        deidentifier = Deidentifier(KEY, settings, Lines())
        _, check = deidentifier.pixels(
            film,
            image_id="i1",
            identifiers=Identifiers(),
            source_format="png",
            modality=own,
            said_modality=said,
        )
        return check

    assert done(chosen, "CT") == "read"
    assert done(chosen, "CT", own="US") == "read"
    assert done(by_sample, "CT") == "not sampled"
    assert done(by_sample, "US") == "read"
