"""A service over TLS whose certificate can be changed while it runs: valid, expired, soon to expire, another host's.

with TlsService(folder) as service:
    os.environ["REQUESTS_CA_BUNDLE"] = str(service.authority)
    service.present("expired")
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KINDS = ("valid", "expired", "soon", "early", "other host", "self-signed")
EXPIRED_ON = datetime(2026, 1, 31, tzinfo=UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A certificate authority of an afternoon."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Chartwell test authority")
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3650))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._issuer = name
        self.path = folder / "authority.pem"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def certificate(self, kind: str) -> Path:
        """Key and certificate in one file."""
        now = datetime.now(UTC)
        begins, ends = now - timedelta(days=1), now + timedelta(days=20)
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        match kind:
            case "expired":
                begins, ends = EXPIRED_ON - timedelta(days=90), EXPIRED_ON
            case "soon":
                ends = now + timedelta(days=5)
            case "early":
                begins = now + timedelta(days=1)
            case "other host":
                names = [x509.DNSName("elsewhere.example.org")]
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("service")
        own = kind == "self-signed"
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if own else self._issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key if own else self._key, hashes.SHA256())
        )
        path = self._folder / f"{kind.replace(' ', '-')}.pem"
        path.write_bytes(_pem(key, certificate))
        return path


class TlsService:
    """Answers /readyz as a service does. As a context manager it serves from a thread of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = Authority(folder)
        self.authority = authority.path
        self.ready = True
        self.says: bytes | None = None
        """In place of its own answer."""
        self._files = {kind: authority.certificate(kind) for kind in KINDS}
        self._context = self._loaded("valid")
        service = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                # In this connection's own thread: a client that gives up half-way holds up no one.
                self.request = service._context.wrap_socket(self.request, server_side=True)
                super().setup()

            def finish(self) -> None:
                super().finish()
                self.request.close()  # the server itself closes only the socket under it

            def do_GET(self) -> None:
                known = self.path == "/readyz"
                status = (200 if service.ready else 503) if known else 404
                word = json.dumps({"status": "ready" if service.ready else "waiting"}).encode()
                body = word if service.says is None else service.says
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass  # a client that refused the certificate

            def shutdown_request(self, request: Any) -> None:
                with contextlib.suppress(OSError):
                    request.close()

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def present(self, kind: str) -> None:
        """Show this certificate from the next connection on."""
        self._context = self._loaded(kind)

    def certificate(self, kind: str) -> Path:
        """The file of that certificate, its key in it as well."""
        return self._files[kind]

    def _loaded(self, kind: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._files[kind])
        return context

    def __enter__(self) -> TlsService:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
