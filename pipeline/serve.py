"""The service and its page: `python -m pipeline.serve`.

Decides on which address it listens, refuses combinations that would let strangers in, and how it ends: SIGTERM and
Ctrl-C let answers in progress finish for a while, new questions get 503, then the process ends with code 0. A second
signal ends it immediately.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from contextlib import closing
from ipaddress import ip_address
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from sse_starlette.sse import AppStatus

from pipeline import logs
from pipeline.commands.console import StackOption, command_line, errors_as_exit_codes, out
from pipeline.config import ServiceSettings, Settings, load_settings
from pipeline.errors import InputUnusable, SettingsInvalid
from pipeline.logs import LOGGER
from pipeline.service.access.factory import open_access
from pipeline.service.app import create_app
from pipeline.service.database.engine import State, open_state
from pipeline.service.head_timeout import HeadTimeoutProtocol
from pipeline.telemetry.setup import open_service_telemetry

app = command_line(__doc__ or "")

KEEP_ALIVE_SECONDS = 15
BACKLOG = 512
FIRST_LINK_FILE = "first-administrator.link"
CLOSING_SECONDS = 5
"""For responses that are still being sent once every answer has ended."""
SWITCH_SECONDS = 0.0005
"""How long one thread keeps the interpreter while others want it. With Python's own 5 ms, a thread that holds the
state's write lock waits that long at each statement, and 100 askers got 0.88 of what the model could answer, not 0.99
(benchmarks.service).
"""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="port to listen on; 0: any free one, printed")
    ] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo", help="let every user of this machine in without login")
    ] = None,
    stack: StackOption = None,
) -> None:
    """Serve questions, notes and the page over HTTP until stopped.

    Exit code 0: stopped; 2: could not run; 75: something needed is away, run it again.
    """
    with errors_as_exit_codes():
        settings = _settings(host, port, demo, stack)
        logs.configure(settings.log_level)
        _join_logs()
        refuse_unsafe(settings.service)
        with closing(listen(settings.service)) as listening, closing(open_state(settings)) as state:
            state.migrate()
            url = url_of(settings.service, listening)
            out.print(f"{url}  (Ctrl-C stops it)", markup=False)
            _show_first_link(settings, state, url)
            run(settings, state, listening, url)


def _join_logs() -> None:
    """What the libraries complain of goes where ours goes, in the same form: the class of an error, never its words."""
    for name in ("uvicorn", "sse_starlette"):
        library = logging.getLogger(name)
        library.handlers = list(LOGGER.handlers)
        library.setLevel(logging.WARNING)  # at debug sse_starlette writes what it sends
        library.propagate = False


def _settings(host: str | None, port: int | None, demo: bool | None, stack: str | None) -> Settings:
    given: dict[str, Any] = {
        name: value for name, value in (("host", host), ("port", port), ("demo", demo)) if value is not None
    }
    return load_settings(stack=stack, service=given) if given else load_settings(stack=stack)


def refuse_unsafe(service: ServiceSettings) -> None:
    """Raises SettingsInvalid for what would let in people who were not let in."""
    loopback = is_loopback(service.host)
    if service.demo and not loopback:
        raise SettingsInvalid(
            f"The demo lets everyone in, and {service.host} can be reached from other machines.",
            remedy="Leave CHARTWELL_SERVICE__HOST at 127.0.0.1, or unset CHARTWELL_SERVICE__DEMO.",
        )
    if service.demo and service.public_url:
        raise SettingsInvalid(
            "The demo lets everyone in, and a public URL says that others should come.",
            remedy="Unset CHARTWELL_SERVICE__PUBLIC_URL or CHARTWELL_SERVICE__DEMO.",
        )
    if not loopback and not service.public_url.startswith("https://"):
        raise SettingsInvalid(
            f"{service.host} can be reached from other machines, and passwords and notes would cross in clear text.",
            remedy="Put a server that speaks TLS in front; set CHARTWELL_SERVICE__PUBLIC_URL to its https:// address.",
        )
    if service.public_url.startswith("https://") and service.proxy_key_file is None:
        LOGGER.warning(
            "CHARTWELL_SERVICE__PROXY_KEY_FILE is not set: all clients behind the server in front count as one "
            "address (docs/security.md)"
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def listen(service: ServiceSettings) -> socket.socket:
    """A bound socket. Raises InputUnusable where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        # The kernel lets go of a client that takes nothing, together with what was buffered for it.
        milliseconds = int(service.send_seconds_max * 1000)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    try:
        listening.bind((service.host, service.port))
    except OSError as error:
        listening.close()
        raise InputUnusable(
            f"{service.host}:{service.port} cannot be listened on: {os.strerror(error.errno or 0)}.",
            remedy="Name another port: --port 0 takes any that is free.",
        ) from None
    listening.listen(BACKLOG)
    return listening


def url_of(service: ServiceSettings, listening: socket.socket) -> str:
    if service.public_url:
        return service.public_url
    host = f"[{service.host}]" if ":" in service.host else service.host
    return f"http://{host}:{listening.getsockname()[1]}"


def _show_first_link(settings: Settings, state: State, url: str) -> None:
    """The link with which the first administrator comes in: to a terminal, else into a file that only its owner reads.
    What a service manager keeps of our output is read by more people than that."""
    path = settings.data_dir / FIRST_LINK_FILE
    path.unlink(missing_ok=True)
    if settings.service.demo:
        return
    invitation = open_access(state, settings).people.first_administrator()
    if invitation is None:
        return
    link = url + invitation.path
    if out.is_terminal:
        out.print(f"the first administrator comes in here, once: {link}", markup=False)
        return
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(link + "\n")
    out.print(f"the first administrator's link is in {path}", markup=False)


def run(settings: Settings, state: State, listening: socket.socket, url: str) -> None:
    """Serve on `listening` until a signal."""
    sys.setswitchinterval(SWITCH_SECONDS)
    with open_service_telemetry(settings) as telemetry:
        application = create_app(settings, state, url=url, telemetry=telemetry)
        config = uvicorn_config(application, settings.service)
        Draining(config, settings.service.drain_seconds_max).run(sockets=[listening])


def uvicorn_config(application: FastAPI, service: ServiceSettings) -> uvicorn.Config:
    """No log of its own: ours has no paths, and therefore no ids."""
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]  # streams end as the drain ends them
    return uvicorn.Config(
        application,
        http=HeadTimeoutProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # service.proxy decides whose word counts
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )


class Draining(uvicorn.Server):
    """A server whose first signal begins a drain, during which it still answers, and whose second one ends it."""

    def __init__(self, config: uvicorn.Config, drain_seconds_max: float) -> None:
        super().__init__(config)
        self._drain_seconds_max = drain_seconds_max
        self._draining: asyncio.Task[None] | None = None
        self._asked = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not uvicorn's: that would end with the signal's own code, and send new questions nowhere."""
        if self._asked:
            self.should_exit = self.force_exit = True
            return
        self._asked = True

    async def on_tick(self, counter: int) -> bool:
        if self._asked and self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await super().on_tick(counter)

    async def _drain(self) -> None:
        LOGGER.info("stopping: answers in progress are finished", extra={"seconds": self._drain_seconds_max})
        try:
            application: Any = self.config.app
            await application.state.drain(self._drain_seconds_max)
        finally:
            self.should_exit = True


if __name__ == "__main__":
    app()
