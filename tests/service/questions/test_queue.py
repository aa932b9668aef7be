"""Questions in progress: cut when no one listens, queued, refused, kept, and drained."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipeline.config import CostSettings, Settings
from pipeline.pricing import prices_of
from pipeline.records import Question
from pipeline.service.access.factory import open_access
from pipeline.service.access.policy import DEMO
from pipeline.service.audit.verification import ANSWERED
from pipeline.service.database.engine import open_state
from pipeline.service.database.tables import Message, Receipt
from pipeline.service.errors import NotReady
from pipeline.service.questions.queue import AnswerQueue
from tests.servers.nim import NimServer
from tests.servers.queueing import ServiceTime
from tests.service.running import (
    QUESTION,
    Running,
    events_of,
    index,
    process,
    raw,
    running,
    settings_in,
    until,
)

BODY = json.dumps({"question": QUESTION}).encode()
STREAM = {"Accept": "text/event-stream"}
NOTE = "Allopurinol 100 mg once daily was continued for gout. The patient is taking it well."


def settings_with(nim: NimServer, folder: Path, **service: Any) -> Settings:
    notes = folder / "notes.jsonl"
    lines = [
        {
            "resource_id": f"n{number}",
            "patient_id": f"p{number}",
            "document_type": "note",
            "text_content": f"{NOTE} Visit {number}.",
        }
        for number in range(20)
    ]
    notes.write_text("\n".join(map(json.dumps, lines)))
    settings = settings_in(
        folder / "data",
        embedder={"provider": "nim", "url": nim.url},
        generator={"provider": "nim", "url": nim.url},
        service=service,
    )
    index(settings, notes)
    return settings


@contextmanager
def serving(
    folder: Path, chat: ServiceTime, *, answer_tokens: int = 0, **service: Any
) -> Iterator[tuple[NimServer, Running]]:
    with (
        NimServer(chat=chat, answer_tokens=answer_tokens) as nim,
        running(settings_with(nim, folder, **service)) as found,
    ):
        yield nim, found


def stored(service: Running, kind: type[Any]) -> list[Any]:
    with service.state.reading() as session:
        return list(session.query(kind))


def headers_of(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **more}


def ends(service: Running) -> list[str]:
    """How the questions ended, from the audit log."""
    return [
        json.loads(row.details)["ending"] for row in service.access.audit.rows() if row.action == ANSWERED
    ]


SLOW = ServiceTime(seconds_per_token=0.1, concurrency=1)


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_who_leaves_cancels_the_models_request(tmp_path: Path, accept: str) -> None:
    """A model that writes for twenty seconds is stopped immediately, the place is free, and the trace is kept."""
    with serving(tmp_path, SLOW, answer_tokens=200) as (nim, service):
        queue = service.app.state.services.queue
        connection = service.raw("/v1/ask", headers_of(service.key(), Accept=accept), BODY)
        until(lambda: nim.chat.running == 1)
        began = time.monotonic()
        connection.close()
        until(lambda: nim.cancelled == 1 and queue.running == 0)
        assert time.monotonic() - began < 10
        until(lambda: nim.chat.running == 0)
        assert ends(service) == ["cut_off"]
        assert len(stored(service, Message)) == 2
        assert stored(service, Receipt)[0].question == QUESTION


def test_who_leaves_while_the_model_is_busy_is_not_waited_for(tmp_path: Path) -> None:
    """Before the first byte of the model's answer, too: the connection is cut, the thread comes back."""
    with serving(tmp_path, SLOW, answer_tokens=150) as (nim, service):
        queue = service.app.state.services.queue
        first = service.raw("/v1/ask", headers_of(service.key(), **STREAM), BODY)
        until(lambda: nim.chat.running == 1)
        second = service.raw("/v1/ask", headers_of(service.key(), **STREAM), BODY)
        until(lambda: nim.chat.waiting == 1)
        second.close()
        until(lambda: queue.running == 1)
        assert nim.chat.running == 1  # the first goes on
        first.close()
        until(lambda: queue.running == 0)
        assert ends(service) == ["cut_off", "cut_off"]


def test_who_leaves_the_queue_gives_up_the_place(tmp_path: Path) -> None:
    with serving(tmp_path, SLOW, answer_tokens=150, answers_at_once=1, answers_waiting_max=1) as (
        nim,
        service,
    ):
        queue = service.app.state.services.queue
        first = service.raw("/v1/ask", headers_of(service.key(), **STREAM), BODY)
        until(lambda: nim.chat.running == 1)
        second = service.raw("/v1/ask", headers_of(service.key(), **STREAM), BODY)
        until(lambda: queue.waiting == 1)
        refused = service.client(service.key()).post("/v1/ask", json={"question": QUESTION})
        assert (refused.status_code, refused.json()["code"]) == (429, "CW-BUSY")
        assert int(refused.headers["retry-after"]) >= 1
        second.close()
        until(lambda: queue.waiting == 0)
        assert ends(service) == ["cut_off"]
        third = service.raw("/v1/ask", headers_of(service.key(), **STREAM), BODY)
        until(lambda: queue.waiting == 1)
        third.close()
        first.close()
        until(lambda: queue.running + queue.waiting == 0)


def test_one_person_has_a_share_of_the_places(tmp_path: Path) -> None:
    with serving(tmp_path, SLOW, answer_tokens=100, answers_each_max=1) as (nim, service):
        key = service.key()
        first = service.raw("/v1/ask", headers_of(key, **STREAM), BODY)
        until(lambda: nim.chat.running == 1)
        refused = service.client(key).post("/v1/ask", json={"question": QUESTION})
        assert (refused.status_code, refused.json()["code"]) == (429, "CW-TOO-MANY")
        first.close()
        until(lambda: service.app.state.services.queue.running == 0)


def test_a_reader_that_takes_nothing_holds_no_place(tmp_path: Path) -> None:
    """Twenty of them, with places for two: everyone else is answered, and their own answers are kept."""
    with serving(tmp_path, ServiceTime(), answers_at_once=2, answers_each_max=50, send_seconds_max=1) as (
        _,
        service,
    ):
        key = service.key()
        body = json.dumps({"question": QUESTION, "top_k": 20}).encode()
        slow = []
        for _ in range(20):
            connection = service.raw("/v1/ask", headers_of(key, **STREAM), body)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.append(connection)
        until(lambda: len(ends(service)) == 20)
        answer = service.client(service.key()).post("/v1/ask", json={"question": QUESTION})
        assert answer.json()["outcome"] == "answered"
        queue = service.app.state.services.queue
        until(lambda: (queue.running, queue.waiting) == (0, 0))
        for connection in slow:
            connection.close()


def test_a_model_that_breaks_off_is_a_problem_at_the_end_of_the_stream(tmp_path: Path) -> None:
    with serving(tmp_path, ServiceTime()) as (nim, service):
        nim.faults.stream_cut_after = 5
        client = service.client(service.key())
        with client.stream("POST", "/v1/ask", json={"question": QUESTION}, headers=STREAM) as response:
            assert response.status_code == 200
            events = list(events_of(response))
        name, problem = events[-1]
        assert (name, problem["code"], problem["status"]) == ("problem", "CW-PROVIDER-CONNECTION", 502)
        assert "127.0.0.1" not in json.dumps(problem)
        whole = client.post("/v1/ask", json={"question": QUESTION})
        assert (whole.status_code, whole.json()["code"]) == (502, "CW-PROVIDER-CONNECTION")
        assert ends(service) == ["failed", "failed"]


@pytest.mark.parametrize("price", [None, 2.5])
def test_the_cost_of_an_answer_is_told_as_the_receipt_has_it(tmp_path: Path, price: float | None) -> None:
    with NimServer() as nim:
        settings = settings_with(nim, tmp_path)
        elsewhere = nim.url.replace("127.0.0.1", "127.1")  # billed by the token: not known to be this machine
        generator = settings.generator.model_copy(update={"url": elsewhere})
        cost = CostSettings(
            prompt_usd_per_million=price, completion_usd_per_million=2 * price if price else None
        )
        with running(settings.model_copy(update={"generator": generator, "cost": cost})) as service:
            client, officer = service.client(service.key()), service.client(service.key("reviewer"))
            whole = client.post("/v1/ask", json={"question": QUESTION}).json()
            with client.stream("POST", "/v1/ask", json={"question": QUESTION}, headers=STREAM) as response:
                streamed = dict(events_of(response))
            part = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
            page = service.browser().post("/ask", data={"question": QUESTION}, headers=part).text
            receipts = [
                officer.get(f"/v1/receipts/{said['receipt_id']}").json()["record"]["cost_usd"]
                for said in (whole, streamed["done"])
            ]
    usage = whole["usage"]
    spent = None if price is None else price * (usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6
    assert usage["completion_tokens"] > 0
    assert usage["cost_usd"] == pytest.approx(spent)
    assert receipts == [usage["cost_usd"], streamed["usage"]["cost_usd"]]
    assert ("<dt>Cost</dt>" in page) is (price is not None)


def test_an_unforeseen_error_gets_a_number_and_no_words(
    service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("Anna Mitchell has gout")

    monkeypatch.setattr(service.app.state.services.conversations, "latest", fail)
    answer = service.client(service.key()).get("/v1/conversations")
    assert (answer.status_code, answer.json()["code"]) == (500, "CW-INTERNAL")
    assert "Anna" not in answer.text
    assert answer.json()["id"] == answer.headers["x-request-id"]


def test_a_fault_in_what_is_told_of_an_end_costs_no_answer(
    service: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("Anna Mitchell has gout")

    monkeypatch.setattr(service.app.state.services.queue, "on_ended", fail)
    client = service.client(service.key())
    assert client.post("/v1/ask", json={"question": QUESTION}, timeout=20).json()["outcome"] == "answered"
    (line,) = [each for each in caplog.records if "end of a question" in each.getMessage()]
    assert vars(line)["error"] == "ZeroDivisionError"
    assert vars(line)["place"].startswith("test_queue.py:")
    assert "Anna" not in str(vars(line))


# --- what is handed in while the service stops


@pytest.mark.parametrize(("seconds", "ending"), [(20.0, "answered"), (0.1, "cut off")])
def test_a_stop_waits_for_a_question_that_is_being_written_down(
    service: Running, seconds: float, ending: str
) -> None:
    services = service.app.state.services

    async def stopped() -> str:
        prices = prices_of(service.settings)
        queue = AnswerQueue(services.corpus, services.conversations, prices, service.settings.service)
        with contextlib.closing(queue):
            with service.state.session():  # no one else writes meanwhile
                asking = asyncio.create_task(queue.ask(DEMO, Question(QUESTION), None))
                await asyncio.sleep(0)
                stopping = asyncio.create_task(queue.drain(seconds))
                await asyncio.sleep(0.5)
                assert not stopping.done()
                assert not asking.done()
            await stopping
            assert queue._handed_in == 0
            try:
                return (await (await asking).result()).answer.outcome
            except NotReady as error:
                return "cut off" if "cut off" in str(error) else str(error)

    assert asyncio.run(stopped()) == ending


# --- beginning and end, in a process of its own


@pytest.mark.long
def test_a_stop_lets_answers_end_and_refuses_new_ones(tmp_path: Path) -> None:
    with NimServer(chat=ServiceTime(seconds_per_token=0.05), answer_tokens=40) as nim:
        settings = settings_with(nim, tmp_path, demo=True)
        with process(settings) as (child, url), httpx2.Client(base_url=url, timeout=20) as client:
            until(lambda: client.get("/readyz").status_code == 200)
            found: list[tuple[str, Any]] = []

            def ask() -> None:
                with httpx2.stream(
                    "POST", f"{url}/v1/ask", json={"question": QUESTION}, headers=STREAM, timeout=20
                ) as response:
                    found.extend(events_of(response))

            asking = threading.Thread(target=ask)
            asking.start()
            until(lambda: nim.chat.running == 1)
            child.send_signal(signal.SIGTERM)
            until(lambda: client.get("/readyz").json()["status"] == "stopping")
            refused = client.post("/v1/ask", json={"question": QUESTION})
            assert (refused.status_code, refused.json()["code"]) == (503, "CW-NOT-READY")
            assert "retry-after" in refused.headers
            asking.join(20)
            assert found[-1][0] == "done"
            assert child.wait(20) == 0


@pytest.mark.long
def test_a_stop_cuts_off_what_takes_too_long(tmp_path: Path) -> None:
    with NimServer(chat=SLOW, answer_tokens=400) as nim:
        settings = settings_with(nim, tmp_path, demo=True, drain_seconds_max=0.2)
        with process(settings) as (child, url), httpx2.Client(base_url=url, timeout=20) as client:
            until(lambda: client.get("/readyz").status_code == 200)
            asking = raw(url, "POST", "/v1/ask", {"Content-Type": "application/json", **STREAM}, BODY)
            until(lambda: nim.chat.running == 1)
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 0
            asking.close()
        with open_after(settings) as rows:
            assert rows == ["cut_off"]


@contextmanager
def open_after(settings: Settings) -> Iterator[list[str]]:
    with open_state(settings) as state:
        rows = open_access(state, settings).audit.rows()
        yield [json.loads(row.details)["ending"] for row in rows if row.action == ANSWERED]


def test_no_word_of_a_question_or_note_is_in_the_log(tmp_path: Path) -> None:
    word = "Quetzalcoatl"
    with NimServer() as nim:
        settings = settings_with(nim, tmp_path, demo=True)
        with process(settings) as (child, url), httpx2.Client(base_url=url, timeout=20) as client:
            until(lambda: client.get("/readyz").status_code == 200)
            client.post("/v1/ask", json={"question": f"Does {word} take allopurinol for gout?"})
            client.get(f"/v1/notes/{word}")
            client.post("/v1/ask", json={"question": word, word: word})
            nim.faults.stream_cut_after = 1
            client.post("/v1/ask", json={"question": f"Allopurinol for gout, {word}?"})
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 0
            assert child.stderr is not None
            lines = child.stderr.read().splitlines()
    assert sum(json.loads(line)["event"] == "request" for line in lines) >= 5
    for text in (word, "llopurinol"):
        assert not [line for line in lines if text in line]
