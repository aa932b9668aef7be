"""A search gives what an answer would be made from: of the patient the question means, and of no one else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.running import Running

HERS = "D2N006"


def search(service: Running, question: str, **filters: Any) -> dict[str, Any]:
    answer = service.client(service.key()).post("/v1/search", json={"question": question, "filters": filters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patients(found: dict[str, Any]) -> set[str]:
    return {passage["patient_id"] for passage in found["passages"]}


@pytest.mark.parametrize(
    "question", ["Which pain does patient D2N006 have?", "Does Anna Mitchell have gout and arthritis?"]
)
def test_passages_are_of_the_patient_who_is_meant(service: Running, question: str) -> None:
    assert patients(search(service, question)) == {HERS}
    assert len(patients(search(service, "Which pain is there?"))) > 1


def test_whoever_is_in_no_note_has_no_passages_and_that_is_said(service: Running) -> None:
    found = search(service, "Which pain does Mr. Zzyzx have?")
    assert found["passages"] == []
    assert [notice["code"] for notice in found["notices"]] == ["name_not_found"]


def test_an_answer_is_made_from_what_a_search_gives(service: Running) -> None:
    question = "What is done for gout and arthritis, and how did it go?"
    answer = service.client(service.key()).post("/v1/ask", json={"question": question}).json()
    found = search(service, question)
    assert [each["resource_id"] for each in answer["passages"]] == [
        each["resource_id"] for each in found["passages"]
    ]
