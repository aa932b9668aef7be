"""Library documents over HTTP: found only while they are approved, and by nobody out of their domain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import Visibility
from pipeline.service.api.documents import OWN_UPLOAD
from pipeline.service.library import upload_form
from pipeline.service.library.page_images import PageImages
from tests.library.papers import Set, pdf
from tests.service.running import Running, running, settings_in, until

PAIN = Visibility(domains=frozenset({"pain"}), group_ids=None)
HEART = Visibility(domains=frozenset({"heart"}), group_ids=None)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(settings_in(tmp_path_factory.mktemp("library"))) as started:
        administrator = started.client(started.key("administrator"))
        for name in ("pain", "heart"):
            administrator.put(f"/v1/domains/{name}", json={"description": name}).raise_for_status()
        yield started


@pytest.fixture(scope="module")
def administrator(service: Running) -> httpx2.Client:
    return service.client(service.key("administrator"))


def paper(text: str) -> bytes:
    return pdf([Set(text)], [Set("The second page.")], title=text[:20])


def upload(client: httpx2.Client, content: bytes, domain: str = "pain", **fields: str) -> httpx2.Response:
    return client.post(
        "/v1/documents",
        data={"domain": domain, **fields},
        files={"file": ("a b.pdf", content, "application/pdf")},
    )


def taken(client: httpx2.Client, content: bytes, domain: str = "pain", **fields: str) -> str:
    response = upload(client, content, domain, **fields)
    assert response.status_code == 202, response.text
    (each,) = response.json()["documents"]
    return str(each["document"]["version_id"])


def state_of(client: httpx2.Client, version_id: str) -> str:
    return str(client.get(f"/v1/documents/{version_id}").json()["document"]["state"])


def decide(client: httpx2.Client, decision: str, *versions: str) -> dict[str, Any]:
    response = client.post(
        "/v1/documents/decisions", json={"versions": versions, "decision": decision, "why": "looked"}
    )
    assert response.status_code == 200, response.text
    return dict(response.json())


def found(client: httpx2.Client, words: str) -> set[str]:
    hits = client.post("/v1/search", json={"question": words, "top_k": 20}).json()["passages"]
    return {hit["resource_id"] for hit in hits if words.split(maxsplit=1)[0].lower() in hit["text"].lower()}


@pytest.mark.long
def test_from_upload_to_withdrawal(service: Running, administrator: httpx2.Client) -> None:
    own, foreign = service.client(service.key(sees=PAIN)), service.client(service.key(sees=HEART))
    old = taken(administrator, paper("Zolmitriptan 5 mg is given."))
    until(lambda: state_of(administrator, old) == "waiting", 60)
    assert found(administrator, "Zolmitriptan dose") == set()
    assert own.get(f"/v1/documents/{old}").status_code == 404
    decide(administrator, "approve", old)
    until(lambda: found(own, "Zolmitriptan dose") == {f"library:{old}"}, 60)
    assert found(foreign, "Zolmitriptan dose") == set()
    assert foreign.get(f"/v1/documents/{old}").status_code == 404
    assert foreign.get("/v1/documents").json() == {"documents": [], "counts": {}, "after": None}
    assert own.get(f"/v1/documents/{old}").json()["searchable"]
    page = own.get(f"/v1/documents/{old}/pages/1").json()
    (line,) = page["lines"]
    assert page["text"][line["start"] : line["end"]] == "Zolmitriptan 5 mg is given."
    image = own.get(f"/v1/documents/{old}/pages/1/image", params={"width": 200})
    assert image.content.startswith(b"\x89PNG")
    assert own.get(f"/v1/documents/{old}/original").content == paper("Zolmitriptan 5 mg is given.")
    new = taken(administrator, paper("Zolmitriptan 10 mg is given."), supersedes=old)
    until(lambda: state_of(administrator, new) == "waiting", 60)
    assert found(own, "Zolmitriptan dose") == {f"library:{old}"}
    decided = decide(administrator, "approve", new)
    assert [each["version_id"] for each in decided["superseded"]] == [old]
    assert f"library:{old}" not in found(own, "Zolmitriptan dose")
    until(lambda: found(own, "Zolmitriptan dose") == {f"library:{new}"}, 60)
    assert own.get(f"/v1/documents/{old}").status_code == 404
    everybody = service.client(service.key())
    told = everybody.post("/v1/ask", json={"question": "How much zolmitriptan is given?"}).json()
    assert "Zolmitriptan 10 mg" in json.dumps(told["citations"])
    conversation = f"/v1/conversations/{told['conversation_id']}"
    assert "Zolmitriptan 10 mg" in everybody.get(conversation).text
    decide(administrator, "withdraw", new)
    assert "Zolmitriptan 10 mg" not in everybody.get(conversation).text
    assert found(own, "Zolmitriptan dose") == set()
    asked = own.post("/v1/ask", json={"question": "How much zolmitriptan is given?"}).json()
    assert "zolmitriptan 10" not in json.dumps(asked).lower()
    entries = administrator.get("/v1/audit", params={"limit": 100}).json()["rows"]
    told = [each["action"] for each in entries if each["subject"].startswith(f"library:{new}")]
    assert sorted(told) == [
        "document-approved",
        "document-read",
        "document-uploaded",
        "document-waiting",
        "document-withdrawn",
    ]


def test_the_same_file_again_changes_nothing(administrator: httpx2.Client) -> None:
    first = upload(administrator, paper("The same.")).json()["documents"][0]
    again = upload(administrator, paper("The same.")).json()["documents"][0]
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["document"]["version_id"] == again["document"]["version_id"]
    elsewhere = upload(administrator, paper("The same."), "heart").json()["documents"][0]
    assert elsewhere["is_new"]
    assert elsewhere["document"]["version_id"] != first["document"]["version_id"]


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("reader", set()), ("contributor", {"upload", "remove", "correct"}), ("reviewer", {"decide"})],
)
def test_who_may_do_what(
    service: Running, administrator: httpx2.Client, role: Any, allowed: set[str]
) -> None:
    version = taken(administrator, paper(f"For {role}."))
    client = service.client(service.key(role))
    tried = {
        "upload": upload(client, paper("New.")),
        "correct": client.patch("/v1/documents", json={"versions": [version], "changes": {"title": "T"}}),
        "decide": client.post("/v1/documents/decisions", json={"versions": [version], "decision": "reject"}),
        "remove": client.delete(f"/v1/documents/{version}"),
        "domain": client.put("/v1/domains/new", json={}),
    }
    assert {name for name, response in tried.items() if response.status_code != 403} == allowed


def test_what_a_person_of_another_domain_tries(service: Running, administrator: httpx2.Client) -> None:
    version = taken(administrator, paper("Of pain alone."))
    other, unknown = service.client(service.key("contributor", sees=HEART)), "f" * 64
    assert upload(other, paper("Mine."), "pain").status_code == 404
    for each in (version, unknown):
        told = [
            other.get(f"/v1/documents/{each}"),
            other.get(f"/v1/documents/{each}/pages/1"),
            other.get(f"/v1/documents/{each}/pages/1/image"),
            other.get(f"/v1/documents/{each}/original"),
            other.delete(f"/v1/documents/{each}"),
            other.patch("/v1/documents", json={"versions": [each], "changes": {"title": "T"}}),
            upload(other, paper("A version."), "heart", supersedes=each),
        ]
        assert [response.status_code for response in told] == [404] * 7, [response.text for response in told]
        assert {json.loads(response.text)["detail"].replace(each, "ID") for response in told[:1]} == {
            "The library has no document ID."
        }
    assert [each["name"] for each in other.get("/v1/domains").json()["domains"]] == ["heart"]


@pytest.mark.parametrize(
    ("fields", "files", "status"),
    [
        ({"domain": "pain"}, None, 415),
        ({}, {"file": ("a.pdf", b"x")}, 422),
        ({"domain": "nowhere"}, {"file": ("a.pdf", b"x")}, 404),
        ({"domain": "pain", "supersedes": "x"}, [("file", ("a.pdf", b"x")), ("file", ("b.pdf", b"y"))], 422),
        ({"domain": "pain"}, [("file", (f"{n}.pdf", b"x")) for n in range(21)], 422),
    ],
)
def test_uploads_that_are_refused(
    administrator: httpx2.Client, fields: dict[str, str], files: Any, status: int
) -> None:
    response = administrator.post("/v1/documents", data=fields, files=files)
    assert response.status_code == status, response.text
    assert response.json()["code"]


def test_no_stranger_and_no_foreign_site_uploads(service: Running) -> None:
    assert upload(service.client(), paper("Of nobody.")).status_code == 401
    without_token = service.browser("administrator", csrf=False)
    assert upload(without_token, paper("Of another site.")).status_code == 403
    assert upload(service.browser("administrator"), paper("Of our page.")).status_code == 202


def test_a_correction_is_whole_or_none(administrator: httpx2.Client) -> None:
    one, two = taken(administrator, paper("One.")), taken(administrator, paper("Two."))
    wrong = administrator.patch(
        "/v1/documents", json={"versions": [one, two], "changes": {"date": "2023-02-30"}}
    )
    assert wrong.status_code == 422
    right = administrator.patch("/v1/documents", json={"versions": [one, two], "changes": {"tags": ["a"]}})
    assert [each["metadata"]["tags"] for each in right.json()] == [["a"], ["a"]]


def test_the_audit_log_has_each_decision_once_and_no_word_of_it(
    service: Running, administrator: httpx2.Client
) -> None:
    version = taken(administrator, paper("Audited words."))
    library = service.app.state.services.library
    for _ in range(3):
        library.tell_audit()
    rows = administrator.get("/v1/audit", params={"limit": 200}).json()["rows"]
    own = [each for each in rows if each["subject"].startswith(f"library:{version}")]
    assert [each["action"] for each in own].count("document-uploaded") == 1
    assert "Audited" not in json.dumps(rows)


def test_names_of_files_are_no_paths(administrator: httpx2.Client, service: Running) -> None:
    response = administrator.post(
        "/v1/documents", data={"domain": "pain"}, files={"file": ("../../etc/pass\nwd.pdf", paper("Named."))}
    )
    name = response.json()["documents"][0]["document"]["file_name"]
    assert "/" not in name
    assert name.isprintable()
    assert list(Path(service.settings.data_dir).rglob("*pass*")) == []


def test_nobody_but_an_administrator_approves_what_they_uploaded(
    service: Running, administrator: httpx2.Client
) -> None:
    person, _ = service.access.people.create(DEMO, "both-desks", role="contributor", sees=PAIN)
    keys = service.access.keys
    uploads = service.client(keys.create(DEMO, person.id, "a", ["upload-documents"])[1])
    own, other = taken(uploads, paper("Of both desks.")), taken(administrator, paper("Of another."))
    service.access.people.change(DEMO, person.id, role="reviewer")
    reviews = service.client(keys.create(DEMO, person.id, "b", ["review", "read-note"])[1])
    told = decide(reviews, "approve", own, other)
    refused = told["refused"]
    assert refused.pop(own) == OWN_UPLOAD
    assert refused.pop(other, "is still being read") != OWN_UPLOAD
    assert decide(administrator, "approve", own)["refused"].get(own) != OWN_UPLOAD


def test_a_file_is_refused_as_soon_as_it_is_too_large(
    administrator: httpx2.Client, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_form, "FILE_BYTES_MAX", 3_000_000)
    assert upload(administrator, b"x" * 3_000_001).status_code == 413
    assert upload(administrator, b"x" * 3_000_000).status_code == 202
    assert not list(service.app.state.services.library.folder.glob("tmp*"))


def test_pictures_of_pages_are_kept_up_to_a_size() -> None:
    kept = PageImages(bytes_max=10)
    for number in range(4):
        kept.put(("a", number, 900), b"1234")
    assert [kept.get(("a", number, 900)) for number in range(4)] == [None, None, b"1234", b"1234"]
    kept.put(("a", 9, 900), b"12345678901")
    assert kept.get(("a", 9, 900)) is None
