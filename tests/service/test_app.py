"""The service as a client sees it: questions, notes, problems, and who is let in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from pipeline.config import Settings
from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import Visibility
from pipeline.service.middleware.authentication import is_public
from pipeline.wiring import open_corpus
from tests.service.running import QUESTION, Running, events_of, index, running, settings_in


@pytest.fixture(scope="module")
def reader(service: Running) -> httpx2.Client:
    return service.client(service.key("reader"))


@pytest.fixture(scope="module")
def administrator(service: Running) -> httpx2.Client:
    return service.browser("administrator")


def test_an_answer_cites_characters_of_its_notes(reader: httpx2.Client) -> None:
    answer = reader.post("/v1/ask", json={"question": QUESTION}).json()
    assert answer["outcome"] == "answered"
    assert answer["statements"]
    for citation in answer["citations"]:
        span = f"{citation['start']}-{citation['end']}"
        note = reader.get(f"/v1/notes/{citation['resource_id']}", params={"span": span}).json()
        assert note["spans"] == [
            {"start": citation["start"], "end": citation["end"], "text": citation["quote"]}
        ]


def test_a_streamed_answer_is_the_whole_one_in_parts(reader: httpx2.Client) -> None:
    with reader.stream(
        "POST", "/v1/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"}
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = list(events_of(response))
    names = [name for name, _ in events]
    assert names[:2] == ["accepted", "retrieval"]
    assert names[-2:] == ["usage", "done"]
    whole = reader.post("/v1/ask", json={"question": QUESTION}).json()
    parts = dict(events)
    assert [body["text"] for name, body in events if name == "statement"] == [
        statement["text"] for statement in whole["statements"]
    ]
    cited = [body["citation"] for name, body in events if name == "citation"]
    assert cited == [citation for statement in whole["statements"] for citation in statement["citations"]]
    assert parts["retrieval"]["passages"] == whole["passages"]
    assert parts["done"]["text"] == whole["text"]
    assert parts["done"]["conversation_id"] == parts["accepted"]["conversation_id"]


def test_search_gives_the_passages_that_an_answer_is_made_from(reader: httpx2.Client) -> None:
    found = reader.post("/v1/search", json={"question": QUESTION, "top_k": 3}).json()
    assert [passage["number"] for passage in found["passages"]] == [1, 2, 3]
    assert found["passages"][0]["text"]


def test_filters_hold(reader: httpx2.Client) -> None:
    first = reader.post("/v1/search", json={"question": QUESTION}).json()["passages"][0]
    filters = {"patient_ids": [first["patient_id"]], "document_types": [], "domains": []}
    found = reader.post("/v1/search", json={"question": QUESTION, "filters": filters}).json()
    assert {passage["patient_id"] for passage in found["passages"]} == {first["patient_id"]}
    dated = reader.post("/v1/search", json={"question": QUESTION, "filters": {"since": "2999-01-01"}})
    assert dated.json()["passages"] == []
    (notice,) = [each for each in dated.json()["notices"] if each["code"] == "undated_left_out"]
    assert 0 < notice["notes"] <= notice["of"]


def test_filters_that_match_nothing_are_explained(reader: httpx2.Client) -> None:
    first = reader.post("/v1/search", json={"question": QUESTION}).json()["passages"][0]
    mistyped = first["patient_id"].swapcase()
    asked = {"question": QUESTION, "filters": {"patient_ids": [mistyped]}}
    answer = reader.post("/v1/ask", json=asked).json()
    assert (answer["outcome"], answer["reason"]) == ("nothing_relevant", "filters_match_nothing")
    (notice,) = answer["notices"]
    assert (notice["code"], notice["field"], notice["value"]) == ("value_unknown", "patient_id", mistyped)
    assert [near["value"] for near in notice["near"]] == [first["patient_id"]]
    backwards = {"question": QUESTION, "filters": {"since": "2024-02-01", "until": "2024-01-01"}}
    for address in ("/v1/ask", "/v1/search"):
        refused = reader.post(address, json=backwards)
        assert refused.status_code == 422
        assert "ends before it begins" in refused.text


def test_a_note_out_of_sight_is_answered_as_one_that_does_not_exist(service: Running) -> None:
    everything = service.client(service.key())
    note_id = everything.post("/v1/search", json={"question": QUESTION}).json()["passages"][0]["resource_id"]
    sees_nothing = service.client(service.key(sees=Visibility()))
    forbidden, unknown = sees_nothing.get(f"/v1/notes/{note_id}"), sees_nothing.get("/v1/notes/no-such-note")
    strip = lambda response: {**response.json(), "id": None}  # noqa: E731
    assert forbidden.status_code == unknown.status_code == 404
    assert strip(forbidden) == strip(unknown)
    assert sees_nothing.post("/v1/search", json={"question": QUESTION}).json()["passages"] == []
    assert sees_nothing.get("/v1/status").json()["corpus"]["notes"] == 0


@pytest.mark.parametrize("span", ["5-5", "9-3", "0-99999999", "a-b", "-1-4", "1"])
def test_a_range_that_the_note_does_not_have_is_refused(reader: httpx2.Client, span: str) -> None:
    note_id = reader.post("/v1/search", json={"question": QUESTION}).json()["passages"][0]["resource_id"]
    response = reader.get(f"/v1/notes/{note_id}", params={"span": span})
    assert response.status_code == 422
    assert response.json()["code"] == "CW-REQUEST"


def test_a_conversation_goes_on_and_is_its_owners_alone(service: Running) -> None:
    mine, other = service.client(service.key()), service.client(service.key())
    first = mine.post("/v1/ask", json={"question": QUESTION}).json()
    number = first["conversation_id"]
    mine.post("/v1/ask", json={"question": "And fever?", "conversation_id": number})
    whole = mine.get(f"/v1/conversations/{number}").json()
    assert [entry["author"] for entry in whole["entries"]] == ["person", "chartwell"] * 2
    assert [each["text"] for each in whole["entries"][1]["content"]["statements"]] == [
        each["text"] for each in first["statements"]
    ]
    assert whole["title"] == QUESTION
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"title": "mine"}),
        ("DELETE", "", None),
        ("GET", "/export", None),
    ):
        assert other.request(method, f"/v1/conversations/{number}{path}", json=body).status_code == 404
    asked = other.post("/v1/ask", json={"question": QUESTION, "conversation_id": number})
    assert asked.status_code == 404
    renamed = mine.patch(f"/v1/conversations/{number}", json={"title": "Gout"}).json()
    assert renamed["title"] == "Gout"
    exported = mine.get(f"/v1/conversations/{number}/export")
    assert "attachment" in exported.headers["content-disposition"]
    assert mine.delete(f"/v1/conversations/{number}").status_code == 204
    assert mine.get(f"/v1/conversations/{number}").status_code == 404
    assert number not in {each["id"] for each in mine.get("/v1/conversations").json()["conversations"]}


def test_what_a_note_said_before_it_changed_hands_is_shown_to_nobody_else(tmp_path: Path) -> None:
    """The histories of a user who sees one patient and of one who sees everybody, while the note becomes another's,
    comes back, and goes: a fact of one patient is nobody's history of another."""
    quote = "Allopurinol 100 mg once daily was continued for gout."
    settings = settings_in(tmp_path / "data")
    index_note(settings, tmp_path, patient_id="p1", text_content=quote)
    with running(settings) as service:
        group = service.access.groups.create(DEMO, "ward", ["p1"])
        restricted = service.browser(sees=Visibility(None, frozenset({group.id})))
        everything = service.browser()
        addresses = {}
        for client in (restricted, everything):
            answer = client.post(
                "/v1/ask", json={"question": "Was allopurinol 100 mg once daily continued for gout?"}
            ).json()
            assert answer["citations"][0]["resource_id"] == "n1"
            addresses[client] = f"conversations/{answer['conversation_id']}"

        def shown(client: httpx2.Client) -> list[bool]:
            address = addresses[client]
            paths = (f"/v1/{address}", f"/v1/{address}/export", f"/{address}", f"/{address}/export.md")
            return [quote in client.get(path).text.replace("\\", "") for path in paths]

        assert shown(restricted) == shown(everything) == [True] * 4
        index_note(settings, tmp_path, patient_id="p2", text_content=quote)
        assert shown(restricted) == [False] * 4
        assert shown(everything) == [False] * 4
        assert restricted.get(f"/{addresses[restricted]}/settings").status_code == 200
        index_note(settings, tmp_path, patient_id="p1", text_content=quote)
        assert shown(restricted) == [True] * 4
        with open_corpus(settings) as corpus:
            corpus.store.delete(["n1"])
        assert shown(restricted) == [False] * 4
        assert shown(everything) == [True] * 4


def index_note(settings: Settings, folder: Path, **fields: str) -> None:
    path = folder / "notes.jsonl"
    path.write_text(json.dumps({"resource_id": "n1", "document_type": "note", **fields}))
    index(settings, path)


def test_conversations_come_in_pages(service: Running) -> None:
    mine = service.client(service.key())
    asked = [mine.post("/v1/ask", json={"question": QUESTION}).json()["conversation_id"] for _ in range(5)]
    first = mine.get("/v1/conversations", params={"limit": 2}).json()["conversations"]
    before = {"before": first[-1]["updated_at"]}
    rest = mine.get("/v1/conversations", params=before).json()["conversations"]
    assert [each["id"] for each in first + rest] == asked[::-1]


def test_feedback_is_for_ones_own_answers(service: Running) -> None:
    mine, other = service.client(service.key()), service.client(service.key())
    receipt = mine.post("/v1/ask", json={"question": QUESTION}).json()["receipt_id"]
    body = {"receipt_id": receipt, "verdict": "bad", "reasons": ["citation"], "comment": "no"}
    first = mine.post("/v1/feedback", json=body)
    assert first.status_code == 201
    again = mine.post("/v1/feedback", json={**body, "verdict": "good"})
    assert again.json() == {"id": first.json()["id"], "verdict": "good"}
    assert other.post("/v1/feedback", json=body).status_code == 404


def test_what_was_answered_to_whom_can_be_read_later(service: Running) -> None:
    asking = service.client(service.key())
    answer = asking.post("/v1/ask", json={"question": QUESTION}).json()
    officer = service.client(service.key("reviewer"))
    receipt = officer.get(f"/v1/receipts/{answer['receipt_id']}").json()
    assert receipt["question"] == QUESTION
    rows = officer.get("/v1/audit", params={"subject": f"answer:{answer['receipt_id']}"}).json()["rows"]
    assert {row["action"] for row in rows} == {"question-asked", "question-answered", "receipt-read"}
    exported = officer.get("/v1/audit/export").text
    assert QUESTION not in exported
    assert len(exported.splitlines()) >= len(rows)
    assert officer.post("/v1/audit/verification").json()["sound"]
    assert asking.get(f"/v1/receipts/{answer['receipt_id']}").status_code == 403


# --- who is let in


def every_route(service: Running) -> list[tuple[str, str]]:
    """Method and path of all that is served, with a word for each parameter."""
    return [
        (method, re.sub(r"{.*?}", "x", str(route.path)))
        for route in iter_route_contexts(service.app.routes)
        for method in sorted(route.methods or {"GET"})
    ]


def tried(client: httpx2.Client, method: str, path: str) -> httpx2.Response:
    return client.request(method, path, json={} if method in {"POST", "PATCH", "PUT"} else None)


def test_every_route_is_public_or_refuses_strangers(service: Running) -> None:
    stranger = service.client()
    guarded = [(method, path) for method, path in every_route(service) if not is_public(path)]
    assert len(guarded) >= 25
    for method, path in guarded:
        answer = tried(stranger, method, path)
        assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
        if method != "HEAD":
            assert answer.json()["code"] == "CW-SIGN-IN"
    assert stranger.get("/v1/nothing-here").status_code == 401  # not even what there is


def test_every_route_of_the_interface_asks_for_a_right(service: Running) -> None:
    """A key that may only give feedback is refused everywhere else, although its owner may do everything."""
    bare = service.client(service.key("administrator", actions=["give-feedback"]))
    refused = 0
    for method, path in every_route(service):
        if path.startswith("/v1/") and path not in {"/v1/feedback", "/v1/me"}:
            answer = tried(bare, method, path)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
            refused += 1
    assert refused >= 25
    assert bare.get("/v1/me").json()["actions"] == ["give-feedback"]  # who one is, every user may ask


def test_a_key_that_is_not_right_is_refused_everywhere(service: Running) -> None:
    client = service.client("cw_aaaaaaaaaa_nothing")
    assert client.get("/v1/me").status_code == 401
    assert client.get("/healthz").status_code == 401  # a wrong key is a mistake, also where none is needed
    assert service.client(headers={"Authorization": "Basic eDp5"}).get("/v1/me").status_code == 401


def test_people_and_keys_are_managed_over_http(service: Running, administrator: httpx2.Client) -> None:
    made = administrator.post(
        "/v1/people",
        json={"name": "anna", "role": "reader", "sees": {"domains": ["outpatient"], "group_ids": None}},
    )
    assert made.status_code == 201
    person = made.json()["person"]
    assert made.json()["url"].startswith(service.url)
    assert administrator.post("/v1/people", json={"name": "anna"}).status_code == 409
    key = administrator.post(
        "/v1/keys", json={"user_id": person["id"], "name": "app", "actions": ["search"], "days": 3}
    ).json()
    program = service.client(key["text"])
    assert program.post("/v1/search", json={"question": QUESTION}).status_code == 200
    assert program.post("/v1/ask", json={"question": QUESTION}).status_code == 403
    changed = administrator.patch(
        f"/v1/people/{person['id']}", json={"role": "contributor", "display_name": "Anna"}
    ).json()
    assert (changed["role"], changed["display_name"]) == ("contributor", "Anna")
    assert administrator.delete(f"/v1/keys/{key['key']['id']}").status_code == 204
    assert program.post("/v1/search", json={"question": QUESTION}).status_code == 401
    assert administrator.patch(f"/v1/people/{person['id']}", json={"active": False}).json()["active"] is False
    assert administrator.post(f"/v1/people/{person['id']}/invitation").status_code == 409
    listed = administrator.get("/v1/keys", params={"user_id": person["id"]}).json()["keys"]
    assert [each["works"] for each in listed] == [False]


def test_a_change_that_is_refused_changes_nothing(service: Running, administrator: httpx2.Client) -> None:
    made = administrator.post("/v1/people", json={"name": "half"}).json()["person"]
    path = f"/v1/people/{made['id']}"
    wanted = {"role": "administrator", "sees": {"domains": [], "group_ids": ["none"]}, "active": False}
    assert administrator.patch(path, json=wanted).status_code == 404
    form = {"role": "administrator", "domains_kind": "all", "group_ids": ["no-such-group"]}
    assert administrator.post(f"/people/{made['id']}", data=form).status_code == 404
    assert administrator.get(path).json() == made

    before = administrator.get("/v1/groups").json()
    blank = {"name": "Ward 70", "patient_ids": [" "]}
    assert administrator.post("/v1/groups", json=blank).status_code == 422
    lines = {"name": "Ward 70", "patient_ids": "x" * 401}
    assert administrator.post("/groups", data=lines).status_code == 422
    assert administrator.get("/v1/groups").json() == before

    one, other = (administrator.post("/v1/groups", json={"name": name}).json() for name in ("one", "other"))
    taken = {"name": "other", "add": ["p1"]}
    assert administrator.patch(f"/v1/groups/{one['id']}", json=taken).status_code == 409
    renamed = {"name": "another", "patient_ids": "x" * 401}
    assert administrator.post(f"/groups/{one['id']}", data=renamed).status_code == 422
    assert {each["id"]: each for each in administrator.get("/v1/groups").json()["groups"]}[one["id"]] == one
    for group in (one, other):
        administrator.delete(f"/v1/groups/{group['id']}")


# --- problems


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["code"] == code
    assert found["status"] == status
    assert found["troubleshooting"] == f"docs/troubleshooting.md#{code.lower()}"
    assert found["id"] == response.headers["x-request-id"]
    return found


def test_problems_say_what_is_wrong_and_repeat_nothing(reader: httpx2.Client) -> None:
    secret = "Anna-Mitchell-has-gout"
    bodies: list[dict[str, Any]] = [
        {"question": "", "filters": {"since": secret}},
        {"question": [secret]},
        {"question": QUESTION, secret: 1},
        {"question": QUESTION, "top_k": secret},
        {"question": QUESTION, "filters": {"patient_ids": [{secret: 1}]}},
        {"question": "\x00" + secret},
    ]
    for body in bodies:
        found = problem(reader.post("/v1/ask", json=body), 422, "CW-REQUEST")
        assert found["errors"]
        assert secret not in json.dumps(found)
    (empty,) = problem(reader.post("/v1/ask", json={"question": ""}), 422, "CW-REQUEST")["errors"]
    assert empty == {"where": "body.question", "problem": "must have 1 or more characters"}
    broken = reader.post("/v1/ask", content=b'{"question": "' + secret.encode(), headers=JSON)
    assert secret not in json.dumps(problem(broken, 400, "CW-REQUEST"))


JSON = {"Content-Type": "application/json"}


def test_what_http_itself_refuses_is_a_problem_too(reader: httpx2.Client) -> None:
    problem(reader.get("/v1/nothing-here"), 404, "CW-NOT-FOUND")
    assert "POST" in reader.get("/v1/ask").headers["allow"]
    problem(reader.get("/v1/ask"), 405, "CW-REQUEST")
    problem(
        reader.post("/v1/ask", content=b"question=x", headers={"Content-Type": "text/plain"}),
        415,
        "CW-REQUEST",
    )
    problem(reader.post("/v1/ask", content=b"x" * 70_000, headers=JSON), 413, "CW-TOO-LARGE")

    def parts() -> Any:
        for _ in range(80):
            yield b"x" * 1024

    problem(reader.post("/v1/ask", content=parts(), headers=JSON), 413, "CW-TOO-LARGE")
    problem(reader.post("/v1/ask", json={"question": "x" * 2001}), 422, "CW-REQUEST")


def test_lone_surrogates_are_refused(reader: httpx2.Client) -> None:
    body = b'{"question": "fever \\ud800"}'
    problem(reader.post("/v1/ask", content=body, headers=JSON), 422, "CW-REQUEST")


def test_every_response_has_the_security_headers(service: Running, reader: httpx2.Client) -> None:
    for response in (reader.get("/healthz"), reader.get("/v1/nothing"), service.client().get("/v1/me")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers


def test_a_patient_group_decides_what_its_people_see(service: Running, administrator: httpx2.Client) -> None:
    everything = service.client(service.key())
    found = everything.post("/v1/search", json={"question": QUESTION, "top_k": 20}).json()["passages"]
    patient = found[0]["patient_id"]
    group = administrator.post("/v1/groups", json={"name": "Ward 7", "patient_ids": [patient]}).json()
    assert group["members"] == 1
    sees = Visibility(domains=None, group_ids=frozenset({group["id"]}))
    client = service.client(service.key(sees=sees))
    asked = {"question": QUESTION, "top_k": 20}
    assert {each["patient_id"] for each in client.post("/v1/search", json=asked).json()["passages"]} == {
        patient
    }
    administrator.patch(f"/v1/groups/{group['id']}", json={"remove": [patient], "name": "Ward 8"})
    assert client.post("/v1/search", json=asked).json()["passages"] == []
    assert administrator.get(f"/v1/groups/{group['id']}/members").json() == {
        "patient_ids": [],
        "without_notes": [],
    }
    assert "Ward 8" in {each["name"] for each in administrator.get("/v1/groups").json()["groups"]}
    assert administrator.delete(f"/v1/groups/{group['id']}").status_code == 204
    assert administrator.get(f"/v1/groups/{group['id']}/members").status_code == 404
