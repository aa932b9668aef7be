"""What a vision model says of a picture, wherever the service shows it: apart from the answer, and marked."""

from __future__ import annotations

import dataclasses
import datetime as dt

from pipeline.answering.images.vision_answering import NOT_CHECKED
from pipeline.records import Seen
from pipeline.service.audit.receipts import AnswerRecord, shown
from pipeline.service.conversations.store import ConversationMessage
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.view_models import AnswerView
from pipeline.service.schemas.ask import SeenOut
from tests.service.answers import given

SEEN = (
    Seen("asked", "The lungs are <b>clear</b>.", "nim/vlm", 1),
    Seen("note-1", "The heart is large.", "nim/vlm"),
)


def with_seen() -> AnswerRecord:
    plain = given()
    assert plain.answer is not None
    return dataclasses.replace(plain, answer=dataclasses.replace(plain.answer, seen=SEEN))


def test_what_was_shown_is_kept_and_one_without_is_kept_as_ever() -> None:
    kept = shown(with_seen())
    assert [each["text"] for each in kept.pop("seen")] == [each.text for each in SEEN]
    assert kept == shown(given())
    assert "lungs" not in str(kept)


def test_it_is_shown_again_apart_from_the_statements_and_as_text_alone() -> None:
    now = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    kept = ConversationMessage("m1", 2, "chartwell", "", shown(with_seen()), "r1", now)
    view = AnswerView.kept(kept, [])
    assert view is not None
    assert view.seen == tuple(SeenOut.all(SEEN))
    html = str(Renderer()._environment.get_template("parts.html").module.seen(view))  # type: ignore[attr-defined]
    assert NOT_CHECKED in html
    assert "The lungs are &lt;b&gt;clear&lt;/b&gt;. (1 sentence is not shown: it may name someone.)" in html
    assert "nim/vlm" in html


def test_the_interface_says_that_it_is_not_checked() -> None:
    assert [each.model_dump()["checked"] for each in SeenOut.all(SEEN)] == [False, False]
