"""What every test gets: a clean environment, no network, and the places of optional data."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.imaging import reading_pool
from pipeline.logs import LOGGER

settings.register_profile("suite", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LOOPBACK = ("127.", "::1", "localhost")
_LOOPS: list[asyncio.AbstractEventLoop] = []


SLOW_FILES = (
    "telemetry/test_deployment.py",
    "infra/test_deployment_scripts.py",
    "service/test_page_browser.py",
    "service/test_leak.py",
    "indexing/test_crash_remote.py",
    "backends/test_gguf.py",
    "service/questions/test_queue.py",
    "service/jobs/test_runner.py",
    "commands/test_vectorize.py",
    "backends/test_extractive.py",
)
"""Few tests each, and long ones: begun first, so that neither of two workers waits for the other at the end."""


# A collection makes millions of objects that all stay: the collector looks at them once, when they are there, not again
# and again (a fifth of the time that each worker needs to collect).
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, in that order; all others stay as they were collected."""
    order = {name: number for number, name in enumerate(SLOW_FILES)}
    root = Path(__file__).parent
    items.sort(key=lambda item: order.get(item.path.relative_to(root).as_posix(), len(order)))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No CHARTWELL_ variable and no .env of the developer reaches a test."""
    for name in list(os.environ):
        if name.startswith(("CHARTWELL_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def log_of_a_door_ends_with_its_test() -> Iterator[None]:
    """A command sends the log to the standard error that is captured then; nothing may write there later."""
    _without_handlers()
    yield
    _without_handlers()


def _without_handlers() -> None:
    LOGGER.handlers, LOGGER.propagate = [], True
    LOGGER.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Sockets reach loopback only: a test that needs more is not a test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0]) if isinstance(address, tuple) else str(address)
            if not host.startswith(LOOPBACK):
                raise AssertionError(f"a test tried to reach {host}")
        return connect(self, address)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="module")
def current_event_loop() -> None:
    """Pulumi wants the main thread's event loop, which an `asyncio.run` of another file's test has taken away."""
    if not _LOOPS:
        _LOOPS.append(asyncio.new_event_loop())
    asyncio.set_event_loop(_LOOPS[0])


@pytest.fixture
def shared_data() -> Path:
    """The development data, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the development data next to the checkout (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="module")
def kept_reading_pools() -> Iterator[None]:
    """Processes that read images are kept between the commands of one file: to start one takes longer than to read a
    film. What is opened with the same options is the same pool."""
    open_pool = reading_pool.ReadingPool
    kept: dict[bytes, reading_pool.ReadingPool] = {}
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def opened(options: reading_pool.PoolOptions) -> AbstractContextManager[reading_pool.ReadingPool]:
            key = pickle.dumps(options)
            if key not in kept:
                kept[key] = stack.enter_context(open_pool(options))
            return nullcontext(kept[key])

        patch.setattr(reading_pool, "ReadingPool", opened)
        yield
