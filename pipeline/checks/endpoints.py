"""Servers over HTTP(S), looked at from outside: certificates, and the service's own word about itself.

Sends no key and no text, follows no redirect. Knows nothing of what a server does.
"""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import CertificateWrong, ServiceUnhealthy
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.monitoring.probes.http_get import Address, HttpAnswer, Unreachable, get, trust

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
    "ranker": "end_to_end_check",
    "image_embedder": "vision_check",
    "vision": "vision_language_check",
    "service": "service_health_check",
}
"""Who cannot be asked where a server's certificate is refused, by the server's name in the settings."""


def trusted(file: Path | None = None) -> ssl.SSLContext:
    """The authorities TLS trusts, with the certificates of `file`. Raises CertificateWrong where they cannot be
    read."""
    if file is not None:
        trusted()  # to tell which of the two files is wrong
    try:
        return trust(file)
    except OSError as error:  # ssl.SSLError is one
        variable = "CHARTWELL_CHECKS__TRUST_FILE" if file else "REQUESTS_CA_BUNDLE"
        raise CertificateWrong(
            f"The file {file or os.environ.get(variable)} of trusted certificates cannot be used "
            f"({type(error).__name__}).",
            remedy=f"{variable} must name a readable PEM file of certificates.",
        ) from None


def look(url: str, *, elsewhere: str = "", trust_file: Path | None = None) -> HttpAnswer:
    """GET `url`. Raises ServiceUnhealthy where nothing answers."""
    context = trusted(trust_file) if url.startswith("https:") else None
    try:
        return get(url, LOOK_SECONDS_MAX, elsewhere=elsewhere, trusted=context, accept="application/json")
    except Unreachable as error:
        parts = urlsplit(url)
        raise ServiceUnhealthy(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} does not answer ({error}).",
            remedy="Check that it runs and that the address in the settings is right.",
        ) from None


def service_health_check(context: CheckContext) -> Finding:
    """Does the service answer, and does it say that it is ready?"""
    url = context.service_url
    if not url:
        return skipped("no service is configured (CHARTWELL_CHECKS__SERVICE_URL)")
    checks = context.settings.checks
    seen = look(
        urlsplit(url)
        ._replace(path=f"{urlsplit(url).path.rstrip('/')}/readyz", query="", fragment="")
        .geturl(),
        elsewhere=checks.service_address if context.vantage == "host" else "",
        trust_file=checks.trust_file,
    )
    measured = {"status": seen.status, "answer_seconds": round(seen.seconds, 3)}
    if seen.status == HTTPStatus.OK and not _says_ready(seen.text):
        return failed(
            ServiceUnhealthy(
                "What answers at the service's address is not the service: its /readyz does not say that it is ready.",
                remedy="Another program answers there: correct CHARTWELL_CHECKS__SERVICE_URL.",
            ),
            **measured,
        )
    if seen.status == HTTPStatus.OK:
        return passed(f"ready, answered in {seen.seconds * 1000:.0f} ms", **measured)
    if seen.status == HTTPStatus.NOT_FOUND:
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


def _says_ready(body: str) -> bool:
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


def certificate_check(context: CheckContext) -> Finding:
    """Dates, host name and chain of every https address in the settings."""
    urls = {name: url for name, url in context.urls().items() if url.startswith("https:")}
    if not urls:
        return skipped("no https address is configured")
    found = [_certificate(name, url, context) for name, url in urls.items()]
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


def _certificate(name: str, url: str, context: CheckContext) -> _Certificate:
    """A service behind its own host's front is asked there; who else has a certificate is asked where the URL says."""
    checks = context.settings.checks
    host = urlsplit(url).hostname or ""
    place = f"{host}:{urlsplit(url).port or 443}"
    elsewhere = checks.service_address if name == "service" and context.vantage == "host" else ""
    address, trust_file = Address.of(url, elsewhere), checks.trust_file if name == "service" else None
    try:
        ends = _not_after(host, address, trusted(trust_file))
    except ssl.SSLCertVerificationError as error:
        return _Certificate(name, place, None, _refused(error, place, _ended(host, address, trust_file)))
    except OSError:
        # A server that does not answer is the finding of the check that asks it.
        return _Certificate(name, place, None, None)
    return _Certificate(name, place, (ends - context.machine.now()) / 86400, None)


def _not_after(host: str, address: Address, context: ssl.SSLContext) -> float:
    """When the certificate for `host` at `address` ends, in seconds since 1970, once it was verified by `context`."""
    with (
        address.connect(LOOK_SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
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
    context = trusted(trust_file)
    context.verify_flags |= ssl.VerifyFlags(X509_IGNORE_TIME)
    try:
        ended = datetime.fromtimestamp(_not_after(host, address, context), UTC)
    except (OSError, ValueError, KeyError):
        return ""
    return f" on {ended:%Y-%m-%d}"
