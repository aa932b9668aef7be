"""Sign-in with the hospital's identity provider: OpenID Connect, authorization code with PKCE, state and nonce.

What it decides: that an ID token is genuine (signature by a key of the provider, an asymmetric algorithm, issuer,
audience, times, nonce), that it answers a request which this very browser began, and which role its claims give. No
claim that maps to a role: refused. Authlib speaks the protocol and checks the claims, joserfc the signature. People
are known by issuer and subject, never by a name or address that the provider lets a user choose. Knows no cookie and
no page.
"""

from __future__ import annotations

import datetime as dt
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pipeline.config import OidcSettings
from pipeline.service.access.policy import ROLES, Role
from pipeline.service.access.sessions import SignedIn, SignIns
from pipeline.service.access.tokens import hash_of, new_token
from pipeline.service.access.users import add_user
from pipeline.service.access.visibility import ALL_NOTES, NOTHING
from pipeline.service.audit.chain import STRANGER, AuditLog, SystemActor
from pipeline.service.audit.rights import fingerprint
from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import OidcRequest, User, now
from pipeline.service.errors import Conflict, IdentityProviderFailed, SignInFailed

CALLBACK_PATH = "/sign-in/callback"
REQUEST_SECONDS = 600.0
"""How long a user may take at the provider."""
METADATA_SECONDS = 3600.0
KEYS_AGAIN_SECONDS = 60.0
"""An unknown key id fetches the keys again, but no more often than that."""
TIMEOUT_SECONDS = 10.0
LEEWAY_SECONDS = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric ones alone: neither "none", nor HMAC with a secret that others share."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes to sign in, and the cookie that it must bring back."""

    url: str
    browser: str
    """For a cookie that lives 10 minutes, HttpOnly, SameSite=Lax: the browser that comes back must be the one that
    left."""


@dataclass(frozen=True, slots=True)
class _Metadata:
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    authentication: str
    read_at: float


@dataclass(frozen=True, slots=True)
class _Request:
    """What was kept of the sign-in in progress."""

    nonce: str
    code_verifier: str
    return_to: str


class IdentityProvider:
    """The provider that the settings name. Safe to share between threads; opens nothing before it is used."""

    def __init__(
        self, state: State, audit: AuditLog, sign_ins: SignIns, settings: OidcSettings, *, public_url: str
    ) -> None:
        """`public_url`: where browsers reach this service; the provider must allow it with CALLBACK_PATH."""
        self._state = state
        self._audit = audit
        self._sign_ins = sign_ins
        self._settings = settings
        self._redirect_uri = public_url.rstrip("/") + CALLBACK_PATH
        self._lock = threading.Lock()
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None
        self._keys_read_at = 0.0

    @property
    def label(self) -> str:
        """What the button says after "Sign in with"."""
        return self._settings.label

    def begin(self, return_to: str = "/") -> Departure:
        """Send a browser to the provider. Raises IdentityProviderFailed where that is away."""
        metadata = self._read_metadata()
        state, browser, nonce, verifier = new_token(), new_token(), new_token(), secrets.token_urlsafe(48)
        with self._state.session() as session:
            session.add(
                OidcRequest(
                    state_hash=hash_of(state),
                    browser_hash=hash_of(browser),
                    nonce=nonce,
                    code_verifier=verifier,
                    return_to=safe_path(return_to),
                    expires_at=now() + dt.timedelta(seconds=REQUEST_SECONDS),
                )
            )
        with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        return Departure(str(url), browser)

    def finish(
        self,
        *,
        state: str,
        code: str,
        browser: str | None,
        address: str,
        issuer: str | None = None,
        device: str | None = None,
        replaces: str | None = None,
    ) -> tuple[SignedIn, str]:
        """A user comes back with `state` and `code`; the sign-in and where they wanted to go.

        `browser` is the cookie of `begin`; `issuer` the parameter `iss`, where the provider sends it (RFC 9207).
        Raises SignInFailed, IdentityProviderFailed.
        """
        request = self._take(state, browser)
        if request is None:
            raise self._refused("no such request, or another browser", address)
        if issuer is not None and issuer != self._settings.issuer:
            raise self._refused("another issuer answered", address)
        metadata = self._read_metadata()
        claims = self._claims(metadata, code, request, address)
        role = self._role(claims)
        if role is None:
            raise self._refused("no claim maps to a role", address)
        with self._state.session() as session:
            user = self._user(session, claims, role)
            if user.active:
                signed_in = self._sign_ins.open(
                    session, user, "provider", address=address, device=device, replaces=replaces
                )
                return signed_in, request.return_to
        raise self._refused("deactivated", address, user.id)

    # --- the request in progress

    def _take(self, state: str, browser: str | None) -> _Request | None:
        """What was kept under this state, once; None where there is nothing or another browser brings it."""
        with self._state.session() as session:
            row = session.get(OidcRequest, hash_of(state), with_for_update=True)
            if row is None or not browser or row.browser_hash != hash_of(browser):
                return None
            request = _Request(row.nonce, row.code_verifier, row.return_to)
            expired = row.expires_at <= now()
            session.execute(delete(OidcRequest).where(OidcRequest.state_hash == row.state_hash))
        return None if expired else request

    # --- the token

    def _claims(self, metadata: _Metadata, code: str, request: _Request, address: str) -> Mapping[str, Any]:
        """The ID token's claims, all checked."""
        try:
            with self._client(metadata) as client:
                tokens = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=request.code_verifier,
                    timeout=TIMEOUT_SECONDS,
                )
        except OAuthError as error:
            why = f"the provider refused the code ({str(error.error)[:60]})"
            raise self._refused(why, address) from error
        except (requests.RequestException, ValueError) as error:
            raise self._away("token endpoint", error) from error
        if not isinstance(tokens, Mapping) or not isinstance(tokens.get("id_token"), str):
            raise self._refused("no ID token", address)
        try:
            token = self._decoded(metadata, tokens["id_token"])
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": self._settings.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                params={
                    "nonce": request.nonce,
                    "client_id": self._settings.client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            why = f"the ID token is not valid ({type(error).__name__}: {str(error)[:80]})"
            raise self._refused(why, address) from error
        if not isinstance(claims.get("sub"), str) or not 1 <= len(claims["sub"]) <= 255:
            raise self._refused("the ID token names no one", address)
        return dict(claims)

    def _decoded(self, metadata: _Metadata, text: str) -> jwt.Token:
        """The token, its signature checked; with keys read again where it names one that is not known."""
        try:
            return jwt.decode(text, self._read_keys(metadata), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            with self._lock:
                again = time.monotonic() - self._keys_read_at >= KEYS_AGAIN_SECONDS
                if again:
                    self._keys = None
            if not again:
                raise
        return jwt.decode(text, self._read_keys(metadata), algorithms=list(ALGORITHMS))

    # --- who it is

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest role that a value of the claim maps to."""
        found = claims.get(self._settings.role_claim)
        values = found if isinstance(found, list) else [found]
        roles = {self._settings.roles.get(value) for value in values if isinstance(value, str)}
        return next((role for role in reversed(ROLES) if role in roles), None)

    def _user(self, session: StateSession, claims: Mapping[str, Any], role: Role) -> User:
        """The person of this issuer and subject, made at their first sign-in; the provider decides their role."""
        issuer, subject = self._settings.issuer, str(claims["sub"])
        user = session.scalar(select(User).where(User.oidc_issuer == issuer, User.oidc_subject == subject))
        if user is None:
            sees = ALL_NOTES if self._settings.new_people_see == "everything" else NOTHING
            user = add_user(
                session,
                _free_name(session, str(claims.get(self._settings.name_claim) or subject), issuer),
                role=role,
                display_name=_shown(claims),
                sees=sees,
                oidc=(issuer, subject),
            )
            details: dict[str, Any] = {
                "provider": True,
                "role": role,
                "sees": self._settings.new_people_see,
                "identity_sha256": fingerprint(issuer, subject),
            }
            self._audit.append(session, _who(user), "person-created", f"person:{user.id}", details=details)
        elif user.role != role and user.active:
            details = {"provider": True, "before": user.role, "after": role}
            self._audit.append(session, _who(user), "role-changed", f"person:{user.id}", details=details)
            user.role = role
        return user

    # --- the provider's own words

    def _read_metadata(self) -> _Metadata:
        """The discovery document, kept for an hour. Raises IdentityProviderFailed where it makes no sense."""
        with self._lock:
            known = self._metadata
        if known is not None and time.monotonic() - known.read_at < METADATA_SECONDS:
            return known
        found = self._json(
            self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration", "metadata"
        )
        if found.get("issuer") != self._settings.issuer:
            raise IdentityProviderFailed(
                "The identity provider's metadata name another issuer.",
                remedy="Set CHARTWELL_OIDC__ISSUER to the issuer exactly as its metadata spell it.",
            )
        endpoints = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        for endpoint in endpoints:
            if not isinstance(endpoint, str) or not _safe_url(endpoint):
                raise IdentityProviderFailed(
                    "The identity provider's metadata lack an endpoint, or name one without TLS.",
                    remedy="Look at its /.well-known/openid-configuration.",
                )
        offered = found.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        authorization, token, keys = (str(endpoint) for endpoint in endpoints)
        metadata = _Metadata(
            authorization_endpoint=authorization,
            token_endpoint=token,
            jwks_uri=keys,
            authentication=self._authentication(offered),
            read_at=time.monotonic(),
        )
        with self._lock:
            self._metadata = metadata
        return metadata

    def _authentication(self, offered: list[str]) -> str:
        if not self._settings.client_secret.get_secret_value():
            return "none"
        return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"

    def _read_keys(self, metadata: _Metadata) -> KeySet:
        with self._lock:
            known = self._keys
        if known is not None:
            return known
        found = self._json(metadata.jwks_uri, "keys")
        try:
            keys = KeySet.import_key_set({"keys": [key for key in found["keys"] if key.get("use") != "enc"]})
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._away("keys", error) from error
        with self._lock:
            self._keys, self._keys_read_at = keys, time.monotonic()
        return keys

    def _json(self, url: str, what: str) -> dict[str, Any]:
        if not _safe_url(url):
            raise IdentityProviderFailed(
                "The identity provider has no TLS.", remedy="Set CHARTWELL_OIDC__ISSUER to an https:// URL."
            )
        try:
            response = requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
            response.raise_for_status()
            found = response.json()
        except (requests.RequestException, ValueError) as error:
            raise self._away(what, error) from error
        if not isinstance(found, dict):
            raise self._away(what, TypeError("not an object"))
        return found

    def _client(self, metadata: _Metadata) -> OAuth2Session:
        return OAuth2Session(
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value() or None,
            token_endpoint_auth_method=metadata.authentication,
            scope=self._settings.scopes,
            redirect_uri=self._redirect_uri,
        )

    def _away(self, what: str, error: Exception) -> IdentityProviderFailed:
        return IdentityProviderFailed(
            f"The identity provider's {what} cannot be read ({type(error).__name__}).",
            remedy="Try again in a minute; if it stays, look at CHARTWELL_OIDC__ISSUER.",
        )

    def _refused(self, why: str, address: str, user_id: str | None = None) -> SignInFailed:
        """The audit log is told in full, the client not at all. Once a minute for each reason and person:
        a client that was never at the provider can come back as often as it likes."""
        self._audit.record_seldom(
            f"provider {user_id or why}",
            STRANGER,
            "sign-in",
            f"person:{user_id}" if user_id else "person:unknown",
            outcome="refused",
            details={"method": "provider", "why": why, "address": address[:100]},
        )
        return SignInFailed(
            f"The sign-in with {self.label} did not let you in.",
            remedy="Try again; if it stays, ask an administrator, who sees the reason in the audit log.",
        )


def safe_path(return_to: str) -> str:
    """A path of this service, or "/": never a way to send a browser elsewhere."""
    parts = urlsplit(return_to)
    sound = (
        return_to.startswith("/")
        and not return_to.startswith(("//", "/\\"))
        and not parts.scheme
        and not parts.netloc
        and return_to.isprintable()
        and "\\" not in return_to
        and len(return_to) <= 500
    )
    return return_to if sound else "/"


def _safe_url(url: str) -> bool:
    """TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _shown(claims: Mapping[str, Any]) -> str:
    name = claims.get("name")
    return "".join(letter for letter in name if letter.isprintable())[:200] if isinstance(name, str) else ""


def _free_name(session: Session, wanted: str, issuer: str) -> str:
    """The name for lists. One that is taken is never handed over with the account behind it: it gets the issuer."""
    short = "".join(letter for letter in wanted if letter.isprintable() and not letter.isspace())[:100]
    for name in (short, f"{short}@{urlsplit(issuer).hostname}"):
        if session.scalar(select(User.id).where(User.name == name.casefold())) is None:
            return name
    raise Conflict(
        "Someone else has your name already.", remedy="An administrator can rename the other account."
    )


def _who(user: User) -> SystemActor:
    return SystemActor(user.id, "user")
