"""Suggested questions over HTTP: to begin with, of a patient, and what goes on in a conversation."""

from __future__ import annotations

import json
from typing import Any

from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import Visibility
from tests.service.running import Running


def suggested(client: Any, **query: str) -> list[dict[str, Any]]:
    answer = client.get("/v1/suggestions", params=query)
    assert answer.status_code == 200, answer.text
    questions: list[dict[str, Any]] = answer.json()["questions"]
    return questions


def asked(client: Any, question: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/ask", json={"question": question, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_each_suggestion_can_be_asked(service: Running) -> None:
    client = service.client(service.key())
    for found in (suggested(client), suggested(client, patient="D2N006")):
        assert found
        for each in found:
            filters = {"patient_ids": [each["patient_id"]] if each["patient_id"] else []}
            assert asked(client, each["question"], filters=filters)["outcome"] == "answered", each
    assert suggested(client) == suggested(client)


def test_a_conversation_goes_on_about_its_patient(service: Running) -> None:
    client = service.client(service.key())
    first = asked(client, "What medications is Anna Mitchell taking?")
    found = suggested(client, conversation_id=first["conversation_id"])
    assert {each["patient_id"] for each in found} == {"D2N006"}
    assert "What medications is Anna Mitchell taking?" not in {each["question"] for each in found}
    other = service.client(service.key())
    assert (
        other.get("/v1/suggestions", params={"conversation_id": first["conversation_id"]}).status_code == 404
    )


def test_nothing_out_of_sight_is_suggested(service: Running) -> None:
    ward = service.access.groups.create(DEMO, "Ward of suggestions")
    service.access.groups.change(DEMO, ward.id, members=["D2N006"])
    client = service.client(service.key(sees=Visibility(None, frozenset({ward.id}))))
    assert {each["patient_id"] for each in suggested(client)} == {"D2N006"}
    assert suggested(client, patient="D2N008") == suggested(client, patient="nobody") == []


def test_whose_names_were_shown_is_recorded(service: Running) -> None:
    client = service.client(service.key())
    suggested(client, patient="D2N006")
    row = list(service.access.audit.rows())[-1]
    assert (row.action, json.loads(row.details)["patients"]) == ("suggestions-read", ["D2N006"])
    assert service.client(service.key(actions=["search"])).get("/v1/suggestions").status_code == 403
