"""Images next to a kept answer: by id, and looked up for whoever reads it, whenever they do."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from pipeline.config import Settings
from pipeline.images import found_image
from pipeline.imaging.records import ImageDescription
from pipeline.records import ASKED_IMAGE, EVERYTHING, AccessScope, Seen
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
