"""What a model says of a picture is shown sentence by sentence, without whatever may name someone."""

from __future__ import annotations

import pytest

from pipeline.imaging.deidentification.picture_words import keep_harmless_sentences

SHOWN = (
    "The image shows a frontal (PA) view of the chest with both lungs visible.",
    "The heart size appears to be within normal limits.",
    "There is blunting of the left costophrenic angle, which may represent a small pleural effusion.",
    "No pneumothorax is seen.",
    "The white area in the lower right corner is likely the liver.",
    "An endotracheal tube is in place with its tip about 3 cm above the carina.",
    "There is a hyperintense lesion in the left temporal lobe on this axial T2-weighted MRI slice.",
    "In the right lower lobe, there is a patchy opacity suggestive of pneumonia.",
    "Compare the left side with the right.",
    "No residual right pleural effusion identified status post thoracentesis.",
    "The left hemidiaphragm remains elevated.",
    "I cannot provide a diagnosis from this picture.",
)
WITHHELD = (
    "The name JOHN SMITH is written in the top left corner.",
    "The text reads DOE^JANE MRN 00123456.",
    "The patient, Mrs. Long, was examined on 12 March 2019.",
    "Jane has a large heart.",
    "Jane Doe's chest is shown.",
    "White has a large heart.",
    "The chest of Christopher Rodriguez is shown.",
    "The lungs of Perry are clear.",
    "The chest of Hand is clear.",
    "The lungs of Waters are clear.",
    "The patient is mitchell, with clear lungs.",
    "The patient is called rose.",
    "It was taken in 2019.",
    "It was taken on 3/4/2019.",
    "The number 617 555 8841 is in the corner.",
    "JANE DOE",
    "The film is of Иванова.",
    "The lungs are \u202eclear.",
    "The lungs are \x1b[31mclear.",
    "See https://example.org/scan for more.",
)


@pytest.mark.parametrize("sentence", SHOWN)
def test_what_a_picture_shows_is_said_whole(sentence: str) -> None:
    assert keep_harmless_sentences(sentence) == (sentence, 0)


@pytest.mark.parametrize("number", range(len(WITHHELD)))
def test_a_sentence_that_may_name_someone_goes_whole(number: int) -> None:
    text, withheld = keep_harmless_sentences(WITHHELD[number])
    assert (text, withheld > 0) == ("", True)


def test_the_others_stay_and_marks_of_layout_go() -> None:
    said = "**Findings:**\n\n- The lungs are clear.\n- Name: Jane Doe\n\n# Impression\nNo effusion is seen."
    assert keep_harmless_sentences(said) == (
        "Findings: The lungs are clear. Impression No effusion is seen.",
        1,
    )
