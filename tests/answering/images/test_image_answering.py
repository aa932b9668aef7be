"""What is answered about stored films and with an image: whose films, what is said of them, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipeline.answering.follow_up import LastTurn, in_conversation
from pipeline.answering.questions.subject import subject_of
from pipeline.errors import BadRequest, SettingsInvalid, SpaceMismatch
from pipeline.images import EmbeddedImage, image_text
from pipeline.records import (
    AccessScope,
    Answer,
    DraftPiece,
    EmbeddingSpace,
    Filters,
    GeneratorModel,
    Prompt,
    Question,
    Usage,
    Vector,
)
from tests.answering.images.conftest import ANNA, BEN, CARA, NO_PSYCHIATRY, Ward, asked_image, described


def films(answer: Answer) -> list[str]:
    return [image.image_id for image in answer.images]


def cited_films(answer: Answer) -> list[str]:
    return [each.resource_id for each in answer.citations if each.region is not None]


ABOUT = {
    "all": (
        "Which films does Anna Mitchell have?",
        ["f-new", "f-ct", "f-old", "f-odd"],
        "4 films of this patient",
    ),
    "by id": ("Show the chest X-ray of patient P100", ["f-new", "f-old"], "2 chest X-rays of this patient"),
    "newest": ("Show Anna Mitchell's latest film", ["f-new"], "The newest film of this patient stored here:"),
    "oldest": ("Show Anna Mitchell's first chest X-ray", ["f-old"], "The oldest chest X-ray"),
    "of a year": (
        "Show Anna Mitchell's films of 2017",
        ["f-old"],
        "1 film of this patient stored here that is known to be of the time asked for:",
    ),
    "since": ("Show Anna Mitchell's films since 2018", ["f-new", "f-ct"], "2 films"),
    "earlier": ("Show Anna Mitchell's earlier films", ["f-ct", "f-old", "f-odd"], "3 earlier films"),
    "last of a kind": ("When was Anna Mitchell's last CT?", ["f-ct"], "Abdomen CT, 5 May 2018. [1]"),
    "part of the body": (
        "Has Ben Okafor had an MRI of the knee?",
        ["f-knee"],
        "Left knee MRI, 3 February 2021.",
    ),
    "count": (
        "How many X-rays has Anna Mitchell had?",
        ["f-new", "f-old"],
        "2 X-rays of this patient stored here:",
    ),
    "label": ("Show Anna Mitchell's films with an effusion", ["f-new"], "labelled with effusion"),
    "found by the report": (
        "Do Anna Mitchell's films show a pneumothorax?",
        ["f-new"],
        "is labelled with pneumothorax; 1 found by what their reports say",
    ),
    "a finding of theirs": (
        "Does Anna Mitchell have an effusion on the film?",
        ["f-new"],
        "1 film of this patient stored here, labelled with effusion:",
    ),
    "not known": ("Show Anna Mitchell's right knee MRI", ["f-odd"], "of these it is not known:"),
}


@pytest.mark.parametrize("case", ABOUT)
def test_films_of_the_patient_are_told_by_their_descriptions(ward: Ward, case: str) -> None:
    text, expected, said = ABOUT[case]
    answer = ward.ask(text)
    assert answer.outcome == "answered"
    assert films(answer) == cited_films(answer) == expected
    assert said in answer.text
    for image in answer.images:
        description = ward.images.image(image.image_id, NO_PSYCHIATRY)
        assert description is not None
        assert f"{image_text(description)} [{image.number}]" in answer.text


NONE = {
    "none at all": ("Show Cara Lindqvist's films", "No film of this patient is stored here."),
    "none of the kind": (
        "Show Ben Okafor's films of 1999",
        "No film of this patient is stored here that is known to be of the time",
    ),
    "not by the notes either": (
        "Has Anna Mitchell had an MRI of the knee?",
        "No knee MRI of this patient is stored",
    ),
    "out of sight": (
        "Show Anna Mitchell's films of 2022",
        "No film of this patient is stored here that is known to be of the time",
    ),
}


@pytest.mark.parametrize("case", NONE)
def test_where_there_is_no_film_it_says_so(ward: Ward, case: str) -> None:
    text, said = NONE[case]
    answer = ward.ask(text)
    assert answer.outcome == "nothing_relevant"
    assert said in answer.text
    assert answer.images == ()


def test_notes_and_films_stand_side_by_side(ward: Ward) -> None:
    answer = ward.ask("What did the films and the notes say about Anna Mitchell's effusion?")
    assert [each.resource_id for each in answer.citations] == ["r1", "n1", "f-new"]
    assert [each.number for each in answer.citations] == [1, 2, 3]
    assert answer.images[0].number == 3
    assert answer.text.startswith('Report of the film of 4 March 2019: "Small left pleural effusion." [1]')
    assert '2019-03-10: "Pleural effusion after pneumonia." [2]' in answer.text
    assert "The film of 4 March 2019 is labelled with: effusion, infiltration. [3]" in answer.text
    assert {hit.resource_id for hit in answer.passages} >= {"r1", "f-new"}


def test_that_no_film_is_labelled_so_is_said_beside_what_comes_near(ward: Ward) -> None:
    answer = ward.ask("Does Anna Mitchell have a fracture on the film?")
    assert "No film of this patient stored here is labelled with fracture." in answer.text
    assert answer.outcome == "nothing_relevant"


def test_a_question_about_no_film_is_answered_as_before(ward: Ward) -> None:
    answer = ward.ask("What is Anna Mitchell taking?")
    assert answer.images == ()
    assert [each.resource_id for each in answer.citations] == ["n1"]


def test_films_of_several_patients_say_whose_each_is(ward: Ward) -> None:
    answer = ward.ask("Which chest films are there?", patients=(ANNA, BEN))
    assert films(answer) == cited_films(answer) == ["f-ben", "f-new", "f-old"]
    assert answer.statements[0].text == "3 chest films of these patients stored here:"
    for statement, whose in zip(answer.statements[1:], (BEN, ANNA, ANNA), strict=True):
        assert statement.text.startswith(f"Patient {whose}: ")
        assert {each.patient_id for each in statement.citations} == {whose}


def test_of_the_slices_of_a_series_one_is_told_and_of_a_shifted_date_no_time(ward: Ward) -> None:
    shared = {"modality": "CT", "series_id": "s-ct", "date": "2024-01-01", "metadata": {"date": "shifted"}}
    slices = [described(f"z{each}", CARA, shared) for each in range(5)]
    slices[4] = replace(slices[4], findings=("Calculus",))
    vector = ward.images.vectors(["f-ct"])["f-ct"]
    ward.images.upsert([EmbeddedImage(each, vector) for each in slices])
    try:
        answer = ward.ask("Which films does Cara Lindqvist have?")
        assert films(answer) == ["z4"]
        assert answer.text.endswith("The image of 1 January 2024 (shifted) is labelled with: calculus. [1]")
        assert films(ward.ask("Show Cara Lindqvist's CT with a calculus")) == ["z4"]
        assert films(ward.ask("Show Cara Lindqvist's CT")) == ["z4"]
        assert films(ward.ask("", asked_image(2, patient_id=CARA)))[0] in {each.image_id for each in slices}
        assert ward.ask("Show Cara Lindqvist's films of 2024").images == ()
    finally:
        ward.images.delete([each.image_id for each in slices])


def test_films_of_no_one_in_particular_are_shown_and_nothing_is_said_of_anyone(ward: Ward) -> None:
    answer = ward.ask("Show films with an effusion")
    assert films(answer) == ["f-ben", "f-new"]
    assert [image.patient_id for image in answer.images] == [BEN, ANNA]
    assert answer.citations == ()
    assert answer.text == "2 films stored here; whose each is stands with it."


SAID = {
    "denied": ("Show films without an effusion", [], 'No film stored here is labelled "no effusion".'),
    "no finding": (
        "Show films with no findings",
        ["f-old"],
        '1 film stored here, labelled "no finding"; whose',
    ),
    "denied of someone": (
        "Show Anna Mitchell's films without a mass",
        [],
        'No film of this patient stored here is labelled "no mass".',
    ),
    "either": (
        "Show Anna Mitchell's films with an effusion or a mass",
        [],
        "was not understood, and no film",
    ),
    "newest so labelled": (
        "Show Anna Mitchell's first film with an effusion",
        ["f-new"],
        "The oldest film of this patient stored here, labelled with effusion:",
    ),
    "a relative": (
        "Show the films of Anna Mitchell and of her sister",
        ["f-new", "f-ct", "f-old", "f-odd"],
        'Not understood, and not looked for: "sister". 4 films of this patient',
    ),
    "no such id": ("Show the films of P10", [], "No patient P10 is known here, and no film is shown."),
    "compared": (
        "Are there more films of Anna Mitchell than of Ben Okafor?",
        ["f-knee", "f-ben", "f-new", "f-ct", "f-old", "f-odd"],
        "4 of patient P100, 2 of patient P200. 6 films of these patients stored here:",
    ),
    "of each": (
        "Show the latest films of Anna Mitchell and Ben Okafor",
        ["f-knee", "f-new"],
        "The newest film of these patients stored here:",
    ),
    "one of them has none": (
        "Show the films of Cara Lindqvist and Ben Okafor",
        ["f-knee", "f-ben"],
        "0 of patient P300, 2 of patient P200.",
    ),
    "someone unclear": (
        "Show her latest film and the one of Ben Okafor",
        ["f-knee"],
        'Whom "her" means is not known, and no film of theirs is told.',
    ),
    "by the report": (
        "Show films with a pneumothorax",
        ["f-new"],
        "No film stored here is labelled with pneumothorax; 1 found by what their reports say; whose",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_a_condition_is_held_to_or_said_not_to_be(ward: Ward, case: str) -> None:
    text, expected, said = SAID[case]
    answer = ward.ask(text)
    assert films(answer) == expected
    assert said in answer.text


def test_that_notes_have_nothing_is_said_where_they_were_asked(ward: Ward) -> None:
    assert ward.ask("films of Ben Okafor").text.startswith("2 films of this patient stored here:")
    asked = ward.ask("What is Anna Mitchell's potassium?", asked_image(1, patient_id=ANNA))
    assert asked.text.startswith("No relevant information was found in the notes.")


@pytest.mark.parametrize(
    "text",
    [
        "Which films does Zed Unknown have?",
        "Which films does Anna Okafor have?",
        "which films does zed unknown have?",
        "Show the films of patient 12",
        "Show her films",
        "Show D2N050's films",
        "show films of smith",
    ],
)
def test_where_it_is_not_known_who_is_meant_no_film_is_shown(ward: Ward, text: str) -> None:
    answer = ward.ask(text)
    assert answer.images == ()
    assert answer.outcome != "answered"


# --- a film that is pointed at

EARLIER_THAN = "Earlier than the film of 2018-05-05. 2 earlier films of this patient stored here:"
POINTED = {
    "earlier than the open one": (
        "Show me earlier films like this one",
        "f-ct",
        ["f-old", "f-odd"],
        EARLIER_THAN,
    ),
    "earlier of a kind": (
        "Show earlier chest films",
        "f-ct",
        ["f-old"],
        "Earlier than the film of 2018-05-05. 1 earlier chest film of this patient",
    ),
    "what it shows": ("What did that film show?", "f-ct", ["f-ct"], "The film that is meant:"),
    "that look like it": (
        "Show similar films",
        "f-new",
        ["f-old"],
        "images of this patient that look like it, the most alike first:",
    ),
    "none earlier": ("Show me earlier films", "f-odd", [], "No earlier film of this patient is stored here."),
}


@pytest.mark.parametrize("case", POINTED)
def test_a_film_that_is_pointed_at_is_the_one_that_is_open(ward: Ward, case: str) -> None:
    text, film, expected, said = POINTED[case]
    for patients in ((), (ANNA,)):
        answer = ward.ask(text, film_id=film, patients=patients)
        assert films(answer)[: len(expected) or None] == expected
        assert {each.patient_id for each in answer.images} <= {ANNA}
        assert film not in films(answer) or case == "what it shows"
        assert said in answer.text


@pytest.mark.parametrize("film", ["", "f-hidden", "f-ben", "f-none"])
def test_a_film_that_no_one_knows_is_asked_back(ward: Ward, film: str) -> None:
    for text in ("Show me earlier films like this one", "What did that film show?"):
        with pytest.raises(BadRequest, match="Which film is meant"):
            ward.ask(text, film_id=film, patients=(ANNA,))
    assert films(ward.ask("What did that CT show?", patients=(ANNA,))) == ["f-ct"]  # she has no other


def test_a_film_that_is_removed_while_films_like_it_are_looked_for_has_none(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(ward.images), "vectors", lambda _store, _ids: {})
    answer = ward.ask("Show me films like this one", film_id="f-old", patients=(ANNA,))
    assert answer.images == ()
    assert "No film of this patient looks like it." in answer.text


def test_of_a_film_without_a_date_nothing_is_earlier_and_one_without_is_left_out(ward: Ward) -> None:
    vector = ward.images.vectors(["f-ct"])["f-ct"]
    ward.images.upsert([EmbeddedImage(described("z-undated", ANNA, {}), vector)])
    try:
        answer = ward.ask("Show earlier films", film_id="z-undated", patients=(ANNA,))
        assert (answer.images, answer.outcome) == ((), "nothing_relevant")
        assert "has no date" in answer.text
        answer = ward.ask("Show earlier films", film_id="f-ct", patients=(ANNA,))
        assert films(answer) == ["f-old", "f-odd"]
        assert "1 film without a date left out." in answer.text
        assert "The image has no date" in ward.ask("earlier films like this", asked_image(1)).text
    finally:
        ward.images.delete(["z-undated"])


# --- with an image


def test_an_image_alone_finds_what_looks_like_it_of_its_patient_first(ward: Ward) -> None:
    answer = ward.ask("", asked_image(1, patient_id=ANNA))
    assert films(answer)[:2] == cited_films(answer)[:2] == ["f-new", "f-old"]
    assert {image.patient_id for image in answer.images if image.number} == {ANNA}
    assert answer.text.startswith(
        "By its header the image is of patient P100. 4 images of the patient that look like"
    )
    assert "the most alike first; 2 images of others, whose each is stands with it:" in answer.text
    assert next(image for image in answer.images if image.patient_id == BEN).number == 0
    assert all(image.found_by == "image" and image.similarity for image in answer.images)


def test_of_an_image_of_no_known_patient_others_are_shown_and_no_one_is_spoken_of(ward: Ward) -> None:
    for text in ("", "Is there an effusion?", "Does she have earlier ones?"):
        answer = ward.ask(text, asked_image(1))
        assert set(films(answer)[:3]) == {"f-new", "f-old", "f-ben"}
        assert {"f-ct", "f-knee"} <= set(films(answer))  # of one series id, and of two patients
        assert answer.citations == ()
        assert "effusion" not in answer.text
        assert answer.text.startswith("No note was read: it is not known whose are meant.") is bool(text)


def test_an_image_that_is_stored_is_known_by_its_bytes(ward: Ward) -> None:
    answer = ward.ask(
        "show me earlier films like this one", asked_image(1, content_hash="f-new".ljust(64, "0"))
    )
    assert films(answer)[0] == "f-old"
    assert "f-new" not in films(answer)
    assert cited_films(answer)[0] == "f-old"
    assert answer.text.startswith("The same image is stored as patient P100's.")


def test_a_question_with_an_image_reads_the_notes_of_its_patient(ward: Ward) -> None:
    answer = ward.ask("Is there an effusion?", asked_image(1, patient_id=ANNA))
    assert {each.patient_id for each in answer.citations} == {ANNA}
    assert "Small left pleural effusion." in answer.text
    assert next(part.text for part in answer.understood) == "Anna Mitchell"


def test_a_part_that_was_taken_out_has_no_effect(ward: Ward) -> None:
    alone = ward.ask("Is there an effusion?", asked_image(1, patient_id=ANNA), without=(f"patient:{ANNA}",))
    assert alone.citations == ()
    assert alone.images
    assert ward.ask("Which films does Anna Mitchell have?", without=("kind:imaging",)).images == ()


def test_where_a_patient_is_asked_about_only_their_images_are_searched(ward: Ward) -> None:
    for image in (asked_image(1), asked_image(1, patient_id=BEN)):
        answer = ward.ask("Does Ben Okafor have films like this?", image)
        assert {each.patient_id for each in answer.images} == {BEN}


@pytest.mark.parametrize("patients", [(), (BEN,)])
def test_an_image_of_another_patient_than_the_question_is_not_answered_from(
    ward: Ward, patients: tuple[str, ...]
) -> None:
    text = "Is there an effusion?" if patients else "Does Ben Okafor have an effusion?"
    with pytest.raises(BadRequest, match="about one patient, and the image is of another"):
        ward.ask(text, asked_image(1, patient_id=ANNA), patients=patients)
    with pytest.raises(BadRequest):
        ward.ask(text, asked_image(1, content_hash="f-new".ljust(64, "0")), patients=patients)


def test_where_nothing_looks_like_it_the_notes_of_the_patient_answer_and_it_is_said(ward: Ward) -> None:
    space = ward.images.space()
    assert space is not None
    unlike = ReadingTexts(space)
    unlike.found = -ward.images.vectors(["f-new"])["f-new"]
    ward, blank = replace(ward, image_embedder=unlike), asked_image(1, patient_id=ANNA)
    answer = ward.ask("Is there an effusion?", blank, patients=(ANNA,))
    assert answer.images == ()
    assert "Small left pleural effusion." in answer.text
    assert answer.text.endswith("No film of this patient looks like it.")
    alone = ward.ask("", blank)
    assert (alone.outcome, alone.reason) == ("nothing_relevant", "no_images")


@pytest.mark.parametrize(
    "text", ["Is there an effusion in lindqvist?", "Does Okafor have an effusion?", "And Zed?"]
)
def test_whoever_else_a_question_seems_to_name_is_not_the_patient_of_its_image(ward: Ward, text: str) -> None:
    with pytest.raises(BadRequest):
        ward.ask(text, asked_image(1, patient_id=ANNA))


def test_an_image_without_an_embedder_or_of_another_space_is_refused(ward: Ward) -> None:
    with pytest.raises(SettingsInvalid, match="No image embedder"):
        replace(ward, image_embedder=None).ask("", asked_image(1))
    with pytest.raises(SpaceMismatch):
        replace(ward, image_embedder=ReadingTexts(EmbeddingSpace("hashing", "other", 8))).ask(
            "", asked_image(1)
        )


# --- follow-ups


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("show her films", ["f-new", "f-ct", "f-old", "f-odd"]),
        ("and the one before?", ["f-old"]),
        ("And Ben Okafor?", ["f-ben"]),
    ],
)
def test_a_follow_up_keeps_the_patient_and_the_kind(ward: Ward, text: str, expected: list[str]) -> None:
    before = ward.ask("Show Anna Mitchell's latest chest X-ray")
    turn = LastTurn("Show Anna Mitchell's latest chest X-ray", (ANNA,), before.understood)
    question = Question(text, Filters(scope=NO_PSYCHIATRY))
    asked = in_conversation(question, subject_of(text), turn, ward.store, ward.embedder).question
    answer = ward.ask(text, patients=asked.filters.patient_ids, carried=asked.carried)
    assert films(answer) == expected


# --- with a language model


class Obedient:
    """Writes what it is told to, and remembers what it was given."""

    def __init__(self, draft: str) -> None:
        self.draft, self.prompts = draft, list[Prompt]()

    @property
    def model(self) -> GeneratorModel:
        return GeneratorModel("scripted", "m1")

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        self.prompts.append(prompt)
        yield DraftPiece(self.draft)
        yield DraftPiece("", Usage(1, 1), "stop")

    def check(self) -> None:
        return None


ASKED = "Tell me what the films and the notes say about Anna Mitchell's effusion, in one sentence"
DRAFTS = {
    "the label as a label": ("The film of 4 March 2019 is labelled with: effusion, infiltration. [1]", True),
    "the label as a finding": ("The patient has an effusion. [1]", False),
    "the label as hers": ("The film is labelled with effusion, so she has an infiltration. [1]", False),
    "what the film shows": ("The film labelled 4 March 2019 shows effusion, infiltration. [1]", False),
    "what is present": ("Effusion is present, the film is labelled with infiltration. [1]", False),
    "in other words": (
        "The film of 4 March 2019 is labelled with effusion and infiltration. [1]",
        True,
    ),
    "in double quotes": ('"The film of 4 March 2019 is labelled with: effusion, infiltration." [1]', True),
    "quoted for a finding": ('She has it: "effusion, infiltration" [1]', False),
    "a bare quotation": ('"effusion, infiltration" [1]', False),
    "a bare label": ("Effusion. [1]", False),
    "another label": ("The film of 4 March 2019 is labelled with: mass. [1]", False),
    "another day": ("The film of 5 March 2019 is labelled with: effusion, infiltration. [1]", False),
    "what it is": ("Chest X-ray, PA view, 4 March 2019. [1]", True),
}


@pytest.mark.parametrize("case", DRAFTS)
def test_a_model_reads_films_as_passages_and_is_held_to_their_labels(ward: Ward, case: str) -> None:
    draft, passes = DRAFTS[case]
    model = Obedient(draft)
    answer = ward.ask(ASKED, generator=model)
    assert "[1] (image f-new, patient P100, Image, 2019-03-04)" in model.prompts[0].user
    assert "labelled with: effusion, infiltration." in model.prompts[0].user
    own = draft.removesuffix(" [1]")
    assert (answer.statements[0].text.startswith(own)) is passes
    assert answer.withheld == (not passes)
    assert films(answer) == cited_films(answer)[:1] == ["f-new"]


def test_a_model_reads_the_reports_of_similar_films(ward: Ward) -> None:
    model = Obedient("Small left pleural effusion. [3]")
    answer = ward.ask(
        "Tell me whether there is fluid in a sentence", asked_image(1, patient_id=ANNA), generator=model
    )
    prompt = model.prompts[0]
    assert [hit.patient_id for hit in prompt.passages] == [ANNA] * len(prompt.passages)
    kinds = [hit.document_type for hit in prompt.passages]
    assert kinds[:3] == ["Image"] * 3
    assert "Radiology report" in kinds
    assert len({hit.chunk_id for hit in prompt.passages}) == len(prompt.passages)
    assert answer.outcome == "answered"


# --- words that find images


class ReadingTexts:
    """An image embedder whose space has a text side: words and pictures are told apart by hand."""

    reads_texts, image_side, images_at_once, calls_at_once = True, 224, 4, 1

    def __init__(self, space: EmbeddingSpace) -> None:
        self.space = space
        self.texts: list[str] = []

    def embed_images(self, images: list[bytes]) -> Vector:
        return self.found[None, :]

    def embed_texts(self, texts: list[str]) -> Vector:
        self.texts += texts
        return self.found[None, :]

    def check(self) -> None:
        return None

    found: Vector


def test_words_find_images_where_the_model_reads_them_and_the_answer_says_so(ward: Ward) -> None:
    space = ward.images.space()
    assert space is not None
    reading = ReadingTexts(space)
    reading.found = ward.images.vectors(["f-ct"])["f-ct"]
    answer = replace(ward, image_embedder=reading).ask("Show Anna Mitchell's films with a gallstone")
    assert reading.texts == ["film with gallstone"]
    assert answer.images[0].image_id == "f-ct"
    assert {image.found_by for image in answer.images} == {"text"}
    assert {image.patient_id for image in answer.images} == {ANNA}
    assert "found by the question's words" in answer.text


# --- what is out of sight

QUESTIONS = (
    "Which films does Anna Mitchell have?",
    "Show films with zzmass",
    "Show Anna Mitchell's films of 2022",
    "Do Anna Mitchell's films show zzmass?",
    "Show Anna Mitchell's latest film",
    "Which patients have a film with zzmass?",
    "What did the films and the notes say about Anna Mitchell's effusion?",
    "How many chest X-rays has Anna Mitchell had?",
    "Has Cara Lindqvist had an X-ray?",
    "",
)
SCOPES = (
    NO_PSYCHIATRY,
    AccessScope(patient_ids=frozenset([BEN, CARA])),
    AccessScope(frozenset(["medicine"]), None),
    AccessScope(frozenset(), None),
)


@pytest.mark.parametrize("scope", range(len(SCOPES)))
def test_a_film_out_of_sight_changes_no_answer(ward: Ward, scope: int) -> None:
    """Every question, with and without an image, is answered to the letter as if the film had never been."""
    seen = SCOPES[scope]
    hidden = described(
        "zz-hidden",
        ANNA,
        {
            "date": "2023-03-03",
            "domain": "psychiatry",
            "findings": ("zzmass",),
            "modality": "DX",
            "body_part": "CHEST",
            "report_id": "zz-report",
        },
    )
    reported = replace(hidden, image_id="f-ben", patient_id=BEN, report_id="zz-report")
    assert reported.report_id
    pictures = (
        None,
        asked_image(1),
        asked_image(1, patient_id=ANNA),
        asked_image(1, content_hash=hidden.content_hash),
    )

    def answers() -> list[str]:
        told = []
        for text in QUESTIONS:
            for image in pictures:
                if text or image is not None:
                    try:
                        answer = ward.ask(text, image, scope=seen)
                        told.append(repr(replace(answer, seconds={})))
                    except BadRequest as refused:
                        told.append(str(refused))
        return told

    before = answers()
    vector = ward.images.vectors(["f-new"])["f-new"]
    ward.images.upsert([EmbeddedImage(hidden, vector)])
    try:
        after = answers()
    finally:
        ward.images.delete(["zz-hidden"])
    assert after == before
    assert not any("zz-hidden" in each or "zz-report" in each for each in after)
    assert any("f-new" in each for each in before) is (scope == 0)


OF_NO_REPORT = (
    "What is the report of this film?",
    "What does this film show?",
    "What does the attached image show?",
    "Read this film",
    "Describe this image",
    "Show me the report",
    "What are the findings?",
    "What is wrong here?",
    "Any pneumothorax in this picture?",
    "Is there a pleural effusion?",
)


@pytest.mark.parametrize("text", OF_NO_REPORT)
def test_notes_beside_an_image_that_is_not_stored_are_no_report_of_it(ward: Ward, text: str) -> None:
    lines = ward.ask(text, asked_image(1, patient_id=ANNA)).text.splitlines()
    assert lines[0].startswith("No report is known to be of the image that you asked with.")
    quoted = [line for line in lines if '"' in line]
    assert all(line.startswith("note of 2019-") for line in quoted), lines
    assert ("Other notes of the patient:" in lines[0]) is bool(quoted)


@pytest.mark.parametrize("text", [each for each in OF_NO_REPORT if "this" in each])
def test_nor_of_the_film_that_is_open(ward: Ward, text: str) -> None:
    assert ward.ask(text, film_id="f-old").text.startswith(
        "No report is known to be of the film of 20 November 2017."
    )


@pytest.mark.parametrize("text", OF_NO_REPORT[:8])
def test_no_other_note_stands_as_the_report_of_the_film_that_is_asked_with(ward: Ward, text: str) -> None:
    old, new = ("f-old".ljust(64, "0"), "f-new".ljust(64, "0"))
    without = ward.ask(text, asked_image(1, content_hash=old))
    lines = without.text.splitlines()
    assert lines[0] == "No report is known to be of the film of 20 November 2017."
    before = lines[: lines.index("Other notes:")] if "Other notes:" in lines else lines[:2]
    assert "Small left pleural effusion" not in "".join(before)
    told = ward.ask(text, asked_image(1, content_hash=new)).text
    assert "Small left pleural effusion" in told
    assert "No report is known" not in told
    unknown = ward.ask(text, asked_image(1, patient_id=ANNA)).text
    assert "No report is known to be of the image that you asked with" in unknown.partition("effusion")[
        0
    ] or ("effusion" not in unknown)


def test_what_labels_leave_in_doubt_is_told_as_that_and_not_counted(ward: Ward) -> None:
    chest = {"modality": "DX", "body_part": "CHEST"}
    doubted = {"f-query": ("?nodule",), "f-both": ("nodule", "no nodule")}
    vector = ward.images.vectors(["f-new"])["f-new"]
    ward.images.upsert(
        [
            EmbeddedImage(described(key, CARA, {**chest, "findings": labels}), vector)
            for key, labels in doubted.items()
        ]
    )
    try:
        answer = ward.ask("Show Cara Lindqvist's films with a nodule")
        sided = ward.ask("Show Anna Mitchell's films with a left effusion")
    finally:
        ward.images.delete(list(doubted))
    assert (
        "No film of this patient stored here is labelled with nodule for certain; 2 films whose labels"
        in answer.text
    )
    assert sorted(films(answer)) == sorted(doubted)
    assert "labelled with left effusion for certain; 1 film whose labels leave it in doubt:" in sided.text
    assert films(sided) == ["f-new"]
