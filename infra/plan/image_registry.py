"""Asks a container registry about one image: does the key open it, is the digest there, how old is it.

Decides nothing. Speaks the registry protocol's token dance (distribution specification); knows nothing of
AWS.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import urllib3

TIMEOUT_SECONDS: Final = 10.0
ACCEPT: Final = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
REFERENCE: Final = re.compile(
    r"(?P<host>[^/]+)/(?P<repository>[^@:]+)(?::(?P<tag>[\w.\-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class RefusedError(Exception):
    """The registry answered and said no. `status` is its HTTP status. A retry changes nothing."""

    def __init__(self, host: str, status: int, what: str) -> None:
        self.status = status
        super().__init__(f"{host} answers {status} for {what}")


class UnreachableError(Exception):
    """No answer: network, name or timeout. Worth a retry."""


@dataclass(frozen=True)
class Login:
    """User and password of a registry; hidden in `repr`."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Login(****)"


class ImageRegistry:
    """One registry host. `scheme` is http for a registry on this machine."""

    def __init__(self, host: str, login: Login | None = None, *, scheme: str = "https") -> None:
        self._host = host
        self._base = f"{scheme}://{host}"
        self._login = login
        self._tokens: dict[str, str] = {}
        self._http = urllib3.PoolManager(
            retries=urllib3.Retry(2, connect=1, backoff_factor=0.3, status_forcelist=(429, 502, 503)),
            timeout=urllib3.Timeout(TIMEOUT_SECONDS),
        )

    def manifest(self, repository: str, reference: str) -> dict[str, Any]:
        """The manifest (or index) of a tag or digest. Raises RefusedError, UnreachableError."""
        return self._json(repository, f"manifests/{reference}")

    def created(self, repository: str, reference: str) -> datetime | None:
        """When the amd64 image was made, by its own configuration; None when it does not say."""
        found = self.manifest(repository, reference)
        if "manifests" in found:
            chosen = next(
                (
                    each
                    for each in found["manifests"]
                    if each.get("platform", {}).get("architecture") == "amd64"
                ),
                None,
            )
            if chosen is None:
                return None
            found = self.manifest(repository, str(chosen["digest"]))
        settings = self._json(repository, f"blobs/{found['config']['digest']}")
        text = str(settings.get("created", ""))
        return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00")) if text else None

    def _json(self, repository: str, path: str) -> dict[str, Any]:
        url = f"{self._base}/v2/{repository}/{path}"
        response = self._get(url, self._tokens.get(repository))
        if response.status == 401 and repository not in self._tokens:
            self._tokens[repository] = self._token(response.headers.get("WWW-Authenticate", ""), repository)
            response = self._get(url, self._tokens[repository])
        if response.status != 200:
            raise RefusedError(self._host, response.status, f"{repository} {path}")
        return dict(json.loads(response.data))

    def _token(self, challenge: str, repository: str) -> str:
        """A bearer token for pulling; the password is sent to the address that the registry names."""
        words = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in words:
            raise RefusedError(self._host, 401, f"{repository}: it names no place for a login")
        headers = {}
        if self._login:
            headers = urllib3.util.make_headers(basic_auth=f"{self._login.user}:{self._login.password}")
        fields = {"scope": words.get("scope", f"repository:{repository}:pull")}
        if "service" in words:
            fields["service"] = words["service"]
        response = self._request(words["realm"], headers, fields)
        if response.status != 200:
            raise RefusedError(self._host, response.status, f"a login for {repository}")
        answer = json.loads(response.data)
        return str(answer.get("token") or answer.get("access_token"))

    def _get(self, url: str, token: str | None) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": ACCEPT} | ({"Authorization": f"Bearer {token}"} if token else {})
        return self._request(url, headers, {})

    def _request(self, url: str, headers: dict[str, str], fields: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._http.request("GET", url, headers=headers, fields=fields or None)
        except urllib3.exceptions.HTTPError as error:
            # Not the error's own text: it can hold the address with its query.
            raise UnreachableError(f"{self._host} cannot be reached ({type(error).__name__})") from None
