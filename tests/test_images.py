"""Images as passages: what their text says, how they are cited, and what an answer shows of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.images import IMAGE_TYPE, found_image, image_as_note, image_hit, image_text
from pipeline.imaging.records import ImageDescription
from pipeline.locators import ImageRegion
from pipeline.records import Answer, AskedImage, GeneratorModel, Question, Retrieved, Usage
from pipeline.text.dates import date_in_words

FILM = ImageDescription(
    "1.2.3",
    "P1",
    "a.dcm",
    "dicom",
    "c" * 64,
    series_id="1.2",
    modality="DX",
    body_part="CHEST",
    view="PA",
    date="2019-03-04",
    rows=300,
    columns=200,
    report_id="r1",
    findings=("Effusion", "Pleural_Thickening"),
    domain="radiology",
)
TEXTS = {
    "film": (
        {},
        "Chest X-ray, PA view, 4 March 2019. The film of 4 March 2019 is labelled with: effusion, pleural thickening.",
    ),
    "in doubt, and not there": (
        {"findings": ("nodule?", "mass: no")},
        "Chest X-ray, PA view, 4 March 2019. The film of 4 March 2019 is labelled with: possible nodule, no mass.",
    ),
    "no label": ({"findings": ()}, "Chest X-ray, PA view, 4 March 2019."),
    "no date": (
        {"date": None, "findings": ("COPD",)},
        "Chest X-ray, PA view, undated. The undated film is labelled with: COPD.",
    ),
    "shifted": (
        {"findings": (), "metadata": {"date": "shifted"}},
        "Chest X-ray, PA view, 4 March 2019 (shifted).",
    ),
    "one frame of many": (
        {
            "modality": "MR",
            "body_part": "KNEE",
            "laterality": "L",
            "view": "",
            "frame": 12,
            "frames": 24,
            "findings": ("No Finding",),
            "date": "2020-02-01T10:00:00",
        },
        "Left knee MRI, frame 12 of 24, 1 February 2020. The image of 1 February 2020 is labelled with: no finding.",
    ),
    "nothing known": (
        {"modality": "", "body_part": "", "view": "", "findings": (), "date": None},
        "Image, undated.",
    ),
    "lateral": ({"view": "LL", "findings": ()}, "Chest X-ray, left lateral view, 4 March 2019."),
    "a kind without a name": (
        {"modality": "ZZ", "body_part": "LSPINE", "view": "LATERAL", "findings": ()},
        "Lumbar spine ZZ image, lateral view, 4 March 2019.",
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_the_text_of_an_image_says_what_its_description_says(case: str) -> None:
    fields, text = TEXTS[case]
    image = replace(FILM, **fields)
    assert image_text(image) == text
    note = image_as_note(image)
    assert note.text_content == text
    assert (note.resource_id, note.patient_id, note.document_type) == ("1.2.3", "P1", IMAGE_TYPE)


def test_an_image_is_cited_as_a_passage_that_opens_it() -> None:
    hit = image_hit(FILM, 0.9)
    assert hit.region == ImageRegion("1.2", "1.2.3", 1, 0, 0, 200, 300)
    assert (hit.resource_id, hit.document_type, hit.domain) == ("1.2.3", IMAGE_TYPE, "radiology")
    assert hit.text == image_text(FILM)
    assert (hit.start, hit.end, hit.similarity) == (0, len(hit.text), 0.9)


def test_what_is_shown_of_an_image_is_its_cleaned_description() -> None:
    shown = found_image(FILM, "metadata")
    assert (shown.image_id, shown.report_id, shown.findings) == ("1.2.3", "r1", FILM.findings)
    assert (shown.similarity, shown.number, shown.date_is_shifted) == (None, 0, False)
    assert found_image(replace(FILM, metadata={"date": "shifted"}), "image", 0.5).date_is_shifted


def test_an_answer_without_images_is_what_it_was() -> None:
    answer = Answer("q", "answered", "", (), (), (), None, GeneratorModel("a", "b"), None, "s", Usage(), {})
    assert answer.images == Retrieved(()).images == ()
    assert Question("q").image is None


def test_the_pixels_of_an_asked_image_are_in_no_message() -> None:
    assert "secret" not in repr(Question("q", image=AskedImage(b"secret")))


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("2019-03-04", "4 March 2019"),
        ("2019-03-04T10:20:30", "4 March 2019"),
        ("2019-12", "December 2019"),
        ("2019", "2019"),
        ("unknown", "unknown"),
    ],
)
def test_a_date_in_words(date: str, words: str) -> None:
    assert date_in_words(date) == words
