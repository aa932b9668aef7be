"""What was understood reaches the asker in every form, and is kept without words in what cannot be erased."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import ALL_NOTES, Visibility
from tests.service.running import Running, events_of

QUESTION = "Has Anna Mitchell had gout?"
HERS = {"id": "patient:D2N006", "part": "patient", "text": "Anna Mitchell", "carried": False}
PARTS = [
    HERS,
    {"id": "finding:gout", "part": "finding", "text": "gout", "carried": False},
    {"id": "shape:yes-no", "part": "shape", "text": "yes or no", "carried": False},
]


@pytest.fixture
def reader(service: Running) -> httpx2.Client:
    return service.client(service.key())


def ask(client: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/ask", json={"question": QUESTION, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_answer_the_stream_and_the_conversation_tell_it(reader: httpx2.Client) -> None:
    whole = ask(reader)
    assert whole["understood"] == PARTS
    with reader.stream(
        "POST", "/v1/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"}
    ) as response:
        events = dict(events_of(response))
    assert events["retrieval"]["understood"] == PARTS
    assert events["done"]["understood"] == PARTS
    kept = reader.get(f"/v1/conversations/{whole['conversation_id']}").json()["entries"][1]
    assert kept["content"]["understood"] == PARTS


def test_a_patient_carried_from_the_turn_before_is_marked_and_can_be_removed(reader: httpx2.Client) -> None:
    first = ask(reader)
    follow = {"question": "Any surgery?", "conversation_id": first["conversation_id"]}
    second = ask(reader, **follow)
    assert {**HERS, "carried": True} in second["understood"]
    third = ask(reader, **follow, without=["patient:D2N006"])
    assert third["kept_patient_id"] is None
    assert not [each for each in third["understood"] if each["part"] == "patient"]


def test_the_receipt_holds_the_plan_and_no_words_where_nothing_is_erased(service: Running) -> None:
    with service.client(service.key("reviewer")) as reviewer:
        answered = ask(reviewer, without=["shape:yes-no"])
        receipt = reviewer.get(f"/v1/receipts/{answered['receipt_id']}").json()
        assert receipt["answer"]["understood"] == PARTS[:2]
        assert receipt["record"]["plan"] == {
            "understood": [
                {"part": "patient", "id": "patient:D2N006", "carried": False},
                {"part": "finding", "id": "finding", "carried": False},
            ],
            "carried": [],
            "without": ["shape:yes-no"],
        }
        assert "gout" not in json.dumps(receipt["record"])
        assert "Mitchell" not in json.dumps(receipt["record"])
        assert reviewer.post("/v1/audit/verification").json()["problems"] == []


def test_who_loses_sight_of_a_patient_does_not_meet_the_name_again(service: Running) -> None:
    people, actions = service.access.people, ["ask", "read-own-conversations"]
    person, _ = people.create(DEMO, "loses-sight", role="reader", sees=ALL_NOTES)
    client = service.client(service.access.keys.create(DEMO, person.id, "test", actions)[1])
    answered = ask(client, question="Has patient D2N006 had leprosy?")
    address = f"/v1/conversations/{answered['conversation_id']}"
    assert "Anna Mitchell" in client.get(address).text
    people.change(DEMO, person.id, sees=Visibility(domains=frozenset({"another"}), group_ids=None))
    assert "Anna Mitchell" not in client.get(address).text


def test_a_follow_up_takes_over_the_thing_that_was_asked_about(reader: httpx2.Client) -> None:
    first = ask(reader)
    second = ask(reader, question="And patient D2N043?", conversation_id=first["conversation_id"])
    found = {each["id"]: each["carried"] for each in second["understood"]}
    assert found == {"patient:D2N043": False, "finding:gout": True, "shape:yes-no": True}
    third = ask(reader, question="And asthma?", conversation_id=first["conversation_id"])
    found = {each["id"]: each["carried"] for each in third["understood"]}
    assert found == {"patient:D2N043": True, "finding:asthma": False, "shape:yes-no": True}


def test_a_patient_who_was_removed_is_not_whom_the_next_question_keeps_to(reader: httpx2.Client) -> None:
    first = ask(reader, question="Has patient D2N006 had gout?", without=["patient:D2N006"])
    second = ask(reader, question="Any surgery?", conversation_id=first["conversation_id"])
    assert second["kept_patient_id"] is None
