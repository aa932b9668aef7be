"""How an answer ended, wherever the service shows it: API, events, page, receipt, exports, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.ports import text_tokens_max
from tests.servers.raw import HEAD, STREAM, RawServer, frame, said
from tests.service.running import Running, events_of, index, running, settings_in

QUESTION = "Who takes which dose for gout?"
NOTE = "Anna Mitchell takes allopurinol 100 mg once daily for gout."
FIRST = f'"{NOTE}" [1]\n'


@pytest.fixture(scope="module")
def model() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def service(model: RawServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("endings")
    notes = folder / "notes.json"
    row = {"resource_id": "n1", "patient_id": "p1", "document_type": "note", "text_content": NOTE}
    notes.write_text(json.dumps([row]))
    settings = settings_in(
        folder / "data",
        embedder={"provider": "hashing", "tokens_max": 256},
        generator={"provider": "openai", "url": model.url, "model": "some-model"},
        transport={"attempts_max": 1},
        service={"question_characters_max": 20_000},
    )
    index(settings, notes)
    with running(settings) as found:
        yield found


def says(model: RawServer, *frames: str, reason: str, tokens: int = 512) -> None:
    end = frame(
        {
            "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 90, "completion_tokens": tokens},
        }
    )
    model.answer = HEAD % STREAM + "".join([*frames, end]).encode()


def asked(service: Running) -> tuple[Any, dict[str, Any]]:
    browser = service.browser("administrator")
    found: dict[str, Any] = browser.post("/v1/ask", json={"question": QUESTION}).json()
    return browser, found


@pytest.mark.parametrize(
    ("frames", "reason", "ending", "words"),
    [
        ((said(FIRST), said('"Anna')), "length", "cut_off", "cut off after 512 tokens"),
        (
            (said(FIRST),),
            "content_filter",
            "filtered",
            "a content filter of the model&#39;s server held back",
        ),
        (
            (said(FIRST), frame({"choices": [{"delta": {"refusal": "No."}}]})),
            "stop",
            "refused",
            "refused to go on",
        ),
    ],
)
def test_an_answer_that_is_not_whole_says_so_everywhere(
    service: Running, model: RawServer, frames: tuple[str, ...], reason: str, ending: str, words: str
) -> None:
    says(model, *frames, reason=reason)
    browser, answer = asked(service)
    assert (answer["outcome"], answer["ending"], len(answer["statements"])) == ("answered", ending, 1)
    receipt = browser.get(f"/v1/receipts/{answer['receipt_id']}").json()
    assert (receipt["record"]["version"], receipt["record"]["answer_ending"]) == (2, ending)
    conversation = answer["conversation_id"]
    shown = browser.get(f"/conversations/{conversation}").text
    assert "This answer is not complete" in shown
    assert words in shown
    written = browser.get(f"/conversations/{conversation}/export.md").text
    assert words.replace("&#39;", "'") in written.replace("&#39;", "'")
    exported = browser.get(f"/v1/conversations/{conversation}/export").json()["messages"][-1]
    assert (exported["outcome"], exported["ending"]) == ("answered", ending)
    assert f'chartwell_answer_endings_total{{ending="{ending}"}} 1.0' in metrics(service)


def test_the_page_says_that_a_language_model_wrote_it(service: Running, model: RawServer) -> None:
    says(model, said(FIRST), reason="stop")
    browser = service.browser("reader")
    part = {"Accept": "text/event-stream", "HX-Request": "true"}
    streamed = browser.post("/ask", data={"question": QUESTION}, headers=part).text
    assert "Written by some-model, each sentence checked" in streamed
    whole = browser.post("/ask", data={"question": QUESTION}, headers={"Accept": "text/html"})
    kept = browser.get(whole.headers["location"], headers={"Accept": "text/html"}).text
    assert "Written by a language model, each sentence checked" in kept


def metrics(service: Running) -> str:
    key = service.key("administrator", actions=["read-metrics"])
    return service.client(key).get("/metrics").text


@pytest.mark.parametrize(
    ("frames", "reason", "why", "words"),
    [
        ((), "content_filter", "filtered", "A content filter held the answer back"),
        ((), "length", "cut_off", "cut off before it said anything complete"),
        ((frame({"choices": [{"delta": {"reasoning": "Hm."}}]}),), "stop", "thought_only", "gave no answer"),
        ((said("Aspirin [9]."),), "stop", "nothing_verified", "No answer could be checked"),
    ],
)
def test_what_cannot_be_shown_is_never_nothing_relevant(
    service: Running, model: RawServer, frames: tuple[str, ...], reason: str, why: str, words: str
) -> None:
    says(model, *frames, reason=reason)
    browser, answer = asked(service)
    assert (answer["outcome"], answer["reason"]) == ("no_answer", why)
    assert "relevant" not in answer["text"]
    shown = browser.get(f"/conversations/{answer['conversation_id']}").text
    assert words in shown
    assert "Whether the notes answer the question is not known." in shown
    assert "do not answer this question" not in shown


def test_the_last_event_says_how_it_ended_and_no_thought_was_in_any_before(
    service: Running, model: RawServer
) -> None:
    says(model, said("Maybe 300 mg [1].\nOr [1]. "), said("</think>"), said(FIRST), reason="stop")
    browser = service.browser("reader")
    with browser.stream(
        "POST", "/v1/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"}
    ) as response:
        events = list(events_of(response))
    assert events[-1][0] == "done"
    assert events[-1][1]["ending"] == "complete"
    assert [data["text"] for name, data in events if name == "statement"] == [FIRST.strip()]
    assert "300 mg" not in json.dumps(events)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (
            (said(FIRST), said('"Anna')),
            "Answered: 1 statement, 1 source. This answer was cut off after 512 tokens",
        ),
        ((), "The answer was cut off before it said anything complete."),
    ],
)
def test_those_who_listen_are_told_too(
    service: Running, model: RawServer, frames: tuple[str, ...], words: str
) -> None:
    says(model, *frames, reason="length")
    headers = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
    shown = service.browser("reader").post("/ask", data={"question": QUESTION}, headers=headers).text
    assert words in shown
    assert "No answer was found" not in shown


def test_a_thought_without_end_is_a_problem_with_its_cure(service: Running, model: RawServer) -> None:
    says(model, said("<think>Maybe 300 mg [1]. "), reason="length")
    problem = service.browser("reader").post("/v1/ask", json={"question": QUESTION})
    assert problem.status_code >= 500
    assert problem.json()["code"] == "CW-PROVIDER-THINKING"
    assert "still thinking" in problem.json()["detail"]
    assert problem.json()["troubleshooting"].endswith("#cw-provider-thinking")
    assert "300 mg" not in problem.text


def test_the_service_answers_what_the_command_line_answers(service: Running, model: RawServer) -> None:
    """A question as long as the embedding model reads is answered, and the limit that is published is that one."""
    says(model, said("NOT STATED"), reason="stop")
    browser = service.browser("administrator")
    published = browser.get("/v1/status").json()["corpus"]["question_tokens_max"]
    with service.app.state.services.corpus.answering() as parts:
        embedder = parts.embedder
    assert published == text_tokens_max(embedder, "query")
    question = "gout " * published
    assert embedder.count_tokens([question]) == [published]
    for path in ("/v1/ask", "/v1/search"):
        assert browser.post(path, json={"question": question}).status_code == 200, path
