"""Certificates and the service, against a real TLS server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.checks.context import CheckContext
from pipeline.checks.endpoints import certificate_check, service_health_check
from pipeline.checks.errors import CertificateWrong, ServiceUnhealthy
from tests.checks.contexts import bench
from tests.servers.tls import TlsService


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsService]:
    with TlsService(tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture
def asked(service: TlsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckContext:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(service.authority))
    service.present("valid")
    service.ready = True
    return bench(tmp_path, checks={"service_url": service.url})


@pytest.mark.parametrize(
    ("kind", "status", "what"),
    [
        ("valid", "pass", "1 valid, the first expires in 20 days"),
        ("soon", "warn", "expires in 5 days"),
        ("expired", "fail", "has expired on 2026-01-31"),
        ("early", "fail", "not valid yet"),
        ("other host", "fail", "for another host"),
        ("self-signed", "fail", "cannot be traced to an authority"),
    ],
)
def test_dates_host_name_and_chain(
    service: TlsService, asked: CheckContext, kind: str, status: str, what: str
) -> None:
    service.present(kind)
    found = certificate_check(asked)
    assert found.status == status
    assert what in found.reason
    if status == "fail":
        assert found.blocks == {"service_health_check"}


def test_on_its_own_host_the_service_is_asked_at_its_front_and_its_own_certificate_is_trusted(
    service: TlsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As deployed: the public name leads elsewhere, and the certificate is self-signed."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    service.present("self-signed")
    service.ready = True
    port = service.url.rpartition(":")[2]
    checks = {"service_url": "https://localhost:9", "service_address": f"127.0.0.1:{port}"}
    assert "cannot be traced" in certificate_check(bench(tmp_path, checks=checks)).reason
    trusting = bench(tmp_path, checks={**checks, "trust_file": service.certificate("self-signed")})
    assert certificate_check(trusting).status == "pass"
    assert service_health_check(trusting).status == "pass"
    service.present("valid")  # another one than the deployed
    assert certificate_check(trusting).status == "fail"
    outside = bench(tmp_path, vantage="outside", checks=checks)
    assert certificate_check(outside).status == "skip"  # nothing answers at the name


def test_a_certificate_of_a_private_authority_may_be_trusted_by_itself(
    service: TlsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    service.present("valid")
    checks = {"service_url": service.url, "trust_file": service.certificate("valid")}
    assert certificate_check(bench(tmp_path, checks=checks)).status == "pass"
    service.present("expired")
    checks["trust_file"] = service.certificate("expired")
    assert "has expired on 2026-01-31" in certificate_check(bench(tmp_path, checks=checks)).reason


def test_a_file_of_trust_that_is_none_is_said(service: TlsService, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        checks = {"service_url": service.url, "trust_file": tmp_path / name}
        with pytest.raises(CertificateWrong, match=name):
            certificate_check(bench(tmp_path, checks=checks))


def test_nor_is_a_bundle_of_authorities_that_is_none_taken_for_silence(
    asked: CheckContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "no-such.pem"))
    for check in (certificate_check, service_health_check):
        with pytest.raises(CertificateWrong, match=r"no-such\.pem") as caught:
            check(asked)
        assert caught.value.remedy.startswith("REQUESTS_CA_BUNDLE must name")


def test_a_bad_certificate_keeps_only_those_from_being_asked_who_need_it(
    service: TlsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(service.authority))
    service.present("expired")
    found = certificate_check(
        bench(
            tmp_path,
            generator={"provider": "nim", "url": f"{service.url}/v1"},
            embedder={"provider": "hashing"},
        )
    )
    assert found.blocks == {"nim_llm_health_check", "nim_llm_inference_test", "generator_check"}


def test_a_server_that_does_not_answer_is_no_finding_about_its_certificate(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = certificate_check(
            bench(tmp_path, checks={"service_url": f"https://127.0.0.1:{taken.getsockname()[1]}"})
        )
    assert found.status == "skip"
    assert found.measured["days_left"] is None


def test_the_services_own_word(service: TlsService, asked: CheckContext, tmp_path: Path) -> None:
    assert service_health_check(asked).status == "pass"
    service.ready = False
    assert "with 503" in service_health_check(asked).reason
    service.ready = True
    for other in (b"welcome to nginx", b"[]", b'{"status": "not ready"}'):
        service.says = other
        assert "is not the service" in service_health_check(asked).reason
    elsewhere = bench(tmp_path, checks={"service_url": f"{service.url}/below"})
    assert "no /readyz" in service_health_check(elsewhere).reason


def test_a_service_that_is_away_is_told_without_its_password(tmp_path: Path) -> None:
    away = bench(tmp_path, checks={"service_url": "http://user:secret@127.0.0.1:9"})
    with pytest.raises(ServiceUnhealthy) as caught:
        service_health_check(away)
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)
