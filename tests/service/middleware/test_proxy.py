"""Whose word counts about where a request came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from pipeline.errors import SettingsInvalid
from pipeline.service.middleware.proxy import KEY_HEADER, proxy_key
from tests.service.running import Running, running, settings_in

KEY = "0123456789abcdef0123456789abcdef"
SAID = "198.51.100.9"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("behind")
    (folder / "proxy.key").write_text(KEY + "\n")
    with running(
        settings_in(folder / "data", service={"proxy_key_file": folder / "proxy.key"}), ready=False
    ) as found:
        yield found


def address_in_the_log(service: Running, headers: list[tuple[str, str]]) -> str:
    """Of a sign-in that was refused."""
    client = service.client()
    client.post("/sign-in", data={"name": "nobody", "password": "guess"}, headers=headers)
    (row, *_) = service.access.audit.page(action="sign-in")
    with service.state.session() as session:
        session.execute(text("DELETE FROM login_throttle"))
    return row.details


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(KEY_HEADER, "")],
        [(KEY_HEADER, KEY[:-1] + "0")],
        [(KEY_HEADER, KEY.upper())],
        [(KEY_HEADER, KEY), (KEY_HEADER, "another")],
    ],
)
def test_nobody_is_believed_without_the_key(behind: Running, headers: list[tuple[str, str]]) -> None:
    found = address_in_the_log(behind, [*headers, ("X-Forwarded-For", SAID), ("X-Real-IP", SAID)])
    assert '"address":"127.0.0.1"' in found


def test_the_server_in_front_is_believed(behind: Running) -> None:
    assert f'"address":"{SAID}"' in address_in_the_log(
        behind, [(KEY_HEADER, KEY), ("X-Forwarded-For", f"203.0.113.7, {SAID}")]
    )


@pytest.mark.parametrize("said", ["", "unknown", "a.b.c.d", "1.2.3.4:80", "'; drop"])
def test_what_is_no_address_is_none(behind: Running, said: str) -> None:
    found = address_in_the_log(behind, [(KEY_HEADER, KEY), ("X-Forwarded-For", said)])
    assert '"address":"127.0.0.1"' in found


def test_without_a_key_nobody_is_believed(service: Running) -> None:
    for key in ("", KEY):
        found = address_in_the_log(service, [(KEY_HEADER, key), ("X-Forwarded-For", SAID)])
        assert '"address":"127.0.0.1"' in found


@pytest.mark.parametrize("held", ["", "short", "with a space in it, and more than long enough", "ä" * 40])
def test_a_file_without_a_key_is_refused(tmp_path: Path, held: str) -> None:
    file = tmp_path / "proxy.key"
    file.write_text(held)
    with pytest.raises(SettingsInvalid):
        proxy_key(file)
    with pytest.raises(SettingsInvalid):
        proxy_key(tmp_path / "absent")
    assert proxy_key(None) == ""


def test_the_key_goes_no_further(behind: Running) -> None:
    client = httpx2.Client(base_url=behind.url, headers={KEY_HEADER: KEY})
    behind.clients.append(client)
    assert KEY not in client.get("/sign-in").text
