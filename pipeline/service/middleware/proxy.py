"""Whose word counts about where a request came from: the server in front that shows our key, and no one else's.

Behind a server in front every request comes from its address, and that server says in X-Forwarded-For who really
called. Any program on the host can reach the process's port and say the same: limits and audit log would then hold
addresses that it made up. So the words count only together with the key, which the server in front and this process
read from a file. The key goes no further than here. Refuses to know what a request asks.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import SettingsInvalid

KEY_HEADER = "x-chartwell-proxy"
KEY_CHARACTERS_MIN = 32
SCHEMES = frozenset({"http", "https"})


class BehindProxy:
    """ASGI middleware around everything that looks at a client's address."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        """`key`: empty where there is no server in front; then no header is believed."""
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._place(scope)
        await self._app(scope, receive, send)

    def _place(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        sent = headers.getlist(KEY_HEADER)
        if not sent:
            return
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != KEY_HEADER.encode()]
        if not self._key or not hmac.compare_digest(sent[-1].encode(), self._key):
            return
        address = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if _is_address(address):
            scope["client"] = (address, 0)
        scheme = headers.get("x-forwarded-proto", "")
        if scheme in SCHEMES:
            scope["scheme"] = scheme


def proxy_key(path: Path | None) -> str:
    """The key in that file; empty where none is named. Raises SettingsInvalid where the file holds no key."""
    if path is None:
        return ""
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(
            f"The key of the server in front cannot be read from {path} ({type(error).__name__}).",
            remedy="Correct CHARTWELL_SERVICE__PROXY_KEY_FILE, or unset it where no server stands in front.",
        ) from None
    if len(key) < KEY_CHARACTERS_MIN or not key.isprintable() or " " in key:
        raise SettingsInvalid(
            f"{path} holds no key of the server in front: a key has {KEY_CHARACTERS_MIN} or more letters and digits.",
            remedy="Make one, for example with: openssl rand -hex 32",
        )
    return key


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
