"""Images next to a kept answer: by id, and looked up for whoever reads it, whenever they do."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.images import IMAGE_TYPE, found_image, image_text
from pipeline.imaging.records import ImageDescription
from pipeline.locators import ImageRegion
from pipeline.records import ASKED_IMAGE, EVERYTHING, AccessScope, Citation, Seen, Statement
from pipeline.service.access.factory import Access
from pipeline.service.audit.chain import SystemActor
from pipeline.service.audit.receipts import AnswerRecord
from pipeline.service.conversations.factory import History, open_history
from pipeline.service.database.engine import State
from tests.service.answers import Shelf, given

ANNA = SystemActor("anna", "user")


class Films:
    """The images as they are now."""

    def __init__(self) -> None:
        self.all = {each: image(each) for each in ("film-1", "film-2")}

    def seen(self, ids: AbstractSet[str], scope: AccessScope) -> Mapping[str, ImageDescription]:
        return {
            key: each
            for key, each in self.all.items()
            if key in ids and scope.admits(each.domain, each.patient_id)
        }


def image(image_id: str, patient_id: str = "p-1", findings: tuple[str, ...] = ()) -> ImageDescription:
    return ImageDescription(image_id, patient_id, "films/1.png", "png", "0" * 64, findings=findings)


def with_films() -> AnswerRecord:
    whole = given()
    shown = tuple(replace(found_image(image(f"film-{n}"), "metadata"), number=n) for n in (1, 2))
    seen = tuple(Seen(each, f"Seen in {each}.", "m") for each in ("film-1", "film-2", ASKED_IMAGE))
    assert whole.answer is not None
    whole.answer = replace(whole.answer, images=shown, seen=seen)
    whole.images = shown
    return whole


def content_of(history: History, conversation: str, scope: AccessScope = EVERYTHING) -> Mapping[str, Any]:
    content = history.conversations.get(ANNA, conversation, scope).messages[1].content
    assert content is not None
    return content


def test_films_are_shown_in_the_words_of_now_and_only_those_that_are_in_sight_and_the_same_patients(
    state: State, settings: Settings, access: Access, shelf: Shelf
) -> None:
    films = Films()
    history = open_history(state, access.audit, settings, shelf.visible, films.seen)
    whole = with_films()
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    conversation = begun.conversation_id

    films.all["film-1"] = image("film-1", findings=("effusion",))
    shown = content_of(history, conversation)
    assert [(each["image_id"], each["findings"], each["number"]) for each in shown["images"]] == [
        ("film-1", ("effusion",), 1),
        ("film-2", (), 2),
    ]
    assert len(shown["seen"]) == 3

    films.all["film-1"] = image("film-1", patient_id="p-2")  # it has become another patient's
    shown = content_of(history, conversation)
    assert [each["image_id"] for each in shown["images"]] == ["film-2"]
    assert [each["image_id"] for each in shown["seen"]] == ["film-2", ASKED_IMAGE]

    del films.all["film-2"]
    assert content_of(history, conversation)["images"] == []
    exported = history.conversations.export(ANNA, conversation, EVERYTHING)
    assert exported["messages"][1]["images"] == []
    assert history.receipts.verify() == []


def test_an_answer_of_an_earlier_release_is_read_as_it_was(history: History) -> None:
    whole = given()
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    content = content_of(history, begun.conversation_id)
    assert "images" not in content
    assert "seen" not in content
    assert history.receipts.get(whole.question_id).record["version"] == 2


TOLD = replace(image("film-1", findings=("effusion",)), date="2021-05-10", modality="DX", body_part="CHEST")


def kept_from_a_film(history: History, started_from: AnswerRecord) -> str:
    """The conversation of an answer that cites TOLD."""
    text = image_text(TOLD)
    region = ImageRegion("s", TOLD.image_id, 1, 0, 0, 9, 9)
    cited = Citation(
        1, TOLD.image_id, TOLD.patient_id, IMAGE_TYPE, TOLD.date, 0.5, 0, len(text), text, region
    )
    whole = replace(started_from, statements=(Statement(f"{text} [1]", (cited,)),))
    whole.images = (replace(found_image(TOLD, "metadata"), number=1),)
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    return begun.conversation_id


@pytest.mark.parametrize(
    ("changed", "withheld"),
    [
        ({}, False),
        ({"view": "", "metadata": {"window": "1 2"}}, False),
        ({"patient_id": "p-2"}, True),
        ({"findings": ()}, True),
        ({"findings": ("hernia",)}, True),
        ({"date": "2022-05-10"}, True),
        ({"content_hash": "1" * 64}, True),
    ],
)
def test_an_answer_from_a_film_that_is_not_what_it_was_is_withheld_from_everyone(
    state: State, settings: Settings, access: Access, shelf: Shelf, changed: dict[str, Any], withheld: bool
) -> None:
    films = Films()
    films.all["film-1"] = TOLD
    history = open_history(state, access.audit, settings, shelf.visible, films.seen)
    conversation = kept_from_a_film(history, given())
    films.all["film-1"] = replace(TOLD, **changed)
    answer = history.conversations.get(ANNA, conversation, EVERYTHING).messages[1]
    assert answer.withheld is withheld
    exported = str(history.conversations.export(ANNA, conversation, EVERYTHING))
    assert ("labelled with: effusion" not in exported) is withheld


@pytest.mark.parametrize(("holder", "withheld"), [("p-1", False), ("p-2", True), (None, False)])
def test_an_answer_from_a_note_of_another_patient_by_now_is_withheld_from_everyone(
    state: State, settings: Settings, access: Access, shelf: Shelf, holder: str | None, withheld: bool
) -> None:
    holders = {} if holder is None else {"note-1": holder}
    history = open_history(state, access.audit, settings, shelf.visible, holders=lambda ids: holders)
    whole = given()
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    found = history.conversations.get(ANNA, begun.conversation_id, EVERYTHING)
    assert found.messages[1].withheld is withheld
