"""What a vision model says of a picture, wherever the service shows it: apart from the answer, and marked."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from pathlib import Path

from pipeline.answering.images.seen_in_words import NOT_CHECKED
from pipeline.records import Seen
from pipeline.service.audit.receipts import AnswerRecord, shown
from pipeline.service.conversations.store import ConversationMessage
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.view_models import AnswerView
from pipeline.service.schemas.ask import SeenOut
from tests.servers.vision import VisionServer
from tests.service.answers import given
from tests.service.images.gallery import gallery
from tests.service.running import events_of

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


def test_of_a_cited_film_over_http_now_and_again_and_only_for_who_may_see_it(tmp_path: Path) -> None:
    """The real service, reading and store; the vision model's server is the simulator."""
    question = {"question": "Show me the chest X-rays.", "filters": {"patient_ids": ["pat-a"]}}
    with VisionServer() as server:
        server.habits.says = "The heart is large."
        vision = {"provider": "openai", "url": server.url, "model": "some/vlm", "films_max": 1}
        with gallery(tmp_path, vision=vision, transport={"attempts_max": 1}) as shown_films:
            browser = shown_films.service.browser("reader")
            found = browser.post("/v1/ask", json=question).json()
            (seen,) = found["seen"]
            assert (seen["text"], seen["checked"]) == ("The heart is large.", False)
            assert seen["image_id"] in {each["resource_id"] for each in found["citations"]}
            assert "heart" not in found["text"]
            assert found["usage"]["seconds"]["vision"] > 0
            stream = {"Accept": "text/event-stream"}
            with browser.stream("POST", "/v1/ask", json=question, headers=stream) as response:
                events = dict(events_of(response))
            assert [each["text"] for each in events["done"]["seen"]] == ["The heart is large."]
            again = browser.get(f"/conversations/{found['conversation_id']}").text
            assert NOT_CHECKED in again
            assert "The heart is large." in again
            film = (shown_films.folder / "a1.png").read_bytes()
            uploaded = {"image": {"content_base64": base64.b64encode(film).decode()}}
            asked = browser.post("/v1/ask", json={**question, **uploaded}).json()
            assert asked["seen"][0]["image_id"] == "asked"
            assert server.pictures[-1] != film
            pictures = len(server.pictures)
            other = shown_films.service.browser("reader", sees=shown_films.group("pat-b"))
            unseen = other.post("/v1/ask", json=question).json()
            assert unseen["seen"] == []
            assert len(server.pictures) == pictures
