"""A real service on loopback for a test: uvicorn in a thread, with people, keys and clients of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from pipeline.config import Settings, as_environment, load_settings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.serve import Draining, listen, uvicorn_config
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.policy import DEMO, Role, actions_of
from pipeline.service.access.visibility import ALL_NOTES, Visibility
from pipeline.service.app import create_app
from pipeline.service.database.engine import State, open_state
from pipeline.service.middleware import cookies
from pipeline.telemetry.setup import Telemetry, open_service_telemetry
from pipeline.wiring import open_corpus

ROOT = Path(__file__).resolve().parents[2]
DEMO_NOTES = ROOT / "pipeline" / "demo" / "notes"
PASSWORD = "four words in a row"
QUESTION = "Is the patient taking allopurinol for gout?"
SECONDS_MAX = 20.0


def settings_in(folder: Path, **given: Any) -> Settings:
    """Settings for a service in `folder`: hashing embedder, cheap password hashes, generous limits."""
    service = {
        "port": 0,
        "password_memory_mebibytes": 1,
        "password_passes": 1,
        "password_lanes": 1,
        "requests_per_minute": 100_000,
        **given.pop("service", {}),
    }
    return load_settings(
        None, **{"data_dir": folder, "embedder": {"provider": "hashing"}, "service": service, **given}
    )


def index(settings: Settings, source: Path = DEMO_NOTES) -> None:
    with open_corpus(settings) as corpus, RejectionLog(None) as rejections:
        Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            rejections,
            SilentObserver(),
            vector_cache=corpus.vector_cache,
        ).run(
            read_sources([str(source)], FieldMapping.parse((), ()), settings.indexing), sources=[str(source)]
        )


@dataclass
class Running:
    """A service that answers at `url`."""

    url: str
    settings: Settings
    state: State
    access: Access
    app: Any
    server: Draining
    clients: list[httpx2.Client | socket.socket] = field(default_factory=list)

    def key(
        self,
        role: Role = "reader",
        *,
        name: str = "",
        sees: Visibility = ALL_NOTES,
        actions: list[str] | None = None,
    ) -> str:
        """The text of a new key of a new person."""
        administrator = DEMO
        person, _ = self.access.people.create(
            administrator, name or f"{role}-{time.monotonic_ns()}", role=role, sees=sees
        )
        granted = actions if actions is not None else sorted(_actions(role))
        return self.access.keys.create(administrator, person.id, "test", granted)[1]

    def browser(
        self, role: Role = "reader", *, sees: Visibility = ALL_NOTES, csrf: bool = True
    ) -> httpx2.Client:
        """A client with the cookie of a user who has just signed in, and the token that our pages send."""
        _, invitation = self.access.people.create(DEMO, f"{role}-{time.monotonic_ns()}", role=role, sees=sees)
        signed_in = self.access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1")
        headers = {"X-CSRF-Token": signed_in.current.csrf} if csrf else {}
        return self.client(cookies={cookies.SIGN_IN: signed_in.token}, headers=headers)

    def raw(
        self, path: str, headers: Mapping[str, str], body: bytes = b"", method: str = "POST"
    ) -> socket.socket:
        """As the function; closed at the end at the latest."""
        connection = raw(self.url, method, path, headers, body)
        self.clients.append(connection)
        return connection

    def client(self, key: str | None = None, **more: Any) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        client = httpx2.Client(
            base_url=self.url, headers={**headers, **more.pop("headers", {})}, timeout=SECONDS_MAX, **more
        )
        self.clients.append(client)
        return client


def _actions(role: Role) -> set[str]:
    return {action.value for action in actions_of(role)}


@contextmanager
def running(
    settings: Settings, *, ready: bool = True, telemetry: Telemetry | None = None
) -> Iterator[Running]:
    """The service in a thread of this process until the block ends."""
    with (
        open_service_telemetry(settings) as own,
        open_state(settings) as state,
        contextlib.closing(listen(settings.service)) as listening,
    ):
        state.migrate()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = create_app(settings, state, url=url, telemetry=telemetry or own)
        server = Draining(uvicorn_config(app, settings.service), settings.service.drain_seconds_max)
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]), name="service")
        thread.start()
        try:
            service = Running(url, settings, state, open_access(state, settings), app, server)
            until(lambda: server.started)
            if ready:
                until(lambda: app.state.services.corpus.ready)
            try:
                yield service
            finally:
                for client in service.clients:
                    client.close()
        finally:
            server.should_exit = True
            thread.join(SECONDS_MAX)
            assert not thread.is_alive(), "the service did not end"


@contextmanager
def process(settings: Settings, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m pipeline.serve` as a process of its own, and its URL."""
    environment = {**os.environ, **as_environment(settings), "CHARTWELL_LOG_LEVEL": "info"}
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.serve", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline().split()[0]
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)


def until(condition: Callable[[], Any], seconds: float = SECONDS_MAX) -> None:
    """Wait for it; fails the test when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def events_of(response: httpx2.Response) -> Iterator[tuple[str, Any]]:
    """Name and data of each server-sent event as it comes."""
    name = "message"
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def raw(url: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> socket.socket:
    """A connection on which a request was sent, and nothing read."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=SECONDS_MAX)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return connection


def copied(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder)
    return folder
