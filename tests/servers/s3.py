"""A server of S3's protocol on loopback: moto's buckets, behind a door that checks what S3 checks and moto does not.

Signatures in a URL cover length and checksum of what may be sent by it; a body must have the checksum that it is said
to have. Buckets live in this process, and those made here go when the server ends.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import Credentials
from moto.core.botocore_stubber import BotocoreStubber

KEY, SECRET, REGION = "test", "test-secret", "us-east-1"


@dataclass
class S3Server:
    """`url` is the endpoint. `requests`: (method, path and query, headers) of all so far."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    refuse_all: tuple[int, str] | None = None
    """Status and code that every request is answered with."""


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()

    class Handler(_Handler):
        state = server

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{httpd.server_port}"
    yield server
    httpd.shutdown()
    httpd.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: S3Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = dict(self.headers.items())
        self.state.requests.append((self.command, self.path, headers))
        refused = self.state.refuse_all or _refused(self.command, self.path, headers, body, self.state.url)
        if refused:
            status, code = refused
            self._send(
                status, {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>".encode()
            )
        else:
            self._send(*_moto(self.command, self.path, headers, body))

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 (the library's names)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the library's name)
        pass


def _refused(
    method: str, target: str, headers: dict[str, str], body: bytes, url: str
) -> tuple[int, str] | None:
    small = {name.lower(): value for name, value in headers.items()}
    query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    if "X-Amz-Signature" in query and not _signed(method, target, small, query, url):
        return 403, "SignatureDoesNotMatch"
    if "X-Amz-Signature" not in query and f"Credential={KEY}/" not in small.get("authorization", ""):
        return 403, "InvalidAccessKeyId"
    digest = hashlib.sha256(body).digest()
    said = small.get("x-amz-checksum-sha256") or query.get("x-amz-checksum-sha256")
    if said and said != base64.b64encode(digest).decode():
        return 400, "BadDigest"
    signed = small.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if signed != "UNSIGNED-PAYLOAD" and not signed.startswith("STREAMING") and signed != digest.hex():
        return 400, "XAmzContentSHA256Mismatch"
    return None


def _signed(method: str, target: str, headers: dict[str, str], query: dict[str, str], url: str) -> bool:
    """Whether the URL's signature is that of this request, by the headers that it names."""
    named = query["X-Amz-SignedHeaders"].split(";")
    plain = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
    address = urlsplit(url + target)
    request = AWSRequest(
        method=method,
        url=f"{url}{address.path}?{urlencode(plain)}",
        headers={name: headers.get(name, "") for name in named},
    )
    request.context["timestamp"] = query["X-Amz-Date"]
    auth = S3SigV4QueryAuth(Credentials(KEY, SECRET), "s3", REGION)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return wanted == query["X-Amz-Signature"]


def _moto(
    method: str, target: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """What moto answers to the same request at AWS's own address."""
    host = f"s3.{REGION}.amazonaws.com"
    prepared = AWSPreparedRequest(
        method, f"https://{host}{target}", {**headers, "Host": host}, body, stream_output=False
    )
    answer = BotocoreStubber().process_request(prepared)
    assert answer is not None, target
    status, answered, content = answer
    dropped = {"connection", "transfer-encoding", "server", "date", "status"}
    kept = {name: str(each) for name, each in answered.items() if name.lower() not in dropped}
    return status, kept, content if isinstance(content, bytes) else content.encode()
