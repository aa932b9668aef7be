"""Sign-in with an identity provider: a real one on loopback, and everything a hostile one would try."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from pydantic import SecretStr
from sqlalchemy import text

from pipeline.config import OidcSettings, Settings
from pipeline.errors import SettingsInvalid
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.oidc import CALLBACK_PATH, Departure, IdentityProvider, safe_path
from pipeline.service.access.policy import Principal
from pipeline.service.access.sessions import SignedIn
from pipeline.service.audit.rights import unproven_rights
from pipeline.service.database.engine import State
from pipeline.service.errors import Conflict, IdentityProviderFailed, SignInFailed
from tests.servers.oidc import CLIENT_ID, CLIENT_SECRET, OidcProvider, new_key
from tests.service.conftest import PASSWORD

HERE = "192.0.2.1"
URL = "https://chartwell.example"
ROLES = {"readers": "reader", "reviewers": "reviewer", "admins": "administrator"}


@pytest.fixture
def state_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is kept is tested elsewhere, on both databases."""
    shutil.copy(sqlite_template, tmp_path / "service.sqlite")
    return f"sqlite:///{tmp_path / 'service.sqlite'}"


@pytest.fixture(scope="module")
def server() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def provider(server: OidcProvider) -> OidcProvider:
    """The one server, behaving again."""
    server.person = {"sub": "s-1", "preferred_username": "anna", "name": "Anna A.", "groups": ["readers"]}
    server.published = [server.key]
    server.metadata_changes = {}
    server.spoil = lambda claims: claims
    server.token_of = server.signed
    server.requests = []
    return server


def oidc_settings(provider: OidcProvider, **more: object) -> OidcSettings:
    given = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": SecretStr(CLIENT_SECRET),
        "roles": ROLES,
        **more,
    }
    return OidcSettings.model_validate(given)


@dataclass
class Browser:
    """Goes to the provider and comes back with what it was given."""

    identity: IdentityProvider

    def leave(self, return_to: str = "/") -> tuple[Departure, dict[str, str]]:
        departure = self.identity.begin(return_to)
        answer = requests.get(departure.url, allow_redirects=False, timeout=10)
        back = answer.headers["Location"]
        assert back.startswith(URL + CALLBACK_PATH + "?")
        return departure, dict(parse_qsl(urlsplit(back).query))

    def arrive(self, departure: Departure, query: dict[str, str], **more: str) -> tuple[SignedIn, str]:
        given = {"state": query["state"], "code": query["code"], "issuer": query["iss"], **more}
        return self.identity.finish(**{"browser": departure.browser, "address": HERE, **given})  # type: ignore[arg-type]

    def sign_in(self, return_to: str = "/") -> tuple[SignedIn, str]:
        return self.arrive(*self.leave(return_to))


@pytest.fixture
def access(state: State, settings: Settings, provider: OidcProvider) -> Access:
    return open_access(state, settings.model_copy(update={"oidc": oidc_settings(provider)}), public_url=URL)


@pytest.fixture
def browser(access: Access) -> Browser:
    assert access.provider is not None
    return Browser(access.provider)


def why(access: Access) -> str:
    (row,) = access.audit.page(limit=1)
    assert (row.action, row.outcome) == ("sign-in", "refused")
    return row.details


def test_somebody_signs_in(browser: Browser, access: Access, state: State) -> None:
    signed_in, return_to = browser.sign_in("/conversations?x=1")
    principal = access.sign_ins.require_current(signed_in.token).principal
    assert (principal.name, principal.role, return_to) == ("Anna A.", "reader", "/conversations?x=1")
    assert not principal.scope.admits("radiology", "p1"), "a new user sees nothing"
    again, _ = browser.sign_in()
    assert again.current.principal.id == principal.id
    with state.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM users")) == 1
        assert session.scalar(text("SELECT count(*) FROM oidc_requests")) == 0


def test_an_account_that_was_given_to_another_identity_is_found(browser: Browser, state: State) -> None:
    browser.sign_in()
    with state.session() as session:
        assert list(unproven_rights(session)) == []
        session.execute(text("UPDATE users SET oidc_subject = 'eve'"))
    with state.reading() as session:
        (problem,) = unproven_rights(session)
    assert "identity" in problem.what


def test_the_url_has_state_nonce_and_challenge_and_no_secret(browser: Browser) -> None:
    departure = browser.identity.begin()
    query = dict(parse_qsl(urlsplit(departure.url).query))
    assert set(query) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method",
    }  # fmt: skip
    assert query["redirect_uri"] == URL + CALLBACK_PATH
    assert departure.browser not in departure.url
    assert CLIENT_SECRET not in departure.url


@pytest.mark.parametrize(
    "form",
    [
        "unsigned",
        "signed_with_the_public_key_as_secret",
        "signed_with_another_key",
        "tampered",
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # the hostile provider's, not ours
def test_a_token_that_the_provider_did_not_sign(
    browser: Browser, access: Access, provider: OidcProvider, form: str
) -> None:
    provider.token_of = getattr(provider, form)
    with pytest.raises(SignInFailed):
        browser.sign_in()
    assert "the ID token is not valid" in why(access)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("iss", {"iss": "https://evil.example"}),
        ("aud", {"aud": "another-client"}),
        ("aud", {"aud": ["another-client", "third"]}),
        ("exp", {"exp": int(time.time()) - 3600}),
        ("exp", {"exp": None}),
        ("issued in the future", {"iat": int(time.time()) + 7200}),
        ("not yet valid", {"nbf": int(time.time()) + 7200}),
        ("nonce", {"nonce": "of another sign-in"}),
        ("nonce", {"nonce": None}),
        ("azp", {"aud": [CLIENT_ID, "third"], "azp": "third"}),
        ("at_hash", {"at_hash": "of another access token"}),
        ("sub", {"sub": None}),
        ("sub", {"sub": 7}),
        ("names no one", {"sub": ""}),
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_sign_in(
    browser: Browser, access: Access, provider: OidcProvider, what: str, change: dict[str, object]
) -> None:
    provider.spoil = lambda claims: {
        name: value for name, value in {**claims, **change}.items() if value is not None
    }
    with pytest.raises(SignInFailed) as refused:
        browser.sign_in()
    assert what in why(access)
    assert refused.value.what == "The sign-in with your hospital account did not let you in."


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b", "..", None, 7, {}])
def test_what_is_no_token(browser: Browser, access: Access, provider: OidcProvider, token: object) -> None:
    provider.token_of = lambda claims: token  # type: ignore[assignment,return-value]
    with pytest.raises(SignInFailed):
        browser.sign_in()


@pytest.mark.parametrize("groups", [None, [], "", ["nobody"], ["READERS"], [["readers"]], {"readers": 1}, 7])
def test_without_a_claim_that_maps_to_a_role_nobody_is_let_in(
    browser: Browser, access: Access, provider: OidcProvider, groups: object, state: State
) -> None:
    provider.person["groups"] = groups
    with pytest.raises(SignInFailed):
        browser.sign_in()
    assert "no claim maps to a role" in why(access)
    with state.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM users")) == 0


def test_the_highest_role_counts_and_follows_the_provider(
    browser: Browser, access: Access, provider: OidcProvider
) -> None:
    provider.person["groups"] = ["readers", "admins", "reviewers", "other"]
    assert browser.sign_in()[0].current.principal.role == "administrator"
    provider.person["groups"] = "reviewers"
    signed_in, _ = browser.sign_in()
    assert signed_in.current.principal.role == "reviewer"
    assert '"before":"administrator"' in access.audit.page(action="role-changed", limit=1)[0].details


def test_a_name_that_is_taken_takes_over_no_account(
    browser: Browser, access: Access, provider: OidcProvider
) -> None:
    invitation = access.people.first_administrator()
    assert invitation is not None
    local = access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE, name="anna")
    signed_in, _ = browser.sign_in()
    assert signed_in.current.principal.id != local.current.principal.id
    names = {person.name for person in access.people.everybody(local.current.principal)}
    assert names == {"anna", "anna@127.0.0.1"}
    provider.person["sub"] = "s-2"
    with pytest.raises(Conflict):
        browser.sign_in()


def test_whoever_was_deactivated_stays_out(browser: Browser, access: Access) -> None:
    invitation = access.people.first_administrator()
    assert invitation is not None
    ada: Principal = access.sign_ins.with_link(
        invitation.token, PASSWORD, address=HERE, name="ada"
    ).current.principal
    signed_in, _ = browser.sign_in()
    access.people.deactivate(ada, signed_in.current.principal.id)
    with pytest.raises(SignInFailed):
        browser.sign_in()
    assert "deactivated" in why(access)


def test_an_answer_is_for_the_browser_that_asked_and_once(browser: Browser, access: Access) -> None:
    departure, query = browser.leave()
    other, _ = browser.leave()
    for more in (
        {"browser": other.browser},
        {"browser": ""},
        {"state": "x"},
        {"issuer": "https://evil.example", "state": other.url},
    ):
        with pytest.raises(SignInFailed):
            browser.arrive(departure, query, **more)
    browser.arrive(departure, query)
    with pytest.raises(SignInFailed):
        browser.arrive(departure, query)


def test_another_issuer_in_the_answer_is_refused(browser: Browser, access: Access) -> None:
    departure, query = browser.leave()
    with pytest.raises(SignInFailed):
        browser.arrive(departure, query, issuer="https://evil.example")
    assert "another issuer answered" in why(access)


def test_a_code_of_another_sign_in_fails_at_pkce(browser: Browser, access: Access) -> None:
    departure, query = browser.leave()
    _, stolen = browser.leave()
    with pytest.raises(SignInFailed):
        browser.arrive(departure, {**query, "code": stolen["code"]})
    assert "invalid_grant" in why(access)


def test_a_request_that_took_too_long(browser: Browser, state: State) -> None:
    departure, query = browser.leave()
    with state.session() as session:
        session.execute(text("UPDATE oidc_requests SET expires_at = '2020-01-01'"))
    with pytest.raises(SignInFailed):
        browser.arrive(departure, query)


def test_keys_are_read_anew_when_the_provider_has_changed_them(
    browser: Browser, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in()
    old = provider.key
    try:
        provider.key = new_key()
        provider.published = [provider.key]
        with pytest.raises(SignInFailed):
            browser.sign_in()  # they were read a moment ago
        monkeypatch.setattr("pipeline.service.access.oidc.KEYS_AGAIN_SECONDS", 0.0)
        browser.sign_in()
    finally:
        provider.key = old
    assert provider.requests.count("/keys") == 2
    assert provider.requests.count("/.well-known/openid-configuration") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://192.0.2.7/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": 7},
    ],
)
def test_metadata_that_make_no_sense(
    browser: Browser, provider: OidcProvider, changes: dict[str, object]
) -> None:
    provider.metadata_changes = changes
    with pytest.raises(IdentityProviderFailed):
        browser.identity.begin()


def test_a_provider_that_is_away(state: State, settings: Settings, provider: OidcProvider) -> None:
    for issuer in ("http://127.0.0.1:9", "http://192.0.2.7"):
        away = open_access(
            state,
            settings.model_copy(update={"oidc": oidc_settings(provider, issuer=issuer)}),
            public_url=URL,
        )
        assert away.provider is not None
        with pytest.raises(IdentityProviderFailed):
            away.provider.begin()


def test_half_a_configuration_is_refused(state: State, settings: Settings, provider: OidcProvider) -> None:
    half = settings.model_copy(update={"oidc": OidcSettings(issuer=provider.issuer)})
    with pytest.raises(SettingsInvalid, match="CLIENT_ID and CHARTWELL_OIDC__ROLES"):
        open_access(state, half)
    assert open_access(state, settings).provider is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/", "/"),
        ("/a?b=c#d", "/a?b=c#d"),
        ("", "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("/a\nb", "/"),
        ("/" + "a" * 600, "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(given: str, kept: str) -> None:
    assert safe_path(given) == kept
