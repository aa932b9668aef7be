"""Faults of AWS, from a real server that is not AWS: every command says them in a line, none with a stack trace."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pulumi
import pytest

from infra import ami, orphans, preflight
from infra.components import host_key
from infra.plan import capacity
from infra.plan.capacity import CapacityError
from infra.plan.faults import LENGTH_MAX
from infra.plan.inventory import InventoryError, discover
from infra.preflight import Surroundings
from tests.infra.stacks import config, inventory
from tests.infra.test_preflight import NOW


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """Between here and AWS stands a proxy that answers everything with its page. botocore has no exception of its own
    family for that: ResponseParserError is neither a ClientError nor a BotoCoreError."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            page = b"<!doctype html>\n<html><p>Please sign in\n</html>" + b"\n<p>" * 200
            self.send_response(502)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield boto3.Session(region_name="us-east-1")
    server.shutdown()
    server.server_close()


def in_a_line(text: str) -> bool:
    return "\n" not in text and len(text) < LENGTH_MAX + 400


def test_an_up_is_told_in_a_line(session: boto3.Session) -> None:
    with pytest.raises(InventoryError, match="#credentials") as unknown:
        discover(config(), session)
    with pytest.raises(CapacityError, match="#no-capacity") as room:
        capacity.with_room(config(), inventory(), session)
    with pytest.raises(pulumi.RunError, match="#host-key") as key:
        host_key.reader(session)("i-0123456789abcdef0")
    assert all(in_a_line(str(each.value)) for each in (unknown, room, key))


def test_a_preflight_says_what_it_could_not_check(session: boto3.Session) -> None:
    around = Surroundings(session, lambda *_: pytest.fail("no registry is asked"), NOW)
    found = {
        each.check: each
        for name, _, check in preflight.CHECKS
        if name != "images"
        for each in preflight.run(config(), around, ((name, "a permission", check),))
    }
    assert found["credentials"].status == "fail"
    assert {each.status for name, each in found.items() if name != "credentials"} == {"warn"}
    assert all(in_a_line(each.message) for each in found.values())


def test_commands_end_with_their_exit_code(
    session: boto3.Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({}))
    assert orphans.main(["--stack", "dev", "--region", "us-east-1", "--state", str(state)]) == 2
    assert ami.main([], session=session) == 1
    assert "Traceback" not in "".join(capsys.readouterr())
