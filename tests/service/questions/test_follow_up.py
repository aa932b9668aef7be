"""Follow-up questions: never answered from another patient's notes because no one said who "she" is."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from pipeline.answering.questions.subject import subject_of
from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import Visibility
from tests.service.running import Running, events_of

FIRST = "Does Anna Mitchell have gout and arthritis?"
HERS = "D2N006"
MARTHA = "D2N001"


@pytest.fixture
def reader(service: Running) -> httpx2.Client:
    return service.client(service.key())


def ask(client: httpx2.Client, question: str, conversation: str | None = None, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/ask", json={"question": question, "conversation_id": conversation, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patients(answer: dict[str, Any]) -> set[str]:
    return {citation["patient_id"] for citation in answer["citations"]}


@pytest.mark.parametrize(
    "question",
    [
        "What is she allergic to?",
        "Does she have reflux?",
        "And for how long?",
        "Any allergies?",
        "Is the patient taking allopurinol?",
        "Was her uric acid measured?",
    ],
)
def test_a_follow_up_keeps_to_the_patient_of_the_answer_before(reader: httpx2.Client, question: str) -> None:
    first = ask(reader, FIRST)
    assert patients(first) == {HERS}
    assert first["kept_patient_id"] is None
    second = ask(reader, question, first["conversation_id"])
    assert second["kept_patient_id"] == HERS
    assert patients(second) <= {HERS}
    assert {passage["patient_id"] for passage in second["passages"]} <= {HERS}
    third = ask(
        reader, "Has she had surgery?", first["conversation_id"]
    )  # also where the second found nothing
    assert third["kept_patient_id"] == HERS


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("Which patients take allopurinol?", {}),
        ("Is the patient taking allopurinol for gout?", {"any_patient": True}),
        ("Is Mr. Brown taking allopurinol?", {}),
        ("Who else has gout?", {}),
        ("Does she take allopurinol?", {"filters": {"patient_ids": ["D2N043"]}}),
    ],
)
def test_whoever_asks_about_others_gets_others(
    reader: httpx2.Client, question: str, more: dict[str, Any]
) -> None:
    first = ask(reader, FIRST)
    second = ask(reader, question, first["conversation_id"], **more)
    assert second["kept_patient_id"] is None
    assert {passage["patient_id"] for passage in second["passages"]} != {HERS}


@pytest.mark.parametrize("question", ["Is patient D2N005 taking allopurinol?", "D2N005: any gout?"])
def test_an_id_in_a_question_is_the_patient(reader: httpx2.Client, question: str) -> None:
    first = ask(reader, FIRST)
    second = ask(reader, question, first["conversation_id"])
    assert second["kept_patient_id"] is None
    assert {passage["patient_id"] for passage in second["passages"]} <= {"D2N005"}


@pytest.mark.parametrize(
    "question",
    [
        "Does the other patient take allopurinol?",
        "Does the next patient take allopurinol?",
        "Andrew: allopurinol?",
        "What does Kowalski take?",
        "Is Zimmermann allergic to penicillin?",
    ],
)
def test_the_patient_before_does_not_answer_for_somebody_else(reader: httpx2.Client, question: str) -> None:
    first = ask(reader, FIRST)
    asked = {"question": question, "conversation_id": first["conversation_id"]}
    refused = reader.post("/v1/ask", json=asked)
    assert refused.status_code == 422
    assert "patient" in refused.json()["detail"]


@pytest.mark.parametrize(
    "question",
    ["Is Martha taking allopurinol?", "Is MARTHA taking allopurinol?", "And Martha?", "and martha?"],
)
def test_the_first_name_of_another_is_that_patient(reader: httpx2.Client, question: str) -> None:
    first = ask(reader, FIRST)
    second = ask(reader, question, first["conversation_id"])
    assert second["kept_patient_id"] is None
    assert {passage["patient_id"] for passage in second["passages"]} <= {MARTHA}


@pytest.mark.parametrize("unclear", ["And Zimmermann?", "Does he smoke?", "What about Mr. Zimmermann?"])
def test_after_an_unclear_question_she_is_asked_back(reader: httpx2.Client, unclear: str) -> None:
    first = ask(reader, FIRST)["conversation_id"]
    reader.post("/v1/ask", json={"question": unclear, "conversation_id": first})
    for about_no_one in ("What is she allergic to?", "And allergies?"):
        asked = {"question": about_no_one, "conversation_id": first}
        assert reader.post("/v1/ask", json=asked).status_code == 422
    assert patients(ask(reader, FIRST, first)) == {HERS}
    assert ask(reader, "What is she allergic to?", first)["kept_patient_id"] == HERS


def test_what_goes_on_about_somebody_unknown_is_not_about_others(reader: httpx2.Client) -> None:
    first = ask(reader, "Is Mr. Zimmermann allergic?")
    asked = {"question": "And allergies?", "conversation_id": first["conversation_id"]}
    assert reader.post("/v1/ask", json=asked).status_code == 422
    assert ask(reader, "Which patients smoke?", first["conversation_id"])["passages"]


def test_somebody_described_is_not_the_patient_before(reader: httpx2.Client) -> None:
    first = ask(reader, FIRST)
    asked = "Does a 62-year-old male with kidney transplant take allopurinol?"
    assert ask(reader, asked, first["conversation_id"])["kept_patient_id"] is None


@pytest.mark.parametrize(
    "question",
    ["Is Anna taking Allopurinol?", "Does she take Tylenol?", "And an MRI?", "What was Monday's uric acid?"],
)
def test_a_capital_is_not_somebody_else(reader: httpx2.Client, question: str) -> None:
    first = ask(reader, FIRST)
    assert ask(reader, question, first["conversation_id"])["kept_patient_id"] == HERS


@pytest.mark.parametrize("question", ["Does she take Tylenol?", "And an MRI?"])
def test_a_capital_costs_no_second_embedding(
    service: Running, reader: httpx2.Client, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    first = ask(reader, FIRST)
    with service.app.state.services.corpus.answering() as space:
        kind = type(space.embedder)
    embedded: list[str] = []
    embed = kind.embed

    def counted(self: Any, texts: list[str], of: Any) -> Any:
        embedded.extend(texts)
        return embed(self, texts, of)

    monkeypatch.setattr(kind, "embed", counted)
    assert ask(reader, question, first["conversation_id"])["kept_patient_id"] == HERS
    assert embedded.count(question) == 1


def test_she_is_nobody_before_an_answer_says_who(reader: httpx2.Client) -> None:
    refused = reader.post("/v1/ask", json={"question": "Which antibiotics was she given, and when?"})
    assert (refused.status_code, refused.json()["code"]) == (422, "CW-REQUEST")
    assert "which patient" in refused.json()["detail"]
    for unnamed in ("Is this patient diabetic?", "What are their allergies?", "Do they smoke?"):
        assert reader.post("/v1/ask", json={"question": unnamed}).status_code == 422
    for several in (
        {"question": "Is the patient taking allopurinol?", "filters": {"patient_ids": [HERS, "D2N043"]}},
        {"question": "Which patients have been to the moon?"},
    ):
        before = reader.post("/v1/ask", json=several).json()
        again = {"question": "Does he smoke?", "conversation_id": before["conversation_id"]}
        assert reader.post("/v1/ask", json=again).status_code == 422


def test_where_only_one_patient_exists_she_is_that_one(service: Running) -> None:
    group = service.access.groups.create(DEMO, "one", [HERS])
    only = service.client(service.key(sees=Visibility(domains=None, group_ids=frozenset({group.id}))))
    assert ask(only, "Does she take allopurinol?")["outcome"] in ("answered", "nothing_relevant")


def test_somebody_elses_conversation_tells_nothing(service: Running, reader: httpx2.Client) -> None:
    first = ask(reader, FIRST)
    other = service.client(service.key())
    asked = {"question": "What is she allergic to?", "conversation_id": first["conversation_id"]}
    assert other.post("/v1/ask", json=asked).status_code == 404


def test_the_stream_says_which_patient_was_kept(reader: httpx2.Client) -> None:
    first = ask(reader, FIRST)
    asked = {"question": "What is she allergic to?", "conversation_id": first["conversation_id"]}
    with reader.stream("POST", "/v1/ask", json=asked, headers={"Accept": "text/event-stream"}) as response:
        events = dict(events_of(response))
    assert events["accepted"]["kept_patient_id"] == HERS
    assert events["done"]["kept_patient_id"] == HERS


def test_the_page_shows_the_patient_and_how_to_leave_them(service: Running) -> None:
    browser = service.browser("reader")
    page = {"Accept": "text/html"}
    address = browser.post("/ask", data={"question": FIRST}, headers=page).headers["location"]
    shown = browser.get(address, headers=page).text
    assert f"Still about patient {HERS}" in shown
    assert 'name="any_patient"' in shown
    part = {"Accept": "text/event-stream", "HX-Request": "true"}
    follow = {"question": "Is the patient taking allopurinol?", "conversation_id": address.rpartition("/")[2]}
    assert f"still about patient {HERS}" in browser.post("/ask", data=follow, headers=part).text
    assert "patient D2N043" not in browser.post("/ask", data=follow, headers=part).text
    wide = browser.post("/ask", data={**follow, "any_patient": "yes"}, headers=part).text
    assert "still about patient" not in wide
    refused = browser.post(
        "/ask", data={"question": "Does she smoke?"}, headers={**part, "Accept": "text/html"}
    )
    assert refused.status_code == 422
    assert "Name the patient" in refused.text


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What is she allergic to?", "pronoun"),
        ("She had surgery when?", "pronoun"),
        ("Was it given to him? And his wife?", "pronoun"),
        ("What did her mother say about HER2?", "pronoun"),
        ("Is there a bundle of His ablation?", "open"),
        ("His bundle ablation: when?", "open"),
        ("Is the tumour HER2 positive?", "open"),
        ("Her-2 status?", "open"),
        ("HE grade?", "open"),
        ("And for how long?", "open"),
        ("Did the patient say he smokes?", "open"),
        ("Is there a woman with gout, and what does she take?", "open"),
        ("Does Anna Mitchell say she has reflux?", "named"),
        ("Is Mr. Brown on warfarin? Does he smoke?", "named"),
        ("What is Nguyen's potassium?", "named"),
        ("Does the patient have Crohn's disease?", "open"),
        ("Does she know Martha Collins?", "pronoun"),
        ("Which patients say that she smokes?", "several"),
        ("Who has a penicillin allergy?", "several"),
        ("Who is on warfarin?", "several"),
        ("Who is the surgeon?", "open"),
        ("Who is she?", "pronoun"),
        ("Who was he seen by?", "pronoun"),
        ("Who has she seen for her hip?", "pronoun"),
        ("Who are his doctors?", "pronoun"),
        ("Who takes care of her?", "pronoun"),
        ("Who else has he seen?", "pronoun"),
        ("Who else has gout?", "several"),
        ("Who prescribed it?", "open"),
        ("Does anyone smoke?", "several"),
        ("List all patients with atrial fibrillation", "several"),
        ("How many people have diabetes?", "several"),
        ("Which patient had a stroke and what was he given?", "several"),
        ("How many have gout?", "several"),
        ("List all with gout", "several"),
        ("List all medications", "open"),
        ("A 21-year-old female had cramps, and what did her ultrasound show?", "open"),
        ("What are their medications?", "pronoun"),
        ("Is this patient on warfarin?", "pronoun"),
        ("Which antibiotics were given, and did they help?", "open"),
    ],
)
def test_whom_a_question_is_about(question: str, about: str) -> None:
    assert subject_of(question) == about
