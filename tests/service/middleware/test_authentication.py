"""Who is let in: host names, the demo, other sites, tokens, shares."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from pipeline import serve
from pipeline.config import ServiceSettings
from pipeline.errors import SettingsInvalid
from pipeline.logs import LOGGER
from pipeline.service.errors import TooMany
from pipeline.service.middleware.authentication import FORWARDED, allowed_hosts
from pipeline.service.middleware.limits import RateLimit
from tests.service.running import QUESTION, Running, copied, running, settings_in

ASK = {"question": QUESTION}


@pytest.fixture(scope="module")
def demo(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = copied(indexed, tmp_path_factory.mktemp("demo") / "data")
    with running(settings_in(folder, service={"demo": True})) as found:
        yield found


# --- the demo


def test_the_demo_lets_everybody_on_this_machine_in(demo: Running) -> None:
    client = demo.client()
    assert client.get("/v1/me").json()["kind"] == "demo"
    assert client.post("/v1/ask", json=ASK).json()["outcome"] == "answered"
    assert client.get("/v1/people").status_code == 200


@pytest.mark.parametrize("name", [name.decode() for name in FORWARDED])
def test_the_demo_answers_nothing_that_a_proxy_passes_on(demo: Running, name: str) -> None:
    answer = demo.client().get("/v1/me", headers={name: "127.0.0.1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "CW-FORBIDDEN")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "x@127.0.0.1", "127.0.0.1/.evil.example"]
)
def test_a_name_that_somebody_points_at_this_address_gets_nothing(demo: Running, host: str) -> None:
    answer = demo.client().get("/v1/me", headers={"Host": host})
    assert answer.status_code in {400, 421}
    assert demo.client().get("/healthz", headers={"Host": host}).status_code in {400, 421}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_cannot_send_somebodys_browser_here(demo: Running, headers: dict[str, str]) -> None:
    answer = demo.client().post("/v1/ask", json=ASK, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "CW-FORBIDDEN")


def test_our_own_page_can(demo: Running) -> None:
    headers = {"Origin": demo.url, "Sec-Fetch-Site": "same-origin"}
    assert demo.client().post("/v1/search", json=ASK, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_a_form_elsewhere_can_send_is_not_taken(demo: Running, kind: str) -> None:
    body = b'{"question": "fever"}'
    answer = demo.client().post("/v1/ask", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "service",
    [
        {"demo": True, "host": "0.0.0.0"},
        {"demo": True, "host": "192.168.1.5"},
        {"demo": True, "host": "::"},
        {"demo": True, "public_url": "https://notes.example.org"},
        {"host": "0.0.0.0"},
        {"host": "10.0.0.1", "public_url": "http://notes.example.org"},
    ],
)
def test_what_would_let_strangers_in_does_not_start(service: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid):
        serve.refuse_unsafe(ServiceSettings.model_validate(service))


def test_the_door_says_so_with_exit_code_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        serve.app, ["--demo", "--host", "0.0.0.0"], env={"CHARTWELL_DATA_DIR": str(tmp_path)}
    )
    assert isinstance(serve.app, typer.Typer)
    assert done.exit_code == 2


def test_behind_a_server_that_speaks_tls_another_host_name_is_ours() -> None:
    names = allowed_hosts(ServiceSettings(public_url="https://notes.example.org"))
    assert "notes.example.org" in names
    assert "notes.example.org" not in allowed_hosts(ServiceSettings())


# --- cookies and keys


def test_a_cookie_changes_something_only_with_its_token(service: Running) -> None:
    without, with_token = service.browser(csrf=False), service.browser()
    assert without.get("/v1/me").json()["kind"] == "user"
    refused = without.post("/v1/search", json=ASK)
    assert (refused.status_code, refused.json()["code"]) == (403, "CW-FORBIDDEN")
    assert with_token.post("/v1/search", json=ASK).status_code == 200
    stolen = {"X-CSRF-Token": with_token.headers["X-CSRF-Token"]}
    assert without.post("/v1/search", json=ASK, headers=stolen).status_code == 403


def test_a_cookie_that_has_ended_is_none(service: Running) -> None:
    browser = service.browser()
    service.access.sign_ins.sign_out(browser.cookies["chartwell"])
    assert browser.get("/v1/me").status_code == 401


def test_a_page_sends_strangers_to_the_sign_in(service: Running) -> None:
    answer = service.client().get("/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_refusal_is_in_the_audit_log(service: Running) -> None:
    client = service.client(service.key("reader"))
    assert client.get("/v1/people").status_code == 403
    row = service.access.audit.page(limit=1)[0]
    assert (row.action, row.subject, row.outcome) == ("request", "route:/v1/people", "refused")
    assert "manage-people" in row.details
    client.get("/v1/notes/not-there")
    row = service.access.audit.page(limit=1)[0]
    assert (row.action, row.subject, row.outcome) == ("note-read", "note:not-there", "refused")


def test_what_the_gate_refuses_somebody_known_is_in_the_audit_log(service: Running) -> None:
    browser = service.browser(csrf=False)
    me = browser.get("/v1/me").json()["id"]
    foreign = {"Origin": "https://evil.example"}
    for headers in ({}, {}, foreign, foreign):
        assert browser.post("/v1/search", json=ASK, headers=headers).status_code == 403
    rows = service.access.audit.page(actor=me, action="request")[::-1]
    assert [(row.subject, row.outcome) for row in rows] == [("route:gate", "refused")] * 2
    assert "token of its page" in rows[0].details
    assert "Another site" in rows[1].details


def test_what_the_gate_refuses_strangers_fills_no_log(service: Running) -> None:
    rows = service.access.audit.verify().rows
    client = service.client("cw_unknown")
    answer = client.post("/v1/search", json=ASK, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert service.access.audit.verify().rows == rows


# --- shares


def test_a_share_of_requests_fills_again() -> None:
    limit = RateLimit(60)
    for _ in range(30):
        limit.take("ann", 0.0)
    with pytest.raises(TooMany) as caught:
        limit.take("ann", 0.0)
    assert caught.value.retry_after_seconds == pytest.approx(1.0)
    limit.take("ben", 0.0)
    limit.take("ann", 1.1)
    with pytest.raises(TooMany):
        limit.take("ann", 1.1)


def test_too_many_requests_are_told_when_to_come_back(indexed: Path, tmp_path: Path) -> None:
    folder = copied(indexed, tmp_path / "data")
    with running(settings_in(folder, service={"requests_per_minute": 4})) as found:
        client = found.client(found.key())
        answers = [client.get("/v1/me") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert answers[-1].json()["code"] == "CW-TOO-MANY"
        assert found.client(found.key()).get("/v1/me").status_code == 200
        assert isinstance(client, httpx2.Client)
        assert client.get("/healthz").status_code == 200


def test_who_tries_keys_and_cookies_has_a_limit_and_takes_it_from_nobody_else(
    indexed: Path, tmp_path: Path
) -> None:
    folder = copied(indexed, tmp_path / "data")
    with running(settings_in(folder, service={"requests_per_minute": 8})) as found:
        right = found.client(found.key())
        keys = [found.client(f"cw_aaaaaaaaaa_{number}") for number in range(2)]
        answers = [keys[number % 2].get("/v1/me") for number in range(6)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 429, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert keys[0].get("/healthz").status_code == 429
        assert found.client(cookies={"chartwell": "x"}).get("/v1/me").status_code == 429
        assert found.client(headers={"Authorization": "Basic eDp5"}).get("/v1/me").status_code == 429
        assert found.client().get("/healthz").status_code == 200
        assert right.get("/v1/me").status_code == 200


# --- what no database keeps


def test_an_address_with_nul_is_refused(indexed: Path, tmp_path: Path, state_url: str) -> None:
    settings = settings_in(copied(indexed, tmp_path / "notes"), service={"state_url": state_url})
    with running(settings) as found:
        clients = (found.client(found.key("administrator")), found.browser("administrator"), found.client())
        for client, path in itertools.product(clients, NUL_ADDRESSES):
            answer = client.get(path)
            assert answer.status_code == 400, f"{path}: {answer.status_code}"
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "CW-REQUEST"
        page = found.browser().get("/conversations/%00", headers={"Accept": "text/html"})
        assert page.status_code == 400
        assert "<!doctype html>" in page.text


NUL_ADDRESSES = (
    *("/v1/notes/%00", "/v1/conversations/%00", "/v1/jobs/%00", "/v1/receipts/x%00", "/v1/people/%00"),
    *("/v1/groups/%00/members", "/v1/keys?user_id=%00", "/v1/audit?actor=x%00", "/v1/audit?%00=x"),
    *("/conversations/%00", "/notes/%00", "/sign-in?to=%00", "/healthz?%00"),
)


def test_a_form_with_nul_is_refused(indexed: Path, tmp_path: Path, state_url: str) -> None:
    settings = settings_in(copied(indexed, tmp_path / "notes"), service={"state_url": state_url})
    with running(settings) as found:
        browser = found.browser("administrator")
        for path, form in NUL_FORMS:
            answer = browser.post(path, data=form)
            assert (answer.status_code, answer.json()["code"]) == (422, "CW-REQUEST"), f"{path} {form}"
        assert browser.post("/conversations/x%00/rename", data={"title": "a"}).status_code == 400
        assert found.client().post("/sign-in", data={"name": "a\x00b", "password": "x"}).status_code == 422


NUL_FORMS: tuple[tuple[str, dict[str, str | list[str]]], ...] = (
    ("/sign-in", {"name": "a\x00b"}),
    ("/sign-in", {"name": "ada", "password": "a\x00b"}),
    ("/welcome", {"token": "\x00"}),
    ("/ask", {"question": "fever\x00"}),
    ("/feedback", {"receipt_id": "\x00", "verdict": "good"}),
    ("/feedback", {"receipt_id": "x", "verdict": "bad", "comment": "\x00"}),
    ("/feedback", {"receipt_id": "x", "verdict": "bad", "reasons": ["citation", "\x00"]}),
    ("/conversations/x/rename", {"title": "\x00"}),
    ("/people", {"name": "anna", "domains": ["a\x00b"]}),
    ("/people", {"name": "anna", "domains_more": "a\x00b"}),
    ("/people/x", {"role": "\x00"}),
    ("/groups", {"name": "ward", "patient_ids": "p1\n\x00"}),
    ("/keys", {"user_id": "\x00", "name": "app", "days": "3"}),
)


def test_an_invented_method_is_written_down_nowhere(
    indexed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    caplog.set_level("INFO", LOGGER.name)
    with running(settings_in(copied(indexed, tmp_path / "notes"))) as found:
        for client in (found.client(), found.client(found.key())):
            assert client.request("PLANTED796", "/v1/me").status_code in (401, 405)
        numbers = found.client(found.key("administrator")).get("/metrics").text
        rows = found.access.audit.page(limit=100)
    methods = {record.__dict__.get("method") for record in caplog.records if record.message == "request"}
    assert methods == {"other", "GET"}
    assert "PLANTED796" not in f"{numbers}{rows}{caplog.text}"
