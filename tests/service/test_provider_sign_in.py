"""Signing in with an identity provider as a browser does it: over HTTP, by the page's own link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from pipeline.service.middleware import cookies
from pipeline.service.pages.account import LEAVING
from tests.servers.oidc import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.service.running import Running, running, settings_in


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as server:
        yield server


@pytest.fixture(scope="module")
def hospital(provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    oidc = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "label": "St. Elsewhere",
        "roles": {"readers": "reader"},
    }
    with running(settings_in(tmp_path_factory.mktemp("hospital") / "data", oidc=oidc)) as service:
        yield service


def test_the_link_leads_there_and_back_to_where_somebody_wanted_to_go(hospital: Running) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{hospital.url}/sign-in?to=/conversations", timeout=10)
        assert "Sign in with St. Elsewhere" in page.text
        assert 'href="/sign-in/provider?to=' in page.text
        back = browser.get(f"{hospital.url}/sign-in/provider?to=/conversations", timeout=10)
        assert urlsplit(back.url).path == "/conversations"
        assert back.status_code == 200
        assert "Anna A." in back.text
        assert LEAVING not in browser.cookies.get_dict()
        assert browser.cookies[cookies.SIGN_IN]


def test_another_browser_cannot_finish_what_this_one_began(hospital: Running) -> None:
    with requests.Session() as browser:
        departure = browser.get(f"{hospital.url}/sign-in/provider", timeout=10, allow_redirects=False)
        at_provider = requests.get(departure.headers["Location"], timeout=10, allow_redirects=False)
    back = at_provider.headers["Location"]
    refused = requests.get(back, timeout=10, allow_redirects=False)
    assert refused.status_code == 401
    assert cookies.SIGN_IN not in refused.cookies
    assert "docs/troubleshooting.md#cw-sign-in" in refused.text or "CW-SIGN-IN" in refused.text


def test_a_person_whom_no_claim_lets_in_reads_why(hospital: Running, provider: OidcProvider) -> None:
    before = provider.person
    provider.person = {**before, "groups": ["visitors"]}
    try:
        refused = requests.get(f"{hospital.url}/sign-in/provider", timeout=10)
    finally:
        provider.person = before
    assert refused.status_code == 401
    assert "Sign in with St. Elsewhere" in refused.text


def test_a_refusal_of_the_provider_is_a_page(hospital: Running) -> None:
    refused = requests.get(f"{hospital.url}/sign-in/callback?error=access_denied", timeout=10)
    assert refused.status_code == 401
    assert "Sign in with St. Elsewhere" in refused.text
    assert "CW-SIGN-IN" in refused.text


def test_a_wish_to_go_elsewhere_afterwards_is_not_granted(hospital: Running) -> None:
    with requests.Session() as browser:
        back = browser.get(f"{hospital.url}/sign-in/provider?to=https://evil.example/", timeout=10)
        assert back.url.startswith(hospital.url)


def test_without_a_provider_there_is_no_such_page(tmp_path: Path) -> None:
    with running(settings_in(tmp_path / "data")) as service:
        assert requests.get(f"{service.url}/sign-in/provider", timeout=10).status_code == 404
        assert "Sign in with" not in requests.get(f"{service.url}/sign-in", timeout=10).text
