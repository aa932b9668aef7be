"""Servers over HTTP(S), looked at from outside: certificates, and the service's own word about itself.

Sends no key and no text, follows no redirect. Knows nothing of what a server does.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import CertificateWrong, ServiceUnhealthy
from pipeline.checks.result import Finding, failed, passed, skipped, warned

LOOK_SECONDS_MAX = 8.0
EXPIRY_WARN_DAYS = 14
X509_IGNORE_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: everything but the dates, so that a date can be told of an expired one."""
EXPIRED, NOT_YET_VALID, HOST_MISMATCH, ADDRESS_MISMATCH = 10, 9, 62, 64
SELF_SIGNED = frozenset({18, 19, 20, 21})
"""Verification errors of OpenSSL (x509_vfy.h)."""
BLOCKED = {
    "embedder": "embedding_check",
    "generator": "nim_llm_health_check",
    "image_embedder": "vision_check",
    "service": "service_health_check",
}
"""Who cannot be asked where a server's certificate is refused, by the server's name in the settings."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer to GET, whatever its status."""

    host: str
    status: int
    date: str
    body: bytes
    seconds: float


def trust(file: Path | None = None) -> ssl.SSLContext:
    """The authorities that the pipeline's own clients trust (the system's, or REQUESTS_CA_BUNDLE), and the very
    certificates of `file`. Raises CertificateWrong where it cannot be read."""
    context = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or None)
    if file is not None:
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise CertificateWrong(
                f"The file {file} of trusted certificates cannot be used ({type(error).__name__}).",
                remedy="CHARTWELL_CHECKS__TRUST_FILE must name a readable PEM file of certificates.",
            ) from None
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


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

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=LOOK_SECONDS_MAX)


def look(url: str, path: str | None = None, *, elsewhere: str = "", trust_file: Path | None = None) -> Seen:
    """GET `url`, or `path` at its host. Raises ServiceUnhealthy where nobody answers."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    started = time.monotonic()
    connection = http.client.HTTPConnection(host, parts.port, timeout=LOOK_SECONDS_MAX)
    if parts.scheme == "https" and parts.port in (None, 443):
        connection = http.client.HTTPSConnection(
            host, timeout=LOOK_SECONDS_MAX
        )  # it leaves 443 out of `Host`
    try:
        connection.sock = Address.of(url, elsewhere).connect()
        if parts.scheme == "https":
            connection.sock = trust(trust_file).wrap_socket(connection.sock, server_hostname=host)
        connection.request("GET", path or parts.path or "/", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(65536)
    except (OSError, http.client.HTTPException) as error:
        raise ServiceUnhealthy(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} does not answer ({type(error).__name__}).",
            remedy="Check that it runs and that the address in the settings is right.",
        ) from None
    finally:
        connection.close()
    return Seen(host, answer.status, answer.getheader("Date", ""), body, time.monotonic() - started)


def service_health_check(bench: CheckContext) -> Finding:
    """Does the service answer, and does it say that it is ready?"""
    url = bench.service_url
    if not url:
        return skipped("no service is configured (CHARTWELL_CHECKS__SERVICE_URL)")
    checks = bench.settings.checks
    seen = look(
        url,
        f"{urlsplit(url).path.rstrip('/')}/readyz",
        elsewhere=checks.service_address if bench.vantage == "host" else "",
        trust_file=checks.trust_file,
    )
    measured = {"status": seen.status, "answer_seconds": round(seen.seconds, 3)}
    if seen.status == http.HTTPStatus.OK and not _says_ready(seen.body):
        return failed(
            ServiceUnhealthy(
                "What answers at the service's address is not the service: its /readyz does not say that it is ready.",
                remedy="Another program answers there: correct CHARTWELL_CHECKS__SERVICE_URL.",
            ),
            **measured,
        )
    if seen.status == http.HTTPStatus.OK:
        return passed(f"ready, answered in {seen.seconds * 1000:.0f} ms", **measured)
    if seen.status == http.HTTPStatus.NOT_FOUND:
        return failed(
            ServiceUnhealthy(
                "There is no /readyz at the service's address.",
                remedy="Another program answers there: correct CHARTWELL_CHECKS__SERVICE_URL.",
            ),
            **measured,
        )
    return failed(
        ServiceUnhealthy(
            f"The service answers /readyz with {seen.status}: it is not ready.",
            remedy="Its answer names what it waits for; most often the failure is one of the checks above.",
        ),
        **measured,
    )


def _says_ready(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("status") == "ready"


@dataclass(frozen=True, slots=True)
class _Certificate:
    name: str
    place: str
    days_left: float | None
    problem: CertificateWrong | None


def certificate_check(bench: CheckContext) -> Finding:
    """Dates, host name and chain of every https address in the settings."""
    urls = {name: url for name, url in bench.urls().items() if url.startswith("https:")}
    if not urls:
        return skipped("no https address is configured")
    found = [_certificate(name, url, bench) for name, url in urls.items()]
    bad = [each for each in found if each.problem is not None]
    days = [each.days_left for each in found if each.days_left is not None]
    measured: dict[str, str | int | float | bool | None] = {
        "addresses": len(found),
        "days_left": round(min(days), 1) if days else None,
        "refused": ", ".join(each.place for each in bad),
    }
    if bad:
        assert bad[0].problem is not None
        blocked = {BLOCKED[each.name] for each in bad}
        if "nim_llm_health_check" in blocked:
            blocked |= {"nim_llm_inference_test", "generator_check"}
        return Finding("fail", bad[0].problem.what, measured, bad[0].problem, frozenset(blocked))
    if days and min(days) < EXPIRY_WARN_DAYS:
        soonest = min(found, key=lambda each: each.days_left if each.days_left is not None else 1e9)
        return warned(
            CertificateWrong(
                f"The certificate of {soonest.place} expires in {min(days):.0f} days.",
                remedy="Renew it now; where that should happen by itself, see why it did not.",
            ),
            **measured,
        )
    if not days:
        return skipped("the https addresses do not answer, which the checks that ask them tell", **measured)
    return passed(f"{len(days)} valid, the first expires in {min(days):.0f} days", **measured)


def _certificate(name: str, url: str, bench: CheckContext) -> _Certificate:
    """A service behind its own host's front is asked there; who else has a certificate is asked where the URL says."""
    checks = bench.settings.checks
    host = urlsplit(url).hostname or ""
    place = f"{host}:{urlsplit(url).port or 443}"
    elsewhere = checks.service_address if name == "service" and bench.vantage == "host" else ""
    address, trust_file = Address.of(url, elsewhere), checks.trust_file if name == "service" else None
    try:
        ends = _not_after(host, address, trust(trust_file))
    except ssl.SSLCertVerificationError as error:
        return _Certificate(name, place, None, _refused(error, place, _ended(host, address, trust_file)))
    except OSError:
        # Who does not answer is somebody else's finding: the check that asks that server.
        return _Certificate(name, place, None, None)
    return _Certificate(name, place, (ends - bench.machine.now()) / 86400, None)


def _not_after(host: str, address: Address, context: ssl.SSLContext) -> float:
    """When the certificate for `host` at `address` ends, in seconds since 1970, once it was verified by `context`."""
    with address.connect() as plain, context.wrap_socket(plain, server_hostname=host) as secure:
        certificate = secure.getpeercert() or {}
        return ssl.cert_time_to_seconds(str(certificate["notAfter"]))


def _refused(error: ssl.SSLCertVerificationError, place: str, ended: str) -> CertificateWrong:
    code = error.verify_code
    if code == EXPIRED:
        return CertificateWrong(
            f"The certificate of {place} has expired{ended}.",
            remedy="Renew it and reload the server (certbot renew; caddy does so by itself once port 80 or "
            "443 is reachable).",
        )
    if code == NOT_YET_VALID:
        return CertificateWrong(
            f"The certificate of {place} is not valid yet.",
            remedy="It was made too early, or this machine's clock is behind: see clock_check.",
        )
    if code in (HOST_MISMATCH, ADDRESS_MISMATCH):
        return CertificateWrong(
            f"The certificate of {place} is for another host.",
            remedy="Use the name that it was made for in the settings, or have one made for this name.",
        )
    if code in SELF_SIGNED:
        return CertificateWrong(
            f"The certificate of {place} cannot be traced to an authority that is trusted here.",
            remedy="Send the whole chain from the server, or point REQUESTS_CA_BUNDLE at the authority that signed it; "
            "a service's self-signed one goes into CHARTWELL_CHECKS__TRUST_FILE. Verification is never switched off.",
        )
    return CertificateWrong(
        f"The certificate of {place} is refused: {error.verify_message}.",
        remedy="Have a new one made; verification is never switched off.",
    )


def _ended(host: str, address: Address, trust_file: Path | None) -> str:
    """ " on DATE" of a certificate that is right but for its dates, "" of any other."""
    context = trust(trust_file)
    context.verify_flags |= ssl.VerifyFlags(X509_IGNORE_TIME)
    try:
        ended = datetime.fromtimestamp(_not_after(host, address, context), UTC)
    except (OSError, ValueError, KeyError):
        return ""
    return f" on {ended:%Y-%m-%d}"
