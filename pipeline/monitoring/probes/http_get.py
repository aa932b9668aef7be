"""One short HTTP GET for a probe: no proxy, no redirect, no retry, a bounded answer.

Decides what counts as unreachable. A probe asks again at the next look, so patience would only make it late.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

ANSWER_BYTES_MAX = 4_000_000
"""A NIM's metrics page has some 100 KB."""


class Unreachable(Exception):
    """No whole answer came. `state` is the word for it: down, or slow."""

    def __init__(self, what: str, *, slow: bool = False) -> None:
        self.slow = slow
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    text: str


def get(url: str, seconds: float, token: str = "") -> HttpAnswer:
    """The answer to GET `url`, whatever its status. Raises Unreachable."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    try:
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        headers = {"Accept": "*/*", **({"Authorization": f"Bearer {token}"} if token else {})}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return HttpAnswer(answer.status, answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace"))
    except TimeoutError:
        raise Unreachable(f"no answer within {seconds:g} s", slow=True) from None
    except ssl.SSLError as error:
        raise Unreachable(f"TLS: {error.reason or 'refused'}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(getattr(error, "strerror", None) or type(error).__name__) from None
    finally:
        connection.close()


def address(url: str) -> str:
    """Host and port of a URL, without user, password and path."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or '?'}{port}"
