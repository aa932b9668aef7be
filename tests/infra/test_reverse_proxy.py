"""The service's steps on a host: real nginx and real certificates, a stand-in for systemd, and events that arrive as
they are sent."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.plan import catalog
from infra.plan.config import SecretText, ServiceTls
from infra.rollout import reverse_proxy
from infra.rollout.pipeline import last_status
from tests.infra.reverse_proxy_host import HOST_FILES, Host, listening, why_not
from tests.infra.stacks import config

NO_TLS = ServiceTls(None, None, SecretText(""))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    if reason := why_not():
        pytest.skip(reason)
    return Host(tmp_path)


def pair(folder: Path, name: str, days: int = 30) -> str:
    """Key and certificate of a name, as PEM."""
    words = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} -subj /CN={name}"
    subprocess.run(
        [
            *("openssl", *words.split(), "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(folder / "key"), "-out", str(folder / "certificate")),
        ],
        check=True,
        capture_output=True,
    )
    return (folder / "key").read_text() + (folder / "certificate").read_text()


# --- nginx and its certificate


def test_a_second_run_changes_nothing_and_a_certificate_outlives_the_host(host: Host) -> None:
    first = host.front("chartwell.example.org")
    assert first.returncode == 0, first.stdout + first.stderr
    said = last_status(first.stdout)
    assert said["certificate"] == "self-signed"
    assert re.fullmatch(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", str(said["sha256"]))
    assert host.asked.count("restart") == 1
    again = host.front("chartwell.example.org")
    assert "front: unchanged" in again.stdout
    assert last_status(again.stdout) == said
    assert host.asked.count("restart") == 1
    # A new host finds the volume, and nothing else.
    for gone in ("etc", "state", "units"):
        shutil.rmtree(host.root / gone)
    (host.root / "active").unlink()
    assert last_status(host.front("chartwell.example.org").stdout) == said
    assert last_status(host.front("192.0.2.7").stdout) != said
    assert "PRIVATE" not in first.stdout + first.stderr + again.stdout
    assert all(
        path.stat().st_mode & 0o077 == 0
        for path in (host.certificate, host.root / "data" / "tls" / "service.pem")
    )


def test_the_certificate_is_for_the_name_and_for_the_tunnel(host: Host) -> None:
    host.front("192.0.2.7")
    text = subprocess.run(
        ["openssl", "x509", "-in", str(host.certificate), "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for wanted in ("IP Address:192.0.2.7", "IP Address:127.0.0.1", "DNS:localhost", "CA:FALSE"):
        assert wanted in text


def test_a_given_certificate_is_judged_before_it_is_used(host: Host, tmp_path: Path) -> None:
    good = pair(tmp_path, "chartwell.example.org")
    other = pair(tmp_path, "chartwell.example.org")
    key, certificate = good.split("-----BEGIN CERTIFICATE", 1)
    mixed = key + "-----BEGIN CERTIFICATE" + other.split("-----BEGIN CERTIFICATE", 1)[1]
    for text, wrong in (
        (mixed, "does not belong"),
        ("nonsense\n", "holds no certificate"),
        ("-----BEGIN CERTIFICATE" + certificate, "holds no key"),
        (pair(tmp_path, "other.example.org"), "is not for chartwell.example.org"),
    ):
        host.run("secret.sh", reverse_proxy.CERTIFICATE_SECRET, stdin=text)
        done = host.front("chartwell.example.org", kind="given")
        assert done.returncode == 1
        assert wrong in done.stdout
        assert "docs/troubleshooting-aws.md#service" in done.stdout
    host.run("secret.sh", reverse_proxy.CERTIFICATE_SECRET, stdin=good)
    done = host.front("chartwell.example.org", kind="given")
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_status(done.stdout)["certificate"] == "given"
    assert host.certificate.read_text() == good


def test_an_address_that_is_none_reaches_no_configuration(host: Host) -> None:
    done = host.run("front.sh", "0.0.0.0; include /etc/passwd", "443", "8010", "self-signed", "x")
    assert done.returncode == 1
    assert not (host.root / "etc" / "front" / "nginx.conf").exists()


class Backend(BaseHTTPRequestHandler):
    """A service whose events wait for the test: the second is sent once the first has arrived."""

    protocol_version = "HTTP/1.1"
    heard: queue.Queue[dict[str, str]]
    may_go_on: threading.Event
    left: threading.Event

    def do_GET(self) -> None:
        self.heard.put({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        if self.path != "/stream":
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            return
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._event(b"data: first\n\n")
            assert self.may_go_on.wait(20)
            for _ in range(200):
                self._event(b"data: next\n\n")
                time.sleep(0.01)
        except OSError:
            self.left.set()

    def _event(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def reachable(host: Host) -> Iterator[Host]:
    with listening(host):
        yield host


@contextmanager
def asked(host: Host, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    trusted = ssl.create_default_context(cafile=str(host.certificate))
    connection = http.client.HTTPSConnection("localhost", host.port, context=trusted, timeout=20)
    with closing(connection):
        connection.request("GET", path, headers={**headers, "Host": "chartwell.example.org"})
        with connection.getresponse() as response:
            yield response


def test_before_a_service_that_is_away_stands_an_answer_that_says_so(reachable: Host) -> None:
    with asked(reachable, "/") as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert json.loads(response.read())["code"] == "CW-UNAVAILABLE"
    with asked(reachable, "/metrics") as response:
        assert response.status == 404


def test_events_pass_as_they_come_and_a_client_that_leaves_is_known_behind(reachable: Host) -> None:
    Backend.heard, Backend.may_go_on, Backend.left = queue.Queue(), threading.Event(), threading.Event()
    backend = ThreadingHTTPServer(("127.0.0.1", reachable.service_port), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    try:
        spoofed = {
            "X-Forwarded-For": "198.51.100.9",
            "X-Forwarded-Proto": "http",
            "Forwarded": "for=198.51.100.9",
        }
        with asked(reachable, "/", **spoofed) as response:
            assert response.read() == b"ok"
        heard = Backend.heard.get(timeout=10)
        assert heard["x-forwarded-for"] == "127.0.0.1"
        assert heard["x-forwarded-proto"] == "https"
        assert heard["host"] == "chartwell.example.org"
        assert "forwarded" not in heard
        with asked(reachable, "/stream") as response:
            # Were it held back, this would wait for ever: the second event needs the first to have arrived.
            assert response.read(13) == b"data: first\n\n"
            Backend.may_go_on.set()
        assert Backend.left.wait(20)
    finally:
        backend.shutdown()
        backend.server_close()


# --- the service's own process


@pytest.fixture
def installed(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    app = tmp_path / "data" / "app"
    (app / "venv-1").mkdir(parents=True)
    (app / "venv-2").mkdir()
    (app / "current").symlink_to("venv-1")
    (app / "chartwell.env").write_text("CHARTWELL_SERVICE__PORT=8010\n")
    return host


def test_the_service_starts_anew_only_for_a_new_program_settings_or_unit(installed: Host) -> None:
    installed.program("curl", "#!/bin/bash\nexit 0\n")
    first = installed.run("service.sh", "8010", "5")
    assert first.returncode == 0, first.stdout + first.stderr
    assert last_status(first.stdout)["state"] == "ready"
    assert "unchanged" in installed.run("service.sh", "8010", "5").stdout
    assert installed.asked.count("restart") == 1
    current = installed.root / "data" / "app" / "current"
    current.unlink()
    current.symlink_to("venv-2")
    installed.run("service.sh", "8010", "5")
    assert installed.asked.count("restart") == 2
    (current.parent / "chartwell.env").write_text("CHARTWELL_SERVICE__PORT=8010\nCHARTWELL_LOG_LEVEL=info\n")
    installed.run("service.sh", "8010", "5")
    assert installed.asked.count("restart") == 3


def test_a_service_without_its_models_holds_nobody_up(installed: Host) -> None:
    installed.program("curl", '#!/bin/bash\n[ "${*: -1}" != "http://127.0.0.1:8010/readyz" ]\n')
    done = installed.run("service.sh", "8010", "0")
    assert done.returncode == 0, done.stdout
    assert last_status(done.stdout)["state"] == "starting"


def test_a_service_that_does_not_stay_up_shows_its_last_lines(installed: Host) -> None:
    installed.program("curl", "#!/bin/bash\nexit 7\n")
    (installed.root / "failed").touch()
    done = installed.run("service.sh", "8010", "5")
    assert done.returncode == 1
    assert "CHARTWELL_IRIS__HOST is not set" in done.stdout
    assert "#service" in done.stdout


def test_whoever_logs_in_is_shown_the_link_and_an_old_one_is_made_anew(installed: Host) -> None:
    none = installed.run("first_administrator.sh")
    assert none.returncode == 1
    assert "#service" in none.stderr
    link = installed.root / "data" / "app" / "state" / "first-administrator.link"
    link.parent.mkdir()
    link.write_text("https://x/first#new\n")
    assert installed.run("first_administrator.sh").stdout == "https://x/first#new\n"
    os.utime(link, (time.time() - 90_000,) * 2)
    installed.program("systemctl", f"#!/bin/bash\necho https://x/first#newer >{link}\n")
    assert installed.run("first_administrator.sh").stdout == "https://x/first#newer\n"


def test_what_may_hold_the_first_administrators_link_reaches_no_journal() -> None:
    text = (HOST_FILES / "units" / "chartwell-service.service").read_text()
    assert re.findall(r"^StandardOutput=(.*)$", text, re.MULTILINE) == ["null"]
    assert "StandardError" not in text


# --- what the program makes of the configuration


@pytest.mark.parametrize(
    ("changes", "url", "bind"),
    [
        ({}, "https://127.0.0.1:8443", "127.0.0.1"),
        ({"serviceDomain": "Notes.Example.org"}, "https://notes.example.org", "127.0.0.1"),
        (
            {"serviceDomain": "notes.example.org", "serviceCidrs": '["10.1.0.0/16"]'},
            "https://notes.example.org",
            "0.0.0.0",
        ),
    ],
)
def test_where_the_service_is_reached(changes: dict[str, Any], url: str, bind: str) -> None:
    stack = config(**changes)
    found = reverse_proxy.front(stack.access, stack.service_tls, "192.0.2.7")
    assert (found.url, found.bind_address) == (url, bind)
    assert reverse_proxy.tunnel_url().endswith(f":{catalog.SERVICE_TUNNEL_PORT}")


def test_the_key_of_a_certificate_goes_by_standard_input_only() -> None:
    tls = ServiceTls("notes.example.org", "-----BEGIN CERTIFICATE-----\nx", SecretText("key-4711"))
    steps = reverse_proxy.steps(
        reverse_proxy.Front("https://x", "notes.example.org", "127.0.0.1", tls), settings="s"
    )
    assert [step.name for step in steps] == ["service-tls-pem", "front", "service"]
    assert steps[0].secret
    assert isinstance(steps[0].stdin, pulumi.Output)
    assert all("key-4711" not in str(step.command) for step in steps)
    plain = reverse_proxy.steps(reverse_proxy.Front("https://x", "x", "127.0.0.1", NO_TLS), settings="s")
    assert [step.name for step in plain] == ["front", "service"]
