"""One short HTTP GET, for the monitor's probes and for the checks: no proxy, no redirect, no retry, a bounded answer.

Decides what TLS trusts and what counts as unreachable. The caller asks again later, so patience would only make it
late. Knows nothing of what a server does.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ANSWER_BYTES_MAX = 4_000_000
"""A NIM's metrics page has some 100 KB."""


class Unreachable(Exception):
    """No whole answer came. `slow`: none within the time given; else the server is down, or refuses."""

    def __init__(self, what: str, *, slow: bool = False) -> None:
        self.slow = slow
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer to GET, whatever its status."""

    status: int
    text: str
    date: str
    """The Date header, "" where there is none."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL's server is reached, which on its own host is another place than its name says."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str, elsewhere: str = "") -> Address:
        """`elsewhere`: HOST:PORT that counts instead."""
        if elsewhere:
            host, _, port = elsewhere.rpartition(":")
            return cls(host, int(port))
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))

    def connect(self, seconds: float) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=seconds)


def trust(file: Path | None = None) -> ssl.SSLContext:
    """The authorities that the pipeline's own clients trust (the system's, or REQUESTS_CA_BUNDLE), and the very
    certificates of `file`. Raises OSError where it cannot be read."""
    context = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)
    if file is not None:
        context.load_verify_locations(file)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def get(
    url: str,
    seconds: float,
    token: str = "",
    *,
    elsewhere: str = "",
    trusted: ssl.SSLContext | None = None,
    accept: str = "*/*",
) -> HttpAnswer:
    """The answer to GET `url`, whatever its status. Raises Unreachable.

    `elsewhere`: HOST:PORT to connect to instead. `trusted`: what TLS trusts, else `trust()`.
    """
    parts = urlsplit(url)
    host, started = parts.hostname or "", time.monotonic()
    secure = parts.scheme == "https"
    # Of the two classes only the port that they leave out of `Host` differs: we connect ourselves.
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, parts.port, timeout=seconds)
    try:
        connection.sock = Address.of(url, elsewhere).connect(seconds)
        if secure:
            connection.sock = (trusted or trust()).wrap_socket(connection.sock, server_hostname=host)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        headers = {"Accept": accept, **({"Authorization": f"Bearer {token}"} if token else {})}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
        return HttpAnswer(answer.status, text, answer.getheader("Date", ""), time.monotonic() - started)
    except TimeoutError as error:
        raise Unreachable(f"no answer within {seconds:g} s", slow=True) from error
    except ssl.SSLError as error:
        raise Unreachable(f"TLS: {error.reason or 'refused'}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(getattr(error, "strerror", None) or type(error).__name__) from error
    finally:
        connection.close()


def address(url: str) -> str:
    """Host and port of a URL, without user, password and path."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or '?'}{port}"
