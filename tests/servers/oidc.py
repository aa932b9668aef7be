"""An OpenID Connect provider on loopback: discovery, authorization code with PKCE, RSA-signed ID tokens, key rotation.

It checks what a provider checks (client, secret, redirect URI, code once, PKCE) and can be told to misbehave as a
broken or hostile one would.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "chartwell", "the client's secret"
Claims = dict[str, Any]


class OidcProvider:
    """A provider with one signed-in person: every visitor comes back as `person`."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.person: Claims = {
            "sub": "s-1",
            "preferred_username": "anna",
            "name": "Anna A.",
            "groups": ["readers"],
        }
        self.key = new_key()
        self.published = [self.key]
        self.metadata_changes: Claims = {}
        self.spoil: Callable[[Claims], Claims] = lambda claims: claims
        self.token_of: Callable[[Claims], str] = self.signed
        self.requests: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def __enter__(self) -> OidcProvider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- ID tokens, good and bad

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def unsigned(self, claims: Claims) -> str:
        """alg none: a header, claims and no signature."""
        return ".".join([_base64({"alg": "none"}), _base64(claims), ""])

    def signed_with_the_public_key_as_secret(self, claims: Claims) -> str:
        """HS256 with what everyone knows: the classic confusion of algorithms."""
        content = f"{_base64({'alg': 'HS256', 'kid': self.key.kid})}.{_base64(claims)}"
        secret = self.key.as_pem(private=False)
        signature = hmac.new(secret, content.encode(), hashlib.sha256).digest()
        return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def signed_with_another_key(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, new_key())

    def tampered(self, claims: Claims) -> str:
        head, _, signature = self.signed(claims).split(".")
        return ".".join([head, _base64({**claims, "groups": ["admins"]}), signature])

    # --- the protocol

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def exchange(self, authorization: str, form: dict[str, str]) -> tuple[int, Claims]:
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if (
            asked is None
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        at = int(time.time())
        claims = self.spoil(
            {
                "iss": self.issuer,
                "aud": CLIENT_ID,
                "iat": at,
                "exp": at + 300,
                "nonce": asked["nonce"],
                **self.person,
            }
        )
        return 200, {
            "access_token": secrets.token_urlsafe(8),
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.token_of(claims),
        }

    def metadata(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.metadata_changes,
        }

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                provider.requests.append(parts.path)
                if parts.path == "/.well-known/openid-configuration":
                    self._json(200, provider.metadata())
                elif parts.path == "/keys":
                    keys = [key.as_dict(private=False) for key in provider.published]
                    self._json(200, {"keys": keys})
                elif parts.path == "/authorize":
                    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(query))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                else:
                    self._json(404, {})

            def do_POST(self) -> None:
                provider.requests.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._json(*provider.exchange(self.headers.get("Authorization", ""), form))

            def _json(self, status: int, body: Claims) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal of a test."""

        return Handler


def new_key() -> RSAKey:
    key = RSAKey.generate_key(2048, auto_kid=True)
    assert isinstance(key, RSAKey)
    return key


def _base64(part: Claims) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
