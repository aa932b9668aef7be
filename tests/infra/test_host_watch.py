"""What runs inside the host: the idle watch and the spot notice, with stand-in programs and a real metrics
server."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

WATCH = Path(__file__).resolve().parents[2] / "cloud-init" / "watch"
QUIET = "num_requests_running 0.0\nnum_requests_waiting 0.0\nprompt_tokens_total 7.0\n"


class Server:
    """Answers every GET with `text`; 404 when it is empty."""

    def __init__(self) -> None:
        self.text = QUIET
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if outer.text else 404)
                self.end_headers()
                self.wfile.write(outer.text.encode())

            do_PUT = do_GET  # noqa: N815 (the name is the library's)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class Host:
    """One host; time is what it is told."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.url = url
        self.now = 1_000_000
        self.programs = root / "bin"
        self.programs.mkdir()
        self.program("who", "true")
        self.program("nvidia-smi", "echo 0")
        self.program("systemctl", f'case "$1" in show) echo inactive ;; *) echo "$@" >>{root}/asked ;; esac')
        self.program("sync", "true")
        self.program("docker", f'echo docker "$@" >>{root}/asked')

    def program(self, name: str, body: str) -> None:
        (self.programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (self.programs / name).chmod(0o755)

    @property
    def asked(self) -> str:
        path = self.root / "asked"
        return path.read_text() if path.exists() else ""

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOST_IDLE_MINUTES": "30",
            "HOST_GPU": "yes",
            "HOST_METRICS_URLS": f"{self.url}/v1/metrics",
            "HOST_RUN": str(self.root / "run"),
            "HOST_MOUNT_POINT": str(self.root / "data"),
            "HOST_STATE": str(self.root / "state"),
            "HOST_NOW": str(self.now),
        }

    def look(self, minutes_later: int = 0) -> dict[str, object]:
        self.now += minutes_later * 60
        done = subprocess.run(
            ["bash", str(WATCH / "idle.sh")],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads((self.root / "state" / "idle.json").read_text()))


@pytest.fixture
def host(tmp_path: Path, server: Server) -> Host:
    return Host(tmp_path, server.url)


def settled(host: Host) -> Host:
    """After the first look the counters are known."""
    assert host.look()["busy"] is True
    assert host.look(1)["busy"] is False
    return host


def test_it_powers_off_after_the_idle_minutes_and_not_before(host: Host) -> None:
    settled(host)
    assert host.look(28)["idle_minutes"] == 29
    assert "poweroff" not in host.asked
    host.look(1)
    assert host.asked == "poweroff\n"


@pytest.mark.parametrize(
    ("program", "body", "why"),
    [
        ("who", "echo operator pts/0", "someone is logged in"),
        ("who", "exit 1", "unknown: who"),
        ("nvidia-smi", "echo 80", "GPU at 80 %"),
        ("nvidia-smi", "exit 9", "unknown: nvidia-smi"),
        ("nvidia-smi", "echo '[N/A]'", "unknown: nvidia-smi"),
        ("systemctl", "echo activating", "chartwell-boot: activating"),
        (
            "systemctl",
            "[[ $* = *vectorize* ]] && echo active || echo inactive",
            "chartwell-vectorize: active",
        ),
        ("systemctl", "exit 1", "chartwell-boot: unknown"),
    ],
)
def test_what_is_busy_or_unknown_keeps_the_host_on(host: Host, program: str, body: str, why: str) -> None:
    settled(host)
    host.program(program, body)
    assert host.look(100) == {"busy": True, "why": why}
    assert "poweroff" not in host.asked


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "unknown"),
        ("something_else 1\n", "unknown: no counters"),
        (QUIET.replace("running 0.0", "running 2.0"), "requests at"),
        (QUIET.replace("7.0", "9.0"), "requests since the last look"),
        (QUIET.replace("num_", "vllm:num_").replace("prompt", "vllm:prompt"), "requests since the last look"),
    ],
)
def test_requests_and_silent_models_keep_the_host_on(host: Host, server: Server, text: str, why: str) -> None:
    settled(host)
    server.text = text
    found = host.look(100)
    assert found["busy"] is True
    assert str(found["why"]).startswith(why)


def test_a_fresh_lease_keeps_the_host_on_and_an_old_one_does_not(host: Host) -> None:
    settled(host)
    lease = host.root / "data" / "app" / "leases" / "worker-1"
    lease.parent.mkdir(parents=True)
    lease.touch()
    os.utime(lease, (host.now + 6000, host.now + 6000))
    assert host.look(100) == {"busy": True, "why": "lease worker-1"}
    assert host.look(11)["busy"] is False


def test_a_spot_notice_ends_the_job_and_the_database_in_order(host: Host, server: Server) -> None:
    server.text = ""
    environment = host.environment() | {"HOST_METADATA": server.url, "HOST_SPOT_SECONDS": "0.1"}
    process = subprocess.Popen(
        ["bash", str(WATCH / "spot.sh")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.5)
    assert process.poll() is None
    assert host.asked == ""
    server.text = '{"action": "stop", "time": "2026-11-21T08:22:00Z"}'
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert host.asked.splitlines() == [
        "stop --no-block chartwell-vectorize.service",
        "docker stop -t 100 iris",
        "poweroff",
    ]
    assert "stop" in (host.root / "state" / "spot-notice.json").read_text()
