"""Which films a question asks for, by its words, and what a film's own codes say of it."""

from __future__ import annotations

import pytest

from pipeline.answering.questions.asked.films import Fits, asked_films, may_ask_of_films
from pipeline.answering.questions.interpretation import plan_of
from pipeline.imaging.records import ImageDescription
from pipeline.records import AskedImage, Question

ASKED = {
    "Which films does Anna Mitchell have?": ("film", "", "themselves"),
    "Show the chest X-ray of patient P123": ("chest X-ray", "", "shown"),
    "show me earlier films like this one": ("film", "", "themselves earlier like"),
    "What did the films and the notes say about the effusion?": ("film", "effusion", ""),
    "When was her last CT?": ("CT", "", ""),
    "Has he had an MRI of the knee?": ("knee MRI", "", ""),
    "Show me films with an effusion and a mass": ("film", "effusion and mass", "themselves"),
    "Show films of the left knee with arthritis": ("left knee film", "arthritis", "themselves"),
    "Is there a pneumothorax on her latest chest film?": ("chest film", "pneumothorax", ""),
    "Does she have pneumonia on the film?": ("film", "pneumonia", ""),
    "Is there evidence of a fracture on the wrist x-ray?": ("wrist X-ray", "fracture", ""),
    "Show films without an effusion": ("film", "", "themselves"),
    "Show films that do not show an effusion": ("film", "", "themselves"),
    "Show films with an effusion or a mass": ("film", "", "themselves"),
    "Is there any change between the films?": ("film", "", "themselves"),
    "What did the lumbar spine MRI show?": ("lumbar spine MRI", "", ""),
    "Are there films of her and what do the notes say?": ("film", "", ""),
    "List all imaging of Anna Mitchell": ("film", "", "shown"),
    "When was the last mammogram?": ("mammogram", "", ""),
}


@pytest.mark.parametrize("question", ASKED)
def test_what_is_asked_for(question: str) -> None:
    called, label, how = ASKED[question]
    asked = asked_films(plan_of(question))
    assert (asked.called, asked.label) == (called, label)
    assert asked.themselves is ("themselves" in how)
    assert asked.earlier is ("earlier" in how)
    assert asked.like_the_asked is ("like" in how)
    assert asked.shown is ("shown" in how or question.lower().startswith("show"))


@pytest.mark.parametrize(
    ("question", "may"),
    [
        (Question("What is she taking?"), False),
        (Question("What does the clinical picture suggest?"), False),
        (Question("Show her films"), True),
        (Question("and the one before?", carried=("kind:imaging",)), True),
        (Question("Show her films", without=("kind:imaging",)), False),
        (Question("", image=AskedImage(b"")), True),
    ],
)
def test_most_questions_ask_of_no_film(question: Question, may: bool) -> None:
    assert may_ask_of_films(question) is may


FITS = {
    "the kind and the part": ("chest X-ray", {"modality": "DX", "body_part": "CHEST"}, Fits.YES),
    "a word of a table": ("chest X-ray", {"modality": "X-ray", "body_part": "chest"}, Fits.YES),
    "another kind": ("chest X-ray", {"modality": "CT", "body_part": "CHEST"}, Fits.NO),
    "another part": ("chest X-ray", {"modality": "DX", "body_part": "KNEE"}, Fits.NO),
    "a part that no word is for": ("chest X-ray", {"modality": "DX", "body_part": "XYZ"}, Fits.NO),
    "no part": ("chest X-ray", {"modality": "DX"}, Fits.UNKNOWN),
    "the part in its description": (
        "chest X-ray",
        {"modality": "DX", "description": "Chest two views"},
        Fits.YES,
    ),
    "no kind": ("chest X-ray", {"body_part": "CHEST"}, Fits.UNKNOWN),
    "both parts": ("abdomen CT", {"modality": "CT", "body_part": "CHESTABDPELVIS"}, Fits.YES),
    "a spine": ("spine MRI", {"modality": "MR", "body_part": "LSPINE"}, Fits.YES),
    "some spine": ("cervical spine MRI", {"modality": "MR", "body_part": "SPINE"}, Fits.UNKNOWN),
    "another spine": ("cervical spine MRI", {"modality": "MR", "body_part": "LSPINE"}, Fits.NO),
    "the side": ("left knee film", {"body_part": "KNEE", "laterality": "L"}, Fits.YES),
    "both sides": ("left knee film", {"body_part": "KNEE", "laterality": "B"}, Fits.YES),
    "the other side": ("left knee film", {"body_part": "KNEE", "laterality": "R"}, Fits.NO),
    "no side": ("left knee film", {"body_part": "KNEE"}, Fits.UNKNOWN),
    "a mammogram": ("breast film", {"modality": "MG"}, Fits.YES),
}


@pytest.mark.parametrize("case", FITS)
def test_whether_a_film_is_one_that_is_asked_for(case: str) -> None:
    words, fields, fits = FITS[case]
    film = ImageDescription("i", "P1", "a", "dicom", "c", **fields)  # type: ignore[arg-type]  # by name
    assert asked_films(plan_of(f"Show the {words} of Anna Mitchell")).fits(film) is fits


@pytest.mark.parametrize(
    ("labels", "labelled"),
    [
        (("Effusion", "Mass"), True),
        (("Pleural_Effusion", "mass"), True),
        (("Effusion",), False),
        (("No effusion", "Mass"), False),
        (("mass without effusion",), False),
        ((), False),
    ],
)
def test_whether_a_film_is_labelled_so(labels: tuple[str, ...], labelled: bool) -> None:
    film = ImageDescription("i", "P1", "a", "dicom", "c", findings=labels)
    assert asked_films(plan_of("Show films with an effusion and a mass")).is_labelled(film) is labelled


WITHOUT = {
    "Which films have no effusion?": ("effusion",),
    "Which films are without effusion?": ("effusion",),
    "Show the films with a mass but without pneumothorax": ("pneumothorax",),
    "Which patients have a chest film without effusion?": ("effusion",),
    "Show films that don't show an effusion": ("effusion",),
    "Show films with neither effusion nor mass": ("effusion", "mass"),
    "Show films labelled 'no effusion'": ("effusion",),
    "Show films with no findings": ("finding",),
    "Are there no films of Anna Mitchell?": (),
    "Do we have any films on file for Anna Mitchell?": (),
    "Can you show me her films again?": (),
    "Did the CT show no bleed?": (),
}


@pytest.mark.parametrize("question", WITHOUT)
def test_what_films_are_to_be_without(question: str) -> None:
    asked = asked_films(plan_of(question))
    assert asked.without == WITHOUT[question]
    assert asked.label == ("mass" if "a mass" in question else "")
    assert (asked.unclear, asked.rest) == ("", "")


@pytest.mark.parametrize(
    ("question", "unclear"),
    [
        ("Show films with an effusion or a mass", "an effusion or a mass"),
        ("Show her films except the knee", "except the knee"),
        ("Show films that have not been reported", "not been reported"),
        ("Show X-rays or CTs of the chest", ""),
    ],
)
def test_a_condition_that_is_not_understood_is_kept_apart(question: str, unclear: str) -> None:
    assert asked_films(plan_of(question)).unclear == unclear


@pytest.mark.parametrize(
    ("labels", "denied"),
    [
        (("No effusion", "Mass"), True),
        (("no evidence of effusion",), True),
        (("effusion: negative",), True),
        (("Effusion",), False),
        (("no effusion", "effusion"), False),
        (("effusion without pneumothorax",), False),
        (("no large effusion",), False),
        (("no change in effusion",), False),
        (("No Finding",), False),
        ((), False),
    ],
)
def test_a_film_is_without_what_its_labels_deny(labels: tuple[str, ...], denied: bool) -> None:
    film = ImageDescription("i", "P1", "a", "dicom", "c", findings=labels)
    assert asked_films(plan_of("Show films without an effusion")).is_without(film) is denied


@pytest.mark.parametrize(
    ("question", "pointed"),
    [
        ("Show me earlier films like this one", "like this"),
        ("What did that film show?", "that film"),
        ("What did that chest X-ray show?", "that chest X-ray"),
        ("Show her similar films", "similar films"),
        ("Which films does she have?", ""),
        ("and the one before?", ""),
        ("Show the films that show an effusion", ""),
    ],
)
def test_a_question_may_point_at_a_film_that_its_words_do_not_tell(question: str, pointed: str) -> None:
    assert asked_films(plan_of(question)).pointed == pointed


def test_what_a_label_doubts_is_on_neither_side() -> None:
    film = ImageDescription(
        "f", "p", "s", "png", "0" * 64, findings=("?nodule", "possible pneumonia", "no mass")
    )
    for finding in ("nodule", "pneumonia", "mass"):
        assert not asked_films(plan_of(f"Show films with a {finding}")).is_labelled(film), finding
    assert asked_films(plan_of("Show films without a mass")).is_without(film)
    assert not asked_films(plan_of("Show films without a nodule")).is_without(film)


OF_A_SIDE = {
    "its side": ("left effusion", "left effusion", "", "is_labelled"),
    "the other side": ("left effusion", "right effusion", "", ""),
    "no side told": ("left effusion", "effusion", "", "is_doubted"),
    "the side of the film": ("left effusion", "effusion", "L", "is_labelled"),
    "a film of the other side": ("left effusion", "effusion", "R", ""),
    "both sides": ("left effusion", "bilateral effusion", "", "is_labelled"),
    "in doubt": ("left effusion", "?left effusion", "", "is_doubted"),
    "in doubt on the other side": ("left effusion", "?right effusion", "", ""),
    "left-sided": ("left-sided effusion", "Left-sided Effusion", "", "is_labelled"),
    "both denied and told": ("nodule", "nodule|no nodule", "", "is_doubted"),
    "one of a side, told and denied as a whole": (
        "left effusion",
        "left effusion|no effusion",
        "",
        "is_doubted",
    ),
    "the other side denied": ("left effusion", "left effusion|right no effusion", "", "is_labelled"),
    "one certain and one in doubt": ("nodule and mass", "nodule|possible mass", "", "is_doubted"),
    "one in doubt and one missing": ("nodule and mass", "?nodule", "", ""),
}


@pytest.mark.parametrize("case", OF_A_SIDE)
def test_the_side_of_a_finding_is_none_of_the_film(case: str) -> None:
    finding, labels, side, expected = OF_A_SIDE[case]
    film = ImageDescription(
        "f", "p", "s", "png", "0" * 64, findings=tuple(labels.split("|")), laterality=side, modality="CR"
    )
    asked = asked_films(plan_of(f"Show films with a {finding}"))
    assert asked.side == ""
    told = [name for name in ("is_labelled", "is_doubted") if getattr(asked, name)(film)]
    assert told == ([expected] if expected else [])


def test_without_a_finding_of_one_side() -> None:
    asked = asked_films(plan_of("Show films without a right effusion"))
    for labels, fits in (
        (["right no effusion", "left effusion"], True),
        (["no effusion"], True),
        (["no left effusion"], False),
    ):
        film = ImageDescription("f", "p", "s", "png", "0" * 64, findings=tuple(labels))
        assert asked.is_without(film) is fits, labels
    assert asked_films(plan_of("Show the left knee films with an effusion")).side == "L"
