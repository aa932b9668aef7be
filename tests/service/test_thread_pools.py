"""Sign-ins of strangers: however many come at the same time, signed-in users are served, and known users get in."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from argon2 import PasswordHasher

from pipeline.service.access.policy import DEMO
from pipeline.service.middleware import cookies
from pipeline.service.thread_pools import STRANGERS_AT_ONCE, WAITING_MAX
from tests.service.running import PASSWORD, Running, running, settings_in

CROWD = 80
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service whose hashes take longer than an answer, as they do on a busy host."""
    folder = tmp_path_factory.mktemp("slow") / "data"
    service = {"password_memory_mebibytes": 8, "password_passes": 20, "password_lanes": 1}
    with running(settings_in(folder, service=service), ready=False) as found:
        yield found


def attempt(service: Running, name: str) -> socket.socket:
    body = urlencode({"name": name, "password": "some wrong password"}).encode()
    return service.raw("/sign-in", FORM, body)


def status_of(connection: socket.socket) -> int:
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            break
        head += part
    return int(head.split(b" ", 2)[1]) if head else 0


def other_rows(service: Running) -> int:
    """Of the audit log, without the wrong passwords of crowds before."""
    return sum(row.action != "sign-in" for row in service.access.audit.rows())


def unanswered(connections: list[socket.socket]) -> int:
    ready, _, _ = select.select(connections, [], [], 0)
    return len(connections) - len(ready)


def test_a_crowd_at_the_door_keeps_nobody_inside_waiting(slow: Running) -> None:
    person, invitation = slow.access.people.create(DEMO, "anna")
    at_home = slow.access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1")
    inside = slow.client(slow.key())
    crowd = [attempt(slow, f"nobody{number}") for number in range(CROWD)]
    assert [inside.get("/v1/me").status_code for _ in range(5)] == [200] * 5
    known = slow.client(cookies={cookies.DEVICE: at_home.device}).post(
        "/sign-in", data={"name": person.name, "password": PASSWORD}
    )
    assert known.status_code == 303
    assert unanswered(crowd) > 0  # whoever is inside or known has not waited for them
    statuses = [status_of(each) for each in crowd]
    taken = STRANGERS_AT_ONCE + WAITING_MAX
    assert statuses.count(429) >= CROWD - 2 * taken
    assert set(statuses) == {401, 429}


def test_the_queue_says_when_to_come_again(slow: Running) -> None:
    crowd = [attempt(slow, f"other{number}") for number in range(CROWD)]
    refused = slow.client().post(
        "/sign-in", data={"name": "x", "password": "y"}, headers={"Accept": "text/html"}
    )
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "CW-BUSY" in refused.text
    for each in crowd:
        each.close()
    # Those that were waiting have left: their places are free immediately, and nothing is computed for them.
    for _ in range(100):
        if slow.client().post("/sign-in", data={"name": "x", "password": "y"}).status_code != 429:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the places of those who left are still taken")


def test_invented_links_leave_no_row_and_cost_no_hash(slow: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    client = slow.client()
    before = other_rows(slow)
    hashed: list[str] = []
    for name in ("hash", "verify"):
        real = getattr(PasswordHasher, name)
        monkeypatch.setattr(
            PasswordHasher, name, lambda *given, real=real: hashed.append(given[-1]) or real(*given)
        )
    for number in range(30):
        found = client.post("/welcome", data={"token": f"invented-{number}", "password": PASSWORD})
        assert found.status_code == 401
    assert PASSWORD not in hashed  # those of the crowds before are others
    assert other_rows(slow) == before
    assert slow.client().post("/sign-in", data={"name": "x", "password": PASSWORD}).status_code == 401
    assert PASSWORD in hashed  # they are counted


def test_a_link_that_was_used_has_one_row_a_minute(slow: Running) -> None:
    person, invitation = slow.access.people.create(DEMO, "berta")
    slow.access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1")
    before = slow.access.audit.anchor().number
    for _ in range(5):
        slow.client().post("/welcome", data={"token": invitation.token, "password": PASSWORD})
    rows = [row for row in slow.access.audit.page(limit=10) if row.number > before]
    assert [(row.action, row.subject, row.outcome) for row in rows] == [
        ("link-used", f"person:{person.id}", "refused")
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/welcome", "token=x&password=y"),
        ("GET", "/sign-in/callback?state=x&code=y", ""),
        ("GET", "/sign-in/provider", ""),
        ("GET", "/v1/people", ""),
        ("DELETE", "/v1/keys/x", ""),
        ("GET", "/nothing", ""),
        ("INVENTED", "/sign-in", ""),
    ],
)
def test_strangers_cannot_fill_the_audit_log(slow: Running, method: str, path: str, body: str) -> None:
    client = slow.client()
    before = other_rows(slow)
    for _ in range(10):
        client.request(method, path, content=body, headers=FORM if body else {})
    assert other_rows(slow) - before <= 1


def test_somebody_known_who_asks_again_and_again_for_what_they_may_not(slow: Running) -> None:
    client = slow.client(slow.key())
    before = slow.access.audit.anchor().number
    for _ in range(10):
        assert client.get("/v1/people").status_code == 403
    assert slow.access.audit.anchor().number - before == 1
